"""Days of a run and the periods over which outputs are averaged."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import cftime
import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidRequest

Frequency = Literal["day", "month", "year", "run"]
_LEAP_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])


@dataclass(frozen=True)
class Days:
    """The calendar of a run.

    Parameters
    ----------
    year, month, day, day_of_year : int64 (day,)
        Month and day from 1, day of the year from 0.
    calendar : str
        ``noleap`` or ``standard``.
    """

    year: NDArray[np.int64]
    month: NDArray[np.int64]
    day: NDArray[np.int64]
    day_of_year: NDArray[np.int64]
    calendar: str

    @property
    def count(self) -> int:
        """How many days."""
        return int(self.year.size)

    @classmethod
    def since(cls, start: dt.date | tuple[int, int, int], days: int, calendar: str) -> Days:
        """Consecutive days from a date on.

        Parameters
        ----------
        start : date, or (year, month, day)
            Spin-ups may begin in year 1.
        days : int
        calendar : {"noleap", "standard"}
        """
        if calendar not in ("noleap", "standard"):
            raise InvalidRequest(f"calendar '{calendar}' came; noleap or standard was wanted")
        if isinstance(start, dt.date):
            start = (start.year, start.month, start.day)
        if calendar == "noleap":
            if start[1:] == (2, 29):
                raise InvalidRequest("the noleap calendar has no 29 February")
            first = int(_LEAP_DAYS_BEFORE[start[1] - 1]) + start[2] - 1
            count = np.arange(first, first + days)
            day_of_year = count % 365
            month = np.searchsorted(_LEAP_DAYS_BEFORE, day_of_year, side="right")
            day = day_of_year - _LEAP_DAYS_BEFORE[month - 1] + 1
            return cls(start[0] + count // 365, month, day, day_of_year, calendar)
        first_day = dt.date(*start).toordinal()
        dates = [dt.date.fromordinal(first_day + n) for n in range(days)]
        table = np.array([(d.year, d.month, d.day, d.timetuple().tm_yday - 1) for d in dates])
        table = table.reshape(-1, 4).astype(np.int64)
        return cls(table[:, 0], table[:, 1], table[:, 2], table[:, 3], calendar)

    def part(self, first: int, last: int) -> Days:
        """The days from `first` on, without `last`."""
        at = slice(first, last)
        return Days(
            self.year[at], self.month[at], self.day[at], self.day_of_year[at], self.calendar
        )

    def periods(self, frequency: Frequency | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of each day's period, and the day on which each period begins.

        Returns
        -------
        period : int64 (day,)
            -1 everywhere for no frequency.
        first : int64 (period,)
        """
        if frequency is None:
            return np.full(self.count, -1, dtype=np.int64), np.zeros(0, dtype=np.int64)
        key = {
            "day": np.arange(self.count),
            "month": self.year * 12 + self.month,
            "year": self.year,
            "run": np.zeros(self.count, dtype=np.int64),
        }.get(frequency)
        if key is None:
            raise InvalidRequest(f"frequency '{frequency}' came; day, month, year or run wanted")
        new = np.ones(self.count, dtype=bool)
        new[1:] = key[1:] != key[:-1]
        return np.cumsum(new) - 1, np.flatnonzero(new)

    def dates(self, index: NDArray[np.int64]) -> list[cftime.datetime]:
        """Dates of some days."""
        return [
            cftime.datetime(
                int(self.year[i]), int(self.month[i]), int(self.day[i]), calendar=self.calendar
            )
            for i in index
        ]
