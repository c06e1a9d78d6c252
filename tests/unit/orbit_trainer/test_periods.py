"""Periods follow one another with a gap, in the calendar of the data."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.orbit_caches import cached, waves

from catena.orbit_trainer.periods import split
from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> HotCache:
    return cached(waves(steps=80, gaps=(33,)), tmp_path_factory.mktemp("c") / "c")


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.sampled_from([0, 6, 12, 24]))
def test_no_step_lies_within_the_gap_of_another_period(
    cache: HotCache, validate: float, test: float, gap_h: float
) -> None:
    periods = split(cache, gap_h=gap_h, validate=validate, test=test)
    times = cache.times_s()
    spans = [each.steps(cache) for each in (periods.train, periods.validate, periods.test)]
    assert spans[0][0] == 0
    assert spans[2][1] == len(cache)
    assert spans[2][1] - spans[2][0] == round(test * 80)
    assert abs(spans[1][1] - spans[1][0] - validate * 80) <= 1
    for (_, stop), (first, _) in itertools.pairwise(spans):
        assert times[first] - times[stop - 1] > gap_h * 3600 or gap_h == 0
        assert first - stop <= gap_h / 6


def test_dates_split_as_they_say(cache: HotCache) -> None:
    periods = split(cache, gap_h=12, validate="2001-01-14", test="2001-01-17T06")
    assert periods.train.steps(cache) == (0, 4 * 13 - 1 - 2)  # a step is missing
    assert periods.validate == Period("2001-01-14T00:00:00", "2001-01-16T12:00:01")
    assert periods.test.first == "2001-01-17T06:00:00"


def test_dates_are_those_of_the_calendar(tmp_path: Path) -> None:
    dataset = waves(steps=10)
    time = xr.date_range("2001-02-28", periods=10, freq="1D", calendar="360_day", use_cftime=True)
    cache = cached(dataset.assign_coords(time=time), tmp_path / "c")
    assert Period("2001-02-30", "2001-03-02").steps(cache) == (2, 4)
    with pytest.raises(InvalidRequest, match=r"2001-02-31.*360_day"):
        Period("2001-02-31").steps(cache)
    with pytest.raises(InvalidRequest, match="YYYY-MM-DD"):
        Period("", "today").steps(cache)


def test_empty_periods_are_named(cache: HotCache) -> None:
    with pytest.raises(InvalidRequest, match="left for the training period"):
        split(cache, gap_h=0, validate=0.6, test=0.5)
    with pytest.raises(InvalidRequest, match="left for the test period"):
        split(cache, gap_h=0, test="2030-01-01")
    with pytest.raises(InvalidRequest, match="left for the validation period"):
        split(cache, gap_h=24 * 19, test=0.1)
    with pytest.raises(InvalidRequest, match=r"no step.*2001-01-05 to 2001-01-05"):
        Period("2001-01-05", "2001-01-05").steps(cache)
    assert np.isfinite(split(cache, gap_h=24).train.steps(cache)).all()
