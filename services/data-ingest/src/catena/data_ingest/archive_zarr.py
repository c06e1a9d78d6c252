"""A zarr store for reading out of an archive, whose retries, rights and mirror hold here too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.buffer.core import default_buffer_prototype

from catena.shared.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from catena.data_ingest.archive_base import BaseArchive

_WHOLE = 1 << 40
_METADATA = {"zarr.json", ".zgroup", ".zmetadata", ".zarray", ".zattrs"}


class ArchiveStore(Store):
    """See the module; made by :meth:`BaseArchive.store`.

    Parameters
    ----------
    archive : BaseArchive
    path : str
        Folder of the store; empty: the archive's location.
    """

    supports_writes = False
    supports_deletes = False
    supports_partial_writes = False

    def __init__(self, archive: BaseArchive, path: str) -> None:
        super().__init__(read_only=True)
        self.archive = archive
        self.path = path

    @property
    def supports_listing(self) -> bool:
        """Servers may have no index; then the store needs consolidated metadata."""
        return self.archive.listable

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArchiveStore) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return f"{self.archive.location}/{self.path}".rstrip("/")

    def __repr__(self) -> str:
        return f"ArchiveStore({str(self)!r})"

    def with_read_only(self, read_only: bool = True) -> ArchiveStore:
        """Itself: there is no other mode."""
        if not read_only:
            raise FailedPrecondition(f"{self} is an archive: it can only be read")
        return self

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Bytes of a key; None if it is missing."""
        data = await asyncio.to_thread(self._read, key, byte_range)
        if data is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Several ranges at once."""
        wanted = (self.get(key, prototype, byte_range) for key, byte_range in key_ranges)
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key."""
        request = RangeByteRequest(0, 1)
        return await asyncio.to_thread(self._read, key, request) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refused: archives are read."""
        raise FailedPrecondition(f"{self} is an archive: it can only be read")

    async def delete(self, key: str) -> None:
        """Refused: archives are read."""
        raise FailedPrecondition(f"{self} is an archive: it can only be read")

    async def list(self) -> AsyncIterator[str]:
        """Refused: a store may have millions of chunks."""
        raise FailedPrecondition(f"{self} is not listed as a whole; list a folder of it")
        yield ""

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refused, as :meth:`list`."""
        async for name in self.list():
            yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names in one folder of the store."""
        folder = "/".join(filter(None, (self.path, prefix.strip("/"))))
        for name in await asyncio.to_thread(self.archive.names, folder):
            yield name

    def _read(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        path = f"{self.path}/{key}" if self.path else key
        archive: Any = self.archive
        try:
            if byte_range is None:
                return bytes(archive.read(path))
            if isinstance(byte_range, RangeByteRequest):
                return bytes(archive.read_range(path, byte_range.start, byte_range.end))
            if isinstance(byte_range, OffsetByteRequest):
                return bytes(archive.read_range(path, byte_range.offset, _WHOLE))
            if isinstance(byte_range, SuffixByteRequest):
                with archive.open(path) as file:
                    size = file.seek(0, 2)
                    file.seek(max(0, size - byte_range.suffix))
                    return bytes(file.read())
        except NotFound:
            return None
        except FailedPrecondition:
            # Buckets that may not be listed say "forbidden" for what is missing. Metadata are
            # looked for under several names; a chunk that is forbidden is not taken for empty.
            if key.rpartition("/")[2] in _METADATA:
                return None
            raise
        raise TypeError(f"byte range: got a {type(byte_range).__name__}")
