"""Archived weather forecasts, as data-ingest arranges them, into a store; and how good they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.forecaster.data.canonical import RECORD_UNITS
from catena.forecaster.data.donors import noise_level
from catena.forecaster.data.records import Array32, BasinRecords, Days, Index, Mask
from catena.forecaster.data.store import CHUNK_ISSUES, ISSUE, LEAD, ForecastArchive, ForecastStore
from catena.shared.errors import InvalidData
from catena.shared.lexicon import factor_offset, variable

_DAY = np.timedelta64(1, "D")
_SEASON_DAYS = 15


def append_forecasts(store: ForecastStore, dataset: xr.Dataset) -> ForecastStore:
    """Add the issue times of a data set that are later than the store's last one.

    Parameters
    ----------
    store : ForecastStore
        Of basins that the data set has; one without issue times takes all.
    dataset : xarray.Dataset
        In canonical form: one variable (basin, forecast_reference_time, leadtime[, member]) for
        each of the store, daily; reference times at the end of the issue day (00 UTC of the next),
        leads at the end of the day that a value is about. It is read block by block.

    Raises
    ------
    InvalidData
        When variables, basins, leads or members are not there, units do not fit, or times are not
        those of days.
    """
    days = _issue_days(dataset)
    new = np.flatnonzero(
        days > store.issue_days[-1] if len(store.issue_days) else np.ones(len(days), bool)
    )
    leads = (dataset[LEAD].values.astype("timedelta64[ns]") / _DAY).astype(np.float64)
    wanted = np.arange(1, store.leads + 1)
    if not np.isin(wanted, leads).all():
        raise InvalidData(
            f"leads of {', '.join(f'{lead:g}' for lead in leads[:6])}, ... days came; wanted 1 to "
            f"{store.leads} days: make daily values first"
        )
    at = np.array([np.flatnonzero(leads == lead)[0] for lead in wanted])
    known = {str(name) for name in dataset["basin"].values}
    gone = [basin for basin in store.basins if basin not in known]
    if gone:
        raise InvalidData(f"forecasts lack the basins {', '.join(gone[:12])}")
    dataset = dataset.sel(basin=list(store.basins)).isel({LEAD: at})
    for rows in _blocks(new, len(store.issue_days)):
        block = dataset.isel({ISSUE: rows})
        values = np.stack([_values(block, name, store) for name in store.names], axis=3)
        store = store.append(days[rows], values)
    return store


def _issue_days(dataset: xr.Dataset) -> Days:
    if ISSUE not in dataset.dims or LEAD not in dataset.dims:
        raise InvalidData(
            f"a data set with the dimensions {sorted(map(str, dataset.dims))} came; wanted basin, "
            f"{ISSUE} and {LEAD}"
        )
    times = dataset[ISSUE].values.astype("datetime64[s]")
    days: Days = times.astype("datetime64[D]")
    if (days != times).any():
        wrong = times[np.argmax(days != times)]
        raise InvalidData(
            f"a forecast issued at {wrong} came; wanted 00 UTC, when the issue day has ended: "
            "daily values of other hours are of other days"
        )
    return days - 1


def _blocks(rows: Index, first: int) -> Iterator[Index]:
    """Runs of rows that fill a chunk of the store each."""
    start = 0
    while start < len(rows):
        stop = start + CHUNK_ISSUES - (first + start) % CHUNK_ISSUES
        yield rows[start:stop]
        start = stop


def _values(block: xr.Dataset, name: str, store: ForecastStore) -> Array32:
    """One variable in the units of records, (N, I, H[, M])."""
    dims = ("basin", ISSUE, LEAD, *(["member"] if store.members else []))
    if name not in block or set(block[name].dims) != set(dims):
        came = f"with {block[name].dims}" if name in block else "not there"
        raise InvalidData(f"forecast of {name}: {came}; wanted ({', '.join(dims)})")
    if store.members and block.sizes["member"] != store.members:
        raise InvalidData(f"{block.sizes['member']} members came; {store.members} wanted")
    about = variable(name)
    units = str(block[name].attrs.get("units", ""))
    if not units:
        raise InvalidData(f"forecast of {name} has no units; wanted e.g. '{about.units}'")
    target = RECORD_UNITS.get(about.units, about.units)
    factor, offset = factor_offset(units, target, substance=about.substance)
    values = np.asarray(block[name].transpose(*dims).values, np.float64)
    return np.asarray(values * factor + offset, np.float32)


def archive_noise(
    archive: ForecastArchive,
    records: BasinRecords,
    days: Mask,
    *,
    most: int = 20_000,
    seed: int = 0,
) -> Array32:
    """Noise level of archived forecasts by lead, from training days alone.

    Parameters
    ----------
    archive : ForecastArchive
    records : BasinRecords
    days : (T,) boolean array
        Training days: both climatology and forecasts are of these only.
    most : int
        Forecasts to look at, drawn at random.
    seed : int

    Returns
    -------
    (H,) float32 array
        See :func:`catena.forecaster.data.donors.noise_level`.

    Raises
    ------
    InvalidData
        When no forecast was issued on training days.
    """
    leads = archive.leads
    issues = archive.issued()
    ahead = issues[:, None] + 1 + np.arange(leads)
    inside = (ahead < len(days)).all(axis=1)
    issues, ahead = issues[inside], ahead[inside]
    keep = np.asarray(days)[ahead].all(axis=1)
    issues, ahead = issues[keep], ahead[keep]
    if not issues.size:
        raise InvalidData("no forecast was issued on training days; its noise cannot be told")
    rng = np.random.default_rng(seed)
    size = min(most, len(records) * len(issues))
    drawn = rng.choice(len(records) * len(issues), size, replace=False)
    basin, issue = drawn // len(issues), drawn % len(issues)
    normal = _climatology(records, days)
    season = _day_of_year(records.days)[ahead[issue]]
    mean = normal[basin[:, None], season]
    forecast = archive.read(basin, issues[issue], np.zeros(size, np.int64)) - mean
    return noise_level(forecast, records.weather[basin[:, None], ahead[issue]] - mean)


def _day_of_year(days: Days) -> Index:
    start = days.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray(np.minimum((days - start).astype(np.int64), 364))


def _climatology(records: BasinRecords, days: Mask) -> NDArray[np.float32]:
    """Mean weather of the days of the year, smoothed over a month, (N, 365, F)."""
    season = _day_of_year(records.days)[days]
    weather = records.weather[:, days]
    n, _, f = weather.shape
    total, count = np.zeros((n, 365, f)), np.zeros((n, 365, f))
    for day in range(365):
        here = weather[:, season == day]
        total[:, day] = np.nansum(here, axis=1)
        count[:, day] = (~np.isnan(here)).sum(axis=1)
    window: list[Any] = [np.roll(np.stack([total, count]), shift, axis=2)
                         for shift in range(-_SEASON_DAYS, _SEASON_DAYS + 1)]  # fmt: skip
    sums, days_seen = np.sum(window, axis=0)
    return np.asarray(sums / np.maximum(days_seen, 1), np.float32)
