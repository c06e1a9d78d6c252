"""Time axes in any calendar: datetime64 for the standard one, cftime for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cftime
import numpy as np
import xarray as xr

from catena.shared.errors import InvalidData

Array = np.ndarray[Any, Any]
DAY = 86400.0
STANDARD = ("standard", "gregorian", "proleptic_gregorian")
"""Calendars that agree from 15 October 1582 on."""


@dataclass(frozen=True)
class Step:
    """Distance between the time stamps of a regular axis.

    Parameters
    ----------
    kind : {"seconds", "month", "year"}
    seconds : float
        Of one step; of a mean month or year for the other kinds.
    """

    kind: Literal["seconds", "month", "year"]
    seconds: float

    @property
    def plain(self) -> float | str:
        """JSON form: seconds, ``month`` or ``year``."""
        return self.seconds if self.kind == "seconds" else self.kind

    def __str__(self) -> str:
        if self.kind != "seconds":
            return f"1 {self.kind}"
        for length, word in ((DAY, "day"), (3600.0, "hour"), (60.0, "minute")):
            if self.seconds >= length:
                return f"{self.seconds / length:g} {word}"
        return f"{self.seconds:g} second"


def step_of(plain: float | str) -> Step:
    """Inverse of :attr:`Step.plain`."""
    if isinstance(plain, str):
        if plain not in ("month", "year"):
            raise InvalidData(f"step is '{plain}', wanted seconds, month or year")
        return Step("month", 30.4375 * DAY) if plain == "month" else Step("year", 365.25 * DAY)
    return Step("seconds", float(plain))


def is_time(values: Array) -> bool:
    """Whether these are decoded times."""
    if values.dtype.kind == "M":
        return True
    return (
        values.dtype == object and values.size > 0 and isinstance(values.flat[0], cftime.datetime)
    )


def calendar_of(times: xr.DataArray) -> str:
    """Calendar of decoded times: cftime objects know theirs; datetime64 is ``standard``."""
    values = times.values
    if values.dtype.kind == "M":
        return str(times.encoding.get("calendar", "standard"))
    return str(values.flat[0].calendar)


def elapsed_seconds(values: Array) -> Array:
    """Seconds since the first of some times, to the microsecond, float64."""
    if values.dtype.kind == "M":
        return (values - values[0]).astype("timedelta64[us]").astype(np.int64) / 1e6
    first = values[0]
    since = f"microseconds since {first.isoformat(' ')}"
    numbers = cftime.date2num(values, since, calendar=first.calendar)
    return np.asarray(numbers, dtype=np.float64) / 1e6


def later(values: Array, seconds: float | Array) -> Array:
    """Times moved by seconds, in their own calendar."""
    if not values.size:
        return values
    micro = np.round(np.asarray(seconds, dtype=np.float64) * 1e6).astype(np.int64)
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]") + micro.astype("timedelta64[us]")
    first = values[0]
    since = f"microseconds since {first.isoformat(' ')}"
    numbers = np.asarray(cftime.date2num(values, since, calendar=first.calendar), dtype=np.int64)
    moved = cftime.num2date(numbers + micro, since, calendar=first.calendar)
    return np.asarray(moved, dtype=object)


def in_calendar(first: Any, elapsed: Array, calendar: str) -> Array:
    """Times of a calendar that begin on the date of `first` and go on by seconds elapsed.

    Parameters
    ----------
    first : numpy.datetime64 or cftime.datetime
    elapsed : array of float
        Seconds since `first`.
    calendar : str
        ``standard`` gives datetime64, others cftime.
    """
    iso = first.isoformat() if isinstance(first, cftime.datetime) else str(first)[:26]
    if calendar in STANDARD:
        return later(np.full(elapsed.shape, np.datetime64(iso, "us")), elapsed)
    date, _, clock = iso.partition("T")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = (int(float(part)) for part in (clock or "0:0:0").split(":"))
    start = cftime.datetime(year, month, day, hour, minute, second, calendar=calendar)
    return later(np.full(elapsed.shape, start, dtype=object), elapsed)


def months(values: Array) -> Array:
    """Number of the month since year 0 (datetime64: since 1970), int64."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[M]").astype(np.int64)
    return np.array([time.year * 12 + time.month - 1 for time in values], dtype=np.int64)


def floor(values: Array, unit: Literal["day", "month", "year"]) -> Array:
    """Start of the day, month or year in which each time lies."""
    if values.dtype.kind == "M":
        code = {"day": "D", "month": "M", "year": "Y"}[unit]
        return values.astype(f"datetime64[{code}]").astype("datetime64[us]")
    parts: dict[str, int] = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    if unit != "day":
        parts["day"] = 1
    if unit == "year":
        parts["month"] = 1
    return np.array([time.replace(**parts) for time in values], dtype=object)


def seconds_of_day(values: Array) -> Array:
    """Seconds since midnight, float64."""
    if values.dtype.kind == "M":
        since = values.astype("datetime64[us]") - values.astype("datetime64[D]")
        return since.astype(np.int64) / 1e6
    return np.array(
        [t.hour * 3600 + t.minute * 60 + t.second + t.microsecond / 1e6 for t in values],
        dtype=np.float64,
    )


def following(values: Array, step: Step) -> Array:
    """The time one step after each."""
    return advance(values, step, np.ones(values.shape, dtype=np.int64))


def advance(values: Array, step: Step, count: Array) -> Array:
    """Times moved by whole steps; months and years as the calendar has them."""
    if step.kind == "seconds":
        return later(values, count * step.seconds)
    ahead = count if step.kind == "month" else count * 12
    base = floor(values, "month")
    if values.dtype.kind == "M":
        moved = (base.astype("datetime64[M]") + ahead).astype("datetime64[us]")
        return moved + (values.astype("datetime64[us]") - base)
    return np.array(
        [
            start.replace(
                year=start.year + (start.month - 1 + int(more)) // 12,
                month=(start.month - 1 + int(more)) % 12 + 1,
            )
            + (time - start)
            for time, start, more in zip(values, base, ahead, strict=True)
        ],
        dtype=object,
    )


def find_step(values: Array, frequency: str = "") -> Step | None:
    """Step of a time axis; None where nothing repeats.

    Parameters
    ----------
    values : array of times
        Sorted, without duplicates.
    frequency : str
        CMIP6 frequency (``mon``, ``day``, ``6hr``, ...), which decides where there is one stamp.
    """
    if values.size < 2:
        return _named_step(frequency)
    distance = np.diff(elapsed_seconds(values))
    usual = float(np.median(distance))
    for kind, low, high in (("month", 28, 31), ("year", 360, 366)):
        if low * DAY - 1 <= usual <= high * DAY + 1:
            number = months(values) // (1 if kind == "month" else 12)
            if (np.diff(number) >= 1).all():
                return step_of(kind)
    if usual <= 0:
        return None
    rounded = round(usual) if usual >= 1 and abs(usual - round(usual)) < 0.01 else usual
    return Step("seconds", float(rounded))


def steps_between(values: Array, step: Step) -> Array | None:
    """Whole steps from each stamp to the next; None where they are not whole."""
    if step.kind == "seconds":
        distance = np.diff(elapsed_seconds(values)) / step.seconds
        whole = np.round(distance)
        return whole.astype(np.int64) if (np.abs(distance - whole) < 0.01).all() else None
    return np.diff(months(values) // (1 if step.kind == "month" else 12))


def _named_step(frequency: str) -> Step | None:
    name = frequency.lower().removesuffix("pt").removesuffix("cm")
    if name in ("mon", "monthly", "amon", "lmon", "omon"):
        return step_of("month")
    if name in ("yr", "annual", "ann"):
        return step_of("year")
    if name in ("day", "daily"):
        return Step("seconds", DAY)
    if name.endswith("hr") and name[:-2].isdigit():
        return Step("seconds", float(name[:-2]) * 3600)
    return None


def iso(value: Any) -> str:
    """A time in words, to the second."""
    text = value.isoformat() if isinstance(value, cftime.datetime) else str(value)
    return text[:19]
