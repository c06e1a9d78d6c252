"""Archived weather forecasts, as data-ingest arranges them, into a store; and how good they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.forecaster.data.calendar import Days, day_of_year
from catena.forecaster.data.canonical import record_units
from catena.forecaster.data.donors import Donors, noise_level
from catena.forecaster.data.noise import ForecastWeather, Scenario, forecast_weather
from catena.forecaster.data.records import Array32, BasinRecords, Index, Mask
from catena.forecaster.data.store import CHUNK_ISSUES, ISSUE, LEAD, ForecastArchive, ForecastStore
from catena.shared.errors import InvalidData
from catena.shared.lexicon import factor_offset, variable

_DAY = np.timedelta64(1, "D")
_SEASON_DAYS = 15
_FIRST = 1000
"""First member of generated forecasts, far from those of the noised scenarios of models."""


def forecast_store(
    folder: str | Path,
    dataset: xr.Dataset,
    basins: Sequence[str],
    leads: int,
    names: Sequence[str],
) -> ForecastStore:
    """A new store with all forecasts of a data set.

    Parameters
    ----------
    folder : path
    dataset : xarray.Dataset
        As :func:`append_forecasts` takes it.
    basins : sequence of str
        Empty: all of the data set.
    leads : int
        Days ahead at most; fewer where the data set has fewer.
    names : sequence of str
        Variables.

    Raises
    ------
    InvalidData
        As :func:`append_forecasts`; also where there is no daily lead or no issue time.
    """
    days = _issue_days(dataset)
    ahead = _lead_days(dataset)
    if not days.size or not (ahead == 1).any():
        raise InvalidData(
            f"{days.size} issue times and leads of {_listed(ahead)} days came; wanted at least one "
            "issue time and lead 1: make daily values first"
        )
    reach = next(lead for lead in range(1, leads + 2) if lead > leads or not (ahead == lead).any())
    store = ForecastStore.create(
        folder,
        basins=list(basins) or [str(name) for name in dataset["basin"].values],
        names=names,
        leads=reach - 1,
        members=dataset.sizes.get("member", 0),
        units=[record_units(name) for name in names],
    )
    return append_forecasts(store, dataset)


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
    leads = _lead_days(dataset)
    wanted = np.arange(1, store.leads + 1)
    if not np.isin(wanted, leads).all():
        raise InvalidData(
            f"leads of {_listed(leads)} days came; wanted 1 to {store.leads} days: make daily "
            "values first"
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


def append_generated(
    store: ForecastStore, records: BasinRecords, *, stride: int = 1, seed: int = 0
) -> ForecastStore:
    """Add forecasts made of the records' own weather, noised as the module `donors` says.

    All years may lend: a forecast is of its own days for the most part, and other years' weather
    says nothing of a test. They are no more than a stand-in for a real archive.

    Parameters
    ----------
    store : ForecastStore
        Of the basins and weather of the records, without issue times.
    records : BasinRecords
    stride : int
        Days between issue times; the last days of the records are among them, with what is known.
    seed : int
    """
    donors = Donors(records.days, np.ones(len(records.days), bool), store.leads, seed=seed)
    issues = np.arange(0, len(records.days), stride)
    for rows in _blocks(issues, 0):
        members = [
            forecast_weather(
                records,
                rows,
                store.leads,
                ForecastWeather(Scenario("generated", member=_FIRST + member), donors=donors),
            )
            for member in range(max(store.members, 1))
        ]
        values = np.stack(members, axis=-1) if store.members else members[0]
        store = store.append(records.days[rows], values)
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


def _lead_days(dataset: xr.Dataset) -> NDArray[np.float64]:
    leads = np.asarray(dataset[LEAD].values.astype("timedelta64[ns]") / _DAY, np.float64)
    if (leads % 1 != 0).any():
        # Every fourth of six-hourly values is labelled like a day's, and is not one.
        raise InvalidData(
            f"leads of {_listed(leads)} days came; wanted whole days: make daily values first"
        )
    return leads


def _listed(leads: NDArray[np.float64]) -> str:
    return ", ".join(f"{lead:g}" for lead in leads[:6]) + (", ..." if len(leads) > 6 else "")


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
    factor, offset = factor_offset(units, record_units(name), substance=about.substance)
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
    issues = archive.within(np.asarray(days))
    if not issues.size:
        raise InvalidData(
            "no forecast was issued whose days are all days of training: what the archive's "
            "forecasts are worth cannot be learned; give one that reaches over training_days"
        )
    ahead = issues[:, None] + 1 + np.arange(archive.leads)
    rng = np.random.default_rng(seed)
    size = min(most, len(records) * len(issues))
    drawn = rng.choice(len(records) * len(issues), size, replace=False)
    basin, issue = drawn // len(issues), drawn % len(issues)
    normal = _climatology(records, days)
    season = _season(records.days)[ahead[issue]]
    mean = normal[basin[:, None], season]
    forecast = archive.read(basin, issues[issue], np.zeros(size, np.int64)) - mean
    return noise_level(forecast, records.weather[basin[:, None], ahead[issue]] - mean)


def _season(days: Days) -> Index:
    """0 to 364; the last day of leap years is taken as the day before it."""
    return np.minimum(day_of_year(days) - 1, 364)


def _climatology(records: BasinRecords, days: Mask) -> NDArray[np.float32]:
    """Mean weather of the days of the year, smoothed over a month, (N, 365, F)."""
    season = _season(records.days)[days]
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
