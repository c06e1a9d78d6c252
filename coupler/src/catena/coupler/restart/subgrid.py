"""Which columns and PFT slots of a restart file take part in biogeochemistry.

ELM's subgrid: a grid cell has topographic units, land units, columns and PFTs. Only columns of the
naturally vegetated land unit hold the pools of a spin-up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.pft import PFT_NAMES
from catena.coupler.restart.names import STRUCTURE_PREFIXES
from catena.shared.errors import InvalidData

NATURAL_VEGETATION = 1
"""Type of the land unit (``ilun_vegetated_or_bare_soil``)."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Subgrid:
    """Cells (columns with biogeochemistry) and slots (their PFTs).

    Attributes
    ----------
    column : array (cell,)
        Position of the column, from 0.
    gridcell : array (cell,)
        Position of its grid cell, from 0.
    lat, lon : array (cell,)
        Degrees; longitude in [-180, 180).
    cell_weight : array (cell,)
        Fraction of the grid cell.
    slot : array (pft,)
        Position of the PFT slot, from 0.
    cell : array (pft,)
        Cell that the slot belongs to.
    pft_type : array (pft,)
        Index of the PFT in the parameter file.
    pft_weight : array (pft,)
        Fraction of the column.
    pft_names : tuple of str
        By index, as the file names them.
    gridcells : int
        How many the file has.
    """

    column: Ints
    gridcell: Ints
    lat: Floats
    lon: Floats
    cell_weight: Floats
    slot: Ints
    cell: Ints
    pft_type: Ints
    pft_weight: Floats
    pft_names: tuple[str, ...]
    gridcells: int

    def where_cell(self, cell: int) -> str:
        """A cell in words."""
        return (
            f"cell {cell} (lat {self.lat[cell]:.4g}, lon {self.lon[cell]:.4g}, column "
            f"{self.column[cell] + 1})"
        )

    def where_slot(self, slot: int) -> str:
        """A PFT slot in words."""
        return f"{self.where_cell(int(self.cell[slot]))}, PFT {self.name(slot)}"

    def name(self, slot: int) -> str:
        """Name of a slot's PFT."""
        return pft_name(int(self.pft_type[slot]), self.pft_names)

    def to_cells(self, values: Floats) -> Floats:
        """Mean over the PFTs of each column, weighted by area: (pft,) to (cell,)."""
        weighted = self.pft_weight * values
        return np.bincount(self.cell, weighted, len(self.column)).astype(np.float64)

    def to_gridcells(self, values: Floats) -> Floats:
        """Sum over the columns of each grid cell by area: (cell, ...) to (gridcell, ...)."""
        weighted = values * self.cell_weight.reshape((-1,) + (1,) * (values.ndim - 1))
        summed: Floats = np.zeros((self.gridcells, *values.shape[1:]))
        np.add.at(summed, self.gridcell, weighted)
        return summed


def pft_name(index: int, names: tuple[str, ...]) -> str:
    """Name of a PFT by its index; the index itself where the file names none."""
    return names[index] if 0 <= index < len(names) else f"number {index}"


def read_subgrid(
    values: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any], file: str
) -> Subgrid:
    """Find cells and slots by the index vectors.

    Parameters
    ----------
    values : mapping
        The index vectors.
    attributes : mapping
        Global attributes; ``ipft_<name>`` give the PFTs' names.
    file : str
        Name for messages.

    Raises
    ------
    InvalidData
        When no column takes part, or the index vectors contradict each other.
    """
    column = np.flatnonzero(
        (values["cols1d_ityplun"] == NATURAL_VEGETATION) & (values["cols1d_active"] == 1)
    )
    if not len(column):
        raise InvalidData(
            f"{file}: no column has cols1d_ityplun 1 and cols1d_active 1; the file has no active "
            "natural vegetation, so there is no spin-up to read or write"
        )
    slot = np.flatnonzero(
        (values["pfts1d_ityplun"] == NATURAL_VEGETATION)
        & (values["pfts1d_active"] == 1)
        & (values["pfts1d_wtcol"] > 0)
    )
    cell_of_column = np.full(len(values["cols1d_ityplun"]), -1)
    cell_of_column[column] = np.arange(len(column))
    owner = _positions(values, "pfts1d_column_index", slot, len(cell_of_column), file)
    cell = cell_of_column[owner]
    if (cell < 0).any():
        first = int(np.argmax(cell < 0))
        raise InvalidData(
            f"{file}: pfts1d_column_index puts active PFT slot {slot[first] + 1} into column "
            f"{owner[first] + 1}, which has no active natural vegetation; the index vectors "
            "contradict each other"
        )
    gridcells = len(values["grid1d_lat"])
    subgrid = Subgrid(
        column=column,
        gridcell=_positions(values, "cols1d_gridcell_index", column, gridcells, file),
        lat=np.asarray(values["cols1d_lat"][column], float),
        lon=(np.asarray(values["cols1d_lon"][column], float) + 180.0) % 360.0 - 180.0,
        cell_weight=np.asarray(values["cols1d_wtxy"][column], float),
        slot=slot,
        cell=cell,
        pft_type=np.asarray(values["pfts1d_itypveg"][slot], int),
        pft_weight=np.asarray(values["pfts1d_wtcol"][slot], float),
        pft_names=_pft_names(attributes),
        gridcells=gridcells,
    )
    covered = subgrid.to_cells(np.ones(len(slot)))
    wrong = np.abs(covered - 1.0) > 1e-6
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InvalidData(
            f"{file}: the PFTs of {subgrid.where_cell(first)} cover {covered[first]:.6g} of it "
            "(pfts1d_wtcol), wanted 1"
        )
    return subgrid


def _positions(
    values: Mapping[str, NDArray[Any]], name: str, at: Ints, count: int, file: str
) -> Ints:
    found: Ints = np.asarray(values[name][at], int) - 1
    if ((found < 0) | (found >= count)).any():
        raise InvalidData(
            f"{file}: {name} holds {int(found.min()) + 1} to {int(found.max()) + 1}, wanted 1 to "
            f"{count}"
        )
    return found


def _pft_names(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    named = {
        int(value): name.removeprefix("ipft_")
        for name, value in attributes.items()
        if name.startswith("ipft_") and re.fullmatch(r"-?\d+", str(value))
    }
    if sorted(named) != list(range(len(named))):
        return PFT_NAMES
    return tuple(named[index] for index in range(len(named))) or PFT_NAMES


def structure_difference(
    one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]
) -> tuple[str, str, str] | None:
    """The first index vector in which two subgrid structures differ.

    Returns
    -------
    (name, in one, in other), or None when they are equal
        Coordinates and weights count as equal within 1e-6.
    """
    for name in sorted({*one, *other}):
        if not name.startswith(STRUCTURE_PREFIXES):
            continue
        if name not in one or name not in other:
            return name, _present(name in one), _present(name in other)
        a, b = one[name], other[name]
        if a.shape != b.shape:
            return name, f"{a.shape[0]} entries", f"{b.shape[0]} entries"
        apart = np.abs(a.astype(float) - b.astype(float)) > 1e-6
        if apart.any():
            first = int(np.argmax(apart))
            return name, f"{a[first]:.9g} at {first + 1}", f"{b[first]:.9g} at {first + 1}"
    return None


def _present(there: bool) -> str:
    return "there" if there else "missing"
