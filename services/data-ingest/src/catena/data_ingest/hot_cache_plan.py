"""What a hot cache will hold, fixed before its first block is written."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.shared.errors import InvalidData
from catena.shared.hot_cache import Channel, Metadata, Run

_EPOCH = "seconds since 1970-01-01"
_YEAR_DAYS = {"noleap": 365, "365_day": 365, "360_day": 360, "all_leap": 366, "366_day": 366}


@dataclass(frozen=True)
class Plan:
    """What is to be written, fixed before the first block.

    Parameters
    ----------
    metadata : Metadata
        Without statistics and digests.
    leads : tuple of int
        Steps over which differences are taken.
    normalise : bool
    counted : tuple of int
        Steps ``[start, stop)`` over which statistics are taken.
    given : tuple of Channel
        Statistics taken elsewhere; empty to take them here.
    """

    metadata: Metadata
    leads: tuple[int, ...]
    normalise: bool
    counted: tuple[int, int]
    given: tuple[Channel, ...] = ()

    @property
    def digest(self) -> str:
        """Tells whether a half-written folder belongs to this plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def blocks(self) -> range:
        """First step of each block."""
        return range(0, self.metadata.steps, self.metadata.block_steps)


def make_plan(
    dataset: xr.Dataset,
    variables: Sequence[str] | None,
    dtype: str,
    block_steps: int,
    leads_s: Sequence[int],
    normalise: bool,
    generated: bool,
) -> Plan:
    """The plan for a dataset; see :func:`~catena.data_ingest.hot_cache.write_hot_cache`."""
    if block_steps < 1:
        raise InvalidData(f"hot cache: blocks of {block_steps} steps asked for; wanted at least 1")
    fields = ({"time", "lat", "lon"}, {"time", "plev", "lat", "lon"})
    if variables is None:
        variables = [
            str(name) for name, array in dataset.data_vars.items() if set(array.dims) in fields
        ]
    channels: list[Channel] = []
    for name in variables:
        if name not in dataset or set(dataset[name].dims) not in fields:
            found = tuple(dataset[name].dims) if name in dataset else "no such variable"
            raise InvalidData(
                f"hot cache: variable {name}: found {found}, wanted the dimensions time, lat, lon "
                "and perhaps plev; regrid it or leave it out"
            )
        levels = dataset["plev"].values.tolist() if "plev" in dataset[name].dims else [None]
        units = str(dataset[name].attrs.get("units", ""))
        channels += [Channel(name, units, level, 0, 0, 0, 0, 0, 0) for level in levels]
    if not channels:
        raise InvalidData("hot cache: the dataset has no field on time, lat, lon")
    calendar = str(dataset["time"].dt.calendar)
    step, runs = _runs(dataset["time"], calendar)
    wrong = [lead for lead in leads_s if step == 0 or lead <= 0 or lead % step]
    if wrong:
        raise InvalidData(
            f"hot cache: differences over {wrong[0]} s asked for, but the step is {step} s; wanted "
            "a whole number of steps"
        )
    metadata = Metadata(
        channels=tuple(channels),
        lat=tuple(dataset["lat"].values.astype(float).tolist()),
        lon=tuple(dataset["lon"].values.astype(float).tolist()),
        calendar="standard" if calendar == "proleptic_gregorian" else calendar,
        step_s=step,
        runs=runs,
        block_steps=block_steps,
        dtype=dtype,
        digests=(),
        generated=generated,
        attributes={str(name): str(value) for name, value in sorted(dataset.attrs.items())},
    )
    leads = tuple(sorted({lead // step for lead in leads_s}))
    return Plan(metadata, leads, normalise, counted=(0, metadata.steps))


def _seconds(time: xr.DataArray, calendar: str) -> NDArray[np.int64]:
    """Times as seconds since 1970 in their calendar."""
    if np.issubdtype(time.dtype, np.datetime64):
        return time.values.astype("datetime64[s]").astype(np.int64)
    return np.asarray(cftime.date2num(time.values, _EPOCH, calendar=calendar), dtype=np.int64)


def _runs(time: xr.DataArray, calendar: str) -> tuple[int, tuple[Run, ...]]:
    """The step (the most frequent one) and the stretches in which it is kept.

    Months and years differ in length. They count as equal steps all the same, of their mean
    length: times that are told from the step are then right to three days.
    """
    times = _seconds(time, calendar)
    if not times.size:
        raise InvalidData("hot cache: the dataset has no time step")
    steps = np.diff(times)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise InvalidData(
            f"hot cache: dimension time: step {at + 1} is at {times[at + 1]} s after step {at} at "
            f"{times[at]} s (since 1970); wanted times that increase: sort them and drop duplicates"
        )
    if not steps.size:
        return 0, (Run(0, int(times[0]), 1),)
    months = np.diff(time.dt.year.values * 12 + time.dt.month.values)
    mean_month = round(_YEAR_DAYS.get(calendar, 365.25) * 86400 / 12)
    off = np.abs(steps - months * mean_month).max()
    if months.min() >= 1 and off < 3.5 * 86400 and (steps != steps[0]).any():
        steps = months * mean_month
    values, counts = np.unique(steps, return_counts=True)
    step = int(values[counts.argmax()])
    cuts = np.concatenate([[0], np.flatnonzero(steps != step) + 1, [times.size]])
    return step, tuple(
        Run(int(first), int(times[first]), int(stop - first))
        for first, stop in itertools.pairwise(cuts)
    )


def matched(plan: Plan, given: Sequence[Channel] | None) -> tuple[Channel, ...]:
    """Statistics from elsewhere, in this plan's order."""
    if given is None:
        return ()
    by_label = {channel.label: channel for channel in given}
    matched = []
    for channel in plan.metadata.channels:
        other = by_label.get(channel.label)
        if other is None or other.units != channel.units:
            raise InvalidData(
                f"hot cache: {channel.label} in {channel.units!r} has no statistics of its own "
                f"among those given ({'in ' + repr(other.units) if other else 'no such channel'})"
            )
        scale = other.std or 1.0
        matched.append(
            replace(
                other,
                offset=other.mean if plan.normalise else 0.0,
                scale=scale if plan.normalise else 1.0,
            )
        )
    return tuple(matched)
