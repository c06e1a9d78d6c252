"""Checkpoints of forecasts, and the fields of a hot cache that they are explained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from catena.models.orbit import Orbit
from catena.models.orbit_checkpoint import ABOUT, WEIGHTS, About, Checkpoint
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import HOUR_S, Period, date_of

__all__ = [
    "Fields",
    "Files",
    "ForecastModel",
    "open_cache",
    "read_ahead",
    "read_checkpoint",
    "read_fields",
    "spread_steps",
    "training_period",
]

CACHE = "cache"
"""Folder of a hot cache in its artifact."""

NEAR = 1e-3
"""Degrees by which the centres of two grids may differ."""


class Files(Protocol):
    """What is read of an artifact."""

    @property
    def kind(self) -> str:
        """Of the artifact."""

    def read_json(self, path: str) -> Any:
        """Content of a JSON file."""

    def read_arrays(self, path: str) -> dict[str, NDArray[Any]]:
        """Arrays of a safetensors file."""

    def local_path(self, name: str) -> Path:
        """A folder of it on this machine."""


@dataclass(frozen=True, eq=False)
class ForecastModel:
    """A trained model of forecasts.

    Parameters
    ----------
    about : About
    model : Orbit
        Its weights are fixed.
    """

    about: About
    model: Orbit

    @property
    def units(self) -> dict[str, str]:
        """Of each variable."""
        statistics = self.about.statistics
        return dict(zip(statistics.variables, statistics.units, strict=True))


@dataclass(frozen=True, eq=False)
class Fields:
    """Fields at some times, as a model takes them.

    Parameters
    ----------
    variables, units : tuple of str, (V,)
        All that the model knows.
    lat, lon : array, (H,) and (W,)
        Degrees north and east.
    times_s : array of int64, (N,)
        Seconds since 1970 in the calendar.
    calendar : str
    values : array of float32, (N, V, H, W)
        In `units`; NaN where missing.
    """

    variables: tuple[str, ...]
    units: tuple[str, ...]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    times_s: NDArray[np.int64]
    calendar: str
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values)

    def dates(self) -> list[str]:
        """Times in ISO 8601."""
        return [date_of(time, self.calendar) for time in self.times_s.tolist()]


def read_checkpoint(files: Files) -> ForecastModel:
    """The model of forecasts of a checkpoint.

    Raises
    ------
    InvalidData
        When it is no checkpoint, of another task than forecasts, or its weights are not finite or
        not those of its architecture.
    """
    if files.kind != "checkpoint":
        raise InvalidData(
            f"an artifact of kind {files.kind!r} came, a checkpoint that was fine-tuned for "
            "forecasts is wanted"
        )
    plain = files.read_json(ABOUT)
    task = plain.get("task") if isinstance(plain, dict) else None
    if task != "forecast":
        raise InvalidData(
            f"a checkpoint of the task {task!r} came; one of the task 'forecast' is wanted: "
            "fine-tune it for forecasts first"
        )
    checkpoint = Checkpoint.from_arrays(About.from_dict(plain), files.read_arrays(WEIGHTS))
    for name, weight in checkpoint.weights.items():
        if not bool(weight.isfinite().all()):
            raise InvalidData(
                f"weight {name} has NaN or infinite numbers: such a model predicts nothing that "
                "could be explained; train it again"
            )
    return ForecastModel(checkpoint.about, cast("Orbit", checkpoint.model()))


def open_cache(files: Files) -> HotCache:
    """The hot cache of an artifact, on this machine.

    Raises
    ------
    InvalidData
        When the artifact is of another kind.
    """
    if files.kind != "hot_cache":
        raise InvalidData(f"an artifact of kind {files.kind!r} came, a hot_cache is wanted")
    return HotCache.open(files.local_path(CACHE))


def training_period(about: About, digest: str = "") -> Period:
    """Days that the weights have seen last; of the cache with a digest where it is given.

    Raises
    ------
    InvalidRequest
        When the weights have seen nothing of this cache.
    """
    for seen, start, end in reversed(about.seen):
        if not digest or seen == digest:
            return Period(start, f"{end}T23:59:59") if start else Period()
    raise InvalidRequest(
        "the model was not trained on this hot cache, so it has no days of training in it; name "
        "the days that are to be the background"
    )


def spread_steps(
    cache: HotCache, period: Period, count: int, ahead_h: float = 0.0
) -> NDArray[np.int64]:
    """Steps of a cache, evenly spread over a period; all where it has fewer.

    Parameters
    ----------
    count : int
        How many at most, and 1 at least.
    ahead_h : float
        Only steps that have a field so many hours later, in the period or after it.

    Raises
    ------
    InvalidRequest
        When the period has no such step.
    InvalidData
        When `ahead_h` is no whole number of steps.
    """
    first, stop = period.steps(cache)
    pairs = cache.pairs(round(ahead_h * HOUR_S))
    every = pairs.starts(np.arange(len(pairs), dtype=np.int64))
    inside = every[(every >= first) & (every < stop)]
    if not inside.size:
        raise InvalidRequest(
            f"no step of the hot cache in the period {period} has a field {ahead_h:g} h later; "
            "choose earlier days or shorter leads"
        )
    # In the middle of as many equal parts: neither end of a season is preferred.
    places = (np.arange(min(count, inside.size)) + 0.5) * inside.size / min(count, inside.size)
    return np.asarray(inside[places.astype(np.int64)])


def read_fields(forecast: ForecastModel, cache: HotCache, steps: NDArray[np.int64]) -> Fields:
    """Fields that a model takes, at some steps of a cache; NaN where the cache lacks a variable.

    Raises
    ------
    InvalidData
        When the grids differ, a variable has other units than in training, or the cache has no
        variable that the model knows.
    """
    about = forecast.about
    names, metadata = about.fields.variables, cache.metadata
    check_grid(about, cache)
    units = forecast.units
    there = {channel.label: place for place, channel in enumerate(cache.channels)}
    known = [name for name in names if name in there]
    if not known:
        raise InvalidData(
            f"the hot cache has {_some(there)}; the model knows {_some(names)}: none is the same"
        )
    for name in known:
        came = cache.channels[there[name]].units
        if came != units[name]:
            raise InvalidData(
                f"{name} has units {came!r} in the hot cache, the model was trained on "
                f"{units[name]!r}; write the cache again in these"
            )
    values = np.full((len(steps), len(names), *about.grid), np.nan, np.float32)
    rows, places = [names.index(name) for name in known], [there[name] for name in known]
    for number, step in enumerate(steps.tolist()):
        values[number, rows] = cache.physical(cache.sample(step))[places]
    return Fields(
        names,
        tuple(units[name] for name in names),
        np.array(about.lat, np.float64),
        np.array(about.lon, np.float64),
        cache.times_s()[steps],
        metadata.calendar,
        values,
    )


def read_ahead(
    forecast: ForecastModel, cache: HotCache, steps: NDArray[np.int64], leads_h: Sequence[float]
) -> NDArray[np.float32]:
    """What came of it: the outputs' fields a lead later, (N, L, V_out, H, W).

    NaN where the cache ends before, has a gap on the way, or lacks the variable.

    Raises
    ------
    InvalidData
        As :func:`read_fields`, or when a lead is no whole number of the cache's steps.
    """
    outputs = forecast.about.fields.outputs
    rows = [forecast.about.fields.variables.index(name) for name in outputs]
    found = np.full(
        (len(steps), len(leads_h), len(outputs), *forecast.about.grid), np.nan, np.float32
    )
    for place, lead in enumerate(leads_h):
        pairs = cache.pairs(round(lead * HOUR_S))
        starts = pairs.starts(np.arange(len(pairs), dtype=np.int64))
        known = np.flatnonzero(np.isin(steps, starts))
        later = read_fields(forecast, cache, steps[known] + pairs.lead_steps)
        found[known, place] = later.values[:, rows]
    return found


def check_grid(about: About, cache: HotCache) -> None:
    """Refuse a cache on another grid than that of the model.

    Raises
    ------
    InvalidData
        Says in what they differ.
    """
    for name, wanted, came in (
        ("latitudes", about.lat, cache.metadata.lat),
        ("longitudes", about.lon, cache.metadata.lon),
    ):
        if len(wanted) != len(came) or not np.allclose(wanted, came, rtol=0.0, atol=NEAR):
            raise InvalidData(
                f"the hot cache has {len(came)} {name} from {came[0]:g} to {came[-1]:g}, the model "
                f"{len(wanted)} from {wanted[0]:g} to {wanted[-1]:g}; regrid the fields to the "
                "model's grid"
            )


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
