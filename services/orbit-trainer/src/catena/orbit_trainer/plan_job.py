"""A plan of a training as a page and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from catena.orbit_trainer.evaluation.plots import Scaling
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.cluster import Cluster
from catena.orbit_trainer.plan.propose import Proposal
from catena.orbit_trainer.plan.scaling import Plan, ScalePoint
from catena.orbit_trainer.report_plan import PlannedMesh, plan_page
from catena.orbit_trainer.report_training import model_facts
from catena.shared.report import number

__all__ = ["page_of"]

PUBLISHED = ("published, four sizes, of 512 GPUs", 49_152, 0.41, 0.85)
"""Strong scaling of ORBIT on Frontier, from 512 GPUs (arXiv 2404.14712)."""


def page_of(title: str, size: str, plan: Plan) -> tuple[str, dict[str, Any]]:
    """HTML of the plan's page, and the plan as JSON.

    Parameters
    ----------
    title : str
    size : str
        Name of the model's size.
    plan : Plan
    """
    epoch, energy = plan.epoch, plan.epoch.energy_kwh
    days = epoch.seconds / 86_400
    # Channels of a plan have numbers for names.
    facts = model_facts(plan.config, round(plan.parameters))[:-2]
    page, _ = plan_page(
        title,
        model=[
            *facts,
            ("Channels in and out", f"{len(plan.config.variables)}"),
            ("TFLOP a sample", number(plan.flops_per_sample / 1e12)),
            ("in the order of ClimaX", number(plan.reference_flops_per_sample / 1e12)),
        ],
        cluster=_cluster_facts(plan.cluster),
        epoch=[
            ("Samples of an epoch", f"{plan.samples:,}"),
            ("Time of an epoch", f"{number(days)} days" if days >= 1 else f"{days * 24:.1f} h"),
            (
                "Energy of an epoch",
                f"{number(energy / 1e3)} MWh" if energy >= 1e3 else f"{number(energy)} kWh",
            ),
            ("Read from storage", f"{number(epoch.read_bytes_per_s / 1e9)} GB/s"),
        ],
        meshes=[_mesh(one) for one in plan.proposals],
        strong=_curve(f"{size}, batch of {plan.batch:,}", plan.strong),
        weak=_curve(f"{size}, batch that grows", plan.weak),
        published=[PUBLISHED] if plan.fitted else [],
        collectives=[
            (one.dimension, one.kind, one.count, float(one.count * one.bytes))
            for one in plan.collectives
        ],
        traced=plan.traced,
        calibration=[plan.note, *_agreement(plan), *plan.cluster.sources],
    )
    return page, {"title": title, "size": size, **plan.to_dict()}


def _mesh(way: Proposal) -> PlannedMesh:
    memory, seconds = way.memory.to_dict(), way.time.to_dict()
    for parts in (memory, seconds):
        del parts["total"]
    return PlannedMesh(
        _label(way.mesh),
        way.mesh.size,
        memory,
        seconds,
        way.samples_per_s,
        way.mfu,
        way.microbatches,
        way.recompute,
    )


def _label(mesh: MeshShape) -> str:
    return ", ".join(f"{name} {count}" for name, count in asdict(mesh).items())


def _curve(label: str, points: Sequence[ScalePoint]) -> list[Scaling]:
    if not points:
        return []
    return [
        Scaling(
            label,
            np.array([point.gpus for point in points]),
            np.array([point.samples_per_s for point in points]),
            np.array([point.efficiency for point in points]),
        )
    ]


def _agreement(plan: Plan) -> list[str]:
    """Published numbers beside the model's."""
    said = []
    for point in plan.calibration:
        left = ""
        if point.left_out is not None:
            left = f"; fitted without it, {number(point.left_out)}"
        name = point.name.replace("_", " ")
        said.append(
            f"{name}: published {number(point.published)}, here {number(point.predicted)}{left}."
        )
    return said


def _cluster_facts(cluster: Cluster) -> list[tuple[str, str]]:
    return [
        ("Cluster", cluster.name),
        ("GPUs", f"{cluster.gpus:,}, {cluster.gpus_per_node} a node"),
        ("Peak, bf16", f"{number(cluster.peak_flops / 1e12)} TFLOP/s a GPU"),
        ("of which attainable", f"{100 * cluster.attainable:.1f} %"),
        ("Memory", f"{number(cluster.memory / 1e9)} GB a GPU"),
        ("Within a node", f"{number(cluster.gpu_bandwidth / 1e9)} GB/s"),
        ("From a node", f"{number(cluster.node_bandwidth / 1e9)} GB/s"),
        ("Message between nodes", f"{number(1e6 * cluster.node_latency_s)} µs"),
        ("Spread of GPUs", f"{100 * cluster.straggler_spread:.1f} %"),
        ("Power", f"{number(cluster.watts)} W a GPU"),
    ]
