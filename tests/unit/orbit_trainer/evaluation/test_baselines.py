"""Climatology: what was planted comes back, and nothing of other days leaks in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.hot_cache import write_hot_cache
from catena.orbit_trainer.evaluation.baselines import Climatology, year_phase
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

DAY = 86_400


def seasons(years: int, *, noise: float = 0.0, hours: int = 12, start: int = 2001) -> xr.Dataset:
    """A year's wave and an hour of the day, planted; on 4 x 6 cells."""
    first, last = np.datetime64(f"{start}-01-01"), np.datetime64(f"{start + years}-01-01")
    time = np.arange(first, last, np.timedelta64(hours, "h")).astype("datetime64[ns]")
    seconds = time.astype("datetime64[s]").astype(np.int64)
    phase = year_phase(seconds, "standard")
    usual = 10.0 * np.cos(2 * np.pi * phase) + 2.0 * (seconds % DAY > 0)
    random = np.random.default_rng(0)
    values = 280.0 + usual[:, None, None] + noise * random.normal(size=(len(time), 4, 6))
    return xr.Dataset(
        {"tas": (("time", "lat", "lon"), values, {"units": "K"})},
        coords={"time": time, "lat": [-60.0, -20.0, 20.0, 60.0], "lon": np.arange(6) * 60.0},
    )


def cached(dataset: xr.Dataset, folder: Path) -> HotCache:
    return write_hot_cache(dataset, folder, dtype="float32", normalise=False, block_steps=999)


def planted(seconds: np.ndarray) -> np.ndarray:
    phase = year_phase(seconds, "standard")
    return 280.0 + 10.0 * np.cos(2 * np.pi * phase) + 2.0 * (seconds % DAY > 0)


def test_the_phase_of_the_year_follows_the_calendar() -> None:
    leap = np.array(["2004-01-01", "2004-12-31T12"], "datetime64[s]").astype(np.int64)
    np.testing.assert_allclose(year_phase(leap, "standard"), [0.0, 365.5 / 366])
    common = np.array([0, 365 * DAY, 364 * DAY + DAY // 2])
    np.testing.assert_allclose(year_phase(common, "noleap"), [0.0, 0.0, 364.5 / 365])
    np.testing.assert_allclose(year_phase(np.array([-90 * DAY]), "360_day"), [0.75])


def test_a_planted_season_and_hour_come_back(tmp_path: Path) -> None:
    cache = cached(seasons(3, noise=1.0), tmp_path / "c")
    climatology = Climatology.fit(cache, ["tas"], Period())
    assert climatology.hours_s.tolist() == [0, DAY // 2]
    assert climatology.fields.shape == (2, 73, 1, 4, 6)
    later = np.arange(0, 365, 7) * DAY + 1_100_000_000 // DAY * DAY
    later = np.concatenate([later, later + DAY // 2])
    found = climatology.at(later)[:, 0]
    # A window of 61 days takes 4.6 % off a wave of a year.
    assert np.abs(found.mean(axis=(1, 2)) - planted(later)).max() < 0.6
    assert np.abs(found - planted(later)[:, None, None]).max() < 1.2


def test_smoothing_equals_a_slow_mean_over_the_window(tmp_path: Path) -> None:
    dataset = seasons(2, noise=3.0)
    dataset["tas"][5:9, 1, 2] = np.nan
    cache = cached(dataset, tmp_path / "c")
    climatology = Climatology.fit(cache, ["tas"], Period())
    values = dataset["tas"].values.astype(np.float32)
    seconds = cache.times_s()
    bins = np.minimum((year_phase(seconds, "standard") * 73).astype(int), 72)
    for hour, place in ((0, 0), (1, 3), (0, 40), (1, 72)):
        steps = np.abs((bins - place + 36) % 73 - 36)
        weight = np.maximum(0.0, 1.0 - 2.0 * steps * 365.25 / 73 / 61.0)
        weight = weight * (seconds % DAY == hour * DAY // 2)
        masked = np.ma.masked_invalid(values)
        wanted = np.ma.average(masked, axis=0, weights=np.broadcast_to(
            weight[:, None, None], values.shape))  # fmt: skip
        np.testing.assert_allclose(climatology.fields[hour, place, 0], wanted, atol=2e-3)


def test_days_of_the_test_do_not_leak_in(tmp_path: Path) -> None:
    dataset = seasons(2)
    train = Period("", "2002-01-01")
    clean = Climatology.fit(cached(dataset, tmp_path / "a"), ["tas"], train)
    spoiled = dataset.copy(deep=True)
    spoiled["tas"][dataset["time"].values >= np.datetime64("2002-01-01")] += 1000.0
    other = Climatology.fit(cached(spoiled, tmp_path / "b"), ["tas"], train)
    np.testing.assert_allclose(other.fields, clean.fields, atol=2e-3)
    assert np.abs(Climatology.fit(cached(spoiled, tmp_path / "d"), ["tas"], Period()).fields
                  - clean.fields).min() > 100.0  # fmt: skip


def test_parts_of_the_year_that_were_never_seen_get_the_mean(tmp_path: Path) -> None:
    cache = cached(seasons(1), tmp_path / "c")
    spring = Period("2001-03-01", "2001-05-01")
    climatology = Climatology.fit(cache, ["tas"], spring)
    start, stop = spring.steps(cache)
    seen = cache.gather(range(start, stop))[:, 0, 0, 0]
    october = np.array([np.datetime64("2001-10-15", "s").astype(np.int64)])
    hour = cache.times_s()[start:stop] % DAY == 0
    assert climatology.at(october)[0, 0, 0, 0] == pytest.approx(seen[hour].mean(), abs=1e-3)
    flat = Climatology.fit(cache, ["tas"], spring, window_days=None)
    assert flat.fields.shape[1] == 1
    np.testing.assert_allclose(flat.at(october), climatology.at(october), atol=1e-3)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    cache = cached(seasons(1), tmp_path / "c")
    with pytest.raises(InvalidRequest, match=r"channels pr asked.*holds tas"):
        Climatology.fit(cache, ["pr"], Period())
    with pytest.raises(InvalidRequest, match="no step"):
        Climatology.fit(cache, ["tas"], Period("2050-01-01", "2051-01-01"))
    climatology = Climatology.fit(cache, ["tas"], Period())
    with pytest.raises(InvalidData, match="3600 s after midnight"):
        climatology.at(np.array([3600]))
