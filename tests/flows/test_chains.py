"""Whole flows on one running system: by the command, in a process' own API, and scheduled."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.prefect_server import PrefectServer
from support.system import TINY_RUNS, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
ALL_JOBS = ("jobs", "list", "--limit", "1000")


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
    runs = [run for run in client.read_flow_runs() if run.parameters["site"] == sys.argv[1]]
    tasks = [task for task in client.read_task_runs() if task.flow_run_id == runs[0].id]
    artifacts = client.read_artifacts()
print("RESULT", json.dumps({
    "path": path,
    "flows": [run.state_name for run in runs],
    "tasks": sorted({task.name.rpartition("-")[0] for task in tasks}),
    "task_states": sorted({task.state_name for task in tasks}),
    "artifacts": {item.key: item.data for item in artifacts},
}))
"""


def test_from_generated_weather_to_runs_of_the_posterior_in_prefects_own_api(
    system: System,
) -> None:
    """Every step is a task of Prefect, and its artifacts lead to the report."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(system.site_file("own", text=TINY_RUNS))],
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
    assert set(found["tasks"]) >= {
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
    assert "Traceback" not in done.stdout + done.stderr
    words = page.read_text()
    assert "The weather is generated" in words
    assert "ELM itself was not run" in words
    assert "run with 12 draws of the posterior" in words
    jobs = [job["name"].rsplit("/", 1)[0] for job in system.json(*ALL_JOBS)]
    assert jobs.count("ensemble-runner/RunEnsemble") == 2
    assert jobs.count("data-ingest/IngestDataset") == 1


@pytest.fixture
def server(system: System) -> Iterator[PrefectServer]:
    started = PrefectServer(system)
    try:
        yield started
    finally:
        started.close()


def test_a_scheduled_run_of_the_deployment_completes(system: System, server: PrefectServer) -> None:
    """deploy/prefect.yaml as it is, but for the site (a tiny one) and the hour (now).

    The site is that of the run before, whose results it takes: only its page has another name.
    """
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
    (system.folder / "scheduled.yaml").write_text(TINY_RUNS.format(name="scheduled", seed=1))
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


def test_from_weather_to_files_that_pass_the_protocols_checklist(system: System) -> None:
    """On generated data."""
    plain = yaml.safe_load((ROOT / "deploy" / "callmip" / "generated.yaml").read_text())
    plain["draw"]["members"] = 40
    plain["sites"][0]["tower"]["synthetic"]["member"] = 30
    plain["mcmc"] = {"method": "nuts", "chains": 2, "draws": 100, "warmup": 50}
    path = system.folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(plain))
    system("flow", "run", "callmip", "--config", path)
    folder = system.folder / "reports" / "callmip" / "generated"
    found = json.loads((folder / "submission.json").read_text())
    assert found["checklist_failures"] == 0 and found["synthetic"]
    files = sorted(file.name for file in folder.glob("*.nc"))
    assert files == [
        f"catena-embedded.0.1_Phase1b_Scen1_US-MMS_Cal_{stage}.nc"
        for stage in ("Posterior", "Prior")
    ]
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "catena"), "callmip", "check",
         str(folder / files[0])],
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
