"""What the loop learns from: any source of batches by row and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from catena.models.forecast_inputs import ForecastInputs

Index = NDArray[np.int64]


class Samples(Protocol):
    """Forecasts with their targets; :class:`catena.forecaster.data.windows.Windows` is one."""

    def __len__(self) -> int: ...

    def batch(self, rows: Index, *, epoch: int = 0) -> tuple[ForecastInputs, Tensor]:
        """Inputs and targets (B, H) of some rows: a function of rows and epoch alone."""
        ...

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, first: int = 0
    ) -> Iterator[Index]:
        """Rows of one epoch from batch `first` on, shuffled by seed and epoch."""
        ...

    def scaled_sd(self, rows: Index) -> NDArray[np.float32]:
        """Standard deviation of the scaled flow of each row's basin, (B,)."""
        ...


def spread_rows(count: int, most: int) -> Index:
    """At most `most` of the rows 0 .. count - 1, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
