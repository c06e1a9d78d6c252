"""Linear reduction of many outputs to a few scores, by singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LinearReduction:
    """Outputs as ``offset + scale * (scores @ basis)``; the identity basis is left out.

    Parameters
    ----------
    offset : ndarray, (k,)
        Mean output of the training runs, in the outputs' units.
    scale : ndarray, (k,)
        Spread of each output, in its units; it makes scores dimensionless.
    basis : ndarray (r, k) or None
        Orthonormal rows; None keeps every output as its own score.
    truncation : ndarray, (k,)
        Variance that the basis cannot express, in squared scaled units.
    """

    offset: np.ndarray
    scale: np.ndarray
    basis: np.ndarray | None
    truncation: np.ndarray

    def encode(self, outputs: np.ndarray) -> np.ndarray:
        """Physical outputs (n, k) to scores (n, r)."""
        scaled = (outputs - self.offset) / self.scale
        return scaled if self.basis is None else scaled @ self.basis.T

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Scores (n, r) to physical outputs (n, k)."""
        scaled = scores if self.basis is None else scores @ self.basis
        return self.offset + self.scale * scaled

    def decode_variance(self, variance: np.ndarray) -> np.ndarray:
        """Variances of independent scores (n, r) to variances of outputs (n, k), squared units."""
        scaled = variance if self.basis is None else variance @ (self.basis * self.basis)
        return self.scale**2 * (scaled + self.truncation)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name; the basis only where there is one."""
        arrays = {"offset": self.offset, "scale": self.scale, "truncation": self.truncation}
        return arrays if self.basis is None else {**arrays, "basis": self.basis}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> LinearReduction:
        """Inverse of :meth:`state`."""
        return cls(state["offset"], state["scale"], state.get("basis"), state["truncation"])


def leading_directions(
    centred: np.ndarray, energy: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Leading right singular vectors of a wide matrix, through its small Gram matrix.

    Parameters
    ----------
    centred : ndarray, (n, k)
        Rows are runs with their mean removed; n may be far below k.
    energy : float
        Share of the total variance to keep, 0 to 1.
    most : int
        Directions at most.

    Returns
    -------
    basis : ndarray, (r, k)
        Orthonormal rows, by falling variance. Signs are fixed: the largest entry of each is
        positive.
    share : ndarray, (r,)
        Share of the variance along each.
    """
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    share = values / max(values.sum(), 1e-300)
    enough = int(np.searchsorted(np.cumsum(share), energy)) + 1
    usable = int((share > 1e-12).sum())
    r = max(1, min(enough, most, usable))
    basis = (vectors[:, :r] / np.sqrt(np.maximum(values[:r], 1e-300))).T @ centred
    biggest = basis[np.arange(r), np.abs(basis).argmax(1)]
    return basis * np.sign(biggest)[:, None], share[:r]
