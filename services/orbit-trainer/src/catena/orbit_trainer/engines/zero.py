"""Engine of DeepSpeed: ZeRO 0 to 3 (Rajbhandari et al. 2020), with moments on the host if wanted.

It trains as the native engine does, on data ranks only, and their checkpoints are the same: each
reads the other's, on any number of processes.

DeepSpeed is told to compile nothing: AdamW is torch's, and the collective in shared memory that it
would build on CPUs at the start (a minute) serves inference only.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from catena.orbit_trainer.engines.adamw import decays
from catena.orbit_trainer.engines.base import Call, Fill, Loss, ModelFactory, StepResult, call_orbit
from catena.orbit_trainer.engines.extensions import extensions_folder, wait_for_locks
from catena.orbit_trainer.engines.zero_state import MOMENTS, ZeroState
from catena.orbit_trainer.parallel.blocks import blocks_of, recomputed
from catena.orbit_trainer.training.sharded_checkpoint import CheckpointWriter, load_checkpoint
from catena.shared.errors import InvalidRequest

if TYPE_CHECKING:
    from catena.orbit_trainer.batches import Batch
    from catena.orbit_trainer.training.settings import TrainingSettings

__all__ = ["ZeroEngine"]

_UPDATES = "updates"  # as the native engine has it in its checkpoints
_BUCKET = 500_000_000
"""Numbers that are exchanged at once, at most (DeepSpeed's default)."""


class ZeroEngine:
    """A model and AdamW under DeepSpeed; see :class:`.base.Engine`.

    All processes of the default group make one, with the same arguments.

    Parameters
    ----------
    model_factory : callable
        Makes the whole model; called on the meta device. In stage 3 no process ever holds all of
        it.
    settings : TrainingSettings
        With the engine "deepspeed".
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
    DeadlineExceeded
        When another process compiles an extension for very long.
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
        self.settings = settings
        self._device, self._stage = torch.device(device), settings.zero_stage
        ranks = dist.get_world_size() if dist.is_initialized() else 1
        if settings.mesh.size != ranks:
            raise InvalidRequest(
                f"a mesh of {settings.mesh.size} places for {ranks} processes; wanted equal "
                "numbers: start as many processes, or choose another mesh"
            )
        deepspeed = _prepared(self._device)
        with torch.device("meta"):
            model = model_factory()
        for block in blocks_of(model) if settings.recompute else []:
            recomputed(block)
        # Stage 3 takes the shapes from the weights themselves.
        self._shapes = {name: tuple(one.shape) for name, one in model.named_parameters()}
        self._decaying = {name for name, one in model.named_parameters() if decays(name, one)}
        config = self._config()
        self._fill(model, fill, config)
        self._weights = dict(model.named_parameters())
        self._engine, *_ = deepspeed.initialize(
            model=_Objective(model, call, loss, settings.precision == "bf16"),
            optimizer=self._adamw(),
            config=config,
            dist_init_required=False,
        )
        self._state = ZeroState(self._engine, self._stage, self._weights)
        self._control = dist.new_group(backend="gloo") if ranks > 1 else None
        self._writer = CheckpointWriter(self._control)

    @property
    def data_rank(self) -> int:
        """Which part of each batch is this rank's."""
        return dist.get_rank()

    @property
    def data_ranks(self) -> int:
        """Parts that each batch has."""
        return dist.get_world_size()

    def step(self, batch: Batch, learning_rate: float) -> StepResult:
        """Learn from a batch, of which this rank brings its part (:meth:`.base.Engine.step`)."""
        parts = self.settings.microbatches
        if len(batch) == 0 or len(batch) % parts:
            raise ValueError(
                f"{len(batch)} samples on this rank in {parts} microbatches; wanted a multiple"
            )
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.train()
        batch, total = batch.to(self._device), torch.zeros((), device=self._device)
        norm = math.nan
        for number in range(parts):
            loss = self._engine(batch.part(number, parts))
            total += loss.detach() / parts
            # An infinite loss may have a finite gradient; DeepSpeed looks at gradients only.
            self._engine.backward(loss if loss.isfinite() else loss * math.nan)
            if not self._stage and number == parts - 1:
                norm = self._clip()
            self._engine.step()
        if self._stage:
            # -1 or infinite where it is not finite
            norm = float(self._engine.get_global_grad_norm())
            norm = norm if self._engine.was_step_applied() else math.nan
        return StepResult(self._mean(total), norm, not math.isfinite(norm))

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> float:
        """Loss of a batch, of which this rank brings its part; mean over all ranks."""
        self._engine.eval()
        return self._mean(self._engine(batch.to(self._device)))

    def save(self, folder: Path, meta: Mapping[str, Any]) -> None:
        """Begin to write a checkpoint (:meth:`.base.Engine.save`)."""
        self.wait()
        state: dict[str, Tensor] = {}
        for number, (name, kind) in enumerate(self._tensors()):
            # each process writes a share of the tensors, and keeps no more of them
            whole = self._state.moment(name, kind) if kind else self._state.weight(name)
            if number % self.data_ranks == self.data_rank:
                state[_saved_as(name, kind)] = whole.cpu()
        self._writer.save(folder, state, {**meta, _UPDATES: self._state.updates})

    def wait(self) -> None:
        """Return when the last checkpoint is written, or raise what went wrong with it."""
        self._writer.wait()

    def load(self, folder: Path) -> dict[str, Any]:
        """Go on from a checkpoint, whatever engine, stage and processes wrote it."""
        self.wait()
        tensors = self._tensors()
        state = {
            _saved_as(name, kind): torch.empty(self._shapes[name])
            for number, (name, kind) in enumerate(tensors)
            if number % self.data_ranks == self.data_rank
        }
        said = load_checkpoint(folder, state, self._control)
        for number, (name, kind) in enumerate(tensors):
            value = state.pop(_saved_as(name, kind), None)
            value = torch.empty(self._shapes[name]) if value is None else value
            if self._control is not None:
                dist.broadcast(value, number % self.data_ranks, group=self._control)
            value = value.to(self._device)
            if kind:
                self._state.set_moment(name, kind, value)
            else:
                self._state.set_weight(name, value)
        self._state.updates = int(said.pop(_UPDATES))
        return said

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """All weights by name, whole, float32, on the CPU of rank 0; other ranks have none."""
        whole = {}
        for name in self._weights:
            weight = self._state.weight(name)
            if self.data_rank == 0:
                whole[name] = weight.float().cpu()
        return whole

    def _config(self) -> dict[str, Any]:
        """What DeepSpeed is told."""
        settings = self.settings
        bucket = min(sum(math.prod(shape) for shape in self._shapes.values()), _BUCKET)
        zero: dict[str, Any] = {"stage": self._stage, "reduce_bucket_size": bucket}
        if self._stage < 3:
            zero["allgather_bucket_size"] = bucket
        if settings.offload:
            zero["offload_optimizer"] = {"device": "cpu"}
            if self._stage == 3:
                zero["offload_param"] = {"device": "cpu"}
        return {
            "train_batch_size": settings.batch,
            "gradient_accumulation_steps": settings.microbatches,
            "gradient_clipping": settings.clip if self._stage else 0.0,
            "zero_optimization": zero,
            "zero_force_ds_cpu_optimizer": False,  # torch's own is as fast, and need not be built
            "steps_per_print": None,
        }

    @torch.no_grad()
    def _fill(self, model: nn.Module, fill: Fill, config: dict[str, Any]) -> None:
        """Take a model from the meta device to this one; its first weights are rank 0's.

        DeepSpeed gives them to the others.
        """
        import deepspeed

        names = {part: name for name, part in model.named_modules()}
        for part in reversed(list(model.modules())):  # children first: Init takes all below
            own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
            if not own:
                continue
            part.to_empty(device=self._device, recurse=False)
            buffers = dict(part.named_buffers(recurse=False))
            for leaf, tensor in [*part.named_parameters(recurse=False), *buffers.items()]:
                name = f"{names[part]}.{leaf}" if names[part] else leaf
                if dist.get_rank() == 0 or leaf in buffers:  # those DeepSpeed does not hand out
                    tensor.copy_(fill(name, tuple(tensor.shape), tensor.dtype))
            if self._stage == 3:
                deepspeed.zero.Init(module=part, config_dict_or_path=config, dtype=torch.float32)

    def _adamw(self) -> torch.optim.AdamW:
        """AdamW as in the native engine."""
        settings = self.settings
        groups = []
        for decay, wanted in ((settings.weight_decay, True), (0.0, False)):
            weights = [
                weight
                for name, weight in self._weights.items()
                if weight.requires_grad and (name in self._decaying) is wanted
            ]
            if weights:
                groups.append({"params": weights, "weight_decay": decay})
        return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas, fused=True)

    def _clip(self) -> float:
        """Shorten the gradient of stage 0; drop it where it is not finite. Length before."""
        gradients = [one.grad for one in self._weights.values() if one.grad is not None]
        norm = float(torch.stack(torch._foreach_norm(gradients)).norm())
        if not math.isfinite(norm):
            for weight in self._weights.values():
                weight.grad = None  # AdamW passes over those without
        elif norm > self.settings.clip:
            torch._foreach_mul_(gradients, self.settings.clip / norm)
        return norm

    def _mean(self, loss: Tensor) -> float:
        mean = loss.detach().double() / self.data_ranks
        dist.all_reduce(mean)
        return float(mean)

    def _tensors(self) -> list[tuple[str, str]]:
        """Names of what a checkpoint holds, with the kind of moment; weights have none."""
        learned = [name for name, weight in self._weights.items() if weight.requires_grad]
        return [(name, "") for name in self._weights] + [
            (name, kind) for kind in MOMENTS for name in learned
        ]


class _Objective(nn.Module):
    """What DeepSpeed takes for the model: a batch to its loss."""

    def __init__(self, model: nn.Module, call: Call, loss: Loss, bf16: bool) -> None:
        super().__init__()
        self.model = model
        self._call, self._loss, self._bf16 = call, loss, bf16

    def forward(self, batch: Batch) -> Tensor:
        """Loss of a batch."""
        low = torch.autocast(batch.fields.device.type, torch.bfloat16) if self._bf16 else None
        with low or nullcontext():
            predicted = self._call(self.model, batch)
        return self._loss(predicted.float(), batch)


def _saved_as(name: str, kind: str) -> str:
    """Name of a tensor in a checkpoint, as the native engine has it."""
    return f"{kind or 'weights'}.{name}"


def _prepared(device: torch.device) -> Any:
    """DeepSpeed, with its communication over the processes that there are."""
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed reads it, also where no launcher set it
    wait_for_locks(extensions_folder())
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # Which extensions can be built here; what is not in it is not built, nor probed for.
    deepspeed.ops.__compatible_ops__ = {}
    if not dist.is_initialized():
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    deepspeed.comm.init_distributed(dist_backend=dist.get_backend(), auto_mpi_discovery=False)
    return deepspeed
