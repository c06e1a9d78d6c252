"""Weight files of ESMF, TempestRemap and SCRIP: read, and apply to data of any grid.

Ours are written in the same layout by :mod:`catena.data_ingest.esmf_layout`.

The layout of ESMF and TempestRemap: ``S`` (n_s) with ``row`` and ``col`` counted from one,
``frac_b`` and ``area_b`` of the ``n_b`` target cells, ``src_grid_dims`` and ``dst_grid_dims`` with
the fastest dimension first (ESMF Reference Manual, "Regrid Weight File Format"). The layout of
SCRIP: ``remap_matrix`` (num_links, num_wgts), ``src_address``, ``dst_address``, ``dst_grid_frac``
(SCRIP Users' Guide 1.4, "Output"); of its weights the first are used, those of the cell means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from catena.data_ingest.grids import find_axis
from catena.data_ingest.regrid import apply_lazily, result_dtype
from catena.data_ingest.weights import COMPLETE, divided
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

BATCH = 32
"""Fields that are multiplied with the matrix at once."""
SAME_PLACE = 1e-3
"""Degrees by which coordinates of data and of a weight file may differ (single precision)."""

SCRIP = {
    "col": "src_address",
    "row": "dst_address",
    "frac_b": "dst_grid_frac",
    "area_a": "src_grid_area",
    "area_b": "dst_grid_area",
    "xc_a": "src_grid_center_lon",
    "yc_a": "src_grid_center_lat",
    "xc_b": "dst_grid_center_lon",
    "yc_b": "dst_grid_center_lat",
}
"""Names of ESMF -> names of SCRIP."""


@dataclass(frozen=True, eq=False)
class WeightFile:
    """A sparse regridding between any two grids.

    Parameters
    ----------
    matrix : (n_b, n_a) sparse array
    source_shape, target_shape : tuple of int
        Slowest dimension first; one number where the cells are a list.
    frac_b : (n_b,) array
        Part of each target cell that the source covers.
    source_lat, source_lon, target_lat, target_lon : arrays (n_a,), (n_b,), optional
        Centres in degrees.
    area_a, area_b : arrays, optional
        Areas of the cells in the file's own units (usually steradians).
    method : str
        As the file calls it.
    name : str
        Of the file, for messages.
    """

    matrix: sparse.csr_array
    source_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    frac_b: Array
    source_lat: Array | None = None
    source_lon: Array | None = None
    target_lat: Array | None = None
    target_lon: Array | None = None
    area_a: Array | None = None
    area_b: Array | None = None
    method: str = ""
    name: str = "weights"

    def fields(self, values: NDArray[Any], min_valid: float = 0.5) -> NDArray[Any]:
        """Apply the weights to an array (..., source shape).

        Whatever the file's normalisation, the result is the mean over the part of a target cell
        that is covered by cells with values, and missing where that part is below `min_valid`.

        Raises
        ------
        InvalidData
            When the last sizes are not those of the source grid.
        """
        rank = len(self.source_shape)
        if values.shape[values.ndim - rank :] != self.source_shape:
            raise InvalidData(
                f"file {self.name}: found data of sizes {values.shape[values.ndim - rank :]}, "
                f"wanted {self.source_shape}, those of the source grid of the weights"
            )
        leading = values.shape[: values.ndim - rank]
        flat = values.reshape(-1, self.matrix.shape[1])
        out = np.empty((len(flat), self.matrix.shape[0]), result_dtype(values.dtype))
        for start in range(0, len(flat), BATCH):
            out[start : start + BATCH] = self._batch(flat[start : start + BATCH], min_valid)
        return out.reshape(*leading, *self.target_shape)

    def _batch(self, flat: NDArray[Any], min_valid: float) -> Array:
        valid = np.isfinite(flat)
        rows = np.asarray(self.matrix.sum(axis=1)).ravel()
        # Masks are nearly always the same at all times; then one product is enough.
        masks = valid[:1] if (valid == valid[:1]).all() else valid
        filled = np.where(valid, flat, 0).astype(np.float64, copy=False)
        value = (self.matrix @ filled.T).T
        weight = rows[None] if masks.all() else (self.matrix @ masks.astype(np.float64).T).T
        share = np.divide(weight, rows, out=np.zeros_like(weight), where=rows > COMPLETE)
        weight, part = (np.broadcast_to(a, value.shape) for a in (weight, share * self.frac_b))
        return divided(value, weight, part, min_valid)

    def __call__(self, array: xr.DataArray, min_valid: float = 0.5) -> xr.DataArray:
        """Regrid a variable, lazily if it is lazy.

        Parameters
        ----------
        array : DataArray
            Its last dimensions are those of the source grid. Where the grid is rectilinear and
            both sides have coordinates, data with the other order of latitudes or another origin
            of longitudes are brought into the file's order first.
        min_valid : float
            See :meth:`fields`.

        Returns
        -------
        DataArray
            On (lat, lon) where the target is rectilinear, else on (y, x) or (cell,) with two
            coordinates ``lat`` and ``lon``.

        Raises
        ------
        InvalidData
            When sizes or coordinates are not those of the file's source grid.
        """
        rank = len(self.source_shape)
        dims = tuple(str(dim) for dim in array.dims[array.ndim - rank :])
        if tuple(array.sizes[dim] for dim in dims) != self.source_shape:
            raise InvalidData(
                f"variable {array.name}, file {self.name}: found dimensions "
                f"{dict(array.sizes)}, wanted the last ones to be of sizes {self.source_shape}"
            )
        array = self._in_file_order(array)
        new_dims, coordinates = self._target_coordinates()
        result = apply_lazily(
            lambda values: self.fields(values, min_valid),
            array,
            dims,
            new_dims,
            self.target_shape,
            result_dtype(array.dtype),
        )
        method = self.method or self.name
        return result.assign_coords(coordinates).assign_attrs(array.attrs, regrid_method=method)

    def _in_file_order(self, array: xr.DataArray) -> xr.DataArray:
        source = rectilinear(self.source_shape, self.source_lat, self.source_lon)
        names = [find_axis(array, axis) for axis in ("lat", "lon")]
        if source is None or None in names:
            return array
        order: dict[Any, NDArray[np.intp]] = {}
        for name, wanted, turn in zip(names, source, (None, 360.0), strict=True):
            distance = wanted[:, None] - array[name].values[None].astype(np.float64)
            if turn:
                distance = (distance + turn / 2) % turn - turn / 2
            distance = np.abs(distance)
            order[name] = distance.argmin(axis=1)
            worst = int(distance.min(axis=1).argmax())
            if distance[worst, order[name][worst]] > SAME_PLACE:
                raise InvalidData(
                    f"variable {array.name}, file {self.name}, dimension {name}: found no value "
                    f"at {wanted[worst]:g} (nearest {array[name].values[order[name][worst]]:g}), "
                    "wanted the source grid of the weights; take the file made for these data"
                )
        in_order = all((indices == np.arange(len(indices))).all() for indices in order.values())
        return array if in_order else array.isel(order)

    def _target_coordinates(self) -> tuple[tuple[str, ...], dict[str, xr.Variable]]:
        words = (
            {"standard_name": "latitude", "units": "degrees_north"},
            {"standard_name": "longitude", "units": "degrees_east"},
        )
        axes = rectilinear(self.target_shape, self.target_lat, self.target_lon)
        if axes is not None:
            return ("lat", "lon"), {
                name: xr.Variable(name, axis, attributes)
                for name, axis, attributes in zip(("lat", "lon"), axes, words, strict=True)
            }
        rank = len(self.target_shape)
        dims = {1: ("cell",), 2: ("y", "x")}.get(rank, tuple(f"d{n}" for n in range(rank)))
        if self.target_lat is None or self.target_lon is None:
            return dims, {}
        return dims, {
            name: xr.Variable(dims, values.reshape(self.target_shape), attributes)
            for name, values, attributes in zip(
                ("lat", "lon"), (self.target_lat, self.target_lon), words, strict=True
            )
        }


def rectilinear(
    shape: tuple[int, ...], lat: Array | None, lon: Array | None
) -> tuple[Array, Array] | None:
    """The two axes of a grid given cell by cell, or None where it has none."""
    if len(shape) != 2 or lat is None or lon is None:
        return None
    lat, lon = lat.reshape(shape), lon.reshape(shape)
    # At a pole the longitude of a point says nothing.
    away = np.abs(lat[:, 0]) < 90.0 - 1e-6
    if np.abs(lat - lat[:, :1]).max() > SAME_PLACE or not away.any():
        return None
    row = lon[int(np.argmax(away))]
    return None if np.abs(lon - row)[away].max() > SAME_PLACE else (lat[:, 0], row)


def read_weights(path: str | Path) -> WeightFile:
    """Read a weight file of ESMF, TempestRemap or SCRIP.

    Raises
    ------
    InvalidData
        When a variable is missing, sizes do not fit, or an index leaves its grid.
    """
    path = Path(path)
    with xr.open_dataset(path, decode_cf=False, mask_and_scale=False) as data:
        return weights_of(data.load(), path.name)


def weights_of(data: xr.Dataset, name: str = "weights") -> WeightFile:
    """Weights from an opened weight file; see :func:`read_weights`."""
    scrip = "remap_matrix" in data

    def get(variable: str) -> NDArray[Any] | None:
        stored = SCRIP.get(variable, variable) if scrip else variable
        return data[stored].values.ravel() if stored in data else None

    matrix_values = data["remap_matrix"].values[:, 0] if scrip else get("S")
    row, col = get("row"), get("col")
    source_dims, target_dims = get("src_grid_dims"), get("dst_grid_dims")
    missing = [
        variable
        for variable, found in (("S", matrix_values), ("row", row), ("col", col))
        if found is None
    ]
    if matrix_values is None or row is None or col is None:
        raise InvalidData(
            f"file {name}: found variables {', '.join(map(str, data.data_vars))}, wanted a weight "
            f"file with {', '.join(missing)} (or remap_matrix, src_address, dst_address)"
        )
    n_a = _size(data, ("n_a", "src_grid_size"), source_dims, name, "source")
    n_b = _size(data, ("n_b", "dst_grid_size"), target_dims, name, "target")
    if not len(matrix_values) == len(row) == len(col):
        raise InvalidData(
            f"file {name}: found {len(matrix_values)} weights, {len(row)} rows and {len(col)} "
            "columns, wanted as many of each; the file is damaged"
        )
    for words, index, size in (("col", col, n_a), ("row", row, n_b)):
        if len(index) and (index.min() < 1 or index.max() > size):
            raise InvalidData(
                f"file {name}, variable {words}: found indices from {index.min()} to "
                f"{index.max()}, wanted 1 to {size}"
            )
    if not np.isfinite(matrix_values).all():
        raise InvalidData(f"file {name}: found weights that are not numbers, wanted numbers")
    matrix = sparse.coo_array(
        (matrix_values.astype(np.float64), (row.astype(np.int64) - 1, col.astype(np.int64) - 1)),
        shape=(n_b, n_a),
    ).tocsr()
    frac_b = get("frac_b")
    if frac_b is None:
        frac_b = (np.asarray(matrix.sum(axis=1)).ravel() > COMPLETE).astype(np.float64)
    elif len(frac_b) != n_b:
        raise InvalidData(f"file {name}: found {len(frac_b)} values of frac_b, wanted {n_b}")
    centres = {
        place: _degrees(data, SCRIP[place] if scrip else place)
        for place in ("xc_a", "yc_a", "xc_b", "yc_b")
    }
    return WeightFile(
        matrix=matrix,
        source_shape=_shape(source_dims, n_a),
        target_shape=_shape(target_dims, n_b),
        # Files round it, and a covered cell is a covered cell.
        frac_b=np.where(np.abs(frac_b - 1.0) < 1e-6, 1.0, frac_b.clip(0.0, 1.0)),
        source_lat=centres["yc_a"],
        source_lon=centres["xc_a"],
        target_lat=centres["yc_b"],
        target_lon=centres["xc_b"],
        area_a=get("area_a"),
        area_b=get("area_b"),
        method=str(data.attrs.get("map_method", "")),
        name=name,
    )


def _size(
    data: xr.Dataset,
    names: tuple[str, ...],
    dims: NDArray[Any] | None,
    file: str,
    side: str,
) -> int:
    sizes = [int(data.sizes[name]) for name in names if name in data.sizes]
    product = None if dims is None else int(np.prod(dims.astype(np.int64)))
    if not sizes and product is None:
        raise InvalidData(
            f"file {file}: found no dimension {' or '.join(names)}, wanted the size of the "
            f"{side} grid"
        )
    # A list of cells is sometimes written with dims (1,) or (n, 1): the dimension counts.
    size = sizes[0] if sizes else int(product or 0)
    if product not in (None, size, 1):
        raise InvalidData(
            f"file {file}: found a {side} grid of {size} cells whose dimensions make {product}, "
            "wanted both equal; the file is damaged"
        )
    return size


def _shape(dims: NDArray[Any] | None, size: int) -> tuple[int, ...]:
    if dims is None or int(np.prod(dims)) != size:
        return (size,)
    # Fastest first in the file; lists of cells have a second dimension of one.
    shape = tuple(int(n) for n in dims[::-1] if n != 1)
    return shape or (size,)


def _degrees(data: xr.Dataset, name: str) -> Array | None:
    if name not in data:
        return None
    values = data[name].values.ravel().astype(np.float64)
    radians = str(data[name].attrs.get("units", "degrees")).lower().startswith("rad")
    return np.degrees(values) if radians else values
