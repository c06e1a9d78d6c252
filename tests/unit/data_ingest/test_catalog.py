"""Our catalog in the hands of intake-esm: it opens what we wrote, as we wrote it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import intake_esm
import numpy as np
import pytest
import xarray as xr
from kerchunk.hdf import SingleHdf5ToZarr
from support.cmip6_files import days

from catena.shared.artifacts import ArtifactStore
from catena.shared.catalog import Catalog
from catena.shared.catalog_files import CSV, JSON, PARQUET, pack, resolved


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's and intake's own about consolidated metadata
        yield


def _row(dataset: str, variable: str, path: str, **more: Any) -> dict[str, Any]:
    plain = {"source": "cmip6", "dataset": dataset, "variable": variable, "path": path}
    return {**plain, "mode": "copy", "format": "zarr", **more}


@pytest.fixture
def ingested(tmp_path: Path) -> tuple[ArtifactStore, dict[str, xr.Dataset], list[dict[str, Any]]]:
    """Two copies and a reference in a store; one dataset holds two variables."""
    store = ArtifactStore(f"file://{tmp_path / 'store'}")
    datasets = {
        "CMIP6.MIROC6.v1": days(2000).assign(pr=days(2000)["tas"] / 2),
        "CMIP6.CanESM5.v1": days(2001),
        "CMIP6.GFDL-ESM4.v1": days(2002),
    }
    writer = store.writer("data-ingest/IngestDataset/0f", attempt=1)
    rows = []
    for key in list(datasets)[:2]:
        name = f"data/{key}.zarr"
        writer.write_dataset(name, xr.decode_cf(datasets[key]))
        path = f"{writer.uri}/attempts/1/{name}"
        variables = [name for name in ("tas", "pr") if name in datasets[key]]
        rows += [_row(key, variable, path) for variable in variables]
    source = tmp_path / "archive.nc"
    datasets["CMIP6.GFDL-ESM4.v1"].to_netcdf(source, engine="h5netcdf")
    reference = SingleHdf5ToZarr(str(source), inline_threshold=300).translate()
    writer.write_bytes("data/GFDL.json", json.dumps(reference).encode())
    path = f"{writer.uri}/attempts/1/data/GFDL.json"
    rows.append(_row("CMIP6.GFDL-ESM4.v1", "tas", path, mode="reference", format="reference"))
    writer.commit(kind="dataset")
    return store, datasets, rows


def _write(folder: Path, files: dict[str, bytes]) -> str:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return str(folder / JSON)


def test_intake_esm_gives_our_arrays(
    tmp_path: Path,
    ingested: tuple[ArtifactStore, dict[str, xr.Dataset], list[dict[str, Any]]],
) -> None:
    store, datasets, rows = ingested
    location = _write(tmp_path / "out", pack(resolved(rows, store.url)))
    found = intake_esm.esm_datastore(location).search(variable="tas")
    opened = found.to_dataset_dict(progressbar=False)
    assert set(opened) == {f"cmip6.{key}.tas" for key in datasets}
    for key, wanted in datasets.items():
        array = opened[f"cmip6.{key}.tas"]["tas"]
        np.testing.assert_array_equal(array.values, wanted["tas"].values)
        assert array.attrs["units"] == "K"


def test_every_variable_of_a_dataset_opens(
    tmp_path: Path,
    ingested: tuple[ArtifactStore, dict[str, xr.Dataset], list[dict[str, Any]]],
) -> None:
    """Without a search too: joining variables of one store is what intake-esm cannot do."""
    store, datasets, rows = ingested
    location = _write(tmp_path / "out", pack(resolved(rows, store.url)))
    opened = intake_esm.esm_datastore(location).to_dataset_dict(progressbar=False)
    pr = opened["cmip6.CMIP6.MIROC6.v1.pr"]["pr"]
    np.testing.assert_array_equal(pr.values, datasets["CMIP6.MIROC6.v1"]["pr"].values)


def test_both_tables_say_the_same(
    tmp_path: Path,
    ingested: tuple[ArtifactStore, dict[str, xr.Dataset], list[dict[str, Any]]],
) -> None:
    _, _, rows = ingested
    files = pack(rows)
    by_parquet = intake_esm.esm_datastore(_write(tmp_path / "a", files)).df
    plain = json.loads(files[JSON]) | {"catalog_file": CSV}
    files[JSON] = json.dumps(plain).encode()
    by_csv = intake_esm.esm_datastore(_write(tmp_path / "b", files)).df
    assert list(by_csv.columns) == list(by_parquet.columns)
    for name in ("dataset", "variable", "path", "mode", "generated", "fixes"):
        # Text has no booleans: "false" there is False here.
        assert [str(v).lower() for v in by_csv[name]] == [str(v).lower() for v in by_parquet[name]]


def test_intake_esm_and_we_find_the_same_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    words = {
        "variable": ["tas", "pr", "tasmax"],
        "source_id": ["A", "B", "C"],
        "table_id": ["d", "m"],
    }
    rows = []
    for number in range(500):
        chosen = {name: str(random.choice(values)) for name, values in words.items()}
        rows.append(_row(f"d{number}", path=f"p{number}", **chosen))
    files = pack(rows)
    datastore = intake_esm.esm_datastore(_write(tmp_path / "a", files))
    catalog = Catalog(files[PARQUET])
    for query in (
        {"variable": ["tas"]},
        {"variable": ["tas", "pr"], "source_id": ["B"]},
        {"source_id": ["A", "C"], "table_id": ["m"], "variable": ["tasmax"]},
    ):
        theirs = set(datastore.search(**query).df["dataset"])
        ours = {row["dataset"] for row in catalog.search(query, page_size=1000).rows}
        assert ours == theirs and ours
