"""The store as a bucket, or in memory, through fsspec."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

from catena.shared.artifacts.files import BLOCK, FileInfo, check_unchanged, hash_file
from catena.shared.artifacts.paths import TEMPORARY, check_relative
from catena.shared.errors import UnsafePath

_IN_MEMORY = 64 << 20
_MEMORY_LOCK = threading.Lock()
_T = TypeVar("_T")


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
            while block := _asked(file.read, 8 * BLOCK):
                yield bytes(block)

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """See :class:`Files`; object stores are durable always."""
        _asked(self._fs.pipe_file, self._full(path), data)

    def put(self, path: str, source: Path, sha256: str) -> None:
        """See :class:`Files`; files too large for memory are checked before and after."""
        if source.stat().st_size <= _IN_MEMORY:
            data = source.read_bytes()
            check_unchanged(hashlib.sha256(data).hexdigest(), sha256, path)
            _asked(self._fs.pipe_file, self._full(path), data)
            return
        check_unchanged(hash_file(source)[0], sha256, path)
        _asked(self._fs.put_file, str(source), self._full(path))
        check_unchanged(hash_file(source)[0], sha256, path)

    def link(self, source: str, path: str) -> None:
        """See :class:`Files`; a bucket copies on its own side."""
        _asked(self._fs.cp_file, self._full(source), self._full(path))

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
