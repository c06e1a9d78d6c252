"""Means and standard deviations of fields and of their changes over a lead time.

Taken over the training period only, in one reading, block by block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.sources import Source, sources_of
from catena.shared.errors import InvalidData
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import HOUR_S, Period
from catena.shared.moments import Moments

__all__ = ["measured"]

_CHUNK = 16  # steps in memory, beside those of the longest lead


def measured(
    cache: HotCache | Sequence[HotCache | Source],
    variables: Sequence[str],
    leads_h: Sequence[float],
    period: Period,
) -> Statistics:
    """Statistics of the fields of one or several caches in a period.

    Those of several caches are of all their values together, so that what sets climate models
    apart is still seen after normalising.

    Raises
    ------
    InvalidRequest
        When a variable is in no cache, or a cache has no step in the period.
    InvalidData
        When a lead is no whole number of steps, or a variable has no value in the period.
    """
    leads = sorted(set(leads_h))
    units: dict[str, str] = {}
    # For each variable: its values, then its changes over each lead.
    seen = {name: [Moments(1) for _ in range(1 + len(leads))] for name in variables}
    for source in sources_of(cache, variables):
        units |= {channel.label: channel.units for channel in source.cache.channels}
        _count(source.cache, seen, leads, period)
    for name, moments in seen.items():
        counts = [int(one.count[0]) for one in moments]
        if not all(counts):
            raise InvalidData(
                f"{name} has {counts[0]} values and {min(counts)} changes over a lead in the "
                f"period {period}; wanted some: choose another period, or leave it out"
            )
    # (1 + L, V); what never changes is zero once its mean is taken off.
    std = np.array([[one.std[0] or 1.0 for one in moments] for moments in seen.values()]).T
    return Statistics(
        tuple(variables),
        tuple(units[name] for name in variables),
        tuple(float(moments[0].mean[0]) for moments in seen.values()),
        tuple(std[0].tolist()),
        tuple(leads),
        tuple(tuple(row) for row in std[1:].tolist()),
    )


def _count(
    cache: HotCache, seen: Mapping[str, list[Moments]], leads_h: Sequence[float], period: Period
) -> None:
    """Take in one cache; no change reaches over a gap or out of the period."""
    start, stop = period.steps(cache)
    leads = [cache.pairs(round(lead * HOUR_S)).lead_steps for lead in leads_h]
    longest = max(leads, default=0)
    for run in cache.metadata.runs:
        first, end = max(run.first, start), min(run.first + run.count, stop)
        for low in range(first, end, _CHUNK):
            high = min(low + _CHUNK, end)
            stored = cache.gather(np.arange(low, min(high + longest, end)))
            for place, channel in enumerate(cache.channels):
                if channel.label not in seen:
                    continue
                values = stored[:, place, None].astype(np.float64) * channel.scale + channel.offset
                own, *changes = seen[channel.label]
                own.update(values[: high - low])
                for lead, moments in zip(leads, changes, strict=True):
                    count = min(high, end - lead) - low
                    if count > 0:
                        moments.update(values[lead : lead + count] - values[:count])
