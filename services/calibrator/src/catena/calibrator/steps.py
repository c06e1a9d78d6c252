"""Outputs out of time series: which steps of a variable become outputs, and what they are called.

A model's runs and an observation are cut in the same way, so that both speak of the same months or
years. Days are plain dates: a model without leap days and a tower with them have the same June.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]
Aggregation = Literal["as_stored", "monthly", "yearly", "seasonal_cycle"]

_WHOLE = {
    "as_stored": "step",
    "monthly": "month",
    "yearly": "year",
    "seasonal_cycle": "year of months",
}


@dataclass(frozen=True)
class Step:
    """What one output is of.

    Parameters
    ----------
    variable : str
        Of the model.
    start, end : str
        First day, and the day after the last one, ISO 8601.
    cell : int
        Number of the cell, from 0.
    month : int
        1 to 12 for the mean of that month over the years from `start` to `end`; else 0.
    """

    variable: str
    start: str
    end: str
    cell: int = 0
    month: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    def label(self) -> str:
        """``2006``, ``2011-06``, ``2011-06-15``, or ``m06`` of a seasonal cycle."""
        if self.month:
            return f"m{self.month:02d}"
        for unit, digits in (("Y", 4), ("M", 7)):
            if _fills(np.datetime64(self.start), np.datetime64(self.end), unit):
                return self.start[:digits]
        return self.start

    def place(self) -> float:
        """Where it lies on an axis of years: a whole year at its number, any other at its middle.

        Steps of a seasonal cycle lie at the number of their month.
        """
        if self.month:
            return float(self.month)
        if len(self.label()) == 4:
            return float(self.label())
        first, after = np.datetime64(self.start), np.datetime64(self.end)
        middle = first + (after - first) // 2
        year = middle.astype("datetime64[Y]")
        return float(year.astype(int) + 1970 + (middle - year).astype(int) / 365.25)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Intervals of a time axis as plain dates.

    Parameters
    ----------
    start, end : (t,) arrays of datetime64[D]
        First day, and the day after the last one; in order of time.
    days : (t,) array
        Length of each.
    """

    start: Days
    end: Days
    days: Array

    @classmethod
    def of(cls, bounds: Any) -> Bounds:
        """From ``time_bnds`` (t, 2) of a dataset: datetime64 or cftime, in any calendar."""
        array = np.asarray(bounds)
        if array.dtype.kind == "M":
            length = (array[:, 1] - array[:, 0]) / np.timedelta64(1, "s")
            plain = array.astype("datetime64[D]")
        else:
            length = np.array([(after - first).total_seconds() for first, after in array])
            # "2001-02-03": years have four digits in all calendars.
            plain = np.array(
                [
                    [f"{one.year:04d}-{one.month:02d}-{one.day:02d}" for one in pair]
                    for pair in array
                ],
                dtype="datetime64[D]",
            )
        return cls(plain[:, 0], plain[:, 1], np.asarray(length, np.float64) / 86400.0)

    def rows(self, keep: NDArray[np.bool_]) -> Bounds:
        """Some of the intervals."""
        return Bounds(self.start[keep], self.end[keep], self.days[keep])

    def within(self, first: str, after: str) -> slice:
        """Places of the intervals from one day to the day after the last one."""
        return slice(
            int(np.searchsorted(self.start, np.datetime64(first))),
            int(np.searchsorted(self.end, np.datetime64(after), side="right")),
        )


def steps_of(
    variable: str, bounds: Bounds, aggregation: Aggregation, start: str = "", end: str = ""
) -> list[Step]:
    """Which steps of a series become outputs; of cell 0.

    Parameters
    ----------
    variable : str
    bounds : Bounds
        Of the series.
    aggregation : str
    start, end : str
        First and last day that are used, ISO 8601, both included; empty: not restricted.

    Raises
    ------
    InvalidData
        When no whole step lies in the period, or the series is coarser than what is asked for.
    """
    place = bounds.within(
        start or str(bounds.start[0]),
        str(np.datetime64(end) + 1) if end else str(bounds.end[-1]),
    )
    inside = Bounds(bounds.start[place], bounds.end[place], bounds.days[place])
    if aggregation == "as_stored":
        found = list(zip(inside.start, inside.end, strict=True))
    else:
        found = list(_whole(inside, "Y" if aggregation == "yearly" else "M"))
    if aggregation == "seasonal_cycle":
        steps = _months_of_the_year(variable, found, list(_whole(inside, "Y")))
    else:
        steps = [Step(variable, str(first), str(after)) for first, after in found]
    if not steps:
        raise InvalidData(
            f"{variable}: there is no whole {_WHOLE[aggregation]} from "
            f"{start or 'the beginning'} to {end or 'the end'}; the runs go from "
            f"{bounds.start[0]} to {bounds.end[-1]} in steps of {bounds.days.min():g} to "
            f"{bounds.days.max():g} days"
        )
    return steps


def _whole(bounds: Bounds, unit: str) -> Iterator[tuple[Any, Any]]:
    """Months (``M``) or years (``Y``) that consecutive intervals fill from end to end."""
    if not len(bounds.start):
        return
    # Of each interval's first day: what is longer than a month belongs to no month.
    named = bounds.start.astype(f"datetime64[{unit}]")
    edges = np.flatnonzero(np.concatenate([[True], named[1:] != named[:-1], [True]]))
    for low, high in pairwise(edges):
        first, after = bounds.start[low], bounds.end[high - 1]
        gapless = bool((bounds.end[low : high - 1] == bounds.start[low + 1 : high]).all())
        if gapless and _fills(first, after, unit):
            yield first, after


def _fills(first: Any, after: Any, unit: str) -> bool:
    period = first.astype(f"datetime64[{unit}]")
    return bool(period == first and period + 1 == after)


def _months_of_the_year(
    variable: str, months: Sequence[tuple[Any, Any]], years: Sequence[tuple[Any, Any]]
) -> list[Step]:
    if not years:
        return []
    # From the first whole year to the last one; a hole between them would bias some months.
    start, end = years[0][0], years[-1][1]
    inside = [first for first, after in months if first >= start and after <= end]
    if len(inside) != 12 * len(years):
        return []
    return [Step(variable, str(start), str(end), month=month) for month in range(1, 13)]


def averages(
    steps: Sequence[Step], bounds: Bounds, series: Array, least_coverage: float = 1.0
) -> Array:
    """The steps' values out of a series.

    Parameters
    ----------
    steps : sequence of Step
        k of them.
    bounds : Bounds
        Of the series; where nothing is known, its places are left out.
    series : (..., t) array
    least_coverage : float
        Part of a step's days that must be there; for a seasonal cycle, of each of its months.

    Returns
    -------
    (..., k) array
        Means weighted by days; NaN where too little is there.
    """
    out = np.full((*series.shape[:-1], len(steps)), np.nan)
    for column, step in enumerate(steps):
        parts = [(bounds.within(first, after), first, after) for first, after in _periods(step)]
        if any(_share(bounds, *part) < least_coverage - 1e-9 for part in parts):
            continue
        places = np.concatenate([np.arange(part[0].start, part[0].stop) for part in parts])
        if len(places):
            weight = bounds.days[places] / bounds.days[places].sum()
            out[..., column] = series[..., places] @ weight
    return out


def _periods(step: Step) -> list[tuple[str, str]]:
    """First day and day after the last one of what a step is the mean of."""
    if not step.month:
        return [(step.start, step.end)]
    years = range(int(step.start[:4]), int(step.end[:4]))
    months = [np.datetime64(f"{year:04d}-{step.month:02d}") for year in years]
    return [(f"{month}-01", f"{month + 1}-01") for month in months]


def _share(bounds: Bounds, place: slice, first: str, after: str) -> float:
    """Part of the days of a period that the intervals at `place` fill."""
    wanted = (np.datetime64(after) - np.datetime64(first)) / np.timedelta64(1, "D")
    dates = (bounds.end[place] - bounds.start[place]) / np.timedelta64(1, "D")
    # In dates, so that a February of a calendar without leap days is whole in any year.
    filled = np.where(bounds.days[place] >= 1, dates, bounds.days[place])
    return float(filled.sum() / wanted)
