"""The store as a folder: a local disk or a network file system."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from catena.shared.artifacts.files import BLOCK, FileInfo, check_unchanged
from catena.shared.artifacts.paths import TEMPORARY, check_relative, inside

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


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
            while block := file.read(BLOCK):
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

    def put(self, path: str, source: Path, sha256: str) -> None:
        """See :class:`Files`."""
        target = inside(self.root, path)
        with self._beside(target) as temporary:
            digest = hashlib.sha256()
            with source.open("rb") as origin, temporary.open("xb") as file:
                while block := origin.read(BLOCK):
                    digest.update(block)
                    file.write(block)
                _flush(file, durable=True)
            check_unchanged(digest.hexdigest(), sha256, path)
            temporary.replace(target)
        _sync_folder(target.parent)

    def link(self, source: str, path: str) -> None:
        """See :class:`Files`; files are replaced, never changed, so that a hard link is a copy."""
        origin, target = inside(self.root, source), inside(self.root, path)
        with self._beside(target) as temporary:
            try:
                os.link(origin, temporary, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                shutil.copyfile(origin, temporary)
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
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
