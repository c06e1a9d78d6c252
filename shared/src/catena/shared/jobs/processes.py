"""Processes of a job: found by a mark that children inherit, ended without leaving any behind."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from typing import Any, Self

import psutil

VARIABLE = "CATENA_JOB_MARK"
"""Environment variable that every process started by a job carries."""


@dataclass(frozen=True)
class JobProcess:
    """The process of one attempt, told apart from any later one with the same number.

    Parameters
    ----------
    host, node : str
        Name of the machine, and its identity in Ray.
    pid : int
    created : float
        Time of its start, as the system counts it.
    mark : str
        Value of ``CATENA_JOB_MARK`` in its children.
    """

    host: str
    node: str
    pid: int
    created: float
    mark: str

    @classmethod
    def current(cls, node: str = "") -> Self:
        """This process; whatever it starts from now on is marked as its own."""
        mark = secrets.token_hex(16)
        os.environ[VARIABLE] = mark
        return cls(socket.gethostname(), node, os.getpid(), psutil.Process().create_time(), mark)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What :meth:`to_record` gave."""
        return cls(
            host=str(record["host"]),
            node=str(record["node"]),
            pid=int(record["pid"]),
            created=float(record["created"]),
            mark=str(record["mark"]),
        )

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def alive(self) -> list[psutil.Process]:
        """It, its descendants and whatever else here carries its mark; never the caller."""
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self.pid)
            # The system derives the time from its uptime: it may differ in the last digits. Of this
            # very process only what carries the mark counts: a test runs other things beside a job.
            if self.pid != os.getpid() and abs(own.create_time() - self.created) < 1.0:
                for process in [own, *own.children(recursive=True)]:
                    found[process.pid] = process
        for process in psutil.process_iter():
            # Grandchildren whose parent has ended hang below init, but still carry the mark.
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(VARIABLE) == self.mark:
                    found[process.pid] = process
        found.pop(os.getpid(), None)
        return [process for process in found.values() if _runs(process)]

    def end(self, timeout_s: float) -> bool:
        """Kill all of :meth:`alive`, again and again until none is left; False if some stay."""
        deadline = time.monotonic() + timeout_s
        while processes := self.alive():
            if time.monotonic() > deadline:
                return False
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(processes, timeout=0.2)
        return True


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
