"""What archives of every kind have in common: walking folders, reading by ranges, zarr stores."""

from __future__ import annotations

import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from fsspec.caching import BlockCache

from catena.data_ingest.archive_places import check_path
from catena.data_ingest.downloads import TEMPORARY
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import FailedPrecondition, NotFound, UnsafePath

if TYPE_CHECKING:
    from zarr.abc.store import Store

ZARR_MARKS = frozenset({"zarr.json", ".zgroup", ".zmetadata", ".zarray"})
"""Files that make a folder a zarr store."""

_BLOCK = 1 << 20
_BLOCKS = 32

Listed = tuple[list[ArchiveFile], list[str]]
"""Files and folders (without a slash at the end) in one folder, as paths of the archive."""


class BaseArchive(ABC):
    """An :class:`~catena.data_ingest.sources.base.Archive`, and what readers by reference need.

    A location that names a file or a ``.zarr`` store stands for the folder that holds it, with
    nothing else in it.
    """

    location: str
    listable: bool = True
    """Whether folders can be listed, as far as is known."""

    only: str = ""
    """Name of the one file or store that the location is, if it is one."""

    def find(self, under: str = "") -> list[ArchiveFile]:
        """See :class:`Archive`. A zarr store is one file."""
        top = "" if under in ("", ".") else check_path(under.rstrip("/"))
        return sorted(self._find(top), key=lambda file: file.path)

    def _find(self, top: str) -> list[ArchiveFile]:
        return walk(self._list, top, self._store_size)

    def read(self, path: str) -> bytes:
        """See :class:`Archive`."""
        with self.open(path) as file:
            return file.read()

    @abstractmethod
    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a file, fewer where it ends before; with retries.

        Raises
        ------
        NotFound
            When it is missing.
        Unavailable
            When the archive does not answer.
        """

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""

    @abstractmethod
    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`."""

    def version(self, path: str) -> str:
        """See :class:`Archive`."""
        if path not in self._versions:
            self._versions[path] = self._version(path)
        return self._versions[path]

    @cached_property
    def _versions(self) -> dict[str, str]:
        """Of files that were opened; who brings a file here notes it before it is read."""
        return {}

    def _version(self, path: str) -> str:
        names = (f"{path}/zarr.json", f"{path}/.zmetadata", f"{path}/.zgroup", path)
        return next(filter(None, map(self._told, names)), "")

    @abstractmethod
    def _told(self, path: str) -> str:
        """What the archive tells of the version of one file; empty: nothing, or there is none."""

    @abstractmethod
    def url(self, path: str) -> str:
        """See :class:`Archive`."""

    def members(self, path: str = "") -> list[ArchiveFile]:
        """Every single file below a folder, also inside zarr stores."""
        top = "" if path in ("", ".") else check_path(path.rstrip("/"))
        return sorted(self._members(top), key=lambda file: file.path)

    def _members(self, top: str) -> list[ArchiveFile]:
        return walk(self._list, top, fold=False)

    def _store_here(self, path: str) -> bool:
        """Bring a whole zarr store here; its metadata come last, so that no half shows as one.

        False if there is no store of that name.
        """
        try:
            inside = self.members(path)
        except (NotFound, FailedPrecondition):
            return False
        marks = [file for file in inside if file.path.rpartition("/")[2] in ZARR_MARKS]
        if not marks:
            # No store, so nothing to bring: a listed file that is gone would lead back to here.
            return False
        outermost_last = sorted(marks, key=lambda file: -file.path.count("/"))
        for file in (*(file for file in inside if file not in marks), *outermost_last):
            self.local(file)
        return True

    def bytes_url(self, path: str) -> str:
        """URL from which the bytes come: :meth:`url`, or a ``file://`` of the mirror."""
        return self.url(path)

    def store(self, path: str) -> Store:
        """A zarr store for reading, with this archive's retries, rights and mirror.

        Parameters
        ----------
        path : str
            Its folder; ``""`` where the location itself is the store.
        """
        from catena.data_ingest.archive_zarr import ArchiveStore

        return ArchiveStore(self, path.strip("/") or self.only)

    def names(self, folder: str) -> list[str]:
        """Names of what is in one folder, also inside a zarr store; none if it is missing.

        Raises
        ------
        FailedPrecondition
            When the archive cannot be listed.
        """
        try:
            files, folders = self._list(folder)
        except NotFound:
            return []
        paths = [*(file.path for file in files), *folders]
        return sorted(path.rpartition("/")[2] for path in paths)

    @abstractmethod
    def _list(self, folder: str) -> Listed:
        """What is in one folder."""

    def _store_size(self, path: str) -> int | None:
        return None


def walk(
    listing: Callable[[str], Listed],
    top: str,
    store_size: Callable[[str], int | None] = lambda _: None,
    *,
    fold: bool = True,
) -> list[ArchiveFile]:
    """All files below a folder; a zarr store is one, and is not looked into.

    Parameters
    ----------
    listing : callable
        Folder -> its files and folders. Folders are asked for one by one: a listing of all that
        is below would count every chunk of every store.
    top : str
        Folder, without slashes at its ends.
    store_size : callable
        Bytes of a zarr store, where that is known.
    fold : bool
        False: zarr stores are looked into all the same.
    """
    found: list[ArchiveFile] = []
    folders = [top]
    while folders:
        folder = folders.pop()
        files, below = listing(folder)
        names = {file.path.rpartition("/")[2] for file in files}
        if fold and folder and names & ZARR_MARKS:
            found.append(ArchiveFile(folder, store_size(folder)))
            continue
        found += [file for file in files if not file.path.rpartition("/")[2].startswith(TEMPORARY)]
        folders += below
    return found


def ranged_file(
    fetch: Callable[[int, int], bytes], size: int, name: str = "", block: int = _BLOCK
) -> BinaryIO:
    """A file to read and seek in, by ranges of 1 MiB of which the last 32 are kept.

    Parameters
    ----------
    fetch : callable
        (start, stop) -> bytes.
    size : int
        Bytes.
    name : str
        Its URL, for messages.
    block : int
        Bytes per range.
    """
    return cast(BinaryIO, io.BufferedReader(_Ranged(fetch, size, name, block), 1 << 16))


class _Ranged(io.RawIOBase):
    def __init__(
        self, fetch: Callable[[int, int], bytes], size: int, name: str, block: int
    ) -> None:
        self._cache = BlockCache(block, fetch, size, maxblocks=_BLOCKS)
        self._size = size
        self._at = 0
        self.name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}: before the start of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        stop = min(self._size, self._at + len(buffer))
        if stop <= self._at:
            return 0
        data = self._cache._fetch(self._at, stop)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def changed(path: Path) -> str:
    """Size and time of change of a file of this machine; of a folder, of all that is in it."""
    if not path.is_dir():
        stat = path.stat() if path.exists() else path.lstat()  # a link to nothing
        return f"{stat.st_size} {stat.st_mtime_ns}"
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            digest.update(f"{file.relative_to(path)}\0{changed(file)}\0".encode())
    return digest.hexdigest()


def missing(location: str, path: str) -> NotFound:
    """The error for a file that an archive does not have."""
    return NotFound(f"there is no file '{path}' in the archive {location}; check the name")


def leaves(location: str, path: str) -> UnsafePath:
    """The error for a link that leads out of an archive."""
    return UnsafePath(
        f"'{path}' in the archive {location} is a symbolic link that leads out of it; "
        "copy the file to where the link stands"
    )
