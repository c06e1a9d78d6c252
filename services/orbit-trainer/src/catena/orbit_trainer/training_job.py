"""A training as a job: its folder of checkpoints, its progress, the artifact that it ends as."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.models.orbit_checkpoint import About, Checkpoint
from catena.orbit_trainer import storage
from catena.orbit_trainer.report_training import model_facts, training_page
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.loop import Trained
from catena.orbit_trainer.trainings import Training
from catena.shared.artifacts import Artifact
from catena.shared.jobs import JobContext
from catena.shared.settings import Settings

__all__ = ["HISTORY", "Reporter", "train_and_commit", "training_folder"]

TRAINING = "training"
"""Folder of the sharded checkpoints of a training that is under way."""
HISTORY = "history.json"
LOOK_S = 2.0
_SEALED = re.compile(r"step-(\d+)")


Run = Callable[[Training, Path, Callable[[float, str], None]], Trained]
"""How a training is run: in this process, or in those of a mesh."""


def train_and_commit(
    training: Training, about: About, sources: Sequence[Artifact], ctx: JobContext, run: Run
) -> ArtifactRef:
    """Train to the last step, or on from where an earlier attempt was, and commit."""
    folder = training_folder(ctx)
    progress = Reporter(ctx, folder)
    trained = run(training, folder, progress)
    history = trained.history
    weights = training.adaptation.merged(trained.weights)
    about = replace(
        about,
        parameters=sum(weight.numel() for weight in weights.values()),
        record=_record(training, history),
    )
    storage.write_checkpoint(ctx.writer, Checkpoint(about, weights))
    ctx.writer.write_json(HISTORY, history.to_dict())
    page, _ = training_page(
        about.title,
        history,
        training.settings,
        model=model_facts(about.fields, about.parameters),
        data=_data_facts(training, about, sources),
        generated=about.generated,
        seconds=sum(training.settings.batch / speed for speed in history.samples_per_s),
        kind="pre-training" if about.task == "pretrain" else about.task,
        resumed=progress.resumed,
    )
    ctx.writer.write_bytes("report.html", page.encode())
    units = dict(zip(about.statistics.variables, about.statistics.units, strict=True))
    # Both tell how fast it went, which is another each time.
    timed = (HISTORY, "report.html")
    ref = ctx.commit(kind="checkpoint", units=units, title=about.title, timed_files=timed)
    progress.forget()
    return ref


class Reporter:
    """Progress of a training; tells the job's own checkpoint of each new one in the folder.

    Attempts at a job are counted by that: one that got further is not the last.
    """

    def __init__(self, ctx: JobContext, folder: Path) -> None:
        self._ctx, self._folder = ctx, folder
        saved = ctx.checkpoint.load()
        self.resumed: list[int] = list(saved[1]["resumed"]) if saved else []
        self._step = self._newest()
        if self._step:
            self.resumed.append(self._step)
        self._looked = time.monotonic()

    def __call__(self, fraction: float, message: str) -> None:
        """As the loop calls it."""
        self._ctx.progress(fraction, message)
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        newest = self._newest()
        if newest > self._step:
            self._step = newest
            self._ctx.checkpoint.save({}, {"step": newest, "resumed": self.resumed})

    def forget(self) -> None:
        """Remove the checkpoints, when there is an artifact."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _newest(self) -> int:
        # By name alone: what is in them grows with the training. Of several trainings one after
        # the other each has a folder of its own, and the steps of all count.
        newest: dict[Path, int] = {}
        for path in self._folder.rglob("step-*"):
            if match := _SEALED.fullmatch(path.name):
                newest[path.parent] = max(newest.get(path.parent, 0), int(match[1]))
        return sum(newest.values())


def training_folder(ctx: JobContext) -> Path:
    """Where a training keeps its sharded checkpoints: beside the job, or on this machine."""
    beside = ctx.store.local(f"jobs/{ctx.name}")
    return beside / TRAINING if beside is not None else Settings().home / TRAINING / ctx.name


def _record(training: Training, history: History) -> dict[str, Any]:
    """How a training went, without what depends on the machine."""
    return {
        "settings": training.settings.to_dict(),
        "steps": history.steps,
        "batch": training.settings.batch,
        "samples": training.samples,
        "adapter": training.adaptation.kind,
        "best_validation": history.best,
        "skipped": len(history.skipped),
    }


def _data_facts(
    training: Training, about: About, sources: Sequence[Artifact]
) -> list[tuple[str, str]]:
    facts = [("Data", "; ".join(source.manifest.title or source.uri for source in sources))]
    facts.append(("Days of training", str(training.period)))
    if training.validation is not None:
        facts.append(("Days of validation", str(training.validation)))
    if training.samples is not None:
        facts.append(("Samples", f"{training.samples:,}"))
    if about.leads_h:
        facts.append(("Leads", ", ".join(f"{lead:g} h" for lead in about.leads_h)))
    return facts
