"""A small foundation model for tests: waves on a coarse grid, trained for a moment."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.orbit_caches import cached, waves

from catena.orbit_trainer import jobs
from catena.shared.artifacts import ArtifactStore
from catena.shared.jobs import JobFunction
from catena.shared.requests import request_from_dict
from catena.shared.testing import run_job

NAMES = ("tas", "psl", "ua")
GRID = (12, 24)
DAYS = 40
TRAINING = {"start": "2001-01-01", "end": "2001-01-25"}
VALIDATION = {"start": "2001-01-27", "end": "2001-01-31"}
TEST = {"start": "2001-02-02", "end": "2001-02-09"}
SHAPE = {"width": 32, "depth": 2, "heads": 2, "patch": 2}
STEPS = {"steps": 30, "batch": 4, "learning_rate": 0.005, "checkpoint_every": 10}
LEADS = [6, 12]

Ref = dict[str, str]


def plain(ref: Any) -> Ref:
    """A reference as fields."""
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def put_cache(store: ArtifactStore, folder: Path, names: Any = NAMES, **changes: Any) -> Ref:
    """A hot cache of waves as an artifact, as if data-ingest had built it."""
    cached(waves(names, **{"steps": 4 * DAYS, "grid": GRID, **changes}), folder)
    digest = hashlib.sha256(str(folder).encode()).hexdigest()
    writer = store.writer(f"data-ingest/BuildCache/{digest}", 1)
    for path in folder.iterdir():
        writer.write_bytes(f"cache/{path.name}", path.read_bytes())
    return plain(writer.commit(kind="hot_cache", title="waves"))


def pretrain_request(cache_: Ref, **changes: Any) -> dict[str, Any]:
    """Fields of PretrainRequest."""
    return {
        "caches": [cache_],
        "leads_h": LEADS,
        "training_days": TRAINING,
        "shape": SHAPE,
        "training": STEPS,
        "seed": 1,
        **changes,
    }


@dataclass(frozen=True)
class Made:
    """What was trained, in a store of its own."""

    store: ArtifactStore

    def run(self, function: JobFunction, request: dict[str, Any], **more: Any) -> Ref:
        """Run a job here."""
        message = request_from_dict("orbit-trainer", function.method, request)
        return plain(run_job(function, function.query.from_message(message), self.store, **more))

    def fine_tune(self, task: str, checkpoint: Ref | None, **changes: Any) -> Ref:
        """A fine-tuned model."""
        request = {
            "task": task,
            "cache": waves_cache(),
            "training_days": TRAINING,
            "training": STEPS,
            "seed": 2,
            **changes,
        }
        if checkpoint is not None:
            request["checkpoint"] = checkpoint
        return self.run(jobs.fine_tune, request)

    def evaluate(self, checkpoint: Ref, **changes: Any) -> Ref:
        """Scores of a model."""
        request = {"checkpoint": checkpoint, "cache": waves_cache(), "days": TEST, "stride": 3}
        return self.run(jobs.evaluate_checkpoint, request | changes)


_FOLDER = tempfile.TemporaryDirectory(prefix="catena-orbit-")


@cache
def made() -> Made:
    """One store for all tests of a process."""
    return Made(ArtifactStore(f"file://{_FOLDER.name}/store"))


@cache
def waves_cache() -> Ref:
    """Waves that travel eastward."""
    return put_cache(made().store, Path(_FOLDER.name) / "waves")


@cache
def pretrained() -> Ref:
    """A model from random weights."""
    return made().run(jobs.pretrain, pretrain_request(waves_cache()))


@cache
def forecast() -> Ref:
    """The same, fine-tuned for longer leads."""
    return made().fine_tune("forecast", pretrained(), leads_h=[6, 24])


@cache
def downscale() -> Ref:
    """The same, fine-tuned for downscaling."""
    return made().fine_tune("downscale", pretrained(), factor=2)
