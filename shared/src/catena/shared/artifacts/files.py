"""Bytes by name: the few operations on which the store stands, for folders, buckets and memory.

Three promises hold for every kind of store:

- :meth:`Files.write` replaces a file in one step: a reader sees the old bytes or the new ones.
- :meth:`Files.create` succeeds for exactly one of many callers, and its file appears complete.
- nothing outside the root is read, written or removed.

Methods take names that :func:`~catena.shared.artifacts.paths.check_relative` accepts and raise
``OSError`` as the operating system does; :class:`~catena.shared.artifacts.store.ArtifactStore`
turns those into messages for users.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from catena.shared.artifacts.paths import TEMPORARY, check_relative, inside
from catena.shared.errors import InvalidRequest, UnsafePath

_BLOCK = 1 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class FileInfo:
    """One file: its name in the store, size in bytes, time of last change (s since 1970)."""

    path: str
    size: int
    modified_s: float


class Files(Protocol):
    """What a kind of store can do."""

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Bytes ``[start, stop)`` of the file; negative `start` counts from the end."""

    def blocks(self, path: str) -> Iterator[bytes]:
        """The file in pieces of bounded size."""

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Replace the file in one step; `durable`: it survives a power cut."""

    def put(self, path: str, source: Path) -> None:
        """Replace the file by a copy of the local file `source`, in one step."""

    def create(self, path: str, data: bytes) -> bool:
        """Write the file if nobody has; False if it is there."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of that name."""

    def ls(self, path: str) -> list[str]:
        """Sorted names of the files and folders in a folder; none if it is missing."""

    def find(self, path: str) -> list[FileInfo]:
        """All files below a folder, sorted by name."""

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder and all below it; nothing happens if it is missing."""

    def local(self, path: str) -> Path | None:
        """Where the file lies on this machine, if it does."""


class LocalFiles:
    """A folder on this machine or a network file system.

    Parameters
    ----------
    root : Path
        Absolute path of the folder; made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """See :class:`Files`."""
        with inside(self.root, path).open("rb") as file:
            if start is None and stop is None:
                return file.read()
            size = os.fstat(file.fileno()).st_size
            first, last, _ = slice(start, stop).indices(size)
            file.seek(first)
            return file.read(max(0, last - first))

    def blocks(self, path: str) -> Iterator[bytes]:
        """See :class:`Files`."""
        with inside(self.root, path).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Write beside the file, then rename over it."""
        target = inside(self.root, path)
        with self._beside(target) as temporary:
            with temporary.open("xb") as file:
                file.write(data)
                _flush(file, durable)
            temporary.replace(target)
        if durable:
            _sync_folder(target.parent)

    def put(self, path: str, source: Path) -> None:
        """See :class:`Files`."""
        target = inside(self.root, path)
        with self._beside(target) as temporary:
            with source.open("rb") as origin, temporary.open("xb") as file:
                shutil.copyfileobj(origin, file, _BLOCK)
                _flush(file, durable=True)
            temporary.replace(target)
        _sync_folder(target.parent)

    def create(self, path: str, data: bytes) -> bool:
        """Write beside the file, then link to its name: the system lets exactly one link win."""
        target = inside(self.root, path)
        if target.exists():
            return False
        with self._beside(target) as temporary:
            with temporary.open("xb") as file:
                file.write(data)
                _flush(file, durable=True)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # No hard links here (exFAT, some FUSE mounts). Exclusive opening still lets one
                # win; only a reader in that very moment may find the file short.
                return _create_by_open(target, data)
        _sync_folder(target.parent)
        return True

    def exists(self, path: str) -> bool:
        """See :class:`Files`."""
        return inside(self.root, path).exists()

    def ls(self, path: str) -> list[str]:
        """See :class:`Files`."""
        try:
            names = [entry.name for entry in inside(self.root, path).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if not name.startswith(TEMPORARY))

    def find(self, path: str) -> list[FileInfo]:
        """See :class:`Files`; symbolic links are left out, half-written files are not."""
        top = inside(self.root, path)
        found = []
        for folder, _, names in os.walk(top, followlinks=False):
            for name in names:
                file = Path(folder) / name
                with suppress(FileNotFoundError):
                    stat = file.lstat()
                    if not file.is_symlink():
                        relative = file.relative_to(self.root).as_posix()
                        found.append(FileInfo(relative, stat.st_size, stat.st_mtime))
        return sorted(found, key=lambda info: info.path)

    def remove_tree(self, path: str) -> None:
        """See :class:`Files`; a symbolic link is removed, never what it points to."""
        # The parent must be inside; the last part itself may be a link, which is only unlinked.
        check_relative(path)
        parent, _, name = path.rpartition("/")
        target = (inside(self.root, parent) if parent else self.root) / name
        if target.is_symlink() or target.is_file():
            target.unlink(missing_ok=True)
        elif target.exists():
            shutil.rmtree(target)

    def local(self, path: str) -> Path | None:
        """See :class:`Files`."""
        return inside(self.root, path)

    @contextmanager
    def _beside(self, target: Path) -> Iterator[Path]:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


class ObjectFiles:
    """A bucket, or memory, through fsspec.

    Replacing an object is one step there. Creating one is a conditional put (``If-None-Match: *``);
    :meth:`~catena.shared.artifacts.store.ArtifactStore.check_exclusive` tells whether the store
    honours it.

    Parameters
    ----------
    filesystem : fsspec filesystem
        With its listing cache off: other processes write too.
    root : str
        Bucket and prefix.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._fs = filesystem
        self._root = root.rstrip("/")

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """See :class:`Files`."""
        return bytes(_asked(self._fs.cat_file, self._full(path), start=start, end=stop))

    def blocks(self, path: str) -> Iterator[bytes]:
        """See :class:`Files`."""
        with _asked(self._fs.open, self._full(path), "rb") as file:
            while block := _asked(file.read, 8 * _BLOCK):
                yield bytes(block)

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """See :class:`Files`; object stores are durable always."""
        _asked(self._fs.pipe_file, self._full(path), data)

    def put(self, path: str, source: Path) -> None:
        """See :class:`Files`."""
        _asked(self._fs.put_file, str(source), self._full(path))

    def create(self, path: str, data: bytes) -> bool:
        """See :class:`Files`."""
        full = self._full(path)
        try:
            # fsspec's memory store looks first and writes after; the lock makes that one step.
            with _MEMORY_LOCK if self._in_memory else nullcontext():
                _asked(self._fs.pipe_file, full, data, mode="create")
        except FileExistsError:
            return False
        except OSError:
            # Two conditional puts in the same moment: S3 may refuse one with "conflict" (409).
            if self.exists(path):
                return False
            raise
        return True

    def exists(self, path: str) -> bool:
        """See :class:`Files`."""
        return bool(_asked(self._fs.exists, self._full(path)))

    def ls(self, path: str) -> list[str]:
        """See :class:`Files`."""
        full = self._full(path)
        try:
            found = _asked(self._fs.ls, full, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {name.rstrip("/").rpartition("/")[2] for name in found if name != full}
        return sorted(name for name in names if name and not name.startswith(TEMPORARY))

    def find(self, path: str) -> list[FileInfo]:
        """See :class:`Files`."""
        try:
            found = _asked(self._fs.find, self._full(path), detail=True)
        except FileNotFoundError:
            return []
        start = len(self._full("")) if self._in_memory else len(self._root) + 1
        return sorted(
            (
                FileInfo(name[start:], int(info["size"]), _modified(info))
                for name, info in found.items()
            ),
            key=lambda info: info.path,
        )

    def remove_tree(self, path: str) -> None:
        """See :class:`Files`."""
        check_relative(path)
        with suppress(FileNotFoundError):
            _asked(self._fs.rm, self._full(path), recursive=True)

    def local(self, path: str) -> Path | None:
        """See :class:`Files`: never."""
        return None

    @property
    def _in_memory(self) -> bool:
        return "memory" in self._fs.protocol

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"


def open_files(url: str) -> tuple[str, Files]:
    """Normal form of a store's URL, and its files.

    Parameters
    ----------
    url : str
        ``file:///folder`` (or an absolute path), ``s3://bucket/prefix`` or ``memory://name``.
        Credentials and endpoint of S3 come from the environment (``AWS_*``), never from the URL.

    Raises
    ------
    InvalidRequest
        For any other URL.
    """
    if url.startswith("/"):
        url = f"file://{url}"
    scheme, separator, rest = url.partition("://")
    rest = rest.rstrip("/")
    if separator and scheme == "file" and rest.startswith("/"):
        return f"file://{rest}", LocalFiles(Path(rest))
    if separator and scheme in ("s3", "memory") and rest.strip("/"):
        import fsspec

        rest = rest.strip("/")
        if "@" in rest or any(part in ("", ".", "..") for part in rest.split("/")):
            raise InvalidRequest(
                f"store: the {scheme} URL has an empty or dotted part or an @; "
                "wanted s3://bucket/prefix, with credentials in the environment"
            )
        if scheme == "memory":
            return f"memory://{rest}", ObjectFiles(fsspec.filesystem("memory"), f"/{rest}")
        filesystem = fsspec.filesystem("s3", use_listings_cache=False)
        return f"s3://{rest}", ObjectFiles(filesystem, rest)
    raise InvalidRequest(
        f"store: got a URL that begins with {url[:12]!r}; "
        "wanted file:///folder, s3://bucket/prefix or memory://name"
    )


_MEMORY_LOCK = threading.Lock()
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def _asked(call: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    # Clients of object stores have exception trees of their own; everything becomes OSError here.
    try:
        return call(*args, **kwargs)
    except (OSError, UnsafePath):
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"the object store failed ({type(error).__name__})") from error


def _modified(info: dict[str, Any]) -> float:
    stamp = info.get("LastModified", info.get("created", 0.0))
    return float(stamp.timestamp() if hasattr(stamp, "timestamp") else stamp)


def _flush(file: Any, durable: bool) -> None:
    file.flush()
    if durable:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may forget the new name though the bytes are safe.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _create_by_open(target: Path, data: bytes) -> bool:
    try:
        with target.open("xb") as file:
            file.write(data)
            _flush(file, durable=True)
    except FileExistsError:
        return False
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return True
