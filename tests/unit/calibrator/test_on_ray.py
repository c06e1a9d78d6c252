"""The calibrator's jobs in processes of their own, on Ray."""

from __future__ import annotations

from typing import Any

import pytest
from support import calibration as small
from support.site import SUCCEEDED, Site

from catena.api.jobs.v1.jobs_pb2 import Job
from catena.calibrator import jobs, queries
from catena.shared.jobs import JobFunction

pytestmark = pytest.mark.slow


def run(site: Site, function: JobFunction, request: dict[str, Any]) -> Job:
    query = getattr(queries, f"{function.method}Query").from_plain(request)
    job = site.ended(site.manager.submit(function, query).name, timeout_s=240)
    assert job.state == SUCCEEDED, job
    return job


def test_a_job_on_ray_gives_the_digest_that_it_gives_here(site: Site) -> None:
    here = small.small_calibration()
    ensemble = run(site, jobs.import_ensemble, small.import_request(site.store)).artifact
    assert small.plain(ensemble) == here.ensemble
    surrogate = run(site, jobs.train_surrogate, small.surrogate_request(here.ensemble)).artifact
    assert small.plain(surrogate) == here.surrogate
    posterior = run(site, jobs.train_posterior, small.posterior_request(here.surrogate)).artifact
    assert small.plain(posterior) == here.posterior


def test_a_search_finds_cpus_for_its_trials(site: Site) -> None:
    request = {"generated": {"runs": 60, "seed": 1}}
    ensemble = run(site, jobs.import_ensemble, request).artifact
    request = {"ensemble": small.plain(ensemble), "tune": True, "tune_trials": 2, "folds": 2}
    job = run(site, jobs.tune_surrogate, request | {"method": "mlp"})
    assert site.store.open(job.artifact).kind == "surrogate"


def test_bad_data_fail_the_job_and_name_the_field(site: Site) -> None:
    files = small.files() | {"outputs.npy": b"nonsense"}
    request = small.import_request(site.store)
    request["files"]["files"] = small.plain(site.store.put_files(files))
    query = queries.ImportEnsembleQuery.from_plain(request)
    job = site.ended(site.manager.submit(jobs.import_ensemble, query).name)
    assert job.state != SUCCEEDED
    assert b"files.outputs_file" in job.error.SerializeToString()
