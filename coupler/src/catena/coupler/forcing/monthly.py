"""Days from monthly means: smooth courses with the right means, and rain on some days.

This is a crutch for grids that have no daily data: it has no weather. Days between wet days are
alike, so extremes, storms and the response to them are missing; the means of each month are exact.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from catena.coupler.forcing import calendar
from catena.coupler.forcing.calendar import Calendar

Array = NDArray[np.float64]

WET_DAY = 6.0 / 86_400
"""kg m-2 s-1: rain of a wet day at temperate sites, about; it sets how many days are wet."""
_LIMITED = {"rsds": 0.0, "rlds": 0.0, "vp": 0.0, "sfcWind": 0.0}
_TURNS = 100


def daily_values(
    monthly: dict[str, Array], start: dt.date, months: int, kind: Calendar
) -> dict[str, Array]:
    """Days of whole months, from their means.

    Everything but rain goes from one middle of a month to the next in straight lines, which are
    then smoothed under the condition that each month keeps its mean: every day becomes the mean of
    itself and its neighbours, and each month is moved back to its mean, a hundred times (Rymes and
    Myers 2001, Sol. Energy 71, 225-231). Rain of a month falls in equal parts on days spread evenly
    over it, as many as give :data:`WET_DAY` on each.

    Parameters
    ----------
    monthly : dict of str to array (cell, month)
    start : datetime.date
        First day of the first month.
    months : int
    kind : {"noleap", "standard"}

    Returns
    -------
    dict of str to array (cell, day)
    """
    lengths = _lengths(start, months, kind)
    made = {}
    for name, means in monthly.items():
        made[name] = _rain(means, lengths) if name == "pr" else _course(name, means, lengths)
    return made


def _lengths(start: dt.date, months: int, kind: Calendar) -> NDArray[np.int64]:
    firsts = np.datetime64(start, "M") + np.arange(months + 1)
    days = np.diff(firsts.astype("datetime64[D]")).astype(np.int64)
    if kind == "noleap":
        days[calendar.month_day(firsts[:-1].astype("datetime64[D]")) == 201] = 28
    return days


def _course(name: str, means: Array, lengths: NDArray[np.int64]) -> Array:
    ends = np.cumsum(lengths)
    middles = ends - lengths / 2
    days = np.arange(ends[-1]) + 0.5
    course = np.stack([np.interp(days, middles, row) for row in means])
    month = np.repeat(np.arange(lengths.size), lengths)
    starts = ends - lengths
    for _ in range(_TURNS):
        padded = np.pad(course, ((0, 0), (1, 1)), mode="edge")
        course = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
        course += (means - _means(course, starts, lengths))[:, month]
    if name in _LIMITED:
        # Where the course dips below zero the month's own mean is the honest answer.
        low = np.minimum.reduceat(course, starts, axis=1) < _LIMITED[name]
        course = np.where(low[:, month], means[:, month], course)
    return course


def _means(course: Array, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Array:
    sums: Array = np.add.reduceat(course, starts, axis=1)
    return sums / lengths


def _rain(means: Array, lengths: NDArray[np.int64]) -> Array:
    made = np.zeros((means.shape[0], int(lengths.sum())))
    begin = 0
    for month, length in enumerate(lengths):
        total = means[:, month] * length
        wet = np.clip(np.round(total / WET_DAY), 1, length).astype(np.int64)
        for count in np.unique(wet):
            cells = np.flatnonzero(wet == count)
            days = begin + ((np.arange(count) + 0.5) * length / count).astype(np.int64)
            made[np.ix_(cells, days)] = (total[cells] / count)[:, None]
        begin += int(length)
    return made
