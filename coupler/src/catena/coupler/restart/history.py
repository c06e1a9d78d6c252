"""Pools in ELM's history files, brought to the grid cells, columns and PFTs of a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.dates import day_number
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.source import Source
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

_LEVELS = ("levdcmp", "levgrnd", "levsoi", "levtrc")
_UNITS = re.compile(r"days since (\d+)-(\d+)-(\d+)(?:[ T]00:00(:00)?)?$")


@dataclass(frozen=True)
class Records:
    """Values of one variable.

    Parameters
    ----------
    place : {"gridcell", "column", "pft"}
        What the second dimension counts: all that the file has.
    values : array (time, place) or (time, place, level)
        NaN where the file has fill.
    """

    place: str
    values: Floats


class History:
    """A history file of ELM.

    Parameters
    ----------
    path : Path
        Written with ``hist_dov2xy`` (cells of the grid) or without (columns, PFTs).

    Attributes
    ----------
    bounds : array (time, 2)
        Days since 0000-01-01 in a calendar without leap years.

    Raises
    ------
    InvalidData
        When it is no whole netCDF file, or its time axis is not understood.
    """

    def __init__(self, path: Path) -> None:
        self.source = Source(Path(path), "a history file of ELM")
        self.name = self.source.path.name
        bounds_name = "time_bounds" if "time_bounds" in self.source.variables else "time_bnds"
        found = self.source.read([bounds_name])
        self.bounds: Floats = np.asarray(found[bounds_name], np.float64) + self._origin()
        if not len(self.bounds):
            raise InvalidData(f"{self.name}: the history file has no record, wanted one at least")

    @property
    def days(self) -> Floats:
        """Length of the interval of each record; 0 where a record is of one moment."""
        length: Floats = self.bounds[:, 1] - self.bounds[:, 0]
        return length

    def __contains__(self, name: str) -> bool:
        return name in self.source.variables

    def read(self, name: str, restart: Restart) -> Records:
        """A variable with all its records.

        Raises
        ------
        InvalidData
            When its dimensions are not understood or do not fit the restart.
        """
        dimensions = self.source.variables[name].dimensions
        values = np.asarray(self.source.read([name])[name], np.float64)
        values = np.where(np.abs(values) >= 1e30, np.nan, values)
        rest = list(dimensions)
        if rest[:1] != ["time"]:
            raise InvalidData(f"{self.name}: {name} has dimensions {dimensions}, wanted time first")
        rest.pop(0)
        level = next((each for each in rest if each in _LEVELS), None)
        if level is not None:
            values = np.moveaxis(values, 1 + rest.index(level), -1)
            rest.remove(level)
        place = self._place(name, dimensions, rest)
        if rest == ["lat", "lon"]:
            values = values[:, *_grid_positions(restart)]
        counts = {
            "gridcell": restart.subgrid.gridcells,
            "column": restart.source.dimensions["column"],
            "pft": restart.source.dimensions["pft"],
        }
        if values.shape[1] != counts[place]:
            raise InvalidData(
                f"{self.name}: {name} has {values.shape[1]} of {place} and {restart.name} has "
                f"{counts[place]}; the files are of different grids"
            )
        return Records(place, values)

    def _place(self, name: str, dimensions: tuple[str, ...], rest: list[str]) -> str:
        if rest in (["lndgrid"], ["gridcell"], ["lat", "lon"]):
            return "gridcell"
        if rest in (["column"], ["pft"]):
            return rest[0]
        raise InvalidData(
            f"{self.name}: {name} has dimensions {dimensions}, wanted time with lndgrid, lat and "
            "lon, column or pft, and levels at most"
        )

    def _origin(self) -> float:
        attributes = self.source.attributes_of("time")
        units, calendar = attributes.get("units", ""), attributes.get("calendar", "noleap")
        match = _UNITS.fullmatch(units.strip())
        if match is None or calendar not in ("noleap", "365_day"):
            raise InvalidData(
                f"{self.name}: time is in '{units}' of calendar '{calendar}', wanted 'days since "
                "YYYY-MM-DD 00:00:00' of calendar noleap"
            )
        year, month, day = (int(part) for part in match.groups()[:3])
        return day_number(year, month, day)


def _grid_positions(restart: Restart) -> tuple[NDArray[Any], NDArray[Any]]:
    if "grid1d_ixy" not in restart or "grid1d_jxy" not in restart:
        raise InvalidData(
            f"{restart.name} has no grid1d_ixy and grid1d_jxy; a history on lat and lon cannot be "
            "placed without them"
        )
    return restart["grid1d_jxy"] - 1, restart["grid1d_ixy"] - 1
