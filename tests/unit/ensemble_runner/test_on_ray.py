"""Ensembles whose members are handed out to Ray."""

from __future__ import annotations

from typing import Any

import pytest
from support import ensembles
from support.bucket_model import TREES
from support.site import SUCCEEDED, Site

from catena.api.jobs.v1.jobs_pb2 import Job
from catena.ensemble_runner.jobs import run_ensemble
from catena.ensemble_runner.queries import RunEnsembleQuery
from catena.shared.artifacts import ArtifactStore

pytestmark = pytest.mark.slow


def query(dataset: dict[str, str], **changes: Any) -> RunEnsembleQuery:
    """1,000 years for 40 members: blocks of 4."""
    return ensembles.ensemble_query(
        dataset,
        model="embedded",
        setup=ensembles.setup(dataset, stages=[{"kind": "final", "years": 240}]),
        draw=ensembles.draw(40, parameters=[{"name": "lf_flab", "low": 0.1, "high": 1.0}]),
        outputs=["GPP", "TOTECOSYSC"],
        frequency="yearly",
        **changes,
    )


def ended(site: Site, asked: RunEnsembleQuery) -> Job:
    return site.ended(site.manager.submit(run_ensemble, asked).name, timeout_s=240)


def test_an_ensemble_on_ray_gives_the_digest_that_it_gives_here(site: Site) -> None:
    asked = query(ensembles.weather(site.store))
    job = ended(site, asked)
    assert job.state == SUCCEEDED, job
    made = site.store.open(job.artifact)
    here = ArtifactStore("memory://ensemble-here")
    ensembles.weather(here)
    assert ensembles.run(here, asked).manifest.digest == made.manifest.digest
    runs = made.open_dataset("runs.zarr")
    assert 0 < runs.attrs["n_ok"] < 40, "some of these members fail, on Ray as here"
    assert len(site.store.list("block")) > 4


def test_an_ensemble_in_which_all_fail_ends_as_failed_with_the_cause(site: Site) -> None:
    dataset = ensembles.weather(site.store)
    table = {"columns": [{"name": "lf_flab", "pft": TREES}], "values": [0.99, 1.0]}
    asked = ensembles.ensemble_query(dataset, model="embedded", draw=None, table=table)
    job = ended(site, asked)
    assert job.state != SUCCEEDED
    assert "all 2 members failed; member 0 in final: " in job.error.message
    assert "lf_flab" in job.error.message
