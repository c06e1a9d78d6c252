"""Totals of a restart file, as ELM sums them up.

ELM (``ColumnDataType``, ``VegetationDataType``: the ``Summary`` procedures) writes to its restart
files ``totlitc``, ``totsomc``, ``totcolc`` and ``totvegc``, and their like for N and P. They have
to follow when pools are replaced: they open the mass balance of the next run's first time step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.names import (
    LITTER,
    MINERAL_P,
    ORGANS,
    PARTS,
    SOIL,
    level_name,
    plant_name,
)
from catena.coupler.restart.subgrid import Subgrid

Floats = NDArray[np.float64]
Get = Callable[[str], Floats]

_STORED = {
    "c": ("cpool", "gresp_storage", "gresp_xfer"),
    "n": ("npool", "retransn"),
    "p": ("ppool", "retransp"),
}
_IN_SOLUTION = ("solutionp_vr", "labilep_vr", "secondp_vr")
"""Primary and occluded P are part of the ecosystem's but not of the column's total."""

PLANT_N_BUFFERS = (0.0, 1.0)
"""gN m-2 that ``totcoln`` may hold beyond its parts: ELM counts an abstract buffer of the plants
(``plant_n_buffer``, 1 with relative demand) that is in no restart file; other models have none."""


def column_totals(
    get: Get, has: Callable[[str], bool], subgrid: Subgrid, thickness: Floats, element: str
) -> dict[str, Floats]:
    """Totals of one element.

    Parameters
    ----------
    get : callable
        Name to values, (cell, level) or (pft,) or (cell,).
    has : callable
        Whether the file has a variable; product pools and the like are optional.
    subgrid : Subgrid
        Cells and slots.
    thickness : array (level,)
        Of the active levels, m.
    element : str
        ``c``, ``n`` or ``p``.

    Returns
    -------
    dict
        By ELM's name, g m-2; ``totveg*`` per PFT, the others per cell. Whether the file has them
        is for the caller to see.
    """

    def column(name: str) -> Floats:
        return get(name) @ thickness

    def optional(name: str, integrated: bool = False) -> Floats | float:
        if not has(name):
            return 0.0
        return column(name) if integrated else get(name)

    litter = sum((column(level_name(pool, element)) for pool in LITTER), np.zeros(1))
    soil = sum((column(level_name(pool, element)) for pool in SOIL), np.zeros(1))
    debris = column(level_name("cwd", element))
    plant = vegetation(get, has, element)
    patch = plant + optional(f"pft_{element}trunc")
    if element == "c":
        patch = patch + get("xsmrpool")
    products = optional(f"prod1{element}") + optional(f"prod10{element}")
    products = products + optional(f"prod100{element}")
    total = subgrid.to_cells(patch) + debris + litter + soil + products
    total = total + optional(f"col_{element}trunc_vr", integrated=True)
    if element == "n":
        total = total + column("sminn_vr") + optional("fan_totn")
    if element == "p":
        total = total + sum((column(name) for name in _IN_SOLUTION), np.zeros(1))
    return {
        f"totlit{element}": litter,
        f"totsom{element}": soil,
        f"cwd{element}": debris,
        f"totveg{element}": plant,
        f"totcol{element}": total,
        f"totecosys{element}": (
            subgrid.to_cells(plant) + debris + litter + soil + products + _mineral(column, element)
        ),
    }


def vegetation(get: Get, has: Callable[[str], bool], element: str) -> Floats:
    """All of an element in the plants, ``totveg*``: (pft,) g m-2."""
    parts = [get(plant_name(organ, element, part)) for organ in ORGANS for part in PARTS]
    parts += [get(name) for name in _STORED[element] if has(name)]
    whole: Floats = np.sum(parts, axis=0)
    return whole


def parts_of_totals(elements: tuple[str, ...]) -> list[str]:
    """What is summed up beside the pools, where a file has it."""
    names = ["gresp_storage", "gresp_xfer", "fan_totn"]
    for element in elements:
        names += [f"pft_{element}trunc", f"col_{element}trunc_vr"]
        names += [f"{product}{element}" for product in ("prod1", "prod10", "prod100")]
    return names


def names_of_totals(elements: tuple[str, ...]) -> list[str]:
    """Totals that a restart file may have."""
    kinds = ("totlit", "totsom", "cwd", "totveg", "totcol")
    return [f"{kind}{element}" for kind in kinds for element in elements]


def plant_n_buffer(stored: Floats, summed: Floats) -> Floats:
    """The buffer of :data:`PLANT_N_BUFFERS` that explains a file's ``totcoln`` best, per cell."""
    choices = np.array(PLANT_N_BUFFERS)
    nearest = np.abs((stored - summed)[:, None] - choices).argmin(axis=1)
    return choices[nearest]


def _mineral(column: Get, element: str) -> Floats | float:
    if element == "n":
        return column("sminn_vr")
    if element == "p":
        return sum((column(name) for name in MINERAL_P), np.zeros(1))
    return 0.0
