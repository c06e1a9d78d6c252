"""An archive in a folder, or the mirror of one on the network."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from catena.data_ingest.archive_base import (
    ZARR_MARKS,
    BaseArchive,
    Listed,
    changed,
    leaves,
    missing,
    walk,
)
from catena.data_ingest.archive_http import root_of
from catena.data_ingest.archive_places import Place, check_path, join, parse
from catena.data_ingest.downloads import check
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound


class FolderArchive(BaseArchive):
    """A folder.

    Links that stay inside are followed where their target is not listed anyway. Links that lead
    out are listed, so that nobody misses them, and refused when they are opened.

    Parameters
    ----------
    location : str
        ``file:///folder`` or an absolute path; a file or a zarr store stands for the folder that
        holds it, with nothing else in it.

    Raises
    ------
    NotFound
        When it does not exist.
    """

    def __init__(self, location: str) -> None:
        place = parse(location)
        self.location = place.url
        top = Path("/", *place.segments)
        if not top.exists():
            raise NotFound(f"there is no folder {self.location}; check the name, or mount it")
        self.only = ""
        if top.is_file() or any((top / mark).exists() for mark in ZARR_MARKS):
            self.only, top = top.name, top.parent
            place = Place("file", segments=place.segments[:-1])
        self._place = place
        self.root = top.resolve()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""
        with self._reported(path):
            real = self._file(path)
            self._versions[path] = changed(real)
            return real.open("rb")

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """See :class:`BaseArchive`."""
        with self._reported(path), self._file(path).open("rb") as file:
            file.seek(start)
            return file.read(max(0, stop - start))

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`; of a zarr store its folder."""
        path, size, checksum = (
            (file, None, "") if isinstance(file, str) else (file.path, file.size, file.checksum)
        )
        with self._reported(path):
            real = self._real(path)
            if real.is_dir():
                if not any((real / mark).exists() for mark in ZARR_MARKS):
                    raise InvalidRequest(f"'{path}' is a folder; name a file in it")
                return real
            real = self._file(path)
            self._versions[path] = changed(real)
            check(real, f"'{path}' in {self.location}", size, checksum)
            return real

    def url(self, path: str) -> str:
        """See :class:`Archive`."""
        parts = check_path(path).split("/") if path else ()
        return Place("file", segments=(*self._place.segments, *parts)).url

    def _version(self, path: str) -> str:
        return self._told(path)

    def _told(self, path: str) -> str:
        with self._reported(path):
            return changed(self._real(path))

    def _find(self, top: str) -> list[ArchiveFile]:
        if self.only:
            real = self._real(self.only)
            size = self._store_size(self.only) if real.is_dir() else real.stat().st_size
            return [] if top else [ArchiveFile(self.only, size)]
        if top and not self._real(top).is_dir():
            raise missing(self.location, top)
        base = self._real(top) if top else self.root
        return walk(lambda folder: self._entries(folder, base), top, self._store_size)

    def _list(self, folder: str) -> Listed:
        return self._entries(folder, self.root)

    def _entries(self, folder: str, base: Path) -> Listed:
        files, folders = [], []
        top = self._real(folder) if folder else self.root
        with self._reported(folder), os.scandir(top) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    target = _target(entry.path)
                    if target is None or not target.is_relative_to(self.root):
                        files.append(ArchiveFile(path))
                    elif target.is_file() and not target.is_relative_to(base):
                        files.append(ArchiveFile(path, target.stat().st_size))
                elif entry.is_dir():
                    folders.append(path)
                elif entry.is_file():
                    files.append(ArchiveFile(path, entry.stat().st_size))
        return files, folders

    def _store_size(self, path: str) -> int | None:
        return sum(
            (Path(folder) / name).lstat().st_size
            for folder, _, names in os.walk(self.root / path)
            for name in names
        )

    def _real(self, path: str) -> Path:
        try:
            real = (self.root / check_path(path)).resolve()
        except (OSError, RuntimeError):
            raise leaves(self.location, path) from None
        if not real.is_relative_to(self.root):
            raise leaves(self.location, path)
        return real

    def _file(self, path: str) -> Path:
        real = self._real(path)
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidRequest(
                f"'{path}' is a folder; name a file in it, or open a zarr store as a store"
            )
        if not stat.S_ISREG(mode):
            raise InvalidRequest(f"'{path}' is a pipe or a device, not a file")
        return real

    @contextmanager
    def _reported(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise missing(self.location, path) from None
        except PermissionError:
            raise FailedPrecondition(
                f"'{path}' in {self.location} may not be read; check its permissions"
            ) from None


def _of_files(place: Place) -> Place:
    """Where the files of a location lie; see :func:`~catena.data_ingest.archive_http.root_of`."""
    if place.scheme not in ("http", "https"):
        return place
    root, kind = root_of(place)
    return replace(root, segments=(*root.segments, place.segments[-1])) if kind == "file" else root


def _target(link: str) -> Path | None:
    try:
        return Path(link).resolve()
    except (OSError, RuntimeError):
        return None  # a circle


class MirrorArchive(FolderArchive):
    """A folder that stands for a place on the network, which is never asked.

    Parameters
    ----------
    location : str
        As on the network.
    mirror : Path
        ``https://host/a/b`` is ``host/a/b`` in it (``host:port`` where the port is not the usual
        one), ``s3://bucket/a`` is ``s3/bucket/a``. A catalog or a list stands for the folder of the
        files that it names (of THREDDS: the one on its file server).

    Raises
    ------
    NotFound
        When the mirror has nothing of it; says what to put where.
    """

    def __init__(self, location: str, mirror: Path) -> None:
        asked = parse(location)
        self.source = _of_files(asked)
        self.mirror = mirror
        folder = mirror.absolute().joinpath(*self.source.mirrored)
        if not folder.resolve().is_relative_to(mirror.resolve()):
            raise leaves(self.source.url, "/".join(self.source.mirrored))
        if not folder.exists():
            raise NotFound(
                f"the mirror has nothing of {self.source.url}; put it at "
                f"{'/'.join(self.source.mirrored)} in CATENA_MIRROR, or unset CATENA_MIRROR to "
                "use the network"
            )
        super().__init__(str(folder))
        self.location = asked.url

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.location, self.mirror)

    def url(self, path: str) -> str:
        """As on the network: what a dataset is known by."""
        return join(self._base, path).url

    def bytes_url(self, path: str) -> str:
        """``file://`` URL in the mirror."""
        return Place("file", segments=self._real(path).parts[1:]).url

    @property
    def _base(self) -> Place:
        return replace(self.source, segments=self.source.segments[: -1 if self.only else None])

    def _real(self, path: str) -> Path:
        wanted = join(self._base, path)
        place = "/".join(wanted.mirrored)
        try:
            real = (self.mirror / place).resolve()
        except (OSError, RuntimeError):
            raise leaves(self.location, path) from None
        if not real.is_relative_to(self.mirror.resolve()):
            raise leaves(self.location, path)
        if not real.exists():
            raise NotFound(
                f"the mirror has no {wanted.url}; put it at {place} in CATENA_MIRROR, "
                "or unset CATENA_MIRROR to use the network"
            )
        return real
