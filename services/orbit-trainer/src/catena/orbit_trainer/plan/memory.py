"""Memory of a GPU in a training: what is held always, and what is held between the passes.

Weights, gradients and the two moments of AdamW are float32 and shared over fsdp, sp and tp (ZeRO-3,
Rajbhandari et al. 2020, section 3); gathered weights and activations have the precision of the
computation. Activations are counted tensor by tensor, as autograd saves them (Korthikanti et al.
2022, section 4, do so for another block).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.flops import Parts, Stage, parameters, stages

__all__ = ["Memory", "memory", "saved_bytes"]

STATE = 4
"""Bytes of a number in weights, gradients, moments, statistics of norms."""


@dataclass(frozen=True)
class Memory:
    """Bytes of the fullest GPU.

    Parameters
    ----------
    weights, gradients, moments : float
        Its share of them.
    gathered : float
        Weights gathered for the computation, and their gradients before they are shared.
    activations : float
        Saved for the backward pass, of all microbatches on their way.
    transient : float
        Most that lives within one block, or within the aggregation of variables.
    """

    weights: float
    gradients: float
    moments: float
    gathered: float
    activations: float
    transient: float

    @property
    def total(self) -> float:
        """Bytes altogether."""
        return float(sum(asdict(self).values()))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "total": self.total}


def saved_bytes(
    config: OrbitConfig,
    batch: int,
    *,
    sp: int = 1,
    tp: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    variables: int | None = None,
) -> Parts:
    """Bytes that autograd saves in the forward pass, without weights.

    With `recompute`, those of a block are the ones that it saves when it is computed again.

    Parameters
    ----------
    config : OrbitConfig
    batch : int
        Samples that go through together.
    sp, tp : int
        Processes that share tokens, and heads.
    precision : {"bf16", "fp32"}
    recompute : bool
    variables : int, optional
        In the input; all by default.
    """
    size = 2 if precision == "bf16" else STATE
    count = len(config.variables) if variables is None else variables
    width, heads, places = config.width, config.heads, batch * config.tokens
    numbers = count * config.patch**2
    # Patches; rows of the two tables, and values folded into each; the query in the keys' weights,
    # and itself; what goes into `out`; lead times. Shares of variables are float32 at first.
    embedding = (places + 2 * width) * numbers + 2 * count * width + (heads + 1) * width
    embedding = (embedding + places * width + batch) * size
    embedding += places * count * heads * (STATE + (size if size < STATE else 0))
    # Two norms: what comes in and out of each. Shared by heads: q, k, v; q and k normed; what
    # attention gives. With sp, q, k and v as they were exchanged, what attention gives, and the
    # same put in order. Of the feed-forward part what its first layer gives; with tp, and where the
    # whole block is made again, GELU of it too.
    local = places // sp
    attention = (6 if sp == 1 else 8) * width
    feed = (1 if tp == 1 and not recompute else 2) * config.feed * width
    block = local * (4 * width + (attention + feed) / tp) * size
    # Mean and deviation of norms, and the sum of exponentials of attention.
    block += local * (2 * 2 + (2 * 2 + 1) * heads / tp) * STATE
    head = places * (2 + 2 * config.decoder_depth) * width * size + places * 2 * STATE
    # The loss in float32: the error, and where it is known.
    head += places * len(config.outputs) * config.patch**2 * (STATE + 1)
    return Parts(embedding, block, head, config.depth)


def memory(
    config: OrbitConfig,
    mesh: MeshShape,
    batch: int,
    *,
    microbatches: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    variables: int | None = None,
) -> Memory:
    """Memory of the GPU that needs most.

    Parameters
    ----------
    config : OrbitConfig
    mesh : MeshShape
    batch : int
        Samples of one microbatch of one data rank.
    microbatches : int
        Microbatches of a step; a stage of a pipeline holds as many as there are stages behind it.
    precision : {"bf16", "fp32"}
    recompute : bool
        Whether blocks keep only their input, and are computed again.
    variables : int, optional
    """
    parts = [
        _of_stage(stage, config, mesh, batch, microbatches, precision, recompute, variables)
        for stage in stages(config, mesh.pp)
    ]
    return max(parts, key=lambda one: one.total)


def _of_stage(
    stage: Stage,
    config: OrbitConfig,
    mesh: MeshShape,
    batch: int,
    microbatches: int,
    precision: str,
    recompute: bool,
    variables: int | None,
) -> Memory:
    size = 2 if precision == "bf16" else STATE
    shards = mesh.fsdp * mesh.sp
    numbers = parameters(config, mesh.tp, shards)
    ends = stage.first * numbers.embedding + stage.last * numbers.head
    own = stage.of(numbers) / shards
    saved = saved_bytes(
        config,
        batch,
        sp=mesh.sp,
        tp=mesh.tp,
        precision=precision,
        recompute=recompute,
        variables=variables,
    )
    given = batch * config.tokens // mesh.sp * config.width * size  # what a block begins with
    kept = given if recompute else saved.block
    activations = stage.of(replace(saved, block=kept))
    activations *= min(mesh.pp - stage.number, microbatches)
    # Patches weighed by each head, their gradient, and the product of both.
    count = len(config.variables) if variables is None else variables
    weighed = batch * config.tokens * config.heads * count * config.patch**2 * size
    transient = max(3.0 * weighed * stage.first, saved.block if recompute else 2.0 * given)
    return Memory(
        STATE * own,
        STATE * own,
        2 * STATE * own,
        _gathered(ends, stage.blocks, numbers.block, mesh, size),
        activations,
        transient,
    )


def _gathered(ends: float, blocks: int, block: float, mesh: MeshShape, size: int) -> float:
    """Of weights in the precision of the computation, and of their gradients."""
    if mesh.data_ranks * mesh.sp == 1:
        return (ends + blocks * block) * size if size < STATE else 0.0
    if mesh.pp > 1:  # weights and gradients of all blocks stay until the last microbatch
        return (ends + blocks * block) * (size + STATE)
    if mesh.fsdp * mesh.sp == 1:  # replicas keep all weights, gradients of one block at a time
        return (ends + blocks * block) * size + (ends + 2 * block) * (size + STATE)
    # The block that works and the one that is gathered for after it.
    return (ends + min(2, blocks) * block) * (2 * size + STATE)
