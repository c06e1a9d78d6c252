"""Standard scores of inputs and targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each column of what was trained on.

    Parameters
    ----------
    center, spread : ndarray, (d,)
        A column that does not vary has spread 1.
    """

    center: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scaler:
        """From rows (n, d); NaN is skipped."""
        center, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return cls(center, np.where(spread > 1e-10 * (1.0 + np.abs(center)), spread, 1.0))

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Standard scores."""
        return np.asarray((values - self.center) / self.spread)

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Values of standard scores."""
        return np.asarray(scores * self.spread + self.center)

    def to_arrays(self, name: str) -> dict[str, np.ndarray]:
        """State for safetensors."""
        return {f"{name}.center": self.center, f"{name}.spread": self.spread}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], name: str) -> Scaler:
        """Inverse of :meth:`to_arrays`."""
        return cls(np.asarray(arrays[f"{name}.center"]), np.asarray(arrays[f"{name}.spread"]))
