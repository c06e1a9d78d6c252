"""Scores any number of forecasters over a period of a hot cache, beside the two references.

Initial times go through in small batches; memory holds sums (24 bytes for each forecaster, lead,
variable and cell) and a few numbers for each initial time, whatever the length of the period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation import scores
from catena.orbit_trainer.evaluation.baselines import Climatology, channel_numbers
from catena.orbit_trainer.evaluation.forecasters import Trajectory
from catena.orbit_trainer.evaluation.skill import CLIMATOLOGY, PERSISTENCE, Skill
from catena.orbit_trainer.evaluation.spectra import BANDS, band_power, is_periodic
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period
from catena.shared.latitudes import latitude_weights

__all__ = ["evaluate"]

Array = NDArray[np.float64]
Fields = NDArray[Any]
Progress = Callable[[float, str], None]

_TIMED = ("square", "bias", "acc", "activity", "crps", "crps_fair", "variance")


def evaluate(
    forecasters: Mapping[str, Trajectory],
    cache: HotCache,
    period: Period,
    leads_h: Sequence[float],
    climatology: Climatology,
    *,
    variables: Sequence[str],
    outputs: Sequence[str] | None = None,
    stride: int = 1,
    batch: int = 8,
    progress: Progress = lambda share, message: None,
) -> Skill:
    """Score forecasters from every `stride`-th initial time of a period, all at the same times.

    Parameters
    ----------
    forecasters : mapping of str to Trajectory
        By the names that they will have in tables.
    cache : HotCache
    period : Period
        Initial and valid times lie in it: days that no forecaster was trained on.
    leads_h : sequence of float
        Hours.
    climatology : Climatology
        Of the training period, of the outputs.
    variables : sequence of str
        Channels that forecasters take, in their order.
    outputs : sequence of str, optional
        Channels that they give, in their order; by default the same.
    stride : int
        Steps of the cache between initial times.
    batch : int
        Initial times that go through a model together.
    progress : callable
        Called with a share of 1 and a message after each batch.

    Returns
    -------
    Skill

    Raises
    ------
    InvalidRequest
        When a name is taken, a channel is not in the cache, the climatology is of other channels,
        or the period holds no initial time with all leads.
    InvalidData
        When a lead is no whole number of steps, or a forecast has another shape.
    """
    outputs = tuple(variables if outputs is None else outputs)
    leads = sorted(float(lead) for lead in leads_h)
    taken = {PERSISTENCE, CLIMATOLOGY} & set(forecasters)
    if taken or not forecasters or not leads or stride < 1 or batch < 1:
        raise InvalidRequest(
            f"forecasters {list(forecasters)}, leads {leads} h, a stride of {stride} and batches "
            f"of {batch}; wanted a forecaster and a lead, names other than {PERSISTENCE} and "
            f"{CLIMATOLOGY}, and numbers above zero"
        )
    if tuple(climatology.labels) != outputs:
        raise InvalidRequest(
            f"climatology of {', '.join(climatology.labels)}; wanted that of the outputs "
            f"{', '.join(outputs)}"
        )
    inputs, wanted = channel_numbers(cache, variables), channel_numbers(cache, outputs)
    # The reader counts in seconds; that of the longest lead says which initial times there are.
    seconds = [round(lead * 3600) for lead in leads]
    starts_of = [cache.pairs(one, *period.steps(cache)) for one in seconds]
    count = len(starts_of[-1])
    if not count:
        raise InvalidRequest(
            f"no initial time in {period} has a valid time {leads[-1]:g} h later in it; wanted a "
            "longer period or shorter leads"
        )
    starts = starts_of[-1].starts(np.arange(0, count, stride))
    steps = [pairs.lead_steps for pairs in starts_of]
    tally = _Tally(cache, tuple(forecasters), outputs, leads, starts)
    times = cache.times_s()
    for first in range(0, len(starts), batch):
        rows = np.arange(first, min(first + batch, len(starts)))
        begun = starts[rows]
        initial = cache.physical(cache.gather(begun, dtype=np.float32))
        now = initial[:, wanted][None]
        runs = [one.run(initial[:, inputs], leads) for one in forecasters.values()]
        for place, step in enumerate(steps):
            truth = cache.physical(cache.gather(begun + step, dtype=np.float32))[:, wanted]
            usual = climatology.at(times[begun + step])
            made = [next(run) for run in runs]
            tally.truth(place, rows, truth, usual)
            for who, members in enumerate((*made, now, usual[None])):
                _check(members, truth, tally.names[who])
                tally.add(who, place, rows, members, truth, usual)
        progress((rows[-1] + 1) / len(starts), f"scored {rows[-1] + 1} of {len(starts)} times")
    return tally.skill(times[starts])


def _check(members: Fields, truth: Fields, name: str) -> None:
    if members.ndim != 5 or members.shape[1:] != truth.shape:
        raise InvalidData(
            f"forecast of {name} has the shape {members.shape}; wanted (members, "
            f"{', '.join(map(str, truth.shape))})"
        )


class _Tally:
    """Sums over initial times."""

    def __init__(
        self,
        cache: HotCache,
        names: tuple[str, ...],
        outputs: tuple[str, ...],
        leads: list[float],
        starts: NDArray[np.int64],
    ) -> None:
        self.cache, self.outputs, self.leads = cache, outputs, leads
        self.names = (*names, PERSISTENCE, CLIMATOLOGY)
        metadata = cache.metadata
        self.lat = np.array(metadata.lat)
        self.weights = latitude_weights(self.lat)
        self.spectral = is_periodic(np.array(metadata.lon))
        self.members = [1] * len(self.names)
        here = (len(leads), len(outputs))
        all_ = (len(self.names), *here)
        self.timed = {name: np.full((*all_, len(starts)), np.nan) for name in _TIMED}
        self.truth_activity = np.full((*here, len(starts)), np.nan)
        grid = metadata.sample_shape[1:]
        self.error = np.zeros((*all_, *grid))
        self.square = np.zeros((*all_, *grid))
        self.counts = np.zeros((*all_, *grid), np.int32)
        waves = (len(BANDS), grid[1] // 2 + 1)
        self.power = _Mean((*all_, *waves))
        self.truth_power = _Mean((*here, *waves))
        self.shown_row = len(starts) // 2
        self.shown = np.full((*all_, *grid), np.nan, np.float32)
        self.shown_truth = np.full((*here, *grid), np.nan, np.float32)

    def truth(self, lead: int, rows: NDArray[Any], truth: Fields, usual: Fields) -> None:
        """What does not depend on the forecaster."""
        self.truth_activity[lead][:, rows] = scores.activity(truth, usual, self.weights).T
        if self.spectral:
            self.truth_power.add(lead, band_power(truth, self.lat))
        for place in np.flatnonzero(rows == self.shown_row):
            self.shown_truth[lead] = truth[place]

    def add(
        self,
        who: int,
        lead: int,
        rows: NDArray[Any],
        members: Fields,
        truth: Fields,
        usual: Fields,
    ) -> None:
        """One forecaster's members (M, B, V, H, W) at one lead."""
        self.members[who] = len(members)
        mean = members.mean(axis=0, dtype=np.float64) if len(members) > 1 else members[0]
        error = mean - truth
        square = error * error
        weights, timed = self.weights, {name: all_[who, lead] for name, all_ in self.timed.items()}
        timed["square"][:, rows] = scores.area_mean(square, weights).T
        timed["bias"][:, rows] = scores.area_mean(error, weights).T
        correlation = scores.anomaly_correlation(mean, truth, usual, weights)
        timed["acc"][:, rows] = correlation.T
        timed["activity"][:, rows] = scores.activity(mean, usual, weights).T
        for name, fair in (("crps", False), ("crps_fair", True)):
            each = scores.crps(members, truth, fair=fair)
            timed[name][:, rows] = scores.area_mean(each, weights).T
        variance = scores.ensemble_variance(members)
        timed["variance"][:, rows] = scores.area_mean(variance, weights).T
        known = np.isfinite(error)
        self.error[who, lead] += np.where(known, error, 0.0).sum(axis=0)
        self.square[who, lead] += np.where(known, square, 0.0).sum(axis=0)
        self.counts[who, lead] += known.sum(axis=0)
        if self.spectral:
            # A mean of members is smooth; what a single one looks like is the question.
            self.power.add((who, lead), band_power(members[0], self.lat))
        for place in np.flatnonzero(rows == self.shown_row):
            self.shown[who, lead] = mean[place]

    def skill(self, times_s: NDArray[np.int64]) -> Skill:
        """Means over the initial times, roots at the end."""
        means = {name: scores.known_mean(values, axis=-1) for name, values in self.timed.items()}
        for name, of in (("rmse", "square"), ("spread", "variance")):
            means[name] = np.sqrt(means.pop(of))
        count = np.where(self.counts > 0, self.counts, np.nan)
        metadata = self.cache.metadata
        units = {channel.label: channel.units for channel in self.cache.channels}
        return Skill(
            forecasters=self.names,
            members=tuple(self.members),
            leads_h=tuple(self.leads),
            variables=self.outputs,
            units=tuple(units[label] for label in self.outputs),
            lat=metadata.lat,
            lon=metadata.lon,
            calendar=metadata.calendar,
            times_s=times_s,
            generated=metadata.generated,
            scores=means,
            truth_activity=scores.known_mean(self.truth_activity, axis=-1),
            square_errors=self.timed["square"],
            bias_map=self.error / count,
            rmse_map=np.sqrt(self.square / count),
            bands=tuple(BANDS),
            power=self.power.value if self.spectral else None,
            truth_power=self.truth_power.value if self.spectral else None,
            shown_time_s=int(times_s[self.shown_row]),
            shown=self.shown,
            shown_truth=self.shown_truth,
        )


class _Mean:
    """A mean that grows, over what is not NaN."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.total = np.zeros(shape)
        self.count = np.zeros(shape)

    def add(self, place: Any, values: Array) -> None:
        """Values (B, ...) at a place."""
        known = np.isfinite(values)
        self.total[place] += np.where(known, values, 0.0).sum(axis=0)
        self.count[place] += known.sum(axis=0)

    @property
    def value(self) -> Array:
        return self.total / np.where(self.count > 0, self.count, np.nan)
