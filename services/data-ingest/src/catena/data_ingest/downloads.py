"""Files on this machine, complete or not at all.

What has arrived is kept beside the target under a name that no reader takes (``.tmp-…``), with the
version it belongs to, so that a download goes on where it broke off, also after a ``kill -9``. The
file gets its name when it is complete, checked and on the disk. A lock of the operating system,
which ends with its process, lets one of several processes download while the others wait.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from catena.data_ingest.http import Stat, Stream
from catena.data_ingest.retries import Patience, Transient
from catena.shared.errors import FailedPrecondition, InvalidData, Unavailable

TEMPORARY = ".tmp-"
"""Names that begin so are unfinished files and notes about files; archives do not list them."""

Progress = Callable[[str, int, int | None], None]
"""Told the name of the file, the bytes that are here, and the bytes in all (None: unknown). What
it raises ends the download; what has arrived is kept."""

_LOG = logging.getLogger(__name__)
_LOCK_S = 0.1
_CHANGES = 3


class Remote(Protocol):
    """A file somewhere else."""

    name: str
    """For people: its URL without query."""

    def stat(self) -> Stat:
        """Size and version."""

    def stream(self, start: int, tag: str) -> AbstractContextManager[Stream]:
        """One attempt at its bytes; see :meth:`catena.data_ingest.http.Http.stream`."""


@dataclass(frozen=True)
class _Note:
    """What is known about a file that is here in part or whole."""

    tag: str = ""
    size: int | None = None
    checksum: str = ""
    modified_ns: int = 0

    @classmethod
    def read(cls, path: Path) -> _Note:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        new = path.with_name(f"{path.name}.new")
        new.write_text(json.dumps(asdict(self)), encoding="utf-8")
        new.replace(path)


def download(
    remote: Remote,
    target: Path,
    *,
    size: int | None = None,
    checksum: str = "",
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Bring a file here unless it is here already.

    Parameters
    ----------
    remote : Remote
    target : Path
        Where it is to lie. What is there is kept if it has the checksum, or, without one, if the
        archive still has the same version.
    size : int, optional
        Bytes that it must have.
    checksum : str
        ``sha256:<hex>`` or ``md5:<hex>`` that it must have; empty: unknown.
    progress : callable, optional
    patience : Patience, optional

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    NotFound, Unavailable, FailedPrecondition
        As the archive answers. Unavailable comes after several attempts without a new byte.
    InvalidData
        When the size is another than the catalog's, or the checksum is wrong twice.
    FailedPrecondition
        When the disk has not enough room.
    """
    job = _Download(
        remote, target, size, checksum.lower(), progress or _silent, patience or Patience()
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(job.beside("lock"), job.waiting):
            if not job.is_here():
                job.run()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FailedPrecondition(
                f"{remote.name}: the disk of the cache is full; free space and ask again: "
                "what has arrived is kept"
            ) from error
        raise FailedPrecondition(
            f"{remote.name} cannot be kept in the cache ({error.strerror or 'I/O error'}); "
            "check that its folder can be written"
        ) from error
    return target


def digest(path: Path, algorithm: str) -> str:
    """Checksum of a file as ``<algorithm>:<hex>``."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def check(path: Path, name: str, size: int | None, checksum: str) -> None:
    """Compare a file with what its catalog says.

    Raises
    ------
    InvalidData
        Names the file and both values.
    """
    have = path.stat().st_size
    if size is not None and have != size:
        raise InvalidData(
            f"{name} has {have} bytes, its catalog says {size}; remove the file, or list the "
            "archive again if it has been replaced there"
        )
    if checksum:
        found = digest(path, _algorithm(checksum, name))
        if found != checksum.lower():
            raise InvalidData(
                f"{name} has the checksum {found}, wanted {checksum}; remove the file, or list "
                "the archive again if it has been replaced there"
            )


@dataclass
class _Download:
    remote: Remote
    target: Path
    size: int | None
    checksum: str
    progress: Progress
    patience: Patience

    def beside(self, kind: str) -> Path:
        # Hashed, because a long name would become too long for the file system.
        tag = hashlib.sha256(self.target.name.encode()).hexdigest()[:24]
        return self.target.with_name(f"{TEMPORARY}{tag}.{kind}")

    def waiting(self) -> None:
        """Another process downloads: show how far it is."""
        self.progress(self.remote.name, _bytes(self.beside("part")), self.size)

    def is_here(self) -> bool:
        if not self.target.is_file():
            return False
        stat, note = self.target.stat(), _Note.read(self.beside("note"))
        if self.size is not None and stat.st_size != self.size:
            return False
        known = (note.size, note.modified_ns) == (stat.st_size, stat.st_mtime_ns)
        if self.checksum:
            if known and note.checksum == self.checksum:
                return True
            same = digest(self.target, _algorithm(self.checksum, self.remote.name))
            if same == self.checksum:
                self._note_whole(note.tag if known else "")
                return True
            return False
        try:
            now = self.remote.stat()
        except Unavailable as error:
            _LOG.warning("%s; the copy in the cache is used", error)
            return True
        if known and note.tag:
            return now.tag == note.tag
        return now.size == stat.st_size

    def run(self) -> None:
        found = ""
        for _ in range(2):
            self._fill()
            part = self.beside("part")
            if not self.checksum:
                return self._finish()
            found = digest(part, _algorithm(self.checksum, self.remote.name))
            if found == self.checksum:
                return self._finish()
            # A proxy or a disk may have spoilt it: once more, from the start.
            part.unlink()
        raise InvalidData(
            f"{self.remote.name} came twice with the checksum {found}, its catalog says "
            f"{self.checksum}; nothing of it was kept: list the archive again if it has been "
            "replaced there, or tell its curators"
        )

    def _fill(self) -> None:
        part, note = self.beside("part"), self.beside("part-note")
        before = _Note.read(note)
        have = best = _bytes(part)
        if not (before.tag or self.checksum):
            have = 0  # nothing tells whether what comes now belongs to what is here
        tag = before.tag if have else ""
        whole = self.size if self.size is not None else before.size
        if have and have == whole:
            return
        failures = changes = 0
        with part.open("ab") as file:
            while True:
                try:
                    with self.remote.stream(have, tag) as stream:
                        changes += bool(have and stream.start == 0 and tag and stream.tag != tag)
                        self._check_announced(stream, have, changes)
                        have, tag = stream.start, stream.tag
                        file.truncate(have)
                        _Note(tag, stream.size).write(note)
                        self._receive(file.fileno(), stream, have)
                    break
                except Transient as reason:
                    # What is on the disk counts, whatever was announced.
                    now = _bytes(part)
                    failures = 0 if now > best else failures + 1
                    best = max(best, now)
                    self.patience.wait(failures, reason, self.remote.name)
                    have = now if tag or self.checksum else 0
            os.fsync(file.fileno())

    def _receive(self, descriptor: int, stream: Stream, have: int) -> None:
        whole = self.size if self.size is not None else stream.size
        self.progress(self.remote.name, have, whole)
        for block in stream.blocks:
            view = memoryview(block)
            while view:
                view = view[os.write(descriptor, view) :]
            have += len(block)
            self.progress(self.remote.name, have, whole)
        if whole is not None and have != whole:
            raise Transient(f"it ended after {have} of {whole} bytes")

    def _check_announced(self, stream: Stream, have: int, changes: int) -> None:
        if changes > _CHANGES:
            raise Unavailable(
                f"{self.remote.name} changes faster than it can be read; ask again when its "
                "archive is at rest",
                retry_after_s=self.patience.longest_s,
            )
        if stream.size is None:
            return
        if self.size is not None and stream.size != self.size:
            raise InvalidData(
                f"{self.remote.name} has {stream.size} bytes, its catalog says {self.size}; "
                "list the archive again: the file has been replaced there"
            )
        needed, free = stream.size - stream.start, shutil.disk_usage(self.target.parent).free
        if needed > free + have - stream.start:
            raise FailedPrecondition(
                f"{self.remote.name} needs {needed} more bytes, the disk of the cache has {free} "
                "free; free space and ask again"
            )

    def _finish(self) -> None:
        part = self.beside("part")
        tag = _Note.read(self.beside("part-note")).tag
        part.replace(self.target)
        _sync_folder(self.target.parent)
        self._note_whole(tag)
        self.beside("part-note").unlink(missing_ok=True)

    def _note_whole(self, tag: str) -> None:
        stat = self.target.stat()
        _Note(tag, stat.st_size, self.checksum, stat.st_mtime_ns).write(self.beside("note"))


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One at a time, over all processes of this machine; the file is removed in the end."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    waiting()
                    time.sleep(_LOCK_S)
            if _is_open_at(handle, path):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
        finally:
            os.close(handle)


def _is_open_at(handle: int, path: Path) -> bool:
    """Whether an open file still has its name: else the lock on it is a lock on nothing."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _algorithm(checksum: str, name: str) -> str:
    algorithm, _, value = checksum.partition(":")
    if algorithm not in ("sha256", "md5") or not value:
        raise InvalidData(
            f"{name}: its catalog gives the checksum {checksum[:80]!r}; wanted sha256:<hex> or "
            "md5:<hex>"
        )
    return algorithm


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may forget the new name though the bytes are safe.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _silent(_name: str, _done: int, _whole: int | None) -> None:
    return None
