"""Samples for the training loop without records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.models.forecast_inputs import ForecastInputs
from catena.shared.shuffle import Order

Index = NDArray[np.int64]


class InMemory:
    """Samples that are there as tensors.

    Parameters
    ----------
    inputs : ForecastInputs
        Of all forecasts.
    targets : Tensor, (B, H)
        NaN where there is none.
    """

    def __init__(self, inputs: ForecastInputs, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Index, *, epoch: int = 0) -> tuple[ForecastInputs, Tensor]:
        """The same forecasts in every epoch."""
        at = torch.as_tensor(rows)
        return self.inputs[at], self.targets[at]

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, first: int = 0
    ) -> Iterator[Index]:
        """Rows of one epoch from batch `first` on, shuffled by seed and epoch."""
        order = (
            np.arange(len(self))
            if seed is None
            else Order(len(self), seed, epoch).take(0, len(self))
        )
        for start in range(first * size, len(self), size):
            yield order[start : start + size]

    def scaled_sd(self, rows: Index) -> NDArray[np.float32]:
        """1: flow is scaled by its standard deviation."""
        return np.ones(len(rows), np.float32)
