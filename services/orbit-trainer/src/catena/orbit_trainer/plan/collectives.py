"""Collectives of a training step in closed form: the list that a trace of the engine gives.

Of :class:`catena.orbit_trainer.engines.native.NativeEngine`: weights are gathered and gradients
reduced block by block (FSDP2, the rest of the model as one more unit), linear layers of blocks sum
over `tp`, attention exchanges heads over `sp`, stages send tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.flops import Stage, parameters, stages

__all__ = ["Collective", "Kind", "gathered", "step_collectives"]

Kind = Literal["all_gather", "reduce_scatter", "all_reduce", "all_to_all", "send"]

FULL = 4
"""Bytes of a number in gradients that are summed."""


@dataclass(frozen=True)
class Collective:
    """An exchange between the ranks along a direction of the mesh.

    Parameters
    ----------
    kind : str
    dimension : str
        Direction of the mesh; ``fsdp+sp`` where a group spans both, ``all`` for all ranks.
    ranks : int
        Members of the group.
    bytes : int
        Of what is whole: gathered, or before it is reduced or scattered; of what a rank sends, for
        ``all_to_all`` and ``send``.
    count : int
        How often in a step.
    """

    kind: Kind
    dimension: str
    ranks: int
    bytes: int
    count: int = 1


def gathered(found: Iterable[Collective]) -> list[Collective]:
    """Alike collectives as one, counted, in the order of their first."""
    counts: dict[Collective, int] = {}
    for one in found:
        alike = replace(one, count=1)
        counts[alike] = counts.get(alike, 0) + one.count
    return [replace(one, count=count) for one, count in counts.items() if count]


def step_collectives(
    config: OrbitConfig,
    mesh: MeshShape,
    batch: int,
    *,
    microbatches: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    stage: int = 0,
) -> list[Collective]:
    """Collectives of one step of a rank, alike ones counted together.

    Parameters
    ----------
    config : OrbitConfig
    mesh : MeshShape
    batch : int
        Samples of one microbatch of one data rank.
    microbatches : int
    precision : {"bf16", "fp32"}
    recompute : bool
        Whether blocks are computed again in the backward pass.
    stage : int
        Which stage of the pipeline the rank is in.
    """
    of = stages(config, mesh.pp)[stage]
    found = [
        *_weights(config, mesh, of, microbatches, 2 if precision == "bf16" else FULL),
        *_layers(config, mesh, of, batch, microbatches, precision, recompute),
    ]
    if mesh.size > 1:  # the loss, and the length of the gradient
        found.append(Collective("all_reduce", _everywhere(mesh), mesh.size, 16))
    return gathered(found)


def _everywhere(mesh: MeshShape) -> str:
    """Name of the group of all ranks: a direction, where there is only that."""
    longer = [name for name, count in asdict(mesh).items() if count > 1]
    if len(longer) == 1:
        return longer[0]
    return "fsdp+sp" if longer == ["fsdp", "sp"] else "all"


def _weights(
    config: OrbitConfig, mesh: MeshShape, stage: Stage, microbatches: int, size: int
) -> Iterator[Collective]:
    """Gathering of weights, reduction of gradients; per block, and of embedding with head."""
    shards = mesh.fsdp * mesh.sp
    numbers = parameters(config, mesh.tp, shards)
    ends = stage.first * numbers.embedding + stage.last * numbers.head
    # A pipeline gathers and reduces once a step, all else for every microbatch; and a block twice,
    # for each pass.
    often, passes = (1, 1) if mesh.pp > 1 else (microbatches, 2)
    across = "fsdp" if mesh.sp == 1 else "fsdp+sp" if mesh.fsdp > 1 else "sp"
    units = [(int(numbers.block), stage.blocks, passes), (int(ends), 1 if ends else 0, 1)]
    for whole, count, turns in units:
        if shards > 1:
            yield Collective("all_gather", across, shards, whole * size, count * often * turns)
            yield Collective("reduce_scatter", across, shards, whole * FULL, count * often)
        if mesh.ddp > 1:
            yield Collective("all_reduce", "ddp", mesh.ddp, whole // shards * FULL, count)


def _layers(
    config: OrbitConfig,
    mesh: MeshShape,
    stage: Stage,
    batch: int,
    microbatches: int,
    precision: str,
    recompute: bool,
) -> Iterator[Collective]:
    """Exchanges of activations."""
    size = 2 if precision == "bf16" else FULL
    sharded = mesh.data_ranks * mesh.sp > 1
    # Under autocast norms, and so gradients between layers, are float32; so are tokens sent.
    between = size if sharded else FULL
    numbers = batch * config.tokens // mesh.sp * config.width
    passes = stage.blocks * microbatches
    if mesh.tp > 1:
        # Attention and feed-forward part, each way; made again, only what something waits for.
        yield Collective(
            "all_reduce", "tp", mesh.tp, numbers * size, passes * (3 if recompute else 2)
        )
        yield Collective("all_reduce", "tp", mesh.tp, numbers * between, passes * 2)
        rows = math.ceil(config.head_width / (mesh.fsdp * mesh.sp))
        # Norms of queries and keys, of which each process saw its heads.
        yield Collective("all_reduce", "tp", mesh.tp, stage.blocks * 4 * rows * FULL)
    if mesh.sp > 1:
        own, turns = numbers // mesh.tp * size, passes * (3 if recompute else 2)
        yield Collective("all_to_all", "sp", mesh.sp, 3 * own, turns)
        yield Collective("all_to_all", "sp", mesh.sp, own, turns)
        if stage.last:
            yield Collective("all_gather", "sp", mesh.sp, numbers * mesh.sp * size, microbatches)
    if mesh.pp > 1:
        neighbours = (not stage.last) + (not stage.first)
        yield Collective("send", "pp", mesh.pp, numbers * between, neighbours * microbatches)
