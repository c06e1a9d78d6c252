"""Rectilinear grids of the sphere: from centres, from bounds, from a name.

A grid is two axes, each with centres and edges. Cells are bounded by meridians and parallels, so
the area of a cell is a product: width in longitude times the difference of sin(latitude).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import roots_legendre

from catena.shared.errors import InvalidData, InvalidRequest

Array = NDArray[np.float64]

NAMES = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude")}

POLE_GAP = 0.3
"""An outer edge that ends nearer to a pole than this part of a cell is meant to be at the pole: it
is so for Gaussian grids (0.27) and not for a regular grid that leaves out half a cell."""
ROUND = 1.5
"""Longitudes go round the circle if the gap over the seam is at most so many of the widest
steps."""
TOUCH = 1e-3
"""Neighbouring bounds may differ by this part of a cell (they are often stored in single
precision)."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A rectilinear grid.

    Parameters
    ----------
    lat, lon : (ny,), (nx,) arrays
        Centres in degrees; latitudes in either order, longitudes with any origin.
    lat_edges, lon_edges : (ny + 1,), (nx + 1,) arrays
        Edges in degrees, in the order of the centres; longitudes without a jump.
    name : str
    """

    lat: Array
    lon: Array
    lat_edges: Array
    lon_edges: Array
    name: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of latitudes and longitudes."""
        return len(self.lat), len(self.lon)

    @property
    def periodic(self) -> bool:
        """Whether the longitudes go round the whole circle."""
        return bool(abs(abs(self.lon_edges[-1] - self.lon_edges[0]) - 360.0) < 1e-9)

    @property
    def is_global(self) -> bool:
        """Whether the cells cover the sphere."""
        return self.periodic and bool(np.ptp(self.lat_edges) > 180.0 - 1e-9)

    def areas(self) -> Array:
        """(ny, nx) areas of the cells on the unit sphere; they sum to 4 pi on a global grid."""
        height = np.abs(np.diff(np.sin(np.radians(self.lat_edges))))
        width = np.abs(np.diff(np.radians(self.lon_edges)))
        return np.outer(height, width)

    def part(self, lat: tuple[float, float], lon: tuple[float, float]) -> Grid:
        """The cells whose centres lie in a box; `lon` may cross any meridian.

        Raises
        ------
        InvalidRequest
            When no cell lies in it.
        """
        rows = np.flatnonzero((self.lat >= min(lat)) & (self.lat <= max(lat)))
        offset = (self.lon - lon[0]) % 360.0
        columns = np.flatnonzero(
            offset <= (lon[1] - lon[0] if lon[1] >= lon[0] else lon[1] - lon[0] + 360.0)
        )
        if not len(rows) or not len(columns):
            raise InvalidRequest(
                f"no cell of {self} has its centre in lat {lat}, lon {lon}; widen the box"
            )
        # Columns from the west of the box on, so that longitudes rise across the grid's own seam.
        columns = columns[np.argsort(offset[columns], kind="stable")]
        turn = (self.lon[columns] - lon[0]) // 360.0 * -360.0
        west = self.lon_edges[columns] + turn
        east = self.lon_edges[columns + 1] + turn
        return Grid(
            self.lat[rows],
            self.lon[columns] + turn,
            self.lat_edges[rows[0] : rows[-1] + 2],
            np.append(west, east[-1]),
        )

    def coordinates(self) -> dict[str, xr.Variable]:
        """CF coordinates ``lat`` and ``lon`` and their bounds."""
        return {
            "lat": xr.Variable("lat", self.lat, _attributes("latitude", "degrees_north", "Y")),
            "lon": xr.Variable("lon", self.lon, _attributes("longitude", "degrees_east", "X")),
            "lat_bnds": xr.Variable(("lat", "bnds"), _pairs(self.lat_edges)),
            "lon_bnds": xr.Variable(("lon", "bnds"), _pairs(self.lon_edges)),
        }

    def __str__(self) -> str:
        ny, nx = self.shape
        return self.name or (
            f"grid {ny} x {nx} (lat {self.lat_edges[0]:g} to {self.lat_edges[-1]:g}, "
            f"lon {self.lon_edges[0]:g} to {self.lon_edges[-1]:g})"
        )


def _attributes(standard_name: str, units: str, axis: str) -> dict[str, str]:
    bounds = f"{'lat' if axis == 'Y' else 'lon'}_bnds"
    return {"standard_name": standard_name, "units": units, "axis": axis, "bounds": bounds}


def _pairs(edges: Array) -> Array:
    return np.stack([edges[:-1], edges[1:]], axis=1)


def make_grid(
    lat: ArrayLike,
    lon: ArrayLike,
    *,
    lat_bounds: ArrayLike | None = None,
    lon_bounds: ArrayLike | None = None,
    name: str = "",
) -> Grid:
    """Grid from centres, with bounds where they are known.

    Parameters
    ----------
    lat, lon : (ny,), (nx,) arrays
        Degrees.
    lat_bounds, lon_bounds : (n, 2) or (n + 1,) arrays, optional
        Without them edges lie half way between centres (or, at Gaussian latitudes, where the
        Gaussian weights put them).
    name : str

    Raises
    ------
    InvalidData
        When an axis is not one-dimensional and monotonic, leaves the sphere, overlaps itself, or
        when bounds leave gaps.
    """
    lat, lon = _axis(lat, "lat"), _unwrapped(_axis(lon, "lon"))
    if np.abs(lat).max() > 90.0 + 1e-6:
        raise InvalidData(
            f"dimension lat: found {lat[np.abs(lat).argmax()]:g}, wanted degrees within -90 and "
            "90; check the units of the coordinate"
        )
    _check_monotonic(lat, "lat")
    _check_monotonic(lon, "lon")
    if lat_bounds is None:
        lat_edges = _gaussian_edges_of(lat)
        if lat_edges is None:
            lat_edges = _to_poles(_edges_between(lat, "lat"))
    else:
        lat_edges = _edges_of(np.asarray(lat_bounds, np.float64), lat, "lat")
    lon_edges = (
        _around(_edges_between(lon, "lon"), lon)
        if lon_bounds is None
        else _edges_of(np.asarray(lon_bounds, np.float64), lon, "lon")
    )
    lat_edges = np.clip(lat_edges, -90.0, 90.0)
    lat_edges = np.where(90.0 - np.abs(lat_edges) < 1e-4, np.copysign(90.0, lat_edges), lat_edges)
    return Grid(np.clip(lat, -90.0, 90.0), lon, lat_edges, _closed(lon_edges, lon), name)


def grid_of(data: xr.Dataset | xr.DataArray) -> Grid:
    """The grid that data lie on, with their own bounds where they have them.

    Raises
    ------
    InvalidData
        Without latitude and longitude, or when they are not one-dimensional.
    """
    lat, lon = axis_names(data)
    return make_grid(
        data[lat].values,
        data[lon].values,
        lat_bounds=_bounds(data, lat),
        lon_bounds=_bounds(data, lon),
    )


def axis_names(data: xr.Dataset | xr.DataArray) -> tuple[str, str]:
    """Names of the latitude and the longitude of data, by CF attributes or by their usual names.

    Raises
    ------
    InvalidData
        When one is missing or not one-dimensional.
    """
    lat, lon = (find_axis(data, axis) for axis in ("lat", "lon"))
    if lat is None or lon is None:
        found = ", ".join(f"{name}{tuple(data[name].dims)}" for name in data.coords) or "none"
        raise InvalidData(
            f"found coordinates {found}, wanted a latitude and a longitude along one dimension "
            "each; grids of other kinds are regridded with an ESMF weight file"
        )
    return lat, lon


def find_axis(data: xr.Dataset | xr.DataArray, axis: str) -> str | None:
    """Name of the one-dimensional coordinate ``lat`` or ``lon``, or None."""
    standard = NAMES[axis][1]
    named = [name for name in NAMES[axis] if name in data.coords]
    by_attribute = [
        str(name)
        for name, coordinate in data.coords.items()
        if coordinate.attrs.get("standard_name") == standard
    ]
    for name in (*by_attribute, *named):
        if data[name].dims == (name,):
            return name
    return None


def _bounds(data: xr.Dataset | xr.DataArray, name: str) -> Array | None:
    holders: Any = data.variables if isinstance(data, xr.Dataset) else data.coords
    names: list[Hashable] = [data[name].attrs.get("bounds", ""), f"{name}_bnds", f"{name}_bounds"]
    names.append(data[name].encoding.get("bounds", ""))
    for bounds in names:
        if bounds in holders and holders[bounds].shape == (data.sizes[name], 2):
            return np.asarray(holders[bounds].values, np.float64)
    return None


def gaussian_latitudes(count: int) -> tuple[Array, Array]:
    """Gaussian latitudes from south to north, and the edges that its quadrature weights make.

    Parameters
    ----------
    count : int
        Number of latitudes, even.

    Returns
    -------
    lat : (count,) array
        Degrees: arcsine of the roots of the Legendre polynomial.
    edges : (count + 1,) array
        Degrees: each band's share of the sphere's area is its Gaussian weight.
    """
    roots, weights = roots_legendre(count)
    sines = np.concatenate([[-1.0], np.cumsum(weights) - 1.0])
    sines[-1] = 1.0
    sines = (sines - sines[::-1]) / 2  # rounding must not make the hemispheres differ
    roots = (roots - roots[::-1]) / 2
    return np.degrees(np.arcsin(roots)), np.degrees(np.arcsin(sines))


def _axis(values: ArrayLike, name: str) -> Array:
    axis = np.asarray(values, np.float64)
    if axis.ndim != 1 or not axis.size or not np.isfinite(axis).all():
        raise InvalidData(
            f"dimension {name}: found shape {axis.shape}"
            f"{'' if np.isfinite(axis).all() else ' with missing values'}, wanted one row of "
            "numbers; grids of other kinds are regridded with an ESMF weight file"
        )
    return axis


def _unwrapped(lon: Array) -> Array:
    """Without the jump of 360 degrees; descending longitudes stay so."""
    jumps = np.diff(lon)
    if len(jumps) and (np.sum(jumps < 0) == 1 or np.sum(jumps > 0) == 1) and len(jumps) > 1:
        return np.unwrap(lon, period=360.0)
    return lon


def _check_monotonic(axis: Array, name: str) -> None:
    steps = np.diff(axis)
    if len(steps) and not ((steps > 0).all() or (steps < 0).all()):
        place = int(np.argmax(steps * np.sign(np.median(steps)) <= 0))
        raise InvalidData(
            f"dimension {name}: found {axis[place]:g} followed by {axis[place + 1]:g}, wanted "
            "values that only rise or only fall; sort the data along it and drop duplicates"
        )


def _edges_between(centres: Array, name: str) -> Array:
    if len(centres) < 2:
        raise InvalidData(f"dimension {name}: found 1 cell without bounds, wanted its bounds")
    middle = (centres[:-1] + centres[1:]) / 2
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _around(edges: Array, lon: Array) -> Array:
    """Where the centres go round the circle, the outer edges meet half way over the seam."""
    step = 1.0 if lon[-1] > lon[0] else -1.0
    gap = 360.0 - abs(lon[-1] - lon[0])
    if 0.0 < gap <= ROUND * np.abs(np.diff(lon)).max():
        edges = edges.copy()
        edges[0], edges[-1] = lon[0] - step * gap / 2, lon[-1] + step * gap / 2
    return edges


def _to_poles(edges: Array) -> Array:
    edges = edges.copy()
    for end, inner in ((0, 1), (-1, -2)):
        if 90.0 - abs(edges[end]) < POLE_GAP * abs(edges[end] - edges[inner]):
            edges[end] = np.copysign(90.0, edges[end])
    return edges


def _gaussian_edges_of(lat: Array) -> Array | None:
    if len(lat) % 2 or len(lat) < 8 or abs(lat[0] + lat[-1]) > 1e-2 or abs(lat).max() > 89.999:
        return None
    exact, edges = gaussian_latitudes(len(lat))
    order = 1 if lat[0] < lat[-1] else -1
    return edges[::order] if np.allclose(exact[::order], lat, rtol=0, atol=2e-3) else None


def _edges_of(bounds: Array, centres: Array, name: str) -> Array:
    count = len(centres)
    if bounds.shape == (count + 1,):
        edges = bounds
    elif bounds.shape == (count, 2):
        rising = centres[-1] > centres[0] if count > 1 else True
        bounds = np.sort(bounds, axis=1)[:, :: 1 if rising else -1]
        if name == "lon":
            # Bounds may lie a turn away from their centres.
            bounds = bounds + 360.0 * np.round((centres - bounds.mean(axis=1)) / 360.0)[:, None]
        gaps = np.abs(bounds[1:, 0] - bounds[:-1, 1])
        if count > 1 and (gaps > TOUCH * np.abs(bounds[1:, 1] - bounds[1:, 0])).any():
            place = int(gaps.argmax())
            raise InvalidData(
                f"dimension {name}: found bounds of cell {place} that end at "
                f"{bounds[place, 1]:g} and of the next that begin at {bounds[place + 1, 0]:g}, "
                "wanted cells that touch; drop the bounds to have them put half way"
            )
        inner = (bounds[1:, 0] + bounds[:-1, 1]) / 2
        edges = np.concatenate([[bounds[0, 0]], inner, [bounds[-1, 1]]])
    else:
        raise InvalidData(
            f"dimension {name}: found bounds of shape {bounds.shape}, wanted ({count}, 2)"
        )
    _check_monotonic(edges, f"{name} bounds")
    return edges


def _closed(edges: Array, centres: Array) -> Array:
    """Exactly one turn where the cells go round the circle; no more than one."""
    span, cell = abs(edges[-1] - edges[0]), np.abs(np.diff(edges)).max()
    if abs(span - 360.0) < 1e-2 * cell:
        edges = edges.copy()
        edges[-1] = edges[0] + np.copysign(360.0, edges[-1] - edges[0])
    elif span > 360.0:
        raise InvalidData(
            f"dimension lon: found {len(centres)} cells over {span:g} degrees, wanted at most 360; "
            "drop the repeated columns"
        )
    return edges
