"""One process at a time on a case: a second one would make, build and submit the same things."""

from __future__ import annotations

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from catena.shared.errors import FailedPrecondition, Unavailable

_POLL_S = 0.2


@contextmanager
def only_one(
    path: Path, what: str, timeout_s: float | None, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Hold a lock file; the system takes the lock back when this process ends, however it ends.

    Parameters
    ----------
    path : Path
        The lock file; it stays, with a line about who held it last.
    what : str
        What is locked, for the message.
    timeout_s : float or None
        How long to wait for another process; None waits until it ends.
    waiting : callable
        Told once who is waited for.

    Raises
    ------
    Unavailable
        When another process still holds it.
    """
    limit = None if timeout_s is None else time.monotonic() + timeout_s
    with path.open("a+") as file:
        told = False
        while not _taken(file.fileno()):
            file.seek(0)
            holder = file.read().strip() or "another process"
            if limit is not None and time.monotonic() >= limit:
                raise Unavailable(
                    f"{holder} works on {what}; wait until it has ended, or end it, and ask again",
                    retry_after_s=60,
                )
            if not told:
                waiting(holder)
                told = True
            time.sleep(_POLL_S)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some parallel file systems are mounted without locks: then nobody can be kept out.
        return True
    return True


@contextmanager
def in_words(case: str) -> Iterator[None]:
    """Errors of the disk with what to do about them.

    Raises
    ------
    FailedPrecondition
        When a file cannot be written or read.
    """
    try:
        yield
    except OSError as error:
        raise FailedPrecondition(
            f"{case}: a file cannot be written or read: {error}; case_root and output_root must be "
            "on disks that can be written and have room; then call again: what has been done is "
            "kept"
        ) from error
