"""How far a point is from the training data: wider intervals where there were none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from catena.forecaster.intervals.scaling import Scaler

MOST_POINTS = 4000
NEIGHBOUR = 10


@dataclass(frozen=True)
class Neighbours:
    """Distance to the k-th neighbour among training rows, in units of its usual size.

    Parameters
    ----------
    scaler : Scaler
        Of the features.
    points : ndarray, (p, q)
        Training rows, standard scores; at most 4000.
    usual : float
        The quantile of the training rows' own distances beyond which widths grow.
    kappa : float
        Growth of the width per usual distance.
    """

    scaler: Scaler
    points: np.ndarray
    usual: float
    kappa: float

    @classmethod
    def fit(
        cls, features: np.ndarray, kappa: float, quantile: float, seed: int
    ) -> tuple[Neighbours, np.ndarray]:
        """From training features (n, q); also each training row's distance to the others."""
        scaler = Scaler.of(features)
        scores = scaler.encode(features)
        chosen = np.arange(len(scores))
        if len(scores) > MOST_POINTS:
            chosen = np.random.default_rng(seed).choice(len(scores), MOST_POINTS, replace=False)
        points = scores[np.sort(chosen)].astype(np.float32).astype(np.float64)
        own = np.zeros(len(scores), dtype=bool)
        own[chosen] = True
        k = min(NEIGHBOUR, len(points) - 1)
        # a row that is among the points is its own nearest one
        distance = cKDTree(points).query(scores, k=[k, k + 1])[0]
        distance = np.where(own, distance[:, 1], distance[:, 0])
        usual = float(np.quantile(distance, quantile))
        if usual <= 0.0:
            apart = distance[distance > 0]
            usual = float(apart.min()) if len(apart) else 1.0
        return cls(scaler, points, usual, kappa), distance / usual

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Distance of each row (n, q), in usual distances, (n,)."""
        k = min(NEIGHBOUR, len(self.points) - 1)
        return (
            np.asarray(cKDTree(self.points).query(self.scaler.encode(features), k=[k])[0])[:, 0]
            / self.usual
        )

    def inflation(self, distance: np.ndarray) -> np.ndarray:
        """Factor on the width: 1 inside the data, growing outside."""
        return 1.0 + self.kappa * np.maximum(distance - 1.0, 0.0)

    def to_arrays(self, name: str) -> dict[str, np.ndarray]:
        """State for safetensors."""
        return {
            **self.scaler.to_arrays(f"{name}.scaler"),
            f"{name}.points": self.points.astype(np.float32),
            f"{name}.growth": np.array([self.usual, self.kappa]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], name: str) -> Neighbours:
        """Inverse of :meth:`to_arrays`."""
        usual, kappa = (float(v) for v in arrays[f"{name}.growth"])
        points = np.asarray(arrays[f"{name}.points"]).astype(np.float64)
        return cls(Scaler.from_arrays(arrays, f"{name}.scaler"), points, usual, kappa)
