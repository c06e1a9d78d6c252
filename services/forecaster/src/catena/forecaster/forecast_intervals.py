"""Intervals of forecasts: fitted once on held-out years, then moved by each observation.

What is fitted are the intervals of :mod:`catena.forecaster.intervals`, one output for each lead, on
normal scores of the flow (:mod:`catena.forecaster.normal_scores`): a forecaster that says how
unsure it is has its own quantiles widened and moved, one that does not has intervals around the
root of its forecast. A tracker for each basin and lead follows what is observed with as much delay
as the lead is long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import season_code
from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.splits import year_of
from catena.forecaster.forecasters import QUANTILES, Forecasts, last_flow
from catena.forecaster.interval_methods import fit_intervals, intervals_from
from catena.forecaster.intervals.model import IntervalModel
from catena.forecaster.intervals.tracking import GRID, QuantileTracker, TrackerConfig
from catena.forecaster.normal_scores import NormalScores, root
from catena.forecaster.process.baselines import known_rows
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

TRACKING = TrackerConfig(memory=np.inf)
"""Without the recent size of errors: an observation comes as late as its lead is long, and by then
that size is another one."""
FEATURE_LEADS = (1, 2, 3, 5, 7, 10, 14, 21, 30)
"""Leads whose forecast tells how wide the intervals are."""
CAP = 2.0
"""Finite bounds stay below this many times the largest flow that was seen: squares of roots that a
flood has stretched would be floods that no river has."""
DOUBT = (0.1, 0.9)
"""Quantiles of a forecaster whose distance says how unsure it is."""
BEFORE = 7
"""Days back of the flow that shows whether the newest one rises or falls."""


class OwnMedian:
    """The forecaster's own median as the mean model of intervals: its score is 0.

    Parameters
    ----------
    leads : int
    """

    def __init__(self, leads: int) -> None:
        self._leads = leads

    def predict(self, x: Array) -> Array:
        """Noughts, (n, leads)."""
        return np.zeros((len(x), self._leads))

    def features(self, x: Array) -> Array:
        """All inputs, (n, d)."""
        return x

    def spread(self, x: Array) -> None:
        """There are no members."""
        return


@dataclass(frozen=True, eq=False)
class Bounds:
    """Intervals of forecasts, mm d-1.

    Parameters
    ----------
    lower, upper : (N, I, H, levels) arrays
        Infinite above where there was too little to learn from.
    confidence : (N, I, H) array
        1 within what was learned, towards 0 far outside.
    """

    lower: Array
    upper: Array
    confidence: Array


class ForecastIntervals:
    """Intervals around the forecasts of one forecaster.

    Parameters
    ----------
    inner : IntervalModel
        Of normal scores of flow.
    tracker : QuantileTracker
        Of each basin and lead.
    basins : tuple of str
    scale : (N,) array, mm d-1
        Of the flow of each basin.
    largest : (N,) array, mm d-1
        Largest flow of each basin that was seen.
    leads : int
    method : str
    until : str
        Last day whose observation they know, ISO 8601.
    """

    def __init__(
        self,
        inner: IntervalModel,
        tracker: QuantileTracker,
        basins: tuple[str, ...],
        scale: Array,
        largest: Array,
        leads: int,
        method: str,
        until: str,
    ) -> None:
        self.inner, self.tracker = inner, tracker
        self.basins, self.scale, self.largest, self.leads = basins, scale, largest, leads
        self.method, self.until = method, until

    @classmethod
    def fit(
        cls,
        method: str,
        records: BasinRecords,
        issues: Index,
        forecasts: Forecasts,
        scale: Array,
        *,
        seed: int,
    ) -> Self:
        """Learn from forecasts of days that the forecaster was not trained on.

        Parameters
        ----------
        method : str
            One of :data:`catena.forecaster.interval_methods.METHODS`.
        records : BasinRecords
        issues : (I,) array of int
        forecasts : Forecasts
            Of all basins at these issue times.
        scale : (N,) array, mm d-1
            Of the flow of each basin, from training days.
        seed : int

        Raises
        ------
        InvalidData
            When there are too few forecasts with observations.
        """
        leads = forecasts.flow.shape[2]
        x, there = inputs(records, issues, forecasts, scale)
        observed = targets(records, issues, leads)
        y = NormalScores.of(forecasts, scale).scores(observed)[there]
        year = np.broadcast_to(year_of(records.days[issues]), there.shape)[there]
        known = np.isfinite(y).any(axis=1)
        if not known.any():
            raise InvalidData("no forecast of these days has an observation; give other days")
        inner = fit_intervals(
            method, x[known], y[known], OwnMedian(leads), folds=blocks(year[known]), seed=seed
        )
        last = min(int(issues[-1]) + leads, len(records.days) - 1)
        pace = 1.0 / np.sqrt(np.arange(1, leads + 1))
        tracker = QuantileTracker.start((len(records), leads), TRACKING, pace=pace)
        largest = np.nan_to_num(records.flow[:, : last + 1]).max(axis=1).astype(np.float64)
        until = str(records.days[last])
        return cls(inner, tracker, records.basins, scale, largest, leads, method, until)

    def predict(
        self, records: BasinRecords, issues: Index, forecasts: Forecasts, levels: Sequence[float]
    ) -> Bounds:
        """Intervals as far as is known now, the same knowledge for all issue times."""
        return self._walk(records, issues, forecasts, levels, learn=False)[0]

    def track(
        self, records: BasinRecords, issues: Index, forecasts: Forecasts, levels: Sequence[float]
    ) -> Bounds:
        """Intervals of each issue time with what was observed up to it, and nothing later.

        Observations count where `issues` has the issue time that they belong to.
        """
        return self._walk(records, issues, forecasts, levels, learn=True)[0]

    def update(
        self, records: BasinRecords, issues: Index, forecasts: Forecasts, end: np.datetime64
    ) -> Self:
        """New intervals that know the observations of the days after :attr:`until` up to `end`.

        Parameters
        ----------
        records : BasinRecords
        issues : (I,) array of int
            Issue times whose forecasts are judged by them.
        forecasts : Forecasts
        end : datetime64
        """
        tracker = self._walk(records, issues, forecasts, (), learn=True, end=end)[1]
        rows = known_rows(self.basins, records.basins)
        seen = np.nan_to_num(records.flow[:, records.days <= end])
        largest = self.largest.copy()
        largest[rows] = np.maximum(largest[rows], seen.max(axis=1, initial=0.0))
        return type(self)(
            self.inner,
            tracker,
            self.basins,
            self.scale,
            largest,
            self.leads,
            self.method,
            str(end),
        )

    def _walk(
        self,
        records: BasinRecords,
        issues: Index,
        forecasts: Forecasts,
        levels: Sequence[float],
        *,
        learn: bool,
        end: np.datetime64 | None = None,
    ) -> tuple[Bounds, QuantileTracker]:
        """Day by day: learn from the day's observations, then give the intervals issued on it."""
        rows = known_rows(self.basins, records.basins)
        fitted = self._fitted(records, rows, issues, forecasts, levels)
        tracker = QuantileTracker.from_arrays(_rows(self.tracker.to_arrays(), rows))
        after = np.datetime64(self.until, "D")
        last = records.days[-1] if end is None else end
        shape = (*forecasts.flow.shape, len(levels))
        lower, upper = np.full(shape, np.nan), np.full(shape, np.nan)
        place = {int(issue): i for i, issue in enumerate(issues)}
        days = range(int(issues[0]), int((last - records.days[0]).astype(int)) + 1)
        for day in days if learn else ():
            if after < records.days[day] <= last:
                self._learn(tracker, fitted, day, place)
            if levels and day in place:
                i = place[day]
                one = slice(i, i + 1)
                lower[:, one], upper[:, one] = fitted.at(tracker, one, levels)
        if levels and not learn:
            lower, upper = fitted.at(tracker, slice(None), levels)
        most = np.maximum(CAP * self.largest[rows][:, None, None], forecasts.flow)[..., None]
        lower, upper = (
            np.where(np.isfinite(side), np.minimum(side, most), side)
            for side in (fitted.space.flow(lower), fitted.space.flow(upper))
        )
        bounds = Bounds(lower, upper, fitted.confidence)
        whole = QuantileTracker.from_arrays(
            _put_rows(self.tracker.to_arrays(), tracker.to_arrays(), rows)
        )
        return bounds, whole

    def _learn(
        self,
        tracker: QuantileTracker,
        fitted: _Fitted,
        day: int,
        place: Mapping[int, int],
    ) -> None:
        """One day's observations judge the forecasts that were issued for it, one of each lead."""
        issued = np.array([place.get(day - lead, -1) for lead in range(1, self.leads + 1)])
        if (issued < 0).all():
            return
        at = (slice(None), np.maximum(issued, 0), np.arange(self.leads))
        observed = np.where(issued >= 0, fitted.observed[at], np.nan)
        tracker.learn(observed, fitted.centre[at], fitted.grid[0][at], fitted.grid[1][at])

    def _fitted(
        self,
        records: BasinRecords,
        rows: Index,
        issues: Index,
        forecasts: Forecasts,
        levels: Sequence[float],
    ) -> _Fitted:
        x, there = inputs(records, issues, forecasts, self.scale[rows])
        every = [*GRID, *levels]
        shape = (*there.shape, self.leads)
        lower = np.full((*shape, len(every)), np.nan)
        upper, centre, confidence = lower.copy(), np.full(shape, np.nan), np.full(shape, np.nan)
        if there.any():
            lower[there], upper[there] = self.inner.predict(x, every)
            centre[there] = self.inner.centre(x)
            confidence[there] = self.inner.confidence(x)
        grid = lower[..., : len(GRID)], upper[..., : len(GRID)]
        asked = lower[..., len(GRID) :], upper[..., len(GRID) :]
        space = NormalScores.of(forecasts, self.scale[rows])
        observed = space.scores(targets(records, issues, self.leads))
        return _Fitted(space, observed, centre, grid, asked, confidence)

    def notes(self, levels: Sequence[float]) -> list[str]:
        """What a reader should know of these levels."""
        return self.inner.notes(levels)

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays for safetensors, the rest for JSON."""
        arrays, meta = self.inner.to_arrays()
        tracker = self.tracker.to_arrays()
        return (
            {f"inner.{name}": value for name, value in arrays.items()}
            | {f"tracker.{name}": value for name, value in tracker.items()}
            | {"scale": self.scale, "largest": self.largest}
        ), {
            "inner": meta,
            "basins": list(self.basins),
            "leads": self.leads,
            "method": self.method,
            "until": self.until,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_arrays`."""
        leads = int(meta["leads"])
        inner = intervals_from(_group(arrays, "inner."), meta["inner"], OwnMedian(leads))
        return cls(
            inner,
            QuantileTracker.from_arrays(_group(arrays, "tracker.")),
            tuple(meta["basins"]),
            np.asarray(arrays["scale"]),
            np.asarray(arrays["largest"]),
            leads,
            str(meta["method"]),
            str(meta["until"]),
        )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Scores of observations and intervals before tracking: (N, I, H), (N, I, H, levels)."""

    space: NormalScores
    observed: Array
    centre: Array
    grid: tuple[Array, Array]
    asked: tuple[Array, Array]
    confidence: Array

    def at(
        self, tracker: QuantileTracker, issues: slice, levels: Sequence[float]
    ) -> tuple[Array, Array]:
        """Tracked bounds of some issue times, (N, i, H, levels)."""
        found = []
        for i in range(*issues.indices(self.centre.shape[1])):
            lower, upper = tracker.apply(
                self.centre[:, i],
                self.asked[0][:, i],
                self.asked[1][:, i],
                np.asarray(levels, float),
                (self.grid[0][:, i], self.grid[1][:, i]),
            )
            found.append((lower, upper))
        lower, upper = (np.stack(side, axis=1) for side in zip(*found, strict=True))
        return lower, upper


def inputs(
    records: BasinRecords, issues: Index, forecasts: Forecasts, scale: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Inputs of intervals, one row for each forecast that is complete.

    Columns: the scaled root of the forecast at some leads, how unsure the model is there, the
    newest flow, its change over a week and whether it is old, the season.

    Returns
    -------
    x : (n, d) array
    there : (N, I) array of bool
        Which forecasts the rows belong to, basin by basin.
    """
    leads = forecasts.flow.shape[2]
    chosen = [lead - 1 for lead in FEATURE_LEADS if lead <= leads]
    centre = root(forecasts.flow, scale)
    doubt = np.zeros((*centre.shape[:2], 0))
    if forecasts.quantiles is not None:
        low, high = (QUANTILES.index(level) for level in DOUBT)
        own = root(forecasts.quantiles[:, :, chosen][..., [low, high]], scale)
        doubt = own[..., 1] - own[..., 0]
    newest, age = last_flow(records)
    known = root(newest, scale)
    now, before = known[:, issues], known[:, np.maximum(issues - BEFORE, 0)]
    now = np.where(np.isfinite(now), now, centre[:, :, 0])
    before = np.where(np.isfinite(before), before, now)
    old = np.log1p(np.minimum(age[:, issues], 365))
    season = np.broadcast_to(season_code(records.days[issues]), (*now.shape, 2))
    x = np.concatenate(
        [centre[:, :, chosen], doubt, np.stack([now, now - before, old], -1), season],
        axis=-1,
    )
    there = np.isfinite(x).all(axis=-1)
    return x[there], there


def targets(records: BasinRecords, issues: Index, leads: int) -> Array:
    """Observed flow of the days that are forecast, (N, I, H) mm d-1; NaN where there is none."""
    day = issues[:, None] + np.arange(1, leads + 1)
    inside = day < len(records.days)
    return np.where(inside, records.flow[:, np.where(inside, day, 0)], np.nan).astype(np.float64)


def blocks(year: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Folds of whole years; random ones (None) where there is but one year."""
    return year if len(np.unique(year)) > 1 else None


def _group(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): np.asarray(value)
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


_SHARED = ("levels", "config")
"""Of a tracker's state; all else has a row for each basin."""


def _rows(arrays: Arrays, rows: Index) -> Arrays:
    """A tracker's state for some of its basins."""
    return {name: value if name in _SHARED else value[rows] for name, value in arrays.items()}


def _put_rows(arrays: Arrays, part: Arrays, rows: Index) -> Arrays:
    """The state of all basins with that of some of them replaced."""
    whole = {name: value.copy() for name, value in arrays.items()}
    for name in whole.keys() - set(_SHARED):
        whole[name][rows] = part[name]
    return whole
