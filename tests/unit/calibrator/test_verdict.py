"""The words of a report follow from its numbers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from catena.calibrator import verdict
from catena.shared.report import Finding

GOOD: dict[str, Any] = {
    "noise_fraction": 0.3,
    "draws": 500,
    "simulated": {"pairs": 1000, "ks": [0.02, 0.03], "tarp": 0.02, "outside_prior": 0},
    "held_out": {
        "pairs": 100,
        "ks": [0.1, 0.08],
        "tarp": 0.08,
        "coverage90": [0.9, 0.88],
        "outside_prior": 0,
        "surrogate_r2": [0.99, 0.95],
        "surrogate_coverage90": 0.9,
    },
    "out_of_range": {"false_alarms": 0.01, "flagged": 1.0, "tried": 100},
}
SEEN: dict[str, Any] = {
    "draws": 1000,
    "effective_size": 5000.0,
    "out_of_range": False,
    "distance_sd": 1.0,
    "method_used": "sir",
    "extrapolates": 0.0,
    "z": [0.5, None, -1.0],
}
NAMES = ("a", "b", "c")


def changed(figures: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    figures = copy.deepcopy(figures)
    *parents, last = path.split(".")
    place = figures
    for name in parents:
        place = place[name]
    place[last] = value
    return figures


def statuses(findings: list[Finding]) -> set[str]:
    return {finding.status for finding in findings}


def test_good_figures_pass() -> None:
    found = verdict.check_findings(GOOD, NAMES[:2]) + verdict.observation_findings(SEEN, NAMES)
    assert statuses(found) == {"passed"}
    assert verdict.overall(found, checked=True).title == "This posterior can be believed."


@pytest.mark.parametrize(
    ("path", "value", "title"),
    [
        ("simulated.ks", [0.02, 0.2], "Ranks of the truth, simulated pairs"),
        ("simulated.tarp", 0.3, "Joint coverage (TARP), simulated pairs"),
        ("held_out.ks", [0.4, 0.1], "Ranks of the truth, held-out model runs"),
        ("held_out.tarp", 0.4, "Joint coverage (TARP), held-out model runs"),
        ("held_out.coverage90", [0.5, 0.6], "90 % intervals on held-out model runs"),
        ("held_out.surrogate_r2", [0.99, 0.2], "Surrogate on held-out model runs"),
        ("held_out.outside_prior", 1, "Draws inside the prior"),
        ("out_of_range.flagged", 0.5, "Warnings about impossible observations"),
    ],
)
def test_each_figure_alone_can_fail_the_verdict(path: str, value: Any, title: str) -> None:
    found = verdict.check_findings(changed(GOOD, path, value), NAMES[:2])
    failed = [finding for finding in found if finding.status == "failed"]
    assert [finding.title for finding in failed] == [title]
    assert failed[0].todo, "it says what to do"
    answer = verdict.overall(found, checked=True)
    assert answer.status == "failed"
    assert title in answer.said


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("out_of_range", True, "failed"),
        ("z", [0.5, None, 9.0], "failed"),
        ("z", [0.5, None, -3.0], "doubtful"),
        ("effective_size", 20.0, "doubtful"),
        ("extrapolates", 0.9, "failed"),
    ],
)
def test_each_doubt_about_the_observation_is_told(name: str, value: Any, status: str) -> None:
    found = verdict.observation_findings(SEEN | {name: value}, NAMES)
    assert statuses(found) == {"passed", status}


def test_the_generator_has_no_effective_size() -> None:
    found = verdict.observation_findings(
        SEEN | {"method_used": "generator", "effective_size": 1.0}, NAMES
    )
    assert statuses(found) == {"passed"}


def test_without_a_check_nobody_is_told_to_believe() -> None:
    found = verdict.observation_findings(SEEN, NAMES)
    assert verdict.overall(found, checked=False).status == "unknown"


def test_without_held_out_runs_the_report_says_so() -> None:
    found = verdict.check_findings(changed(GOOD, "held_out", None), NAMES[:2])
    assert "unknown" in statuses(found)


def test_chains_that_do_not_agree_fail() -> None:
    assert statuses(verdict.chain_findings((), 0.55)) == {"passed"}
    assert statuses(verdict.chain_findings(("have not mixed",), 0.9)) == {"doubtful", "failed"}


def test_limits_are_what_chance_allows() -> None:
    rng = np.random.default_rng(0)
    pairs, tests, trials = 200, 8, 400
    ordered = np.sort(rng.uniform(size=(trials, tests, pairs)), axis=-1)
    step = np.arange(1, pairs + 1) / pairs
    distance = np.maximum(step - ordered, ordered - step + 1 / pairs).max(axis=-1).max(axis=-1)
    beyond = (distance > verdict.ks_limit(pairs, tests)).mean()
    assert 0.02 < beyond < 0.08, "5 % wanted"


def test_limits_are_never_tighter_than_what_matters() -> None:
    assert verdict.ks_limit(10**8) == verdict.KS_MATTERS
    assert verdict.coverage_limit(10**8) == verdict.COVERAGE_MATTERS


def test_a_surrogate_that_says_too_much_error_is_not_cured_by_more_runs() -> None:
    held = {"surrogate_r2": [0.999], "surrogate_coverage90": 1.0, "pairs": 30}
    assert verdict._surrogate(held).status == "passed", "30 of 30 inside is nothing rare"
    found = verdict._surrogate(held | {"pairs": 1000})
    assert found.status == "doubtful"
    assert "wider" in found.todo
    assert "Add runs" not in found.todo
