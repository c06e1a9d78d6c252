"""Fine-tune for spin-ups: what is known of a site to the pools of its equilibrium."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from catena.models.column_scale import ColumnScale
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_spin_up import InputKind, OrbitSpinUp, SpinUpConfig, initial_spin_up
from catena.models.plant_rows import PlantRows, Rows
from catena.models.spin_up_emulator import SpinUpEmulator, SpinUpScales
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.tasks.adapters import Adaptation, FineTune, fine_tune
from catena.orbit_trainer.tasks.samples import SampleStream
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.loop import Progress, train
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidData, InvalidRequest

__all__ = [
    "PoolError",
    "SpinUpSamples",
    "SpinUpStream",
    "call_spin_up",
    "fit_emulator",
    "known_error",
    "spin_up_config",
    "spin_up_task",
]

MONTHS = 12


@dataclass(frozen=True, eq=False)
class SpinUpSamples:
    """Sites with their equilibria.

    Parameters
    ----------
    inputs : mapping of str to array
        (N, rows, features) where rows are alike (a series of months, plant types, soil levels), or
        (N, numbers); NaN where missing.
    targets : array, (N, K)
        Pools; NaN where a site has none.
    logarithmic : array of bool, (K,), or bool
        Pools that are never negative and span orders of magnitude.
    logarithmic_inputs : mapping of str to the same, optional
        Of the features of inputs.

    Raises
    ------
    InvalidData
        When numbers of sites differ, or something is infinite.
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: NDArray[Any]
    logarithmic: ArrayLike = True
    logarithmic_inputs: Mapping[str, ArrayLike] | None = None

    def __post_init__(self) -> None:
        arrays = {**self.inputs, "targets": self.targets}
        counts = {name: len(values) for name, values in arrays.items()}
        if not self.inputs or len(set(counts.values())) != 1 or self.targets.ndim != 2:
            raise InvalidData(
                f"numbers of sites {counts}, targets of shape {self.targets.shape}; wanted inputs, "
                "and (sites, pools), with as many sites in all"
            )
        for name, values in arrays.items():
            if values.ndim not in (2, 3) or np.isinf(values).any():
                raise InvalidData(
                    f"{name} of shape {values.shape}; wanted (sites, rows, features) or (sites, "
                    "numbers), and nothing infinite"
                )

    def __len__(self) -> int:
        return len(self.targets)

    def by_plant(self, plants: PlantRows) -> tuple[Self, Rows]:
        """As rows of one plant each, and which rows these are.

        Raises
        ------
        InvalidData
            When the inputs do not say which plants sites have.
        """
        try:
            rows = plants.rows(self.inputs)
        except ValueError as error:
            raise InvalidData(f"sites cannot be parted by their plants: {error}") from error
        chosen = self.logarithmic_inputs or {}
        return replace(
            self,
            inputs=plants.inputs(self.inputs, rows),
            targets=plants.targets(self.targets, rows),
            logarithmic=plants.folded_pools(self.logarithmic),
            logarithmic_inputs={kind: plants.folded(flags, kind) for kind, flags in chosen.items()},
        ), rows

    def scales(self, rows: ArrayLike | None = None) -> SpinUpScales:
        """Scales of inputs and targets, by the sites that are trained on.

        Raises
        ------
        InvalidData
            When something that is to have logarithms is negative.
        """
        sites = slice(None) if rows is None else np.asarray(rows)
        chosen = self.logarithmic_inputs or {}
        try:
            inputs = {
                name: ColumnScale.fitted(values[sites], chosen.get(name, False))
                for name, values in self.inputs.items()
            }
            return SpinUpScales(inputs, ColumnScale.fitted(self.targets[sites], self.logarithmic))
        except ValueError as error:
            raise InvalidData(f"inputs or pools cannot be scaled: {error}") from error


def spin_up_config(
    samples: SpinUpSamples, backbone: OrbitConfig, per_token: int = 16
) -> SpinUpConfig:
    """Shape of an emulator for these samples on the blocks of an ORBIT model.

    A year of a series is a token where it is made of whole years of months; else each row is, as
    of plant types and levels; of plain numbers `per_token` share one.
    """
    kinds = []
    for name, values in samples.inputs.items():
        if values.ndim == 2:
            kinds.append(InputKind.vector(name, values.shape[1], per_token))
        else:
            _, rows, features = values.shape
            years = rows > MONTHS and rows % MONTHS == 0
            kinds.append(InputKind(name, rows, features, MONTHS if years else 1))
    return SpinUpConfig(
        tuple(kinds),
        samples.targets.shape[1],
        backbone.width,
        backbone.depth,
        backbone.heads,
        backbone.feed,
        backbone.decoder_depth,
        backbone.drop_path,
    )


def known_error(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error; targets that are not known (NaN) count as met.

    The divisor is the number of all targets, so that the mean over equal parts of a batch is that
    of the batch.
    """
    known = ~targets.isnan()
    error = predicted - torch.where(known, targets, 0.0)
    return torch.where(known, error.square(), 0.0).sum() / targets.numel()


class PoolError:
    """Error of normalised pools, and of what they hold beside it.

    In logarithms a small pool weighs as much as a large one, but the carbon is in the large ones:
    an error of a tenth there is the error of a region. So the error in the pools' own units, over
    their standard deviation, is added; large ones count by their size, not its square (Huber 1964).

    Parameters
    ----------
    scale : ColumnScale
        Of the pools.
    targets : array, (N, K)
        Pools of training.
    """

    def __init__(self, scale: ColumnScale, targets: NDArray[Any]) -> None:
        known = np.isfinite(targets)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, targets, 0.0).sum(0) / count
        own = np.sqrt(np.where(known, (targets - mean) ** 2, 0.0).sum(0) / count)
        # What lies above e times the largest pool is wrong enough to be told by its logarithm.
        most = np.log(np.where(known, targets, 0.0).max(0, initial=0.0) + scale.floor + 1e-30) + 1
        self._mean, self._std, self._floor, self._own, self._most = (
            torch.from_numpy(np.asarray(one, np.float32))
            for one in (scale.mean, scale.std, scale.floor, np.where(own > 0, own, 1.0), most)
        )

    def __call__(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Sum of both, of what is normalised, (N, K); what is not known (NaN) counts as met."""
        missed = (self._held(predicted) - self._held(targets)) / self._own.to(predicted.device)
        missed = torch.where(targets.isnan(), 0.0, missed)
        held = huber_loss(missed, torch.zeros_like(missed), reduction="sum") / targets.numel()
        return known_error(predicted, targets) + held

    def _held(self, normalised: Tensor) -> Tensor:
        """Pools in their units."""
        mean, std, floor, most = (
            one.to(normalised.device) for one in (self._mean, self._std, self._floor, self._most)
        )
        plain = normalised * std + mean
        # Of both branches gradients are taken: none may overflow.
        amount = torch.exp(torch.where(floor > 0, torch.minimum(plain, most), 0.0)) - floor
        return torch.where(floor > 0, amount, plain)


def call_spin_up(model: nn.Module, batch: Batch) -> Tensor:
    """Normalised pools of a batch."""
    made: Tensor = model(batch.extra)
    return made


def spin_up_task(
    config: SpinUpConfig,
    error: Callable[[Tensor, Tensor], Tensor] = known_error,
    *,
    pretrained: Pretrained | None = None,
    adaptation: Adaptation | None = None,
    seed: int = 0,
) -> FineTune:
    """A training of an emulator, on the blocks of a pre-trained model or from scratch.

    Only blocks are taken over: encoders and head are new. The error is that of normalised pools
    and their targets.

    Raises
    ------
    InvalidRequest, InvalidData
        See :func:`catena.orbit_trainer.tasks.adapters.fine_tune`.
    """
    return fine_tune(
        lambda: OrbitSpinUp(config),
        call_spin_up,
        lambda predicted, batch: error(predicted, batch.targets),
        config=None,
        pretrained=pretrained,
        taken=("blocks.",),
        adaptation=adaptation or Adaptation(),
        initial=partial(initial_spin_up, config),
        seed=seed,
    )


class SpinUpStream(SampleStream):
    """Batches of sites.

    Parameters
    ----------
    samples : SpinUpSamples
    scales : SpinUpScales
    size, seed : int
        See :class:`SampleStream`.
    rows : sequence of int, optional
        Sites that are used; all by default.
    """

    def __init__(
        self,
        samples: SpinUpSamples,
        scales: SpinUpScales,
        size: int,
        seed: int,
        rows: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> None:
        self.rows = np.arange(len(samples)) if rows is None else np.asarray(rows, np.int64)
        super().__init__(len(self.rows), size, seed)
        self._inputs = scales.normalised(samples.inputs)
        self._targets = torch.from_numpy(scales.targets.normalised(samples.targets))

    def made(self, places: NDArray[np.int64]) -> Batch:
        """Batch of the sites at these places among `rows`."""
        sites = torch.from_numpy(self.rows[places])
        return Batch(
            # There are no fields; the batch is counted by them.
            torch.zeros(len(sites), 0),
            self._targets[sites],
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(len(sites)),
            None,
            {name: values[sites] for name, values in self._inputs.items()},
        )


def fit_emulator(
    samples: SpinUpSamples,
    backbone: OrbitConfig,
    settings: TrainingSettings,
    folder: Path,
    *,
    pretrained: Pretrained | None = None,
    adaptation: Adaptation | None = None,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
    validation: Sequence[int] | NDArray[np.int64] = (),
    members: int = 1,
    pools: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    plants: PlantRows | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = lambda fraction, message: None,
) -> tuple[SpinUpEmulator, list[History]]:
    """Train an emulator, and say how it went.

    Parameters
    ----------
    samples : SpinUpSamples
    backbone : OrbitConfig
        Width, depth, heads and feed of the blocks: those of the pre-trained model, if there is one.
    settings : TrainingSettings
    folder : Path
        Of this training's checkpoints: called again, it goes on.
    pretrained, adaptation
        See :func:`spin_up_task`.
    rows : sequence of int, optional
        Sites to train on, of which the scales are; all but those of validation by default.
    validation : sequence of int
        Sites that the best weights are chosen on, and that intervals are made from: whole regions,
        not single sites among others. Without them predictions have no intervals.
    members : int
        Models that are trained one after the other, from different first weights and in another
        order of sites; the emulator says their mean.
    pools : sequence of str, optional
        Names of the targets.
    about : mapping, optional
        What the sites say of themselves, as JSON holds it.
    plants : PlantRows, optional
        With it plants learn from each other: a row for each plant of a site.
    device : torch.device or str
    progress : callable

    Returns
    -------
    emulator : SpinUpEmulator
    histories : list of History
        Of each member.

    Raises
    ------
    InvalidRequest, InvalidData
        See :func:`spin_up_task` and :class:`SpinUpSamples`.
    FailedPrecondition
        When the folder is another training's.
    """
    if members < 1:
        raise InvalidRequest(f"{members} members; wanted 1 at least")
    sites_held_out = np.asarray(validation, np.int64)
    sites = np.setdiff1d(np.arange(len(samples)), sites_held_out) if rows is None else rows
    whole, held_out, own = samples, sites_held_out, np.asarray(sites, np.int64)
    if plants is not None:
        samples, parted = whole.by_plant(plants)
        held_out, own = (np.flatnonzero(np.isin(parted.site, part)) for part in (held_out, own))
    scales, config = samples.scales(own), spin_up_config(samples, backbone)
    error = PoolError(scales.targets, samples.targets[own])
    weights, histories = [], []
    for member in range(members):
        each = replace(settings, seed=settings.seed + member)
        task = spin_up_task(
            config, error, pretrained=pretrained, adaptation=adaptation, seed=each.seed
        )
        looks = []
        if held_out.size:
            looked_at = SpinUpStream(samples, scales, each.batch, settings.seed, held_out)
            looks = [looked_at.batch(n) for n in range(max(held_out.size // each.batch, 1))]
        made = train(
            NativeEngine(task.factory, each, task.loss, device, fill=task.fill, call=task.call),
            SpinUpStream(samples, scales, each.batch, each.seed, own),
            each,
            folder=folder / f"member{member}" if member else folder,
            progress=_part(progress, member, members),
            validation=looks,
            about={"config": config.to_dict(), "sites": len(sites)},
        )
        weights.append(task.adaptation.merged(made.weights))
        histories.append(made.history)
    emulator = SpinUpEmulator(config, scales, weights, pools, about, plants)
    if sites_held_out.size:
        emulator.calibrate(whole.inputs, whole.targets, np.asarray(sites, np.int64), sites_held_out)
    return emulator, histories


def _part(progress: Progress, member: int, members: int) -> Progress:
    """Progress of one of several trainings."""
    if members == 1:
        return progress
    return lambda fraction, message: progress(
        (member + fraction) / members, f"model {member + 1} of {members}, {message}"
    )
