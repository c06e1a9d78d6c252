"""Plots show what they were given, in scales that can be compared."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from catena.orbit_trainer.evaluation.efficiency import samples_saved
from catena.orbit_trainer.evaluation.maps import (
    Compared,
    Downscaled,
    downscaling_maps,
    error_maps,
    forecast_maps,
)
from catena.orbit_trainer.evaluation.plots import (
    Losses,
    Scaling,
    efficiency_plot,
    lead_plot,
    loss_plot,
    parts_plot,
    scaling_plot,
    spectra_plot,
)
from catena.shared.errors import InvalidData
from catena.shared.report import plot

LAT, LON = np.linspace(78.75, -78.75, 8), np.arange(16) * 22.5


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What another test left behind may be collected here.
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def meshes(figure) -> list[QuadMesh]:
    return [
        one for axes in figure.axes for one in axes.collections
        if isinstance(one, QuadMesh) and axes.get_aspect() != "auto"
    ]  # fmt: skip


def field(seed: int, *shape: int) -> np.ndarray:
    return 280.0 + 10.0 * np.random.default_rng(seed).normal(size=shape or (8, 16))


def test_truth_and_forecast_share_their_colours_and_the_error_has_its_own() -> None:
    truth, forecast = field(0), field(1) + 5.0
    truth[2, 3] = np.nan
    figure = forecast_maps([Compared("tas, 6 h", "K", truth, forecast)], LAT, LON)
    plot(figure, "p", alt="p")
    one, two, error = meshes(figure)
    assert one.norm is two.norm
    assert error.norm.boundaries[0] == -error.norm.boundaries[-1]
    assert error.get_cmap().name == "RdBu_r"
    # Rows came from north to south; on the map south is below.
    np.testing.assert_allclose(one.get_array()[0], truth[-1])
    assert one.get_array().mask.sum() == 1
    difference = error.get_array()
    np.testing.assert_allclose(difference[7], (forecast - truth)[0])
    axes = figure.axes[0]
    assert axes.get_ylim() == (-90.0, 90.0)
    assert axes.get_xlim() == (-11.25, 348.75)
    assert "RMSE" in figure.axes[2].get_title(loc="left")
    edges = error.norm.boundaries
    assert 0.0 not in edges, "no error has no colour"


def test_a_triptych_shows_coarse_cells_as_blocks() -> None:
    truth, predicted = field(2), field(3)
    coarse = truth.reshape(4, 2, 8, 2).mean(axis=(1, 3))
    rows = [Downscaled("tas", "K", coarse, predicted, truth)]
    figure = downscaling_maps(rows, LAT, LON)
    plot(figure, "p", alt="p")
    low, made, true = meshes(figure)
    assert low.norm is made.norm is true.norm
    np.testing.assert_allclose(low.get_array()[::-1][:2, :2], coarse[0, 0])
    np.testing.assert_allclose(low.get_array()[0, -1], coarse[-1, -1])
    with pytest.raises(InvalidData, match="whole numbers of fine cells"):
        downscaling_maps([Downscaled("tas", "K", field(0, 3, 8), predicted, truth)], LAT, LON)


def test_maps_of_errors_are_centred_on_zero_and_fields_must_fit() -> None:
    figure = error_maps([("tas", "K", field(4) - 275.0)] * 4, LAT, LON)
    assert len(meshes(figure)) == 4
    assert all(one.norm.boundaries[0] == -one.norm.boundaries[-1] for one in meshes(figure))
    with pytest.raises(InvalidData, match=r"tas: found shape \(4, 16\)"):
        forecast_maps([Compared("tas", "K", field(0, 4, 16), field(0))], LAT, LON)
    with pytest.raises(InvalidData, match="found no field"):
        forecast_maps([], LAT, LON)


def test_skill_by_lead_has_a_line_for_each_and_references_are_grey() -> None:
    curves = {"ORBIT": np.array([1.0, 2.0]), "persistence": np.array([2.0, np.nan])}
    figure = lead_plot((6.0, 120.0), {"tas (K)": curves, "ua": curves}, "RMSE")
    plot(figure, "p", alt="p")
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["ORBIT", "persistence"]
    assert lines[0].get_xdata().tolist() == [0.25, 5.0], "in days from three days on"
    assert lines[1].get_linestyle() == "--"
    assert figure.axes[0].get_ylim()[0] == 0.0
    negative = lead_plot((6.0, 24.0), {"tas": {"a": np.array([-1.0, 1.0])}}, "ACC")
    assert negative.axes[0].get_lines()[0].get_xdata().tolist() == [6.0, 24.0]
    assert negative.axes[0].get_ylim()[0] < -1.0


def test_spectra_begin_at_wavenumber_one() -> None:
    figure = spectra_plot({"tas": {"truth": np.array([9.0, 2.0, 1.0]), "m": np.array([9.0, 1, 0])}})
    plot(figure, "p", alt="p")
    truth, made = figure.axes[0].get_lines()
    assert truth.get_xdata().tolist() == [1, 2]
    assert truth.get_ydata().tolist() == [2.0, 1.0]
    assert np.isnan(made.get_ydata()[1]), "no power has no place on a logarithmic axis"


def test_what_is_rounding_alone_does_not_squeeze_a_spectrum() -> None:
    figure = spectra_plot({"tas": {"truth": np.array([9.0, 2.0, 1.0, 1e-15])}})
    low, high = figure.axes[0].get_ylim()
    assert low == pytest.approx(1e-8 * high) and low > 1e-9


def test_a_long_loss_is_smoothed_and_a_gap_is_left() -> None:
    loss = np.exp(-np.arange(1000) / 200.0)
    loss[100:110] = np.nan
    steps = np.arange(1, 1001)
    found = Losses(
        steps, loss, np.array([500, 1000]), np.array([0.3, 0.2]), np.ones(1000), resumed=(400,)
    )
    figure = loss_plot(found)
    plot(figure, "p", alt="p")
    axes = figure.axes[0]
    each, usual, held, resumed = axes.get_lines()
    assert len(each.get_xdata()) == 1000
    np.testing.assert_allclose(usual.get_ydata()[0], np.median(loss[:5]))
    assert held.get_xdata().tolist() == [500, 1000]
    assert resumed.get_xdata()[0] == 400
    assert axes.get_yscale() == "log"
    short = loss_plot(Losses(np.arange(1, 4), np.array([np.nan, 1.0, 0.9])))
    plot(short, "q", alt="q")
    assert len(short.axes[0].get_lines()) == 1


def test_scaling_has_perfect_lines_and_published_bars() -> None:
    ranks = np.array([512, 4096, 49152])
    speed = np.array([100.0, 700.0, 5000.0])
    efficiency = speed / speed[0] / (ranks / 512)
    figure = scaling_plot(
        [Scaling("113B, strong", ranks, speed, efficiency)], [("published", 49152, 0.41, 0.85)]
    )
    plot(figure, "p", alt="p")
    perfect, curve = figure.axes[0].get_lines()
    np.testing.assert_allclose(perfect.get_ydata(), 100.0 * ranks / 512)
    np.testing.assert_allclose(curve.get_ydata(), speed)
    shares = figure.axes[1].get_lines()[0].get_ydata()
    np.testing.assert_allclose(shares, 100 * efficiency)
    labels = figure.axes[1].get_legend_handles_labels()[1]
    assert labels == ["113B, strong", "published"]
    with pytest.raises(InvalidData, match="no scaling curve"):
        scaling_plot([])


def test_parts_stack_up() -> None:
    figure = parts_plot({"a": {"x": 1.0, "y": 2.0}, "b": {"y": 3.0, "z": 1.0}}, "GiB")
    plot(figure, "p", alt="p")
    bars = figure.axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [
        (0.0, 1.0), (0.0, 0.0), (1.0, 2.0), (0.0, 3.0), (3.0, 0.0), (3.0, 1.0),
    ]  # fmt: skip


def test_samples_that_pre_training_saves() -> None:
    samples = (10, 20, 40, 80)
    pretrained = np.array([0.5, 0.4, 0.3, 0.25])
    scratch = np.array([0.9, 0.7, 0.6, 0.4])
    # Half way between 40 and 80 samples on a scale of logarithms: 40 sqrt(2).
    assert samples_saved(samples, pretrained, scratch) == pytest.approx(4 * np.sqrt(2))
    assert samples_saved(samples, pretrained, scratch + 0.2) is None
    assert samples_saved(samples, pretrained, pretrained - 0.1) == 1.0
    figure = efficiency_plot(samples, {"pre-trained": pretrained, "scratch": scratch}, "RMSE (K)")
    plot(figure, "p", alt="p")
    assert figure.axes[0].get_xscale() == "log"
    # Other numbers of samples than pre-training had, as a gap: from 160 on, for what 10 reach.
    holes = np.array([np.nan, np.nan, 0.7, 0.45])
    assert samples_saved(samples, np.array([0.6, 0.5, np.nan, np.nan]), holes) == pytest.approx(
        samples[2] / samples[0] * (samples[3] / samples[2]) ** 0.4
    )
    assert samples_saved(samples, np.full(4, np.nan), scratch) is None
