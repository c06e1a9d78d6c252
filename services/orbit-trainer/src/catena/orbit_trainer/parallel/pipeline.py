"""Pipeline parallelism: stages of blocks, one microbatch forward and one backward in turn (1F1B).

Narayanan et al. 2021 (Megatron-LM, section 2.2). A stage is the whole model without the parts that
others hold, so weights keep their names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B

from catena.models.orbit import Orbit

if TYPE_CHECKING:
    from catena.orbit_trainer.batches import Batch
    from catena.orbit_trainer.engines.base import Call, Loss

__all__ = ["Pipeline", "cut_stage"]


def cut_stage(model: nn.Module, stage: int, stages: int) -> None:
    """Leave in a model what one of several stages computes, in place.

    The first has the embedding, the last the head; blocks are dealt out as evenly as can be.

    Raises
    ------
    ValueError
        When the model is no :class:`catena.models.orbit.Orbit`, or has fewer blocks than stages.
    """
    if not isinstance(model, Orbit):
        raise ValueError(
            f"a pipeline of {stages} stages for {type(model).__name__}; only Orbit can be cut into "
            "stages: set mesh.pp to 1"
        )
    depth = len(model.blocks)
    if depth < stages:
        raise ValueError(f"{stages} stages for {depth} blocks; wanted no more stages than blocks")
    own = range(depth * stage // stages, depth * (stage + 1) // stages)
    for place in range(depth):
        if place not in own:
            del model.blocks[str(place)]
    if stage > 0:
        model.embedding = None
    if stage < stages - 1:
        model.head = None


class _Stage(PipelineStage):
    """A stage that looks its samples up: what goes through the schedule is their number."""

    batch: Batch
    microbatches: int
    call: Call

    def forward_maybe_with_nosync(self, *args: Any, **_: Any) -> Tensor:
        if self.is_first:
            return self.call(self.submod, self.batch.part(int(args[0]), self.microbatches))
        return self.call(self.submod, replace(self.batch, fields=args[0]))


class Pipeline:
    """Runs batches through the stage of this process and those of others.

    Parameters
    ----------
    model : Module
        The stage of this process.
    group : ProcessGroup
        One process for each stage, in their order.
    device : torch.device
    call, loss : callable
        Give a model its batch, and judge what the last stage predicts (in float32).
    microbatches : int
        Equal parts of a batch that follow one another.
    tokens : tuple of int
        (L, D) of what one stage sends to the next.
    dtype : torch.dtype
        Of what is sent.
    """

    def __init__(
        self,
        model: nn.Module,
        group: dist.ProcessGroup,
        device: torch.device,
        call: Call,
        loss: Loss,
        microbatches: int,
        tokens: tuple[int, int],
        dtype: torch.dtype,
    ) -> None:
        self._model, self._group, self._device = model, group, device
        self._call, self._loss = call, loss
        self._microbatches, self._tokens, self._dtype = microbatches, tokens, dtype
        self._rank, self._stages = group.rank(), group.size()
        self._made: dict[int, tuple[_Stage, Schedule1F1B]] = {}

    @property
    def is_last(self) -> bool:
        """Whether losses are computed here."""
        return self._rank == self._stages - 1

    def gradients(self, batch: Batch) -> Tensor:
        """Loss of a batch, of which all weights get their gradient; 0 but in the last stage."""
        if len(batch) not in self._made:
            # buffers for what is sent are made once for batches of a size
            self._made[len(batch)] = self._schedule(len(batch) // self._microbatches)
        stage, schedule = self._made[len(batch)]
        stage.batch = batch
        numbers = torch.arange(self._microbatches)
        losses: list[Tensor] = []
        schedule.step(
            *((numbers,) if self._rank == 0 else ()),
            target=numbers if self.is_last else None,
            losses=losses if self.is_last else None,
            return_outputs=False,
        )
        total = torch.zeros((), device=self._device)
        return sum((part.detach() for part in losses), start=total)

    def evaluate(self, batch: Batch) -> Tensor:
        """Loss of a batch, without gradients; 0 but in the last stage."""
        given = batch
        if self._rank > 0:
            size = (len(batch), *self._tokens)
            tokens = torch.empty(size, dtype=self._dtype, device=self._device)
            dist.recv(tokens, group=self._group, group_src=self._rank - 1)
            given = replace(batch, fields=tokens)
        output = self._call(self._model, given)
        if self.is_last:
            return self._loss(output.float(), batch)
        dist.send(output.contiguous(), group=self._group, group_dst=self._rank + 1)
        return torch.zeros((), device=self._device)

    def _schedule(self, samples: int) -> tuple[_Stage, Schedule1F1B]:
        # What comes and goes is said beforehand, so that no pass is spent on finding out.
        size, parts = (samples, *self._tokens), self._microbatches
        sent = torch.empty(size, dtype=self._dtype, device="meta", requires_grad=True)
        number = torch.empty(1, dtype=torch.int64, device="meta")
        stage = _Stage(
            self._model,
            self._rank,
            self._stages,
            self._device,
            input_args=number if self._rank == 0 else sent,
            output_args=sent,
            group=self._group,
        )
        stage.call, stage.microbatches = self._call, parts

        def judged(output: Tensor, number: Tensor) -> Tensor:
            return self._loss(output.float(), stage.batch.part(int(number), parts)) / parts

        return stage, Schedule1F1B(stage, parts, judged, scale_grads=False)
