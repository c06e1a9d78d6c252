"""Methods that give a mean and a standard deviation; bounds are those of a normal distribution."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy.special import ndtri

from catena.forecaster.intervals.model import IntervalModel


class NormalIntervals(IntervalModel):
    """Bounds at ``mean +- z sd``."""

    @abstractmethod
    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each output, noise included, (n, outputs)."""

    def centre(self, x: np.ndarray) -> np.ndarray:
        """The mean, (n, outputs)."""
        return self.moments(self._checked(x))[0]

    def _bounds(self, x: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, sd = self.moments(x)
        half = ndtri((1.0 + levels) / 2.0) * sd[..., None]
        return mean[..., None] - half, mean[..., None] + half
