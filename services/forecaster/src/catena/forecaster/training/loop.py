"""The training loop: AdamW, warm-up and cosine, clipping, averaged weights, early stopping."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.forecaster.training.checkpoint import Checkpoint, pack, unpack
from catena.forecaster.training.config import TrainingConfig
from catena.forecaster.training.losses import loss_by_lead, loss_sum
from catena.forecaster.training.samples import Samples, spread_rows
from catena.models.flow_model import FlowModel
from catena.shared.errors import FailedPrecondition, InvalidData

SAVE_EVERY_S = 30.0
TIMED_STEPS = 12
EVALUATED = 512
"""Samples per pass without gradients."""
MOST_WEIGHT = 20.0
"""Of a lead, in weights of the lead with the largest error."""

Progress = Callable[[float, str], None]
Average = Callable[[Sequence[Tensor]], None]


@dataclass
class Training:
    """What a training did.

    Parameters
    ----------
    steps : int
        Minibatches that were planned.
    history : list of (step, training loss, validation loss)
        One entry per evaluation.
    best : int
        Step of the weights that were kept.
    stopped : bool
        Whether it stopped before its steps were done, as validation got no better.
    cpu_s : float
        CPU seconds of all its processes' runs, timing included.
    """

    steps: int
    history: list[tuple[int, float, float]] = field(default_factory=list)
    best: int = 0
    stopped: bool = False
    cpu_s: float = 0.0

    @property
    def best_loss(self) -> float:
        """Validation loss of the weights that were kept."""
        return min((loss for _, _, loss in self.history), default=math.inf)


@contextmanager
def no_denormals() -> Iterator[None]:
    """Numbers too small for a normal float become zero inside: gradients of days long ago fade
    into them, and a processor is slow with them.

    The switch belongs to the thread; it is off again afterwards.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def rate_factor(fraction: float, warm_up: float) -> float:
    """Learning rate over its peak: a linear rise, then a half cosine to zero."""
    rise = min(1.0, fraction / warm_up) if warm_up > 0 else 1.0
    return rise * 0.5 * (1.0 + math.cos(math.pi * fraction))


def train(
    model: FlowModel[Any],
    samples: Samples,
    validation: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    average: Average | None = None,
    part: tuple[int, int] = (0, 1),
) -> Training:
    """Train `model` in place; it ends with its best weights by validation.

    Parameters
    ----------
    model : FlowModel
        With fresh weights, or with weights to go on from.
    samples, validation : Samples
        Training forecasts, and forecasts of held-out years for early stopping.
    config : TrainingConfig
        Length, rates, loss.
    seed : int
        Of the order of samples. The same seed gives the same weights to the bit, on the same
        machine and number of threads.
    checkpoint : Checkpoint, optional
        Where the state is kept; a training that finds one there goes on from it, to the weights
        of one that was not interrupted.
    progress : callable, optional
        Told the fraction done and a sentence, at each evaluation.
    average : callable, optional
        Makes gradients the mean over the processes that train together.
    part : (int, int)
        Which part of each minibatch is this process's, of how many.

    Returns
    -------
    Training

    Raises
    ------
    InvalidData
        When there are no samples, or the loss is no longer finite.
    ValueError
        When several processes train together for CPU seconds.
    FailedPrecondition
        When the checkpoint belongs to another training.

    Notes
    -----
    Order of samples and forecast weather are functions of (seed, epoch, row): there is no state of
    a random generator to keep.
    """
    if not len(samples) or not len(validation):
        raise InvalidData(
            f"{len(samples)} samples to train and {len(validation)} to validate with came; at "
            "least one each wanted"
        )
    if part[1] > 1 and config.steps is None:
        raise ValueError("processes that train together need steps: each would time its own CPU")
    with no_denormals():
        run = _Run(model, samples, validation, config, seed, part, average)
        run.resume(checkpoint)
        run.go(checkpoint, progress or (lambda fraction, message: None))
    return run.done


class _Run:
    """One training under way."""

    def __init__(
        self,
        model: FlowModel[Any],
        samples: Samples,
        validation: Samples,
        config: TrainingConfig,
        seed: int,
        part: tuple[int, int],
        average: Average | None,
    ) -> None:
        self.model, self.samples, self.validation = model, samples, validation
        self.config, self.seed, self.part, self.average = config, seed, part, average
        self.parameters = dict(model.named_parameters())
        matrices = [p for p in self.parameters.values() if p.ndim > 1]
        vectors = [p for p in self.parameters.values() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            fused=True,
        )
        self.smooth = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.best = {name: p.detach().clone() for name, p in self.parameters.items()}
        # the ragged end of an epoch is left out: another one is left out next time
        self.batches = max(1, len(samples) // config.batch)
        self.rows: Iterator[NDArray[np.int64]] | None = None
        self.step, self.since, self.summed, self.counted = 0, 0, 0.0, 0
        self.done = Training(0)
        self.weights: Tensor | None = None

    def go(self, checkpoint: Checkpoint | None, progress: Progress) -> None:
        """Train from the present step to the end."""
        started, before = time.process_time(), self.done.cpu_s
        if not self.done.steps:
            self.weights = self._balance() if self.config.balance_leads else None
            self.done.steps = self._plan(started)
            self._save(checkpoint)
        total = self.done.steps
        often = self.config.evaluations
        looks = {-(-total * (k + 1) // often) for k in range(often)}
        saved = time.monotonic()
        while self.step < total and not self.done.stopped:
            self._learn(total)
            self.step += 1
            if self.step in looks:
                self._evaluate()
                train_loss, loss = self.done.history[-1][1:]
                progress(
                    1.0 if self.done.stopped else self.step / total,
                    f"step {self.step} of {total}: training loss {train_loss:.4f}, validation "
                    f"loss {loss:.4f}",
                )
            self.done.cpu_s = before + time.process_time() - started
            if self.step in looks or time.monotonic() - saved > SAVE_EVERY_S:
                self._save(checkpoint)
                saved = time.monotonic()
        _put(self.parameters, self.best)
        self.done.cpu_s = before + time.process_time() - started

    def _learn(self, total: int) -> None:
        rows = self._rows(self.step)
        rate = self.config.learning_rate * rate_factor((self.step + 1) / total, self.config.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        value, count = self._loss(self.samples, rows, self.step // self.batches)
        summed = float(value.detach())
        if not math.isfinite(summed):
            raise InvalidData(
                f"the loss is {summed} at step {self.step}; look for infinite inputs, or "
                "lower the learning rate"
            )
        torch.autograd.backward(value / count.clamp(min=1))
        every = list(self.parameters.values())
        if self.average is not None:
            self.average([p.grad for p in every if p.grad is not None])
        torch.nn.utils.clip_grad_norm_(every, self.config.clip)
        self.optimizer.step()
        self.summed, self.counted = self.summed + summed, self.counted + int(count)
        # young averages forget faster
        keep = min(self.config.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.smooth.values()), [p.detach() for p in every], 1 - keep)

    def _rows(self, step: int) -> NDArray[np.int64]:
        """This process's part of the minibatch of a step."""
        epoch, place = divmod(step, self.batches)
        if place == 0 or self.rows is None:
            self.rows = self.samples.batches(
                self.config.batch, seed=self.seed, epoch=epoch, first=place
            )
        first, of = self.part
        return next(self.rows)[first::of]

    def _loss(self, samples: Samples, rows: Any, epoch: int) -> tuple[Tensor, Tensor]:
        inputs, targets = samples.batch(rows, epoch=epoch)
        sd = self._sd(samples, rows)
        return loss_sum(self.config.loss, self.model(inputs), targets, sd, self.weights)

    @staticmethod
    def _sd(samples: Samples, rows: Any) -> Tensor:
        return torch.as_tensor(samples.scaled_sd(rows)).nan_to_num(nan=1.0)

    def _looked_at(self, samples: Samples) -> Iterator[NDArray[np.int64]]:
        """Rows of samples that are evaluated, spread evenly, batch by batch."""
        rows = spread_rows(len(samples), self.config.validation_samples)
        for start in range(0, len(rows), EVALUATED):
            yield rows[start : start + EVALUATED]

    def _evaluate(self) -> None:
        """Look at the averaged weights; keep them when they are the best so far."""
        raw = {name: p.detach().clone() for name, p in self.parameters.items()}
        _put(self.parameters, self.smooth)
        total, number = 0.0, 0
        with torch.no_grad():
            for rows in self._looked_at(self.validation):
                value, count = self._loss(self.validation, rows, 0)
                total, number = total + float(value), number + int(count)
        if not number:
            raise InvalidData("no flow was observed in the forecasts of the validation years")
        if not math.isfinite(total):
            raise InvalidData(
                f"the validation loss is {total} at step {self.step}; look for infinite numbers in "
                "the records of the validation years"
            )
        better = total / number < self.done.best_loss
        learned = self.summed / max(self.counted, 1)
        self.done.history.append((self.step, learned, total / number))
        self.summed, self.counted = 0.0, 0
        self.since = 0 if better else self.since + 1
        if better:
            self.done.best = self.step
            self.best = {name: p.clone() for name, p in self.smooth.items()}
        self.done.stopped = self.since >= self.config.patience
        _put(self.parameters, raw)

    def _balance(self) -> Tensor:
        """Weight of each lead, (H,), mean 1: one over the error of the model as it starts."""
        total, number = torch.zeros(()), torch.zeros(())
        for rows in self._looked_at(self.samples):
            inputs, targets = self.samples.batch(rows, epoch=0)
            with torch.no_grad():
                value, count = loss_by_lead(
                    self.config.loss, self.model(inputs), targets, self._sd(self.samples, rows)
                )
            total, number = total + value, number + count
        usual = total / number.clamp(min=1)
        # a lead without targets counts for nothing, and a perfect one must not rule alone
        weights = 1.0 / usual.clamp(min=float(usual.max()) / MOST_WEIGHT)
        return weights / weights.mean()

    def _plan(self, started: float) -> int:
        """Steps of this training: as asked for, or as many as fit into the CPU seconds."""
        config, most = self.config, self.config.steps or 2**31
        if config.cpu_s is None:
            return most
        trial = deepcopy(self.model)
        optimizer = torch.optim.AdamW(trial.parameters(), lr=0.0, fused=True)
        costs = []
        rows = self._rows(0)
        self.rows = None
        for _ in range(TIMED_STEPS):
            before = time.process_time()
            inputs, targets = self.samples.batch(rows, epoch=0)
            value, count = loss_sum(config.loss, trial(inputs), targets)
            optimizer.zero_grad()
            torch.autograd.backward(value / count.clamp(min=1))
            torch.nn.utils.clip_grad_norm_(trial.parameters(), config.clip)
            optimizer.step()
            costs.append(time.process_time() - before)
        cost = float(np.median(costs[2:]))
        # a forward pass is about a third of a step
        looked = min(len(self.validation), config.validation_samples) / config.batch / 3
        left = config.cpu_s - (time.process_time() - started) - config.evaluations * looked * cost
        return max(config.evaluations, min(most, int(left / cost)))

    def resume(self, checkpoint: Checkpoint | None) -> None:
        """Go on from what `checkpoint` holds, if it holds anything."""
        saved = checkpoint.load() if checkpoint is not None else None
        if saved is None:
            return
        arrays, meta = saved
        if meta["training"] != self._identity():
            raise FailedPrecondition(
                "the checkpoint belongs to a training with other settings, seed, model or number "
                "of samples; give it a place of its own"
            )
        groups = unpack(arrays)
        _put(self.parameters, groups["value"])
        _put(self.smooth, groups["smooth"])
        _put(self.best, groups["best"])
        self.step, self.since = meta["step"], meta["since"]
        self.summed, self.counted = meta["summed"], meta["counted"]
        self.done = Training(**meta["done"])
        self.done.history = [tuple(entry) for entry in self.done.history]  # type: ignore[misc]
        weights = meta["weights"]
        self.weights = None if weights is None else torch.tensor(weights)
        if self.step:
            for name, p in self.parameters.items():
                self.optimizer.state[p] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": groups["first_moment"][name],
                    "exp_avg_sq": groups["second_moment"][name],
                }

    def _save(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        groups: dict[str, Mapping[str, Tensor]] = {
            "value": self.parameters,
            "smooth": self.smooth,
            "best": self.best,
        }
        if self.step:
            for group, key in (("first_moment", "exp_avg"), ("second_moment", "exp_avg_sq")):
                groups[group] = {
                    n: self.optimizer.state[p][key] for n, p in self.parameters.items()
                }
        meta = {
            "training": self._identity(),
            "step": self.step,
            "since": self.since,
            "summed": self.summed,
            "counted": self.counted,
            "done": asdict(self.done),
            "weights": None if self.weights is None else self.weights.tolist(),
        }
        checkpoint.save(pack(groups), meta)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to be gone on from."""
        plain = {
            "config": asdict(self.config),
            "seed": self.seed,
            "model": [type(self.model).__name__, self.model.config()],
            "samples": [len(self.samples), len(self.validation)],
        }
        same: dict[str, Any] = json.loads(json.dumps(plain))  # as it will be read: tuples are lists
        return same


@torch.no_grad()
def _put(into: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, p in into.items():
        p.copy_(values[name])
