"""The cells: where they are, their soil and the plants on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.pft import PFT_NAMES, pft_index
from catena.shared.errors import InvalidRequest


@dataclass(frozen=True)
class Columns:
    """Soil columns and the PFTs that share each of them.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees.
    sand, clay : float64 (cell, 10)
        Percent, on ELM's layers.
    pfts : int64 (cell, slot)
        Index of the PFT in :data:`catena.coupler.pft.PFT_NAMES`; 0 is bare ground.
    weights : float64 (cell, slot)
        Shares of the column; they sum to 1.

    Raises
    ------
    InvalidRequest
        When shapes differ, shares do not sum to 1, texture or coordinates are out of range.
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    sand: NDArray[np.float64]
    clay: NDArray[np.float64]
    pfts: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        cells = self.lat.size
        wanted = {"lon": (cells,), "sand": (cells, N_LAYERS), "clay": (cells, N_LAYERS)}
        for name, shape in wanted.items():
            found = getattr(self, name).shape
            if found != shape:
                raise InvalidRequest(f"{name} has shape {found}; {shape} was wanted")
        if self.pfts.shape != self.weights.shape or self.pfts.shape[0] != cells:
            raise InvalidRequest(
                f"pfts {self.pfts.shape} and weights {self.weights.shape} differ or are not of "
                f"{cells} cells"
            )
        if not (np.abs(self.lat) <= 90.0).all():
            raise InvalidRequest("a latitude is outside -90 to 90 degrees")
        fine = (self.sand >= 0) & (self.clay >= 0) & (self.sand + self.clay <= 100.001)
        if not fine.all():
            cell = int(np.argwhere(~fine)[0][0])
            raise InvalidRequest(
                f"cell {cell}: sand and clay are not percentages of one soil "
                f"({self.sand[cell].tolist()}, {self.clay[cell].tolist()})"
            )
        if not np.isfinite(self.lon).all():
            raise InvalidRequest("a longitude is NaN or infinite")
        if not ((self.pfts >= 0) & (self.pfts < len(PFT_NAMES))).all():
            raise InvalidRequest(f"a PFT index is outside 0 to {len(PFT_NAMES) - 1}")
        total = self.weights.sum(axis=1)
        if (self.weights < 0.0).any():
            cell, slot = np.argwhere(self.weights < 0.0)[0]
            raise InvalidRequest(
                f"cell {cell}: the share of {PFT_NAMES[self.pfts[cell, slot]]} is "
                f"{self.weights[cell, slot]:g}; 0 or more was wanted"
            )
        if not (np.abs(total - 1.0) <= 1e-6).all():
            cell = int(np.argmax(np.abs(total - 1.0)))
            raise InvalidRequest(
                f"cell {cell}: the shares of the PFTs sum to {total[cell]:g}; 1 was wanted. Give "
                "bare ground its share as 'not_vegetated'"
            )

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self.lat.size)

    @property
    def slots(self) -> int:
        """How many PFTs can share a column."""
        return int(self.pfts.shape[1])

    @classmethod
    def site(
        cls,
        lat: float,
        lon: float,
        sand: ArrayLike,
        clay: ArrayLike,
        pfts: Mapping[str, float] | Sequence[tuple[str, float]],
    ) -> Columns:
        """One column.

        Parameters
        ----------
        lat, lon : float
        sand, clay : float or (10,)
            Percent.
        pfts : mapping of PFT name to its share
            What is missing to 1 is bare ground.
        """
        shares = dict(pfts)
        indices = [pft_index(name) for name in shares]
        values = [float(share) for share in shares.values()]
        rest = 1.0 - sum(values)
        if rest > 1e-6 and 0 not in indices:
            indices.append(0)
            values.append(rest)
        layers = (1, N_LAYERS)
        return cls(
            np.array([lat], dtype=np.float64),
            np.array([lon], dtype=np.float64),
            np.broadcast_to(np.asarray(sand, dtype=np.float64), layers).copy(),
            np.broadcast_to(np.asarray(clay, dtype=np.float64), layers).copy(),
            np.array([indices], dtype=np.int64),
            np.array([values]),
        )
