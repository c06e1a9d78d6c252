"""Where the fields of a GRIB file lie: one message, one chunk.

kerchunk's own scanner knows edition 2 only, and ERA5 comes in edition 1; so messages are found with
eccodes, and references use the codec under kerchunk's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import xarray as xr

from catena.data_ingest.reference_arrays import ChunkedArray
from catena.shared.errors import InvalidData


@dataclass(frozen=True)
class Message:
    """One message: where it lies, and what the axes of a dataset need to know of it."""

    offset: int
    length: int
    keys: Mapping[str, Any]


def messages(path: Path) -> Iterator[Message]:
    """Every message of a file, in its order; values are not decoded."""
    from cfgrib.cfmessage import CfMessage

    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file, headers_only=True)) is not None:
            message = CfMessage(handle)  # it releases the handle
            offset = int(eccodes.codes_get(handle, "offset"))
            length = int(eccodes.codes_get(handle, "totalLength"))
            yield Message(offset, length, message)


def scan_grib(path: Path, url: str, file: str, dataset: xr.Dataset) -> dict[str, ChunkedArray]:
    """Arrays of a dataset that cfgrib has opened from the file.

    Parameters
    ----------
    path : Path
        The file on this machine.
    url : str
        Where it will be read.
    file : str
        Its name in the archive.
    dataset : xarray.Dataset
        With cfgrib's names and attributes; its axes say which message goes where.

    Raises
    ------
    InvalidData
        When an axis is none that messages have, or two messages have the same place.
    """
    fields = {
        int(array.attrs["GRIB_paramId"]): (str(name), array)
        for name, array in dataset.data_vars.items()
        if "GRIB_paramId" in array.attrs
    }
    axes = {name: _axes(dataset, array, file) for name, array in fields.values()}
    chunks: dict[str, dict[tuple[int, ...], Any]] = {name: {} for name in axes}
    for message in messages(path):
        name, array = fields.get(int(message.keys["paramId"]), ("", None))
        if array is None or message.keys["typeOfLevel"] != array.attrs.get("GRIB_typeOfLevel"):
            continue
        index = []
        for key, places in axes[name]:
            # cfgrib tells steps in hours, and everything else as its axis has it, in seconds.
            value = float(message.keys[key]) * (3600.0 if key == "step" else 1.0)
            place = places.get(value)
            if place is None:
                break
            index.append(place)
        if len(index) < len(axes[name]):
            continue
        at = (*index, *(0 for _ in range(array.ndim - len(index))))
        # Of two messages for one place cfgrib takes the first.
        chunks[name].setdefault(at, [url, message.offset, message.length])
    return {
        name: ChunkedArray(
            tuple(map(str, array.dims)),
            {
                "zarr_format": 2,
                "shape": list(array.shape),
                "chunks": [1] * len(axes[name]) + list(array.shape[len(axes[name]) :]),
                "dtype": array.dtype.str,
                "compressor": None,
                "filters": [{"id": "grib", "var": name, "dtype": array.dtype.name}],
                "fill_value": "NaN",
                "order": "C",
            },
            {"_FillValue": array.dtype.type(np.nan)},
            chunks[name],
            file,
        )
        for name, array in fields.values()
    }


def _axes(
    dataset: xr.Dataset, array: xr.DataArray, file: str
) -> list[tuple[str, dict[float, int]]]:
    """Axes along which messages follow: key of a message, and its value -> place."""
    level = str(array.attrs.get("GRIB_typeOfLevel", ""))
    axes: list[tuple[str, dict[float, int]]] = []
    along: list[str] = []
    for dim in map(str, array.dims):
        if dim in ("latitude", "longitude", "y", "x", "values"):
            continue
        if dim not in ("number", "time", "step", "valid_time", level) or dim not in dataset.coords:
            raise InvalidData(f"file {file}: dimension {dim} is none that GRIB messages have")
        values = dataset[dim].values
        key = "level:float" if dim == level else dim
        axes.append((key, {_axis_value(value): k for k, value in enumerate(values)}))
        along.append(dim)
    if along != list(map(str, array.dims))[: len(along)]:
        raise InvalidData(f"file {file}: the dimensions of a field, {array.dims}, are not last")
    return axes


def _axis_value(value: Any) -> float:
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[s]").astype("int64"))
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    return float(value)
