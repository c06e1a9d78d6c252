"""A trained emulator of spin-ups, in physical units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from catena.models.column_scale import ColumnScale
from catena.models.orbit_spin_up import OrbitSpinUp, SpinUpConfig

__all__ = ["SpinUpEmulator", "SpinUpScales"]

CHUNK = 512
"""Sites that go through the model together."""


@dataclass(frozen=True, eq=False)
class SpinUpScales:
    """How inputs and pools are scaled; goes with a checkpoint.

    Parameters
    ----------
    inputs : mapping of str to ColumnScale
        By kind: of the features where rows are alike (a series, plant types), else of the numbers.
    targets : ColumnScale
    """

    inputs: Mapping[str, ColumnScale]
    targets: ColumnScale

    def normalised(self, inputs: Mapping[str, ArrayLike]) -> dict[str, Tensor]:
        """Inputs as the model takes them."""
        return {
            name: torch.from_numpy(scale.normalised(inputs[name]))
            for name, scale in self.inputs.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        inputs = {name: scale.to_dict() for name, scale in self.inputs.items()}
        return {"inputs": inputs, "targets": self.targets.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        inputs = {name: ColumnScale.from_dict(one) for name, one in values["inputs"].items()}
        return cls(inputs, ColumnScale.from_dict(values["targets"]))


class SpinUpEmulator:
    """Sites to the pools of their equilibrium.

    Parameters
    ----------
    config : SpinUpConfig
    scales : SpinUpScales
    weights : mapping of str to Tensor
        Of :class:`OrbitSpinUp`, adapters merged.

    Raises
    ------
    ValueError
        When the weights are not those of this config, or scales lack.
    """

    def __init__(
        self, config: SpinUpConfig, scales: SpinUpScales, weights: Mapping[str, Tensor]
    ) -> None:
        lacking = [kind.name for kind in config.inputs if kind.name not in scales.inputs]
        if lacking:
            raise ValueError(f"scales of {sorted(scales.inputs)}; {', '.join(lacking)} wanted too")
        self.config, self.scales = config, scales
        self.model = OrbitSpinUp(config).eval()
        try:
            self.model.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise ValueError(f"weights of another emulator: {error}") from error

    @torch.no_grad()
    def predict(self, inputs: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
        """Pools (N, K) in their units; those in logarithms are never negative.

        Parameters
        ----------
        inputs : mapping of str to array, (N, rows, features) or (N, numbers)
            In the units of the training, NaN where missing.

        Raises
        ------
        ValueError
            When a kind lacks or has another shape, or kinds are of different numbers of sites, or
            of none.
        """
        lacking = [kind.name for kind in self.config.inputs if kind.name not in inputs]
        if lacking:
            raise ValueError(f"inputs {sorted(inputs)} came; {', '.join(lacking)} wanted too")
        normalised = self.scales.normalised(inputs)
        counts = {name: len(values) for name, values in normalised.items()}
        count = min(counts.values())
        if count < 1 or count < max(counts.values()):
            said = ", ".join(f"{sites} of {name}" for name, sites in counts.items())
            raise ValueError(f"sites: {said}; wanted as many of each kind, and one at least")
        made = [
            self.model({name: values[at : at + CHUNK] for name, values in normalised.items()})
            for at in range(0, count, CHUNK)
        ]
        return self.scales.targets.restored(torch.cat(made).numpy())
