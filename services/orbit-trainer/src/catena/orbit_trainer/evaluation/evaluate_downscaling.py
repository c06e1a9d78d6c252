"""Scores a downscaling over a period of a hot cache, beside bicubic interpolation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catena.orbit_trainer.evaluation.baselines import channel_numbers
from catena.orbit_trainer.evaluation.downscaling import (
    QUANTILES,
    DownscalingScores,
    bicubic,
    downscaling_scores,
)
from catena.orbit_trainer.evaluation.spectra import is_periodic
from catena.orbit_trainer.tasks.downscale import coarse_means
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = ["BICUBIC", "DownscalingSkill", "FineFields", "evaluate_downscaling"]

Fields = NDArray[Any]
Progress = Callable[[float, str], None]

BICUBIC = "bicubic"
"""Name of the reference in tables."""


class FineFields(Protocol):
    """A model that makes fine fields, e.g. :class:`..tasks.downscale.Downscaler`."""

    def downscale(self, fields: Fields) -> Fields:
        """Fine fields (B, V_out, H, W) of coarse ones (B, V, h, w), in the channels' units."""
        ...


@dataclass(frozen=True, eq=False)
class DownscalingSkill:
    """Scores of a model and of the reference over the same times.

    Parameters
    ----------
    scores : dict of str to DownscalingScores
        The model's first, then :data:`BICUBIC`.
    variables, units : tuple of str
    lat, lon : tuple of float
        Of the fine grid.
    factor : int
    times_s : array of int64, (T,)
    calendar : str
    generated : bool
    shown_time_s : int
        Time of the fields below.
    coarse : array, (V, h, w)
    predicted, truth : array, (V, H, W)
    """

    scores: dict[str, DownscalingScores]
    variables: tuple[str, ...]
    units: tuple[str, ...]
    lat: tuple[float, ...]
    lon: tuple[float, ...]
    factor: int
    times_s: NDArray[np.int64]
    calendar: str
    generated: bool
    shown_time_s: int
    coarse: Fields
    predicted: Fields
    truth: Fields


def evaluate_downscaling(
    name: str,
    model: FineFields,
    cache: HotCache,
    period: Period,
    factor: int,
    *,
    variables: Sequence[str],
    outputs: Sequence[str] | None = None,
    stride: int = 1,
    batch: int = 8,
    levels: Sequence[float] = QUANTILES,
    progress: Progress = lambda share, message: None,
) -> DownscalingSkill:
    """Make fields coarse, have them made fine again, and compare.

    Memory holds the fields of all times, for the quantiles: a longer stride makes it less.

    Parameters
    ----------
    name : str
        Of the model in tables.
    model : FineFields
    cache : HotCache
        Of fine fields.
    period : Period
        Days that the model was not trained on.
    factor : int
        Fine cells in a coarse one, along each axis.
    variables : sequence of str
        Channels that the model takes.
    outputs : sequence of str, optional
        Channels that it gives, some of `variables`; by default all.
    stride : int
        Steps of the cache between times.
    batch : int
    levels : sequence of float
        Quantiles of the truth.
    progress : callable

    Raises
    ------
    InvalidRequest
        When the name is the reference's, a channel is not in the cache, an output is not among
        the inputs, the factor does not divide the grid, or the period has no step.
    InvalidData
        When the model gives another shape.
    """
    outputs = tuple(variables if outputs is None else outputs)
    strange = sorted(set(outputs) - set(variables))
    if name == BICUBIC or strange or stride < 1 or batch < 1:
        raise InvalidRequest(
            f"model {name!r} with outputs {', '.join(strange) or 'known'} that are no inputs, a "
            f"stride of {stride} and batches of {batch}; wanted a name other than {BICUBIC}, "
            "outputs among the inputs for the reference, and numbers above zero"
        )
    chosen, metadata = channel_numbers(cache, variables), cache.metadata
    places = [list(variables).index(label) for label in outputs]
    periodic = is_periodic(np.array(metadata.lon))
    steps = np.arange(*period.steps(cache), stride)
    shape = (len(steps), len(outputs), *metadata.sample_shape[1:])
    truth, made, smooth = (np.empty(shape, np.float32) for _ in range(3))
    middle = len(steps) // 2
    shown: Fields = np.empty(0)
    for first in range(0, len(steps), batch):
        rows = np.arange(first, min(first + batch, len(steps)))
        fine = cache.physical(cache.gather(steps[rows], dtype=np.float32))[:, chosen]
        coarse = coarse_means(fine, factor, metadata.lat)
        predicted = model.downscale(coarse)
        if predicted.shape != (len(rows), *shape[1:]):
            raise InvalidData(
                f"fine fields of {name} have the shape {predicted.shape}; wanted "
                f"{(len(rows), *shape[1:])}"
            )
        truth[rows], made[rows] = fine[:, places], predicted
        smooth[rows] = bicubic(coarse[:, places], factor, periodic=periodic)
        if middle in rows:
            shown = coarse[middle - first, places]
        progress((rows[-1] + 1) / len(steps), f"downscaled {rows[-1] + 1} of {len(steps)} times")
    units = {channel.label: channel.units for channel in cache.channels}
    times = cache.times_s()[steps]
    return DownscalingSkill(
        scores={
            name: downscaling_scores(made, truth, levels),
            BICUBIC: downscaling_scores(smooth, truth, levels),
        },
        variables=outputs,
        units=tuple(units[label] for label in outputs),
        lat=metadata.lat,
        lon=metadata.lon,
        factor=factor,
        times_s=times,
        calendar=metadata.calendar,
        generated=metadata.generated,
        shown_time_s=int(times[middle]),
        coarse=shown,
        predicted=made[middle],
        truth=truth[middle],
    )
