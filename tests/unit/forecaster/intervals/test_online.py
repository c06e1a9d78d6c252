"""Tracking: long-run coverage, breaks, delayed feedback that never knows the future."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from catena.forecaster.intervals import (
    OnlineConfig,
    OnlineIntervals,
    QuantileTracker,
    TrackerConfig,
)
from catena.forecaster.intervals.tracking import GRID
from catena.shared.errors import FailedPrecondition, InvalidData

PLAIN = OnlineConfig(power=1.0, correct=False)


def fan(centre: np.ndarray, sd: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal bounds at the tracked levels."""
    half = sd * ndtri((1 + GRID) / 2)
    return centre, centre[..., None] - half, centre[..., None] + half


def run(
    y: np.ndarray, leads: int, config: OnlineConfig, centre: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Issue and observe a record (days, series); centre, lower, upper (days, series, leads)."""
    days, series = y.shape
    online = OnlineIntervals(series, leads, config)
    found = np.empty((3, days, series, leads))
    for t in range(days):
        forecast = np.zeros((series, leads)) if centre is None else centre[t]
        c, low, high = online.issue(*fan(forecast), [0.9])
        found[:, t] = c, low[..., 0], high[..., 0]
        online.observe(y[t])
    return found[0], found[1], found[2]


def test_intervals_that_are_right_stay_about_as_they_are() -> None:
    y = np.random.default_rng(0).normal(size=(400, 50))
    _, low, high = run(y, 1, PLAIN)
    covered = (low[:, :, 0] <= y) & (y <= high[:, :, 0])
    assert covered[100:].mean() == pytest.approx(0.9, abs=0.015)
    assert np.median((high - low)[100:]) == pytest.approx(2 * ndtri(0.95), rel=0.15)


@pytest.mark.parametrize("scale", [0.2, 4.0])
def test_coverage_recovers_after_a_break(scale: float) -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=(500, 100)) * np.where(np.arange(500) < 300, 1.0, scale)[:, None]
    _, low, high = run(y, 1, PLAIN)
    covered = ((low[:, :, 0] <= y) & (y <= high[:, :, 0])).mean(axis=1)
    just_after, later = covered[300:305].mean(), covered[400:].mean()
    assert later == pytest.approx(0.9, abs=0.035)
    assert abs(later - 0.9) < abs(just_after - 0.9)
    if scale > 1:
        assert covered[360:].reshape(-1, 10).mean(axis=1).min() > 0.85


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(0.02, 0.2))
def test_long_run_coverage_holds_for_any_bounded_series(seed: int, rate: float) -> None:
    """|share beyond - wanted| <= (largest score + rate) / (rate steps), without volatility."""
    rng = np.random.default_rng(seed)
    tracker = QuantileTracker.start(1, TrackerConfig(rate, np.inf))
    steps, most = 800, 3.0
    target = np.clip(np.cumsum(rng.choice([-0.5, 0.5], steps)), 0, most)  # drifts, ties, zeros
    lower, upper = -np.ones((1, len(GRID))), np.ones((1, len(GRID)))
    beyond = np.zeros(len(GRID))
    for value in target:
        beyond += value > tracker.factor[0, 1]
        tracker.learn(np.array([value]), np.zeros(1), lower, upper)
    off = np.abs(beyond / steps - (1 - GRID) / 2)
    assert (off <= (most + rate) / (rate * steps) + 1e-9).all()


def test_feedback_comes_as_late_as_the_lead_and_never_from_the_future() -> None:
    """Changing the record from day 60 on changes no interval that was issued up to day 60."""
    rng = np.random.default_rng(2)
    y = np.abs(rng.normal(size=(100, 2))) + 1
    changed = y.copy()
    changed[60:] = 50.0
    config = OnlineConfig()
    forecast = np.ones((100, 2, 5))
    one, two = run(y, 5, config, forecast), run(changed, 5, config, forecast)
    for a, b in zip(one, two, strict=True):
        # row t is issued before day t is observed
        assert np.array_equal(a[:61], b[:61])
        assert not np.array_equal(a[61:], b[61:])


def test_each_lead_is_judged_by_the_forecast_that_was_made_for_that_day() -> None:
    """Forecasts of lead h that are perfect for their day narrow; one day off they would not."""
    days, leads = 200, 4
    y = np.random.default_rng(3).normal(size=(days, 1)) * 10
    ahead = np.zeros((days, 1, leads))
    for h in range(leads):
        # row t is issued at the end of day t - 1: lead h + 1 is day t + h
        ahead[: days - h, 0, h] = y[h:, 0]
    _, low, high = run(y, leads, replace(PLAIN, constant=0.0), ahead)
    assert ((high - low)[150] < 0.2 * (high - low)[0]).all()


def test_a_lead_that_was_not_judged_yet_has_not_moved() -> None:
    y = np.full((6, 1), 9.0)
    _, low, high = run(y, 3, PLAIN)
    width = (high - low)[:, 0]
    assert width[1, 0] > width[0, 0]
    assert width[1, 1] == width[0, 1] and width[3, 1] > width[0, 1]
    assert width[2, 2] == width[0, 2] and width[4, 2] > width[0, 2]


def test_a_persistent_error_is_corrected_where_that_pays() -> None:
    rng = np.random.default_rng(4)
    days = 400
    error = np.zeros((days, 2))
    for t in range(1, days):
        error[t] = [0.9, 0.0] * error[t - 1] + 0.3 * rng.normal(size=2)
    y = 20 + error
    config = OnlineConfig(power=1.0)
    centre, _, _ = run(y, 1, config, np.full((days, 2, 1), 20.0))
    loss = ((centre[200:, :, 0] - y[200:]) ** 2).mean(axis=0)
    raw = ((20.0 - y[200:]) ** 2).mean(axis=0)
    assert loss[0] < 0.4 * raw[0]  # 1 - .9^2 = .19 at best
    assert loss[1] < 1.1 * raw[1]


def test_flows_stay_above_nought_and_below_the_cap() -> None:
    rng = np.random.default_rng(5)
    y = np.exp(rng.normal(size=(300, 3)) - 2)
    y[150] = 500.0
    forecast = np.full((300, 3, 2), 0.1)
    config = OnlineConfig(cap=2.0)
    _, low, high = run(y, 2, config, forecast)
    assert (low >= 0).all() and np.isfinite(high).all()
    largest = np.maximum.accumulate(y, axis=0)
    assert (high[1:] <= 2.0 * largest[:-1, :, None] + 1e-9).all()


def test_missing_observations_move_nothing() -> None:
    rng = np.random.default_rng(6)
    y = rng.normal(size=(60, 1)) + 3
    y[30:] = np.nan
    _, low, high = run(y, 1, PLAIN)
    assert np.allclose((high - low)[31:], (high - low)[31])


def test_stopped_and_restored_series_go_on_as_if_nothing_had_happened() -> None:
    rng = np.random.default_rng(7)
    y = np.abs(rng.normal(size=(50, 2)))
    whole = OnlineIntervals(2, 3)
    split = OnlineIntervals(2, 3)
    centre = np.ones((2, 3))
    for t in range(50):
        one = whole.issue(*fan(centre), [0.5, 0.9])
        two = split.issue(*fan(centre), [0.5, 0.9])
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        if t in (1, 20):  # also between issue and observation
            arrays, meta = split.to_arrays()
            split = OnlineIntervals.from_arrays(arrays, json.loads(json.dumps(meta)))
        whole.observe(y[t])
        split.observe(y[t])
    arrays, meta = split.to_arrays()
    with pytest.raises(InvalidData, match="do not fit together"):
        OnlineIntervals.from_arrays({**arrays, "online.raw": np.zeros((1, 3, 3))}, meta)


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5), st.integers(0, 10**6))
@settings(max_examples=25)
def test_tracked_levels_are_nested(levels: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    online = OnlineIntervals(1, 2)
    for _ in range(15):
        _, low, high = online.issue(*fan(np.ones((1, 2))), np.sort(levels))
        assert (np.diff(low) <= 1e-12).all() and (np.diff(high) >= -1e-12).all()
        online.observe(rng.choice([np.nan, 0.0, 1.0, 7.0], 1))


def test_steps_out_of_order_and_wrong_shapes_are_refused() -> None:
    online = OnlineIntervals(1, 2)
    with pytest.raises(FailedPrecondition, match="before its forecast"):
        online.observe(np.zeros(1))
    online.issue(*fan(np.ones((1, 2))), [0.9])
    with pytest.raises(FailedPrecondition, match="issued twice"):
        online.issue(*fan(np.ones((1, 2))), [0.9])
    with pytest.raises(InvalidData, match="observations of shape"):
        online.observe(np.zeros(2))
    online.observe(np.zeros(1))
    with pytest.raises(InvalidData, match=r"want \(1, 2\)"):
        online.issue(*fan(np.ones((2, 2))), [0.9])
    with pytest.raises(InvalidData, match=r"levels up to 0\.99"):
        online.issue(*fan(np.ones((1, 2))), [0.995])
    with pytest.raises(InvalidData, match="at least one of each"):
        OnlineIntervals(0, 1)
    with pytest.raises(InvalidData, match="power in"):
        OnlineIntervals(1, 1, OnlineConfig(power=0.0))
