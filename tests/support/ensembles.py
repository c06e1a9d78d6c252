"""Small ensembles for tests: generated weather, and requests around it."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
import xarray as xr
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


def canonical_weather(cells: int = 2, days: int = 730) -> xr.Dataset:
    """Daily weather in canonical form, without a calendar year's gap."""
    rng = np.random.default_rng(1)
    season = 10 * np.sin(2 * np.pi * (np.arange(days) - 100) / 365)[:, None]
    tas = 283 + season + rng.normal(0, 2, (days, cells))
    values = {
        "tas": (tas, "K"),
        "tasmin": (tas - 5, "K"),
        "tasmax": (tas + 5, "K"),
        "rsds": (180 + 8 * season + 0 * tas, "W m-2"),
        "rlds": (300 + 0 * tas, "W m-2"),
        "huss": (0.002 + 0 * tas, "1"),
        "ps": (98_000 + 0 * tas, "Pa"),
        "pr": (rng.exponential(2e-5, tas.shape), "kg m-2 s-1"),
        "sfcWind": (3 + 0 * tas, "m s-1"),
    }
    times = xr.date_range("2001-01-01", periods=days, calendar="noleap", use_cftime=True)
    made = xr.Dataset(
        {
            name: (("time", "site"), array, {"units": units})
            for name, (array, units) in values.items()
        },
        coords={
            "time": times,
            "site": [f"s{i}" for i in range(cells)],
            "lat": ("site", 38.0 + np.arange(cells)),
            "lon": ("site", -92.0 + np.arange(cells)),
        },
    )
    ends = xr.date_range("2001-01-02", periods=days, calendar="noleap", use_cftime=True)
    made.coords["time_bnds"] = (("time", "bnds"), np.stack([times, ends], axis=1))
    return made


def dataset_artifact(store: ArtifactStore, dataset: xr.Dataset, key: str = "w") -> dict[str, str]:
    """A dataset as data-ingest would keep it, but unchecked: it may be as bad as a test wants."""
    tag = hashlib.sha256(dataset.to_dict().__repr__().encode()).hexdigest()
    writer = store.writer(f"data-ingest/IngestDataset/{tag}", 1)
    name = f"data/{key}.zarr"
    writer.write_dataset(name, dataset)
    variables = [{"name": str(each)} for each in dataset.data_vars]
    writer.write_json(
        "ingest.json", {"datasets": [{"key": key, "name": name, "variables": variables}]}
    )
    return plain(writer.commit(kind="dataset"))
