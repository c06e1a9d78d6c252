"""What killed a job's process, as far as can be known afterwards.

A crash in native code (SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL) still lets Python's faulthandler
write one last line to a file. A SIGKILL leaves nothing, which is told as well.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

_open: tuple[Path, BinaryIO] | None = None


def watch(mark: str) -> None:
    """From now on a native crash of this process is noted under `mark`."""
    global _open  # faulthandler is one per process, and so is this
    folder = _folder()
    if folder is None:
        return
    path = folder / mark
    file = path.open("wb")
    faulthandler.enable(file=file, all_threads=False)
    _open = path, file


def forget() -> None:
    """The process ends by itself: remove its file."""
    global _open
    if _open is not None:
        faulthandler.disable()
        path, file = _open
        file.close()
        path.unlink(missing_ok=True)
        _open = None


def cause(mark: str) -> str:
    """Why the process of that mark died, in words; its file is removed."""
    folder = _folder()
    text = b""
    if folder is not None and mark.isalnum():
        with contextlib.suppress(OSError):
            text = (folder / mark).read_bytes()[:200]
            (folder / mark).unlink()
    first = text.decode("ascii", errors="replace").splitlines()[:1]
    if first and first[0].startswith("Fatal Python error: "):
        return f"it crashed in native code ({first[0].removeprefix('Fatal Python error: ')})"
    return "it was killed (SIGKILL; often the machine is out of memory) or left by a bare exit"


def _folder() -> Path | None:
    folder = Path(tempfile.gettempdir()) / f"catena-faults-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # The name can be guessed: somebody else's folder or link is not written to.
    own = status.st_uid == os.getuid() and not folder.is_symlink() and not status.st_mode & 0o077
    return folder if own else None
