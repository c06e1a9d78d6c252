"""References to an archive: a dataset that stays where it is, as standard kerchunk JSON.

What is small (coordinates, bounds, text) goes into the JSON as the source reads it; what is large
becomes places of chunks in the archive's files. Nothing is taken on trust: before a reference is
given away it is opened, and its first, middle and last values are compared with those that the
source reads. What cannot be expressed is said by :class:`NotReferable`; it is to be copied.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from catena.data_ingest.reference_arrays import (
    PACKING,
    ChunkedArray,
    every_chunk,
    scan_classic,
    scan_hdf5,
    scan_zarr,
)
from catena.data_ingest.reference_check import compare
from catena.data_ingest.reference_join import join
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.formats import Format, format_of, open_array_file
from catena.data_ingest.sources.retrieved import RetrievedArchive
from catena.shared.artifacts.ranges import FileStamp, Ranges
from catena.shared.artifacts.references import PACKING_TYPES, ReferenceStore, open_store
from catena.shared.artifacts.references import reference_files as _files
from catena.shared.checks.findings import Finding, Fix
from catena.shared.errors import InvalidData, UnsafePath

INLINE_BYTES = 16 << 10
"""Variables up to this size are in the JSON, whatever they are; coordinates always."""

MAX_INLINE_BYTES = 8 << 20
"""What is no plain array of the files (text, 2-d coordinates) may have up to this size."""

MIN_CHUNK_BYTES = 512
"""Pieces smaller than this on average (classic files with a record of few numbers) cost more to be
referred to than they hold; such a variable goes into the JSON if it fits."""

MAX_CHUNKS = 300_000
"""More would make a JSON that takes longer to read than the data."""


class NotReferable(Exception):
    """A dataset that references cannot express; it is to be copied instead, so it is no error.

    Parameters
    ----------
    key : str
        Of the dataset.
    why : str
        With the file, the dimension and both values.
    """

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"dataset {key} cannot be read by reference: {why}; copy it")
        self.finding = Finding(
            "reference",
            "noted",
            found=why,
            wanted="files whose chunks can be read where they are",
            why="copied instead of referred to",
            dataset=key,
        )


@dataclass(frozen=True)
class Reference:
    """A dataset in an archive.

    Parameters
    ----------
    refs : dict
        kerchunk, version 1.
    location : str
        Below which all its files lie.
    files : tuple of FileStamp
        The files as they are now.
    """

    refs: dict[str, Any]
    location: str
    files: tuple[FileStamp, ...]

    def open(self) -> xr.Dataset:
        """The dataset as the source reads it, without fixes."""
        return open_store(ReferenceStore(self.refs["refs"], self.location, self.files))


def reference_files(name: str, reference: Reference, fixes: Iterable[Fix] = ()) -> dict[str, bytes]:
    """The files of a reference in an artifact, by name; see
    :func:`catena.shared.artifacts.references.reference_files`."""
    return _files(
        name, reference.refs, location=reference.location, files=reference.files, fixes=fixes
    )


def build_reference(archive: Archive, entry: Entry, dataset: xr.Dataset | None = None) -> Reference:
    """Refer to the files of an entry.

    Parameters
    ----------
    archive : Archive
    entry : Entry
        Its files in the order of time.
    dataset : xarray.Dataset, optional
        What the source reads from them, before any fix; without it the files are opened plainly and
        put one after the other along time.

    Returns
    -------
    Reference
        Opened, it equals `dataset`.

    Raises
    ------
    NotReferable
        When it cannot be expressed; its `finding` says why.
    Unavailable
        When the archive does not answer.
    """
    if isinstance(archive, RetrievedArchive):
        # Before anything else: a look at a file would retrieve it.
        raise NotReferable(
            entry.key,
            f"{_named(entry.files)}: found files that {archive.location} makes on request, which "
            "lie in a cache only",
        )
    kinds = {format_of(archive, file) for file in entry.files}
    if len(kinds) != 1 or "" in kinds:
        found = ", ".join(sorted(kind or "text or another format" for kind in kinds))
        raise NotReferable(entry.key, f"{_named(entry.files)}: found {found}")
    kind = kinds.pop()
    if kind == "grib" and len(entry.files) > 1:
        raise NotReferable(
            entry.key, f"{_named(entry.files)}: found several GRIB files, wanted one"
        )
    try:
        dataset = _opened(archive, entry, kind) if dataset is None else dataset
        urls = [archive.bytes_url(file.path) for file in entry.files]
        scans = [
            _scan(archive, file, url, kind, dataset)
            for file, url in zip(entry.files, urls, strict=True)
        ]
        refs = _assemble(dataset, scans)
        location = _location(archive, urls)
        ranges = Ranges(location)
        marks = [f"{url}/.zgroup" if kind == "zarr" else url for url in urls]
        stamps = tuple(ranges.stamp(url) for url in marks)
        reference = Reference({"version": 1, "refs": refs}, location, stamps)
        compare(reference.open(), dataset)
    except (InvalidData, UnsafePath) as error:
        # Also where a server sends readers on to another one, which references do not follow.
        raise NotReferable(entry.key, error.message) from error
    return reference


def _scan(
    archive: Archive, file: ArchiveFile, url: str, kind: Format, dataset: xr.Dataset
) -> dict[str, ChunkedArray]:
    if kind == "zarr":
        return scan_zarr(archive, file)
    if kind == "grib":
        from catena.data_ingest.reference_grib import scan_grib

        return scan_grib(archive.local(file), url, file.path, dataset)
    with archive.open(file.path) as stream:
        return (scan_hdf5 if kind == "hdf5" else scan_classic)(stream, url, file.path)


def _opened(archive: Archive, entry: Entry, kind: Format) -> xr.Dataset:
    parts = [open_array_file(archive, file, kind) for file in entry.files]
    if len(parts) == 1:
        return parts[0]
    dims = [dim for dim in parts[0].dims if any(p.sizes.get(dim) != parts[0].sizes[dim]
            or not p.get(dim, xr.DataArray()).equals(parts[0].get(dim, xr.DataArray()))
            for p in parts[1:])]  # fmt: skip
    if len(dims) != 1:
        raise InvalidData(
            f"{_named(entry.files)}: the files differ along the dimensions {dims}, wanted one"
        )
    return xr.concat(
        parts,
        dim=str(dims[0]),
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def _assemble(dataset: xr.Dataset, scans: list[dict[str, ChunkedArray]]) -> dict[str, Any]:
    """Keys and values of the references."""
    large = {}
    for name, variable in dataset.variables.items():
        key = str(name)
        # Times (bounds) are decoded by what stands at their axis: they are kept as they are read.
        if name in dataset.xindexes or variable.dtype.kind not in "fiub":
            continue
        fits = variable.nbytes <= MAX_INLINE_BYTES
        if variable.nbytes <= INLINE_BYTES or (fits and not all(key in scan for scan in scans)):
            continue
        array = _joined(key, variable, scans)
        tiny = len(array.chunks) > 100 and variable.nbytes < MIN_CHUNK_BYTES * len(array.chunks)
        if tiny and not fits:
            raise InvalidData(
                f"file {array.file}: variable {key} of {variable.nbytes} bytes lies in "
                f"{len(array.chunks)} pieces, wanted pieces of at least {MIN_CHUNK_BYTES} bytes"
            )
        if not tiny:
            large[key] = array
    count = sum(len(array.chunks) for array in large.values())
    if count > MAX_CHUNKS:
        raise InvalidData(f"its files have {count} chunks, wanted at most {MAX_CHUNKS}")
    refs = _frame(dataset, large)
    for key, array in large.items():
        packing = dict(array.packing)
        fill = packing.pop("_FillValue", None)
        zarray = {k: v for k, v in array.zarray.items() if k != "dimension_separator"}
        zarray["fill_value"] = _json(fill) if fill is not None else None
        attrs = {
            **{k: v for k, v in json.loads(refs[f"{key}/.zattrs"]).items() if k not in PACKING},
            **{k: _json(v) for k, v in packing.items()},
        }
        if types := {
            k: str(np.asarray(v).dtype)
            for k, v in packing.items()
            if isinstance(v, np.floating) and v.dtype != np.float64
        }:
            # JSON has one kind of number; decoding depends on which it was.
            attrs[PACKING_TYPES] = types
        refs[f"{key}/.zarray"] = _text(zarray)
        refs[f"{key}/.zattrs"] = _text(attrs)
        for index, place in array.chunks.items():
            refs[f"{key}/{'.'.join(map(str, index)) or '0'}"] = place
    return refs


def _joined(key: str, variable: xr.Variable, scans: list[dict[str, ChunkedArray]]) -> ChunkedArray:
    holders = [scan[key] for scan in scans if key in scan]
    if not holders:
        raise InvalidData(f"the files have no plain array {key} of {variable.nbytes} bytes")
    for array in holders:
        if array.dims != tuple(map(str, variable.dims)):
            raise InvalidData(
                f"file {array.file}: variable {key} has the dimensions {array.dims}, the dataset "
                f"has {variable.dims}"
            )
    if len(holders) > 1 and all(array.shape == variable.shape for array in holders):
        holders = holders[:1]  # it does not change from file to file
    array = join(key, holders, tuple(variable.shape))
    if not array.complete and "_FillValue" not in array.packing:
        missing = next(index for index in every_chunk(array) if index not in array.chunks)
        raise InvalidData(
            f"file {array.file}: chunk {missing} of variable {key} was never written, and the file "
            "has no _FillValue that would say what is there"
        )
    return array


def _frame(dataset: xr.Dataset, large: dict[str, ChunkedArray]) -> dict[str, Any]:
    """References of all that is not large, and metadata of what is, as xarray writes them."""
    import dask.array as da
    from zarr.storage import MemoryStore

    plain = dataset.drop_encoding()
    small = plain.drop_vars(list(large)).compute()
    for key, variable in small.variables.items():
        if variable.nbytes > MAX_INLINE_BYTES:
            raise InvalidData(
                f"variable {key} has {variable.nbytes} bytes that cannot be referred to"
            )
    empty = {
        key: (
            plain[key].dims,
            da.zeros(plain[key].shape, dtype=plain[key].dtype, chunks=-1),
            plain[key].attrs,
        )
        for key in large
    }
    whole = small.assign(empty).set_coords([key for key in large if key in plain.coords])
    whole.attrs = {key: _json(value) for key, value in whole.attrs.items()}
    for variable in whole.variables.values():
        variable.attrs = {key: _json(value) for key, value in variable.attrs.items()}
    encoding = {
        key: {"chunks": tuple(max(n, 1) for n in variable.shape)}
        for key, variable in whole.variables.items()
    }
    content: dict[str, Any] = {}
    whole.to_zarr(
        MemoryStore(content),
        mode="w",
        zarr_format=2,
        consolidated=False,
        compute=False,
        safe_chunks=False,
        encoding=encoding,
    )
    return {key: _inline(value.to_bytes()) for key, value in sorted(content.items())}


def _location(archive: Archive, urls: list[str]) -> str:
    """Below which all files lie: the archive's own location, where it is one of folders."""
    top = archive.location.rstrip("/")
    if all(url.startswith(f"{top}/") for url in urls):
        return top
    # A catalog's files have other URLs than the catalog, and a mirror's lie in a folder.
    folders = [url.split("/")[:-1] for url in urls]
    common = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common)


def _named(files: tuple[ArchiveFile, ...]) -> str:
    names = [file.path for file in files]
    return f"file {names[0]}" if len(names) == 1 else f"files {names[0]} ... {names[-1]}"


def _json(value: Any) -> Any:
    """A number or text as JSON has it; NaN and infinities in words, as zarr spells them."""
    if isinstance(value, np.ndarray):
        return [_json(item) for item in value.tolist()] if value.ndim else _json(value.item())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _inline(data: bytes) -> str:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if text and not text.startswith("base64:") and "{{" not in text:
        return text
    return "base64:" + base64.b64encode(data).decode("ascii")
