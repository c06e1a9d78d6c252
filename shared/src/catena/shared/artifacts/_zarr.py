"""Small zarr stores: one hashes chunks on their way into an artifact, one checks them on their way
out, and what they share with the store of references."""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from catena.shared.artifacts.artifact import Artifact

if TYPE_CHECKING:
    from catena.shared.artifacts.manifest import FileEntry
    from catena.shared.artifacts.writer import ArtifactWriter

METADATA = "zarr.json"


class FlatStore(Store):
    """What both stores share: a flat set of keys that can be listed."""

    supports_deletes = True
    supports_listing = True

    @abstractmethod
    def keys(self) -> Collection[str]:
        """All keys."""

    @abstractmethod
    def fetch(self, key: str) -> bytes | None:
        """What lies under a key; None if nothing does."""

    def fetch_part(self, key: str, part: ByteRequest) -> bytes | None:
        """A range of what lies under a key."""
        data = self.fetch(key)
        return None if data is None else data[_slice(part)]

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        from zarr.core.buffer import default_buffer_prototype

        if byte_range is None:
            data = await asyncio.to_thread(self.fetch, key)
        else:
            data = await asyncio.to_thread(self.fetch_part, key, byte_range)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

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


class Sink(FlatStore):
    """Writes chunks into an artifact that is being made.

    Only one sink may write to a folder at a time: it keeps the list of keys itself, because a
    writer may hold many thousand files of other datasets.
    """

    supports_writes = True

    def __init__(self, writer: ArtifactWriter, name: str) -> None:
        super().__init__(read_only=False)
        self._writer = writer
        self._prefix = f"{name}/"
        start = len(self._prefix)
        self._keys = {n[start:] for n in writer.names if n.startswith(self._prefix)}
        self._fresh: set[str] = set()
        self._held: dict[str, bytes] | None = None

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def with_read_only(self, read_only: bool = False) -> Store:
        return self

    def keys(self) -> Collection[str]:
        return self._keys

    def fetch(self, key: str) -> bytes | None:
        if self._held is not None and key in self._held:
            return self._held[key]
        return self._writer.read_entry(self._prefix + key) if key in self._keys else None

    async def set(self, key: str, value: Buffer) -> None:
        self._keys.add(key)
        if self._held is None:
            self._put(key, value.to_bytes())
        else:
            self._held[key] = value.to_bytes()

    async def delete(self, key: str) -> None:
        if self._held is not None:
            self._held.pop(key, None)
        self._writer.drop_entry(self._prefix + key)
        self._keys.discard(key)
        self._fresh.discard(self._prefix + key)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is written in memory, and write each file once at the end: xarray writes an
        array's metadata three times before they are complete."""
        self._held = {}
        try:
            yield
            held, self._held = self._held, None
            for key in sorted(held):
                self._put(key, held[key])
        finally:
            self._held = None

    def _put(self, key: str, data: bytes) -> None:
        if key.rpartition("/")[2] == METADATA:
            # The order of attributes is no content. NaN attributes stay as zarr spells them.
            data = json.dumps(json.loads(data), sort_keys=True, indent=1).encode()
        self._writer.put_entry(self._prefix + key, data)
        self._fresh.add(self._prefix + key)

    def take_fresh(self) -> list[FileEntry]:
        """Files written since this was last called, sorted by name."""
        fresh, self._fresh = self._fresh, set()
        return [self._writer.entry(name) for name in sorted(fresh)]


class Source(FlatStore):
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
            isinstance(other, Source)
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

    def fetch_part(self, key: str, part: ByteRequest) -> bytes | None:
        # Chunks in a shard: the file is hashed once, then its ranges are read.
        if key not in self._known:
            return None
        return self._artifact.read_range(f"{self._name}/{key}", _slice(part))

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
