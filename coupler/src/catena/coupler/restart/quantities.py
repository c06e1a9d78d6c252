"""What a restart should show in history files: ELM's history names and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.names import (
    DECOMPOSING,
    MINERAL_N,
    MINERAL_P,
    ORGANS,
    PARTS,
    level_name,
    plant_name,
)
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.subgrid import Subgrid
from catena.coupler.restart.updating import summed_totals

Floats = NDArray[np.float64]
Place = Literal["column", "pft"]


@dataclass(frozen=True)
class Quantity:
    """One history variable of stocks.

    Parameters
    ----------
    name : str
        In history files, e.g. ``SOIL4C`` (m-2, whole column), ``SOIL4C_vr`` (m-3) or ``LEAFC``.
    place : {"column", "pft"}
        What its values belong to.
    subgrid : Subgrid
        Of the restart.
    values : callable
        Gives (cell,), (cell, level) or (pft,).
    """

    name: str
    place: Place
    subgrid: Subgrid
    values: Callable[[], Floats]

    def on_gridcells(self) -> Floats:
        """(gridcell,) or (gridcell, level): area mean as ELM writes it."""
        values = self.values()
        if self.place == "pft":
            values = self.subgrid.to_cells(values)
        return self.subgrid.to_gridcells(values)


def quantities(restart: Restart) -> Iterator[Quantity]:
    """Every stock that ELM can write to its history, of the elements that a restart has."""

    @cache
    def totals() -> dict[str, Floats]:
        return summed_totals(restart)

    def total(name: str) -> Floats:
        return totals()[name]

    def column(name: str) -> Floats:
        return restart.active(name) @ restart.thickness

    def make(name: str, place: Place, values: Callable[[], Floats]) -> Quantity:
        return Quantity(name, place, restart.subgrid, values)

    for element in restart.elements:
        levels = [level_name(pool, element) for pool in DECOMPOSING]
        levels += {"n": MINERAL_N, "p": MINERAL_P}.get(element, ())
        for name in levels:
            shown = name.removesuffix("_vr").upper()
            yield make(shown, "column", partial(column, name))
            yield make(f"{shown}_vr", "column", partial(restart.active, name))
        plants = [plant_name(organ, element, part) for organ in ORGANS for part in PARTS]
        plants += [f"{element}pool", "xsmrpool" if element == "c" else f"retrans{element}"]
        for name in plants:
            yield make(name.upper(), "pft", partial(restart.active, name))
        for kind in ("totlit", "totsom", "totecosys", "totcol"):
            # ELM counts a buffer of nitrogen into TOTCOLN that no restart file has.
            if (kind, element) != ("totcol", "n"):
                name = f"{kind}{element}"
                yield make(name.upper(), "column", partial(total, name))
        yield make(f"TOTVEG{element.upper()}", "pft", partial(total, f"totveg{element}"))
