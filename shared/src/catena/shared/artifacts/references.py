"""Datasets that stay in their archive: a standard kerchunk JSON, opened as zarr.

An artifact holds ``<name>`` (the JSON, which anybody can open with xarray's engine "kerchunk") and
``<name>.fixes.json``: the archive's location, each file as it was then, and what is to be done to
the dataset when it is opened. Nothing but numpy's codecs is needed to read; kerchunk is needed to
make references only (:mod:`catena.data_ingest.references`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from catena.shared.artifacts._zarr import FlatStore
from catena.shared.artifacts.datasets import TIMES, quiet
from catena.shared.artifacts.manifest import canonical_json
from catena.shared.artifacts.ranges import FileStamp, Ranges
from catena.shared.errors import (
    ArtifactCorrupt,
    CatenaError,
    FailedPrecondition,
    NotFound,
)

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

    from catena.shared.artifacts.artifact import Artifact
    from catena.shared.checks.findings import Fix

PACKING_TYPES = "_packing_types"
"""Attribute of a variable: the types of its scale and offset in the file."""

FIXES = ".fixes.json"
"""What follows the name of a reference in the name of its second file."""

CHECKED_AT_ONCE = 100
"""Of so many files on a network all are looked at when a dataset is opened; of more each one before
its first bytes are used. Files in a folder are looked at when it is opened, however many."""

CHUNK_BYTES = 16 << 20
"""Chunks of the archive are taken together along the first dimension up to this size,"""

CHUNKS_AT_ONCE = 16
"""and up to so many: one value costs all of them, and each may be a request to a server."""


def reference_files(
    name: str,
    refs: Mapping[str, Any],
    *,
    location: str,
    files: Iterable[FileStamp],
    fixes: Iterable[Fix] = (),
) -> dict[str, bytes]:
    """The two files of a reference in an artifact.

    Parameters
    ----------
    name : str
        Usually ends in ``.json``.
    refs : mapping
        kerchunk references, version 1: ``{"version": 1, "refs": {...}}``.
    location : str
        Of the archive; nothing outside of it is ever read.
    files : iterable of FileStamp
    fixes : iterable of Fix
        Applied, in order, whenever the dataset is opened.
    """
    side = {
        "version": 1,
        "location": location,
        "files": [stamp.to_dict() for stamp in files],
        "fixes": [fix.to_dict() for fix in fixes],
    }
    # Attributes may be NaN, which JSON has not and Python spells all the same.
    plain = json.dumps(refs, sort_keys=True, separators=(",", ":")).encode()
    return {name: plain, f"{name}{FIXES}": canonical_json(side, indent=1)}


def is_reference(artifact: Artifact, name: str) -> bool:
    """Whether the artifact has a reference of that name."""
    names = set(artifact.names)
    return {name, f"{name}{FIXES}"} <= names


def open_reference(artifact: Artifact, name: str) -> xr.Dataset:
    """Open a reference lazily, with its fixes; see :meth:`Artifact.open_dataset`.

    Raises
    ------
    FailedPrecondition
        When a file of the archive is not the one any more that was referred to (by name, with both
        values), or the artifact was imported from outside.
    NotFound
        When a file is gone.
    UnsafePath
        When it points outside of its archive.
    Unavailable
        When the archive does not answer.
    """
    from catena.shared.checks import apply
    from catena.shared.checks.findings import Fix

    if artifact.uri.startswith("imports/"):
        raise FailedPrecondition(
            f"'{artifact.uri}' was imported from outside, and its references might point anywhere; "
            "ingest the data here"
        )
    refs, side = artifact.read_json(name), artifact.read_json(f"{name}{FIXES}")
    try:
        stamps = [FileStamp.from_dict(plain) for plain in side["files"]]
        fixes = [Fix.from_dict(plain) for plain in side["fixes"]]
        store = ReferenceStore(refs["refs"], str(side["location"]), stamps)
        _check_codecs(refs["refs"])
        store.check_files()
        dataset = open_store(store)
    except (KeyError, TypeError, ValueError) as error:
        text = (str(error).splitlines() or [""])[0][:160]
        raise ArtifactCorrupt(
            f"'{artifact.uri}': '{name}' is no reference ({text}); make it again"
        ) from None
    return apply(dataset, fixes)


def open_store(store: ReferenceStore) -> xr.Dataset:
    """The dataset of a store, decoded, with dask arrays over some chunks of the archive each."""
    with quiet():
        raw = xr.open_zarr(store, zarr_format=2, consolidated=False, chunks=None, decode_cf=False)
        for variable in raw.variables.values():
            # JSON has one kind of number; how values are unpacked depends on which it was.
            for name, dtype in dict(variable.attrs.pop(PACKING_TYPES, {})).items():
                variable.attrs[name] = np.dtype(dtype).type(variable.attrs[name])
        dataset = xr.decode_cf(raw, decode_times=TIMES)
    for key, variable in dataset.variables.items():
        if key not in dataset.xindexes and variable.ndim and variable.dtype.kind in "fiub":
            chunks = _chunks(variable)
            name = f"{store.token}-{key}"
            dataset[key] = (
                variable.dims,
                variable.chunk(chunks, name=name, inline_array=True).data,
                variable.attrs,
                variable.encoding,
            )
    return dataset


class ReferenceStore(FlatStore):
    """A zarr (version 2) store over kerchunk references.

    Parameters
    ----------
    refs : mapping
        Key -> text, ``base64:...``, an object, ``[url]`` or ``[url, offset, length]``.
    location : str
        What the URLs must lie below.
    stamps : iterable of FileStamp
        The files as they were.
    """

    supports_writes = False
    supports_deletes = False

    def __init__(
        self, refs: Mapping[str, Any], location: str, stamps: Iterable[FileStamp] = ()
    ) -> None:
        super().__init__(read_only=True)
        self._refs = refs
        self._ranges = Ranges(location)
        self._stamps = {stamp.url: stamp for stamp in stamps}
        self._unchecked = set(self._stamps)
        self._entries = _index(refs)
        _register_grib(refs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReferenceStore) and self.token == other.token

    def __hash__(self) -> int:
        return hash(self.token)

    @cached_property
    def token(self) -> str:
        """Hash of all references, the location and all stamps; arrays are named after it.

        Dask takes arrays of one name for the same, so whatever may change a value has to change it.
        """
        stamps = [self._stamps[url].to_dict() for url in sorted(self._stamps)]
        plain = json.dumps([self._ranges.location, stamps, self._refs], sort_keys=True, default=str)
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    def with_read_only(self, read_only: bool = True) -> ReferenceStore:
        """Itself: there is no other mode."""
        return self

    def keys(self) -> Collection[str]:
        """All keys."""
        return self._refs.keys()

    async def list_dir(self, prefix: str):  # type: ignore[no-untyped-def]
        """Names in a folder; arrays may have many thousand chunks."""
        for name in self._entries.get(prefix.strip("/"), ()):
            yield name

    def check_files(self) -> None:
        """Look at the files of the archive; errors as in :func:`open_reference`."""
        if self._ranges.location.startswith("file:"):
            for url in sorted(self._unchecked):
                self._check(url)
        elif len(self._unchecked) <= CHECKED_AT_ONCE:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self._check, sorted(self._unchecked)))

    def fetch(self, key: str) -> bytes | None:
        """Bytes of a key; None if there is none."""
        value = self._refs.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return _inline(value, key)
        if isinstance(value, Mapping):
            return json.dumps(value).encode()
        if not (isinstance(value, list) and len(value) in (1, 3) and isinstance(value[0], str)):
            raise ArtifactCorrupt(f"reference '{key}' is neither bytes nor a place in a file")
        url = value[0]
        self._ranges.check(url)
        if url in self._unchecked:
            self._check(url)
        if len(value) == 1:
            return self._ranges.read(url)
        return self._ranges.read(url, int(value[1]), int(value[2]))

    async def set(self, key: str, value: Buffer) -> None:
        """Refused."""
        raise PermissionError("an artifact does not change")

    async def delete(self, key: str) -> None:
        """Refused."""
        raise PermissionError("an artifact does not change")

    def _check(self, url: str) -> None:
        try:
            difference = self._stamps[url].difference(self._ranges.stamp(url))
        except NotFound:
            difference = "it is gone"
        if difference:
            raise FailedPrecondition(
                f"file {url}: {difference}; the archive has changed since the data were referred "
                "to: ingest them again"
            )
        self._unchecked.discard(url)


def _index(refs: Mapping[str, Any]) -> dict[str, list[str]]:
    folders: dict[str, dict[str, None]] = {}
    for key in sorted(refs):
        parts = key.split("/")
        for depth, part in enumerate(parts):
            folders.setdefault("/".join(parts[:depth]), {})[part] = None
    return {folder: list(names) for folder, names in folders.items()}


def _check_codecs(refs: Mapping[str, Any]) -> None:
    """Refuse pickles before anybody decodes them: they can run any program."""
    for key, value in refs.items():
        if key.endswith(".zarray"):
            head = json.loads(_inline(value, key)) if isinstance(value, str) else value
            codecs = [head.get("compressor"), *(head.get("filters") or ())]
            if any(codec and codec.get("id") == "pickle" for codec in codecs):
                raise ValueError(f"{key} wants pickles, which are never loaded")


def _inline(value: str, key: str) -> bytes:
    if not value.startswith("base64:"):
        return value.encode()
    try:
        return base64.b64decode(value[len("base64:") :], validate=True)
    except binascii.Error:
        raise ArtifactCorrupt(f"reference '{key}' is not base64; ingest the data again") from None


def _chunks(variable: xr.Variable) -> dict[Any, int]:
    own = variable.encoding.get("preferred_chunks") or {}
    sizes = {dim: int(own.get(dim, size)) for dim, size in variable.sizes.items()}
    first = variable.dims[0]
    unit = max(1, math.prod(sizes.values()) * variable.dtype.itemsize)
    together = min(CHUNKS_AT_ONCE, max(1, CHUNK_BYTES // unit))
    sizes[first] = min(variable.sizes[first], sizes[first] * together)
    return {dim: max(size, 1) for dim, size in sizes.items()}


def _register_grib(refs: Mapping[str, Any]) -> None:
    """Make sure that GRIB messages can be decoded, where there are some."""
    if not any('"grib"' in str(v) for k, v in refs.items() if k.endswith(".zarray")):
        return
    import numcodecs

    try:
        numcodecs.get_codec({"id": "grib", "var": "values"})
    except (ValueError, ImportError, CatenaError):
        from catena.shared.artifacts.grib import GribMessage

        numcodecs.register_codec(GribMessage)
