"""Datasets made of ingested ones: on another grid, or gathered for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from catena.data_ingest.esmf_weights import read_weights
from catena.data_ingest.regrid import regrid
from catena.data_ingest.summary import box_of
from catena.shared.errors import InvalidData, InvalidRequest

_PLACE = ("time", "lat", "lon")


def regridder(grid: str, method: str, weights: Path | None) -> Callable[[xr.Dataset], xr.Dataset]:
    """Function that puts a dataset on a named grid, or applies a file of weights.

    Raises
    ------
    InvalidRequest
        When the grid is not known.
    InvalidData
        When the file holds no weights.
    """
    if weights is None:
        return lambda dataset: regrid(dataset, grid, method)
    table = read_weights(weights)

    def apply(dataset: xr.Dataset) -> xr.Dataset:
        moved = {
            name: table(array)
            for name, array in dataset.data_vars.items()
            if {"lat", "lon"} <= set(array.dims)
        }
        return xr.Dataset(moved, attrs=dataset.attrs)

    return apply


def derived_row(row: Mapping[str, Any], dataset: xr.Dataset, name: str) -> dict[str, Any]:
    """Row of ``ingest.json`` for a dataset made of another."""
    variables = [
        {**one, "dims": [str(dim) for dim in array.dims], "shape": list(array.shape)}
        for one in row["variables"]
        if (array := dataset.get(one["name"])) is not None
    ]
    return {**row, "name": name, "mode": "copy", "variables": variables, "box": box_of(dataset)}


def cache_input(datasets: Sequence[tuple[str, xr.Dataset]]) -> xr.Dataset:
    """Gridded datasets of one grid and one time axis, as one.

    Raises
    ------
    InvalidRequest
        When none is gridded.
    InvalidData
        When two differ; names the dataset, the dimension and both values.
    """
    gridded = [(key, each) for key, each in datasets if set(_PLACE) <= set(each.dims)]
    if not gridded:
        raise InvalidRequest(
            f"none of {len(datasets)} datasets has the dimensions time, lat and lon; give keys of "
            "gridded series"
        )
    first_key, first = gridded[0]
    merged = {}
    for key, each in gridded:
        for dim in _PLACE:
            mine, wanted = each[dim].values, first[dim].values
            if mine.shape != wanted.shape or not np.array_equal(mine, wanted):
                raise InvalidData(
                    f"dataset {key}, dimension {dim}: found {_ends(mine)}, wanted {_ends(wanted)} "
                    f"as in {first_key}; regrid it, or choose other keys"
                )
        for name, array in each.data_vars.items():
            if set(_PLACE) <= set(array.dims):
                if name in merged:
                    raise InvalidData(
                        f"dataset {key}: variable {name} is in another dataset as well; choose "
                        "keys so that each variable comes once"
                    )
                merged[name] = array
    return xr.Dataset(merged, attrs=dict(first.attrs))


def _ends(values: np.ndarray) -> str:
    return f"{values.size} values from {values[0]} to {values[-1]}" if values.size else "none"


def years(dataset: xr.Dataset, first: int, last: int) -> tuple[int, int] | None:
    """Steps [start, stop) of the years `first` to `last`; None for all.

    Raises
    ------
    InvalidRequest
        When the dataset has none of these years.
    """
    if not first and not last:
        return None
    year = dataset["time"].dt.year.values
    inside = np.flatnonzero((year >= first) & (year <= (last or year.max())))
    if not inside.size:
        raise InvalidRequest(
            f"the years {first} to {last or 'the end'} were asked for, but the data have "
            f"{year.min()} to {year.max()}"
        )
    return int(inside[0]), int(inside[-1]) + 1
