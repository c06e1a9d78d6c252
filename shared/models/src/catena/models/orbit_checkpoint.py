"""What a checkpoint of the foundation model holds: architecture, statistics, weights.

``checkpoint.json`` is :class:`About`, ``weights.safetensors`` the weights: numbers and JSON, no
pickle, so a checkpoint may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catena.models.orbit import Orbit
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig, OrbitDownscale
from catena.models.orbit_statistics import Statistics
from catena.shared.errors import InvalidData

__all__ = ["ABOUT", "MODELS", "WEIGHTS", "About", "Checkpoint", "Config"]

ABOUT = "checkpoint.json"
WEIGHTS = "weights.safetensors"
"""Files of a checkpoint."""

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
        """Of what :meth:`to_dict` gave.

        Raises
        ------
        InvalidData
            When it is not that of a checkpoint.
        """
        try:
            plain = dict(values)
            plain["config"] = MODELS[plain["task"]][0].from_dict(plain["config"])
            plain["statistics"] = Statistics.from_dict(plain["statistics"])
            for name in ("leads_h", "lat", "lon"):
                plain[name] = tuple(plain[name])
            plain["seen"] = tuple(tuple(one) for one in plain["seen"])
            return cls(**plain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidData(
                f"{ABOUT} is not that of a checkpoint ({type(error).__name__}); train it again"
            ) from None


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

    @classmethod
    def from_arrays(cls, about: About, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """A checkpoint of the arrays of :data:`WEIGHTS`.

        Raises
        ------
        InvalidData
            When they are not the weights of the architecture; names the first that differs.
        """
        with torch.device("meta"):
            wanted = MODELS[about.task][1](about.config).state_dict()
        for name in sorted(wanted.keys() | arrays.keys()):
            there = arrays[name].shape if name in arrays else "nothing"
            shape = tuple(wanted[name].shape) if name in wanted else "nothing"
            if there != shape:
                raise InvalidData(
                    f"weight {name} has shape {there}, the architecture wants {shape}; "
                    "train it again"
                )
        weights = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        return cls(about, weights)
