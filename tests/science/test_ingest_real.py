"""Every file of the real samples is ingested, or refused with a reason; none is silently wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catena.data_ingest import jobs, queries
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.testing import run_job

DATA = Path(os.environ.get("CATENA_DATA") or "absent")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(
        not (DATA / "cmip6").is_dir(), reason="needs CATENA_DATA with cmip6 and the other samples"
    ),
]

FOLDERS = [
    ("cmip6", "cmip6"),
    ("camels", "camels_us"),
    ("camels", "caravan_multimet"),
    ("flux", "flux_sites"),
    ("gridded", "reanalysis"),
    ("daymet", "daymet"),
    ("reservoir", "reservoir"),
]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``ingested(source, folder, mode)``: the artifact, made once."""
    made: dict[tuple[str, str, str], Artifact] = {}
    store = ArtifactStore(f"file://{tmp_path_factory.mktemp('store')}")

    def ingest(source: str, folder: str, mode: str = "copy") -> Artifact:
        key = (source, folder, mode)
        if key not in made:
            query = queries.IngestDatasetQuery.from_plain(
                {
                    "source": source,
                    "location": str(DATA / folder),
                    "mode": mode,
                    "as_of": "2026-01-01",
                }
            )
            made[key] = store.open(run_job(jobs.ingest_dataset, query, store))
        return made[key]

    return ingest


@pytest.mark.parametrize(("source", "folder"), FOLDERS)
def test_every_file_is_in_the_table(ingested: Any, source: str, folder: str) -> None:
    rows = read_ingest(ingested(source, folder))["files"]
    on_disk = {
        path.relative_to(DATA / folder).as_posix()
        for path in (DATA / folder).rglob("*")
        if path.is_file()
    }
    assert {row["file"] for row in rows} == on_disk
    for row in rows:
        assert row["outcome"] in ("ingested", "refused")
        if row["outcome"] == "refused":
            assert row["refused"], row["file"]
        for reason in row["refused"]:
            assert "found " in reason and "wanted " in reason, reason
    assert any(row["outcome"] == "ingested" for row in rows)


@pytest.mark.parametrize(("source", "folder"), FOLDERS)
def test_what_is_kept_is_canonical(ingested: Any, source: str, folder: str) -> None:
    """Names, units, orders and ranges are those of the lexicon, looked at without the checks."""
    from catena.shared.lexicon import variable

    for row, dataset in open_datasets(ingested(source, folder)):
        for name, array in dataset.data_vars.items():
            if str(name).endswith("_bnds"):
                continue
            known = variable(str(name))
            assert array.attrs["units"] == known.units, (row["key"], name)
            values = array.values
            if values.dtype.kind == "f" and np.isfinite(values).any():
                assert np.nanmin(values) >= known.low and np.nanmax(values) <= known.high, (
                    row["key"],
                    name,
                )
        for dim, order in (("lat", 1), ("lon", 1), ("plev", -1), ("time", 1)):
            if dim in dataset.dims and dataset[dim].size > 1:
                steps = np.diff(dataset[dim].values)
                zero = np.zeros(1, steps.dtype)[0] if steps.dtype != object else type(steps[0])(0)
                assert all(step * order > zero for step in steps), (row["key"], dim)
        if "lon" in dataset.coords:
            assert (dataset["lon"] >= -180).all() and (dataset["lon"] < 180).all(), row["key"]


@pytest.mark.parametrize(
    ("source", "folder"), [("cmip6", "cmip6"), ("gridded", "reanalysis"), ("flux", "flux_sites")]
)
def test_references_and_copies_are_equal(ingested: Any, source: str, folder: str) -> None:
    copies = dict(_keyed(ingested(source, folder)))
    references = dict(_keyed(ingested(source, folder, "reference")))
    assert set(copies) == set(references)
    modes = {row["mode"] for row, _ in open_datasets(ingested(source, folder, "reference"))}
    assert "reference" in modes
    for key, copy in copies.items():
        reference = references[key]
        assert set(copy.variables) == set(reference.variables), key
        for name in copy.variables:
            np.testing.assert_array_equal(
                copy[name].values, reference[name].values, err_msg=f"{key} {name}"
            )


def _keyed(artifact: Artifact) -> Any:
    for row, dataset in open_datasets(artifact):
        yield row["key"], dataset


def test_known_cases_are_found(ingested: Any) -> None:
    """The mistakes in these archives that people have found, one by one."""
    flux = read_ingest(ingested("flux", "flux_sites"))
    drivers = {row["key"]: row for row in flux["datasets"] if "elm_site" in row["key"]}
    assert len(drivers) == 5
    for key, row in drivers.items():
        said = {(item["check"], item["action"]) for item in row["findings"]}
        relabelled = ("calendar", "converted") in said
        assert relabelled == ("US-MOz" not in key), key
        humidity = [item for item in row["findings"] if item.get("variable") == "RH"]
        assert any("kg/kg" in item["found"] and item["wanted"] == "'%'" for item in humidity), key
    camels = read_ingest(ingested("camels", "camels_us"))
    caravan = next(row for row in camels["datasets"] if row["key"] == "caravan_era5land")
    assert any(
        item["action"] == "refused" and item.get("variable") == "potential_evaporation"
        for item in caravan["findings"]
    )
    daymet = next(row for row in camels["datasets"] if row["key"] == "daymet")
    assert any(
        item["action"] == "converted" and item["found"].endswith("+86400 s off")
        for item in daymet["findings"]
    )


def test_rain_of_all_products_falls_on_the_same_day(ingested: Any) -> None:
    """After the fix CAMELS Daymet agrees best with Maurer and ERA5-Land at lag 0."""
    opened = {row["key"]: data for row, data in open_datasets(ingested("camels", "camels_us"))}
    for basin in ("01547700", "02064000", "03015500"):
        rain = {
            name: opened[name]["pr"].sel(basin=basin, time=slice("2000-01-05", "2002-12-20"))
            for name in ("daymet", "maurer", "caravan_era5land")
        }
        for other in ("maurer", "caravan_era5land"):
            score = {
                lag: _correlation(rain["daymet"].shift(time=lag).values, rain[other].values)
                for lag in (-1, 0, 1)
            }
            assert max(score, key=lambda lag: score[lag]) == 0, (basin, other, score)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1])


def test_streamflow_is_a_depth_of_water(ingested: Any) -> None:
    """cfs over the basin's area, by hand, for one day of one basin."""
    opened = {row["key"]: data for row, data in open_datasets(ingested("camels", "camels_us"))}
    basin = opened["usgs"].sel(basin="01022500")
    text = (
        DATA / "camels_us/camels_sample_4basins/usgs_streamflow/01022500_streamflow_qc.txt"
    ).read_text()
    _, year, month, day, cfs, _ = text.splitlines()[100].split()
    area = float(
        (
            DATA / "camels_us/camels_sample_4basins/basin_mean_forcing/daymet/"
            "01022500_lump_cida_forcing_leap.txt"
        )
        .read_text()
        .splitlines()[2]
    )
    wanted = float(cfs) * 0.3048**3 * 1000 / area  # kg m-2 s-1
    found = float(basin["streamflow"].sel(time=f"{year}-{month}-{day}"))
    assert found == pytest.approx(wanted, rel=1e-5)


def test_one_catalog_over_all(ingested: Any) -> None:
    made = [ingested(source, folder) for source, folder in FOLDERS]
    query = queries.WriteCatalogQuery.from_plain(
        {
            "title": "all",
            "datasets": [
                {"uri": one.uri, "digest": one.manifest.digest, "kind": one.kind} for one in made
            ],
        }
    )
    store = made[0].store
    catalog = store.open(run_job(jobs.write_catalog, query, store))
    from catena.shared.catalog import Catalog

    table = Catalog(catalog.read_bytes("catalog.parquet"))
    assert table.search({"variable": ["tas"], "source": ["cmip6"]}).total >= 10
    assert table.search({"variable": ["streamflow"]}).total >= 3
    page = catalog.read_bytes("report.html").decode()
    assert page.count("<figure") == 2 or page.count("<svg") + page.count("<img") >= 2
    text = catalog.read_bytes("report.txt").decode()
    for source, _ in FOLDERS:
        assert source in text
