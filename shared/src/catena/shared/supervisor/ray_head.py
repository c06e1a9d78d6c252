"""The embedded Ray: started, recognised again, and ended, without importing it.

It listens on the loopback interface only and asks for a token that lies in the private run
folder. It runs in a session of its own, so it outlives its supervisor, and everything that belongs
to it can be found by that session (``ray stop`` would end every Ray of this user).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from catena.shared.settings import Settings
from catena.shared.supervisor.layout import Layout, spawn
from catena.shared.supervisor.lease import release
from catena.shared.supervisor.processes import (
    ProcessRecord,
    kill_session,
    read_plain,
    session_members,
    write_plain,
)

# Arrays between processes travel through the artifact store, so Ray's own memory stays small.
_OBJECT_STORE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class RayHead:
    """A Ray that was started here.

    Parameters
    ----------
    process : ProcessRecord
        ``ray start --block``, leader of the session.
    address : str
        host:port of its GCS; empty while it starts.
    jobs : int
        How many jobs it runs at once.
    session : str
        Ray's own name of this start, which no other has; empty while it starts.
    """

    process: ProcessRecord
    address: str
    jobs: int
    session: str = ""

    @classmethod
    def recorded(cls, layout: Layout) -> Self | None:
        """The Ray that the record speaks of, alive or not; None if there is no record."""
        data = read_plain(layout.ray_record)
        process = ProcessRecord.from_plain(data.get("process"))
        if process is None:
            return None
        return cls(
            process,
            str(data.get("address", "")),
            int(data.get("jobs", 0)),
            str(data.get("session", "")),
        )

    def write(self, layout: Layout) -> None:
        """Record it for the next supervisor."""
        write_plain(
            layout.ray_record,
            {
                "process": self.process.to_plain(),
                "address": self.address,
                "jobs": self.jobs,
                "session": self.session,
            },
        )

    def alive(self) -> bool:
        """Whether ``ray start --block`` runs; it ends by itself when a part of Ray dies."""
        return self.process.alive()

    def answers(self) -> bool:
        """Whether its GCS accepts connections."""
        host, _, port = self.address.rpartition(":")
        if not port.isdigit():
            return False
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
        except OSError:
            return False
        return True


def environment(layout: Layout) -> dict[str, str]:
    """Variables for Ray and for those who connect to it."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(layout.ray_token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Despite its name this decides on every system whether a node is known by the loopback
        # address; without it Ray listens on all interfaces and breaks when the network changes.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # A worker warns otherwise for each of its imports.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


def command(layout: Layout, settings: Settings) -> list[str]:
    """Command line that starts Ray and stays with it."""
    return [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
        "--port=0",
        "--node-ip-address=127.0.0.1",
        f"--temp-dir={layout.ray_dir}",
        f"--resources={json.dumps({'catena_job': settings.max_jobs})}",
        "--include-dashboard=false",
        "--include-log-monitor=false",
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
        "--log-color=false",
    ]


def start(
    layout: Layout, settings: Settings, base: Mapping[str, str]
) -> tuple[RayHead, subprocess.Popen[bytes]]:
    """Start a fresh Ray; it has its address later, see :func:`came_up`."""
    token = secrets.token_hex(32)
    layout.ray_token.unlink(missing_ok=True)
    handle = os.open(layout.ray_token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token)
    shutil.rmtree(layout.ray_dir, ignore_errors=True)
    layout.ray_dir.mkdir(mode=0o700)
    child = spawn(
        layout,
        "ray",
        command(layout, settings),
        env={
            **{k: v for k, v in base.items() if not k.startswith("RAY_")},
            **environment(layout),
            # Ray would put all its workers, the keeper of the lease among them, at niceness 15;
            # jobs set their own.
            "RAY_worker_niceness": "0",
            "RAY_START_HOOK": "catena.shared.supervisor.ray_hook.local_only",
        },
    )
    head = RayHead(ProcessRecord.of(child.pid), "", settings.max_jobs)
    head.write(layout)
    return head, child


def came_up(head: RayHead, layout: Layout) -> RayHead | None:
    """A started Ray with its address, once it answers; None before."""
    try:
        address = (layout.ray_dir / "ray_current_cluster").read_text(encoding="ascii").strip()
        session = (layout.ray_dir / "session_latest").resolve().name
    except OSError:
        return None
    found = RayHead(head.process, address, head.jobs, session)
    return found if found.answers() else None


@dataclass(frozen=True)
class Stopped:
    """What :func:`stop` did.

    Parameters
    ----------
    left : list of ProcessRecord
        What could not be ended.
    lease : str
        Holder of the lease that was given back; empty if none was.
    """

    left: list[ProcessRecord]
    lease: str = ""


def stop(layout: Layout, settings: Settings) -> Stopped:
    """End the recorded Ray with all its jobs and give its lease back.

    By SIGKILL: jobs must survive that anyway, Ray keeps nothing that is needed, and asking it first
    takes seconds.
    """
    head = RayHead.recorded(layout)
    if head is None:
        return Stopped([])
    left = kill_session(head.process)
    if left:
        return Stopped(left)
    layout.ray_record.unlink(missing_ok=True)
    layout.ray_token.unlink(missing_ok=True)
    shutil.rmtree(layout.ray_dir, ignore_errors=True)
    return Stopped([], release(settings, head.session))


def members(layout: Layout) -> list[ProcessRecord]:
    """Processes of the recorded Ray, its jobs included."""
    head = RayHead.recorded(layout)
    return session_members(head.process) if head else []
