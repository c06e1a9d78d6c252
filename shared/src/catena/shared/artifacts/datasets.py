"""xarray datasets in artifacts, as zarr v3.

Two small zarr stores: one hashes chunks on their way out, one checks them on their way in.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from abc import abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import xarray as xr
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from catena.shared.artifacts.artifact import Artifact
from catena.shared.errors import InvalidData, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts.writer import ArtifactWriter

_METADATA = "zarr.json"


def write_dataset(writer: ArtifactWriter, name: str, dataset: xr.Dataset) -> None:
    """Write `dataset` to the folder `name`; see :meth:`ArtifactWriter.write_dataset`."""
    plain = dataset.drop_encoding()
    for key, variable in plain.variables.items():
        # zarr would turn what is no text, even a missing value, into text without a word.
        if variable.dtype.kind == "O" and not all(isinstance(x, str) for x in variable.values.flat):
            raise InvalidData(
                f"'{name}': variable '{key}' holds objects that are not text; "
                "convert it to numbers, times or text"
            )
    try:
        with _quiet():
            plain.to_zarr(_Sink(writer, name), mode="w", zarr_format=3, consolidated=True)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"'{name}' cannot be written as zarr: {error}") from error


def open_dataset(artifact: Artifact, name: str) -> xr.Dataset:
    """Open the dataset in the folder `name`; see :meth:`Artifact.open_dataset`."""
    if f"{name}/{_METADATA}" not in artifact.names:
        raise NotFound(f"'{artifact.uri}' has no dataset '{name}'")
    with _quiet():
        return xr.open_zarr(_Source(artifact, name), consolidated=True, chunks=None)


@contextmanager
def _quiet() -> Iterator[None]:
    # Text of fixed length has no zarr v3 specification yet; zarr writes and reads it all the same.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        # Nor has consolidated metadata, but xarray looks for it first.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part.*")
        yield


class _Keys(Store):
    """What both stores share: a flat set of keys that can be listed."""

    supports_deletes = True
    supports_listing = True

    @abstractmethod
    def keys(self) -> Collection[str]:
        """All keys."""

    @abstractmethod
    def fetch(self, key: str) -> bytes | None:
        """What lies under a key; None if nothing does."""

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        from zarr.core.buffer import default_buffer_prototype

        data = await asyncio.to_thread(self.fetch, key)
        if data is None:
            return None
        buffers = (prototype or default_buffer_prototype()).buffer
        return buffers.from_bytes(data[_slice(byte_range)])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self.keys()

    async def list(self) -> AsyncIterator[str]:
        for key in sorted(self.keys()):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in sorted(self.keys()):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        start = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        inside = {key[len(start) :].split("/")[0] for key in self.keys() if key.startswith(start)}
        for name in sorted(inside):
            yield name


class _Sink(_Keys):
    """Writes chunks into an artifact that is being made."""

    supports_writes = True

    def __init__(self, writer: ArtifactWriter, name: str) -> None:
        super().__init__(read_only=False)
        self._writer = writer
        self._prefix = f"{name}/"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def with_read_only(self, read_only: bool = False) -> Store:
        return self

    def keys(self) -> Collection[str]:
        start = len(self._prefix)
        return [name[start:] for name in self._writer.names if name.startswith(self._prefix)]

    def fetch(self, key: str) -> bytes | None:
        return self._writer.read_entry(self._prefix + key)

    async def set(self, key: str, value: Buffer) -> None:
        data = value.to_bytes()
        if key.rpartition("/")[2] == _METADATA:
            # The order of attributes is no content. NaN attributes stay as zarr spells them.
            data = json.dumps(json.loads(data), sort_keys=True, indent=1).encode()
        self._writer.put_entry(self._prefix + key, data)

    async def delete(self, key: str) -> None:
        self._writer.drop_entry(self._prefix + key)


class _Source(_Keys):
    """Reads, and checks, chunks of an artifact."""

    supports_writes = False

    def __init__(self, artifact: Artifact, name: str) -> None:
        super().__init__(read_only=True)
        self._artifact = artifact
        self._name = name
        start = len(name) + 1
        self._known = {
            entry.path[start:]
            for entry in artifact.manifest.files
            if entry.path.startswith(f"{name}/")
        }

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Source)
            and (self._artifact.uri, self._name) == (other._artifact.uri, other._name)
            and self._artifact.manifest.digest == other._artifact.manifest.digest
        )

    def __hash__(self) -> int:
        return hash((self._artifact.uri, self._name))

    def with_read_only(self, read_only: bool = True) -> Store:
        return self

    def keys(self) -> Collection[str]:
        return self._known

    def fetch(self, key: str) -> bytes | None:
        if key not in self._known:
            return None
        return self._artifact.read_bytes(f"{self._name}/{key}")

    async def set(self, key: str, value: Buffer) -> None:
        raise PermissionError("an artifact does not change")

    async def delete(self, key: str) -> None:
        raise PermissionError("an artifact does not change")


def _slice(part: ByteRequest | None) -> slice:
    if isinstance(part, RangeByteRequest):
        return slice(part.start, part.end)
    if isinstance(part, OffsetByteRequest):
        return slice(part.offset, None)
    if isinstance(part, SuffixByteRequest):
        return slice(-part.suffix, None)
    return slice(None)
