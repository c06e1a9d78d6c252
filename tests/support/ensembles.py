"""Small ensembles for tests: generated weather, and requests around it."""

from __future__ import annotations

import functools
from typing import Any

from support.bucket_model import GRASS, TREES

from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.ensemble_runner import jobs, queries
from catena.shared.artifacts import ArtifactStore
from catena.shared.testing import run_job

SURFACE = {
    "pfts": [{"name": TREES, "fraction": 0.75}, {"name": GRASS, "fraction": 0.25}],
    "soil": [{"bottom_m": 1.0, "sand_percent": 40, "clay_percent": 20}],
}


def plain(ref: Any) -> dict[str, str]:
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def weather(store: ArtifactStore, *, sites: int = 3, years: int = 2, **more: Any) -> dict[str, str]:
    """Generated weather, with one site for each of `sites`, all of one climate."""
    settings = {"sites": sites, "years": years, "seed": 1, "climates": ["mediterranean"]}
    query = {"source": "generated_weather", "weather": settings | more}
    return plain(run_job(ingest_dataset, IngestDatasetQuery.from_plain(query), store))


def setup(dataset: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Two years of spin-up, then the record once."""
    made = {
        "forcing": {"dataset": dataset},
        "surfaces": [SURFACE],
        "stages": [{"kind": "final", "years": 2}, {"kind": "transient"}],
    }
    return made | changes


def draw(members: int = 40, **changes: Any) -> dict[str, Any]:
    """Both parameters of the bucket, by a Sobol sequence."""
    made = {
        "members": members,
        "seed": 3,
        "parameters": [{"name": "capacity", "pft": TREES}, {"name": "rate"}],
    }
    return made | changes


def ensemble_query(dataset: dict[str, str], **changes: Any) -> queries.RunEnsembleQuery:
    request = {"model": "bucket", "setup": setup(dataset), "draw": draw()}
    request = {name: value for name, value in (request | changes).items() if value is not None}
    return queries.RunEnsembleQuery.from_plain(request)


def case_query(dataset: dict[str, str], **changes: Any) -> queries.RunCaseQuery:
    request = {"model": "bucket", "setup": setup(dataset)}
    return queries.RunCaseQuery.from_plain(request | changes)


def run(store: ArtifactStore, query: Any, **more: Any) -> Any:
    """The artifact of a request."""
    case = isinstance(query, queries.RunCaseQuery)
    return store.open(run_job(jobs.run_case if case else jobs.run_ensemble, query, store, **more))


@functools.cache
def shared_weather() -> tuple[ArtifactStore, dict[str, str]]:
    """One store with weather of three sites for all tests of a process that only read it."""
    store = ArtifactStore("memory://ensembles")
    return store, weather(store)
