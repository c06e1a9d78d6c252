"""Where compiled extensions lie, and locks that a killed compilation left there.

Torch marks a compilation by a file ``lock`` that it keeps open, and waits for as long as the file
is there: after a ``kill -9``, for ever. Nobody has a stale one open.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from pathlib import Path

from catena.shared.errors import DeadlineExceeded, FailedPrecondition

__all__ = ["extensions_folder", "wait_for_locks"]

log = logging.getLogger(__name__)

_VARIABLE = "TORCH_EXTENSIONS_DIR"
_LOOK_S = 0.2


def extensions_folder() -> Path:
    """Folder that torch compiles extensions into: ``TORCH_EXTENSIONS_DIR``, or one of this user's.

    The variable is set to it, for this process and those that it starts. On this machine, not in
    the home folder: who holds a lock can be seen on the same machine only.

    Raises
    ------
    FailedPrecondition
        When somebody else owns the folder, and could put code there that would be run.
    """
    if os.environ.get(_VARIABLE):
        return Path(os.environ[_VARIABLE])
    folder = Path(tempfile.gettempdir()) / f"catena-extensions-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.stat(follow_symlinks=False)
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise FailedPrecondition(
            f"{folder} can be written by others, and what is in it is run; remove it, or set "
            f"{_VARIABLE} to a folder of your own"
        )
    os.environ[_VARIABLE] = str(folder)
    return folder


def wait_for_locks(folder: Path, timeout_s: float = 600.0) -> None:
    """Return when no extension in `folder` is locked; stale locks are removed.

    Raises
    ------
    DeadlineExceeded
        When a process still compiles after `timeout_s`; names it.
    """
    ends = time.monotonic() + timeout_s
    while True:
        held = _clear(folder)
        if not held:
            return
        if time.monotonic() >= ends:
            lock, process = next(iter(held.items()))
            raise DeadlineExceeded(
                f"process {process} has been compiling {lock.parent.name} in {folder} for more "
                f"than {timeout_s:g} s; wait for it, or end it and start again"
            )
        time.sleep(_LOOK_S)


def _clear(folder: Path) -> dict[Path, int]:
    """Remove locks that nobody has open; the others, with who has."""
    locks = sorted(folder.rglob("lock")) if folder.is_dir() else []
    if not locks or not Path("/proc/self/fd").is_dir():  # else nobody can tell a stale one
        return {}
    held = {}
    # One at a time: or a lock that another one took after removing a stale one would be removed.
    with (folder / ".clearing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for lock in locks:
            process = _holder(lock)
            if process is not None:
                held[lock] = process
            elif lock.exists():
                log.warning("removing a stale lock of extension %s", lock.parent.name)
                lock.unlink(missing_ok=True)
    return held


def _holder(lock: Path) -> int | None:
    """Process that has a file open."""
    wanted = str(lock.resolve())
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(opened.readlink()) == wanted:
                return int(opened.parts[2])
        except OSError:  # another user's, or ended meanwhile
            continue
    return None
