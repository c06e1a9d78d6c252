"""A site whose ensemble is run: weather, runs, calibration and predictive runs, by the command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.system import TINY_RUNS, System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        yield started


def test_from_generated_weather_to_runs_of_the_posterior(system: System) -> None:
    config = system.site_file("runs", text=TINY_RUNS)
    done = system("flow", "run", "calibrate_site", "--config", config)
    page = (system.folder / "reports" / "runs.html").read_text()
    assert "The weather is generated" in page
    assert "ELM itself was not run" in page
    assert "run with 12 draws of the posterior" in page
    jobs = [job["name"].rsplit("/", 1)[0] for job in system.json("jobs", "list")]
    assert jobs.count("ensemble-runner/RunEnsemble") == 2
    assert jobs.count("data-ingest/IngestDataset") == 1
    assert "Traceback" not in done.stdout + done.stderr
    again = system("flow", "run", "calibrate_site", "--config", config)
    assert again.stdout.count("was there already") == len(jobs), "nothing is run twice"
