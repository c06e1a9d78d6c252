"""intake-esm datastores with zarr and netCDF assets elsewhere, as Pangeo publishes them."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import s3fs
import xarray as xr
from support.cmip6_files import days, drs_path, write_year
from support.http_archive import HttpArchive, Status

from catena.data_ingest.archive import Patience, open_archive
from catena.data_ingest.http import Http
from catena.data_ingest.sources.cmip6 import Cmip6, special_archive
from catena.data_ingest.sources.cmip6_datastore import DatastoreArchive
from catena.data_ingest.sources.order import Order
from catena.shared.errors import InvalidData

FAST = Patience(attempts=3, first_s=0.0, longest_s=0.01)
COLUMNS = (
    "activity_id", "institution_id", "source_id", "experiment_id", "member_id", "table_id",
    "variable_id", "grid_label",
)  # fmt: skip


def description(**changes: Any) -> bytes:
    """The JSON of the Pangeo catalog, with its columns."""
    names = [*COLUMNS, "version", "dcpp_start_year"]
    plain = {
        "esmcat_version": "0.1.0",
        "id": "pangeo-cmip6",
        "catalog_file": "pangeo-cmip6.csv.gz",
        "attributes": [{"column_name": name, "vocabulary": ""} for name in names],
        "assets": {"column_name": "zstore", "format": "zarr"},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": ["source_id", "experiment_id", "table_id", "grid_label"],
            "aggregations": [{"type": "union", "attribute_name": "variable_id"}],
        },
    }
    return json.dumps({**plain, **changes}).encode()


def line(
    zstore: str,
    *,
    source: str = "MIROC6",
    member: str = "r1i1p1f1",
    version: str = "20191016",
    year: str = "",
    variable: str = "tas",
) -> str:
    facets = ("CMIP", "MIROC", source, "historical", member, "day", variable, "gn")
    return ",".join([*facets, zstore, year, version])


def table(*lines: str) -> bytes:
    head = ",".join([*COLUMNS, "zstore", "dcpp_start_year", "version"])
    return gzip.compress("\n".join([head, *lines, ""]).encode())


def store_path(source: str, version: str, variable: str = "tas") -> str:
    return f"CMIP6/CMIP/MIROC/{source}/historical/r1i1p1f1/day/{variable}/gn/{version}/"


def publish(folder: Path, *lines: str, **changes: Any) -> None:
    (folder / "pangeo-cmip6.json").write_bytes(description(**changes))
    (folder / "pangeo-cmip6.csv.gz").write_bytes(table(*lines))


def write_store(folder: Path, source: str, version: str, year: int) -> None:
    attrs = {"source_id": source}
    path = folder / store_path(source, version)
    days(year, attrs=attrs).to_zarr(path, zarr_format=2, consolidated=True)


def archive_of(location: str, tmp_path: Path) -> DatastoreArchive:
    opener = partial(open_archive, cache=tmp_path / "cache", patience=FAST)
    found = special_archive(Order(location, opener, Http(patience=FAST)))
    assert isinstance(found, DatastoreArchive)
    return found


@pytest.fixture
def pangeo(http_archive: HttpArchive, archive_folder: Path) -> HttpArchive:
    url = http_archive.url
    write_store(archive_folder, "MIROC6", "v20191016", 2000)
    write_store(archive_folder, "MIROC6", "v20180101", 1990)
    write_store(archive_folder, "CanESM5", "v20190429", 2000)
    publish(
        archive_folder,
        line(f"{url}/{store_path('MIROC6', 'v20191016')}"),
        line(f"{url}/{store_path('MIROC6', 'v20180101')}", version="20180101"),
        # A mirror of the same store is the same dataset.
        line(f"{url}/mirror/{store_path('MIROC6', 'v20191016')}"),
        line(f"{url}/{store_path('CanESM5', 'v20190429')}", source="CanESM5", version="20190429"),
        line("gs://cmip6/x/", member="r2i1p1f1", year="1960.0"),
    )
    return http_archive


def test_the_newest_stores_are_found_and_opened(pangeo: HttpArchive, tmp_path: Path) -> None:
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive, {"source_id": ["MIROC6"], "member_id": ["r1i1p1f1"]})
    assert [entry.key for entry in found.entries] == [
        "CMIP6.CMIP.MIROC.MIROC6.historical.r1i1p1f1.day.tas.gn.v20191016"
    ]
    dataset = Cmip6().open(archive, found.entries[0])
    assert dataset["tas"].chunks is not None
    with xr.open_zarr(pangeo.folder / store_path("MIROC6", "v20191016")) as wanted:
        assert dataset["tas"].equals(wanted["tas"].assign_coords(dataset["tas"].coords))
    assert Cmip6().describe(archive, found.entries[0]).end.startswith("2000-12-31")


def test_all_rows_are_accounted_for(pangeo: HttpArchive, tmp_path: Path) -> None:
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive)
    assert found.files == len(archive.find()) == 5
    assert sorted(item.check for item in found.refused) == ["duplicate", "version"]


@pytest.mark.parametrize(
    ("facets", "keys"),
    [
        ({"source_id": ["Can*"]}, ["CanESM5"]),
        ({"source_id": ["Can*", "MIROC?"], "member_id": ["r1*"]}, ["CanESM5", "MIROC6"]),
        ({"dcpp_start_year": ["1960"]}, ["s1960-r2i1p1f1"]),
        ({"member_id": ["s1960-*"]}, ["s1960-r2i1p1f1"]),
        ({"version": ["v2018*"]}, ["v20180101"]),
        ({"frequency": ["mon"]}, []),
        ({"source_id": ["M.*"]}, []),
    ],
)
def test_searching(
    pangeo: HttpArchive, tmp_path: Path, facets: dict[str, list[str]], keys: list[str]
) -> None:
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    found = [entry.key for entry in Cmip6().search(archive, facets).entries]
    assert len(found) == len(keys)
    assert all(word in key for word, key in zip(keys, found, strict=True))


def test_a_server_that_stumbles_is_asked_again(pangeo: HttpArchive, tmp_path: Path) -> None:
    pangeo.fail("/pangeo-cmip6.csv.gz", Status(503, retry_after=0))
    pangeo.fail(f"/{store_path('CanESM5', 'v20190429')}.zmetadata", Status(503, retry_after=0))
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive, {"source_id": ["CanESM5"]})
    assert Cmip6().open(archive, found.entries[0]).sizes["time"] == 365


def test_a_missing_store_is_named(pangeo: HttpArchive, tmp_path: Path) -> None:
    folder = pangeo.folder / store_path("CanESM5", "v20190429")
    folder.rename(folder.parent / "gone")
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive, {"source_id": ["CanESM5"]})
    with pytest.raises(InvalidData, match=r"CanESM5.*v20190429: cannot be read.*zarr store"):
        Cmip6().open(archive, found.entries[0])


def test_a_public_bucket_is_read_without_an_account(s3_archive: str, tmp_path: Path) -> None:
    """Description, table and zarr store as Pangeo keeps them in S3."""
    write_store(tmp_path, "MIROC6", "v20191016", 2000)
    publish(tmp_path, line(f"{s3_archive}/{store_path('MIROC6', 'v20191016')}"))
    owner = s3fs.S3FileSystem(key="testing", secret="testing")
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            owner.put_file(str(path), f"{s3_archive}/{path.relative_to(tmp_path)}")
    archive = archive_of(f"{s3_archive}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive, {"source_id": ["MIROC6"]})
    dataset = Cmip6().open(archive, found.entries[0])
    assert float(dataset["tas"][-1, 0, 0]) == pytest.approx(730.364)
    # A bucket below which the stores lie is a tree as well.
    tree = Cmip6().search(open_archive(f"{s3_archive}/CMIP6", cache=tmp_path / "c"))
    assert [entry.key for entry in tree.entries] == [found.entries[0].key]


def test_netcdf_assets_of_one_dataset_are_joined(tmp_path: Path) -> None:
    paths = [write_year(tmp_path, year) for year in (2001, 2000)]
    publish(tmp_path, *(line(f"./{path.relative_to(tmp_path)}") for path in paths))
    archive = archive_of(f"file://{tmp_path}/pangeo-cmip6.json", tmp_path)
    found = Cmip6().search(archive, {"variable_id": ["tas"]})
    assert [len(entry.files) for entry in found.entries] == [2]
    assert Cmip6().open(archive, found.entries[0]).sizes["time"] == 730


def test_a_table_inside_the_description(tmp_path: Path) -> None:
    write_year(tmp_path, 2000)
    row = dict(zip(COLUMNS, line("x").split(",")[:8], strict=True))
    row["zstore"] = drs_path("20000101-20001231")
    plain = description(catalog_file=None, catalog_dict=[row])
    (tmp_path / "small.json").write_bytes(plain)
    archive = archive_of(f"file://{tmp_path}/small.json", tmp_path)
    entries = Cmip6().search(archive).entries
    assert [entry.facets["version"] for entry in entries] == ["v20191016"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "is not JSON"),
        (b'{"type": "Feature"}', "no intake-esm catalog"),
        (description(assets={"format": "zarr"}), "wrong are assets.column_name"),
        (description(assets={"column_name": "path", "format": "zarr"}), "no column path"),
    ],
)
def test_what_is_no_datastore_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    publish(tmp_path, line("gs://x/y/"))
    (tmp_path / "pangeo-cmip6.json").write_bytes(data)
    with pytest.raises(InvalidData, match=message):
        Cmip6().search(archive_of(f"file://{tmp_path}/pangeo-cmip6.json", tmp_path))


def test_a_row_without_a_facet_is_named(tmp_path: Path) -> None:
    publish(tmp_path, line("gs://x/y/", variable=""))
    with pytest.raises(InvalidData, match=r"asset gs://x/y: has no variable_id"):
        Cmip6().search(archive_of(f"file://{tmp_path}/pangeo-cmip6.json", tmp_path))


def test_it_goes_to_other_processes(pangeo: HttpArchive, tmp_path: Path) -> None:
    archive = archive_of(f"{pangeo.url}/pangeo-cmip6.json", tmp_path)
    again = pickle.loads(pickle.dumps(archive))
    assert again.find() == archive.find()


@pytest.mark.data
def test_the_real_pangeo_subset(tmp_path: Path) -> None:
    data = os.environ.get("CATENA_DATA")
    folder = Path(data or "", "cmip6", "catalogs")
    if not data or not folder.is_dir():
        pytest.skip("CATENA_DATA has no cmip6/catalogs")
    archive = archive_of(f"file://{folder}/pangeo-gcp-subset.json", tmp_path)
    wanted = {"source_id": ["CanESM5"], "experiment_id": ["historical"], "variable_id": ["tas"]}
    found = Cmip6().search(archive, wanted)
    assert found.entries
    assert all(entry.files[0].path.startswith("gs://cmip6/CMIP6/CMIP/") for entry in found.entries)
    everything = Cmip6().search(archive)
    assert everything.files == len(archive.find()) == 3502


def test_a_few_rows_of_a_large_table(tmp_path: Path) -> None:
    lines = (
        line(f"gs://c/{number}/", source=f"M{number % 50}", member=f"r{number}i1p1f1")
        for number in range(200_000)
    )
    publish(tmp_path, *lines)
    archive = archive_of(f"file://{tmp_path}/pangeo-cmip6.json", tmp_path)

    found = Cmip6().search(archive, {"source_id": ["M7"], "member_id": ["r7i1p1f1", "r57i1p1f1"]})
    assert len(found.entries) == 2
