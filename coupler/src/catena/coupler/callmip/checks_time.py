"""Rules about time: the units as the checklist spells them, steps of a day, the days observed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.callmip.observations import Observations
from catena.coupler.callmip.report import Row, judged, shown
from catena.coupler.callmip.values import numbers_of
from catena.coupler.forcing import calendar

_UNITS = re.compile(r"days since (\d{4})-01-01 00:00:00")
_ORIGIN = re.compile(r"^\s*days\s+since\s+(\d{4})-(\d{1,2})-(\d{1,2})")
_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_FIRST = (0.0, 0.5, 1.0)
_UNITS_WANTED = "days since YYYY-01-01 00:00:00"
_STEPS_WANTED = "1, 2, 3, ... or 0.5, 1.5, 2.5, ..."


def check(file: netCDF4.Dataset, observations: Observations | None) -> Iterator[Row]:
    """Rows about the variable `time`."""
    good = "time" in file.variables and file["time"].dimensions == ("time",)
    found = f"time({', '.join(file['time'].dimensions)})" if "time" in file.variables else "none"
    stamps = numbers_of(file["time"]) if good else None
    yield judged(
        "time.variable", "6.2", stamps is not None, found, "a variable time(time) of numbers"
    )
    if stamps is None:
        return
    time = file["time"]
    units = getattr(time, "units", None)
    exact = isinstance(units, str) and _UNITS.fullmatch(units) is not None
    yield judged(
        "time.units", "checklist", exact, "none" if units is None else shown(units),
        f"'{_UNITS_WANTED}', letter by letter",
    )  # fmt: skip
    origin = _origin(units)
    yield _start(origin, observations)
    label = str(getattr(time, "calendar", "standard")).lower()
    yield judged(
        "time.calendar", "6.2", label in _CALENDARS, shown(label),
        "one with leap days: standard, gregorian or proleptic_gregorian",
    )  # fmt: skip
    yield from _steps(stamps, exact)
    yield _count(stamps, origin, observations)


def _origin(units: object) -> dt.date | None:
    """The date that days are counted from; None when it is no date."""
    match = _ORIGIN.match(units) if isinstance(units, str) else None
    try:
        date = dt.date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None
    return None if date is None or date.year == dt.MAXYEAR else date


def _start(origin: dt.date | None, observations: Observations | None) -> Row:
    found = "no date" if origin is None else str(origin)
    if observations is None:
        return Row("time.start", "checklist", "skipped", found,
                   "the start of the site's files: give them with --observations")  # fmt: skip
    return judged(
        "time.start", "6.2", origin == observations.start, found,
        f"{observations.start}, where the observations begin",
    )  # fmt: skip


def _steps(stamps: NDArray[np.float64], exact_units: bool) -> Iterator[Row]:
    first = stamps[:4]
    found = ", ".join(f"{stamp:.10g}" for stamp in first) + (", ..." if stamps.size > 4 else "")
    even = stamps.size > 0 and bool(np.array_equal(stamps, stamps[0] + np.arange(stamps.size)))
    if stamps.size and not even:
        odd = np.flatnonzero(~(np.diff(stamps) == 1))
        if odd.size:
            at = int(odd[0])
            found = f"{stamps[at]:.10g} followed by {stamps[at + 1]:.10g}"
    yield judged(
        "time.steps", "checklist", even and float(stamps[0]) in _FIRST, found,
        f"{_STEPS_WANTED} (section 6.2 allows 0, 1, 2, ... too)",
    )  # fmt: skip
    if exact_units and even and stamps[0] == 1.0:
        yield Row(
            "time.reading", "checklist", "advice", found,
            "0.5, 1.5, 2.5, ...: CF reads 1 as 2 January, the protocol as the first day",
        )  # fmt: skip


def _count(
    stamps: NDArray[np.float64], origin: dt.date | None, observations: Observations | None
) -> Row:
    days = stamps.size
    if observations is not None:
        return judged(
            "time.days", "6.2", days == observations.days, str(days),
            f"{observations.days}, those of the observations, leap days included",
        )  # fmt: skip
    if origin is None or not days or stamps[0] not in _FIRST:
        return Row("time.days", "6.2", "skipped", str(days), "a start, see time.units, time.steps")
    # Counted from 31 December, 1 is a day of the next year.
    year = (origin + dt.timedelta(days=int(stamps[0]))).year
    # Files hold whole years: the nearest number of them says whether leap days are there.
    years = max(1, round(days / 365.2425))
    wanted = calendar.length_of_years(year, years, "standard")
    return judged(
        "time.days", "6.2", days == wanted, str(days),
        f"{wanted}: {years} whole years from {year} with their leap days",
    )  # fmt: skip
