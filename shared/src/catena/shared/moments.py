"""Means and variances of a stream: each block is merged into what was seen before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Moments:
    """Count, mean, sum of squared deviations and extremes, per channel; NaN is left out.

    Two sets are merged as in Chan, Golub & LeVeque (1983, "Algorithms for computing the sample
    variance", eq. 2.1), the block form of Welford (1962): no difference of large sums is taken.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        self.count = np.zeros(channels, dtype=np.int64)
        self.missing = np.zeros(channels, dtype=np.int64)
        self.mean = np.zeros(channels)
        self.squares = np.zeros(channels)
        self.low = np.full(channels, np.inf)
        self.high = np.full(channels, -np.inf)

    def update(self, block: NDArray[Any]) -> None:
        """Take in values of shape (t, V, ...)."""
        for channel in range(self.count.size):
            values = np.asarray(block[:, channel], dtype=np.float64)
            if not np.isfinite(values).all():
                finite = np.isfinite(values)
                self.missing[channel] += values.size - int(finite.sum())
                values = values[finite]
            if not values.size:
                continue
            mean = values.mean()
            self.low[channel] = min(self.low[channel], values.min())
            self.high[channel] = max(self.high[channel], values.max())
            self._merge(channel, values.size, mean, float(np.square(values - mean).sum()))

    def _merge(self, channel: int, count: int, mean: float, squares: float) -> None:
        total = self.count[channel] + count
        delta = mean - self.mean[channel]
        self.squares[channel] += squares + delta**2 * self.count[channel] * count / total
        self.mean[channel] += delta * count / total
        self.count[channel] = total

    def merge(self, other: Moments) -> None:
        """Take in everything that another stream has seen."""
        for channel in np.flatnonzero(other.count):
            self._merge(
                int(channel),
                int(other.count[channel]),
                float(other.mean[channel]),
                float(other.squares[channel]),
            )
        self.missing += other.missing
        self.low = np.minimum(self.low, other.low)
        self.high = np.maximum(self.high, other.high)

    @property
    def std(self) -> Array:
        """Standard deviation of the population, shape (V,); 0 where nothing was seen."""
        return np.sqrt(self.squares / np.maximum(self.count, 1))

    def to_dict(self) -> dict[str, list[float]]:
        """JSON form; float64 goes through JSON without loss."""
        return {name: getattr(self, name).tolist() for name in _FIELDS}

    @classmethod
    def from_dict(cls, plain: Mapping[str, list[float]]) -> Self:
        """Inverse of :meth:`to_dict`."""
        moments = cls(len(plain["count"]))
        for name in _FIELDS:
            setattr(moments, name, np.array(plain[name], dtype=getattr(moments, name).dtype))
        return moments


_FIELDS = ("count", "missing", "mean", "squares", "low", "high")
