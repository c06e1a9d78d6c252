"""Three periods of time: what is trained on, what settings are chosen on, what is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import HOUR_S, Period, date_of, seconds_of

__all__ = ["Periods", "split"]


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
            begin = int(np.searchsorted(times, seconds_of(wanted, calendar)))
        else:
            begin = max(stop - round(wanted * len(times)), 0)
        if begin >= stop:
            raise InvalidRequest(
                f"nothing is left for the {name} period with validation from {validate!r}, test "
                f"from {test!r} and gaps of {gap_h:g} h; the hot cache has {len(times)} steps "
                f"from {date_of(times[0], calendar)} to {date_of(times[-1], calendar)}: give "
                "shares or dates that leave some to each"
            )
        last = "" if stop == len(times) else date_of(times[stop - 1] + 1, calendar)
        periods.append(Period(date_of(times[begin], calendar) if begin else "", last))
        stop = int(np.searchsorted(times, times[begin] - gap_s))
    return Periods(*reversed(periods))
