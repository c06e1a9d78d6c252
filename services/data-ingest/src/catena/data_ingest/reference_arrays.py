"""Where the chunks of each array lie in a file: HDF5, classic netCDF, zarr.

kerchunk finds them. What it loses on the way, and xarray needs to decode values as it would from
the file, is read from the file itself: the types of scale and offset, and whether there is a fill
value at all (kerchunk takes a format's default for one, which would hide good numbers).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import numpy as np
from scipy.io import netcdf_file

from catena.data_ingest.archive_base import BaseArchive
from catena.data_ingest.archive_zarr import ArchiveStore
from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidData

PACKING = ("scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned")
"""Attributes that say how numbers are packed."""

BLOCK_BYTES = 4 << 20
"""Arrays without chunks of their own are cut into blocks of about this size."""

Place = list[Any]
"""``[url]`` or ``[url, offset, length]``."""


@dataclass(frozen=True)
class ChunkedArray:
    """An array in a file of an archive.

    Parameters
    ----------
    dims : tuple of str
    zarray : dict
        zarr v2 metadata: shape, chunks, dtype, compressor, filters, order, fill_value.
    packing : dict
        Those of :data:`PACKING` that the file has, as numpy scalars of the file's types.
    chunks : dict
        Index of a chunk -> its place. A chunk that was never written is missing.
    file : str
        Name in the archive, for messages.
    """

    dims: tuple[str, ...]
    zarray: dict[str, Any]
    packing: dict[str, Any]
    chunks: dict[tuple[int, ...], Place]
    file: str
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        return tuple(self.zarray["shape"])

    @property
    def sides(self) -> tuple[int, ...]:
        """Elements of a chunk along each axis."""
        return tuple(self.zarray["chunks"])

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-n // max(c, 1)) for n, c in zip(self.shape, self.sides, strict=True))

    @property
    def floating(self) -> bool:
        """Whether its numbers can be NaN."""
        dtype = self.zarray["dtype"]
        return isinstance(dtype, str) and np.dtype(dtype).kind == "f"

    @property
    def complete(self) -> bool:
        """Whether every chunk was written."""
        return len(self.chunks) == math.prod(self.grid)


def scan_hdf5(stream: BinaryIO, url: str, file: str) -> dict[str, ChunkedArray]:
    """Arrays of an HDF5 (netCDF 4) file by name; what kerchunk cannot express is left out."""
    from kerchunk.hdf import SingleHdf5ToZarr

    try:
        scan = SingleHdf5ToZarr(
            stream, url=url, inline_threshold=0, error="ignore", vlen_encode="leave"
        )
        refs = scan.translate()["refs"]
        found = dict(_arrays(refs, file))
        arrays = {}
        for name, array in found.items():
            stored = scan._h5f[name]
            packing = {key: stored.attrs[key] for key in PACKING if key in stored.attrs}
            arrays[name] = _in_blocks(
                replace(array, packing=_scalars(packing, array.floating)), url
            )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _unreadable(file, "HDF5", error) from error
    return arrays


def scan_classic(stream: BinaryIO, url: str, file: str) -> dict[str, ChunkedArray]:
    """Arrays of a classic netCDF file by name."""
    try:
        scan = _classic(stream, url)
        # kerchunk stumbles over some of them (NaN for whole numbers), and does not keep the types.
        packed = {
            name: {key: v._attributes.pop(key) for key in PACKING if key in v._attributes}
            for name, v in scan.variables.items()
        }
        refs = scan.translate()["refs"]
        arrays = {}
        for name, array in _arrays(refs, file):
            packing = packed[name]
            arrays[name] = _in_blocks(
                replace(array, packing=_scalars(packing, array.floating)), url
            )
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise _unreadable(file, "classic netCDF", error) from error
    return arrays


def scan_zarr(archive: Archive, file: ArchiveFile) -> dict[str, ChunkedArray]:
    """Arrays of a zarr store (version 2) by name.

    Raises
    ------
    InvalidData
        For version 3, which references of this kind cannot express, and where the archive cannot be
        listed: a chunk that is not named may be there or not.
    """
    store = archive.store(file.path)
    assert isinstance(store, ArchiveStore), "zarr stores are read through their archive"
    home, base = store.archive, archive.bytes_url(file.path)
    names = _names(home, store.path, file)
    if ".zgroup" not in names and ".zmetadata" not in names:
        raise InvalidData(
            f"file {file.path}: found a zarr store of version 3, wanted version 2 (with .zgroup)"
        )
    arrays = {}
    for name in sorted(names):
        if name.startswith("."):
            continue
        inside = _names(home, f"{store.path}/{name}", file)
        if ".zarray" not in inside:
            continue
        zarray = json.loads(home.read(f"{store.path}/{name}/.zarray"))
        zattrs = (
            json.loads(home.read(f"{store.path}/{name}/.zattrs")) if ".zattrs" in inside else {}
        )
        separator = zarray.get("dimension_separator", ".")
        if separator != ".":
            continue
        chunks = {
            tuple(map(int, key.split("."))) if zarray["shape"] else (): [f"{base}/{name}/{key}"]
            for key in inside
            if not key.startswith(".")
        }
        packing = {key: zattrs[key] for key in PACKING if key in zattrs}
        if zarray["fill_value"] is not None:
            packing["_FillValue"] = zarray["fill_value"]
        dims = tuple(zattrs.get("_ARRAY_DIMENSIONS", ()))
        if len(dims) == len(zarray["shape"]):
            arrays[name] = ChunkedArray(dims, zarray, packing, chunks, file.path)
    return arrays


def _names(archive: BaseArchive, folder: str, file: ArchiveFile) -> set[str]:
    try:
        return set(archive.names(folder))
    except FailedPrecondition as error:
        raise InvalidData(
            f"file {file.path}: its archive does not list what is in a zarr store ({error.message})"
        ) from error


def _classic(stream: BinaryIO, url: str) -> Any:
    """kerchunk's reader, which otherwise opens the file itself, without an archive's retries."""
    from kerchunk.netCDF3 import NetCDF3ToZarr

    class Reader(NetCDF3ToZarr):  # type: ignore[misc]
        def __init__(self) -> None:
            self.chunks: dict[str, Any] = {}
            self.threshold = self.max_chunk_size = 0
            self.out: dict[str, Any] = {}
            self.storage_options = None
            self.fp = stream
            version = stream.read(4)[3]
            stream.seek(0)
            if version not in (1, 2):
                raise ValueError(f"its version is {version}, wanted 1 or 2")
            netcdf_file.__init__(
                self, stream, mmap=False, mode="r", maskandscale=False, version=version
            )
            self.filename = url

    return Reader()


def _arrays(refs: dict[str, Any], file: str) -> Iterator[tuple[str, ChunkedArray]]:
    by_name: dict[str, dict[tuple[int, ...], Place]] = {}
    for key, value in refs.items():
        name, _, last = key.rpartition("/")
        if name and not last.startswith(".z") and isinstance(value, list):
            by_name.setdefault(name, {})[tuple(map(int, last.split(".")))] = value
    for key in refs:
        name, _, last = key.rpartition("/")
        if last != ".zarray":
            continue
        zarray = _plain(refs[key])
        attrs = _plain(refs.get(f"{name}/.zattrs", "{}"))
        dims = tuple(map(str, attrs.get("_ARRAY_DIMENSIONS", ())))
        if len(dims) != len(zarray["shape"]):
            continue
        chunks = by_name.get(name, {})
        if not zarray["shape"]:
            chunks = dict(zip([()], chunks.values(), strict=False))
        yield name, ChunkedArray(dims, zarray, {}, chunks, file, attrs)


def _plain(value: Any) -> dict[str, Any]:
    return dict(value if isinstance(value, dict) else json.loads(value))


def _scalars(packing: dict[str, Any], floating: bool) -> dict[str, Any]:
    """One number (or word) each, of the file's own type.

    NaN is left out: numbers of floating point have it anyway, whole numbers never do. Only as the
    fill value of chunks that were never written it is kept, where numbers can have it.
    """
    plain: dict[str, Any] = {}
    for key, value in packing.items():
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        array = np.asarray(value)
        if array.dtype.kind == "f" and np.isnan(array).any():
            if key == "_FillValue" and floating:
                plain[key] = array.reshape(-1)[0]
        elif array.dtype.kind in "fiu" and array.size == 1:
            plain[key] = array.reshape(-1).astype(array.dtype.newbyteorder("="))[0]
        elif array.size == 1:
            plain[key] = str(array.reshape(-1)[0])
    return plain


def _in_blocks(array: ChunkedArray, url: str) -> ChunkedArray:
    """Cut chunks that are stored plainly and are large into blocks along their first axis."""
    zarray = array.zarray
    item = np.dtype(zarray["dtype"]).itemsize if isinstance(zarray["dtype"], str) else 0
    sides = array.sides
    if not sides or zarray.get("compressor") or zarray.get("filters") or not item:
        return array
    size = math.prod(sides) * item
    if size <= BLOCK_BYTES or not all(
        len(place) == 3 and place[2] == size for place in array.chunks.values()
    ):
        return array
    # The first axis that is longer than one; those before it do not change the order of bytes.
    axis = next((k for k, side in enumerate(sides) if side > 1), 0)
    # Blocks must fit exactly: the last one of a file would otherwise be cut short.
    count = next(
        (n for n in range(-(-size // BLOCK_BYTES), sides[axis] + 1) if sides[axis] % n == 0), 1
    )
    if count == 1 or array.shape[axis] % sides[axis]:
        return array
    block = size // count
    chunks = {}
    for index, (_, offset, _) in array.chunks.items():
        for part in range(count):
            at = (*index[:axis], index[axis] * count + part, *index[axis + 1 :])
            chunks[at] = [url, offset + part * block, block]
    new_sides = [*sides[:axis], sides[axis] // count, *sides[axis + 1 :]]
    return replace(array, zarray={**zarray, "chunks": new_sides}, chunks=chunks)


def every_chunk(array: ChunkedArray) -> Iterator[tuple[int, ...]]:
    """Index of each chunk, in C order."""
    return itertools.product(*map(range, array.grid))


def _unreadable(file: str, kind: str, error: Exception) -> InvalidData:
    text = (str(error).splitlines() or [""])[0][:160]
    return InvalidData(
        f"file {file}: its chunks could not be found as those of {kind} "
        f"({type(error).__name__}: {text})"
    )
