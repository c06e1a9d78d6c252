"""Plots of the forecaster's pages: what is missing is seen to be missing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from catena.forecaster.plots import Hydrograph, hydrograph_plot, lead_plot, pit_plot, skill_map
from catena.shared.report import plot

DAYS = np.arange("2005-01-01", "2005-01-11", dtype="datetime64[D]")


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def panel(flow: np.ndarray, lower: np.ndarray, upper: np.ndarray, title: str = "a") -> Hydrograph:
    days = DAYS[: len(flow)]
    return Hydrograph(title, days, flow * 1.1, days, flow, (0.9,), lower[None], upper[None])


def drawn(one: Hydrograph):
    figure = hydrograph_plot([one])
    plot(figure, "p", alt="p")
    return figure.axes[0]


def test_an_interval_that_is_missing_leaves_a_hole() -> None:
    flow = np.full(10, 5.0)
    flow[3:6] = np.nan
    axes = drawn(panel(flow, flow - 1.0, flow + 1.0))
    (band,) = axes.collections[:1]
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    assert heights.min() >= 4.0, "no edge falls to zero"
    assert len(band.get_paths()) == 2


def test_bounds_without_end_are_drawn_to_the_edges() -> None:
    flow = np.full(10, 5.0)
    axes = drawn(panel(flow, np.full(10, -np.inf), np.full(10, np.inf)))
    (band,) = axes.collections[:1]
    heights = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    assert heights.min() == 0.0
    assert heights.max() > axes.get_ylim()[1]


def test_a_forecast_of_one_day_and_days_alone_are_seen() -> None:
    single = np.array([5.0])
    axes = drawn(panel(single, single - 1.0, single + 1.0))
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in dots] == [1, 1]
    bars = axes.collections[1].get_segments()
    assert [segment[:, 1].tolist() for segment in bars] == [[4.0, 6.0]]
    flow = np.array([1.0, np.nan, 2.0, np.nan, 3.0, 3.0])
    axes = drawn(panel(flow, flow, flow))
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert dots[1].get_ydata().tolist() == [1.0, 2.0]


def test_panels_without_any_number_are_drawn() -> None:
    none = np.full(10, np.nan)
    assert drawn(panel(none, none, none)).get_ylim()[1] > 0


def test_a_model_without_scores_does_not_hide_the_others() -> None:
    good, none = np.array([0.9, 0.4]), np.full(2, np.nan)
    axes = lead_plot({"none": none, "good": good}, "NSE", bottom=-0.5).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(0.35)
    lead_plot({"none": none}, "NSE", bottom=-0.5)


def test_the_map_counts_what_it_shows() -> None:
    latitude = np.array([40.0, np.nan, -30.0, 35.0])
    longitude = np.array([-100.0, -90.0, 150.0, -110.0])
    score = np.array([0.8, 0.9, np.nan, 0.1])
    names = ["$a", "b", "$\\no$", "d_e"]
    figure = skill_map(latitude, longitude, names, score, "NSE at 7 d")
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == [
        "0.75 and more (1)", "0.5 and more (0)", "0 and more (1)", "under 0 (0)", "no score (1)",
    ]  # fmt: skip
    assert "$\\no$" in plot(figure, "map", alt="map"), "a name is no formula"


def test_no_pit_is_no_histogram() -> None:
    plot(pit_plot({"lead 1 d": np.full(4, np.nan)}), "pit", alt="pit")
