"""Which pools a spin-up determines, as columns of a table: one row a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """One column.

    Parameters
    ----------
    name : str
        ELM's name (``soil4c``, ``leafc``), for a plant with its functional type behind a point:
        ``leafc.needleleaf_evergreen_temperate_tree``.
    units : str
        E.g. ``gC m-2``: of the column for what lies in the soil, of the plant's area for plants.
    pft : int
        Index of the plant functional type; -1 for what belongs to the column.
    signed : bool
        Whether it may be negative (``cpool``).
    """

    name: str
    units: str
    pft: int = -1
    signed: bool = False


@dataclass(frozen=True)
class PoolLayout:
    """The columns of a table of pools, float64 (site, pool); NaN where a site lacks the plant.

    Parameters
    ----------
    pools : tuple of Pool
    """

    pools: tuple[Pool, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in their order."""
        return tuple(pool.name for pool in self.pools)

    def at(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Columns of some names.

        Raises
        ------
        InvalidData
            When a name is not among them.
        """
        mine = {name: n for n, name in enumerate(self.names)}
        lacking = [name for name in names if name not in mine]
        if lacking:
            raise InvalidData(
                f"there is no pool {', '.join(lacking)}; there are {', '.join(self.names)}"
            )
        return np.array([mine[name] for name in names], dtype=np.int64)
