"""Files of arrays, whatever their format, as lazy datasets: netCDF 3 and 4, HDF5, GRIB, zarr.

Nothing is decided here about what the numbers mean; values are unpacked and missing ones are NaN.
GRIB's index is kept in memory: nothing is ever written beside the data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import cfgrib
import xarray as xr

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import CatenaError, InvalidData, InvalidRequest, NotFound

Format = Literal["netcdf3", "hdf5", "grib", "zarr", ""]

CHUNK_BYTES = 32 * 2**20
"""A chunk of a file that has no chunks of its own is at most this big."""

# Not even looked into: indexes that GRIB readers leave, checksums, words.
_WORDS = frozenset({".idx", ".index", ".md5", ".sha256", ".txt", ".md", ".rst", ".pdf", ".html"})


def suffix_of(path: str) -> str:
    """Ending of a file's name, in small letters."""
    return PurePosixPath(path).suffix.lower()


def format_of(archive: Archive, file: ArchiveFile) -> Format:
    """Format of a file by its first bytes; empty if it is none of these."""
    suffix = suffix_of(file.path)
    if suffix.startswith(".zarr"):
        return "zarr"
    if suffix in _WORDS:
        return ""
    try:
        with archive.open(file.path) as stream:
            start = stream.read(8)
    except (InvalidRequest, NotFound):
        # A folder that the archive lists as one file is a zarr store, whatever its name.
        return "zarr"
    if start.startswith(b"CDF"):
        return "netcdf3"
    if start == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    return "grib" if start.startswith(b"GRIB") else ""


def open_array_file(
    archive: Archive,
    file: ArchiveFile,
    kind: Format,
    *,
    part: int = 0,
    valid_time: bool = True,
) -> xr.Dataset:
    """Open one file lazily, in chunks.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    kind : {"netcdf3", "hdf5", "grib", "zarr"}
    part : int
        Which hypercube of a GRIB file, see :func:`grib_parts`.
    valid_time : bool
        GRIB: one axis of valid times; else (reference time, step).

    Returns
    -------
    xarray.Dataset
        With dask arrays and the file's own names; times are decoded.

    Raises
    ------
    InvalidData
        When the file cannot be read, or its times cannot be decoded.
    """
    try:
        if kind == "grib":
            dataset = grib_parts(archive.local(file), valid_time=valid_time)[part]
        elif kind == "zarr":
            dataset = _open_zarr(archive, file)
        else:
            dataset = _open_netcdf(archive, file, kind)
    except (CatenaError, IndexError):
        raise
    except Exception as error:
        # Readers raise whatever they like (OSError, KeyError, their own) on a broken file.
        raise InvalidData(
            f"file {file.path}: found no readable {kind or 'array file'} "
            f"({type(error).__name__}: {_first_line(error)}), wanted a whole one; fetch it again"
        ) from error
    return decode_times(_unpack_names(dataset), file.path)


def grib_parts(path: Path, *, valid_time: bool = True) -> list[xr.Dataset]:
    """The hypercubes of a GRIB file, in the order of the file.

    Several exist where levels, steps or grids differ between variables: they do not fit into one
    dataset.

    Raises
    ------
    InvalidData
        When no message can be read.
    """
    state = path.stat()
    # A copy of the list: the datasets themselves are lazy and never changed in place.
    return list(_grib_parts(path, state.st_mtime_ns, state.st_size, valid_time))


@lru_cache(maxsize=16)
def _grib_parts(path: Path, _time: int, _size: int, valid_time: bool) -> tuple[xr.Dataset, ...]:
    options: dict[str, Any] = {
        "indexpath": "",
        "errors": "raise",
        "read_keys": ["marsClass", "marsStream"],
    }
    # An analysis has no steps: its own axis is the time. A forecast's steps that only carry
    # accumulations are laid out along the valid time.
    parts = _cubes(path, options)
    if valid_time and any(_has_steps(part) for part in parts):
        options["time_dims"] = ("valid_time",)
        parts = _cubes(path, options)
    if not parts:
        raise InvalidData(f"file {path.name}: found no GRIB message, wanted at least one")
    return tuple(parts)


def _cubes(path: Path, options: dict[str, Any]) -> list[xr.Dataset]:
    with warnings.catch_warnings():
        # cfgrib relies on a default of xarray that is about to change; it says so each time.
        warnings.simplefilter("ignore", FutureWarning)
        cubes: list[xr.Dataset] = cfgrib.open_datasets(str(path), backend_kwargs=options)
    return cubes


def _has_steps(part: xr.Dataset) -> bool:
    return part.sizes.get("step", 1) > 1 or bool(
        "step" in part.coords and part["step"].ndim == 0 and int(part["step"].astype("int64"))
    )


def _open_netcdf(archive: Archive, file: ArchiveFile, kind: Format) -> xr.Dataset:
    with warnings.catch_warnings():
        # Files with two fill values are common; both are missing values.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        if archive.bytes_url(file.path).startswith("file:"):
            return xr.open_dataset(archive.local(file), engine="netcdf4", decode_times=False)
        if kind == "hdf5":
            return xr.open_dataset(archive.open(file.path), engine="h5netcdf", decode_times=False)
        return xr.open_dataset(archive.local(file), engine="netcdf4", decode_times=False)


def _open_zarr(archive: Archive, file: ArchiveFile) -> xr.Dataset:
    # The archive's own store has its retries, its rights and its mirror.
    dataset: xr.Dataset = xr.open_zarr(archive.store(file.path), chunks=None, decode_times=False)
    return dataset


def decode_times(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """Decode the time axes.

    Raises
    ------
    InvalidData
        When the units of an axis mean no date.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return xr.decode_cf(
                dataset, mask_and_scale=False, decode_times=xr.coders.CFDatetimeCoder()
            )
        except (ValueError, OverflowError) as error:
            units = {
                str(name): str(array.attrs["units"])
                for name, array in dataset.variables.items()
                if " since " in str(array.attrs.get("units", ""))
            }
            raise InvalidData(
                f"file {file}: found the time units {units}, wanted '<unit> since <date>' with a "
                f"date that exists ({_first_line(error)})"
            ) from error


def in_chunks(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Make arrays lazy: the file's own chunks, or slices along the first dimension.

    Parameters
    ----------
    dataset : xarray.Dataset
        As a reader gives it.
    name : str
        What the arrays are called in the task graph; must tell files apart.
    """
    chunked = dataset.copy()
    for variable, array in dataset.variables.items():
        if variable in dataset.xindexes or array.ndim == 0 or array.dtype.kind in "OUS":
            continue
        chunks = _chunks(array)
        chunked[variable] = (
            array.dims,
            array.chunk(chunks, name=f"{name}-{variable}").data,
            array.attrs,
            array.encoding,
        )
    return chunked


def _chunks(array: xr.Variable) -> dict[str, int]:
    own = array.encoding.get("preferred_chunks") or {}
    sizes = {str(dim): int(own.get(dim, size)) for dim, size in array.sizes.items()}
    # Whole native chunks are taken together until the limit, along the first dimension only.
    first = str(array.dims[0])
    rest = math.prod(size for dim, size in sizes.items() if dim != first) * array.dtype.itemsize
    full = array.sizes[first]
    unit = sizes[first] if sizes[first] < full else 1
    fit = max(1, CHUNK_BYTES // max(rest, 1) // unit)
    sizes[first] = min(full, unit * fit)
    return sizes


def _unpack_names(dataset: xr.Dataset) -> xr.Dataset:
    """Auxiliary variables (bounds, grid mappings) are coordinates, not data."""
    names: set[str] = set()
    for array in dataset.variables.values():
        for attribute in ("bounds", "climatology", "grid_mapping", "coordinates"):
            text = array.attrs.get(attribute) or array.encoding.get(attribute)
            names.update(str(text).split() if text else ())
    return dataset.set_coords(sorted(names & set(map(str, dataset.data_vars))))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def paths(files: Iterable[ArchiveFile]) -> str:
    """Names of files for a message."""
    names = [file.path for file in files]
    return names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]} ({len(names)} files)"
