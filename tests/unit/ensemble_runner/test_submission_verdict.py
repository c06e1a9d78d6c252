"""What is said about a submission: no more than its figures say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.towers import observed

from catena.coupler.callmip.observations import FLUXES
from catena.coupler.callmip.skill import Score
from catena.ensemble_runner.submission_report import summary, write_page
from catena.ensemble_runner.submission_result import Chains, SiteResult, Submitted
from catena.ensemble_runner.submission_scores import Change, Coverage, MonthlyScore, SiteRuns
from catena.ensemble_runner.submission_verdict import notices, trust, verdict

GOOD = Chains(1.004, "flnr", 900.0, 1000, ())
BAD = Chains(1.3, "flnr", 20.0, 1000, ("the chains have not mixed; run them longer",))
DAYS = observed().days


def score(rmse: float, flux: str, period: str) -> Score:
    return Score(flux, period, 100, 200, rmse, 0.0, 0.9, "W m-2")


def month(rmse: float, stage: str, site: str = "US-Ha1") -> MonthlyScore:
    return MonthlyScore(site, "gpp", stage, 60, rmse, 0.1, 0.9, "gC m-2 d-1")


def runs(**values: np.ndarray) -> SiteRuns:
    series = {flux: np.linspace(0, 1, DAYS) for flux in FLUXES}
    draws = {flux: np.stack([each, each + 1]) for flux, each in series.items()}
    return SiteRuns(observed(values), series, draws)


def submitted(
    *, rmse: dict[str, float] | None = None, ha1: float = 0.5, inside: int = 90, **changes: Any
) -> Submitted:
    """Everything better, covered, converged: unless told otherwise."""
    after = dict.fromkeys(FLUXES, 0.5) | (rmse or {})
    tower = SiteResult(
        "US-MMS", changes.pop("runs", runs()), (), (("a.nc", 80, 0),), (19, 20),
        [("gaps of 3 h", "filled", "asked for")], (), False,
    )  # fmt: skip
    other = SiteResult(
        "US-Ha1", None, (month(1.0, "before"), month(ha1, "after")), (("b.nc", 80, 0),), (20, 20),
        (), (), False,
    )  # fmt: skip
    periods = ("calibration", "validation")
    found = [
        Change("US-MMS", score(1.0, flux, period), score(after[flux], flux, period))
        for flux in FLUXES for period in periods
    ]  # fmt: skip
    covered = [
        Coverage("US-MMS", "nee", steps, period, inside, 100)
        for steps in ("day", "month") for period in periods
    ]  # fmt: skip
    plain: dict[str, Any] = {
        "title": "t", "model": "m.1", "source": "embedded 1", "sites": [tower, other],
        "changes": found, "coverages": covered, "parameters": [], "chains": GOOD,
        "members": (500, 512), "costs": [("Statistics", 3.0)], "synthetic": False,
        "generated_weather": False, "statistics": 48, "held_back_years": 2,
    }  # fmt: skip
    return Submitted(**(plain | changes))


def test_all_good_is_better_everywhere() -> None:
    found = verdict(submitted())
    assert (found.status, found.title) == ("passed", "Better everywhere")


@pytest.mark.parametrize(
    ("changes", "title", "said"),
    [
        ({"chains": BAD}, "Better everywhere, to be used with care", "have not converged"),
        ({"chains": None}, "Better everywhere, to be used with care", "Nobody has looked"),
        ({"inside": 70}, "Better everywhere, to be used with care", "70 % of the held-back days"),
        ({"coverages": []}, "Better everywhere, to be used with care", "No held-back days"),
        ({"ha1": 1.2}, "Better, but not everywhere", "monthly GPP at US-Ha1"),
        ({"rmse": {"nee": 1.1}}, "Better, but not everywhere", "NEE at US-MMS in the held-back"),
        ({"rmse": {"nee": np.nan}}, "Better, but not everywhere", "Too few observations to judge"),
        ({"rmse": dict.fromkeys(FLUXES, 1.1), "ha1": 2.0}, "Not better", "did not shrink"),
    ],
)  # fmt: skip
def test_what_is_not_good_is_said(changes: dict[str, Any], title: str, said: str) -> None:
    found = verdict(submitted(**changes))
    assert (found.status, found.title) == ("doubtful", title)
    assert said in found.said and "nan" not in found.said


def test_many_runs_that_failed_are_a_doubt() -> None:
    sites = submitted().sites
    many = SiteResult(**(vars(sites[0]) | {"draws": (18, 20)}))
    found = verdict(submitted(sites=[many, sites[1]]))
    assert found.status == "doubtful"
    assert "2 of 20 runs of the posterior failed at US-MMS" in found.said


def test_rules_that_are_broken_come_first() -> None:
    sites = submitted().sites
    broken = SiteResult(**(vars(sites[1]) | {"files": (("b.nc", 79, 1),)}))
    assert verdict(submitted(sites=[sites[0], broken])).title == "Not ready"


def test_months_of_a_calibrated_site_are_no_proof() -> None:
    sites = submitted().sites
    both = (month(1.0, "before", "US-MMS"), month(1.5, "after", "US-MMS"))
    tower = SiteResult(**(vars(sites[0]) | {"monthly": both}))
    found = submitted(sites=[tower, sites[1]])
    assert verdict(found).title == "Better everywhere"
    assert "calibrated" in write_page(found)


def test_chains_are_judged_beside_the_spread() -> None:
    first = trust(submitted(chains=BAD))[0]
    assert first.status == "doubtful" and "R-hat 1.300 (flnr)" in first.said
    assert "The chains have not mixed; run them longer." in first.said
    assert trust(submitted())[0].status == "passed"


def test_sites_that_are_missing_are_told() -> None:
    (told,) = [each for each in notices(submitted()) if "whole submission" in each]
    assert "1 of the protocol's 21 calibration sites and 1 of its 10" in told


def test_the_page_counts_what_failed_and_has_no_nan() -> None:
    """A flux that was hardly measured is a hole in the page, not its end."""
    hardly = np.full(DAYS, np.nan)
    hardly[:3] = 1.0
    found = submitted(runs=runs(nee=hardly), rmse={"nee": np.nan}, coverages=[])
    page = write_page(found)
    for text in ("500 good of 512 asked", "19 good of 20 asked", "gaps of 3 h", "48 statistics"):
        assert text in page, text
    assert "nan %" not in page
    assert summary(found)["rmse_reduction"]["validation"]["nee"] is None
