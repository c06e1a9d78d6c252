"""The smallest thing that is an engine: a straight line, learned with momentum, in one process."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from catena.orbit_trainer.ahead import Ahead
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.base import StepResult
from catena.orbit_trainer.training.checkpoint_folder import read_meta, seal, unfinished


class Lines:
    """Batches of noisy points on y = 3 x - 2; what a step holds follows from its number."""

    def __init__(self, size: int = 8, spoiled: tuple[int, ...] = ()) -> None:
        self.size, self.spoiled = size, spoiled

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        random = torch.Generator().manual_seed(1000 + step)
        x = torch.randn(self.size, 1, 1, 1, generator=random)
        y = 3.0 * x - 2.0 + 0.1 * torch.randn(x.shape, generator=random)
        if step in self.spoiled:
            x[0] = math.nan
        whole = Batch(x, y, torch.zeros(1, dtype=torch.int64), torch.zeros(self.size))
        return whole.part(rank, ranks)

    def ahead(self, first: int = 0, rank: int = 0, ranks: int = 1) -> Ahead[Batch]:
        return Ahead(lambda step: self.batch(step, rank, ranks), first)


class LineEngine:
    """Stochastic gradient descent with momentum, and a random part as drop path has one."""

    data_rank, data_ranks = 0, 1

    def __init__(self) -> None:
        self.state = {name: torch.zeros(()) for name in ("slope", "offset", "fast_s", "fast_o")}
        self.killed_at: int | None = None
        self.steps = 0

    def step(self, batch: Batch, learning_rate: float) -> StepResult:
        if self.steps == self.killed_at:
            raise KeyboardInterrupt
        self.steps += 1
        x, error = batch.fields, self._error(batch)
        kept = (torch.rand(len(batch), 1, 1, 1) < 0.8) / 0.8
        loss = float(error.square().mean())
        gradient = torch.stack([(kept * error * x).mean(), (kept * error).mean()])
        norm = float(gradient.norm())
        if not math.isfinite(norm):
            return StepResult(loss, norm, skipped=True)
        for name, fast, value in zip(
            ("slope", "offset"), ("fast_s", "fast_o"), gradient, strict=True
        ):
            self.state[fast] = 0.5 * self.state[fast] + value
            self.state[name] = self.state[name] - 100 * learning_rate * self.state[fast]
        return StepResult(loss, norm, skipped=False)

    def evaluate(self, batch: Batch) -> float:
        return float(self._error(batch).square().mean())

    def save(self, folder: Path, meta: Mapping[str, Any]) -> None:
        part = unfinished(folder)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(self.state, part / "state.safetensors")
        seal(folder, meta)

    def wait(self) -> None:
        pass

    def load(self, folder: Path) -> dict[str, Any]:
        self.state = load_file(folder / "state.safetensors")
        return read_meta(folder)

    def weights(self) -> dict[str, Tensor]:
        return {name: self.state[name].clone() for name in ("slope", "offset")}

    def _error(self, batch: Batch) -> Tensor:
        return self.state["slope"] * batch.fields + self.state["offset"] - batch.targets
