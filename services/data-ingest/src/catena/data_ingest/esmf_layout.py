"""Our separable weights in the layout of ESMF weight files, for other tools to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from catena.data_ingest.grids import Grid
from catena.data_ingest.weights import SeparableWeights
from catena.shared.errors import InvalidRequest

Array = NDArray[np.float64]


def weight_dataset(
    weights: SeparableWeights,
    source: Grid,
    target: Grid,
    method: str,
    attributes: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Our weights in the layout of ESMF, to be written with ``to_netcdf``.

    Parameters
    ----------
    weights : SeparableWeights
    source, target : Grid
        Those that the weights are for.
    method : str
    attributes : mapping, optional
        More global attributes.

    Raises
    ------
    InvalidRequest
        When the weights are not for these grids.
    """
    shapes = (weights.lat.shape, weights.lon.shape)
    if tuple(zip(*shapes, strict=True)) != (target.shape, source.shape):
        raise InvalidRequest(
            f"found weights of shapes {shapes} (target, source) along lat and lon, wanted those "
            f"of {target.shape} and {source.shape}"
        )
    full = sparse.coo_array(sparse.kron(weights.lat, weights.lon, format="csr"))
    words = {"normalization": "destarea", "map_method": method, "conventions": "NCAR-CSM"}
    out: dict[str, Any] = {
        "S": ("n_s", full.data),
        "row": ("n_s", (full.row + 1).astype(np.int32)),
        "col": ("n_s", (full.col + 1).astype(np.int32)),
    }
    for side, grid, dims in (("a", source, "src"), ("b", target, "dst")):
        out[f"{dims}_grid_dims"] = (f"{dims}_grid_rank", np.array(grid.shape[::-1], np.int32))
        lat, lon = np.meshgrid(grid.lat, grid.lon, indexing="ij")
        for axis, values in (("y", lat), ("x", lon)):
            out[f"{axis}c_{side}"] = (f"n_{side}", values.ravel(), {"units": "degrees"})
        corners = _corners(grid)
        for axis, values in zip("yx", corners, strict=True):
            out[f"{axis}v_{side}"] = (
                (f"n_{side}", f"nv_{side}"),
                values.reshape(-1, 4),
                {"units": "degrees"},
            )
        out[f"area_{side}"] = (f"n_{side}", grid.areas().ravel(), {"units": "steradian"})
        out[f"mask_{side}"] = (f"n_{side}", np.ones(grid.areas().size, np.int32))
    out["frac_b"] = ("n_b", weights.coverage.ravel())
    if method == "conservative":
        sent = full.T @ target.areas().ravel()
        out["frac_a"] = ("n_a", sent / source.areas().ravel())
    return xr.Dataset(out, attrs={**words, **(attributes or {})})


def _corners(grid: Grid) -> tuple[Array, Array]:
    """(ny, nx, 4) latitudes and longitudes of the corners, from the south-west on."""
    south, north = np.sort([grid.lat_edges[:-1], grid.lat_edges[1:]], axis=0)
    west, east = np.sort([grid.lon_edges[:-1], grid.lon_edges[1:]], axis=0)
    shape = (*grid.shape, 4)
    lat = np.stack([south, south, north, north], axis=-1)[:, None]
    lon = np.stack([west, east, east, west], axis=-1)[None]
    return np.broadcast_to(lat, shape), np.broadcast_to(lon, shape)
