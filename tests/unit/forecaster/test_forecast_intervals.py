"""Intervals of forecasts learn as late as the lead is long, never from what is still to come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.forecaster.data.generated import generated_records
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.forecast_intervals import ForecastIntervals, inputs, targets
from catena.forecaster.forecasters import Forecasts, flow_scale
from catena.forecaster.interval_methods import METHODS
from catena.forecaster.normal_scores import flow, root

LEADS = 4
LEVELS = (0.5, 0.9)


@pytest.fixture(scope="module")
def records() -> BasinRecords:
    return generated_records(2, 5, seed=5, missing_flow=0.05)


def damped(records: BasinRecords, issues: np.ndarray) -> Forecasts:
    """A forecast that errs more with each lead: the newest flow, drawn towards the mean."""
    newest = np.nan_to_num(records.flow[:, issues].astype(float), nan=1.0)
    mean = np.nanmean(records.flow, axis=1)[:, None, None]
    keep = 0.9 ** np.arange(1, LEADS + 1)
    return Forecasts(newest[:, :, None] * keep + mean * (1 - keep))


@pytest.fixture(scope="module")
def fitted(records: BasinRecords) -> ForecastIntervals:
    issues = np.arange(400, 1000, 2)
    scale = flow_scale(records, np.arange(len(records.days)) < 400)
    made = damped(records, issues)
    return ForecastIntervals.fit("cross_fitted", records, issues, made, scale, seed=1)


def test_the_fit_knows_its_own_last_target_and_no_later_one(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    assert fitted.until == str(records.days[998 + LEADS])


def test_what_comes_later_moves_no_interval(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(1010, 1100)
    made = damped(records, issues)
    now = fitted.track(records, issues, made, LEVELS)
    changed = records.flow.copy()
    changed[:, 1061:] = 500.0
    planted = fitted.track(records.with_flow(changed), issues, made, LEVELS)
    known = issues <= 1060
    assert np.array_equal(now.lower[:, known], planted.lower[:, known], equal_nan=True)
    assert np.array_equal(now.upper[:, known], planted.upper[:, known], equal_nan=True)
    later = now.upper[:, ~known] != planted.upper[:, ~known]
    assert later.any(), "floods that were seen widen the intervals that follow"


def test_an_observation_counts_for_a_lead_when_that_lead_is_over(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    """A flood on one day is a miss of lead h for the forecast issued h days before."""
    issues = np.arange(1010, 1030)
    made = damped(records, issues)
    flood = np.full_like(records.flow, np.nan)
    flood[:, 1012] = 300.0  # lead 1 of issue 1011, lead 2 of issue 1010
    before, on = (
        fitted.update(records.with_flow(flood), issues, made, records.days[day])
        for day in (1011, 1012)
    )
    assert np.array_equal(before.tracker.factor, fitted.tracker.factor), "nobody knows of it"
    moved = on.tracker.factor != fitted.tracker.factor
    assert moved[:, :2].all(), "leads 1 and 2 have missed it"
    assert not moved[:, 2:].any(), "no forecast of leads 3 and 4 was issued for it"


def test_days_learned_one_by_one_are_days_learned_at_once(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(995, 1090)
    made = damped(records, issues)
    middle, end = records.days[1040], records.days[1085]
    once = fitted.update(records, issues, made, end)
    twice = fitted.update(records, issues, made, middle).update(records, issues, made, end)
    assert once.until == twice.until == str(end)
    for name, value in once.tracker.to_arrays().items():
        assert np.array_equal(value, twice.tracker.to_arrays()[name], equal_nan=True), name
    assert (once.tracker.factor != fitted.tracker.factor).any()


def test_an_update_gives_the_intervals_that_tracking_has_on_that_day(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(995, 1090)
    made = damped(records, issues)
    tracked = fitted.track(records, issues, made, LEVELS)
    day = 1070
    updated = fitted.update(records, issues, made, records.days[day])
    place = int(np.flatnonzero(issues == day)[0])
    one = np.array([day])
    now = updated.predict(records, one, damped(records, one), LEVELS)
    assert np.allclose(now.lower[:, 0], tracked.lower[:, place])
    assert np.allclose(now.upper[:, 0], tracked.upper[:, place])


def test_a_part_of_the_basins_learns_alone(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(995, 1050)
    one = records.select([records.basins[1]])
    part = fitted.update(one, issues, damped(one, issues), records.days[1049])
    whole = fitted.update(records, issues, damped(records, issues), records.days[1049])
    assert np.array_equal(part.tracker.factor[1], whole.tracker.factor[1])
    assert np.array_equal(part.tracker.factor[0], fitted.tracker.factor[0])


def test_tracked_intervals_hold_where_the_river_has_changed(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    """Twice the flow that was learned: fitted intervals miss it, tracked ones catch up."""
    doubled = records.with_flow(records.flow * 2.0)
    issues = np.arange(1010, 1700)
    made = damped(records, issues)
    observed = targets(doubled, issues, LEADS)

    def coverage(bounds: object) -> float:
        low, high = bounds.lower[..., 0], bounds.upper[..., 0]  # type: ignore[attr-defined]
        inside = np.where(np.isnan(observed), np.nan, (low <= observed) & (observed <= high))
        return float(np.nanmean(inside[:, len(issues) // 2 :]))

    fixed = coverage(fitted.predict(doubled, issues, made, (0.9,)))
    tracked = coverage(fitted.track(doubled, issues, made, (0.9,)))
    assert fixed < 0.8 < 0.84 < tracked < 0.96


def test_intervals_are_nested_and_never_below_zero(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(1010, 1100)
    levels = (0.3, 0.5, 0.8, 0.9, 0.95)
    made = fitted.track(records, issues, damped(records, issues), levels)
    assert (made.lower >= 0).all()
    assert (np.diff(made.lower, axis=-1) <= 1e-12).all()
    assert (np.diff(made.upper, axis=-1) >= -1e-12).all()
    assert ((made.confidence >= 0) & (made.confidence <= 1)).all()


def test_a_forecast_that_could_not_be_made_has_no_interval(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(1010, 1020)
    made = damped(records, issues)
    made.flow[0, 3] = np.nan
    bounds = fitted.track(records, issues, made, LEVELS)
    assert np.isnan(bounds.upper[0, 3]).all()
    assert np.isfinite(bounds.upper[1]).all() and np.isfinite(bounds.upper[0, 4:]).all()


def test_what_is_kept_gives_the_same_intervals(
    fitted: ForecastIntervals, records: BasinRecords
) -> None:
    issues = np.arange(995, 1050)
    made = damped(records, issues)
    moved = fitted.update(records, issues, made, records.days[1049])
    again = ForecastIntervals.from_arrays(*moved.to_arrays())
    one, two = (each.predict(records, issues, made, LEVELS) for each in (moved, again))
    assert np.array_equal(one.lower, two.lower) and np.array_equal(one.upper, two.upper)
    assert (again.until, again.method, again.basins) == (moved.until, moved.method, moved.basins)


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != "cross_fitted"])
def test_every_method_gives_intervals_that_hold(method: str, records: BasinRecords) -> None:
    # The cost of a Gaussian process grows with the cube of their number.
    issues = np.arange(400, 1000, 4 if method == "gp" else 2)
    scale = flow_scale(records, np.arange(len(records.days)) < 400)
    made = damped(records, issues)
    fitted = ForecastIntervals.fit(method, records, issues, made, scale, seed=1)
    again = ForecastIntervals.from_arrays(*fitted.to_arrays())
    test = np.arange(1010, 1500)
    bounds = again.track(records, test, damped(records, test), (0.9,))
    observed = targets(records, test, LEADS)
    known = np.isfinite(observed)
    inside = (bounds.lower[..., 0] <= observed) & (observed <= bounds.upper[..., 0])
    assert 0.8 < inside[known].mean() < 0.98


def test_inputs_do_not_look_ahead(records: BasinRecords) -> None:
    issues = np.arange(500, 520)
    made = damped(records, issues)
    scale = np.ones(2)
    changed = records.flow.copy()
    changed[:, 520:] = 99.0
    one = inputs(records, issues, made, scale)
    two = inputs(records.with_flow(changed), issues, made, scale)
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=20), st.floats(1e-3, 1e2))
def test_the_root_of_flow_and_back(values: list[float], scale: float) -> None:
    given_flow = np.array([values])
    back = flow(root(given_flow, np.array([scale])), np.array([scale]))
    assert np.allclose(back, given_flow, rtol=1e-9, atol=1e-12)
