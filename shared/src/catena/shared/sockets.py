"""Unix sockets of embedded servers: a private folder, a lock beside each socket.

gRPC itself takes over a socket that another server still uses. The lock (flock) makes a second
server give up instead; the kernel frees it when its holder dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from catena.shared.errors import FailedPrecondition, InvalidRequest

MAX_PATH_BYTES = 107


def check_socket_path(path: Path) -> None:
    """Refuse a path that the kernel would cut off.

    Raises
    ------
    InvalidRequest
        When it has more than 107 bytes.
    """
    size = len(os.fsencode(path))
    if size > MAX_PATH_BYTES:
        raise InvalidRequest(
            f"the socket {path} has {size} bytes in its path, wanted at most {MAX_PATH_BYTES}; "
            "set CATENA_RUN_DIR to a shorter folder"
        )


def private_folder(path: Path) -> Path:
    """Create the folder `path` for this user only, or check that it is one.

    Raises
    ------
    FailedPrecondition
        When it belongs to somebody else, is a link, or lets others in.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise FailedPrecondition(
            f"{path} is not a folder of this user; set CATENA_RUN_DIR to another one"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise FailedPrecondition(
            f"{path} has mode {mode:04o}, wanted 0700, so that nobody else reaches the sockets; "
            f"run `chmod 700 {path}` or set CATENA_RUN_DIR to another folder"
        )
    return path


class SocketLock:
    """Right to listen on the Unix socket `path`, held until :meth:`release` or the process's end.

    Raises
    ------
    InvalidRequest
        When the path is too long.
    FailedPrecondition
        When another server listens there, or the folder is not private.
    """

    def __init__(self, path: Path) -> None:
        check_socket_path(path)
        private_folder(path.parent)
        self.path = path
        lock = path.with_name(path.name + ".lock")
        self._fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise FailedPrecondition(
                f"another server (process {holder}) already listens on {path}; stop it with "
                "`catena down`, or set CATENA_RUN_DIR for a second one"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())
        self._remove_stale()

    def _remove_stale(self) -> None:
        # Only with the lock held: whoever made this socket is gone.
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            self._close()
            raise FailedPrecondition(f"{self.path} is not a socket; move it away")
        self.path.unlink()

    def protect(self) -> None:
        """Close the bound socket to other users."""
        self.path.chmod(0o600)

    def release(self) -> None:
        """Remove the socket and let the next server have it."""
        if self._fd >= 0:
            self.path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        # The lock file stays: removing it would let two servers lock two files of one name.
        os.close(self._fd)
        self._fd = -1
