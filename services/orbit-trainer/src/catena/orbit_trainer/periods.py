"""Periods of time: what is trained on, what settings are chosen on, what is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import cftime
import numpy as np

from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache

__all__ = ["Period", "Periods", "split"]

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
                wanted = _seconds(text, cache.metadata.calendar)
                edges[place] = int(np.searchsorted(times, wanted))
        if edges[0] >= edges[1]:
            ends = [_date(time, cache.metadata.calendar) for time in times[[0, -1]]]
            raise InvalidRequest(
                f"no step of the hot cache lies in the period {self}; it has {ends[0]} to "
                f"{ends[1]}: choose dates within"
            )
        return edges[0], edges[1]

    def __str__(self) -> str:
        return f"{self.first or 'the beginning'} to {self.stop or 'the end'}"


@dataclass(frozen=True)
class Periods:
    """What is trained on, what settings are chosen on, and what is judged on."""

    train: Period
    validate: Period
    test: Period


def split(
    cache: HotCache, *, gap_h: float, validate: float | str = 0.1, test: float | str = 0.1
) -> Periods:
    """Three periods in the order of time, with a gap before the second and the third.

    Parameters
    ----------
    cache : HotCache
    gap_h : float
        Hours left out between two periods: the longest lead time, so that no field lies within a
        lead of another period's.
    validate, test : float or str
        Share of the cache's steps that a period has, or the ISO date that it begins at.

    Raises
    ------
    InvalidRequest
        When a period would be empty; names it.
    """
    times, calendar = cache.times_s(), cache.metadata.calendar
    gap_s = round(gap_h * HOUR_S)
    stop, periods = len(times), []
    for name, wanted in (("test", test), ("validation", validate), ("training", None)):
        if wanted is None:
            begin = 0
        elif isinstance(wanted, str):
            begin = int(np.searchsorted(times, _seconds(wanted, calendar)))
        else:
            begin = max(stop - round(wanted * len(times)), 0)
        if begin >= stop:
            raise InvalidRequest(
                f"nothing is left for the {name} period with validation from {validate!r}, test "
                f"from {test!r} and gaps of {gap_h:g} h; the hot cache has {len(times)} steps "
                f"from {_date(times[0], calendar)} to {_date(times[-1], calendar)}: give shares "
                "or dates that leave some to each"
            )
        last = "" if stop == len(times) else _date(times[stop - 1] + 1, calendar)
        periods.append(Period(_date(times[begin], calendar) if begin else "", last))
        stop = int(np.searchsorted(times, times[begin] - gap_s))
    return Periods(*reversed(periods))


def _seconds(text: str, calendar: str) -> int:
    """Seconds since 1970 of an ISO date in a calendar."""
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


def _date(seconds: int | np.int64, calendar: str) -> str:
    """Inverse of :func:`_seconds`."""
    return str(cftime.num2date(int(seconds), _EPOCH, calendar=calendar).isoformat())
