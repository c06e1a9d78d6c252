"""Intervals of the form [centre - beta v(x), centre + alpha u(x)]."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from catena.forecaster.intervals.model import REFERENCE_LEVEL, IntervalModel
from catena.forecaster.intervals.order_statistics import OrderStatistics


@dataclass(frozen=True)
class Parts:
    """What bounds are made of, each (n, outputs): centre, size upwards, size downwards."""

    centre: np.ndarray
    up: np.ndarray
    down: np.ndarray


class ScaledIntervals(IntervalModel):
    """Centre and sizes come from the subclass, alpha and beta from sorted scores.

    Parameters
    ----------
    statistics : list of OrderStatistics
        One per output.
    """

    def __init__(self, inputs: int, statistics: list[OrderStatistics]) -> None:
        self.inputs = inputs
        self.outputs = len(statistics)
        self.statistics = statistics

    @abstractmethod
    def parts(self, x: np.ndarray) -> Parts:
        """Centre and sizes at inputs (n, d)."""

    def centre(self, x: np.ndarray) -> np.ndarray:
        """f + nu, (n, outputs)."""
        return self.parts(self._checked(x)).centre

    def needed(self, level: float) -> int:
        """Rows with a target that a finite bound of this level takes."""
        return self.statistics[0].least(level)

    def rows(self) -> np.ndarray:
        """Scores of each output, (outputs,)."""
        return np.array([len(s) for s in self.statistics])

    def factors(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """alpha and beta, (outputs, levels)."""
        both = [s.factors(levels) for s in self.statistics]
        return np.stack([a for a, _ in both]), np.stack([b for _, b in both])

    def _bounds(self, x: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = self.parts(x)
        alpha, beta = self.factors(levels)
        with np.errstate(invalid="ignore"):
            lower = parts.centre[..., None] - beta * parts.down[..., None]
            upper = parts.centre[..., None] + alpha * parts.up[..., None]
        return lower, upper

    def width(self, x: np.ndarray) -> np.ndarray:
        """Width at the reference level; where that is infinite, the sum of the sizes."""
        parts = self.parts(self._checked(x))
        alpha, beta = (f[:, 0] for f in self.factors(np.array([REFERENCE_LEVEL])))
        finite = np.isfinite(alpha) & np.isfinite(beta)
        width = parts.up * np.where(finite, alpha, 1.0) + parts.down * np.where(finite, beta, 1.0)
        return np.asarray(width)

    def _score_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays: dict[str, np.ndarray] = {}
        for j, s in enumerate(self.statistics):
            arrays |= {f"scores.{j}.above": s.above, f"scores.{j}.below": s.below}
        return arrays, {
            "conformal": self.statistics[0].conformal,
            "rows": [s.rows for s in self.statistics],
        }


def statistics_from(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> list[OrderStatistics]:
    """Inverse of what :class:`ScaledIntervals` saves of its scores."""
    return [
        OrderStatistics(
            np.asarray(arrays[f"scores.{j}.above"]),
            np.asarray(arrays[f"scores.{j}.below"]),
            int(meta["rows"][j]),
            bool(meta["conformal"]),
        )
        for j in range(int(meta["outputs"]))
    ]
