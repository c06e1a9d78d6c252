"""Regridding of datasets between rectilinear grids, lazily, with attributes kept.

Grids of other kinds are regridded with a weight file: :mod:`catena.data_ingest.esmf_weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from catena.data_ingest.grids import Grid, axis_names, find_axis, grid_of
from catena.data_ingest.named_grids import named_grid
from catena.data_ingest.weights import METHODS, SeparableWeights, separable_weights
from catena.shared.errors import InvalidData, InvalidRequest

BLOCK_BYTES = 64 * 2**20
"""Fields are regridded in blocks of about this many bytes, so that memory stays bounded."""

CATEGORIES = ("flag_values", "flag_meanings", "flag_masks")
"""A variable with one of these attributes holds categories, which have no mean."""


def target_grid(target: Grid | str | xr.Dataset | xr.DataArray) -> Grid:
    """A grid, by itself, by name, or that of other data."""
    if isinstance(target, Grid):
        return target
    return named_grid(target) if isinstance(target, str) else grid_of(target)


class Regridder:
    """Brings data from one grid to another; its weights are computed once.

    Parameters
    ----------
    source : Grid
    target : Grid or str
        A grid, or the name of one (:func:`~catena.data_ingest.named_grids.named_grid`).
    method : {"conservative", "bilinear", "nearest"}
        See :func:`~catena.data_ingest.weights.separable_weights`.
    min_valid : float
        A target cell is missing where less than this part of it is covered by cells with values;
        otherwise it has the weighted mean of those. With 0 any value is enough, with 1 all are
        needed.

    Raises
    ------
    InvalidRequest
        When the method or the grid is not known, `min_valid` is not in [0, 1], or the grids have
        no cell in common.

    Examples
    --------
    >>> import xarray as xr, numpy as np
    >>> regridder = Regridder(named_grid("2.5deg"), "T42")
    >>> field = xr.DataArray(np.full((72, 144), 288.15), dims=("lat", "lon"))
    >>> regridder(field).shape
    (64, 128)
    """

    def __init__(
        self,
        source: Grid,
        target: Grid | str,
        method: str = "conservative",
        min_valid: float = 0.5,
    ) -> None:
        if not 0.0 <= min_valid <= 1.0:
            raise InvalidRequest(f"min_valid: found {min_valid:g}, wanted a part within 0 and 1")
        self.source, self.target = source, target_grid(target)
        self.method, self.min_valid = method, min_valid
        self.weights = separable_weights(source, self.target, method)

    def fields(self, values: NDArray[Any]) -> NDArray[Any]:
        """Regrid an array (..., lat, lon); NaN is missing, the precision is kept.

        Raises
        ------
        InvalidData
            When its last two sizes are not those of the source grid.
        """
        if values.shape[-2:] != self.source.shape:
            raise InvalidData(
                f"dimensions lat, lon: found sizes {values.shape[-2:]}, wanted "
                f"{self.source.shape}, those of the grid that the weights are for"
            )
        if self.method == "nearest":
            return _gather(self.weights, values)
        return _by_field(
            lambda block: self.weights.apply(block, self.min_valid), values, self.target.shape
        )

    def __call__(self, array: xr.DataArray) -> xr.DataArray:
        """Regrid a variable with latitude and longitude, lazily if it is lazy.

        Parameters
        ----------
        array : DataArray
            Its other dimensions are kept, and keep their places.

        Returns
        -------
        DataArray
            With the target's coordinates, the attributes of the source, ``cell_methods`` extended
            by ``area: mean`` (conservative), and ``regrid_method``.

        Raises
        ------
        InvalidData
            When the variable does not lie on the source grid, or is not numeric.
        """
        lat, lon = self._dims(array)
        _check_numeric(array, self.method)
        result = apply_lazily(
            self.fields,
            array,
            (lat, lon),
            ("lat", "lon"),
            self.target.shape,
            self._dtype(array.dtype),
        )
        return _finish(result, array, self.target, self.method)

    def _dtype(self, given: np.dtype[Any]) -> np.dtype[Any]:
        if self.method == "nearest" and (self.weights.complete or given.kind == "f"):
            return given
        return result_dtype(given)

    def _dims(self, array: xr.DataArray) -> tuple[str, str]:
        names = [find_axis(array, axis) or axis for axis in ("lat", "lon")]
        for name in names:
            if name not in array.dims:
                raise InvalidData(
                    f"variable {array.name}: found dimensions {tuple(array.dims)}, wanted a "
                    "latitude and a longitude among them"
                )
        return names[0], names[1]


def regrid(
    data: xr.Dataset,
    target: Grid | str | xr.Dataset,
    method: str = "conservative",
    *,
    methods: Mapping[str, str] | None = None,
    min_valid: float = 0.5,
) -> xr.Dataset:
    """Regrid every variable of a dataset that lies on its grid; the others pass unchanged.

    Parameters
    ----------
    data : Dataset
        With one-dimensional latitude and longitude.
    target : Grid, str or Dataset
        A grid, its name, or data whose grid is meant.
    method : {"conservative", "bilinear", "nearest"}
        For all variables but those with CF flag attributes, whose method is ``nearest``.
    methods : mapping, optional
        Methods of single variables, which go before both.
    min_valid : float
        See :class:`Regridder`.

    Returns
    -------
    Dataset
        Lazy where `data` are; blocks of about 64 MiB. Bounds of the old axes are left out.
        Variables along only one of the two axes (zonal means) are regridded along it.

    Raises
    ------
    InvalidData
        When the dataset has no such grid, or a variable is not numeric.
    InvalidRequest
        When the target, a method or a variable in `methods` is not known.
    """
    methods = dict(methods or {})
    if unknown := sorted(set(methods) - set(map(str, data.data_vars))):
        raise InvalidRequest(
            f"methods: found {', '.join(unknown)}, wanted variables of the dataset: "
            f"{', '.join(map(str, data.data_vars))}"
        )
    lat, lon = axis_names(data)
    source, goal = grid_of(data), target_grid(target)
    old = {lat, lon, *_bounds_names(data, lat), *_bounds_names(data, lon)}
    regridders: dict[str, Regridder] = {}
    variables: dict[Hashable, xr.DataArray] = {}
    coordinates: dict[Hashable, xr.DataArray] = {}
    for name, array in data.variables.items():
        if name in old:
            continue
        holder = coordinates if name in data.coords else variables
        along = [axis for axis in (lat, lon) if axis in array.dims]
        if not along:
            holder[name] = data[name].drop_vars([c for c in data[name].coords if c != name])
            continue
        used = methods.get(str(name)) or (
            "nearest" if any(word in array.attrs for word in CATEGORIES) else method
        )
        if used not in regridders:
            regridders[used] = Regridder(source, goal, used, min_valid)
        holder[name] = _one(regridders[used], data[name], lat, lon).drop_vars(
            ["lat", "lon"], errors="ignore"
        )
    result = xr.Dataset(variables, coords={**coordinates, **goal.coordinates()}, attrs=data.attrs)
    return result.assign_attrs(regrid_target=str(goal))


def _one(regridder: Regridder, array: xr.DataArray, lat: str, lon: str) -> xr.DataArray:
    array = array.drop_vars([name for name in array.coords if name not in (lat, lon)])
    if lat in array.dims and lon in array.dims:
        return regridder(array)
    # Along one axis: the weights of the other are those of one cell to itself.
    one = sparse.csr_array(np.ones((1, 1)))
    whole = regridder.weights
    has_lat = lat in array.dims
    weights = SeparableWeights(whole.lat if has_lat else one, one if has_lat else whole.lon)
    axis, name = (-1, lat) if has_lat else (-2, lon)
    size = regridder.target.shape[0 if has_lat else 1]
    _check_numeric(array, regridder.method)

    def fields(values: NDArray[Any]) -> NDArray[Any]:
        values = np.expand_dims(values, axis)
        if regridder.method == "nearest":
            return _gather(weights, values).squeeze(axis)
        shape = (weights.lat.shape[0], weights.lon.shape[0])
        return _by_field(
            lambda block: weights.apply(block, regridder.min_valid), values, shape
        ).squeeze(axis)

    new = "lat" if has_lat else "lon"
    result = apply_lazily(fields, array, (name,), (new,), (size,), regridder._dtype(array.dtype))
    return _finish(result, array, regridder.target, regridder.method)


def apply_lazily(
    function: Callable[[NDArray[Any]], NDArray[Any]],
    array: xr.DataArray,
    dims: tuple[str, ...],
    new_dims: tuple[str, ...],
    sizes: tuple[int, ...],
    dtype: np.dtype[Any],
) -> xr.DataArray:
    """Apply a function of the last dimensions to all others, in blocks if the array is lazy.

    Parameters
    ----------
    function : callable
        (..., dims) array to (..., new dims) array.
    array : DataArray
    dims, new_dims : tuple of str
        As many of one as of the other keep their places among the dimensions.
    sizes : tuple of int
        Of the new dimensions.
    dtype : dtype
        Of what the function returns.

    Returns
    -------
    DataArray
        Without the coordinates of the old dimensions.
    """
    if array.chunks is not None:
        array = array.chunk(_blocks(array, dims))
    renamed = tuple(f"_{name}_new" for name in new_dims)
    result: xr.DataArray = xr.apply_ufunc(
        function,
        array,
        input_core_dims=[list(dims)],
        output_core_dims=[list(renamed)],
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": dict(zip(renamed, sizes, strict=True))},
        keep_attrs=True,
    )
    if len(dims) == len(renamed):
        swap = dict(zip(dims, renamed, strict=True))
        result = result.transpose(*(swap.get(str(dim), dim) for dim in array.dims))
    return result.rename(dict(zip(renamed, new_dims, strict=True)))


def result_dtype(given: np.dtype[Any]) -> np.dtype[Any]:
    """Precision of weighted means: that of floating-point data, else double."""
    return given if given.kind == "f" and given.itemsize >= 4 else np.dtype(np.float64)


def _blocks(array: xr.DataArray, dims: tuple[str, ...]) -> dict[str, Any]:
    """Chunks that hold whole fields and about `BLOCK_BYTES`."""
    room = BLOCK_BYTES // (array.dtype.itemsize * int(np.prod([array.sizes[dim] for dim in dims])))
    chunks: dict[str, Any] = dict.fromkeys(dims, -1)
    for dim in reversed([str(dim) for dim in array.dims if dim not in dims]):
        largest = max(array.chunksizes[dim])
        if largest > max(room, 1):
            chunks[dim] = max(room, 1)
        room //= max(largest, 1)
    return chunks


def _by_field(
    apply: Callable[[NDArray[Any]], NDArray[Any]], values: NDArray[Any], shape: tuple[int, int]
) -> NDArray[Any]:
    flat = values.reshape(-1, *values.shape[-2:])
    return apply(flat).reshape(*values.shape[:-2], *shape)


def _gather(weights: SeparableWeights, values: NDArray[Any]) -> NDArray[Any]:
    """Nearest neighbours: a choice of rows and columns; outside the source, NaN (or refused)."""
    rows, columns = (
        np.asarray(matrix.argmax(axis=1)).ravel() for matrix in (weights.lat, weights.lon)
    )
    result = values[..., rows[:, None], columns]
    if weights.complete:
        return result
    if result.dtype.kind != "f":
        result = result.astype(np.float64)
    return np.where(weights.coverage > 0, result, np.nan)


def _check_numeric(array: xr.DataArray, method: str) -> None:
    if array.dtype.kind not in "fiub":
        raise InvalidData(
            f"variable {array.name}: found {array.dtype}, wanted numbers; drop it before regridding"
        )
    if method not in METHODS:
        raise InvalidRequest(f"method {method!r}: wanted one of {', '.join(METHODS)}")


def _bounds_names(data: xr.Dataset, axis: str) -> set[str]:
    holders = (data[axis].attrs, data[axis].encoding)
    return {f"{axis}_bnds", f"{axis}_bounds"} | {
        str(holder["bounds"]) for holder in holders if "bounds" in holder
    }


def _without_bounds(attributes: dict[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in attributes.items() if name != "bounds"}


def _finish(result: xr.DataArray, source: xr.DataArray, target: Grid, method: str) -> xr.DataArray:
    # An array cannot hold the bounds of its axes; `regrid` adds them to the dataset.
    coordinates = {
        name: xr.Variable(name, variable.values, _without_bounds(variable.attrs))
        for name, variable in target.coordinates().items()
        if variable.dims == (name,) and name in result.dims
    }
    attributes = {**source.attrs, "regrid_method": method}
    cell_methods = str(attributes.get("cell_methods", ""))
    if method == "conservative" and "area:" not in cell_methods:
        attributes["cell_methods"] = f"{cell_methods} area: mean".strip()
    return result.assign_coords(coordinates).assign_attrs(attributes)
