"""What the trainer's artifacts hold: from models to files and back.

================  =================================================================================
kind              files
================  =================================================================================
checkpoint        ``checkpoint.json`` (:class:`About`: architecture, statistics, how it was
                  trained), ``weights.safetensors``
spin_up_emulator  ``emulator.json``, ``weights.safetensors``: what
                  :meth:`catena.models.spin_up_emulator.SpinUpEmulator.from_parts` takes
evaluation        ``evaluation.json``, ``skill.zarr``, ``report.html``
plan              ``plan.json``, ``report.html``
================  =================================================================================

No pickle: a checkpoint is numbers and JSON, and may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from catena.models.orbit import Orbit
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig, OrbitDownscale
from catena.orbit_trainer.statistics import Statistics
from catena.shared.errors import ArtifactCorrupt, InvalidData
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_format import METADATA, Metadata

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact, ArtifactWriter

ABOUT = "checkpoint.json"
WEIGHTS = "weights.safetensors"
CACHE = "cache"
"""Folder of a hot cache in its artifact."""

Config = OrbitConfig | DownscaleConfig

MODELS: dict[str, tuple[type[Config], type[nn.Module]]] = {
    "pretrain": (OrbitConfig, Orbit),
    "forecast": (OrbitConfig, Orbit),
    "downscale": (DownscaleConfig, OrbitDownscale),
}
"""Architecture and model of each task."""


@dataclass(frozen=True)
class About:
    """What a checkpoint is, without its weights.

    Parameters
    ----------
    task : {"pretrain", "forecast", "downscale"}
    title : str
    config : OrbitConfig or DownscaleConfig
        Shape of the model.
    statistics : Statistics
        How its fields are normalised.
    leads_h : tuple of float
        Lead times that it was trained on, hours; none for downscaling.
    residual : bool
        Whether it predicts normalised changes.
    lat, lon : tuple of float
        Of the fields that it predicts, degrees.
    step_s : int
        Seconds between the fields of training.
    seen : tuple of (str, str, str)
        Digest of each cache that the weights have seen, those of pre-training included, with the
        first and the last day of it; both empty: all days.
    generated : bool
        Whether fields of training were made by a formula.
    parameters : int
    record : dict
        How the training went: settings, samples, losses, times; as JSON.
    """

    task: str
    title: str
    config: Config
    statistics: Statistics
    leads_h: tuple[float, ...]
    residual: bool
    lat: tuple[float, ...]
    lon: tuple[float, ...]
    step_s: int
    seen: tuple[tuple[str, str, str], ...]
    generated: bool
    parameters: int
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> OrbitConfig:
        """Channels that come in and go out, and the grid of the input."""
        return self.config.coarse if isinstance(self.config, DownscaleConfig) else self.config

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of what is predicted."""
        return len(self.lat), len(self.lon)

    def days(self) -> str:
        """Days that the weights have seen, in words."""
        seen = [f"{start} to {end}" if start else "all days" for _, start, end in self.seen]
        return "; ".join(dict.fromkeys(seen))

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            **asdict(self),
            "config": self.config.to_dict(),
            "statistics": self.statistics.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        plain = dict(values)
        plain["config"] = MODELS[plain["task"]][0].from_dict(plain["config"])
        plain["statistics"] = Statistics.from_dict(plain["statistics"])
        for name in ("leads_h", "lat", "lon"):
            plain[name] = tuple(plain[name])
        plain["seen"] = tuple(tuple(one) for one in plain["seen"])
        return cls(**plain)


@dataclass(frozen=True)
class Checkpoint:
    """A trained model.

    Parameters
    ----------
    about : About
    weights : dict of str to Tensor
        As the model's state dict names them, float32.
    """

    about: About
    weights: dict[str, Tensor]

    def model(self) -> nn.Module:
        """The model with these weights, for predicting."""
        with torch.device("meta"):
            model = MODELS[self.about.task][1](self.about.config)
        model.load_state_dict(self.weights, assign=True)
        return model.eval().requires_grad_(False)


def write_checkpoint(writer: ArtifactWriter, checkpoint: Checkpoint) -> None:
    """Write a checkpoint.

    Raises
    ------
    InvalidData
        When a weight is not finite: such a model predicts nothing.
    """
    for name, weight in checkpoint.weights.items():
        if not torch.isfinite(weight).all():
            raise InvalidData(
                f"weight {name} is not finite after training; lower the learning rate, or look "
                "for values in the cache that cannot be"
            )
    arrays = {name: weight.cpu().numpy() for name, weight in checkpoint.weights.items()}
    writer.write_arrays(WEIGHTS, arrays)
    writer.write_json(ABOUT, checkpoint.about.to_dict())


def read_about(artifact: Artifact) -> About:
    """What a checkpoint is.

    Raises
    ------
    ArtifactCorrupt
        When the file is not as :func:`write_checkpoint` writes it.
    """
    plain = artifact.read_json(ABOUT)
    try:
        return About.from_dict(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactCorrupt(
            f"'{artifact.uri}': {ABOUT} is not that of a checkpoint ({type(error).__name__}); "
            "train it again"
        ) from None


def read_checkpoint(artifact: Artifact) -> Checkpoint:
    """A checkpoint with its weights.

    Raises
    ------
    ArtifactCorrupt
        When the weights are not those of the architecture; names the first that differs.
    """
    about = read_about(artifact)
    arrays = artifact.read_arrays(WEIGHTS)
    with torch.device("meta"):
        wanted = MODELS[about.task][1](about.config).state_dict()
    for name in sorted(wanted.keys() | arrays.keys()):
        there = arrays[name].shape if name in arrays else "nothing"
        shape = tuple(wanted[name].shape) if name in wanted else "nothing"
        if there != shape:
            raise ArtifactCorrupt(
                f"'{artifact.uri}': weight {name} has shape {there}, the architecture wants "
                f"{shape}; train it again"
            )
    weights = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    return Checkpoint(about, weights)


# ------------------------------------------------------------------ hot caches


def cache_metadata(artifact: Artifact) -> Metadata:
    """Channels, grid, times and statistics of a hot cache, without its blocks."""
    return Metadata.from_json(artifact.read_bytes(f"{CACHE}/{METADATA}").decode())


def open_cache(artifact: Artifact) -> HotCache:
    """A hot cache on this machine; every byte is checked."""
    return HotCache.open(artifact.local_path(CACHE))
