"""A real spin-up: CASA-CNP on all land cells, about 2 degrees, before and after centuries.

The folder is the example grid of the biogeochemical testbed (Wieder et al. 2018, GMD 11, 3129):
inputs of each cell, pools and fluxes after 100 years, and pools after an accelerated and a normal
spin-up. Files are comma-separated, most without a header; their columns are those of CASA's own
output, in the order of the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData, NotFound

Floats = NDArray[np.float64]

EARLY = "cnppool_end_prespin_1901_x100.csv"
FLUXES = "cnpflux_end_prespin_1901_x100.csv"
LATE = "cnppool_end_1901_1920_postADspin_x499c.csv"
GRID = "gridinfo_igbpz.csv"
SOIL = "gridinfo_soil_clm2.csv"

CLASSES = 18
"""Of the IGBP's land cover, 1 to 18; 11, 13, 15 and 17 have no plants."""

_CELL = ("year", "cell", "class", "soil", "order", "lat", "lon", "area")
_CARBON = ("leafc", "woodc", "frootc", "metbc", "strc", "cwdc", "micc", "slowc", "passc")
_POOLS = (*_CELL, "lai", "sla", "phase", "labilec", *_CARBON)
_FLUXES = (*_CELL, "npp", "rs", "nee", "rp")
_GRID = ("id", "lat", "lon", "class", "soil", "order", "area", "ndep")
_SOIL = ("id", "lat", "lon", "sand", "clay", "silt", "wilting", "field_capacity", "saturation")
_WIDTH = {EARLY: 46, LATE: 46, FLUXES: 18, GRID: 19, SOIL: 9}
_NAMES = {EARLY: _POOLS, LATE: _POOLS, FLUXES: _FLUXES, GRID: _GRID, SOIL: _SOIL}
_HEADED = (GRID, SOIL)

INPUTS: Mapping[str, tuple[str, ...]] = {
    "cell": ("lat", "ndep", *_SOIL[3:]),
    "class": tuple(f"class{number}" for number in range(1, CLASSES + 1)),
    "fluxes": ("npp", "rs", "rp", "nee"),
    "pools": (*_CARBON, "lai"),
}
"""Names of the numbers of each kind of input. Units: degrees; gN m-2 yr-1; fractions of the soil's
mass (sand, clay, silt) and volume (water at three tensions); gC m-2 yr-1; gC m-2, m2 m-2."""

LOGARITHMIC: Mapping[str, tuple[bool, ...]] = {
    "cell": (False, True, *[False] * 6),
    "class": (False,) * CLASSES,
    "fluxes": (True, True, True, False),
    "pools": (True,) * 10,
}
"""Which of them are never negative and span orders of magnitude."""


@dataclass(frozen=True, eq=False)
class CasaSpinUp:
    """Vegetated cells: those in which some carbon has reached the passive soil in the end.

    Parameters
    ----------
    lat, lon : Floats, (N,)
        Degrees; lon from 0 to 360.
    area : Floats, (N,)
        Of the land, m2.
    classes : int64 (N,)
        IGBP's land cover, 1 to 18.
    inputs : mapping of str to Floats, (N, numbers)
        By kind, see :data:`INPUTS`. Kinds ``pools`` and ``fluxes`` are of the end of 100 years;
        NPP that is a little below 0, where nothing grows, is 0.
    pools : tuple of str
        Names of the targets.
    units : tuple of str
    targets : Floats, (N, K)
        Pools at the end of the spin-up.
    """

    lat: Floats
    lon: Floats
    area: Floats
    classes: NDArray[np.int64]
    inputs: Mapping[str, Floats]
    pools: tuple[str, ...]
    units: tuple[str, ...]
    targets: Floats

    def blocks(self, degrees: float = 30.0) -> NDArray[np.int64]:
        """Number of the box of so many degrees that each cell lies in, (N,)."""
        columns = int(np.ceil(360.0 / degrees))
        row = np.floor((self.lat + 90.0) / degrees).astype(np.int64)
        return row * columns + np.floor(self.lon % 360.0 / degrees).astype(np.int64)


def read_casa(folder: Path) -> CasaSpinUp:
    """Read the folder.

    Raises
    ------
    NotFound
        When a file lacks.
    InvalidData
        When a file is cut or another one: lines with other columns, what is no number or not
        finite, other cells than the file beside it, numbers that cannot be in these units.
    """
    tables = {name: _table(folder / name) for name in _WIDTH}
    _same_cells(tables)
    _possible(tables)
    early, late, fluxes, grid, soil = (tables[n] for n in (EARLY, LATE, FLUXES, GRID, SOIL))
    keep = late["passc"] > 0
    if not keep.any():
        raise InvalidData(f"{LATE} has no cell with passive soil carbon; wanted a spun-up grid")
    classes = late["class"].astype(np.int64)
    numbers = {
        "cell": {**soil, "ndep": grid["ndep"]},
        "class": {
            f"class{number}": (classes == number).astype(np.float64)
            for number in range(1, CLASSES + 1)
        },
        "fluxes": {**fluxes, "npp": np.maximum(fluxes["npp"], 0.0)},
        "pools": early,
    }
    inputs = {
        kind: np.stack([numbers[kind][name][keep] for name in names], -1)
        for kind, names in INPUTS.items()
    }
    return CasaSpinUp(
        lat=late["lat"][keep],
        lon=late["lon"][keep],
        area=late["area"][keep] * 1e9,
        classes=classes[keep],
        inputs=inputs,
        pools=_CARBON,
        units=("gC m-2",) * len(_CARBON),
        targets=np.stack([late[name][keep] for name in _CARBON], -1),
    )


def _table(path: Path) -> dict[str, Floats]:
    """Columns of a file by name, those that are used."""
    if not path.is_file():
        raise NotFound(
            f"there is no {path.name} in the folder of CASA's spin-up; wanted "
            f"{', '.join(sorted(_WIDTH))}"
        )
    wanted, skipped = _WIDTH[path.name], int(path.name in _HEADED)
    rows = []
    try:
        lines = path.read_text(encoding="ascii").splitlines()[skipped:]
    except UnicodeDecodeError:
        raise InvalidData(f"{path.name} is no text; wanted comma-separated numbers") from None
    for number, line in enumerate(lines, 1 + skipped):
        # Most lines end with a comma.
        fields = line.removesuffix(",").split(",")
        if len(fields) != wanted:
            raise InvalidData(
                f"line {number} of {path.name} has {len(fields)} columns; wanted {wanted}: the "
                "file is cut, or another one"
            )
        try:
            rows.append([float(one) for one in fields])
        except ValueError:
            raise InvalidData(f"line {number} of {path.name} holds what is no number") from None
    table = np.array(rows, np.float64).reshape(-1, wanted)
    if not np.isfinite(table).all():
        first = int(np.flatnonzero(~np.isfinite(table).all(1))[0]) + 1 + skipped
        raise InvalidData(f"line {first} of {path.name} holds what is not finite")
    return {name: table[:, place] for place, name in enumerate(_NAMES[path.name])}


def _same_cells(tables: Mapping[str, Mapping[str, Floats]]) -> None:
    """Refuse files whose rows are not the same cells."""
    first = tables[LATE]
    for name, table in tables.items():
        if len(table["lat"]) != len(first["lat"]):
            raise InvalidData(
                f"{name} has {len(table['lat'])} cells, {LATE} {len(first['lat'])}; one is cut"
            )
        for column in ("lat", "lon", "class"):
            if column in table and not np.allclose(table[column], first[column], atol=0.006):
                row = int(np.argmax(np.abs(table[column] - first[column]) > 0.006)) + 1
                raise InvalidData(
                    f"cell {row} has another {column} in {name} than in {LATE}; wanted the same "
                    "cells in the same order"
                )


def _possible(tables: Mapping[str, Mapping[str, Floats]]) -> None:
    """Refuse numbers that cannot be in the units that they are taken for."""
    early, late, fluxes, grid, soil = (tables[n] for n in (EARLY, LATE, FLUXES, GRID, SOIL))
    texture = soil["sand"] + soil["clay"] + soil["silt"]
    checks = [
        *((EARLY, name, early[name] >= 0) for name in (*_CARBON, "lai")),
        *((LATE, name, late[name] >= 0) for name in _CARBON),
        (LATE, "class", np.isin(late["class"], range(1, CLASSES + 1))),
        (LATE, "lat", np.abs(late["lat"]) <= 90),
        (LATE, "area", late["area"] > 0),
        # A cell where nothing grows loses up to a little of what its leaves respire.
        (FLUXES, "npp", fluxes["npp"] > -1.0),
        *((FLUXES, name, fluxes[name] >= 0) for name in ("rs", "rp")),
        (GRID, "ndep", grid["ndep"] >= 0),
        # In another unit (m2, km2) areas would differ a lot.
        (GRID, "area", np.isclose(grid["area"], late["area"] * 1e9, rtol=1e-3)),
        *((SOIL, name, (soil[name] >= 0) & (soil[name] <= 1)) for name in _SOIL[3:]),
        (SOIL, "sand, clay and silt", np.abs(texture - 1.0) < 0.02),
        (SOIL, "wilting", soil["wilting"] <= soil["field_capacity"]),
        (SOIL, "field_capacity", soil["field_capacity"] <= soil["saturation"]),
    ]
    for name, column, fine in checks:
        if not fine.all():
            raise InvalidData(
                f"{column} in {name} cannot be so in cell {int(np.argmin(fine)) + 1}; wanted "
                "CASA's units (gC m-2, gC m-2 yr-1, fractions of the soil) and order of columns"
            )
