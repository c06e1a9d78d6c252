"""The uniform prior: a box in physical units, and its maps to the unit cube and to normal space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from catena.shared.errors import FieldViolation, InvalidData

# ndtri is infinite at 0 and 1; half a float32 step keeps probit values within about 5.2
EDGE = 1e-7


@dataclass(frozen=True, eq=False)
class Prior:
    """Independent uniform distributions of d parameters.

    Parameters
    ----------
    names : sequence of str
        Names of the parameters, all different.
    low, high : array_like, (d,)
        Bounds in physical units, ``low < high``, finite.
    units : sequence of str, optional
        Units, for labels.

    Raises
    ------
    InvalidData
        Bounds that are not finite or not ordered, names that repeat, lengths that differ.
    """

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    units: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        names = tuple(self.names)
        low = np.atleast_1d(np.asarray(self.low, dtype=np.float64))
        high = np.atleast_1d(np.asarray(self.high, dtype=np.float64))
        units = tuple(self.units) or ("",) * len(names)
        if not names or not len(names) == len(units) == low.size == high.size:
            raise InvalidData(
                f"the prior has {len(names)} names, {low.size} low and {high.size} high bounds and "
                f"{len(units)} units; give one of each per parameter"
            )
        wrong = [
            FieldViolation(
                f"parameters[{i}]", f"{name}: low {a:g}, high {b:g}; want finite low < high"
            )
            for i, (name, a, b) in enumerate(zip(names, low, high, strict=True))
            if not (np.isfinite(a) and np.isfinite(b) and a < b)
        ]
        wrong += [
            FieldViolation(f"parameters[{i}].name", f"{name!r} appears twice; names must differ")
            for i, name in enumerate(names)
            if name in names[:i]
        ]
        if wrong:
            raise InvalidData("the prior is not a box of named parameters", violations=wrong)
        for attribute, value in (("names", names), ("low", low), ("high", high), ("units", units)):
            object.__setattr__(self, attribute, value)

    @property
    def size(self) -> int:
        """Number of parameters d."""
        return len(self.names)

    def to_unit(self, x: np.ndarray) -> np.ndarray:
        """Physical (..., d) to the unit cube."""
        unit: np.ndarray = (np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low)
        return unit

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """Unit cube (..., d) to physical units, exactly inside ``[low, high]``."""
        x: np.ndarray = self.low + np.asarray(unit, dtype=np.float64) * (self.high - self.low)
        return np.asarray(np.clip(x, self.low, self.high, out=x))

    def to_probit(self, x: np.ndarray) -> np.ndarray:
        """Physical (..., d) to the space where the prior is standard normal."""
        return self.unit_to_probit(self.to_unit(x))

    @staticmethod
    def unit_to_probit(unit: np.ndarray) -> np.ndarray:
        """Unit cube (..., d) to normal space; the faces are moved in by 1e-7."""
        return np.asarray(ndtri(np.clip(np.asarray(unit, dtype=np.float64), EDGE, 1.0 - EDGE)))

    def from_probit(self, z: np.ndarray) -> np.ndarray:
        """Normal space (..., d) to physical units, exactly inside ``[low, high]`` for any `z`."""
        return self.from_unit(ndtr(np.asarray(z, dtype=np.float64)))

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Whether each row of (n, d) lies in the box, edges included."""
        x = np.asarray(x)
        return np.asarray(np.all((x >= self.low) & (x <= self.high), axis=-1))

    def sobol_unit(self, n: int, seed: int) -> np.ndarray:
        """`n` scrambled Sobol points of the unit cube, (n, d); best a power of two."""
        log2 = max(int(n) - 1, 1).bit_length()
        points = qmc.Sobol(self.size, scramble=True, rng=np.random.default_rng(seed))
        return np.asarray(points.random_base2(log2)[:n])

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "names": list(self.names),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "units": list(self.units),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prior:
        """Inverse of :meth:`to_dict`."""
        names: Sequence[str] = data["names"]
        return cls(
            tuple(names), np.asarray(data["low"]), np.asarray(data["high"]), tuple(data["units"])
        )
