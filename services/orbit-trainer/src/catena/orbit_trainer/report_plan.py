"""The page of a plan: mesh, memory, speed, time and energy of a training before it is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catena.orbit_trainer.evaluation.plots import Scaling, parts_plot, scaling_plot
from catena.orbit_trainer.report_text import GLOSSARY, known
from catena.shared.report import (
    Block,
    Facts,
    Finding,
    Findings,
    Page,
    Picture,
    Section,
    Table,
    Terms,
    Text,
    plot,
    render,
)

__all__ = ["PlannedMesh", "plan_page"]

GIB = 2.0**30

_PARTS = {
    "gathered": "gathered weights",
    "transient": "working memory",
    "compute": "arithmetic",
    "layers": "exchange inside layers",
    "bubble": "pipeline bubble",
}
"""Names of parts of memory and of a step, where they say too little by themselves."""


@dataclass(frozen=True)
class PlannedMesh:
    """One way to spread a training over GPUs.

    Parameters
    ----------
    label : str
        ``pp 1, ddp 96, fsdp 64, sp 1, tp 8``.
    ranks : int
    memory : mapping of part to bytes
        Of the fullest GPU: weights, gradients, moments, activations, ...
    seconds : mapping of part to float
        Of a step: arithmetic, exchange along each axis, latency, stragglers, ...
    samples_s : float
    mfu : float
        On folded FLOPs, 0 to 1.
    microbatches : int
        Parts of a rank's samples that follow one another.
    recompute : bool
        Whether blocks are computed again for their gradients.
    fits : bool
        Whether memory is enough.
    """

    label: str
    ranks: int
    memory: Mapping[str, float]
    seconds: Mapping[str, float]
    samples_s: float
    mfu: float
    microbatches: int = 1
    recompute: bool = False
    fits: bool = True


def plan_page(
    title: str,
    *,
    model: Sequence[tuple[str, str]],
    cluster: Sequence[tuple[str, str]],
    epoch: Sequence[tuple[str, str]],
    meshes: Sequence[PlannedMesh],
    strong: Sequence[Scaling],
    weak: Sequence[Scaling] = (),
    published: Sequence[tuple[str, float, float, float]] = (),
    collectives: Sequence[tuple[str, str, int, float]] = (),
    traced: bool = True,
    calibration: Sequence[str] = (),
    findings: Sequence[Finding] = (),
    notices: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Parameters
    ----------
    title : str
    model, cluster, epoch : sequence of (label, value)
        What is trained, on what, and the time and energy that an epoch takes.
    meshes : sequence of PlannedMesh
        The proposal first, then others that were looked at.
    strong, weak : sequence of Scaling
    published : sequence of (label, ranks, lowest, highest efficiency)
        Measured by others, to compare strong scaling with.
    collectives : sequence of (axis, kind, calls, bytes)
        Of one step and rank.
    traced : bool
        Whether the trainer's own step was run for them; else they were computed.
    calibration : sequence of str
        What the numbers stand on, a sentence each.
    findings : sequence of Finding
    notices : sequence of str

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    best = meshes[0]
    facts = [
        ("GPUs", f"{best.ranks:,}"),
        ("Mesh", best.label),
        ("Microbatches", f"{best.microbatches:,}"),
        ("Activations computed again", "yes" if best.recompute else "no"),
        ("Samples a second", known(best.samples_s)),
        ("MFU, folded", f"{100 * best.mfu:.1f} %"),
        ("Memory of a GPU", f"{known(sum(best.memory.values()) / GIB)} GiB"),
        ("A step", f"{known(sum(best.seconds.values()))} s"),
        *epoch,
    ]
    answer: list[Block] = [Facts(facts)]
    if findings:
        answer.append(Findings(findings))
    sections = [
        Section("The proposal", answer),
        _mesh_section(meshes),
        _scaling_section(strong, weak, published),
    ]
    if collectives:
        sections.append(_collective_section(collectives, traced))
    sections += [
        Section("Model", [Facts(model)]),
        Section("Cluster", [Facts(cluster)]),
        Section("What the numbers stand on", [Text(said) for said in calibration]),
        Section("Words", [Terms(GLOSSARY["plan"])]),
    ]
    page = Page(
        title=title,
        kicker="catena · ORBIT · plan of a training",
        lead=f"{best.label}: {known(best.samples_s)} samples a second on {best.ranks:,} GPUs.",
        notices=["This is a computed plan: nothing was run on these GPUs.", *notices],
        sections=[section for section in sections if section.blocks],
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    return render(page), _summary(title, meshes, strong, weak, calibration, findings)


def _mesh_section(meshes: Sequence[PlannedMesh]) -> Section:
    memory = {m.label: _named(m.memory, 1 / GIB) for m in meshes}
    times = {m.label: _named(m.seconds, 1e3) for m in meshes}
    rows = [
        [
            m.label,
            f"{m.ranks:,}",
            f"{known(sum(m.memory.values()) / GIB)}{'' if m.fits else ' (too much)'}",
            known(1e3 * sum(m.seconds.values())),
            known(m.samples_s),
            f"{100 * m.mfu:.1f}",
            f"{m.microbatches:,}",
            "yes" if m.recompute else "no",
        ]
        for m in meshes
    ]
    columns = ["Mesh", "GPUs", "Memory (GiB)", "Step (ms)", "Samples / s", "MFU (%)"]
    columns += ["Microbatches", "Computed again"]
    return Section(
        "Meshes that were looked at",
        [
            Table(columns, rows, "The proposal is the first.", numeric=(1, 2, 3, 4, 5, 6)),
            Picture(
                plot(
                    parts_plot(memory, "memory of the fullest GPU (GiB)"),
                    "memory",
                    alt="Memory of a GPU by what it holds",
                ),
                "What a GPU holds.",
            ),
            Picture(
                plot(
                    parts_plot(times, "time of a step (ms)"),
                    "time",
                    alt="Time of a step by what it is spent on",
                ),
                "What a step is spent on.",
            ),
        ],
    )


def _named(parts: Mapping[str, float], factor: float) -> dict[str, float]:
    return {_PARTS.get(part, part): factor * size for part, size in parts.items()}


def _scaling_section(
    strong: Sequence[Scaling],
    weak: Sequence[Scaling],
    published: Sequence[tuple[str, float, float, float]],
) -> Section:
    blocks: list[Block] = []
    for name, curves, points, caption in (
        (
            "strong",
            strong,
            published,
            "Strong scaling: more GPUs for the same batch. It dips where so many GPUs cannot share "
            "the batch evenly.",
        ),
        ("weak", weak, (), "Weak scaling: more GPUs, and as many more samples."),
    ):
        if curves:
            figure = scaling_plot(curves, points)
            blocks.append(Picture(plot(figure, name, alt=f"{name.capitalize()} scaling"), caption))
    return Section("How does it scale?", blocks)


def _collective_section(
    collectives: Sequence[tuple[str, str, int, float]], traced: bool
) -> Section:
    how = "traced from the trainer itself" if traced else "computed, not traced"
    rows = [
        [axis, kind, f"{calls:,}", known(size / 2**20)] for axis, kind, calls, size in collectives
    ]
    return Section(
        "What processes exchange",
        [
            Table(
                ("Axis", "Collective", "Calls", "MiB"),
                rows,
                f"One step, one rank; {how}.",
                numeric=(2, 3),
            )
        ],
    )


def _summary(
    title: str,
    meshes: Sequence[PlannedMesh],
    strong: Sequence[Scaling],
    weak: Sequence[Scaling],
    calibration: Sequence[str],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    def curves(found: Sequence[Scaling]) -> list[dict[str, Any]]:
        return [
            {
                "label": one.label,
                "ranks": [int(rank) for rank in one.ranks],
                "samples_s": [float(value) for value in one.samples_s],
                "efficiency": [float(value) for value in one.efficiency],
            }
            for one in found
        ]

    return {
        "title": title,
        "meshes": [
            {
                "label": m.label,
                "ranks": m.ranks,
                "memory_bytes": dict(m.memory),
                "seconds": dict(m.seconds),
                "samples_s": m.samples_s,
                "mfu": m.mfu,
                "microbatches": m.microbatches,
                "recompute": m.recompute,
                "fits": m.fits,
            }
            for m in meshes
        ],
        "strong": curves(strong),
        "weak": curves(weak),
        "calibration": list(calibration),
        "findings": [{"status": f.status, "title": f.title, "said": f.said} for f in findings],
    }
