"""Where the embedded system keeps its files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catena.shared.errors import InvalidRequest
from catena.shared.settings import Settings
from catena.shared.sockets import MAX_PATH_BYTES, private_folder

# Ray puts "session_<time>_<pid>/sockets/plasma_store" under the folder that it is given.
_RAY_SOCKET_BYTES = len("/ray/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store")


@dataclass(frozen=True)
class Layout:
    """Files of one installation: short-lived ones in the run folder, logs in the home.

    Parameters
    ----------
    run_dir : Path
        Private folder (0700) of sockets and process records.
    logs : Path
        Folder of the logs.
    """

    run_dir: Path
    logs: Path

    @classmethod
    def of(cls, settings: Settings) -> Layout:
        """Layout of these settings; creates nothing."""
        return cls(run_dir=settings.run_dir, logs=settings.home / "logs")

    def prepare(self) -> None:
        """Create the folders.

        Raises
        ------
        InvalidRequest
            When Ray's sockets would have a path longer than the kernel takes.
        FailedPrecondition
            When the run folder lets other users in.
        """
        size = len(os.fsencode(self.run_dir)) + _RAY_SOCKET_BYTES
        if size > MAX_PATH_BYTES:
            raise InvalidRequest(
                f"sockets under {self.run_dir} would have {size} bytes in their path, wanted at "
                f"most {MAX_PATH_BYTES}; set CATENA_RUN_DIR to a folder with a path of at most "
                f"{MAX_PATH_BYTES - _RAY_SOCKET_BYTES} bytes, e.g. /tmp/catena"
            )
        private_folder(self.run_dir)
        self.logs.mkdir(parents=True, exist_ok=True)

    @property
    def lock(self) -> Path:
        """Held (flock) by the one supervisor."""
        return self.run_dir / "supervisor.lock"

    @property
    def state(self) -> Path:
        """What runs, written by the supervisor."""
        return self.run_dir / "state.json"

    @property
    def ray_record(self) -> Path:
        """The Ray that was started here."""
        return self.run_dir / "ray.json"

    @property
    def ray_token(self) -> Path:
        """Key of that Ray (0600)."""
        return self.run_dir / "ray.token"

    @property
    def ray_dir(self) -> Path:
        """Ray's own folder: sessions, sockets, logs."""
        return self.run_dir / "ray"

    def log(self, part: str) -> Path:
        """Log of `part`: supervisor, ray, or a service."""
        return self.logs / f"{part}.log"


def open_log(path: Path, keep_bytes: int = 16 * 2**20) -> int:
    """File descriptor that appends to the log `path`; a large one is set aside first."""
    if path.exists() and path.stat().st_size > keep_bytes:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def spawn(
    layout: Layout,
    part: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start the process of `part`: in a session of its own, its output in the part's log.

    Ctrl-C in a terminal is for the user's command alone, so it must not reach this session.

    Parameters
    ----------
    layout : Layout
    part : str
        Name of the log: supervisor, ray, or a service.
    command : sequence of str
    env : mapping of str to str, optional
        By default this process's.
    stdin : int
        As `subprocess.Popen` takes it; nothing by default.
    """
    log = open_log(layout.log(part))
    try:
        return subprocess.Popen(
            command,
            env=env,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd=layout.run_dir,
            start_new_session=True,
        )
    finally:
        os.close(log)


def tail(path: Path, lines: int = 15) -> str:
    """Last lines of the log `path`, for an error message on this machine's terminal."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
