"""Which plants grow where: cells of a region from a map of plant functional types."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.pft import PFT_NAMES
from catena.shared.errors import InvalidData, InvalidRequest

Array = NDArray[np.float64]

NATURAL = range(1, 15)
"""Trees, shrubs and grasses: neither bare ground nor crops."""
TREES = range(1, 9)
WEST = -100.0
"""Longitude in whose neighbourhood made-up plants are grass."""
LEAST_SHARE = 0.05
"""Plants with less of a cell's vegetation are left out."""


@dataclass(frozen=True)
class Box:
    """A region; degrees, longitudes in [-180, 180)."""

    south: float
    north: float
    west: float
    east: float

    def __post_init__(self) -> None:
        fine = -90 <= self.south < self.north <= 90 and -180 <= self.west < self.east <= 180
        if not fine:
            raise InvalidRequest(
                f"a box from {self.south} to {self.north} and {self.west} to {self.east}; wanted "
                "south < north in -90 to 90, west < east in -180 to 180"
            )


@dataclass(frozen=True)
class SurfaceMap:
    """Plants of cells.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees, south to north and then west to east.
    pfts : int64 (cell, slot)
        Index in :data:`catena.coupler.pft.PFT_NAMES`, the most frequent first.
    weights : float64 (cell, slot)
        Shares of the vegetation; they sum to 1. 0 where a cell has fewer plants than slots.
    """

    lat: Array
    lon: Array
    pfts: NDArray[np.int64]
    weights: Array

    def of_cell(self, cell: int) -> dict[str, float]:
        """Names and shares in one cell."""
        found = zip(self.pfts[cell], self.weights[cell], strict=True)
        return {PFT_NAMES[pft]: float(share) for pft, share in found if share > 0.0}


def read_surface_map(
    path: Path, box: Box, *, cells: int = 0, slots: int = 1, plants: range = NATURAL
) -> SurfaceMap:
    """Natural plants of a region, from a gridded surface dataset of ELM or CLM.

    Parameters
    ----------
    path : Path
        With ``LATIXY``, ``LONGXY``, ``PCT_NATVEG`` (lat, lon) and ``PCT_NAT_PFT`` (pft, lat, lon).
    box : Box
    cells : int
        How many: those with the largest area of these plants. 0: all that have some.
    slots : int
        The most frequent plants of a cell, as many as this.
    plants : range
        Which count: :data:`NATURAL` or :data:`TREES`; others are left out.

    Raises
    ------
    InvalidData
        When it is no such file, or the box holds fewer cells than wanted.
    """
    there = read_plants(path, plants)
    lat, lon, chosen, area = there.lat, there.lon, there.shares, there.area
    inside = (box.south < lat) & (lat < box.north) & (box.west < lon) & (lon < box.east)
    rows = np.flatnonzero((inside & (area > 0.0)).ravel())
    if len(rows) < max(cells, 1):
        raise InvalidData(
            f"'{path.name}': {len(rows)} cells of the box have such plants; {cells or 1} "
            "were wanted: choose a larger box"
        )
    if cells:
        rows = rows[np.argsort(-area.ravel()[rows], kind="stable")[:cells]]
    rows = rows[np.lexsort((lon.ravel()[rows], lat.ravel()[rows]))]
    shares = chosen.reshape(len(chosen), -1)[:, rows].T
    return most_frequent(lat.ravel()[rows], lon.ravel()[rows], shares, slots, plants)


@dataclass(frozen=True)
class Plants:
    """All cells of a map.

    Parameters
    ----------
    lat, lon : float64 (row, column)
        Degrees; longitudes in [-180, 180).
    shares : float64 (plant, row, column)
        Per cent of the natural vegetation.
    area : float64 (row, column)
        Of all these plants together; relative.
    """

    lat: Array
    lon: Array
    shares: Array
    area: Array


def read_plants(path: Path, plants: range = NATURAL) -> Plants:
    """A map of plants as it is; see :func:`read_surface_map`.

    Raises
    ------
    InvalidData
        When it is no such file.
    """
    try:
        with netCDF4.Dataset(path) as file:
            lat, lon, share = (
                np.ma.filled(file[name][:].astype(np.float64), np.nan)
                for name in ("LATIXY", "LONGXY", "PCT_NATVEG")
            )
            table = np.ma.filled(file["PCT_NAT_PFT"][:].astype(np.float64), 0.0)
    except (OSError, IndexError) as error:
        raise InvalidData(
            f"'{path.name}' cannot be read as a map of plants: {error}; a gridded surface dataset "
            "with LATIXY, LONGXY, PCT_NATVEG and PCT_NAT_PFT was wanted"
        ) from error
    chosen = table[plants.start : plants.stop]
    return Plants(lat, np.mod(lon + 180.0, 360.0) - 180.0, chosen, share * chosen.sum(axis=0))


def generated_surface_map(box: Box, step: float, *, cells: int = 0, slots: int = 1) -> SurfaceMap:
    """A made-up map for when there is no real one: forests by latitude, grass in the west.

    Parameters
    ----------
    box : Box
    step : float
        Degrees between cells.
    cells : int
        The first ones from the north-east; 0: all.
    slots : int
    """
    lats = np.arange(box.south + step / 2, box.north, step)
    lons = np.arange(box.west + step / 2, box.east, step)
    lat, lon = (axis.ravel() for axis in np.meshgrid(lats, lons, indexing="ij"))
    if len(lat) < cells:
        raise InvalidRequest(f"the box has {len(lat)} cells; {cells} were wanted")
    if cells:
        rows = np.sort(np.argsort(-(lat + lon), kind="stable")[:cells])
        lat, lon = lat[rows], lon[rows]
    return most_frequent(lat, lon, made_up_shares(lat, lon, box.west), slots, NATURAL)


def made_up_shares(lat: Array, lon: Array, west: float = WEST) -> Array:
    """Made-up plants at places: forests by latitude, grass in the west.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees.
    west : float
        Longitude at which grass is most frequent.

    Returns
    -------
    float64 (cell, plant)
        Of :data:`NATURAL`; relative.
    """
    shares = np.zeros((len(lat), len(NATURAL)))

    def bump(value: Array, centre: float, width: float) -> Array:
        return np.asarray(np.exp(-(((value - centre) / width) ** 2)))

    def put(name: str, values: Array) -> None:
        shares[:, PFT_NAMES.index(name) - NATURAL.start] = values

    put("needleleaf_evergreen_temperate_tree", bump(lat, 31.0, 5.0))
    put("broadleaf_deciduous_temperate_tree", bump(lat, 39.0, 6.0))
    put("needleleaf_evergreen_boreal_tree", bump(lat, 50.0, 5.0))
    put("c3_non-arctic_grass", 1.5 * bump(lon, west, 4.0))
    return shares


def most_frequent(lat: Array, lon: Array, shares: Array, slots: int, plants: range) -> SurfaceMap:
    """Cells with their most frequent plants.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees.
    shares : float64 (cell, plant)
        Of `plants`; relative.
    slots : int
        Plants of a cell that are kept.
    plants : range

    Raises
    ------
    InvalidRequest
        When there are not as many plants.
    """
    if not 1 <= slots <= len(plants):
        raise InvalidRequest(f"{slots} plants in a cell; wanted 1 to {len(plants)}")
    order = np.argsort(-shares, axis=1, kind="stable")[:, :slots]
    weights = np.take_along_axis(shares / shares.sum(axis=1, keepdims=True), order, axis=1)
    weights[:, 1:][weights[:, 1:] < LEAST_SHARE] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return SurfaceMap(lat, lon, order.astype(np.int64) + plants.start, weights)
