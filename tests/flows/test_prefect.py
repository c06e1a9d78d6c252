"""The flow in a real Prefect: in this process' own API, and scheduled by a server."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from support.site import until
from support.system import TINY_SITE, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        yield started


def test_the_pinned_versions_are_the_installed_ones() -> None:
    """Newer fastapi breaks Prefect's first flow, newer SQLAlchemy its scheduler."""
    pinned = dict(
        line.strip().split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    for name in ("prefect", "fastapi", "sqlalchemy"):
        assert importlib.metadata.version(name) == pinned[name]


CODE = """
import json, sys
from pathlib import Path
from catena.flows.environment import prepare
from catena.shared.client import Settings
prepare(Settings())
from prefect.client.orchestration import get_client
from catena.flows.calibrate_site import calibrate_site
path = calibrate_site(Path(sys.argv[1]))
with get_client(sync_client=True) as client:
    runs = client.read_flow_runs()
    tasks = client.read_task_runs()
    artifacts = client.read_artifacts()
print("RESULT", json.dumps({
    "path": path,
    "flows": [run.state_name for run in runs],
    "tasks": sorted({task.name.rpartition("-")[0] for task in tasks}),
    "task_states": sorted({task.state_name for task in tasks}),
    "artifacts": {item.key: item.data for item in artifacts},
}))
"""


def test_the_flow_runs_in_prefects_own_api(system: System) -> None:
    """Every step is a task of Prefect, and its artifacts lead to the report."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(system.site_file("own"))],
        env=system.environment,
        cwd=system.folder,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.rpartition("RESULT ")[2])
    page = system.folder / "reports" / "own.html"
    assert found["path"] == str(page)
    assert page.stat().st_size > 10_000
    assert found["flows"] == ["Completed"]
    assert found["task_states"] == ["Completed"]
    assert set(found["tasks"]) == {
        "ensemble",
        "observation",
        "surrogate",
        "posterior",
        "check",
        "mcmc",
        "report",
    }
    assert page.as_uri() in found["artifacts"]["report-own"]
    assert "jobs/calibrator/RunMcmc" in found["artifacts"]["calibration-own"]
    assert "database is locked" not in done.stdout + done.stderr


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


@pytest.fixture
def server(system: System) -> Iterator[PrefectServer]:
    started = PrefectServer(system)
    try:
        yield started
    finally:
        started.close()


def test_a_scheduled_run_of_the_deployment_completes(system: System, server: PrefectServer) -> None:
    """deploy/prefect.yaml as it is, but for the site (a tiny one) and the hour (now)."""
    project = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
    [deployment] = [one for one in project["deployments"] if one["name"] == "us-moz"]
    project["deployments"] = [deployment]
    assert deployment["schedules"], "a deployment without a schedule would never run by itself"
    assert deployment["concurrency_limit"]["limit"] == 1
    site = ROOT / deployment["parameters"]["site"]
    assert site.is_file()
    deployment["parameters"]["site"] = "scheduled.yaml"
    deployment["schedules"] = [{"interval": 60}]
    deployment["entrypoint"] = str(ROOT / deployment["entrypoint"])
    (system.folder / "scheduled.yaml").write_text(TINY_SITE.format(name="scheduled", seed=1))
    (system.folder / "prefect.yaml").write_text(yaml.safe_dump(project))

    pool = deployment["work_pool"]["name"]
    server.run("work-pool", "create", pool, "--type", "process", cwd=system.folder)
    server.run("--no-prompt", "deploy", "--all", cwd=system.folder)
    server.start("worker", "start", "--pool", pool)

    def finished() -> list[Any]:
        found = server.post("flow_runs/filter", sort="EXPECTED_START_TIME_ASC", limit=20)
        return [run for run in found if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]

    def log() -> str:
        return server.log.read_text(errors="replace")[-6000:]

    deadline = time.monotonic() + 300
    while not (runs := finished()) and time.monotonic() < deadline:
        time.sleep(1)
    assert runs, log()
    assert runs[0]["state_type"] == "COMPLETED", log()
    assert runs[0]["auto_scheduled"], "the scheduler made it, nobody asked for it"
    assert (system.folder / "reports" / "scheduled.html").is_file()
    assert "database is locked" not in server.log.read_text(errors="replace")
