"""What new pools put into a restart file: carbon, nitrogen and phosphorus, pool by pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart import POOLS, Restart
from catena.coupler.restart.updating import summed_totals
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

_BEYOND = ("occlp", "primp")
"""Not part of ELM's column total: occluded and primary phosphorus."""
_SUMMED = ("sminn_vr",)
"""A sum of others."""


@dataclass(frozen=True)
class PutIn:
    """One pool of one element, means over the sites.

    Parameters
    ----------
    pool : str
        ELM's name without the level and the part: ``soil4c``, ``leafc`` with storage and transfer.
    element : {"c", "n", "p"}
    before, after : float
        g m-2 of the column.
    """

    pool: str
    element: str
    before: float
    after: float

    @property
    def change(self) -> float:
        """What was put in; below 0 what was taken out."""
        return self.after - self.before


def put_in(before: Restart, after: Restart) -> list[PutIn]:
    """Compare a restart file with the one that its pools were replaced in.

    Parameters
    ----------
    before, after : Restart
        Of one subgrid. The numbers are those of the files: where the first carries ``spinup_state``
        1, its slow pools and dead wood are in units of accelerated decomposition.

    Returns
    -------
    list of PutIn
        Every pool; those that stayed have a change of 0.

    Raises
    ------
    InvalidData
        When the files are of different runs, or when the changes of the pools do not add up to the
        change of the column's total within 1e-9.
    """
    before.require_same_run(after)
    old, new = dict(_pools(before)), dict(_pools(after))
    made = [
        PutIn(name, element, float(old[name, element].mean()), float(new[name, element].mean()))
        for name, element in new
    ]
    totals = [summed_totals(each) for each in (before, after)]
    for element in after.elements:
        whole = [float(each[f"totcol{element}"].mean()) for each in totals]
        summed = sum(
            each.change for each in made if each.element == element and each.pool not in _BEYOND
        )
        if abs(whole[1] - whole[0] - summed) > 1e-9 * max(abs(whole[0]), abs(whole[1]), 1.0):
            raise InvalidData(
                f"{after.name}: pools changed by {summed:.9g} g{element.upper()} m-2 and the "
                f"column's total by {whole[1] - whole[0]:.9g}; something that is no pool was "
                "changed"
            )
    return made


def _pools(restart: Restart) -> Iterator[tuple[tuple[str, str], Floats]]:
    found: dict[tuple[str, str], Floats] = {}
    for name in restart.available:
        pool = POOLS[name]
        if pool.is_memory or name in _SUMMED:
            continue
        values = restart.active(name)
        here = values @ restart.thickness if pool.place == "level" else values
        if pool.place == "pft":
            here = restart.subgrid.to_cells(here)
        short = name.removesuffix("_vr").removesuffix("_storage").removesuffix("_xfer")
        key = (short, pool.element)
        found[key] = found[key] + here if key in found else here
    yield from found.items()
