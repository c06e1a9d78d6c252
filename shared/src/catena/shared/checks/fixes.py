"""The operations that fixes name: each a small function on a lazy dataset, applied in order.

A fix is stored with an artifact and applied whenever its data are opened, so its arguments are JSON
and an operation once published keeps its meaning: a new meaning gets a new name.
"""

from __future__ import annotations

import inspect as signatures
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import xarray as xr
from dask.base import compute

from catena.shared.checks.findings import Fix
from catena.shared.errors import FailedPrecondition, InvalidData

COORDINATE_SIZE = 5_000_000
"""Numbers up to which a coordinate is held in memory."""

Operation = Callable[..., xr.Dataset]
OPERATIONS: dict[str, Operation] = {}


def operation(run: Operation) -> Operation:
    """Register an operation under its function's name."""
    OPERATIONS[run.__name__] = run
    return run


def apply(dataset: xr.Dataset, fixes: Iterable[Fix]) -> xr.Dataset:
    """Apply fixes in order, lazily: nothing is read that is not a coordinate.

    Parameters
    ----------
    dataset : xarray.Dataset
        As its source opens it.
    fixes : iterable of Fix

    Raises
    ------
    FailedPrecondition
        For an operation, or an argument, that this version does not know.
    InvalidData
        When the dataset lacks what a fix speaks of.
    """
    # Operations on time are registered when their module is loaded.
    from catena.shared.checks import fixes_time  # noqa: F401

    fixes = tuple(fixes)
    if fixes:
        dataset = with_coordinates(dataset)
    for fix in fixes:
        run = OPERATIONS.get(fix.op)
        if run is None:
            raise FailedPrecondition(
                f"fix '{fix.op}' is not known to this version of catena; the artifact was written "
                "by a newer one: update catena, or ingest the data again"
            )
        try:
            signatures.signature(run).bind(dataset, **fix.arguments)
        except TypeError as error:
            raise FailedPrecondition(
                f"fix '{fix.op}' came with arguments that this version of catena does not know "
                f"({error}); update catena, or ingest the data again"
            ) from None
        dataset = run(dataset, **fix.arguments)
    return dataset


def with_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its coordinates and bounds in memory, read in one go.

    They are small and looked at often; a file that is chunked by time step would be read anew, step
    by step, each time.
    """
    bounds = {str(dataset[name].attrs.get("bounds", "")) for name in dataset.variables}
    wanted = [
        name
        for name, variable in dataset.variables.items()
        if (name in dataset.coords or name in bounds or str(name).endswith(("_bnds", "_bounds")))
        and variable.size <= COORDINATE_SIZE
        and variable.chunks is not None
    ]
    if not wanted:
        return dataset
    read = compute(*(dataset.variables[name].data for name in wanted), scheduler="synchronous")  # type: ignore[no-untyped-call]
    loaded = dataset.copy(deep=False)
    for name, values in zip(wanted, read, strict=True):
        loaded[name].variable.data = values
    return loaded


@operation
def rename(dataset: xr.Dataset, names: dict[str, str]) -> xr.Dataset:
    """Rename variables, coordinates and dimensions; bounds attributes follow."""
    renamed = dataset.rename({old: new for old, new in names.items() if old in _names(dataset)})
    for name in renamed.variables:
        bounds = renamed[name].attrs.get("bounds")
        if bounds in names:
            renamed[name].attrs = {**renamed[name].attrs, "bounds": names[bounds]}
    return renamed


@operation
def drop(dataset: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Leave out variables or coordinates; attributes that name them go too."""
    kept = dataset.drop_vars(names, errors="ignore").copy(deep=False)
    for name in kept.variables:
        if kept[name].attrs.get("bounds") in names:
            kept[name].attrs = {k: v for k, v in kept[name].attrs.items() if k != "bounds"}
    return kept


@operation
def set_coords(dataset: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Make variables coordinates."""
    return dataset.set_coords([name for name in names if name in dataset.variables])


@operation
def squeeze(dataset: xr.Dataset, dims: list[str]) -> xr.Dataset:
    """Remove dimensions of size 1; their coordinates stay as scalars."""
    return dataset.squeeze([dim for dim in dims if dim in dataset.sizes])


@operation
def keep(dataset: xr.Dataset, dim: str, start: int, stop: int) -> xr.Dataset:
    """Keep positions start..stop-1 of a dimension."""
    return dataset.isel({dim: slice(start, stop)})


@operation
def keep_ranges(dataset: xr.Dataset, dim: str, ranges: list[list[int]]) -> xr.Dataset:
    """Keep several ranges [start, stop) of positions: both ends of a box across 180 degrees."""
    return dataset.isel({dim: np.concatenate([np.arange(*each) for each in ranges])})


@operation
def sort(dataset: xr.Dataset, dim: str, descending: bool = False) -> xr.Dataset:
    """Sort along a dimension; equal coordinates keep their order."""
    values = dataset[dim].values
    order = np.argsort(values, kind="stable")
    if descending:
        order = np.argsort(-values, kind="stable")
    return dataset.isel({dim: order})


@operation
def wrap_longitude(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Longitudes into [-180, 180), their bounds with them; sorted where they are a dimension."""
    longitude = dataset[name]
    values = longitude.values
    turn = np.where(values >= 180, -360, np.where(values < -180, 360, 0)).astype(values.dtype)
    moved = _with_values(dataset, name, values + turn)
    bounds = longitude.attrs.get("bounds", "")
    if bounds in dataset.variables:
        edges = dataset[bounds]
        moved = _with_values(moved, bounds, edges.values + turn[..., None].astype(edges.dtype))
    return sort(moved, name) if name in dataset.dims else moved


@operation
def scale_coordinate(
    dataset: xr.Dataset, name: str, factor: float, units: str, offset: float = 0.0
) -> xr.Dataset:
    """Convert the unit of a coordinate and of its bounds, in float64."""
    changed = dataset
    for each in (name, dataset[name].attrs.get("bounds", "")):
        if each in dataset.variables:
            values = np.asarray(dataset[each].values, dtype=np.float64) * factor + offset
            changed = _with_values(changed, each, np.round(values, 9))
    changed[name].attrs = {**dataset[name].attrs, "units": units}
    return changed


@operation
def scale(
    dataset: xr.Dataset, variable: str, factor: float, offset: float = 0.0, units: str = ""
) -> xr.Dataset:
    """``value * factor + offset``; in single precision only where the values are single."""

    def convert(array: xr.DataArray) -> xr.DataArray:
        # Doubles and integers are converted in double precision; what comes out is decided later.
        plain = array if array.dtype == np.float32 else array.astype(np.float64)
        return plain * factor + offset if offset else plain * factor

    changed = _changed(dataset, variable, convert)
    if units:
        changed[variable].attrs["units"] = units
    return changed


@operation
def divide_by_coordinate(
    dataset: xr.Dataset, variable: str, coordinate: str, factor: float, units: str
) -> xr.Dataset:
    """``value * factor / coordinate``: a volume over the area of its basin."""
    _need(dataset, coordinate)
    divisor = dataset[coordinate].reset_coords(drop=True)
    changed = _changed(dataset, variable, lambda array: array.astype(np.float64) * factor / divisor)
    changed[variable].attrs["units"] = units
    return changed


@operation
def mask_values(dataset: xr.Dataset, variable: str, values: list[float]) -> xr.Dataset:
    """NaN in place of some values, compared in the array's own precision."""

    def mask(array: xr.DataArray) -> xr.DataArray:
        plain = _floating(array)
        wanted = np.asarray(values, dtype=np.float64).astype(plain.dtype)
        for value in wanted:
            plain = plain.where(plain != value)
        return plain

    return _changed(dataset, variable, mask)


@operation
def mask_beyond(dataset: xr.Dataset, variable: str, limit: float) -> xr.Dataset:
    """NaN in place of values of magnitude `limit` or more, and of infinite ones."""
    return _changed(
        dataset, variable, lambda array: _floating(array).where(abs(_floating(array)) < limit)
    )


@operation
def clip(
    dataset: xr.Dataset, variable: str, low: float | None = None, high: float | None = None
) -> xr.Dataset:
    """Values below `low` become `low`, above `high` become `high`; NaN stays NaN."""

    def within(array: xr.DataArray) -> xr.DataArray:
        for limit, beyond in (
            (low, array < low if low is not None else None),
            (high, array > high if high is not None else None),
        ):
            if limit is not None and beyond is not None:
                array = array.where(~beyond, np.asarray(limit, dtype=array.dtype))
        return array

    return _changed(dataset, variable, within)


@operation
def astype(dataset: xr.Dataset, variables: list[str], dtype: str) -> xr.Dataset:
    """Change the precision."""
    for variable in variables:
        dataset = _changed(dataset, variable, lambda array: array.astype(dtype))
    return dataset


@operation
def set_attributes(
    dataset: xr.Dataset, attributes: dict[str, Any], variable: str = ""
) -> xr.Dataset:
    """Set attributes of a variable, or of the dataset; null removes one."""
    if not variable:
        return _with_attributes(dataset.copy(deep=False), attributes)
    _need(dataset, variable)
    changed = dataset.copy(deep=False)
    changed[variable] = _with_attributes(dataset[variable].copy(deep=False), attributes)
    changed[variable].encoding = dict(dataset[variable].encoding)
    return changed


def _with_attributes(thing: Any, attributes: dict[str, Any]) -> Any:
    merged = {**thing.attrs, **attributes}
    thing.attrs = {name: value for name, value in merged.items() if value is not None}
    return thing


def _changed(
    dataset: xr.Dataset, variable: str, change: Callable[[xr.DataArray], xr.DataArray]
) -> xr.Dataset:
    """The dataset with one variable changed; its attributes stay, its encoding goes."""
    _need(dataset, variable)
    before = dataset[variable]
    after = change(before).transpose(*before.dims)
    after.attrs = dict(before.attrs)
    return dataset.assign({variable: after})


def _with_values(dataset: xr.Dataset, name: str, values: np.ndarray[Any, Any]) -> xr.Dataset:
    before = dataset[name]
    after = xr.Variable(before.dims, values, dict(before.attrs))
    coordinate = name in dataset.coords
    return dataset.assign_coords({name: after}) if coordinate else dataset.assign({name: after})


def _floating(array: xr.DataArray) -> xr.DataArray:
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _need(dataset: xr.Dataset, name: str) -> None:
    if name not in dataset.variables:
        raise InvalidData(
            f"a fix speaks of '{name}', which the data lack; they hold "
            f"{', '.join(sorted(map(str, dataset.variables)))}: ingest them again"
        )


def _names(dataset: xr.Dataset) -> set[str]:
    return {str(name) for name in (*dataset.variables, *dataset.dims)}
