"""The report is one self-contained page that says what it shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support import calibration as small

from catena.calibrator import jobs, plots
from catena.calibrator.pair_plot import pair_plot
from catena.calibrator.plot_style import Label
from catena.calibrator.storage import read_ensemble
from catena.shared.report import duration, number, plot, unit_label

VOID = {"meta", "br", "img", "link"}


@pytest.fixture(scope="module")
def made() -> small.Calibration:
    return small.small_calibration()


def page_of(made: small.Calibration, **changes: object) -> str:
    request = {
        "ensemble": made.ensemble,
        "surrogate": made.surrogate,
        "posterior": made.posterior,
        "observation": small.observation(),
    }
    ref = made.run(jobs.write_report, request | changes)
    return made.store.open(ref["uri"]).read_bytes("report.html").decode()


class Balance(HTMLParser):
    """Every element that is opened is closed, in order; identifiers are unique."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._look(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(attrs)

    def _look(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "data"):
                self.loads.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(made: small.Calibration) -> None:
    page = page_of(made)
    reader = Balance()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert all(value.startswith(("#", "data:image/png")) for value in reader.loads)
    assert not re.search(r"url\((?!#)|@import|<script|<link|<iframe", page)
    assert "default-src 'none'" in page
    assert all(target[1:] in reader.ids for target in reader.loads if target.startswith("#"))


def test_plots_follow_the_colours_of_the_page(made: small.Calibration) -> None:
    page = page_of(made)
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--first)" in drawings
    assert not re.search(r"(fill|stroke): ?#", drawings), "a fixed colour vanishes in the dark"


def test_a_report_without_checks_says_so(made: small.Calibration) -> None:
    page = page_of(made)
    assert "Nobody has checked this posterior." in page
    assert "synthetic" not in re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)


def test_a_synthetic_observation_is_called_that(made: small.Calibration) -> None:
    run = small.RUNS - 1
    outputs = read_ensemble(made.store.open(made.ensemble["uri"])).outputs[run]
    seen = small.observation(values=outputs.tolist(), synthetic=True, run=run, source="a run")
    page = page_of(made, observation=seen)
    assert "The observation is synthetic" in page
    assert "Truth" in page
    assert "generated" not in page.split("<main>")[0]


def test_generated_runs_are_called_that(made: small.Calibration) -> None:
    ensemble = made.run(jobs.import_ensemble, {"generated": {"runs": 60, "seed": 1}})
    surrogate = made.run(jobs.train_surrogate, {"ensemble": ensemble, "method": "gp"})
    posterior = made.run(jobs.train_posterior, small.posterior_request(surrogate))
    seen = {"values": [50.0, 45.0, 60.0, 58.0, 68.0], "error_sd": [2.0] * 5}
    parts = {"ensemble": ensemble, "surrogate": surrogate, "posterior": posterior}
    page = page_of(made, observation=seen, **parts)
    assert "The runs are generated" in page
    assert "Made by</dt><dd>a formula (generated)" in page


def test_a_masked_output_is_marked_in_the_plot(made: small.Calibration) -> None:
    page = page_of(made, observation=small.observation(observed=[True, True, False, True]))
    assert page.count("not observed</text>") == 1


def label(name: str = "x") -> Label:
    return Label.of(name, "m", 1.0)


def draws(d: int, n: int = 400) -> np.ndarray:
    return np.random.default_rng(d).uniform(size=(n, d))


@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_pairs_of_any_number_of_parameters(d: int) -> None:
    figure = pair_plot(
        draws(d), draws(d, 200), np.zeros(d), np.ones(d), [label()] * d, np.full(d, 0.5)
    )
    assert len(figure.axes) == d * (d + 1) // 2
    assert plot(figure, "p", alt="pairs").startswith(("<svg", "<img"))


def test_draws_that_are_all_alike_can_be_drawn() -> None:
    same = np.full((100, 2), 0.3)
    figure = pair_plot(same, same, np.zeros(2), np.ones(2), [label()] * 2, None)
    assert plot(figure, "p", alt="pairs").startswith(("<svg", "<img"))


@pytest.mark.parametrize("k", [1, 5, 200])
def test_predictions_of_any_number_of_outputs(k: int) -> None:
    quantiles = np.sort(draws(k, 5), axis=0)
    figure = plots.predictive_plot(
        quantiles[[0, -1]],
        quantiles,
        quantiles[2],
        np.full(k, 0.1),
        np.ones(k, bool),
        [f"y{i}" for i in range(k)],
        ["K"] * (k // 2) + ["m"] * (k - k // 2),
        "output",
    )
    assert len(figure.axes) == min(k, 2)
    assert "<svg" in plot(figure, "p", alt="predictive")


def test_a_plot_that_would_be_large_becomes_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catena.shared.report.LARGEST_SVG", 1000)
    figure = plots.rank_plot(draws(3), None, [label()] * 3)
    assert plot(figure, "p", alt="ranks").startswith('<img class="plate" alt="ranks" src="data:')


def test_labels_are_escaped() -> None:
    figure = plots.rank_plot(draws(1), None, [label("<b>&")])
    drawn = plot(figure, "p", alt='"><script>')
    assert "<b>" not in drawn
    assert "<script>" not in drawn


def test_the_same_plot_is_the_same_bytes() -> None:
    first, second = (
        plot(plots.rank_plot(draws(3), None, [label()] * 3), "p", alt="") for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.2345678, "0.235"), (45000.0, "45000"), (651.7, "652"), (2.5e-6, "2.5 × 10⁻⁶")],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (9.84, "9.8 s"), (60, "1 min"), (250, "4 min 10 s"), (18720, "5 h 12 min")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_units_for_people() -> None:
    assert unit_label("W m-2") == "W m⁻²"
    assert unit_label("gC gN-1 s-1") == "gC gN⁻¹ s⁻¹"
    assert unit_label("1") == ""
    assert Label.of("br_mr", "s-1", 4e-6).lines() == "br_mr\n10⁻⁶ s⁻¹"
