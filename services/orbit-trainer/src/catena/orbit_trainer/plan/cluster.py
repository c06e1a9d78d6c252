"""Machines that a training is planned for: what a cost model must know of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from catena.shared.errors import FieldViolation, InvalidRequest

__all__ = ["CLUSTERS", "Cluster"]


@dataclass(frozen=True)
class Cluster:
    """Nodes of GPUs, alike, on one network.

    Parameters
    ----------
    name : str
    gpus : int
        GPUs altogether.
    gpus_per_node : int
    peak_flops : float
        Dense matrix products in bf16, FLOP/s of a GPU; in float32 it does `fp32_share` of that.
    fp32_share : float
    attainable : float
        Share of the peak that a step of matrix products reaches where nothing waits.
    memory : float
        Bytes of a GPU.
    gpu_bandwidth : float
        From one GPU to another of its node, bytes/s one way.
    node_bandwidth : float
        From one node into the network, bytes/s one way, over all its ports.
    gpu_latency_s, node_latency_s : float
        Of one message of a collective, within a node and between nodes.
    rings : bool
        True where a collective is a ring of all its ranks (a message from each to the next, so
        that latency grows with the ranks), False where it is a tree (with their logarithm).
    collective_overhead_s : float
        From asking for a collective to its first message.
    step_overhead_s : float
        What a step does whatever its size: starting it, the optimizer's launches, noting results.
    straggler_spread : float
        Standard deviation of the time that GPUs take for the same microbatch, as a share of it.
    watts : float
        Of a GPU with its share of the node, under load.
    sources : tuple of str
        Where the numbers are from.

    Raises
    ------
    InvalidRequest
        When numbers are not possible: names each.
    """

    name: str
    gpus: int
    gpus_per_node: int
    peak_flops: float
    attainable: float
    memory: float
    gpu_bandwidth: float
    node_bandwidth: float
    gpu_latency_s: float
    node_latency_s: float
    watts: float
    fp32_share: float = 0.5
    rings: bool = False
    collective_overhead_s: float = 1e-5
    step_overhead_s: float = 5e-3
    straggler_spread: float = 0.03
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = []
        for name in ("gpus", "gpus_per_node"):
            if getattr(self, name) < 1:
                wrong.append(FieldViolation(name, f"{getattr(self, name)}; wanted at least 1"))
        for name in ("peak_flops", "memory", "gpu_bandwidth", "node_bandwidth", "watts"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                wrong.append(FieldViolation(name, f"{value:g}; wanted a number above 0"))
        for name in ("attainable", "fp32_share"):
            if not 0 < getattr(self, name) <= 1:
                wrong.append(
                    FieldViolation(name, f"{getattr(self, name):g}; wanted a share in (0, 1]")
                )
        for name in (
            "gpu_latency_s",
            "node_latency_s",
            "collective_overhead_s",
            "step_overhead_s",
            "straggler_spread",
        ):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                wrong.append(FieldViolation(name, f"{value:g}; wanted 0 or more"))
        if wrong:
            raise InvalidRequest(f"there is no such cluster as {self.name!r}", violations=wrong)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "sources": list(self.sources)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave; or a preset's name as ``preset``, and what differs.

        Raises
        ------
        InvalidRequest
            When a name is unknown or missing, or a number is not possible.
        """
        given = dict(values)
        preset = given.pop("preset", None)
        if preset is not None and preset not in CLUSTERS:
            raise InvalidRequest(
                "there is no such cluster",
                violations=[
                    FieldViolation("preset", f"{preset!r}; wanted one of {', '.join(CLUSTERS)}")
                ],
            )
        known = {one.name for one in fields(cls)}
        wrong = [
            FieldViolation(name, f"is no property of a cluster; there are {sorted(known)}")
            for name in sorted(set(given) - known)
        ]
        start = {} if preset is None else CLUSTERS[preset].to_dict()
        needed = {one.name for one in fields(cls)[:11]}
        wrong += [FieldViolation(name, "is missing") for name in sorted(needed - {*start, *given})]
        if wrong:
            raise InvalidRequest("the cluster is not described", violations=wrong)
        whole = {**start, **given}
        return cls(**{**whole, "sources": tuple(whole.get("sources", ()))})


CLUSTERS: dict[str, Cluster] = {
    "frontier": Cluster(
        name="frontier",
        gpus=8 * 9_472,
        gpus_per_node=8,
        peak_flops=191.5e12,
        attainable=0.2207,
        memory=64e9,
        gpu_bandwidth=50e9,
        node_bandwidth=100e9,
        gpu_latency_s=2e-6,
        node_latency_s=1.837e-6,
        watts=300.0,
        fp32_share=0.25,
        rings=True,
        straggler_spread=0.0619,
        sources=(
            "A GPU is one of the two dies (GCD) of an MI250X: 383 TFLOP/s in bf16, 128 GB and "
            "560 W for both (AMD's data sheet)",
            "8 dies a node, 50 to 200 GB/s between them, four 25 GB/s ports of Slingshot a node "
            "(Frontier User Guide); the slowest link is taken, as a ring is as fast as that",
            "22.7 MW under load for 9,472 nodes (TOP500, June 2024): 300 W a die with its share",
            "Attainable share, time of a message between nodes and spread are fitted to ORBIT's "
            "published scaling (arXiv 2404.14712); other latencies are assumed",
            "Rings: RCCL's all-gather and reduce-scatter slow down with the number of ranks there "
            "(Singh et al., arXiv 2504.18658)",
        ),
    ),
    "h200": Cluster(
        name="h200",
        gpus=8 * 1_024,
        gpus_per_node=8,
        peak_flops=989e12,
        attainable=0.5,
        memory=141e9,
        gpu_bandwidth=450e9,
        node_bandwidth=400e9,
        gpu_latency_s=2e-6,
        node_latency_s=5e-6,
        watts=1_275.0,
        fp32_share=0.5,
        rings=False,
        straggler_spread=0.02,
        sources=(
            "989 TFLOP/s dense in bf16 (fp32 as TF32, half of it), 141 GB, 900 GB/s of NVLink both "
            "ways (NVIDIA's data sheet)",
            "Eight 400 Gb/s ports and 10.2 kW a node of eight (DGX H200 guide)",
            "Attainable share, latencies and spread are assumed",
        ),
    ),
}
"""Clusters by name; what is fitted, :mod:`catena.orbit_trainer.plan.calibration` fits."""
