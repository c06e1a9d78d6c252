"""The cost model beside what ORBIT published of its training on Frontier.

Wang et al. 2024 (SC24, arXiv 2404.14712) give ranges over their four sizes, 115M to 113B, on 49,152
GPUs: 41 to 85 % of the speed per GPU that 512 have, and 684 PFLOP/s to 1.6 EFLOP/s. Which size is
at which end is not said where we could read it: the model says it. Its first version gave 78 to 96
% on 24,576 GPUs, of an earlier state of their code; that is looked at, not fitted to.

Three numbers of the cluster are fitted to the four of the paper: the attainable share of the peak,
the time of a message between nodes, and the spread of GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.cluster import Cluster
from catena.orbit_trainer.plan.cost import Workload, step_time, workload
from catena.orbit_trainer.plan.flops import step_flops

__all__ = [
    "FIRST_VERSION",
    "FITTED",
    "PUBLISHED",
    "Point",
    "agreement",
    "calibrated",
    "efficiencies",
    "published_runs",
]

FITTED = {"attainable": 0.2, "node_latency_s": 5e-6, "straggler_spread": 0.03}
"""Numbers of a cluster that are fitted, and where the search for each begins."""

FEW, HALF, ALL = 512, 24_576, 49_152
"""GPUs of the published runs."""


@dataclass(frozen=True)
class Point:
    """A published number, and how it compares with the model's.

    Parameters
    ----------
    name : str
    published : float
    predicted : float
    left_out : float, optional
        Predicted by a model that was fitted without this point.
    """

    name: str
    published: float
    predicted: float
    left_out: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


PUBLISHED = {
    "efficiency_low": 0.41,
    "efficiency_high": 0.85,
    "flops_low": 684e15,
    "flops_high": 1.6e18,
}
"""At 49,152 GPUs, over the four sizes (arXiv 2404.14712, abstract)."""

FIRST_VERSION = {"first_version_low": 0.78, "first_version_high": 0.96}
"""At 24,576 GPUs (the same, version 1)."""

_MESHES = {
    "115M": MeshShape(fsdp=8),
    "1B": MeshShape(fsdp=8),
    "10B": MeshShape(fsdp=8, tp=8),
    "113B": MeshShape(fsdp=64, tp=8),
}
"""Within a replica. That of 113B is published; the others are assumed: a node each, or eight."""


@cache
def published_runs() -> Mapping[tuple[str, int], Workload]:
    """Training steps of the paper, by size and GPUs: 91 variables, 128 x 256, bf16.

    Assumed: the batch is that of one sample for each data rank on all GPUs, and on fewer GPUs it
    goes through in turn; blocks are recomputed; all arithmetic, in the reference order, is shared
    by the tensor ranks; what is exchanged is what this engine exchanges.
    """
    names = [f"channel_{number}" for number in range(91)]
    runs = {}
    for size, inner in _MESHES.items():
        config = OrbitConfig.of_size(size, names)
        flops = step_flops(config, 1, "reference", recompute=True)
        batch = ALL // inner.tp
        for gpus in (FEW, HALF, ALL):
            mesh = replace(inner, ddp=gpus // inner.size)
            turns = batch // mesh.data_ranks
            work = workload(config, mesh, batch, microbatches=turns, recompute=True)
            runs[size, gpus] = replace(
                work, flops=turns * flops.total / inner.tp, model_flops=batch * flops.model
            )
    return runs


def _ranges(cluster: Cluster) -> dict[str, float]:
    """The model's number for every published one."""
    times = {key: step_time(work, cluster).total for key, work in published_runs().items()}
    speeds = {key: work.model_flops / times[key] for key, work in published_runs().items()}
    whole, half = (
        [speeds[size, gpus] / gpus / (speeds[size, FEW] / FEW) for size in _MESHES]
        for gpus in (ALL, HALF)
    )
    flops = [speeds[size, ALL] for size in _MESHES]
    return {
        "efficiency_low": min(whole),
        "efficiency_high": max(whole),
        "flops_low": min(flops),
        "flops_high": max(flops),
        "first_version_low": min(half),
        "first_version_high": max(half),
    }


def _misses(cluster: Cluster, names: Sequence[str]) -> float:
    """Sum of squares: of efficiencies in points of 10 %, of speeds in factors of 1.25."""
    ranges = _ranges(cluster)
    misses = [
        math.log(ranges[name] / PUBLISHED[name]) / math.log(1.25)
        if name.startswith("flops")
        else (ranges[name] - PUBLISHED[name]) / 0.1
        for name in names
    ]
    return sum(miss**2 for miss in misses)


def calibrated(cluster: Cluster, names: Sequence[str] = tuple(PUBLISHED)) -> Cluster:
    """The cluster with the three numbers that fit these published ones best.

    Parameters
    ----------
    cluster : Cluster
        Whatever it has of the three is not looked at.
    names : sequence of str
        Of :data:`PUBLISHED`.
    """
    start = np.log(list(FITTED.values()))

    def at(logs: NDArray[np.float64]) -> Cluster:
        values = np.minimum(np.exp(logs), 1.0).tolist()
        return replace(cluster, **dict(zip(FITTED, values, strict=True)))

    # A small pull to the beginning decides what fewer points leave open.
    found = minimize(
        lambda logs: _misses(at(logs), names) + 0.01 * float(((logs - start) ** 2).sum()),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-6, "maxiter": 600},
    )
    return at(found.x)


def agreement(cluster: Cluster, *, leave_out: bool = True) -> list[Point]:
    """Every published number beside the model's, and beside that of a model that never saw it.

    Parameters
    ----------
    cluster : Cluster
        As fitted to all.
    leave_out : bool
        Whether to fit again without each; some seconds.
    """
    ranges = _ranges(cluster)
    points = []
    for name, published in PUBLISHED.items():
        without = [other for other in PUBLISHED if other != name]
        left = _ranges(calibrated(cluster, without))[name] if leave_out else None
        points.append(Point(name, published, ranges[name], left))
    # Never fitted to, so what is predicted is predicted without them.
    points += [
        Point(name, published, ranges[name], ranges[name])
        for name, published in FIRST_VERSION.items()
    ]
    return points


def efficiencies(cluster: Cluster) -> dict[str, float]:
    """Speed per GPU on 49,152 GPUs, of that on 512, by size, as the model has it."""
    speeds = {
        key: work.model_flops / step_time(work, cluster).total / key[1]
        for key, work in published_runs().items()
    }
    return {size: speeds[size, ALL] / speeds[size, FEW] for size in _MESHES}
