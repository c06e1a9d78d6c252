"""Processes by pid and start time, sessions, and ending them without touching anybody else's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil

_POLL_S = 0.05


@dataclass(frozen=True)
class ProcessRecord:
    """A process that cannot be mistaken for a later one under the same pid.

    Parameters
    ----------
    pid : int
        Process id.
    create_time : float
        When it began, seconds since the epoch, as the kernel tells it.
    """

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Record of the living process `pid`."""
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def from_plain(cls, data: object) -> Self | None:
        """Record out of JSON; None if `data` is not one."""
        if not isinstance(data, dict):
            return None
        try:
            return cls(int(data["pid"]), float(data["create_time"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.create_time) < 0.02
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def signal(self, number: int) -> None:
        """Send the signal `number` if it still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def session_members(leader: ProcessRecord) -> list[ProcessRecord]:
    """Everything that runs in the session which `leader` began.

    The kernel does not give a pid out again while a session of that number has members, so the
    number identifies them even after the leader's death.
    """
    with contextlib.suppress(psutil.Error):
        if abs(psutil.Process(leader.pid).create_time() - leader.create_time) >= 0.02:
            return []  # the pid was given out again, so the session had ended
    found: dict[int, ProcessRecord] = {}
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) != leader.pid:
                continue
            found[process.pid] = ProcessRecord(process.pid, process.create_time())
            # A job may have begun a session of its own; it is still this one's child.
            for child in process.children(recursive=True):
                found[child.pid] = ProcessRecord(child.pid, child.create_time())
        except (OSError, psutil.Error):
            continue
    return [record for record in found.values() if record.alive()]


def wait_for_end(records: Iterable[ProcessRecord], timeout_s: float) -> list[ProcessRecord]:
    """Wait until none of `records` runs; return those that still do after `timeout_s` seconds."""
    left = list(records)
    deadline = time.monotonic() + timeout_s
    while True:
        left = [record for record in left if record.alive()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_S)


def end(records: Iterable[ProcessRecord], grace_s: float) -> list[ProcessRecord]:
    """Ask `records` to end, kill what has not after `grace_s` seconds; return what survived."""
    records = list(records)
    for record in records:
        record.signal(signal.SIGTERM)
    left = wait_for_end(records, grace_s)
    for record in left:
        record.signal(signal.SIGKILL)
    return wait_for_end(left, 5.0)


def kill_session(leader: ProcessRecord) -> list[ProcessRecord]:
    """Kill the session of `leader`, at once; return what survived."""
    known: dict[ProcessRecord, None] = {}
    for _ in range(5):  # what is being killed may still be starting something
        known |= dict.fromkeys(session_members(leader))
        left = [record for record in known if record.alive()]
        if not left:
            return []
        for record in left:
            record.signal(signal.SIGKILL)
        wait_for_end(left, 2.0)
    return [record for record in known if record.alive()]


def read_plain(path: Path) -> dict[str, Any]:
    """JSON object in the file `path`; empty if there is none or it is not whole."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_plain(path: Path, data: dict[str, Any]) -> None:
    """Replace the file `path` as a whole: readers see the old or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
    Path(name).replace(path)
