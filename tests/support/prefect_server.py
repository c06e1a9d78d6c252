"""A Prefect server of a test's own, and commands that talk to it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from support.site import until
from support.system import System


class PrefectServer:
    """A Prefect server with a database of its own, and commands that talk to it."""

    def __init__(self, system: System) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        self.folder = system.folder
        self.environment = {
            **system.environment,
            "PREFECT_HOME": str(system.folder / "prefect"),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_CLI_COLORS": "false",
            "DO_NOT_TRACK": "1",
            "NO_PROXY": "127.0.0.1",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self.log = system.folder / "prefect.log"
        self.start("server", "start", "--host", "127.0.0.1", "--port", str(port))
        until(self.answers, "the Prefect server", 180)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health") as reply:
            return bool(reply.status == 200)
        return False

    def start(self, *words: str) -> None:
        """``prefect`` in the background."""
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    self._command(*words),
                    env=self.environment,
                    cwd=self.folder,
                    stdout=log,
                    stderr=log,
                )
            )

    def run(self, *words: str, cwd: Path) -> None:
        """``prefect``, to its end."""
        environment = self.environment | {"PWD": str(cwd)}
        done = subprocess.run(
            self._command(*words),
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "prefect", *words]

    def post(self, path: str, **body: Any) -> Any:
        """Answer of its API."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def close(self) -> None:
        """End everything that was started."""
        for process in reversed(self._processes):
            family = [psutil.Process(process.pid)] if process.poll() is None else []
            for member in [*family, *(c for p in family for c in p.children(recursive=True))]:
                with contextlib.suppress(psutil.Error):
                    member.send_signal(signal.SIGKILL)
            process.wait(20)
