"""Forecasters side by side on held-out days: skill and calibration by basin and lead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from catena.forecaster import metrics
from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.data.splits import issues_within
from catena.forecaster.forecast_intervals import ForecastIntervals, targets
from catena.forecaster.forecasters import Forecaster, Forecasts, in_period
from catena.forecaster.intervals.tracking import GRID
from catena.forecaster.scenarios import Weather
from catena.forecaster.simple_forecasters import Climatology
from catena.forecaster.skill import Evaluation, Shown, joined
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Progress = Callable[[float, str], None]

BLOCK = 24
"""Basins that are in memory at once, at most."""
MOST_FORECASTS = 500_000
"""Forecasts (basin, issue time, lead) that are in memory at once: some 30 quantiles each."""
PIT_LEADS = (1, 7, 30)
SHOWN_LEADS = (1, 7)
"""Leads of the hydrographs."""
SHOWN_BASINS = 6
PIT_LEVELS = (0.05, *GRID)
"""Intervals whose bounds are the quantiles that PIT is taken from, and CRPS from those that
climatology has too: the sum over a few levels is off by more than between forecasts that are
alike."""


def evaluate(
    forecasters: Sequence[tuple[str, Forecaster]],
    records: BasinRecords,
    period: tuple[str, str],
    weather: Weather,
    climatology: Climatology,
    *,
    intervals: ForecastIntervals | None = None,
    levels: Sequence[float] = (),
    stride: int = 1,
    track: bool = False,
    progress: Progress = lambda fraction, message: None,
) -> Evaluation:
    """Score forecasters on the days of a period.

    Parameters
    ----------
    forecasters : sequence of (str, Forecaster)
        With their names; the first one is judged.
    records : BasinRecords
    period : (str, str)
        All days that are forecast lie in it.
    weather : Weather
        The same for all.
    climatology : Climatology
        Whose quantiles are the reference of CRPS.
    intervals : ForecastIntervals, optional
        Of the first forecaster.
    levels : sequence of float
    stride : int
        Days between issue times.
    track : bool
        Whether intervals learn from each observation as it comes in, from the day after those they
        were fitted to.
    progress : callable

    Raises
    ------
    InvalidData
        When the period holds no forecast, or a forecaster was trained on days of it.
    """
    refuse_trained(forecasters, period)
    leads = forecasters[0][1].about.leads
    days = in_period(records, period)
    issues = issues_within(days, leads=leads)
    first = max(forecaster.past for _, forecaster in forecasters) - 1
    issues = weather.issued(issues[issues >= first])[::stride]
    if not issues.size:
        raise InvalidData(
            f"{' to '.join(period)} holds no forecast of {leads} days with {first + 1} days of "
            "weather before it (and forecast weather, where an archive is given); give a longer "
            "period"
        )
    parts = []
    size = min(max(MOST_FORECASTS // (issues.size * leads), 1), BLOCK)
    shown = [records.basins[i] for i in _spread(len(records), SHOWN_BASINS)]
    for start in range(0, len(records), size):
        block = records.select(records.basins[start : start + size])
        share = start / len(records)
        progress(0.9 * share, f"forecasting {', '.join(block.basins[:3])}, ...")
        part = _Block(block, issues, weather.of(block), tuple(levels))
        part.score(forecasters)
        part.judge(forecasters[0][1], intervals, climatology, track=track, stride=stride)
        part.show([basin for basin in shown if basin in block.basins])
        parts.append(part.found)
    return joined(parts)


class _Block:
    """Scores of some basins."""

    def __init__(
        self, records: BasinRecords, issues: Index, weather: Weather, levels: tuple[float, ...]
    ) -> None:
        self.records, self.issues, self.weather, self.levels = records, issues, weather, levels
        self.forecasts: Forecasts | None = None
        self.found: Evaluation
        self.bounds: tuple[Array, Array] | None = None

    def score(self, forecasters: Sequence[tuple[str, Forecaster]]) -> None:
        """Efficiencies of every model."""
        leads = forecasters[0][1].about.leads
        self.observed = targets(self.records, self.issues, leads)
        flows = []
        for _, forecaster in forecasters:
            made = forecaster.forecast(self.records, self.issues, self.weather)
            self.forecasts = self.forecasts or made
            flows.append(made.flow)
        observed = np.where(_by_all(flows), self.observed, np.nan)
        nse = [metrics.nse(flow, observed) for flow in flows]
        kge = [metrics.kge(flow, observed) for flow in flows]
        shape = (len(self.records), leads)
        empty = np.full((*shape, len(self.levels)), np.nan)
        self.found = Evaluation(
            tuple(name for name, _ in forecasters),
            self.records.basins,
            self.records.latitude,
            self.records.longitude,
            self.levels,
            len(self.issues),
            np.stack(nse),
            np.stack(kge),
            empty,
            empty,
            empty,
            np.full(shape, np.nan),
            np.full(shape, np.nan),
        )

    def judge(
        self,
        forecaster: Forecaster,
        intervals: ForecastIntervals | None,
        climatology: Climatology,
        *,
        track: bool,
        stride: int,
    ) -> None:
        """Calibration and sharpness of the first model's intervals."""
        assert self.forecasts is not None
        if intervals is None:
            return
        every = sorted({*self.levels, *PIT_LEVELS})
        bounds = self._bounds(forecaster, intervals, every, track=track, stride=stride)
        asked = [every.index(level) for level in self.levels]
        lower, upper = (side[..., asked] for side in bounds)
        self.bounds = lower, upper
        found, observed = self.found, self.observed
        if self.levels:
            found.picp = metrics.picp(lower, upper, observed)
            found.mpiw = metrics.mpiw(lower, upper, observed)
            found.winkler = metrics.winkler(lower, upper, observed, list(self.levels))
        judged = [every.index(level) for level in PIT_LEVELS]
        lower, upper = (side[..., judged] for side in bounds)
        leads = observed.shape[2]
        pit: dict[int, list[Array]] = {lead: [] for lead in PIT_LEADS if lead <= leads}
        for row, basin in enumerate(self.records.basins):  # quantiles of all would fill the memory
            quantiles, levels = as_quantiles(lower[row], upper[row], PIT_LEVELS)
            usual = climatology.inner.quantiles(self.records.select([basin]), self.issues, leads)
            crps, reference = _crps_alike(
                (quantiles, levels), (usual[0], climatology.inner.levels), observed[row]
            )
            both = np.where(np.isfinite(crps + reference), 1.0, np.nan)
            found.crps[row] = metrics.mean_score(crps * both)
            found.crps_climatology[row] = metrics.mean_score(reference * both)
            for lead, values in pit.items():
                at = np.s_[:, lead - 1]
                values.append(metrics.pit_quantiles(quantiles[at], levels, observed[row][at]))
        found.pit = {lead: np.concatenate(values) for lead, values in pit.items()}

    def _bounds(
        self,
        forecaster: Forecaster,
        intervals: ForecastIntervals,
        levels: Sequence[float],
        *,
        track: bool,
        stride: int,
    ) -> tuple[Array, Array]:
        assert self.forecasts is not None
        if not track:
            bounds = intervals.predict(self.records, self.issues, self.forecasts, levels)
            return bounds.lower, bounds.upper
        # What was observed between the fit and the first issue time has been learned by then: the
        # first such days were forecast before the fit's last one.
        after = int((np.datetime64(intervals.until) - self.records.days[0]).astype(int))
        first, leads = int(self.issues[0]), self.observed.shape[2]
        early = np.arange(first, max(after - leads, forecaster.past - 2), -stride)[1:][::-1]
        early = self.weather.issued(early)
        issues = np.concatenate([early, self.issues]).astype(np.int64)
        made = self.forecasts
        if early.size:
            made = forecaster.forecast(self.records, early, self.weather).then(made)
        bounds = intervals.track(self.records, issues, made, levels)
        return bounds.lower[:, early.size :], bounds.upper[:, early.size :]

    def show(self, basins: Sequence[str]) -> None:
        """Keep what is plotted."""
        assert self.forecasts is not None
        for basin in basins:
            row = self.records.row(basin)
            for lead in SHOWN_LEADS:
                if lead > self.observed.shape[2]:
                    continue
                at = np.s_[row, :, lead - 1]
                none = np.full((len(self.levels), len(self.issues)), np.nan)
                lower, upper = none, none
                if self.bounds is not None:
                    lower, upper = (side[at].T for side in self.bounds)
                self.found.shown.append(
                    Shown(
                        basin,
                        lead,
                        self.records.days[self.issues] + lead,
                        self.observed[at],
                        self.forecasts.flow[at],
                        lower,
                        upper,
                    )
                )


def _by_all(flows: Sequence[Array]) -> NDArray[np.bool_]:
    """Forecasts that every model has, (N, I, H), so that all are judged by the same days.

    A model without any forecast of a basin at a lead does not count there.
    """
    made = np.ones(flows[0].shape, bool)
    for flow in flows:
        there = np.isfinite(flow)
        made &= there | ~there.any(axis=1, keepdims=True)
    return made


def _crps_alike(
    ours: tuple[Array, Array], theirs: tuple[Array, Array], observed: Array
) -> tuple[Array, Array]:
    """CRPS of two forecasts, each (quantiles, levels), from the levels that both have.

    Raises
    ------
    InvalidData
        When they have none in common.
    """
    places = [
        (i, j)
        for i, level in enumerate(ours[1])
        for j in np.flatnonzero(np.isclose(theirs[1], level, rtol=0.0, atol=1e-9))
    ]
    if not places:
        raise InvalidData(
            f"quantiles at {theirs[1].tolist()} came as the reference; wanted some of "
            f"{ours[1].round(4).tolist()}"
        )
    one, other = (np.array(side, np.int64) for side in zip(*places, strict=True))
    levels = ours[1][one]
    return (
        metrics.crps_quantiles(ours[0][..., one], levels, observed),
        metrics.crps_quantiles(theirs[0][..., other], levels, observed),
    )


def refuse_trained(forecasters: Sequence[tuple[str, Forecaster]], period: Sequence[str]) -> None:
    """Refuse days whose flow a forecaster, or the process model inside it, was fitted to."""
    bad = []
    for name, forecaster in forecasters:
        inside = getattr(forecaster, "process", None)
        parts = [(name, forecaster.about)]
        if isinstance(inside, Forecaster):
            parts.append((f"the process model inside {name}", inside.about))
        for what, about in parts:
            start, end = about.training_days
            if period[0] <= end and start <= period[1]:
                bad.append(f"{what} was trained on {start} to {end}")
    if bad:
        raise InvalidData(
            f"days {period[0]} to {period[1]} came, but {'; '.join(bad)}: errors are "
            "smaller there than on new days; give other days"
        )


def as_quantiles(
    lower: Array, upper: Array, levels: Sequence[float]
) -> tuple[Array, NDArray[np.float64]]:
    """Bounds of nested central intervals, ascending levels, as quantiles in ascending order.

    Infinite ones are replaced by the widest finite ones: they only say that nothing is known.

    Returns
    -------
    quantiles : (..., 2 L) array
    probabilities : (2 L,) array
    """
    level = np.asarray(levels, np.float64)
    quantiles = np.concatenate([lower[..., ::-1], upper], axis=-1)
    finite = np.where(np.isfinite(quantiles), quantiles, -np.inf)
    quantiles = np.where(np.isposinf(quantiles), np.maximum.accumulate(finite, axis=-1), quantiles)
    return quantiles, np.concatenate([(1 - level[::-1]) / 2, (1 + level) / 2])


def _spread(count: int, most: int) -> list[int]:
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, most)).round()})
