"""Stretches of a hot cache's time, in its own calendar."""

from __future__ import annotations

from dataclasses import dataclass

import cftime
import numpy as np

from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache

__all__ = ["HOUR_S", "Period", "date_of", "seconds_of"]

_EPOCH = "seconds since 1970-01-01"
HOUR_S = 3600


@dataclass(frozen=True)
class Period:
    """A stretch of time.

    Parameters
    ----------
    first, stop : str
        ISO dates, ``2001-01-01`` or ``2001-01-01T06``, in a cache's own calendar: from the first
        on, and before the other. Empty: from the beginning, to the end.
    """

    first: str = ""
    stop: str = ""

    def steps(self, cache: HotCache) -> tuple[int, int]:
        """Steps [start, stop) of a cache in this period.

        Raises
        ------
        InvalidRequest
            When a date is none in the cache's calendar, or the cache has no step in the period.
        """
        times = cache.times_s()
        edges = [0, len(times)]
        for place, text in enumerate((self.first, self.stop)):
            if text:
                wanted = seconds_of(text, cache.metadata.calendar)
                edges[place] = int(np.searchsorted(times, wanted))
        if edges[0] >= edges[1]:
            ends = [date_of(time, cache.metadata.calendar) for time in times[[0, -1]]]
            raise InvalidRequest(
                f"no step of the hot cache lies in the period {self}; it has {ends[0]} to "
                f"{ends[1]}: choose dates within"
            )
        return edges[0], edges[1]

    def __str__(self) -> str:
        return f"{self.first or 'the beginning'} to {self.stop or 'the end'}"


def seconds_of(text: str, calendar: str) -> int:
    """Seconds since 1970 of an ISO date in a calendar.

    Raises
    ------
    InvalidRequest
        When it is no date there.
    """
    try:
        date, _, hour = text.partition("T")
        year, month, day = (int(part) for part in date.split("-"))
        clock = [int(part) for part in hour.split(":")] if hour else []
        moment = cftime.datetime(year, month, day, *clock, calendar=calendar)
    except (ValueError, TypeError) as error:
        raise InvalidRequest(
            f"date {text!r}; wanted YYYY-MM-DD or YYYY-MM-DDTHH in the calendar {calendar!r}"
        ) from error
    return int(cftime.date2num(moment, _EPOCH, calendar=calendar))


def date_of(seconds: int | np.int64, calendar: str) -> str:
    """Inverse of :func:`seconds_of`."""
    return str(cftime.num2date(int(seconds), _EPOCH, calendar=calendar).isoformat())
