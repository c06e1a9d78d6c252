"""One training, described so that every process of it can make its part by itself.

What is trained (a model from random weights, a forecast, a downscaling) and on which fields becomes
a model, a loss and a stream of batches here; how it is trained is the engines' and the loop's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from catena.models.orbit_config import OrbitConfig, variable_ids
from catena.models.orbit_downscale import DownscaleConfig
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.ahead import Ahead
from catena.orbit_trainer.batches import Batch, BatchStream
from catena.orbit_trainer.engines.base import Engine
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.engines.zero import ZeroEngine
from catena.orbit_trainer.tasks.adapters import Adaptation, FineTune
from catena.orbit_trainer.tasks.downscale import DownscaleStream, downscale_task
from catena.orbit_trainer.tasks.forecast import forecast_task
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.loop import Trained, train
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

__all__ = ["Stream", "Training", "run"]

LOOKS = 4
"""Batches of validation: always the same ones."""


class Stream(Protocol):
    """Batches by the number of their step."""

    def batch(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """A rank's share of the batch of one step."""
        ...

    def ahead(self, first: int = 0, rank: int = 0, ranks: int = 1) -> Ahead[Batch]:
        """A rank's shares of the batches of steps first, first + 1, ..."""
        ...


@dataclass(frozen=True, eq=False)
class Training:
    """What is trained, and on what.

    Parameters
    ----------
    folders : tuple of Path
        Of the hot caches, as all processes see them.
    config : OrbitConfig or DownscaleConfig
        Shape of the model; with the latter it downscales, else it forecasts.
    statistics : Statistics
        Of the days of training.
    settings : TrainingSettings
    leads_h : tuple of float
        Lead times, hours; none for downscaling.
    period : Period
        Days that the weights see.
    validation : Period, optional
        Days that the best weights are chosen on.
    samples : int, optional
        Only so many samples, evenly spread over the period.
    pretrained : Pretrained, optional
        Weights to begin from; random ones by default.
    adaptation : Adaptation
        Which weights are trained.
    """

    folders: tuple[Path, ...]
    config: OrbitConfig | DownscaleConfig
    statistics: Statistics
    settings: TrainingSettings
    leads_h: tuple[float, ...] = ()
    period: Period = field(default_factory=Period)
    validation: Period | None = None
    samples: int | None = None
    pretrained: Pretrained | None = None
    adaptation: Adaptation = field(default_factory=Adaptation)

    def fine_tune(self) -> FineTune:
        """Model, first weights, call and loss, as engines take them."""
        latitudes = HotCache.open(self.folders[0]).metadata.lat
        more: dict[str, Any] = {
            "pretrained": self.pretrained,
            "adaptation": self.adaptation,
            "seed": self.settings.seed,
        }
        if isinstance(self.config, DownscaleConfig):
            return downscale_task(self.config, latitudes, **more)
        return forecast_task(self.config, latitudes, **more)

    def stream(self) -> Stream:
        """Batches of training."""
        return self._stream(self.period, self.settings.seed, self.samples)

    def looks(self) -> list[Batch]:
        """Batches of validation; none where no days are held out."""
        if self.validation is None:
            return []
        stream = self._stream(self.validation, self.settings.seed + 1, None)
        return [stream.batch(step) for step in range(LOOKS)]

    def identity(self) -> dict[str, Any]:
        """What makes it this training beside its settings, as JSON."""
        return {
            "config": self.config.to_dict(),
            "caches": [HotCache.open(folder).metadata.digests for folder in self.folders],
            "leads_h": self.leads_h,
            "period": [self.period.first, self.period.stop],
            "validation": self.validation and [self.validation.first, self.validation.stop],
            "samples": self.samples,
            "pretrained": self.pretrained and _checksum(self.pretrained.weights),
            "adaptation": [self.adaptation.kind, self.adaptation.rank],
        }

    def _stream(self, period: Period, seed: int, samples: int | None) -> Stream:
        caches = [HotCache.open(folder) for folder in self.folders]
        size = self.settings.batch
        if isinstance(self.config, DownscaleConfig):
            return DownscaleStream(
                caches[0], self.config, period, size, seed, self.statistics, samples=samples
            )
        known = self.config.variables
        there = {channel.label for cache in caches for channel in cache.channels}
        names = [name for name in known if name in there]
        return BatchStream(
            caches,
            names,
            self.config.outputs,
            self.leads_h,
            size,
            seed,
            period,
            True,
            self.statistics,
            variable_ids(self.config, names),
            samples=samples,
        )


def _checksum(weights: Mapping[str, Tensor]) -> int:
    """Of the names and numbers of weights (CRC-32)."""
    found = 0
    for name in sorted(weights):
        numbers = weights[name].detach().cpu().reshape(-1).view(torch.uint8)
        found = zlib.crc32(numbers.numpy().tobytes(), zlib.crc32(name.encode(), found))
    return found


def run(
    training: Training,
    folder: Path,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
    *,
    device: torch.device | str = "cpu",
) -> Trained:
    """Train in this process, from the newest whole checkpoint in `folder` if there is one.

    Where it is one of a group, all of the group do so together.

    Parameters
    ----------
    training : Training
    folder : Path
        Of the checkpoints of this training alone.
    progress : callable
        Told the fraction done and a sentence.
    device : torch.device or str
        Of this process.
    """
    task = training.fine_tune()
    made_by = ZeroEngine if training.settings.engine == "deepspeed" else NativeEngine
    engine: Engine = made_by(
        task.factory, training.settings, task.loss, device, fill=task.fill, call=task.call
    )
    return train(
        engine,
        training.stream(),
        training.settings,
        folder=folder,
        progress=progress,
        validation=training.looks(),
        about=training.identity(),
    )
