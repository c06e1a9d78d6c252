"""Fine-tune for downscaling: fine fields out of their area means, or out of another cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catena.models.orbit_config import OrbitConfig, variable_ids
from catena.models.orbit_downscale import DownscaleConfig, OrbitDownscale, initial_downscale
from catena.models.orbit_forecast import known_fields
from catena.models.orbit_statistics import Statistics
from catena.models.orbit_tiles import Tiles, downscaled
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.fields import Fields
from catena.orbit_trainer.tasks.adapters import Adaptation, FineTune, fine_tune
from catena.orbit_trainer.tasks.samples import SampleStream
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = [
    "DownscaleStream",
    "Downscaler",
    "call_downscale",
    "coarse_config",
    "coarse_means",
    "downscale_task",
    "total_variation",
]

VARIATION = 0.02
"""Weight of total variation in the loss (ORBIT-2)."""
SPACING = "spacing"
"""Name of the distance of coarse rows, degrees, among a batch's further inputs."""


def coarse_config(
    pretrained: OrbitConfig,
    variables: Sequence[str],
    outputs: Sequence[str],
    fine_grid: tuple[int, int],
    factor: int,
) -> OrbitConfig:
    """Shape of the transformer at the coarse resolution.

    Patches cover the same area as in pre-training where the factor divides them, so that tokens
    mean what they meant; else as many coarse cells as they had fine ones.

    Raises
    ------
    InvalidRequest
        When the factor does not divide the grid.
    """
    if any(side % factor for side in fine_grid):
        raise InvalidRequest(
            f"a factor of {factor} for a grid of {fine_grid[0]} x {fine_grid[1]}; wanted one that "
            "divides both sides"
        )
    patch = pretrained.patch
    values = pretrained.to_dict() | {
        "variables": tuple(variables),
        "outputs": tuple(outputs),
        "grid": (fine_grid[0] // factor, fine_grid[1] // factor),
        "patch": patch // factor if patch % factor == 0 else patch,
    }
    return OrbitConfig.from_dict(values)


def coarse_means(fields: NDArray[Any], factor: int, latitudes: Sequence[float]) -> NDArray[Any]:
    """Area means over squares of cells, (..., H / factor, W / factor); NaN where a cell is.

    Parameters
    ----------
    fields : array, (..., H, W)
    factor : int
    latitudes : sequence of float
        Of the rows, degrees north.

    Raises
    ------
    InvalidRequest
        When the factor does not divide the grid.
    """
    height, width = fields.shape[-2:]
    if height % factor or width % factor:
        raise InvalidRequest(
            f"means over {factor} x {factor} cells of a grid of {height} x {width}; wanted a "
            "factor that divides both sides"
        )
    area = np.cos(np.radians(np.asarray(latitudes, np.float64))).reshape(-1, factor)
    share = (area / area.sum(1, keepdims=True) / factor).astype(fields.dtype)
    squares = fields.reshape(*fields.shape[:-2], height // factor, factor, width // factor, factor)
    return np.asarray(np.einsum("...rfcg,rf->...rc", squares, share))


def total_variation(fields: Tensor, *, periodic: bool = False) -> Tensor:
    """Mean size of the steps from cell to cell, along columns and along rows together.

    Anisotropic total variation (Rudin, Osher & Fatemi 1992) over the number of cells, so that the
    mean over equal parts of a batch is that of the batch.

    Parameters
    ----------
    fields : Tensor, (..., H, W)
    periodic : bool
        Whether the step from the last column to the first counts too.
    """
    down = fields.diff(dim=-2).abs().sum()
    across = fields.diff(dim=-1, append=fields[..., :1] if periodic else None).abs().sum()
    return (down + across) / fields.numel()


def call_downscale(model: nn.Module, batch: Batch) -> Tensor:
    """Fine fields of a batch."""
    made: Tensor = model(batch.fields, batch.variables, batch.extra[SPACING], batch.present)
    return made


def downscale_task(
    config: DownscaleConfig,
    latitudes: Sequence[float],
    *,
    pretrained: Pretrained | None = None,
    adaptation: Adaptation | None = None,
    variation: float = VARIATION,
    seed: int = 0,
) -> FineTune:
    """A training of downscaling, from a pre-trained model or from scratch.

    Blocks, aggregation of variables and positions are taken over; head and convolutions are new.

    Parameters
    ----------
    config : DownscaleConfig
        See :func:`coarse_config` for its coarse part.
    latitudes : sequence of float
        Of the fine rows, degrees north.
    pretrained : Pretrained, optional
    adaptation : Adaptation, optional
        All weights are trained by default.
    variation : float
        Weight of the total variation of what is predicted.
    seed : int

    Raises
    ------
    InvalidRequest, InvalidData
        See :func:`catena.orbit_trainer.tasks.adapters.fine_tune`.
    """
    weights = latitude_weights(torch.tensor(latitudes))

    def loss(predicted: Tensor, batch: Batch) -> Tensor:
        error = latitude_loss(predicted, batch.targets, weights.to(predicted.device))
        return error + variation * total_variation(predicted, periodic=config.periodic)

    return fine_tune(
        lambda: OrbitDownscale(config),
        call_downscale,
        loss,
        config=config.coarse,
        pretrained=pretrained,
        taken=("blocks.", "embedding.aggregation.", "embedding.position"),
        adaptation=adaptation or Adaptation(),
        initial=partial(initial_downscale, config),
        seed=seed,
    )


class DownscaleStream(SampleStream):
    """Batches of coarse and fine fields of the same times.

    Parameters
    ----------
    fine : HotCache
        Fields to be predicted.
    config : DownscaleConfig
    period : Period
    size, seed : int
        See :class:`SampleStream`.
    statistics : Statistics
        Of the fine fields, and of inputs that only the coarse cache has.
    coarse : HotCache, optional
        Where the coarse fields come from; area means of the fine ones by default.
    samples : int, optional
        Only so many times, evenly spread over the period.

    Raises
    ------
    InvalidRequest
        When a variable lacks, no time is in both caches, or there are fewer than `samples`.
    InvalidData
        When a grid is not that of the config.
    """

    def __init__(
        self,
        fine: HotCache,
        config: DownscaleConfig,
        period: Period,
        size: int,
        seed: int,
        statistics: Statistics,
        coarse: HotCache | None = None,
        samples: int | None = None,
    ) -> None:
        own = config.coarse
        _check_grid("fine", fine, config.fine_grid, own.outputs)
        _check_grid(
            "coarse", coarse or fine, own.grid if coarse else config.fine_grid, own.variables
        )
        self.steps = _common_steps(fine, coarse, period)
        if samples is not None:
            if not 1 <= samples <= len(self.steps):
                raise InvalidRequest(
                    f"{samples} samples of a period with {len(self.steps)}; wanted no more"
                )
            self.steps = self.steps[np.arange(samples) * len(self.steps) // samples]
        super().__init__(len(self.steps), size, seed)
        self.config, self.fine, self.paired = config, fine, coarse is not None
        self.latitudes = fine.metadata.lat
        self._inputs = Fields(coarse or fine, own.variables, statistics)
        self._outcomes = Fields(fine, own.outputs, statistics)
        self._ids = variable_ids(own, own.variables)
        self._spacing = spacing_of(fine.metadata.lat) * config.factor

    def made(self, places: NDArray[np.int64]) -> Batch:
        """Batch of the samples at these places, 0 .. count - 1."""
        own, config = self.config.coarse, self.config
        read = own.grid if self.paired else config.fine_grid
        inputs = np.full((len(places), len(own.variables), *read), np.nan, np.float32)
        fine = np.full((len(places), len(own.outputs), *config.fine_grid), np.nan, np.float32)
        for row, (fine_step, coarse_step) in enumerate(self.steps[places].tolist()):
            self._inputs.read(coarse_step, inputs[row])
            self._outcomes.read(fine_step, fine[row])
        if not self.paired:
            inputs = coarse_means(inputs, config.factor, self.latitudes)
        fields, present = known_fields(torch.from_numpy(inputs))
        count = len(places)
        return Batch(
            fields,
            torch.from_numpy(fine),
            self._ids,
            torch.zeros(count),
            present,
            {SPACING: torch.full((count,), self._spacing)},
        )


@dataclass(frozen=True, eq=False)
class Downscaler:
    """A trained model in physical units.

    Parameters
    ----------
    model : OrbitDownscale
    statistics : Statistics
        That it was trained with.
    spacing : float
        Distance of coarse rows, degrees.
    tiles : Tiles, optional
        Fields are downscaled whole by default.
    """

    model: OrbitDownscale
    statistics: Statistics
    spacing: float
    tiles: Tiles | None = None

    @torch.no_grad()
    def downscale(self, fields: NDArray[Any]) -> NDArray[np.float32]:
        """Fine fields (B, V_out, H r, W r) in the channels' units.

        Parameters
        ----------
        fields : array, (B, V, H, W)
            All variables of the model, in their units; NaN where unknown.

        Raises
        ------
        InvalidData
            When there are more or fewer variables.
        ValueError
            When patches or tiles do not fit the grid.
        """
        own = self.model.config.coarse
        if fields.ndim != 4 or fields.shape[1] != len(own.variables):
            raise InvalidData(
                f"fields of shape {fields.shape}; wanted (times, {len(own.variables)}, rows, "
                f"columns): {', '.join(own.variables)}"
            )
        device = next(self.model.parameters()).device
        plain = torch.from_numpy(np.ascontiguousarray(fields, np.float32))
        normalised, present = known_fields(self.statistics.normalised(plain, own.variables))
        ids = variable_ids(own, own.variables).to(device)
        spacing = torch.full((len(fields),), self.spacing, device=device)
        present = None if present is None else present.to(device)
        training = self.model.training
        self.model.eval()
        if self.tiles is None:
            made = self.model(normalised.to(device), ids, spacing, present).float().cpu()
        else:
            made = downscaled(self.model, normalised, self.tiles, ids, spacing, present)
        self.model.train(training)
        return np.asarray(self.statistics.physical(made, own.outputs).numpy())


def spacing_of(latitudes: Sequence[float]) -> float:
    """Mean distance of rows, degrees."""
    return float(np.abs(np.diff(latitudes)).mean())


def _check_grid(
    which: str, cache: HotCache, grid: tuple[int, int], variables: Sequence[str]
) -> None:
    known = [channel.label for channel in cache.channels]
    lacking = [name for name in variables if name not in known]
    if lacking:
        raise InvalidRequest(f"the {which} cache has no {', '.join(lacking)}; it has {known}")
    found = cache.metadata.sample_shape[1:]
    if found != grid:
        raise InvalidData(
            f"the {which} cache has a grid of {found[0]} x {found[1]}; wanted "
            f"{grid[0]} x {grid[1]}, as the model"
        )


def _common_steps(fine: HotCache, coarse: HotCache | None, period: Period) -> NDArray[np.int64]:
    """Steps (N, 2) of the fine and the coarse cache that have the same time."""
    first, stop = period.steps(fine)
    steps = np.arange(first, stop)
    if coarse is None:
        return np.stack([steps, steps], -1)
    if fine.metadata.calendar != coarse.metadata.calendar:
        raise InvalidRequest(
            f"calendars {fine.metadata.calendar!r} and {coarse.metadata.calendar!r}; wanted the "
            "same in both caches"
        )
    _, mine, theirs = np.intersect1d(
        fine.times_s()[first:stop], coarse.times_s(), assume_unique=True, return_indices=True
    )
    if not mine.size:
        raise InvalidRequest(f"no time in {period} is in both caches; choose another period")
    return np.stack([steps[mine], theirs.astype(np.int64)], -1)
