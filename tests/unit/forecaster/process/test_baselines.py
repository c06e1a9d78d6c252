"""Climatology and persistence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.process_weather import some_records

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.process.baselines import Climatology, Persistence
from catena.forecaster.process.climate import fill_gaps, yearly_mean
from catena.shared.errors import InvalidData

RECORDS, _ = some_records(3, 3000)
ALL = np.ones(3000, bool)
ISSUES = np.arange(400, 2900, 7)


def test_persistence_repeats_the_last_flow_and_bridges_gaps_up_to_its_patience() -> None:
    flow = RECORDS.flow.copy()
    flow[0, 401:] = np.nan
    gappy = RECORDS.with_flow(flow)
    forecast = Persistence(patience=10).forecast(gappy, np.array([400, 411, 412]), 3)
    np.testing.assert_array_equal(forecast[0, 0], np.full(3, flow[0, 400]))
    assert np.isnan(forecast[0, 1:]).all()
    just = Persistence(patience=11).forecast(gappy, np.array([411, 412]), 3)
    np.testing.assert_array_equal(just[0, 0], np.full(3, flow[0, 400]))
    assert np.isnan(just[0, 1]).all()
    np.testing.assert_array_equal(forecast[1, 2], np.full(3, flow[1, 412]))


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_persistence_sees_no_flow_after_the_issue_day(seed: int, share: float) -> None:
    flow = RECORDS.flow.copy()
    flow[np.random.default_rng(seed).random(flow.shape) < share] = np.nan
    later = flow.copy()
    later[:, 1501:] = 1e4
    issues = np.array([700, 1500])
    np.testing.assert_array_equal(
        Persistence().forecast(RECORDS.with_flow(flow), issues, 5),
        Persistence().forecast(RECORDS.with_flow(later), issues, 5),
    )


def test_climatology_learns_from_its_days_only() -> None:
    days = np.arange(3000) < 2000
    later = RECORDS.flow.copy()
    later[:, 2000:] = 1e4
    one, other = (Climatology.fit(r, days) for r in (RECORDS, RECORDS.with_flow(later)))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.quantiles_by_day, other.quantiles_by_day)


def test_climatology_follows_a_planted_year() -> None:
    season = 7.0 + 1.0 * np.cos(2 * np.pi * (day_of_year(RECORDS.days) - 1) / 365.0)
    noise = np.random.default_rng(0).normal(0.0, 0.5, (3, 3000))
    records = RECORDS.with_flow(season + noise)
    climate = Climatology.fit(records, ALL, levels=[0.1, 0.5, 0.9])
    forecast = climate.forecast(records, ISSUES, 30)
    at = ISSUES[:, None] + np.arange(1, 31)
    assert forecast.shape == (3, len(ISSUES), 30)
    # a window of a month flattens the season by 1 %, and 250 values leave noise
    np.testing.assert_allclose(forecast, np.broadcast_to(season[at], forecast.shape), atol=0.15)
    quantiles = climate.quantiles(records, ISSUES, 30)
    assert quantiles.shape == (3, len(ISSUES), 30, 3)
    covered = (records.flow[:, at] > quantiles[..., 0]) & (records.flow[:, at] < quantiles[..., 2])
    assert covered.mean() == pytest.approx(0.8, abs=0.04)
    spread = (quantiles[..., 2] - quantiles[..., 0]).mean()
    assert spread == pytest.approx(2 * stats.norm.ppf(0.9) * 0.5, rel=0.25)


def test_quantiles_ascend_and_the_year_closes() -> None:
    climate = Climatology.fit(RECORDS, ALL)
    assert (np.diff(climate.quantiles_by_day, axis=-1) >= 0.0).all()
    steps = np.abs(np.diff(np.concatenate([climate.mean, climate.mean[:, :1]], axis=1)))
    # from 31 December to 1 January is no greater step than others
    assert (steps[:, -2:] <= steps[:, :-2].max(axis=1, keepdims=True)).all()


def test_seasons_without_observations_are_bridged_and_empty_basins_named() -> None:
    flow = RECORDS.flow.copy()
    winter = np.isin(RECORDS.days.astype("datetime64[M]").astype(int) % 12, (11, 0, 1))
    flow[0, winter] = np.nan
    climate = Climatology.fit(RECORDS.with_flow(flow), ALL)
    assert np.isfinite(climate.mean).all() and np.isfinite(climate.quantiles_by_day).all()
    flow[1] = np.nan
    with pytest.raises(InvalidData, match="basin-1"):
        Climatology.fit(RECORDS.with_flow(flow), ALL)


def test_basins_are_found_by_name_and_unknown_ones_named() -> None:
    climate = Climatology.fit(RECORDS, ALL)
    turned = RECORDS.select(["basin-2", "basin-0"])
    np.testing.assert_array_equal(
        climate.forecast(turned, ISSUES, 3), climate.forecast(RECORDS, ISSUES, 3)[[2, 0]]
    )
    part = Climatology.fit(turned, ALL)
    with pytest.raises(InvalidData, match="basin-1"):
        part.forecast(RECORDS, ISSUES, 3)


def test_gaps_are_filled_by_the_day_and_nothing_else_changes() -> None:
    values = RECORDS.weather[..., 1].astype(float)
    mean = yearly_mean(values, RECORDS.days)
    gappy = values.copy()
    gappy[1, 100:200] = np.nan
    filled = fill_gaps(gappy, mean, RECORDS.days)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[:, 200:], values[:, 200:])
    assert np.abs(filled - values)[1, 100:200].mean() < 4.0  # the weather's scatter is 3 degC
