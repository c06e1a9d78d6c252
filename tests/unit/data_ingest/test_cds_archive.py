"""The Climate Data Store as a location: planned first, then asked for month by month."""

from __future__ import annotations

import calendar
import io
import logging
import pickle
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.climate_store import KEY, ClimateStore
from support.http_archive import Drop, HttpArchive, Status

from catena.data_ingest import jobs
from catena.data_ingest.archive import Patience
from catena.data_ingest.describe import describe_dataset
from catena.data_ingest.ingest import Reading, check_size, read_entry
from catena.data_ingest.places import open_source
from catena.data_ingest.queries import DescribeDatasetQuery, IngestDatasetQuery
from catena.data_ingest.sources.base import Archive, Found
from catena.data_ingest.sources.cds_archive import CdsArchive
from catena.data_ingest.sources.cds_datasets import DATASETS
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.data_ingest.vocabulary import facet_table
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from catena.shared.lexicon import lookup
from catena.shared.testing import run_job

FAST = Patience(attempts=3, first_s=0.001, longest_s=0.01)
SINGLE = "reanalysis-era5-single-levels"
SHORT = {"2m_temperature": ("t2m", "K"), "total_precipitation": ("tp", "m")}


def fields(dataset: str, inputs: dict[str, Any]) -> bytes:
    """What the store makes: netCDF, and a packed one where instants and amounts are asked for."""
    made = {name: field(inputs, name) for name in inputs["variable"]}
    if len(made) == 1:
        return next(iter(made.values()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in made.items():
            archive.writestr(f"data_stream-oper_{name}.nc", data)
    return packed.getvalue()


def field(inputs: dict[str, Any], name: str) -> bytes:
    """Hours of the months; values tell the hour since 2019. Laid out as the store does."""
    (year,) = map(int, inputs["year"])
    days = [
        f"{year}-{month}-{day}"
        for month in inputs["month"]
        for day in inputs.get("day", ["01"])
        if int(day) <= calendar.monthrange(year, int(month))[1]
    ]
    times = pd.DatetimeIndex([f"{day}T{hour}" for day in days for hour in inputs["time"]])
    north, west, south, east = inputs.get("area", [1.0, 0.0, 0.5, 0.5])
    short, units = SHORT[name]
    hours = np.asarray((times - pd.Timestamp("2019-01-01")) / pd.Timedelta(hours=1))
    values = 250.0 + hours / 100 if short == "t2m" else 1e-6 * hours
    lats, lons = np.arange(north, south - 0.1, -0.25), np.arange(west, east + 0.1, 0.25)
    shape = (len(times), len(lats), len(lons))
    attrs = {"units": units, "GRIB_stepType": "instant" if short == "t2m" else "accum"}
    block = np.broadcast_to(values[:, None, None], shape)
    return xr.Dataset(
        {short: (("valid_time", "latitude", "longitude"), block.astype("float32"), attrs)},
        coords={
            "valid_time": times,
            "latitude": ("latitude", lats, {"units": "degrees_north"}),
            "longitude": ("longitude", lons, {"units": "degrees_east"}),
            "number": 0,
            "expver": ("valid_time", np.full(len(times), "0001")),
        },
        attrs={"GRIB_centre": "ecmf", "Conventions": "CF-1.7"},
    ).to_netcdf()  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClimateStore]:
    with HttpArchive() as server:
        monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CATENA_ARCHIVES", server.url)
        monkeypatch.setenv("CDSAPI_URL", f"{server.url}/api")
        monkeypatch.setenv("CDSAPI_KEY", KEY)
        monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "none"))
        yield ClimateStore(server, fields)


def query(store: ClimateStore, **more: Any) -> IngestDatasetQuery:
    facets = more.pop("facets", {"variable": ["2m_temperature"], "year": ["2019"], "month": ["2"]})
    named = [{"name": name, "values": values} for name, values in facets.items()]
    if "dataset" not in facets:
        named.append({"name": "dataset", "values": [SINGLE]})
    return IngestDatasetQuery.from_plain(
        {
            "source": "era5",
            "location": f"{store.server.url}/api",
            "as_of": more.pop("as_of", "2026-01-31"),
            "selection": {"facets": named, **more},
        }
    )


class Asked:
    """A request that was searched; what it was told."""

    def __init__(self, request: IngestDatasetQuery, patience: Patience = FAST) -> None:
        self.request = request
        self.said: list[str] = []
        self.source, self.archive = open_source(request, tell=self.said.append, patience=patience)
        self.found: Found = self.source.search(self.archive, facet_table(request.selection.facets))

    def read(self, number: int = 0, archive: Archive | None = None) -> Reading:
        entry = self.found.entries[number]
        return read_entry(self.source, archive or self.archive, entry, self.request.selection)

    def dataset(self) -> xr.Dataset:
        reading = self.read()
        assert reading.dataset is not None, [str(finding) for finding in reading.inspection]
        return reading.dataset.compute()


def test_a_request_becomes_months_of_the_store_and_values(store: ClimateStore) -> None:
    """Canonical names, a period and a box of the selection are what the store is asked for."""
    asked = Asked(
        query(
            store,
            facets={"dataset": [SINGLE]},
            variables=["tas", "pr"],
            start="2019-01-30",
            end="2019-02-02",
            region={"south": 50.0, "north": 50.5, "west": -10.0, "east": -9.5},
        )
    )
    assert isinstance(asked.archive, CdsArchive)
    data = asked.dataset()
    inputs = [inputs for _, inputs in store.inputs.values()]
    assert [one["year"] + one["month"] for one in inputs] == [["2019", "01"], ["2019", "02"]]
    assert inputs[0]["variable"] == ["2m_temperature", "total_precipitation"]
    assert inputs[0]["area"] == [50.5, -10.0, 50.0, -9.5]
    assert inputs[0]["product_type"] == ["reanalysis"]
    # Two packed months became one series of both variables, cut to the four days.
    times = pd.DatetimeIndex(data["time"].values)
    assert (times[0], times[-1], len(times)) == (
        pd.Timestamp("2019-01-30"), pd.Timestamp("2019-02-02T23:00"), 96,
    )  # fmt: skip
    hours = 29 * 24 + np.arange(96)
    np.testing.assert_allclose(data["tas"][:, 0, 0], 250 + hours / 100, rtol=1e-6)
    # The amount of an hour is stamped at its end.
    np.testing.assert_allclose(data["pr"][:, 0, 0], 1e-3 * (hours + 1) / 3600, rtol=1e-5)
    assert any("is running" in line for line in asked.said)
    assert any(" of " in line and "bytes" in line for line in asked.said)


def test_the_dry_run_names_files_and_asks_nothing(
    store: ClimateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDSAPI_KEY")  # it needs no key either
    facets = {"variable": ["2m_temperature"], "year": ["2018", "2019"]}
    request = query(store, facets=facets, end="2019-11-30", start="2018-01-01")
    answer = describe_dataset(
        DescribeDatasetQuery(request=request), ArtifactStore(f"file://{tmp_path}/store")
    )
    assert (answer.total_datasets, answer.total_files, answer.total_bytes) == (1, 23, 0)
    [dataset] = answer.datasets
    assert dataset.key == f"{SINGLE}.reanalysis"
    assert (dataset.start, dataset.end, dataset.files) == ("2018-01-01", "2019-11-30", 23)
    assert [one.name for one in dataset.variables] == ["2m_temperature"]
    assert store.server.requests == []
    asked = Asked(request)
    assert asked.found.entries[0].vocabulary == "era5"
    assert len(asked.archive.find(SINGLE)) == 23
    with pytest.raises(InvalidRequest, match="does not say how large"):
        check_size(asked.found, 1000)


def test_names_are_stable_and_stand_for_what_is_asked(store: ClimateStore) -> None:
    def names(**more: Any) -> set[str]:
        return {file.path for file in Asked(query(store, **more)).archive.find()}

    some = {"variable": ["2m_temperature"]}
    first = names(facets=some, start="2018-12-05", end="2019-03-10")
    longer = names(facets=some, start="2018-01-01", end="2019-03-31")
    assert len(first) == 4 and first < longer, "other days of the same months are the same files"
    box = {"south": 0.0, "north": 1.0, "west": 0.0, "east": 1.0}
    assert not first & names(facets=some, start="2018-12-05", end="2019-03-10", region=box)
    # Early data are replaced by the store: another day asks again.
    late = {"facets": some, "start": "2025-01-01", "end": "2025-12-31"}
    one, other = names(**late, as_of="2026-01-10"), names(**late, as_of="2026-01-20")
    new = sorted(name.partition("reanalysis-2025")[2][:20] for name in one - other)
    assert new == [f"-{month}-as-of-2026-01-10" for month in (10, 11, 12)]
    assert len(one & other) == 9


def test_a_broken_download_goes_on_and_nothing_is_asked_twice(store: ClimateStore) -> None:
    store.server.fail("/files/job-1.nc", Drop(6_000), Drop(2_000))
    first = Asked(query(store)).dataset()
    ranges = [request.headers.get("Range", "") for request in store.server.of("/files/job-1.nc")]
    assert len(ranges) == 3 and ranges[0] == "" and all(ranges[1:])
    assert store.server.sent("/files/job-1.nc") < 1.5 * len(store.content("job-1"))
    # Another job, even without a key or a network, finds the file.
    store.server.always("/files/job-1.nc", Status(500))
    xr.testing.assert_identical(Asked(query(store)).dataset(), first)
    assert store.submitted == 1


def test_after_a_kill_the_accepted_jobs_are_waited_for(store: ClimateStore) -> None:
    facets = {"variable": ["2m_temperature"], "year": ["2019"], "month": ["1", "2", "3"]}
    request = query(store, facets=facets)
    for job in ("job-1", "job-2", "job-3"):
        store.server.always(f"/files/{job}.nc", Status(503))
    with pytest.raises(Unavailable):
        Asked(request).read()
    # All months wait in the queue while the first is worked on.
    assert store.submitted == 3
    store.server._always.clear()
    asked = Asked(request)
    assert asked.dataset().sizes["time"] == 90 * 24
    assert asked.said[0] == "Climate Data Store: waiting again for job job-1"
    assert store.submitted == 3


def test_files_can_be_read_as_those_of_any_archive(store: ClimateStore) -> None:
    asked = Asked(query(store))
    with pytest.raises(NotFound, match="was not planned"):
        asked.archive.local("x.nc")
    [file] = asked.archive.find()
    whole = asked.archive.read(file.path)
    assert whole == fields(*store.inputs["job-1"])
    assert asked.archive.read_range(file.path, 10, 20) == whole[10:20]
    assert asked.archive.bytes_url(file.path).startswith("file://")
    assert asked.archive.url(file.path) == f"{store.server.url}/api/{file.path}"
    again = pickle.loads(pickle.dumps(asked.archive))
    assert again.read(file.path) == whole
    assert KEY.encode() not in pickle.dumps(asked.archive)
    with pytest.raises(NotFound, match="no zarr stores"):
        asked.archive.store(file.path)


def test_everything_wrong_is_said_at_once(store: ClimateStore) -> None:
    facets = {
        "dataset": [SINGLE, "reanalysis-era6"],
        "variable": ["2m_temperature", "t2m"],
        "year": ["1901"],
        "pressure_level": ["500"],
        "area": ["1", "2", "3"],
        "format": ["grib"],
        "time": ["00:30"],
    }
    with pytest.raises(InvalidRequest) as caught:
        Asked(query(store, facets=facets))
    named = {violation.field for violation in caught.value.violations}
    assert named == {f"selection.facets[{name}]" for name in facets}
    for words in ("reanalysis-era6", "t2m", "1901", "no levels", "north first", "format", "00:30"):
        assert words in str(caught.value)
    with pytest.raises(InvalidRequest) as caught:
        Asked(query(store, facets={"dataset": [SINGLE]}))
    assert "[variable] is missing" in str(caught.value)
    assert "[year] is missing" in str(caught.value)
    with pytest.raises(InvalidRequest, match=r"selection.variables got hurs; wanted.*tas"):
        Asked(query(store, facets={"dataset": [SINGLE], "year": ["2019"]}, variables=["hurs"]))
    assert store.server.requests == []


def test_without_a_key_it_is_said_how_to_get_one(
    store: ClimateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDSAPI_KEY")
    with pytest.raises(FailedPrecondition, match=r"CDSAPI_KEY.*cdsapirc.*licence"):
        Asked(query(store)).read()


@pytest.mark.parametrize(("status", "words"), [(401, "the key was refused"), (403, "licence")])
def test_a_refused_key_is_not_shown(
    store: ClimateStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    status: int, words: str,
) -> None:  # fmt: skip
    wrong = "wrong-personal-token"
    monkeypatch.setenv("CDSAPI_KEY", wrong)
    if status == 403:
        store.allowed = lambda request: True  # type: ignore[method-assign]
        store.server.always(f"/api/retrieve/v1/processes/{SINGLE}/execution", Status(403))
    asked = Asked(query(store))
    with caplog.at_level(logging.DEBUG), pytest.raises(FailedPrecondition, match=words) as caught:
        asked.read()
    everything = "".join(traceback.format_exception(caught.value)) + caplog.text
    everything += repr(asked.archive) + "".join(asked.said)
    assert wrong not in everything
    # The drill can fail: the key was sent.
    assert any(r.headers.get("PRIVATE-TOKEN") == wrong for r in store.server.requests)


def test_the_key_goes_to_no_other_address(
    store: ClimateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSAPI_URL", "https://ads.example.org/api")
    request = query(store).model_copy(update={"location": "https://cds.climate.copernicus.eu/api"})
    with pytest.raises(FailedPrecondition, match=r"the key is for https://ads.example.org/api"):
        Asked(request).read()
    # An address that is not the store's is a place of files like any other.
    assert not isinstance(open_source(query(store))[1], CdsArchive)


def test_what_is_no_netcdf_is_not_kept(store: ClimateStore) -> None:
    store.make = lambda dataset, inputs: b"GRIB" + bytes(100)
    asked = Asked(query(store))
    [file] = asked.archive.find()
    for _ in range(2):
        with pytest.raises(InvalidData, match="wanted netCDF"):
            asked.archive.local(file)
    assert store.submitted == 2


def test_monthly_means_are_one_file_a_year(store: ClimateStore) -> None:
    means = f"{SINGLE}-monthly-means"
    facets = {"dataset": [means], "variable": ["2m_temperature"]}
    asked = Asked(query(store, facets=facets, start="2018-07-01", end="2019-12-31"))
    [entry] = asked.found.entries
    assert (len(entry.files), entry.vocabulary) == (2, "era5_monthly")
    assert entry.facets["frequency"] == "mon"
    data = asked.dataset()
    assert data.sizes["time"] == 18
    inputs = store.inputs["job-1"][1]
    assert inputs["product_type"] == ["monthly_averaged_reanalysis"]
    assert inputs["month"] == [f"{month:02d}" for month in range(7, 13)]
    assert inputs["time"] == ["00:00"] and "day" not in inputs


def test_levels_land_and_ensembles_are_asked_as_the_store_wants(store: ClimateStore) -> None:
    when = {"year": ["2019"], "month": ["2"]}
    facets = {
        "dataset": ["reanalysis-era5-pressure-levels"],
        "product_type": ["ensemble_mean"],
        "pressure_level": ["500", "850"],
        **when,
    }
    asked = Asked(query(store, facets=facets, variables=["zg", "ta"]))
    assert asked.found.entries[0].vocabulary == "era5_ensemble"
    [file] = asked.archive.find()
    assert isinstance(asked.archive, CdsArchive)
    inputs = asked.archive._request(file.path).inputs
    assert inputs["variable"] == ["geopotential", "temperature"]
    assert inputs["pressure_level"] == ["500", "850"]
    assert inputs["time"] == [f"{hour:02d}:00" for hour in range(0, 24, 3)]
    with pytest.raises(InvalidRequest, match=r"pressure_level\] is missing"):
        Asked(query(store, facets={k: v for k, v in facets.items() if k != "pressure_level"},
                    variables=["zg"]))  # fmt: skip
    land = {"dataset": ["reanalysis-era5-land"], **when}
    across = {"south": 60.0, "north": 70.0, "west": 170.0, "east": -170.0}
    asked = Asked(query(store, facets=land, variables=["snw"], region=across))
    assert asked.found.entries[0].vocabulary == "era5_land"
    [file] = asked.archive.find()
    inputs = asked.archive._request(file.path).inputs  # type: ignore[attr-defined]
    assert inputs["variable"] == ["snow_depth_water_equivalent"]
    assert "product_type" not in inputs
    assert inputs["area"] == [70.0, 170.0, 60.0, 190.0]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_the_lexicon_knows_all_that_can_be_asked_for(name: str) -> None:
    """What it does not know would be refused after hours in the queue."""
    dataset = DATASETS[name]
    for product in dataset.products.values():
        for variable in dataset.variables:
            word = {"snow_depth": "sd"}.get(variable, variable)
            assert lookup(product.vocabulary, word) is not None, (product.vocabulary, variable)


def test_offline_the_store_is_the_mirror_of_its_files(
    store: ClimateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache is laid out as a mirror is."""
    request = query(store)
    kept = Asked(request).dataset()
    monkeypatch.setenv("CATENA_MIRROR", str(tmp_path / "home" / "cache" / "archives"))
    source, archive = open_source(request)
    [entry] = source.search(archive).entries
    reading = read_entry(source, archive, entry, request.selection)
    assert reading.dataset is not None
    np.testing.assert_array_equal(reading.dataset["tas"], kept["tas"])


def test_a_job_keeps_a_copy_and_says_how_far_the_store_is(
    store: ClimateStore, tmp_path: Path
) -> None:
    """A copy even where a reference was asked for: a cache is no place to refer to."""
    store.plan = ["successful"]
    artifacts = ArtifactStore(f"file://{tmp_path}/store")
    request = query(store, start="2019-02-01", end="2019-02-03").model_copy(
        update={"mode": "reference"}
    )
    artifact = artifacts.open(run_job(jobs.ingest_dataset, request, artifacts))
    [(row, data)] = open_datasets(artifact)
    assert (row["key"], row["mode"]) == (f"{SINGLE}.reanalysis", "copy")
    hours = 31 * 24 + np.arange(72)
    np.testing.assert_allclose(data["tas"][:, 0, 0], 250 + hours / 100, rtol=1e-6)
    assert "makes on request" in str(row["findings"])
    [file] = read_ingest(artifact)["files"]
    assert file["outcome"] != "refused"
    assert file["file"].startswith(f"{SINGLE}/reanalysis-2019-02-")
