"""The loop of a training: an engine takes steps, the loop keeps the books.

Everything that a step depends on follows from its number: the batch, the learning rate, the seed of
random numbers. So a training that was killed goes on from its last checkpoint to the same losses
as one that was not.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.base import Engine, StepResult
from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.schedule import learning_rate
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest
from catena.shared.shuffle import hashed

__all__ = ["MOST_SKIPPED", "Progress", "Stream", "Trained", "train"]

log = logging.getLogger(__name__)

MOST_SKIPPED = 20
"""Steps in a row: with that many, it is the model that is broken, not a batch."""

# What may be another when a training goes on: none of it changes what is computed.
_FREE = {"mesh", "recompute", "compile", "offload", "zero_stage", "microbatches"}
_FREE |= {"checkpoint_every", "validate_every", "nan"}

_BEST = "best.safetensors"

Progress = Callable[[float, str], None]


class Ahead(AbstractContextManager[Iterator[Batch]], Iterator[Batch], Protocol):
    """Batches of steps one after the other, closed at the end."""


class Stream(Protocol):
    """Batches by the number of their step; :class:`catena.orbit_trainer.batches.BatchStream`."""

    def ahead(self, first: int = 0, rank: int = 0, ranks: int = 1) -> Ahead:
        """A rank's shares of the batches of steps first, first + 1, ..."""
        ...


@dataclass(frozen=True)
class Trained:
    """What a training made.

    Parameters
    ----------
    weights : dict of Tensor
        Float32; the best ones by validation, or the last ones where there was none. Empty on all
        processes but the first.
    history : History
    """

    weights: dict[str, Tensor]
    history: History


def train(
    engine: Engine,
    stream: Stream,
    settings: TrainingSettings,
    *,
    folder: Path,
    progress: Progress = lambda fraction, message: None,
    validation: Sequence[Batch] = (),
    about: Mapping[str, Any] | None = None,
) -> Trained:
    """Train to the last step, from the newest whole checkpoint in `folder` if there is one.

    Parameters
    ----------
    engine : Engine
        With fresh weights, or with those to begin from.
    stream : Stream
        Of batches of ``settings.batch`` samples.
    settings : TrainingSettings
    folder : Path
        Of the checkpoints and the best weights, of this training alone; all processes see it.
    progress : callable
        Told the fraction done and a sentence, at each step.
    validation : sequence of Batch
        Whole batches of held-out samples, always the same, whose number the data ranks divide.
    about : mapping, optional
        What else makes it this training, as JSON: the model's shape, the data.

    Raises
    ------
    InvalidRequest
        When the data ranks and microbatches do not divide a validation batch.
    InvalidData
        When a batch is not finite and ``settings.nan`` is "stop", or `MOST_SKIPPED` in a row are
        not.
    FailedPrecondition
        When the checkpoint belongs to another training (each difference is named), or none can be
        written; the last good one is still there.
    """
    run = _Run(engine, settings, folder, validation, about or {})
    run.resume()
    run.go(stream, progress)
    return Trained(run.weights(), run.history)


class _Run:
    """One training under way."""

    def __init__(
        self,
        engine: Engine,
        settings: TrainingSettings,
        folder: Path,
        validation: Sequence[Batch],
        about: Mapping[str, Any],
    ) -> None:
        self.engine, self.settings, self.folder = engine, settings, folder
        self.checkpoints = CheckpointFolder(folder)
        self.history = History()
        for batch in validation:
            if len(batch) % (engine.data_ranks * settings.microbatches):
                raise InvalidRequest(
                    f"a validation batch has {len(batch)} samples for {engine.data_ranks} data "
                    f"ranks x {settings.microbatches} microbatches; wanted a multiple"
                )
        self.looked_at = [batch.part(engine.data_rank, engine.data_ranks) for batch in validation]
        fixed = {name: value for name, value in settings.to_dict().items() if name not in _FREE}
        # as it will be read: tuples are lists
        self.identity = json.loads(json.dumps({"settings": fixed, **about}))

    def resume(self) -> None:
        """Go on from the newest checkpoint that can be read, if there is one."""
        damaged: FailedPrecondition | None = None
        for place, meta in self.checkpoints.whole():
            differences = _differences(meta.get("training", {}), self.identity)
            if differences:
                raise FailedPrecondition(
                    f"the checkpoint {place.name} belongs to another training: "
                    f"{'; '.join(differences)}. Give this one a folder of its own"
                )
            try:
                self.engine.load(place)
            except FailedPrecondition as error:  # on all processes alike
                log.warning("%s", error)
                damaged = damaged or error
                continue
            self.history = History.from_dict(meta["history"])
            log.info("going on from %s", place.name)
            return
        if damaged is not None:  # weights may be half read: not to begin with
            raise damaged

    def go(self, stream: Stream, progress: Progress) -> None:
        """All steps that are left."""
        first, total = self.history.steps, self.settings.steps
        if first >= total:
            return
        engine = self.engine
        with stream.ahead(first, engine.data_rank, engine.data_ranks) as batches:
            started = time.perf_counter()
            for step in range(first, total):
                batch = next(batches)
                got = time.perf_counter()
                rate = learning_rate(self.settings, step)
                # drop path draws from it: the same after a resume
                torch.manual_seed(int(hashed([step], self.settings.seed, engine.data_rank)[0] >> 1))
                result = engine.step(batch, rate)
                ended = time.perf_counter()
                seconds = ended - started
                self.history.add(
                    result, rate, self.settings.batch / seconds, (got - started) / seconds
                )
                self._finite(result, step)
                self._keep(step + 1)
                progress((step + 1) / total, self._said())
                # looks at validation and checkpoints are not the step's
                started = time.perf_counter()
        engine.wait()

    def weights(self) -> dict[str, Tensor]:
        """The best weights, on the first process."""
        last = self.engine.weights()
        if not last or self.history.best is None:
            return last
        try:
            return load_file(self.folder / _BEST)
        except (OSError, SafetensorError) as error:
            raise FailedPrecondition(
                f"the best weights, of step {self.history.best[0]}, cannot be read again "
                f"({error}); remove the training's folder and start again"
            ) from None

    def _finite(self, result: StepResult, step: int) -> None:
        if not result.skipped:
            return
        what = f"at step {step} the loss is {result.loss:g} and the gradient's norm "
        what += f"{result.gradient_norm:g}"
        if self.settings.nan == "stop":
            self.engine.wait()  # the checkpoint under way is what a repaired training goes on from
            raise InvalidData(
                f"{what}; look for NaN or infinite numbers in the batch, lower the learning rate, "
                "or set nan to skip"
            )
        log.warning("%s; it changes nothing", what)
        if self.history.skipped_last() >= MOST_SKIPPED:
            self.engine.wait()
            raise InvalidData(
                f"{what}, as in the {MOST_SKIPPED - 1} steps before; lower the learning rate, or "
                "look for infinite numbers in the data"
            )

    def _keep(self, done: int) -> None:
        """Look at validation and save, where it is time to."""
        last = done == self.settings.steps
        if self.looked_at and (last or done % self.settings.validate_every == 0):
            losses = [self.engine.evaluate(batch) for batch in self.looked_at]
            self.history.validation.append((done, sum(losses) / len(losses)))
            if self.history.best == self.history.validation[-1]:
                self._keep_best()
        if last or done % self.settings.checkpoint_every == 0:
            meta = {"training": self.identity, "history": self.history.to_dict()}
            self.engine.save(self.checkpoints.place(done), meta)

    def _keep_best(self) -> None:
        weights = self.engine.weights()
        if not weights:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{_BEST}.new"
        try:
            save_file(weights, new)
            new.replace(self.folder / _BEST)
        except (OSError, SafetensorError) as error:
            new.unlink(missing_ok=True)
            raise FailedPrecondition(
                f"the best weights could not be written ({error}); free some space and start again"
            ) from error

    def _said(self) -> str:
        history = self.history
        said = f"step {history.steps} of {self.settings.steps}: loss {history.loss[-1]:.4f}"
        if history.validation:
            said += f", validation {history.validation[-1][1]:.4f}"
        if history.skipped:
            said += f", {len(history.skipped)} skipped"
        return said


def _differences(saved: Any, wanted: Any, name: str = "") -> list[str]:
    """Where two JSON values differ, by name."""
    if isinstance(saved, dict) and isinstance(wanted, dict):
        return [
            difference
            for key in sorted(saved.keys() | wanted.keys())
            for difference in _differences(
                saved.get(key), wanted.get(key), f"{name}.{key}" if name else key
            )
        ]
    return [] if saved == wanted else [f"{name} was {saved!r}, now {wanted!r}"]
