"""A private Ray cluster for tests: own port, own folder, own token, ended by process id."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

_MARK = "RAY_AUTH_TOKEN_PATH"
TESTS = Path(__file__).parent.parent


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RayCluster:
    """``ray start --head --block`` in a process group of its own.

    Several of them may live side by side on one machine; none touches another's processes.

    Parameters
    ----------
    num_cpus : int
        CPUs that Ray may give away.
    max_jobs : int
        Amount of the resource ``catena_job``.
    environment : dict, optional
        Further variables for Ray and, through it, for all of its workers.
    """

    def __init__(
        self, num_cpus: int = 2, max_jobs: int = 2, environment: dict[str, str] | None = None
    ) -> None:
        self.num_cpus = num_cpus
        self.max_jobs = max_jobs
        # Short: Ray puts Unix sockets below it, and a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="cr-", dir="/tmp"))
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        self.client_environment = {
            "RAY_AUTH_MODE": "token",
            _MARK: str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[int, float] = {}
        self.address = ""

    def start(self) -> RayCluster:
        """Start Ray and wait until it answers."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        environment = {
            **os.environ,
            **self.client_environment,
            **self._environment,
            # Ray would put its workers, and so the keeper of the lease, at niceness 15.
            "RAY_worker_niceness": "0",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")])
            ),
        }
        command = [
            str(Path(sys.executable).parent / "ray"),
            "start",
            "--head",
            "--block",
            "--node-ip-address=127.0.0.1",
            f"--port={port}",
            f"--num-cpus={self.num_cpus}",
            f"--resources={json.dumps({'catena_job': self.max_jobs})}",
            "--object-store-memory=150000000",
            "--include-dashboard=false",
            "--include-log-monitor=false",
            "--disable-usage-stats",
            f"--temp-dir={self.folder / 'r'}",
        ]
        with (self.folder / "ray.out").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while b"Ray runtime started" not in (self.folder / "ray.out").read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = (self.folder / "ray.out").read_text(errors="replace")
                self.stop()
                raise RuntimeError(f"Ray did not start:\n{output}")
            time.sleep(0.05)
        return self

    def processes(self) -> list[psutil.Process]:
        """Every living process of this cluster: Ray's own, its workers and their children."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(self._process.pid)
                for process in [root, *root.children(recursive=True)]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        self._known[process.pid] = process.create_time()
        mark = str(self.folder / "token")
        for process in psutil.process_iter():
            # Orphans: what lost its parent still carries the path of this cluster's token.
            with contextlib.suppress(psutil.Error):
                if process.pid not in self._known and process.environ().get(_MARK) == mark:
                    words = process.cmdline()
                    if any(w.startswith("ray::") or "/site-packages/ray/" in w for w in words):
                        self._known[process.pid] = process.create_time()
        alive = []
        for pid, created in self._known.items():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive

    def kill(self) -> None:
        """SIGKILL to every process of the cluster at once, as when a machine is lost."""
        victims = self.processes()
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(victims, timeout=10)
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None
        self._known.clear()

    def stop(self) -> None:
        """Kill the cluster and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
