"""Data-ingest's jobs, from a request to an artifact, without Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from catena.data_ingest import jobs, queries
from catena.data_ingest.sources.base import ArchiveFile, Description, Entry, Found
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.catalog import Catalog
from catena.shared.checks import Finding
from catena.shared.errors import InvalidData, InvalidRequest, Unavailable
from catena.shared.hot_cache import HotCache
from catena.shared.testing import run_job


def planted(model: str, bias: float = 0.0, years: int = 20) -> xr.Dataset:
    """Monthly temperature of a model, descending in latitude and labelled in degrees Celsius."""
    time = pd.date_range("1981-01-01", periods=12 * years, freq="MS")
    lat, lon = np.arange(85.0, -90, -10.0), np.arange(0.0, 360, 10.0)
    month = time.month.values[:, None, None]
    shape = 30 * np.cos(np.radians(lat))[:, None] + 0 * lon
    noise = np.random.default_rng(len(model)).normal(0, 1, (time.size, lat.size, lon.size))
    season = 10 * np.sin(np.radians(lat))[:, None] * np.cos((month - 7) * np.pi / 6)
    values = shape - 10 + bias + season + noise
    return xr.Dataset(
        {"tas": (("time", "lat", "lon"), values.astype(np.float32), {"units": "degC"})},
        coords={
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
        attrs={"frequency": "mon"},
    ).chunk({"time": 60})


class Models:
    """A source of three models, one broken file and one page of text."""

    name: ClassVar[str] = "cmip6"
    biases: ClassVar[dict[str, float]] = {"A": 0.1, "B": 0.3, "C": 12.0}

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.broken: set[str] = set()

    def search(self, archive: object, facets: Any = None) -> Found:
        entries = [
            Entry(
                f"M.{name}",
                (ArchiveFile(f"{name}/tas.nc", 100),),
                "cmip6",
                {"source_id": name, "experiment_id": "historical", "table_id": "Amon"},
            )
            for name in (*self.biases, "broken")
        ]
        text = Finding("layout", "refused", "text", "data", file="README", variable="-")
        return Found(tuple(entries), (text,))

    def describe(self, archive: object, entry: Entry) -> Description:
        raise AssertionError("an ingest describes nothing")

    def open(self, archive: object, entry: Entry) -> xr.Dataset:
        name = entry.key[2:]
        self.opened.append(name)
        if name in self.broken:
            raise Unavailable("the archive does not answer")
        if name == "broken":
            raise InvalidData("file broken/tas.nc is cut short: found 10 bytes, wanted 100")
        return planted(name, self.biases[name])


class Reference(Models):
    biases: ClassVar[dict[str, float]] = {"ERA": 0.0}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}/store")


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Models:
    made = Models()
    monkeypatch.setattr(jobs, "open_source", lambda query, **_: (made, None))
    return made


def run(function: Any, model: Any, store: ArtifactStore, **request: Any) -> Artifact:
    return store.open(run_job(function, model.from_plain(request), store))


def ingest(store: ArtifactStore, day: str = "2026-01-01", **more: Any) -> Artifact:
    request = {"source": "cmip6", "location": "/archive", "as_of": day, **more}
    return run(jobs.ingest_dataset, queries.IngestDatasetQuery, store, **request)


def ref(artifact: Artifact) -> dict[str, str]:
    return {"uri": artifact.uri, "digest": artifact.manifest.digest, "kind": artifact.kind}


def test_good_data_are_kept_in_canonical_form_and_the_rest_is_named(
    store: ArtifactStore, source: Models
) -> None:
    artifact = ingest(store)
    said = read_ingest(artifact)
    assert [row["key"] for row in said["datasets"]] == ["M.A", "M.B", "M.C"]
    outcomes = {row["file"]: (row["outcome"], row["refused"]) for row in said["files"]}
    assert {name for name, (outcome, _) in outcomes.items() if outcome == "refused"} == {
        "README",
        "broken/tas.nc",
    }
    assert "found 10 bytes, wanted 100" in outcomes["broken/tas.nc"][1][0]
    row, data = next(iter(open_datasets(artifact)))
    assert artifact.manifest.units == {"tas": "K"} and row["mode"] == "copy"
    truth = planted("A", 0.1)["tas"].sortby("lat").values + np.float32(273.15)
    shifted = np.roll(truth, 18, axis=2)  # longitudes begin at -180
    np.testing.assert_allclose(data["tas"].values, shifted, rtol=0, atol=1e-3)
    assert data["lat"].values[0] == -85 and data["lon"].values[0] == -180


def test_the_same_archive_gives_the_same_digest(tmp_path: Path, source: Models) -> None:
    digests = {
        ingest(ArtifactStore(f"file://{tmp_path}/{name}")).manifest.digest for name in ("a", "b")
    }
    assert len(digests) == 1


def test_what_was_finished_is_not_read_again(store: ArtifactStore, source: Models) -> None:
    source.broken.add("C")
    with pytest.raises(Unavailable):
        ingest(store)
    source.broken.clear()
    source.opened.clear()
    artifact = ingest(store)
    assert source.opened == ["C", "broken"]
    assert len(read_ingest(artifact)["datasets"]) == 3
    artifact.verify()


def test_a_catalog_names_every_dataset_and_shows_them(store: ArtifactStore, source: Models) -> None:
    first = ingest(store)
    catalog = run(
        jobs.write_catalog, queries.WriteCatalogQuery, store, datasets=[ref(first)], title="mine"
    )
    table = Catalog(catalog.read_bytes("catalog.parquet"))
    page = table.search({"source_id": ["B"]})
    assert page.total == 1
    [row] = page.rows
    assert (row["variable"], row["units"], row["frequency"]) == ("tas", "K", "mon")
    assert store.exists(f"{row['path']}/zarr.json")
    html = catalog.read_bytes("report.html").decode()
    assert "broken/tas.nc" in html and "Map of" in html
    text = catalog.read_bytes("report.txt").decode()
    assert "units of tas" in text and "README" in text
    assert json.loads(catalog.read_bytes("catalog.json"))["assets"]["column_name"] == "path"


def test_regridding_conserves_and_keeps_the_rest(store: ArtifactStore, source: Models) -> None:
    first = ingest(store)
    moved = run(
        jobs.regrid,
        queries.RegridQuery,
        store,
        dataset=ref(first),
        grid="20deg",
        keys=["M.A"],
    )
    [(row, data)] = list(open_datasets(moved))
    assert row["key"] == "M.A" and data["tas"].shape == (240, 9, 18)
    [(_, before)] = list(open_datasets(first, ["M.A"]))
    for each in (before, data):
        each["weight"] = np.cos(np.radians(each["lat"]))
    assert data["tas"].attrs["units"] == "K"
    fine = before["tas"].isel(time=0)
    edges = np.sin(np.radians(np.arange(-90, 91, 10.0)))
    fine_mean = float((fine.mean("lon") * np.diff(edges)).sum() / 2)
    edges = np.sin(np.radians(np.arange(-90, 91, 20)))
    coarse_mean = float((data["tas"].isel(time=0).mean("lon") * np.diff(edges)).sum() / 2)
    assert coarse_mean == pytest.approx(fine_mean, rel=1e-6)


def test_regridding_without_a_grid_is_refused(store: ArtifactStore, source: Models) -> None:
    first = ingest(store)
    with pytest.raises(InvalidRequest, match=r"M\.X"):
        run(
            jobs.regrid,
            queries.RegridQuery,
            store,
            dataset=ref(first),
            grid="20deg",
            keys=["M.X"],
        )


def test_the_model_that_is_twelve_degrees_too_warm_is_left_out(
    store: ArtifactStore, source: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ingest(store)
    monkeypatch.setattr(jobs, "open_source", lambda query, **_: (Reference(), None))
    reference = ingest(store, "2026-01-02")
    chosen = run(
        jobs.select_models,
        queries.SelectModelsQuery,
        store,
        models=ref(models),
        reference=ref(reference),
    )
    lines = chosen.read_bytes("selection.csv").decode().splitlines()
    kept = {line.split(",")[0]: line.split(",")[2] for line in lines[1:]}
    assert kept == {"A": "yes", "B": "yes", "C": "no"}
    assert chosen.read_bytes("portrait.png").startswith(b"\x89PNG")
    assert chosen.manifest.title == "2 of 3 models are kept"


def test_a_hot_cache_holds_the_values(store: ArtifactStore, source: Models) -> None:
    first = ingest(store)
    cache = run(
        jobs.build_cache,
        queries.BuildCacheQuery,
        store,
        dataset=ref(first),
        keys=["M.A"],
    )
    assert cache.kind == "hot_cache"
    [(_, data)] = list(open_datasets(first, ["M.A"]))
    opened = HotCache.open(cache.local_path("cache"), verify=True)
    assert len(opened) == 240
    np.testing.assert_array_equal(opened.physical(opened.sample(7))[0], data["tas"][7].values)


def test_two_models_are_not_one_cache(store: ArtifactStore, source: Models) -> None:
    first = ingest(store)
    with pytest.raises(InvalidData, match=r"M\.B.*tas.*once"):
        run(jobs.build_cache, queries.BuildCacheQuery, store, dataset=ref(first))
