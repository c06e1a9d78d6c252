"""Engine of torch alone: any mesh of pipeline, data, shards, sequence and tensor parallelism."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.placement_types import _StridedShard

from catena.models.orbit import Orbit
from catena.orbit_trainer.engines.adamw import AdamW
from catena.orbit_trainer.engines.base import (
    Call,
    Fill,
    Loss,
    ModelFactory,
    StepResult,
    call_orbit,
)
from catena.orbit_trainer.parallel.mesh import build_mesh
from catena.orbit_trainer.parallel.parallelize import (
    fill_weights,
    parallelize,
    shards_data,
)
from catena.orbit_trainer.parallel.shard import reduce_in_last, release
from catena.orbit_trainer.parallel.tensor import partial_gradients, sum_gradients
from catena.orbit_trainer.training.sharded_checkpoint import CheckpointWriter, load_checkpoint

if TYPE_CHECKING:
    from catena.orbit_trainer.batches import Batch
    from catena.orbit_trainer.parallel.pipeline import Pipeline
    from catena.orbit_trainer.training.settings import TrainingSettings

__all__ = ["NativeEngine"]

_UPDATES = "updates"  # of the weights: fewer than steps where some were skipped


class NativeEngine:
    """A model and AdamW on any mesh of processes; see :class:`.base.Engine`.

    All processes of the default group make one, with the same arguments.

    Parameters
    ----------
    model_factory : callable
        Makes the whole model; called on the meta device.
    settings : TrainingSettings
    loss : callable
        Of what was predicted (float32) and its batch.
    device : torch.device or str
        Of this process.
    fill : callable
        First weights, by name.
    call : callable
        Gives the model its batch; that of Orbit by default.

    Raises
    ------
    InvalidRequest
        When there are more or fewer processes than places in ``settings.mesh``.
    ValueError
        When the model does not fit the mesh.
    """

    def __init__(
        self,
        model_factory: ModelFactory,
        settings: TrainingSettings,
        loss: Loss,
        device: torch.device | str,
        *,
        fill: Fill,
        call: Call = call_orbit,
    ) -> None:
        self.settings, self._loss, self._call = settings, loss, call
        self._device = torch.device(device)
        shape = self._shape = settings.mesh
        together = dist.is_initialized() and dist.get_world_size() > 1
        self._mesh = build_mesh(shape, self._device.type) if together or shape.size > 1 else None
        with torch.device("meta"):
            model = model_factory()
        # of what stages of a pipeline send; a pipeline of anything else is refused below
        sent = model.config if isinstance(model, Orbit) else None
        self.model = parallelize(
            model,
            self._mesh,
            shape,
            recompute=settings.recompute,
            compile=settings.compile,
            precision=settings.precision,
        )
        fill_weights(model, fill, self._device)
        self._weights = dict(model.named_parameters())
        self._optimizer = AdamW(self._weights, settings.betas, settings.weight_decay)
        self._partial = partial_gradients(model) if shape.tp > 1 else []
        self._replicas = {name: self._copies(one) for name, one in self._weights.items()}
        sharded, low = shards_data(shape), settings.precision == "bf16"
        self._autocast = low and not sharded
        self._pipeline: Pipeline | None = None
        if self._mesh is not None and sent is not None and shape.pp > 1:
            # It brings torch's compiler with it, which servers would start with for nothing.
            from catena.orbit_trainer.parallel.pipeline import Pipeline

            self._pipeline = Pipeline(
                model,
                self._mesh["pp"].get_group(),
                self._device,
                call,
                loss,
                settings.microbatches,
                (sent.tokens // shape.sp, sent.width),
                torch.bfloat16 if low and sharded else torch.float32,
            )
        # What is said between processes beside the training, also while it goes on.
        self._control = dist.new_group(backend="gloo") if self._mesh is not None else None
        self._writer = CheckpointWriter(self._control)

    @property
    def data_rank(self) -> int:
        """Which part of each batch is this rank's."""
        if self._mesh is None:
            return 0
        replica, shard = (self._mesh[name].get_local_rank() for name in ("ddp", "fsdp"))
        return replica * self._shape.fsdp + shard

    @property
    def data_ranks(self) -> int:
        """Parts that each batch has."""
        return self._shape.data_ranks

    def step(self, batch: Batch, learning_rate: float) -> StepResult:
        """Learn from a batch, of which this rank brings its part (:meth:`.base.Engine.step`)."""
        parts = self.settings.microbatches
        if len(batch) == 0 or len(batch) % parts:
            raise ValueError(
                f"{len(batch)} samples on this rank in {parts} microbatches; wanted a multiple"
            )
        self.model.train()
        batch = batch.to(self._device)
        loss = self._gradients(batch)
        if self._partial and self._mesh is not None:
            sum_gradients(self._partial, self._mesh["tp"].get_group())
        gradients = self._local_gradients()
        mean, norm = self._agreed(loss, gradients)
        # All ranks have the same two numbers, so all decide alike.
        finite = math.isfinite(mean) and math.isfinite(norm)
        if finite:
            if norm > self.settings.clip:
                torch._foreach_mul_(list(gradients.values()), self.settings.clip / norm)
            self._optimizer.step(gradients, learning_rate)
        for weight in self._weights.values():
            weight.grad = None
        return StepResult(mean, norm, not finite)

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> float:
        """Loss of a batch, of which this rank brings its part; mean over all ranks."""
        self.model.eval()
        batch = batch.to(self._device)
        with self._precision():
            if self._pipeline is not None:
                loss = self._pipeline.evaluate(batch)
            else:
                loss = self._loss(self._call(self.model, batch).float(), batch)
        release(self.model)
        return self._agreed(loss, {})[0]

    def save(self, folder: Path, meta: Mapping[str, Any]) -> None:
        """Begin to write a checkpoint (:meth:`.base.Engine.save`)."""
        self._writer.save(folder, self._state(), {**meta, _UPDATES: self._optimizer.steps})

    def wait(self) -> None:
        """Return when the last checkpoint is written, or raise what went wrong with it."""
        self._writer.wait()

    def load(self, folder: Path) -> dict[str, Any]:
        """Go on from a checkpoint, whatever mesh wrote it; returns its `meta`."""
        self.wait()
        said = load_checkpoint(folder, self._state(), self._control)
        self._optimizer.steps = int(said.pop(_UPDATES))
        return said

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """All weights by name, whole, float32, on the CPU of rank 0; other ranks have none."""
        self.wait()  # it talks over the same group
        whole: dict[str, Tensor] = {}
        first = self._mesh is None or not any((self._mesh.get_coordinate() or ())[1:])
        for name, weight in self._weights.items():
            # One after the other: the whole model need not fit into the memory of a device.
            tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
            if first:
                whole[name] = tensor.detach().float().cpu().clone()
        if self._pipeline is not None and self._mesh is not None:
            for rank in self._mesh.mesh[1:, 0, 0, 0, 0].tolist():
                self._send_weights(whole, rank)
        return whole if not dist.is_initialized() or dist.get_rank() == 0 else {}

    def _send_weights(self, whole: dict[str, Tensor], rank: int) -> None:
        """Give the weights of a later stage to rank 0."""
        own = dist.get_rank()
        said = [[(name, tuple(one.shape)) for name, one in whole.items()] if own == rank else None]
        dist.broadcast_object_list(said, src=rank, group=self._control)
        for name, shape in said[0] or []:
            if own == rank:
                dist.send(whole[name], 0, group=self._control)
            elif own == 0:
                whole[name] = torch.empty(shape)
                dist.recv(whole[name], rank, group=self._control)

    def _gradients(self, batch: Batch) -> Tensor:
        """Loss of this rank's samples, of which all weights get their gradient."""
        with self._precision():
            if self._pipeline is not None:
                return self._pipeline.gradients(batch)
        parts = self.settings.microbatches
        total = torch.zeros((), device=self._device)
        for number in range(parts):
            reduce_in_last(self.model, number == parts - 1)
            part = batch.part(number, parts)
            with self._precision():
                predicted = self._call(self.model, part)
            loss = self._loss(predicted.float(), part) / parts
            torch.autograd.backward(loss)
            total += loss.detach()
        return total

    def _local_gradients(self) -> dict[str, Tensor]:
        """What this rank has of the gradients; weights without one are left out."""
        found = {}
        for name, weight in self._optimizer.weights.items():
            gradient = weight.grad
            if isinstance(gradient, DTensor) and isinstance(weight, DTensor):
                if gradient.placements != weight.placements:
                    gradient = gradient.redistribute(placements=weight.placements)
                gradient = gradient.to_local()
            if gradient is not None:
                found[name] = gradient
        return found

    def _agreed(self, loss: Tensor, gradients: Mapping[str, Tensor]) -> tuple[float, float]:
        """Mean loss and length of the gradient, over all ranks, in one exchange."""
        shape = self._shape
        sums = torch.zeros(2, dtype=torch.float64, device=self._device)
        # Other stages than the last have a loss of 0.
        sums[0] = loss.detach().double() / (shape.data_ranks * shape.sp * shape.tp)
        if gradients:
            norms = torch.stack(torch._foreach_norm(list(gradients.values()))).double()
            copies = torch.tensor([self._replicas[name] for name in gradients], device=self._device)
            sums[1] = (norms.square() / copies).sum()
        if self._mesh is not None:
            dist.all_reduce(sums)
        mean, squared = sums.tolist()
        return mean, math.sqrt(squared) if squared >= 0 else math.nan

    def _copies(self, weight: nn.Parameter) -> int:
        """Ranks that have the same part of a weight as this one."""
        shards = 1
        if isinstance(weight, DTensor):
            for place, count in zip(weight.placements, weight.device_mesh.shape, strict=True):
                shards *= count if isinstance(place, (Shard, _StridedShard)) else 1
        return self._shape.size // self._shape.pp // shards

    def _state(self) -> dict[str, Tensor]:
        """What a checkpoint holds, by names that do not depend on the mesh."""
        state = {f"weights.{name}": one.detach() for name, one in self._weights.items()}
        state |= {f"first.{name}": one for name, one in self._optimizer.first.items()}
        return state | {f"second.{name}": one for name, one in self._optimizer.second.items()}

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast)
