"""A plan of a training: the mesh, its memory and speed, epochs, and how all that scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.calibration import Point, agreement, efficiencies
from catena.orbit_trainer.plan.cluster import CLUSTERS, Cluster
from catena.orbit_trainer.plan.collectives import Collective, step_collectives
from catena.orbit_trainer.plan.flops import parameters, step_flops
from catena.orbit_trainer.plan.propose import Proposal, propose
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import FieldViolation, InvalidRequest

__all__ = ["Epoch", "Plan", "ScalePoint", "plan_training", "strong_scaling", "weak_scaling"]

GPUS = (8, 64, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 24_576, 32_768, 49_152)
"""Numbers of GPUs at which curves are drawn, as far as the cluster has them; and the plan's own."""


@dataclass(frozen=True)
class ScalePoint:
    """A point of a scaling curve.

    Parameters
    ----------
    gpus : int
    batch : int
        Samples of a step.
    samples_per_s : float
    efficiency : float
        Speed per GPU, of that at the curve's first point.
    mfu : float
    """

    gpus: int
    batch: int
    samples_per_s: float
    efficiency: float
    mfu: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return dict(vars(self))


@dataclass(frozen=True)
class Epoch:
    """One pass over a data set.

    Parameters
    ----------
    steps : int
    seconds : float
    energy_kwh : float
        Of the GPUs with their share of the nodes.
    read_bytes_per_s : float
        What the storage has to give, over all ranks.
    """

    steps: int
    seconds: float
    energy_kwh: float
    read_bytes_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return dict(vars(self))


@dataclass(frozen=True)
class Plan:
    """How to train a model on a cluster, what it takes, and what that is known from.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    gpus, batch, samples : int
        GPUs, samples of a step, samples of an epoch.
    parameters : float
        Numbers in the weights.
    flops_per_sample : float
        Of a forward and backward pass in the folded order; what utilisation (MFU) is measured by.
    reference_flops_per_sample : float
        Of the same in the order of ClimaX and ORBIT.
    proposals : list of Proposal
        The fastest first.
    epoch : Epoch
        With the first.
    strong, weak : list of ScalePoint
        With a batch that is the same everywhere, and with one that grows with the GPUs; replicas
        are added to the fastest mesh that few GPUs can hold too.
    collectives : list of Collective
        What rank 0 exchanges in a step with the first proposal.
    traced : bool
        Whether they are those of the engine itself, run as that rank; else they are computed.
    calibration : list of Point
        Published numbers that the model was fitted to, and how well it gives them.
    efficiencies : dict
        Of the four published sizes on 49,152 GPUs, as the model has them.
    fitted : bool
        Whether the numbers of this cluster are those that were fitted; else they are assumed.
    """

    config: OrbitConfig
    cluster: Cluster
    gpus: int
    batch: int
    samples: int
    parameters: float
    flops_per_sample: float
    reference_flops_per_sample: float
    proposals: Sequence[Proposal]
    epoch: Epoch
    strong: Sequence[ScalePoint]
    weak: Sequence[ScalePoint]
    collectives: Sequence[Collective]
    traced: bool
    calibration: Sequence[Point]
    efficiencies: dict[str, float]
    fitted: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "config": self.config.to_dict(),
            "cluster": self.cluster.to_dict(),
            "gpus": self.gpus,
            "batch": self.batch,
            "samples": self.samples,
            "parameters": self.parameters,
            "flops_per_sample": self.flops_per_sample,
            "reference_flops_per_sample": self.reference_flops_per_sample,
            "proposals": [one.to_dict() for one in self.proposals],
            "epoch": self.epoch.to_dict(),
            "strong_scaling": [one.to_dict() for one in self.strong],
            "weak_scaling": [one.to_dict() for one in self.weak],
            "collectives": [asdict(one) for one in self.collectives],
            "collectives_traced": self.traced,
            "calibration": {
                "points": [one.to_dict() for one in self.calibration],
                "efficiency_by_size": self.efficiencies,
                "fitted_to_this_cluster": self.fitted,
                "note": self.note,
            },
        }

    @property
    def note(self) -> str:
        """What the predictions are known from."""
        known = (
            "Calibrated on the ranges that ORBIT published for Frontier (arXiv 2404.14712): on "
            "49,152 GPUs 41 to 85 % of the speed per GPU of 512, 684 PFLOP/s to 1.6 EFLOP/s. "
            "Meshes of the published runs other than that of 113B are assumed, and which size is "
            "at which end is the model's answer."
        )
        if self.fitted:
            return known
        return (
            f"{known} Nothing was measured on {self.cluster.name}: its numbers are data sheets and "
            "assumptions, and only the form of the model is calibrated."
        )


def plan_training(
    config: OrbitConfig,
    cluster: Cluster,
    gpus: int,
    batch: int,
    samples: int,
    *,
    bytes_per_sample: float | None = None,
    precision: Literal["bf16", "fp32"] = "bf16",
    most: int = 5,
    trace: bool = False,
    progress: Callable[[float, str], None] = lambda share, message: None,
) -> Plan:
    """Plan a training.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    gpus : int
    batch : int
        Samples of a step, over all GPUs.
    samples : int
        Of an epoch.
    bytes_per_sample : float, optional
        Read for a sample; all variables and targets in float16 by default.
    precision : {"bf16", "fp32"}
    most : int
        Proposals to keep.
    trace : bool
        Whether to run a step of the engine as rank 0 of the first proposal and take its
        collectives (:func:`catena.orbit_trainer.plan.trace.trace_step`): half a minute for the
        largest.
    progress : callable
        Told the share done and a sentence.

    Raises
    ------
    InvalidRequest
        When a number is not possible, or no mesh fits.
    RuntimeError
        When `trace` is wanted in a process that is part of a process group.
    """
    wrong = [
        FieldViolation(name, f"{value}; wanted at least 1")
        for name, value in (("gpus", gpus), ("batch", batch), ("samples", samples))
        if value < 1
    ]
    if wrong:
        raise InvalidRequest("there is nothing to plan", violations=wrong)
    progress(0.0, f"looking for meshes of {gpus:,} GPUs")
    found = propose(config, cluster, gpus, batch, precision=precision)
    best = found[0]
    grown = _grown(config, cluster, found, batch, precision)
    if bytes_per_sample is None:
        channels = len(config.variables) + len(config.outputs)
        bytes_per_sample = 2.0 * channels * math.prod(config.grid)
    if trace:
        progress(0.1, "tracing a step of the trainer as one rank of the mesh")
        # It brings torch's compiler with it, which a server would start with for nothing.
        from catena.orbit_trainer.plan.trace import trace_step

        settings = TrainingSettings(
            steps=1,
            batch=batch,
            mesh=best.mesh,
            microbatches=best.microbatches,
            recompute=best.recompute,
            precision=precision,
        )
        collectives = trace_step(config, settings)
    else:
        collectives = step_collectives(
            config,
            best.mesh,
            batch // (best.mesh.data_ranks * best.microbatches),
            microbatches=best.microbatches,
            precision=precision,
            recompute=best.recompute,
        )
    progress(0.9, "drawing curves of scaling")
    folded, reference = step_flops(config, batch), step_flops(config, batch, "reference")
    known = CLUSTERS["frontier"]
    return Plan(
        config,
        cluster,
        gpus,
        batch,
        samples,
        parameters(config).total,
        folded.model / batch,
        reference.model / batch,
        found[:most],
        _epoch(best, cluster, gpus, batch, samples, bytes_per_sample),
        strong_scaling(config, cluster, grown, batch, precision=precision),
        weak_scaling(config, cluster, grown, batch, precision=precision),
        collectives,
        trace,
        agreement(known),
        efficiencies(known),
        cluster == known,
    )


def _epoch(
    best: Proposal, cluster: Cluster, gpus: int, batch: int, samples: int, size: float
) -> Epoch:
    steps = math.ceil(samples / batch)
    seconds = steps * best.time.total
    energy = cluster.watts * gpus * seconds / 3.6e6
    return Epoch(steps, seconds, energy, size * best.samples_per_s)


def _grown(
    config: OrbitConfig,
    cluster: Cluster,
    found: Sequence[Proposal],
    batch: int,
    precision: str,
) -> Proposal:
    """The fastest proposal whose replica fits the fewest GPUs that can train at all."""
    for gpus in GPUS:
        for way in found:
            if gpus % (way.mesh.size // way.mesh.ddp):
                continue
            try:
                propose(config, cluster, gpus, batch, precision=precision, like=way.mesh)
            except InvalidRequest:
                continue
            return way
    return found[0]


def _counts(cluster: Cluster, way: Proposal) -> list[int]:
    """Numbers of GPUs that hold whole replicas of a proposal, its own among them."""
    replica = way.mesh.size // way.mesh.ddp
    counts = sorted({*GPUS, way.mesh.size})
    return [gpus for gpus in counts if gpus % replica == 0 and gpus <= cluster.gpus]


def _curve(
    config: OrbitConfig,
    cluster: Cluster,
    like: MeshShape,
    batches: Sequence[tuple[int, int]],
    precision: str,
) -> list[ScalePoint]:
    """Points for GPUs and batches, of which those that do not fit are left out."""
    points: list[ScalePoint] = []
    first = 0.0
    for gpus, batch in batches:
        try:
            way = propose(config, cluster, gpus, batch, precision=precision, like=like)[0]
        except InvalidRequest:
            continue
        each = way.samples_per_s / gpus
        first = first or each
        points.append(ScalePoint(gpus, batch, way.samples_per_s, each / first, way.mfu))
    return points


def strong_scaling(
    config: OrbitConfig,
    cluster: Cluster,
    way: Proposal,
    batch: int,
    *,
    precision: str = "bf16",
) -> list[ScalePoint]:
    """Speed on more and more GPUs, replicas added, with the same batch.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    way : Proposal
        Whose pp, fsdp, sp and tp are kept.
    batch : int
        Samples of a step.
    precision : {"bf16", "fp32"}
    """
    counts = _counts(cluster, way)
    return _curve(config, cluster, way.mesh, [(gpus, batch) for gpus in counts], precision)


def weak_scaling(
    config: OrbitConfig,
    cluster: Cluster,
    way: Proposal,
    batch: int,
    *,
    precision: str = "bf16",
) -> list[ScalePoint]:
    """Speed on more and more GPUs, replicas added, with a batch that grows with them.

    Parameters
    ----------
    config : OrbitConfig
    cluster : Cluster
    way : Proposal
        Whose pp, fsdp, sp and tp are kept.
    batch : int
        Samples of a step on as many GPUs as `way` has.
    precision : {"bf16", "fp32"}
    """
    replica = way.mesh.size // way.mesh.ddp
    counts = _counts(cluster, way)
    batches = [(gpus, batch // way.mesh.ddp * (gpus // replica)) for gpus in counts]
    return _curve(config, cluster, way.mesh, batches, precision)
