"""The canonical variables: one row of ``tables/variables.csv`` each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, cast

from catena.shared.errors import InvalidData, NotFound
from catena.shared.lexicon.tables import read_table

Repeats = Literal["never", "points", "any"]
Substance = Literal["", "water", "carbon", "air", "geopotential"]


@dataclass(frozen=True)
class Variable:
    """What comes out under one name, whatever the source.

    Parameters
    ----------
    name : str
        CMIP6 short name where one exists.
    standard_name : str
        CF standard name; for a few quantities of hydrology, which CF does not have, in its style.
    units : str
        Canonical unit, in UDUNITS spelling.
    cell_methods : str
        What the values are where the source does not say; empty for fixed fields.
    positive : {"", "up", "down"}
        Direction in which values are positive.
    low, high : float
        Smallest and largest value that can occur on Earth, in `units`; generous.
    long_name : str
    substance : str
        What an amount is of: lets mm become kg m-2 (water), umol become kg of carbon (carbon),
        m2 s-2 become m (geopotential).
    repeats : {"never", "points", "any"}
        Whether values may legitimately stand still: never; at a single place (rain, night) but not
        a whole field; anywhere (land cover).
    least_max : float
        Any long record exceeds this somewhere, in `units`; 0 where nothing can be said.
    tolerance : float
        How far below a `low` of zero values may lie and still count as zero, in `units`; 0 means
        a thousandth of the largest value.
    dims : tuple of str
        Dimensions it may have beside those of :data:`catena.shared.checks.dimensions.COMMON`.
    """

    name: str
    standard_name: str
    units: str
    cell_methods: str
    positive: str
    low: float
    high: float
    long_name: str
    substance: Substance = ""
    repeats: Repeats = "points"
    least_max: float = 0.0
    tolerance: float = 0.0
    dims: tuple[str, ...] = ()

    @property
    def is_flux(self) -> bool:
        """Whether it is an amount per time, so that values belong to an interval."""
        parts = self.units.split()
        return ("s-1" in parts and parts[0] != "m") or parts[0] == "W"


def variable(name: str) -> Variable:
    """The canonical variable of this name.

    Raises
    ------
    NotFound
        With the names that are closest.
    """
    found = variables().get(name)
    if found is None:
        close = get_close_matches(name, list(variables()), n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise NotFound(
            f"no variable '{name}' in the lexicon{hint} A new one is a row of "
            "catena/shared/lexicon/tables/variables.csv"
        )
    return found


@lru_cache(maxsize=1)
def variables() -> Mapping[str, Variable]:
    """All canonical variables by name, read-only."""
    table: dict[str, Variable] = {}
    for row in read_table("variables"):
        if row["name"] in table:
            raise InvalidData(f"variables.csv: '{row['name']}' stands there twice; delete one row")
        table[row["name"]] = Variable(
            name=row["name"],
            standard_name=row["standard_name"],
            units=row["units"],
            cell_methods=row["cell_methods"],
            positive=row["positive"],
            low=float(row["low"]),
            high=float(row["high"]),
            long_name=row["long_name"],
            substance=cast(Substance, row.get("substance", "")),
            repeats=cast(Repeats, row.get("repeats") or "points"),
            least_max=float(row.get("least_max") or 0),
            tolerance=float(row.get("tolerance") or 0),
            dims=tuple(row.get("dims", "").split()),
        )
    return MappingProxyType(table)
