"""Columns of a table brought to mean 0 and standard deviation 1, those of pools in logarithms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ColumnScale"]

Array = NDArray[np.float64]

FLOOR = 0.05
"""Of a column's median: what is added before the logarithm.

Empty pools have one then, and pools that hold hardly anything do not lie further from the usual
than the largest: what is a thousandth of the median or a ten thousandth is all the same.
"""


@dataclass(frozen=True, eq=False)
class ColumnScale:
    """How columns are scaled, and back.

    ``z = (x - mean) / std``, or ``z = (log(x + floor) - mean) / std`` where the floor is above 0:
    what comes back from the latter is never negative.

    Parameters
    ----------
    mean, std, floor : Array, (C,)
    """

    mean: Array
    std: Array
    floor: Array

    @classmethod
    def fitted(cls, values: ArrayLike, logarithmic: ArrayLike = False) -> Self:
        """Scale of values (..., C), over all axes but the last; what is not finite does not count.

        Parameters
        ----------
        values : array_like, (..., C)
        logarithmic : bool or array_like of bool, (C,)
            Columns that are never negative and span orders of magnitude.

        Raises
        ------
        ValueError
            When a column that is to have logarithms has a negative value.
        """
        table = np.asarray(values, np.float64)
        table = table.reshape(-1, table.shape[-1])
        chosen = np.broadcast_to(np.asarray(logarithmic, bool), table.shape[1:])
        known = np.isfinite(table)
        negative = np.flatnonzero(((table < 0) & known).any(0) & chosen)
        if negative.size:
            column = negative.tolist()[0]
            least = table[known[:, column], column].min()
            raise ValueError(
                f"column {column} has values down to {least:g}; logarithms want none below 0"
            )
        floor = np.zeros(table.shape[1])
        for column in np.flatnonzero(chosen).tolist():
            positive = table[:, column][known[:, column] & (table[:, column] > 0)]
            floor[column] = FLOOR * np.median(positive) if positive.size else 1.0
        shaped = _shaped(table, floor)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, shaped, 0.0).sum(0) / count
        std = np.sqrt((np.where(known, shaped - mean, 0.0) ** 2).sum(0) / count)
        # What never changes is zero once its mean is taken off.
        return cls(mean, np.where(std > 1e-9 * np.abs(mean), std, 1.0), floor)

    def normalised(self, values: ArrayLike) -> NDArray[np.float32]:
        """Scaled values of the same shape; NaN stays.

        Raises
        ------
        ValueError
            When there are not as many columns.
        """
        table = np.asarray(values, np.float64)
        if table.shape[-1:] != self.mean.shape:
            raise ValueError(f"values of shape {table.shape}; wanted {len(self.mean)} columns")
        return ((_shaped(table, self.floor) - self.mean) / self.std).astype(np.float32)

    def restored(self, scaled: ArrayLike) -> Array:
        """Inverse of :meth:`normalised`."""
        plain = np.asarray(scaled, np.float64) * self.std + self.mean
        # Far outside of what was learned an exponential would overflow; e^80 is no pool either.
        pools = np.maximum(np.exp(np.minimum(plain, 80.0)) - self.floor, 0.0)
        return np.where(self.floor > 0, pools, plain)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {name: getattr(self, name).tolist() for name in ("mean", "std", "floor")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Of what :meth:`to_dict` gave."""
        return cls(*(np.asarray(values[name], np.float64) for name in ("mean", "std", "floor")))


def _shaped(values: Array, floor: Array) -> Array:
    chosen = floor > 0
    raised = np.where(chosen, np.maximum(values, 0.0) + floor, 1.0)
    return np.where(chosen, np.log(raised), values)
