"""Which mesh to train on: all that fit the memory, the fastest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.cluster import Cluster
from catena.orbit_trainer.plan.cost import StepTime, step_time, workload
from catena.orbit_trainer.plan.memory import Memory, memory
from catena.shared.errors import FieldViolation, InvalidRequest

__all__ = ["Proposal", "predict", "propose"]

FILL = 0.9
"""Share of a GPU's memory that a plan may use: allocators and libraries take some."""

MOST_STAGES = 64
MICROBATCH = (1, 2, 4, 8, 16, 32)
"""Samples of a microbatch that are tried."""


@dataclass(frozen=True)
class Proposal:
    """A way to train, and what it is expected to take.

    Parameters
    ----------
    mesh : MeshShape
    microbatches : int
        Parts of a data rank's samples that follow one another.
    recompute : bool
        Whether blocks are computed again in the backward pass.
    memory : Memory
        Of the fullest GPU.
    time : StepTime
    samples_per_s : float
    mfu : float
        FLOPs that the model needs, in the folded order and without those computed twice, of those
        that the GPUs could do at their peak in that time.
    """

    mesh: MeshShape
    microbatches: int
    recompute: bool
    memory: Memory
    time: StepTime
    samples_per_s: float
    mfu: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "mesh": asdict(self.mesh),
            "microbatches": self.microbatches,
            "recompute": self.recompute,
            "memory_bytes": self.memory.to_dict(),
            "step_seconds": self.time.to_dict(),
            "samples_per_s": self.samples_per_s,
            "mfu": self.mfu,
        }


def predict(
    config: OrbitConfig,
    cluster: Cluster,
    mesh: MeshShape,
    batch: int,
    *,
    microbatches: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    held: Memory | None = None,
) -> Proposal:
    """What training in this way is expected to take.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    mesh : MeshShape
    batch : int
        Samples of a step, over all ranks.
    microbatches : int
    precision : {"bf16", "fp32"}
    recompute : bool
    held : Memory, optional
        Where it is known already.
    """
    if held is None:
        held = memory(
            config,
            mesh,
            batch // (mesh.data_ranks * microbatches),
            microbatches=microbatches,
            precision=precision,
            recompute=recompute,
        )
    work = workload(
        config,
        mesh,
        batch,
        microbatches=microbatches,
        precision=precision,
        recompute=recompute,
    )
    time = step_time(work, cluster)
    peak = cluster.peak_flops * (1.0 if precision == "bf16" else cluster.fp32_share)
    return Proposal(
        mesh,
        microbatches,
        recompute,
        held,
        time,
        batch / time.total,
        work.model_flops / (time.total * mesh.size * peak),
    )


def propose(
    config: OrbitConfig,
    cluster: Cluster,
    gpus: int,
    batch: int,
    *,
    precision: str = "bf16",
    like: MeshShape | None = None,
) -> list[Proposal]:
    """Ways to train on so many GPUs that fit their memory, the fastest first.

    Tensor and sequence parallel ranks stay within a node.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    gpus : int
    batch : int
        Samples of a step, over all ranks.
    precision : {"bf16", "fp32"}
    like : MeshShape, optional
        Try only meshes that have this one's pp, fsdp, sp and tp: what replicas can be added to.

    Returns
    -------
    list of Proposal
        One for each mesh: that with the best microbatches.

    Raises
    ------
    InvalidRequest
        When there are too few GPUs, or no mesh fits: says what is short.
    """
    if not 1 <= gpus <= cluster.gpus:
        raise InvalidRequest(
            "there are not so many GPUs",
            violations=[
                FieldViolation(
                    "gpus", f"{gpus:,}; wanted from 1 to the {cluster.gpus:,} of {cluster.name}"
                )
            ],
        )
    room, least = FILL * cluster.memory, float("inf")
    found: dict[MeshShape, Proposal] = {}
    for mesh in _meshes(config, cluster, gpus, batch, like):
        for size in _sizes(mesh, batch):
            microbatches = batch // (mesh.data_ranks * size)
            # What fits as it is, is not faster when it computes more.
            for recompute in (False, True):
                held = memory(
                    config,
                    mesh,
                    size,
                    microbatches=microbatches,
                    precision=precision,
                    recompute=recompute,
                )
                if held.total <= room:
                    break
            least = min(least, held.total)
            if held.total > room:
                break  # larger microbatches do not fit either
            way = predict(
                config,
                cluster,
                mesh,
                batch,
                microbatches=microbatches,
                precision=precision,
                recompute=recompute,
                held=held,
            )
            if mesh not in found or way.time.total < found[mesh].time.total:
                found[mesh] = way
    if not found:
        raise InvalidRequest(
            f"no mesh of {gpus:,} GPUs of {cluster.name} takes this model and batch",
            violations=[_short(gpus, batch, least, room)],
        )
    return sorted(found.values(), key=_order)


def _order(way: Proposal) -> tuple[float, int, int]:
    """By time, of which three digits are believed; then the simpler mesh."""
    return float(f"{way.time.total:.3g}"), way.mesh.pp, way.mesh.fsdp * way.mesh.sp


def _short(gpus: int, batch: int, least: float, room: float) -> FieldViolation:
    if least == float("inf"):
        return FieldViolation(
            "batch",
            f"{batch:,} samples cannot be shared by {gpus:,} GPUs in any mesh; wanted a batch that "
            "the data ranks (ddp x fsdp) divide: a multiple of a divisor of the GPUs",
        )
    return FieldViolation(
        "gpus",
        f"the leanest mesh needs {least / 1e9:.1f} GB of each GPU; wanted {room / 1e9:.1f} at most:"
        " take more GPUs, or a smaller model",
    )


def _divisors(number: int) -> list[int]:
    small = [one for one in range(1, int(number**0.5) + 1) if number % one == 0]
    return sorted({*small, *(number // one for one in small)})


def _meshes(
    config: OrbitConfig, cluster: Cluster, gpus: int, batch: int, like: MeshShape | None
) -> Iterator[MeshShape]:
    """All meshes of so many GPUs that the model and the batch fit."""
    for pp in _divisors(gpus):
        if pp > min(max(config.depth, 1), MOST_STAGES):
            break
        for inner in _divisors(gpus // pp):
            if inner > cluster.gpus_per_node or config.heads % inner:
                continue
            data = gpus // (pp * inner)
            if batch % data or batch // data < pp:
                continue
            for tp in _divisors(inner):
                if config.tokens % (inner // tp):
                    continue
                for fsdp in _divisors(data):
                    mesh = MeshShape(pp, data // fsdp, fsdp, inner // tp, tp)
                    if like is None or _alike(mesh, like):
                        yield mesh


def _alike(one: MeshShape, other: MeshShape) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("pp", "fsdp", "sp", "tp"))


def _sizes(mesh: MeshShape, batch: int) -> Iterator[int]:
    """Samples of a microbatch."""
    own = batch // mesh.data_ranks
    for size in MICROBATCH:
        if own % size == 0 and own // size >= mesh.pp:
            yield size
