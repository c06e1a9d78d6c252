"""What the plots are drawn from is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.explained import NAMES, explained

from catena.explainer.report.contribution_plots import beeswarm_plot, lag_plot, swarm_offsets
from catena.explainer.report.drawing import edges
from catena.explainer.report.flood_plot import flood_plot, largest_flow
from catena.explainer.report.internal_plots import attention_plot, gate_plot, importance_plot
from catena.explainer.report.matrix_plots import interaction_plot, trust_plot
from catena.explainer.report.pairs import pair_shares
from catena.explainer.report.reading import Explained

SHORT: dict[str, Any] = {"samples": 8, "window": 40, "leads": 8}


@pytest.fixture
def rain() -> Explained:
    return Explained.of(*explained(("rain",), **SHORT))


def texts(figure: Figure) -> set[str]:
    """Titles and labels of all panels."""
    found = set()
    for axes in figure.axes:
        found |= {axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()}
        found |= {label.get_text() for label in axes.get_yticklabels()}
    return found


def test_a_swarm_spreads_only_what_would_overlap() -> None:
    apart = swarm_offsets(np.array([0.0, 0.3, 0.6, 0.9]))
    assert np.abs(apart).max() == 0.0
    heap = swarm_offsets(np.array([0.1, *[0.5] * 7]))
    assert heap[0] == 0.0
    assert len(set(heap[1:])) == 7
    assert np.abs(heap).max() < 0.5


def test_a_beeswarm_has_each_sample_at_its_contribution(rain: Explained) -> None:
    figure = beeswarm_plot(rain, rain.parts(), [0])
    axes = figure.axes[0]
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order[-1] == "precipitation"  # the most important on top
    points = axes.collections[len(order) - 1]
    drawn = np.sort(np.asarray(points.get_offsets())[:, 0])
    assert drawn == pytest.approx(np.sort(rain.total[:, 0, 0]))


def test_wet_samples_are_red_and_lie_right_where_rain_gives_flow(rain: Explained) -> None:
    axes = beeswarm_plot(rain, rain.parts(), [0]).axes[0]
    points = axes.collections[len(axes.get_yticklabels()) - 1]
    red = points.get_facecolor()[:, 0] - points.get_facecolor()[:, 2]
    assert np.corrcoef(np.asarray(points.get_offsets())[:, 0], red)[0, 1] > 0.8


def test_the_heat_map_is_darkest_at_the_planted_day() -> None:
    x = Explained.of(*explained(("rain",), only=("tas", 5), **SHORT))
    axes = lag_plot(x, x.parts(), [2]).axes[0]
    values = np.ma.filled(axes.collections[0].get_array(), 0.0)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    assert x.variables[row] == "tas"
    assert x.lags[column] == 5
    left, right = (axes.collections[0].get_coordinates()[0, column + step, 0] for step in (0, 1))
    assert sorted((left, right)) == [-5.5, -4.5]


def test_errors_of_a_dry_basin_do_not_vanish_in_the_range_of_a_wet_one() -> None:
    x = Explained.of(*explained(("rain", "snow"), **SHORT))
    dry, wet = (x.basin == name for name in x.basins)
    for name in ("prediction", "reference"):
        values = x.data[name].values
        values[dry], values[wet] = 0.001 * values[dry], 10 * values[wet]
    x.data["completeness"].values[:] = 0.0
    x.data["completeness"].values[:, np.flatnonzero(dry)[0]] = 0.01
    own = np.concatenate([x.data[name].values[dry] for name in ("prediction", "reference")])
    figure = trust_plot(x, {})
    assert figure is not None
    drawn = figure.axes[0].get_lines()[0].get_ydata()
    np.testing.assert_allclose(drawn, 0.01 / np.ptp(own, axis=0))


def test_edges_lie_half_way() -> None:
    assert edges(np.array([1, 2, 3])).tolist() == [0.5, 1.5, 2.5, 3.5]
    assert edges(np.array([10.0, 2.0])).tolist() == [14.0, 6.0, -2.0]
    assert edges(np.array([7])).tolist() == [6.5, 7.5]


def test_pairs_and_inputs_alone_add_up_to_all(rain: Explained) -> None:
    found = pair_shares(rain)
    assert found is not None
    shares, names, lead = found
    assert np.tril(shares).sum() == pytest.approx(1.0)
    assert shares == pytest.approx(shares.T)
    assert lead in rain.data["interaction_lead"].values
    mean = np.abs(rain.data["interaction"].values[:, len(rain.data["interaction_lead"]) // 2])
    i, j = names.index("pr"), names.index("tas")
    assert shares[i, j] / shares[i, i] == pytest.approx(2 * mean.mean(0)[i, j] / mean.mean(0)[i, i])


def test_samples_without_interactions_are_left_out(rain: Explained) -> None:
    whole = pair_shares(rain, np.arange(8) < 4)
    rain.data["interaction"].values[4:] = np.nan
    few = pair_shares(rain)
    assert whole is not None
    assert few is not None
    assert few[0] == pytest.approx(whole[0])
    assert pair_shares(rain, np.arange(8) >= 4) is None


def test_the_flood_is_the_largest_observation(rain: Explained) -> None:
    rain.data["observed"].values[:] = 1.0
    rain.data["observed"].values[3, 5] = 99.0
    rain.data["observed"].values[0, 0] = np.nan
    flood = largest_flow(rain, rain.parts()[0])
    assert (flood.sample, flood.lead, flood.observed) == (3, 5, True)
    rain.data["observed"].values[:] = np.nan
    flood = largest_flow(rain, rain.parts()[0])
    largest = np.unravel_index(int(rain.data["prediction"].values.argmax()), (8, 8))
    assert (flood.sample, flood.lead, flood.observed) == (*largest, False)


def test_stacks_of_a_flood_end_at_the_forecast(rain: Explained) -> None:
    figure = flood_plot(rain, rain.parts())
    flood = largest_flow(rain, rain.parts()[0])
    change = np.zeros(8)
    for stairs in figure.axes[0].patches:
        values, _, baseline = stairs.get_data()
        change += values - baseline
    forecast = rain.data["prediction"].values[flood.sample]
    assert rain.data["reference"].values[flood.sample] + change == pytest.approx(forecast)


def test_the_gate_is_drawn_for_each_part() -> None:
    x = Explained.of(*explained(("rain", "snow"), **SHORT))
    figure = gate_plot(x, x.parts())
    assert figure is not None
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert set(lines) >= {f"{NAMES['rain']} (rain)", f"{NAMES['snow']} (snow)"}
    middle = np.median(x.data["gate"].values[:8], axis=0)
    assert lines[f"{NAMES['rain']} (rain)"].get_ydata() == pytest.approx(middle)


def test_attention_lies_at_the_days_of_its_patches(rain: Explained) -> None:
    figure = attention_plot(rain, rain.parts())
    assert figure is not None
    mesh = figure.axes[0].collections[0]
    mean = rain.data["fusion_attention"].values.mean((0, 1))
    assert np.asarray(mesh.get_array()) == pytest.approx(mean)
    # patches are 8 days long, and the newest ends on the day of issue
    assert mesh.get_coordinates()[0, -2:, 0].tolist() == [-7.5, 0.5]


def test_networks_that_show_nothing_have_no_plot(rain: Explained) -> None:
    names = ["gate", "fusion_attention", "variable_importance", "interaction", "completeness"]
    bare = Explained.of(rain.data.drop_vars(names), rain.about)
    parts = bare.parts()
    assert attention_plot(bare, parts) is None
    assert gate_plot(bare, parts) is None
    assert importance_plot(bare, parts) is None
    assert interaction_plot(bare, parts) is None
    assert trust_plot(bare, {}) is None


def test_importances_are_drawn_by_lead_and_by_day(rain: Explained) -> None:
    figure = importance_plot(rain, rain.parts())
    assert figure is not None
    values = np.asarray(figure.axes[0].collections[0].get_array())
    assert values == pytest.approx(rain.data["variable_importance"].values.mean(0).T)
    without = Explained.of(rain.data.drop_vars("past_importance"), rain.about)
    half = importance_plot(without, without.parts())
    assert half is not None
    assert len(half.axes) == 2  # the map and its colours


def test_completeness_is_drawn_as_a_share_of_the_range(rain: Explained) -> None:
    error = np.zeros_like(rain.data["completeness"].values)
    error[0, 2] = 0.01
    rain.data["completeness"].values[:] = error
    figure = trust_plot(rain, {})
    assert figure is not None
    line = next(one for one in figure.axes[0].lines if one.get_label() == "expected gradients")
    flow = np.concatenate([rain.data[name].values for name in ("prediction", "reference")])
    assert line.get_ydata() == pytest.approx(0.01 / np.ptp(flow, axis=0))


def test_axes_have_names_and_units(rain: Explained) -> None:
    assert "lead (days)" in texts(gate_plot(rain, rain.parts()) or Figure())
    flood = flood_plot(rain, rain.parts())
    assert flood.get_supylabel() == "streamflow (mm d⁻¹)"
    assert beeswarm_plot(rain, rain.parts(), [0]).get_supxlabel().endswith("(mm d⁻¹)")
    assert "mm d⁻¹" in texts(lag_plot(rain, rain.parts(), [0]))
