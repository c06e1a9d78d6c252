"""The page of a training: its loss, its settings, its data, and whether all went well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.evaluation.plots import Losses, loss_plot
from catena.orbit_trainer.report_text import GENERATED, GLOSSARY, known, words
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.report import (
    Facts,
    Finding,
    Findings,
    Page,
    Picture,
    Section,
    Status,
    Table,
    Terms,
    duration,
    number,
    plot,
    render,
)

__all__ = ["model_facts", "training_page"]

LOSSES = {
    "downscale": "Mean square error of normalised fine fields, weighted by the area of the rows, "
    "and a little of their total variation.",
    "spin-up": "Mean square error of normalised pools, most of them in logarithms, and beside it "
    "that of what they hold, over its standard deviation.",
}
CHANGES = (
    "Mean square error of normalised changes over the lead, weighted by the area of the rows; 1 is "
    "about that of no change."
)
"""What the loss is, by the kind of training; else that of changes."""
WAITED = 0.05
"""More of the time waiting for batches is worth a word."""


def model_facts(config: OrbitConfig, parameters: int) -> list[tuple[str, str]]:
    """A model in a few words, for a page."""
    rows, columns = config.grid
    return [
        ("Parameters", f"{number(parameters / 1e6)} million"),
        ("Width, depth, heads", f"{config.width}, {config.depth}, {config.heads}"),
        ("Grid", f"{rows} x {columns}"),
        ("Patch", f"{config.patch} x {config.patch} cells"),
        ("Inputs", words(config.variables)),
        ("Outputs", words(config.outputs)),
    ]


def training_page(
    title: str,
    history: History,
    settings: TrainingSettings,
    *,
    model: Sequence[tuple[str, str]],
    data: Sequence[tuple[str, str]],
    generated: bool,
    seconds: float,
    kind: str = "pre-training",
    resumed: Sequence[int] = (),
    notices: Sequence[str] = (),
    after: Sequence[Section] = (),
) -> tuple[str, dict[str, Any]]:
    """Write the page.

    Parameters
    ----------
    title : str
    history : History
    settings : TrainingSettings
    model, data : sequence of (label, value)
        What was trained, :func:`model_facts`, and on what: caches, periods, samples.
    generated : bool
        Whether a formula made the fields, or some of them.
    seconds : float
        Of training, over all attempts.
    kind : str
        ``pre-training``, or the task of a fine-tuning.
    resumed : sequence of int
        Steps at which it went on from a checkpoint.
    notices : sequence of str
        What a reader must not miss beside that.
    after : sequence of Section
        What comes after the curve of the loss: how good the model is.

    Returns
    -------
    html : str
    summary : dict
        The figures, as JSON.
    """
    losses = Losses(
        np.arange(1, history.steps + 1),
        np.array(history.loss),
        np.array([step for step, _ in history.validation]),
        np.array([loss for _, loss in history.validation]),
        np.array(history.learning_rate),
        tuple(resumed),
    )
    findings = _findings(history, settings, resumed)
    speed = _median(history.samples_per_s)
    facts = [
        ("Steps", f"{history.steps:,}"),
        ("Samples seen", f"{history.steps * settings.batch:,}"),
        ("Time", duration(seconds)),
        ("Samples a second", known(speed)),
        ("Waited for batches", f"{100 * _mean(history.wait_share):.1f} % of the time"),
        ("Processes", str(settings.mesh.size)),
    ]
    sections = [
        Section("What happened", [Facts(facts), Findings(findings)]),
        Section(
            "Loss",
            [
                Picture(
                    plot(loss_plot(losses), "loss", alt="Loss by step"),
                    LOSSES.get(kind, CHANGES),
                )
            ],
        ),
        *after,
        Section("Data", [Facts(data)]),
        Section("Model", [Facts(model)]),
        Section("Settings", [Table(("Setting", "Value"), _settings_rows(settings))]),
        Section("Words", [Terms(GLOSSARY["training"])]),
    ]
    page = Page(
        title=title,
        kicker=f"catena · ORBIT · {kind}",
        lead=_lead(history, kind),
        notices=[*([GENERATED] if generated else []), *notices],
        sections=sections,
        footer="Written by catena. The page is complete in itself and loads nothing.",
    )
    summary = {
        "title": title,
        "kind": kind,
        "steps": history.steps,
        "first_loss": _plain(_first(history.loss)),
        "last_loss": _plain(_last(history.loss)),
        "best_validation": history.best,
        "samples_per_s": _plain(speed),
        "wait_share": _plain(_mean(history.wait_share)),
        "skipped": len(history.skipped),
        "resumed": list(resumed),
        "seconds": seconds,
        "generated": generated,
        "findings": [{"status": f.status, "title": f.title, "said": f.said} for f in findings],
    }
    return render(page), summary


def _lead(history: History, kind: str) -> str:
    best = history.best
    told = f"{kind.capitalize()} of {history.steps:,} steps; the loss went from "
    told += f"{known(_first(history.loss))} to {known(_last(history.loss))}"
    if best is None:
        return told + "."
    return told + f", that of held-back samples to {known(best[1])}."


def _findings(
    history: History, settings: TrainingSettings, resumed: Sequence[int]
) -> list[Finding]:
    findings = []
    first, last = _first(history.loss), _last(history.loss)
    fell = last < first
    findings.append(
        Finding(
            "passed" if fell else "failed",
            f"The loss {'fell' if fell else 'did not fall'}",
            f"From {known(first)} to {known(last)}, medians of the first and last tenth.",
            "" if fell else "Try a lower learning rate, or look at the data for what is missing.",
        )
    )
    if history.best is not None:
        step, best = history.best
        late = _last([loss for _, loss in history.validation])
        rose = late > 1.05 * best
        findings.append(
            Finding(
                "doubtful" if rose else "passed",
                f"Held-back samples were best after {step:,} steps",
                f"Loss {known(best)} then, {known(late)} at the end.",
                "The model begins to learn by heart: more data, or fewer steps." if rose else "",
            )
        )
    skipped = len(history.skipped)
    status: Status = "passed" if not skipped else "doubtful"
    findings.append(
        Finding(
            status,
            f"{skipped} steps were skipped" if skipped else "No step was skipped",
            f"Steps, from 0: {words([str(step) for step in history.skipped])}; their loss or "
            "gradient was not finite."
            if skipped
            else "Every loss and gradient was finite.",
        )
    )
    waited = _mean(history.wait_share)
    if waited > WAITED:
        findings.append(
            Finding(
                "doubtful",
                "Batches were late",
                f"{100 * waited:.0f} % of the time went by waiting for them.",
                "Put the hot cache on a faster disk, or give each process more CPUs.",
            )
        )
    if resumed:
        findings.append(
            Finding(
                "passed",
                f"Went on from a checkpoint {len(resumed)} times",
                f"After {words([f'{step:,}' for step in resumed])} steps; batches follow from the "
                "number of the step, so nothing was seen twice or left out.",
            )
        )
    return findings


def _settings_rows(settings: TrainingSettings) -> list[tuple[str, str]]:
    mesh = settings.mesh
    engine: str = settings.engine
    if engine == "deepspeed":
        engine += f", ZeRO stage {settings.zero_stage}{', offloaded' if settings.offload else ''}"
    return [
        ("Batch (samples, all processes)", f"{settings.batch:,}"),
        ("Peak learning rate", number(settings.learning_rate)),
        ("Betas of AdamW", ", ".join(number(beta) for beta in settings.betas)),
        ("Weight decay", number(settings.weight_decay)),
        ("Warm-up (share of the steps)", number(settings.warmup)),
        ("Longest gradient", number(settings.clip)),
        ("Precision", settings.precision),
        ("Seed", str(settings.seed)),
        (
            "Mesh",
            f"pipeline {mesh.pp}, replicas {mesh.ddp}, sharded {mesh.fsdp}, sequence {mesh.sp}, "
            f"tensor {mesh.tp}",
        ),
        ("Engine", engine),
        ("Microbatches", str(settings.microbatches)),
        ("Activations computed again", "yes" if settings.recompute else "no"),
        ("Blocks compiled", "yes" if settings.compile else "no"),
    ]


def _first(values: Sequence[float]) -> float:
    return _median(values[: max(len(values) // 10, 1)])


def _last(values: Sequence[float]) -> float:
    return _median(values[-max(len(values) // 10, 1) :])


def _median(values: Sequence[float]) -> float:
    finite = np.array(values, np.float64)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if finite.size else float("nan")


def _mean(values: Sequence[float]) -> float:
    finite = np.array(values, np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else 0.0


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
