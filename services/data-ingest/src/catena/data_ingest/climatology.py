"""Twelve-month climatologies from monthly series of any calendar, or from ready ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from catena.shared.errors import InvalidData

MONTH = 30.4375
"""Mean length in days."""
EARLY = 0.1
"""A label at the start of a month may lie so much of one before the mean start."""


@dataclass(frozen=True)
class Climatology:
    """Mean annual cycle of one variable.

    Parameters
    ----------
    data : DataArray
        Along ``month`` (1 to 12) in place of time, lazy if the series was; a month without any
        value is missing.
    years : int, optional
        Smallest number of years that a calendar month has; None where a ready climatology does
        not say.
    missing : tuple of str
        Months of the series, as ``1987-03``, that are not there or hold no value.
    """

    data: xr.DataArray
    years: int | None
    missing: tuple[str, ...] = ()


def climatology(array: xr.DataArray, period: tuple[int, int] | None = None) -> Climatology:
    """Mean over the years of each calendar month.

    Parameters
    ----------
    array : DataArray
        Monthly along ``time``, labelled at the start or the middle of the month, in any calendar;
        or a climatology: along ``month``, or 12 steps of a time that is marked as climatological
        (CF attribute ``climatology``) or not decoded ("days since 0").
    period : (first, last) years, optional
        Of a series, both included.

    Raises
    ------
    InvalidData
        When the variable has neither, is not monthly, a month comes twice, or no step lies in the
        period.
    """
    if "month" in array.dims:
        return _ready(array, np.asarray(array["month"].values), array.name)
    if "time" not in array.dims:
        raise InvalidData(
            f"variable {array.name}: found dimensions {tuple(array.dims)}, wanted time or month"
        )
    time = array["time"]
    if time.dtype.kind in "iuf":
        days = np.asarray(time.values, np.float64) % (12 * MONTH)
        months = 1 + np.floor(days / MONTH + EARLY).astype(int) % 12
        return _ready(array.rename(time="month"), months, array.name)
    months = np.asarray(time.dt.month.values)
    if time.size == 12 and ("climatology" in time.attrs or "climatology" in time.encoding):
        return _ready(array.rename(time="month"), months, array.name)
    return _mean_cycle(array, period)


def _ready(array: xr.DataArray, months: np.ndarray, name: object) -> Climatology:
    if sorted(months.tolist()) != list(range(1, 13)):
        raise InvalidData(
            f"variable {name}, dimension time: found a climatology of months "
            f"{months.tolist()}, wanted each of 1 to 12 once"
        )
    array = array.drop_vars([name for name in array.coords if "month" in array[name].dims])
    return Climatology(array.assign_coords(month=months).sortby("month"), None)


def _mean_cycle(array: xr.DataArray, period: tuple[int, int] | None) -> Climatology:
    time = array["time"]
    if period is not None:
        inside = (time.dt.year >= period[0]) & (time.dt.year <= period[1])
        array = array.isel(time=np.flatnonzero(inside.values))
        time = array["time"]
    if not time.size:
        raise InvalidData(
            f"variable {array.name}, dimension time: found no step"
            f"{'' if period is None else f' from {period[0]} to {period[1]}'}, wanted a monthly "
            "series"
        )
    numbers = np.asarray(time.dt.year.values) * 12 + np.asarray(time.dt.month.values) - 1
    steps = np.diff(numbers)
    if (steps < 1).any():
        place = int(np.argmax(steps < 1))
        raise InvalidData(
            f"variable {array.name}, dimension time: found {str(time.values[place])[:10]} and "
            f"{str(time.values[place + 1])[:10]} one after the other, wanted one step a month, in "
            "order"
        )
    other = [dim for dim in array.dims if dim != "time"]
    filled = np.asarray(array.notnull().any(other).values)
    there = set(numbers[filled].tolist())
    wanted = range(int(numbers[0]), int(numbers[-1]) + 1)
    missing = tuple(f"{n // 12:04d}-{n % 12 + 1:02d}" for n in wanted if n not in there)
    counts = np.bincount(numbers[filled] % 12, minlength=12)
    data = array.drop_vars(
        [name for name in array.coords if name != "time" and "time" in array[name].dims]
    )
    data = data.groupby("time.month").mean("time", keep_attrs=True)
    return Climatology(data.reindex(month=np.arange(1, 13)), int(counts.min()), missing)
