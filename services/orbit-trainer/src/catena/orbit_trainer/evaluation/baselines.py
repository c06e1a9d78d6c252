"""Reference forecasts that any model must beat: what is now, and what is usual for the season."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = ["WINDOW_DAYS", "Climatology", "year_phase"]

Array = NDArray[np.float32]
Times = NDArray[np.int64]

DAY_S = 86_400
WINDOW_DAYS = 61.0
"""Width of the window of WeatherBench 2."""

_BIN_DAYS = 5.0
_CHUNK = 64  # steps in memory
_YEAR_DAYS = {"360_day": 360.0, "noleap": 365.0, "365_day": 365.0, "all_leap": 366.0}
"""Days of the years that are all alike; others are those of the Gregorian calendar."""


def year_phase(times_s: Times, calendar: str) -> NDArray[np.float64]:
    """Part of its year that has gone by at each time, in [0, 1).

    Parameters
    ----------
    times_s : array of int64
        Seconds since 1970-01-01 in the calendar.
    calendar : str
        CF name.
    """
    days = _YEAR_DAYS.get(calendar)
    if days is not None:
        return np.asarray(times_s % int(days * DAY_S) / (days * DAY_S))
    time = np.asarray(times_s).astype("datetime64[s]")
    year = time.astype("datetime64[Y]")
    first, after = year.astype("datetime64[s]"), (year + 1).astype("datetime64[s]")
    return np.asarray((time - first) / (after - first))


@dataclass(frozen=True, eq=False)
class Climatology:
    """Mean of a training period by time of the year and hour of the day.

    Parameters
    ----------
    labels : tuple of str
        Channels.
    calendar : str
    hours_s : array of int64, (S,)
        Times of the day, seconds.
    fields : Array, (S, bins, V, H, W)
        In the channels' units; bins divide the year evenly.
    """

    labels: tuple[str, ...]
    calendar: str
    hours_s: Times
    fields: Array

    @classmethod
    def fit(
        cls,
        cache: HotCache,
        labels: Sequence[str],
        period: Period,
        *,
        window_days: float | None = WINDOW_DAYS,
    ) -> Self:
        """Take the means of a period, which should be that of training.

        The year is divided into bins of five days; each is the mean of the values around it, whose
        weight falls linearly to nothing at half a window (WeatherBench 2), so that few years are
        enough. A part of the year that training has not seen gets the mean of all of it.

        Parameters
        ----------
        labels : sequence of str
            Channels, e.g. ``ua_85000``.
        period : Period
        window_days : float, optional
            Width of the window; None for one mean of the whole year, the right one, and the harder
            to beat, where there are no seasons or no whole year of training.

        Raises
        ------
        InvalidRequest
            When the period has no step, or a channel is not in the cache.
        """
        chosen = channel_numbers(cache, labels)
        start, stop = period.steps(cache)
        times = cache.times_s()[start:stop]
        calendar = cache.metadata.calendar
        hours = _hours(times, cache.metadata.step_s)
        days = _YEAR_DAYS.get(calendar, 365.25)
        bins = 1 if window_days is None else round(days / _BIN_DAYS)
        places = np.minimum((year_phase(times, calendar) * bins).astype(int), bins - 1)
        slots = _slot(times, hours)
        shape = (len(hours), bins, len(chosen), *cache.metadata.sample_shape[1:])
        total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        # Sums of small numbers keep their digits in float32: those about the mean.
        middle, scale = _standard(cache, chosen)
        for first in range(start, stop, _CHUNK):
            part = slice(first - start, min(first + _CHUNK, stop) - start)
            numbers = np.arange(start, stop)[part]
            values = (cache.physical(cache.gather(numbers))[:, chosen] - middle) / scale
            known = np.isfinite(values)
            values[~known] = 0.0
            keys = np.stack([slots[part], places[part]])
            for slot, place in np.unique(keys, axis=1).T:
                rows = (keys[0] == slot) & (keys[1] == place)
                total[slot, place] += values[rows].sum(axis=0)
                count[slot, place] += known[rows].sum(axis=0)
        mean = _smoothed(total, count, 0.0 if window_days is None else window_days / days)
        return cls(tuple(labels), calendar, hours, mean * scale + middle)

    def at(self, times_s: Times) -> Array:
        """Usual fields of these times, (B, V, H, W); between bins along a straight line.

        Raises
        ------
        InvalidData
            When training had no such time of the day.
        """
        times = np.asarray(times_s, np.int64)
        slots = _slot(times, self.hours_s)
        bins = self.fields.shape[1]
        place = year_phase(times, self.calendar) * bins - 0.5
        before = np.floor(place).astype(int)
        part = (place - before).astype(np.float32)[:, None, None, None]
        low, high = self.fields[slots, before % bins], self.fields[slots, (before + 1) % bins]
        return np.asarray(low + part * (high - low))


def channel_numbers(cache: HotCache, labels: Sequence[str]) -> NDArray[np.int64]:
    """Places of channels in a cache; InvalidRequest names those that are not there."""
    there = {channel.label: number for number, channel in enumerate(cache.channels)}
    missing = [label for label in labels if label not in there]
    if missing or not labels:
        raise InvalidRequest(
            f"channels {', '.join(missing) or 'none'} asked of a hot cache that holds "
            f"{', '.join(there)}; choose among these"
        )
    return np.array([there[label] for label in labels], dtype=np.int64)


def _standard(cache: HotCache, chosen: NDArray[np.int64]) -> tuple[Array, Array]:
    channels = [cache.channels[number] for number in chosen]
    mean = np.array([channel.mean for channel in channels], np.float32)[:, None, None]
    std = np.array([channel.std or 1.0 for channel in channels], np.float32)[:, None, None]
    return mean, std


def _hours(times_s: Times, step_s: int) -> Times:
    """Times of the day that are kept apart: none where steps are days or do not divide one."""
    if step_s >= DAY_S or DAY_S % step_s:
        return np.zeros(1, np.int64)
    return np.unique(times_s % DAY_S)


def _slot(times_s: Times, hours_s: Times) -> NDArray[np.intp]:
    if len(hours_s) == 1:
        return np.zeros(len(times_s), np.intp)
    slots = np.searchsorted(hours_s, times_s % DAY_S)
    wrong = hours_s[np.minimum(slots, len(hours_s) - 1)] != times_s % DAY_S
    if wrong.any():
        raise InvalidData(
            f"climatology asked for {times_s[wrong][0] % DAY_S} s after midnight; training had "
            f"only {hours_s.tolist()}"
        )
    return slots


def _smoothed(total: Array, count: Array, window: float) -> Array:
    """Means of sums (S, bins, ...) over a window, given as a part of the year."""
    bins = total.shape[1]
    steps = np.abs((np.arange(bins)[:, None] - np.arange(bins) + bins // 2) % bins - bins // 2)
    weight = np.maximum(0.0, 1.0 - 2.0 * steps / bins / max(window, 1e-9)).astype(np.float32)
    near = np.einsum("ij,sj...->si...", weight, total)
    known = np.einsum("ij,sj...->si...", weight, count)
    # Never seen in this part of the year: that hour's mean, or that of all hours.
    for axes in ((1,), (0, 1)):
        unseen = known <= 0.0
        if not unseen.any():
            break
        near = np.where(unseen, total.sum(axis=axes, keepdims=True), near)
        known = np.where(unseen, count.sum(axis=axes, keepdims=True), known)
    out = np.full(near.shape, np.nan, np.float32)
    np.divide(near, known, out=out, where=known > 0)
    return out
