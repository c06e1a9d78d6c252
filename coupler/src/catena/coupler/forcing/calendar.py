"""Days of two calendars, and which day of a record stands for which."""

from __future__ import annotations

import calendar as gregorian
import datetime as dt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Calendar = Literal["noleap", "standard"]
Dates = NDArray[np.datetime64]

LACKING_AT_MOST = 31
"""Days of one year that may be taken from another one."""
LEAP_DAY = 229
"""29 February as :func:`month_day` says it."""

_NOLEAP_DAYS = [
    (month, day)
    for month in range(1, 13)
    for day in range(1, gregorian.monthrange(2001, month)[1] + 1)
]
_DAY_OF_NOLEAP = {date: number for number, date in enumerate(_NOLEAP_DAYS)}


def dates(start: dt.date, days: int, calendar: Calendar) -> Dates:
    """Consecutive days, datetime64[D] (day,).

    Raises
    ------
    InvalidData
        When the first one is a 29 February in a calendar without.
    """
    first = np.datetime64(start, "D")
    if calendar == "standard":
        return first + np.arange(days)
    if (start.month, start.day) == (2, 29):
        raise InvalidData(f"start: found {start}, wanted a day of the calendar noleap")
    # A year more than needed, without its 29 February.
    span = first + np.arange(days + days // 1460 + 2)
    return span[~is_leap_day(span)][:days]


def day_after(start: dt.date, days: int, calendar: Calendar) -> dt.date:
    """The day some days later, or earlier."""
    if calendar == "standard" or not days:
        return start + dt.timedelta(days=days)
    # Of 365 days each year, numbered through.
    year, day = divmod(365 * start.year + _DAY_OF_NOLEAP[(start.month, start.day)] + days, 365)
    month, of_month = _NOLEAP_DAYS[day]
    return dt.date(year, month, of_month)


def length_of_years(first: int, years: int, calendar: Calendar) -> int:
    """Days of consecutive years."""
    if calendar == "noleap":
        return 365 * years
    return sum(366 if gregorian.isleap(year) else 365 for year in range(first, first + years))


def is_leap_day(days: Dates) -> NDArray[np.bool_]:
    """Which days are a 29 February."""
    return month_day(days) == LEAP_DAY


def month_day(days: Dates) -> NDArray[np.int64]:
    """100 times the month, plus the day of the month."""
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    return month * 100 + (days - months.astype("datetime64[D]")).astype(np.int64) + 1


def year_of(days: Dates) -> NDArray[np.int64]:
    """Calendar year of each day."""
    return days.astype("datetime64[Y]").astype(np.int64) + 1970


def cycled(have: Dates, want: Dates) -> NDArray[np.int64]:
    """For each day wanted, the position of the day of a record that stands for it.

    The years of the record follow each other again and again, counted so that a year of the record
    stands for itself. A date that its year lacks is that of the nearest year that has it (of two
    equally near ones the later), else the nearest day of the year itself; 29 February, where the
    year has none, is the day before.

    Parameters
    ----------
    have : array of datetime64[D]
        Consecutive days of the record.
    want : array of datetime64[D]

    Raises
    ------
    InvalidData
        When a year of the record lacks more than :data:`LACKING_AT_MOST` days.
    """
    years, marks = year_of(have), month_day(have)
    first, count = int(years[0]), int(years[-1] - years[0]) + 1
    table = np.full((count, 1232), -1, dtype=np.int64)
    table[years - first, marks] = np.arange(have.size)
    every = np.unique(month_day(dates(dt.date(2001, 1, 1), 365, "noleap")))
    _refuse_short_years(table[:, every] >= 0, first, have)
    filled = table.copy()
    for year, column in np.argwhere(table[:, every] < 0):
        mark = every[column]
        with_it = np.flatnonzero(table[:, mark] >= 0)[::-1]
        if with_it.size:
            filled[year, mark] = table[with_it[np.argmin(np.abs(with_it - year))], mark]
        else:
            own = np.flatnonzero(table[year] >= 0)
            filled[year, mark] = table[year, own[np.argmin(np.abs(own - mark))]]
    without = filled[:, LEAP_DAY] < 0
    filled[without, LEAP_DAY] = filled[without, LEAP_DAY - 1]
    return filled[np.mod(year_of(want) - first, count), month_day(want)]


def _refuse_short_years(present: NDArray[np.bool_], first: int, have: Dates) -> None:
    short = np.flatnonzero((~present).sum(axis=1) > LACKING_AT_MOST)
    if short.size:
        year = int(short[0])
        raise InvalidData(
            f"year {first + year} of the forcing ({have[0]} to {have[-1]}): found "
            f"{present[year].sum()} of 365 days, wanted all but {LACKING_AT_MOST}; select whole "
            "years first"
        )
