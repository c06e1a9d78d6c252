"""Time of a training step: arithmetic, collectives, pipeline, stragglers, and what never scales.

A collective of n ranks moves ``(n - 1) / n`` of its bytes through each rank (twice for an
all-reduce) and takes ``n - 1`` messages one after the other in a ring, ``log2 n`` in a tree
(Thakur et al. 2005; twice as many for an all-reduce). All groups along a direction of the mesh work
at the same moment and share the ports of their nodes.

Gathering and reducing weights runs beside the arithmetic, so only what is longer than it is waited
for; exchanges inside a layer (tp, sp) and between stages (pp) are waited for wholly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.special import ndtri

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MESH_DIMENSIONS, MeshShape
from catena.orbit_trainer.plan.cluster import Cluster
from catena.orbit_trainer.plan.collectives import Collective, step_collectives
from catena.orbit_trainer.plan.flops import rank_flops, step_flops

__all__ = ["StepTime", "Workload", "collective_seconds", "slowest", "step_time", "workload"]

BACKWARD = 2.0 / 3.0
"""Share of the backward pass in a step's arithmetic."""

SMALL = 65_536
"""Bytes up to which libraries take a tree even where they else take rings."""


@dataclass(frozen=True)
class Workload:
    """What a step asks of a cluster, whatever that is.

    Parameters
    ----------
    mesh : MeshShape
    batch : int
        Samples of a step, over all ranks.
    microbatches : int
        Parts of a data rank's samples that follow one another.
    precision : {"bf16", "fp32"}
    flops : float
        What the busiest rank computes in a step.
    model_flops : float
        What a step needs over all ranks, without what is computed twice.
    collectives : sequence of Collective
        What a rank exchanges in a step.
    """

    mesh: MeshShape
    batch: int
    microbatches: int
    precision: str
    flops: float
    model_flops: float
    collectives: Sequence[Collective]


def workload(
    config: OrbitConfig,
    mesh: MeshShape,
    batch: int,
    *,
    microbatches: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    variables: int | None = None,
) -> Workload:
    """What a step of this engine asks of a cluster.

    Parameters
    ----------
    config : OrbitConfig
    mesh : MeshShape
    batch : int
        Samples of a step, over all ranks; the data ranks and microbatches divide it.
    microbatches : int
    precision : {"bf16", "fp32"}
    recompute : bool
        Whether blocks are computed again in the backward pass.
    variables : int, optional
        In the input; all by default.
    """
    size = batch // (mesh.data_ranks * microbatches)
    flops = step_flops(config, size, variables=variables, recompute=recompute)
    return Workload(
        mesh,
        batch,
        microbatches,
        precision,
        microbatches * rank_flops(flops, config, mesh),
        microbatches * mesh.data_ranks * flops.model,
        step_collectives(
            config,
            mesh,
            size,
            microbatches=microbatches,
            precision=precision,
            recompute=recompute,
        ),
    )


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step, by cause.

    Parameters
    ----------
    compute : float
        Arithmetic of the busiest rank, over all microbatches.
    layers : float
        Exchanges inside layers (tp, sp), and between stages (pp).
    weights : float
        Gathering weights and reducing gradients (fsdp, ddp), as far as it is waited for.
    bubble : float
        Stages that wait for the first and after the last microbatch.
    stragglers : float
        Waiting for the slowest of all ranks.
    overhead : float
        What a step does whatever its size.
    """

    compute: float
    layers: float
    weights: float
    bubble: float
    stragglers: float
    overhead: float

    @property
    def total(self) -> float:
        """Seconds of a step."""
        return (
            self.compute
            + self.layers
            + self.weights
            + self.bubble
            + self.stragglers
            + self.overhead
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "total": self.total}


def slowest(ranks: int) -> float:
    """Expected largest of standard normal numbers, in standard deviations (Blom 1958).

    Parameters
    ----------
    ranks : int
        How many numbers.
    """
    return float(ndtri((ranks - 0.375) / (ranks + 0.25))) if ranks > 1 else 0.0


def _stride(mesh: MeshShape, dimension: str) -> int:
    """Ranks from one member of a group to the next."""
    if dimension == "all":
        return 1
    innermost = max(MESH_DIMENSIONS.index(name) for name in dimension.split("+"))
    return math.prod(getattr(mesh, name) for name in MESH_DIMENSIONS[innermost + 1 :])


def collective_seconds(one: Collective, mesh: MeshShape, cluster: Cluster) -> float:
    """Time of one collective while all groups like it do the same.

    Parameters
    ----------
    one : Collective
    mesh : MeshShape
    cluster : Cluster
    """
    ranks = one.ranks
    if ranks < 2:
        return 0.0
    together = min(ranks, cluster.gpus_per_node // _stride(mesh, one.dimension))
    if together == ranks:
        bandwidth, latency = cluster.gpu_bandwidth, cluster.gpu_latency_s
    else:
        # GPUs of a node that are not of one group are of others, which share its ports with it.
        share = cluster.node_bandwidth * max(together, 1) / cluster.gpus_per_node
        bandwidth, latency = min(cluster.gpu_bandwidth, share), cluster.node_latency_s
    moved = one.bytes * (ranks - 1) / ranks
    rings = cluster.rings and one.bytes > SMALL
    messages = ranks - 1 if rings else math.ceil(math.log2(ranks))
    if one.kind == "send":
        moved, messages = float(one.bytes), 1
    elif one.kind == "all_to_all":
        messages = ranks - 1  # each has something for every other
    elif one.kind == "all_reduce":
        moved, messages = 2 * moved, 2 * messages
    return cluster.collective_overhead_s + messages * latency + moved / bandwidth


def step_time(work: Workload, cluster: Cluster) -> StepTime:
    """Time of a step on a cluster.

    Parameters
    ----------
    work : Workload
    cluster : Cluster
    """
    speed = cluster.peak_flops * cluster.attainable
    speed *= 1.0 if work.precision == "bf16" else cluster.fp32_share
    compute = work.flops / speed
    layers, shards, replicas = 0.0, 0.0, 0.0
    for one in work.collectives:
        seconds = one.count * collective_seconds(one, work.mesh, cluster)
        if one.kind in ("all_gather", "reduce_scatter"):
            shards += seconds
        elif one.dimension == "ddp":
            replicas += seconds
        else:
            layers += seconds
    # Shards move beside all arithmetic, in a pipeline once a step, beside that of a microbatch;
    # replicas sum once, behind the last backward pass.
    one_pass = compute / work.microbatches
    exposed = max(shards - (compute if work.mesh.pp == 1 else one_pass), 0.0)
    weights = exposed + max(replicas - BACKWARD * one_pass, 0.0)
    bubble = (work.mesh.pp - 1) / work.microbatches * (compute + layers)
    # Microbatches vary by themselves, so their sum varies less, relative to it.
    spread = cluster.straggler_spread * compute / math.sqrt(work.microbatches)
    stragglers = slowest(work.mesh.size) * spread
    return StepTime(compute, layers, weights, bubble, stragglers, cluster.step_overhead_s)
