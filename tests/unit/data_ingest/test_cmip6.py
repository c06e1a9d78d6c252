"""CMIP6 trees: from folders, from servers, and the real files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.cmip6_files import FACETS, days, drs_path, file_name, write_year
from support.http_archive import HttpArchive

from catena.data_ingest.archive import Patience, open_archive
from catena.data_ingest.sources.base import Archive, Found
from catena.data_ingest.sources.cmip6 import Cmip6
from catena.shared.errors import InvalidData

KEY = ".".join(["CMIP6", *FACETS.values()])
FAST = Patience(attempts=2, first_s=0.0, longest_s=0.01)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for year in (2000, 2001):
        write_year(root, year)
    write_year(root, 2000, {"source_id": "CanESM5"}, attrs={"source_id": "CanESM5"})
    return root


def search(root: Path, facets: dict[str, list[str]] | None = None) -> tuple[Archive, Found]:
    archive = open_archive(str(root))
    return archive, Cmip6().search(archive, facets)


def test_a_tree_is_searched_and_opened(tree: Path) -> None:
    archive, found = search(tree, {"source_id": ["MIR*"], "frequency": ["day"]})
    assert [entry.key for entry in found.entries] == [KEY]
    dataset = Cmip6().open(archive, found.entries[0])
    assert dataset.sizes["time"] == 730 and dataset["tas"].chunks is not None
    # As the archive has it: the file's own name and unit, longitudes from 0 to 360.
    assert dataset["tas"].attrs["units"] == "K" and float(dataset["lon"].max()) == 270.0


def test_a_server_gives_the_same_as_a_folder(tree: Path, tmp_path: Path) -> None:
    local, there = search(tree)
    with HttpArchive(tree) as server:
        archive = open_archive(f"{server.url}/thredds/catalog/catalog.xml", cache=tmp_path / "c")
        found = Cmip6().search(archive)
        assert [entry.key for entry in found.entries] == [entry.key for entry in there.entries]
        for here, remote in zip(there.entries, found.entries, strict=True):
            xr.testing.assert_identical(
                Cmip6().open(local, here).load(), Cmip6().open(archive, remote).load()
            )


def test_describe_reads_heads_only(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    lat, lon = np.linspace(-89, 89, 120), np.arange(0.0, 360.0, 3.0)
    for year in (2000, 2001, 2002):
        write_year(root, year, lat=lat, lon=lon, count=100)
    size = sum(path.stat().st_size for path in root.rglob("*.nc"))
    with HttpArchive(root) as server:
        archive = open_archive(f"{server.url}/thredds/catalog/catalog.xml", cache=tmp_path / "c")
        entry = Cmip6().search(archive).entries[0]
        found = Cmip6().describe(archive, entry)
        sent = sum(server.sent(f"/thredds/fileServer/{file.path}") for file in entry.files)
        middle = server.count(f"/thredds/fileServer/{entry.files[1].path}")
    assert (found.start[:10], found.end[:10]) == ("2000-01-01", "2002-04-10")
    assert (found.calendar, found.files, found.bytes) == ("noleap", 3, size)
    variable = next(info for info in found.variables if info.name == "tas")
    assert variable.dims == ("time", "lat", "lon") and variable.units == "K"
    assert middle == 0 and sent < size / 2


def test_a_zarr_store_in_a_tree_is_a_dataset(tmp_path: Path) -> None:
    store = tmp_path / "tree" / "/".join(["CMIP6", *FACETS.values()])
    store.parent.mkdir(parents=True)
    days(2000).to_zarr(store, zarr_format=2, consolidated=True)
    archive, found = search(tmp_path / "tree")
    assert [entry.key for entry in found.entries] == [KEY] and not found.refused
    assert float(Cmip6().open(archive, found.entries[0])["tas"][10, 0, 0]) == pytest.approx(730.01)


def test_flat_files_tell_activity_and_institution_themselves(tmp_path: Path) -> None:
    days(2000).to_netcdf(tmp_path / file_name("20000101-20001231"), engine="h5netcdf")
    _, found = search(tmp_path)
    assert found.entries[0].facets["institution_id"] == "MIROC"
    assert found.entries[0].key == KEY.removesuffix(".v20191016")


def test_classic_netcdf_is_read_too(tmp_path: Path) -> None:
    days(2000).to_netcdf(tmp_path / file_name("20000101-20001231"), format="NETCDF3_CLASSIC")
    archive, found = search(tmp_path)
    assert found.entries[0].facets["activity_id"] == "CMIP"
    assert Cmip6().open(archive, found.entries[0]).sizes["time"] == 365


def test_every_file_is_in_an_entry_or_refused(tree: Path) -> None:
    damaged = tree / file_name("20000101-20001231", source_id="Broken1")
    damaged.write_bytes(b"not netCDF at all")
    (tree / "README.md").write_text("words")
    (tree / "LICENSE").write_text("words")
    (tree / "notes.json").write_text("{}")
    (tree / "odd.nc").write_bytes(b"")
    (tree / "stations.csv").write_text("site,lat\nA,1\n")
    archive, found = search(tree)
    assert found.files == len(archive.find()) == 9
    reasons = {item.file: item.check for item in found.refused}
    assert reasons == {
        damaged.name: "unreadable",
        "README.md": "not data",
        "LICENSE": "not data",
        "notes.json": "not data",
        "odd.nc": "layout",
        "stations.csv": "not data",
    }
    assert all(item.file and item.found and item.wanted and item.why for item in found.refused)


def test_a_file_that_is_another_one_inside_is_named(tree: Path) -> None:
    write_year(tree, 2001, attrs={"source_id": "CanESM5"})
    archive, found = search(tree, {"source_id": ["MIROC6"]})
    with pytest.raises(InvalidData) as error:
        Cmip6().open(archive, found.entries[0])
    for word in (KEY, "20010101-20011231.nc", "source_id CanESM5", "MIROC6"):
        assert word in str(error.value)


def test_the_file_at_fault_among_many_is_named(tmp_path: Path) -> None:
    for year in range(2000, 2010):
        write_year(tmp_path, year, units="degC" if year == 2006 else "K")
    archive, found = search(tmp_path)
    with pytest.raises(InvalidData, match=r"20060101-20061231\.nc.*unit 'degC', wanted unit 'K'"):
        Cmip6().open(archive, found.entries[0])


def test_facets_leave_out_what_is_not_asked_for(tree: Path) -> None:
    (tree / "README.md").write_text("words")
    _, found = search(tree, {"source_id": ["CanESM5"]})
    assert len(found.entries) == 1 and not found.refused
    assert not search(tree, {"source_id": ["GFDL-ESM4"]})[1].entries


def test_older_versions_on_request(tree: Path) -> None:
    write_year(tree, 2000, {"version": "v20180101"})
    wanted = {"source_id": ["MIROC6"], "version": ["v2018*"]}
    assert [entry.key for entry in search(tree, wanted)[1].entries] == [
        KEY.replace("v20191016", "v20180101")
    ]
    assert [item.check for item in search(tree)[1].refused] == ["version"]


# Catalogs that lie among the data.


def _catalog(folder: Path, paths: list[str], column: str, changes: dict[str, object]) -> None:
    plain = {
        "esmcat_version": "0.1.0",
        "id": "sample",
        "catalog_file": "sample.csv",
        "attributes": [{"column_name": "source_id", "vocabulary": ""}],
        "assets": {"column_name": "path", "format": "netcdf"},
    }
    (folder / "sample.json").write_text(json.dumps({**plain, **changes}))
    rows = [f"MIROC6,{asset}" for asset in paths]
    (folder / "sample.csv").write_text("\n".join([f"source_id,{column}", *rows]) + "\n")


HERE = f"/glade/{drs_path('20000101-20001231')}"


@pytest.mark.parametrize(
    ("assets", "column", "changes", "found", "wanted"),
    [
        ([HERE], "path", {}, "1 assets, 1 of them here", "files of data"),
        ([HERE, "gs://x/y/"], "path", {}, "1 of them here; the first missing one is gs://x/y/",
         "below"),
        ([HERE], "file_name", {}, "columns source_id, file_name", "column path"),
        ([HERE], "path", {"attributes": [{"column_name": "member"}]}, "without the column member",
         "files"),
        ([HERE], "path", {"catalog_file": "gs://b/other.csv"}, "gs://b/other.csv", "other.csv"),
        ([HERE], "path", {"assets": {"column_name": 3}}, "no valid intake-esm catalog", "netCDF"),
    ],
)  # fmt: skip
def test_catalogs_are_read_and_told_apart(
    tree: Path, assets: list[str], column: str, changes: dict[str, object], found: str, wanted: str
) -> None:
    _catalog(tree, assets, column, changes)
    refused = {item.file: item for item in search(tree)[1].refused}
    assert found in refused["sample.json"].found
    assert wanted in refused["sample.json"].wanted
    assert set(refused) == {"sample.json", "sample.csv"}


# The real files.


@pytest.fixture(scope="module")
def real() -> tuple[Archive, Found]:
    data = os.environ.get("CATENA_DATA")
    if not data or not Path(data, "cmip6").is_dir():
        pytest.skip("CATENA_DATA has no cmip6")
    archive = open_archive(str(Path(data, "cmip6")))
    return archive, Cmip6().search(archive)


@pytest.mark.data
def test_every_real_file_is_accounted_for(real: tuple[Archive, Found]) -> None:
    archive, found = real
    files = {file.path for file in archive.find()}
    held = [file.path for entry in found.entries for file in entry.files]
    refused = [item.file for item in found.refused]
    assert len(held) + len(refused) == len(files) and {*held, *refused} == files
    assert {path for path in files if path.endswith(".nc")} == set(held)
    assert {item.check for item in found.refused} == {"catalog", "not data"}
    assert len({entry.key for entry in found.entries}) == len(found.entries) >= 170


@pytest.mark.data
def test_real_deviations_have_their_facets(real: tuple[Archive, Found]) -> None:
    entries = {entry.key: entry for entry in real[1].entries}
    ceda = entries["CMIP6.ScenarioMIP.MIROC.MIROC6.ssp119.r1i1p1f1.Amon.ta.gn.v20190807"]
    assert ceda.files[0].path.startswith("mini_esgf/") and "/files/d20190807/" in ceda.files[0].path
    hindcast = entries[
        "CMIP6.DCPP.EC-Earth-Consortium.EC-Earth3.dcppA-hindcast.s1960-r2i1p1f1.Amon.tas.gr.v20201215"
    ]
    assert hindcast.facets["dcpp_start_year"] == "1960" and len(hindcast.files) == 2
    assert (
        entries["CMIP6.CMIP.CCCma.CanESM5.historical.r1i1p1f1.day.snw.gn"]
        .files[0]
        .path.startswith("xclim/")
    )
    awi = "CMIP6.CMIP.AWI.AWI-ESM-1-1-LR.1pctCO2.r1i1p1f1.Amon.tas.gn.v20200212"
    assert {awi, f"{awi}.209901"} <= set(entries)
    years = entries[
        "CMIP6.CMIP.EC-Earth-Consortium.EC-Earth3.historical.r1i1p1f1.Amon.ta.gr.v20200310"
    ]
    assert len(years.files) == 65


@pytest.mark.data
@pytest.mark.slow
def test_every_real_dataset_opens(real: tuple[Archive, Found]) -> None:
    archive, found = real
    source = Cmip6()
    calendars = set()
    for entry in found.entries:
        dataset = source.open(archive, entry)
        steps = 0
        for file in entry.files:
            # An independent look at each file: xarray alone, one by one.
            with xr.open_dataset(archive.local(file), decode_times=False) as alone:
                steps += alone.sizes.get("time", 0)
        assert dataset.sizes.get("time", 0) == steps, entry.key
        if steps:
            calendars.add(str(dataset["time"].dt.calendar))
            assert dataset.indexes["time"].is_monotonic_increasing
            assert dataset.indexes["time"].is_unique
    assert {"noleap", "360_day", "proleptic_gregorian"} <= calendars
