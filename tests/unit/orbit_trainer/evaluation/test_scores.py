"""Scores of fields equal closed forms, slow loops and the `scores` package."""

from __future__ import annotations

import numpy as np
import pytest
import scores.continuous
import xarray as xr
from scores.functions import create_latitude_weights
from scores.probability import crps_for_ensemble

from catena.orbit_trainer.evaluation.scores import (
    activity,
    anomaly_correlation,
    area_mean,
    crps,
    ensemble_variance,
    mean_error,
    mean_square_error,
    rmse,
)
from catena.shared.errors import InvalidData
from catena.shared.latitudes import latitude_weights

LAT = np.linspace(-90, 90, 2 * 6 + 1)[1::2]


def holed(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of which a tenth is missing."""
    random = np.random.default_rng(seed)
    values = random.normal(size=shape)
    values[random.random(shape) < 0.1] = np.nan
    return values


def test_weights_are_cosines_on_even_rows_and_areas_elsewhere() -> None:
    cosines = np.cos(np.radians(LAT))
    np.testing.assert_allclose(latitude_weights(LAT), cosines / cosines.mean(), rtol=1e-12)
    np.testing.assert_allclose(latitude_weights(LAT[::-1])[::-1], latitude_weights(LAT), rtol=1e-12)
    np.testing.assert_allclose(
        latitude_weights(LAT),
        create_latitude_weights(xr.DataArray(LAT)) / np.cos(np.radians(LAT)).mean(),
    )
    # Rows at the poles have area, though their cosine is zero.
    polar = latitude_weights(np.linspace(-90, 90, 5))
    areas = np.diff(np.sin(np.radians([-90, -67.5, -22.5, 22.5, 67.5, 90])))
    np.testing.assert_allclose(polar, areas / areas.mean(), rtol=1e-12)
    # On a Gaussian grid, whose exact weights are known.
    nodes = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(32)[0]))
    weights = np.polynomial.legendre.leggauss(32)[1]
    found, exact = latitude_weights(nodes), weights / weights.mean()
    np.testing.assert_allclose(found[1:-1], exact[1:-1], rtol=2e-3)
    np.testing.assert_allclose(found, exact, atol=7e-3)


@pytest.mark.parametrize("lat", [[0.0, 10.0, 5.0], [80.0, 100.0], []])
def test_latitudes_out_of_order_or_beyond_the_poles_are_refused(lat: list[float]) -> None:
    with pytest.raises(InvalidData, match="latitudes"):
        latitude_weights(lat)


def test_means_leave_out_what_is_missing() -> None:
    values = holed(0, (3, 2, 6, 5))
    values[1, 1] = np.nan
    weights = latitude_weights(LAT)
    found = area_mean(values, weights)
    for t, v in np.ndindex(3, 2):
        total = weight = 0.0
        for i, j in np.ndindex(6, 5):
            if not np.isnan(values[t, v, i, j]):
                total += weights[i] * values[t, v, i, j]
                weight += weights[i]
        wanted = total / weight if weight else np.nan
        np.testing.assert_allclose(found[t, v], wanted, rtol=1e-12)
    assert np.isnan(found[1, 1])


def test_rmse_and_bias_equal_the_scores_package() -> None:
    forecast, truth = holed(1, (4, 6, 5)), holed(2, (4, 6, 5))
    weights = latitude_weights(LAT)
    names = ("time", "lat", "lon")
    f, t = xr.DataArray(forecast, dims=names), xr.DataArray(truth, dims=names)
    w = xr.DataArray(weights, dims="lat")
    each = scores.continuous.mse(f, t, preserve_dims="time", weights=w)
    np.testing.assert_allclose(mean_square_error(forecast, truth, weights), each, rtol=1e-12)
    np.testing.assert_allclose(rmse(forecast, truth, weights), np.sqrt(each.mean()), rtol=1e-12)
    bias = scores.continuous.mean_error(f, t, preserve_dims="time", weights=w)
    np.testing.assert_allclose(mean_error(forecast, truth, weights), bias, rtol=1e-12)


def test_the_root_is_taken_after_the_mean_over_times() -> None:
    truth = np.zeros((2, 6, 5))
    forecast = truth + np.array([3.0, 4.0])[:, None, None]
    assert rmse(forecast, truth, latitude_weights(LAT)) == pytest.approx(np.sqrt(12.5))


def test_anomaly_correlation_equals_a_slow_loop() -> None:
    forecast, truth, usual = (holed(seed, (3, 6, 5)) for seed in (3, 4, 5))
    weights = latitude_weights(LAT)
    found = anomaly_correlation(forecast, truth, usual, weights)
    for t in range(3):
        both = own = other = 0.0
        for i, j in np.ndindex(6, 5):
            a, b = (x[t, i, j] - usual[t, i, j] for x in (forecast, truth))
            if not np.isnan(a + b):
                both += weights[i] * a * b
                own += weights[i] * a * a
                other += weights[i] * b * b
        np.testing.assert_allclose(found[t], both / np.sqrt(own * other), rtol=1e-12)


def test_anomaly_correlation_knows_signs_and_no_sizes() -> None:
    usual = np.full((6, 5), 280.0)
    anomaly = np.random.default_rng(6).normal(size=(6, 5))
    weights = latitude_weights(LAT)
    for factor, wanted in ((1.0, 1.0), (0.1, 1.0), (-2.0, -1.0)):
        found = anomaly_correlation(usual + factor * anomaly, usual + anomaly, usual, weights)
        assert found == pytest.approx(wanted, abs=1e-9)
    assert np.isnan(anomaly_correlation(usual, usual + anomaly, usual, weights))


def test_activity_is_the_deviation_of_the_anomalies() -> None:
    usual = np.random.default_rng(7).normal(size=(6, 8))
    lon = np.arange(8) * np.pi / 4
    wave = 3.0 * np.cos(lon)[None] * np.ones((6, 1))
    weights = latitude_weights(LAT)
    assert activity(usual + 5.0 + wave, usual, weights) == pytest.approx(3.0 / np.sqrt(2))
    assert activity(usual + 5.0, usual, weights) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("fair", [False, True])
def test_crps_equals_all_pairs_and_the_scores_package(fair: bool) -> None:
    random = np.random.default_rng(8)
    members, truth = random.normal(size=(7, 3, 4)), random.normal(size=(3, 4))
    found = crps(members, truth, fair=fair)
    for place in np.ndindex(3, 4):
        x, y = members[(slice(None), *place)], truth[place]
        pairs = sum(abs(a - b) for a in x for b in x) / (7 * 6 if fair else 49)
        wanted = np.mean(np.abs(x - y)) - pairs / 2
        np.testing.assert_allclose(found[place], wanted, rtol=1e-12)
    theirs = crps_for_ensemble(
        xr.DataArray(members, dims=("member", "a", "b")),
        xr.DataArray(truth, dims=("a", "b")),
        "member",
        method="fair" if fair else "ecdf",
        preserve_dims="all",
    )
    np.testing.assert_allclose(found, theirs, rtol=1e-10)


def test_crps_of_a_normal_ensemble_is_that_of_the_distribution() -> None:
    """Gneiting and Raftery 2007: of N(0, 1) at 0 it is sqrt(2 / pi) - 1 / sqrt(pi)."""
    random = np.random.default_rng(9)
    members, truth = random.normal(size=(4, 40_000)), np.zeros(40_000)
    exact = np.sqrt(2 / np.pi) - 1 / np.sqrt(np.pi)
    assert crps(members, truth, fair=True).mean() == pytest.approx(exact, abs=0.005)
    assert crps(members, truth).mean() > exact + 0.1  # a small ensemble is penalised


def test_one_member_scores_its_absolute_error_and_a_gap_nothing() -> None:
    truth = np.array([1.0, np.nan, 2.0])
    one = np.array([[3.0, 1.0, np.nan]])
    np.testing.assert_array_equal(crps(one, truth), [2.0, np.nan, np.nan])
    assert np.isnan(crps(one, truth, fair=True)).all()
    np.testing.assert_array_equal(ensemble_variance(one), [0.0, 0.0, np.nan])


def test_a_reliable_ensemble_spreads_as_far_as_it_errs() -> None:
    random = np.random.default_rng(10)
    members, truth = random.normal(size=(5, 50, 6, 40)), random.normal(size=(50, 6, 40))
    weights = latitude_weights(LAT)
    spread = np.sqrt(area_mean(ensemble_variance(members), weights).mean())
    ratio = spread / rmse(members.mean(axis=0), truth, weights)
    assert ratio == pytest.approx(np.sqrt(5 / 6), rel=0.02)
