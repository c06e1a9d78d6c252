"""Any file of fields: grouped by date, told apart by conventions, opened lazily, nothing lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from support.http_archive import HttpArchive

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.base import ArchiveFile
from catena.data_ingest.sources.conventions import frequency_of, vocabulary_of
from catena.data_ingest.sources.formats import CHUNK_BYTES, in_chunks
from catena.data_ingest.sources.gridded import Gridded
from catena.data_ingest.sources.grouping import by_date, key_of, undated
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData

DATA = Path(os.environ.get("CATENA_DATA") or "absent") / "reanalysis"


def field(start: str, periods: int, *, freq: str = "D", units: str = "K") -> xr.Dataset:
    time = pd.date_range(start, periods=periods, freq=freq)
    values = 280 + np.random.default_rng(0).normal(size=(periods, 3, 4)).astype("float32")
    return xr.Dataset(
        {"tas": (("time", "lat", "lon"), values,
                 {"units": units, "standard_name": "air_temperature"})},
        coords={
            "time": time,
            "lat": ("lat", [10.0, 20.0, 30.0], {"units": "degrees_north"}),
            "lon": ("lon", [0.0, 10.0, 20.0, 30.0], {"units": "degrees_east"}),
        },
        attrs={"Conventions": "CF-1.8"},
    )  # fmt: skip


def write(folder: Path, name: str, dataset: xr.Dataset, **options: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_netcdf(path, **options)  # type: ignore[call-overload]
    return path


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("2019/tp_ERA5_201903.nc", "{}/tp_ERA5_{}.nc"),
        ("t2m_2019-03-01.grib", "t2m_{}.grib"),
        ("20240101000000-oper.grib2", "{}-oper.grib2"),
        ("daily_1990-1993.nc", "daily_{}-{}.nc"),
        ("tas_1deg_v2.nc", "tas_1deg_v2.nc"),
        ("site_01031500.nc", "site_01031500.nc"),
        ("era5-2mt.nc", "era5-2mt.nc"),
    ],
)
def test_dates_in_names(path: str, pattern: str) -> None:
    assert undated(path) == pattern


NAMES = st.text("abc_-.019", min_size=1, max_size=12).map(lambda text: f"d{text}.nc")


@given(st.lists(NAMES, unique=True, max_size=8), st.integers(1850, 2100))
def test_grouping_loses_no_file_and_keys_are_safe(names: list[str], year: int) -> None:
    files = [ArchiveFile(name) for name in names]
    files += [ArchiveFile(f"{year}/x_{month:02d}.nc") for month in (1, 2)]
    groups = by_date(files)
    assert sorted(file.path for group in groups for file in group) == sorted(
        file.path for file in files
    )
    for group in groups:
        assert len({undated(file.path) for file in group}) == 1
        key = key_of(group)
        assert key
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert key[0] not in ".-_"


def test_files_that_differ_in_dates_are_one_lazy_dataset(tmp_path: Path) -> None:
    whole = field("2000-01-01", 366)
    for month in (3, 1, 2):
        part = whole.sel(time=f"2000-{month:02d}")
        write(tmp_path, f"2000/tas_2000{month:02d}.nc", part)
    archive = open_archive(str(tmp_path))
    (entry,) = Gridded().search(archive).entries
    assert len(entry.files) == 3
    assert entry.referable
    assert entry.facets["frequency"] == "day"
    opened = Gridded().open(archive, entry)
    assert opened["tas"].chunks is not None
    wanted = whole.sel(time=slice("2000-01", "2000-03"))
    np.testing.assert_array_equal(opened["tas"].values, wanted["tas"].values)
    assert list(opened["time"].values) == list(wanted["time"].values)
    description = Gridded().describe(archive, entry)
    assert (description.start[:10], description.end[:10]) == ("2000-01-01", "2000-03-31")
    assert description.files == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d.assign(tas=d["tas"].assign_attrs(units="degC")),
            "units of tas.*degC.*wanted K",
        ),
        (lambda d: d.isel(lat=slice(2)), "dimension lat: found 2, wanted 3"),
        (lambda d: d.assign_coords(lat=[10.0, 20.0, 31.0]), "dimension lat, value 2: found 31.0"),
        (lambda d: d.rename(tas="ts"), r"variables: found \['ts'\], wanted \['tas'\]"),
        (lambda d: d.transpose("time", "lon", "lat"), "dimensions of tas"),
        (lambda d: d.convert_calendar("noleap"), "calendar of time.*noleap"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path: Path, change, words: str) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path, "tas_200001.nc", field("2000-01-01", 31))
    write(tmp_path, "tas_200003.nc", change(field("2000-03-01", 31)))
    archive = open_archive(str(tmp_path))
    (entry,) = Gridded().search(archive).entries
    with pytest.raises(InvalidData, match=words) as caught:
        Gridded().open(archive, entry)
    assert "tas_200003.nc" in str(caught.value)
    assert "tas_200001.nc" in str(caught.value)


def test_every_format_gives_the_same_numbers(tmp_path: Path) -> None:
    whole = field("2000-01-01", 40)
    write(tmp_path, "classic.nc", whole, format="NETCDF3_CLASSIC")
    write(tmp_path, "four.nc", whole, format="NETCDF4")
    write(tmp_path, "other.h5", whole, engine="h5netcdf")
    whole.to_zarr(tmp_path / "store.zarr", zarr_format=2)
    whole.to_zarr(tmp_path / "store3.zarr-v3", zarr_format=3)
    archive = open_archive(str(tmp_path))
    found = Gridded().search(archive)
    assert [entry.facets["format"] for entry in found.entries] == [
        "netcdf3", "hdf5", "hdf5", "zarr", "zarr",
    ]  # fmt: skip
    assert found.refused == ()
    for entry in found.entries:
        np.testing.assert_array_equal(
            Gridded().open(archive, entry)["tas"].values, whole["tas"].values
        )


def test_formats_are_known_by_their_bytes_and_bad_files_are_refused(tmp_path: Path) -> None:
    good = write(tmp_path, "tas_2000.nc", field("2000-01-01", 31))
    shutil.copy(good, tmp_path / "named_wrongly.grib")
    (tmp_path / "cut_2001.nc").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "page.nc").write_text("<html>404</html>")
    (tmp_path / "notes.md").write_text("words")
    (tmp_path / "x.grib.923a8.idx").write_bytes(b"index")
    write(tmp_path, "empty.nc", xr.Dataset({"label": ("n", np.array(["a", "b"]))}))
    write(tmp_path, "single.nc", xr.Dataset({"x": ((), 1.0)}))
    archive = open_archive(str(tmp_path))
    found = Gridded().search(archive)
    assert {entry.key for entry in found.entries} == {"tas_2000", "named_wrongly"}
    refused = {finding.file: finding for finding in found.refused}
    assert set(refused) == {
        "cut_2001.nc", "page.nc", "notes.md", "x.grib.923a8.idx", "empty.nc", "single.nc",
    }  # fmt: skip
    assert all(one.found and one.wanted and one.action == "refused" for one in found.refused)
    assert "no readable hdf5" in refused["cut_2001.nc"].found
    assert "not data" in refused["x.grib.923a8.idx"].why
    assert "no numeric variable" in refused["empty.nc"].found
    assert found.files == len(archive.find())


def test_times_that_mean_no_date_are_refused_with_their_units(tmp_path: Path) -> None:
    bad = field("2000-01-01", 3).drop_vars("time")
    bad = bad.assign_coords(time=("time", [1.0, 2.0, 3.0], {"units": "days since yesterday"}))
    write(tmp_path, "bad.nc", bad)
    found = Gridded().search(open_archive(str(tmp_path)))
    assert not found.entries
    assert "days since yesterday" in found.refused[0].found


def test_dates_of_other_calendars_are_kept(tmp_path: Path) -> None:
    other = field("2001-01-01", 60).convert_calendar("360_day", align_on="date")
    write(tmp_path, "a.nc", other)
    archive = open_archive(str(tmp_path))
    opened = Gridded().open(archive, Gridded().search(archive).entries[0])
    assert opened["time"].dt.calendar == "360_day"


def test_chunks_are_bounded_and_native_ones_are_kept_whole() -> None:
    lazy = xr.Variable(("time", "lat", "lon"), np.zeros((1000, 100, 200), "float32"))
    plain = in_chunks(xr.Dataset({"a": lazy}), "plain")["a"]
    assert max(plain.chunks[0]) * 100 * 200 * 4 <= CHUNK_BYTES  # type: ignore[index]
    assert plain.chunks[1:] == ((100,), (200,))  # type: ignore[index]
    lazy.encoding["preferred_chunks"] = {"time": 300, "lat": 50, "lon": 200}
    native = in_chunks(xr.Dataset({"a": lazy}), "native")["a"]
    assert native.chunks[1] == (50, 50)  # type: ignore[index]
    assert native.chunks[0][0] % 300 == 0  # type: ignore[index]


def test_two_archives_with_equal_names_are_not_mixed_up(tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        write(tmp_path / folder, "tas.nc", field("2000-01-01", 5) + number)
    opened = []
    for folder in ("a", "b"):
        archive = open_archive(str(tmp_path / folder))
        opened.append(Gridded().open(archive, Gridded().search(archive).entries[0])["tas"])
    difference = (opened[1] - opened[0]).compute()
    np.testing.assert_allclose(difference, 1.0, atol=1e-4)


def test_facets_select(tmp_path: Path) -> None:
    write(tmp_path, "a.nc", field("2000-01-01", 31))
    write(tmp_path, "b.nc", field("2000-01-01", 24, freq="MS"))
    archive = open_archive(str(tmp_path))
    assert [e.key for e in Gridded().search(archive, {"frequency": ["mon"]}).entries] == ["b"]
    assert [e.key for e in Gridded().search(archive, {"variable": ["ta*"]}).entries] == ["a", "b"]
    assert Gridded().search(archive, {"nothing": ["x"]}).entries == ()


def test_over_the_web_by_ranges(
    http_archive: HttpArchive, archive_folder: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    big = xr.Dataset(
        {"tas": (("time", "lat", "lon"), rng.normal(280, 9, (1200, 50, 60)).astype("float32"),
                 {"units": "K"})},
        coords={"time": pd.date_range("2000", periods=1200), "lat": np.arange(50.0),
                "lon": np.arange(60.0)},
    )  # fmt: skip
    big.to_netcdf(archive_folder / "big.nc", encoding={"tas": {"chunksizes": (10, 50, 60)}})
    big.isel(time=slice(5)).to_netcdf(archive_folder / "small.nc", format="NETCDF3_64BIT")
    big.isel(time=slice(20)).to_zarr(archive_folder / "store.zarr", zarr_format=2)
    archive = open_archive(http_archive.url, cache=tmp_path / "cache")
    found = Gridded().search(archive)
    assert [entry.key for entry in found.entries] == ["big", "small", "store"]
    for entry in found.entries:
        opened = Gridded().open(archive, entry)
        np.testing.assert_array_equal(
            opened["tas"][-1].values, big["tas"][opened.sizes["time"] - 1]
        )
    # The big file was not fetched whole: blocks of 1 MiB for its header and its last chunk.
    size = (archive_folder / "big.nc").stat().st_size
    assert http_archive.sent("/big.nc") < 0.5 * size


def header(names: list[str], **attributes: object) -> xr.Dataset:
    coords = {"latitude": [10.0, 10.25], "time": pd.date_range("2000", periods=48, freq="h")}
    dims = ("time", "latitude")
    return xr.Dataset(
        {name: (dims, np.zeros((48, 2))) for name in names}, coords=coords, attrs=attributes
    )


@pytest.mark.parametrize(
    ("dataset", "vocabulary"),
    [
        (header(["t2m", "tp"]), "era5"),
        (header(["2m_temperature"]), "era5"),
        (header(["t2m"]).assign_coords(latitude=[10.0, 10.1]), "era5_land"),
        (header(["t2m"]).expand_dims(number=3), "era5_ensemble"),
        (header(["t2m"]).isel(time=slice(2)).assign_coords(
            time=pd.to_datetime(["2000-01-01", "2000-02-01"])), "era5_monthly"),
        (header(["z"], Info="Monthly ERA-Interim data"), "era_interim"),
        (header(["air"], title="4x daily NMC reanalysis (1948)"), "ncep"),
        (header(["pr"], mip_era="CMIP6"), "cmip6"),
        (header(["tmax"], Version_data="Daymet Data Version 4.0"), "daymet_grid"),
        (header(["tas"]), "gridded"),
        (header(["t"]), "gridded"),
    ],
)  # fmt: skip
def test_vocabulary_by_conventions(dataset: xr.Dataset, vocabulary: str) -> None:
    assert vocabulary_of(dataset) == vocabulary


@pytest.mark.parametrize(
    ("freq", "word"), [("h", "1hr"), ("6h", "6hr"), ("D", "day"), ("MS", "mon"), ("YS", "yr")]
)
def test_frequency(freq: str, word: str) -> None:
    assert frequency_of(field("2000-01-01", 20, freq=freq)) == word


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs CATENA_DATA with reanalysis")
def test_every_real_file_is_ingested_or_refused_by_name() -> None:
    before = sorted(str(path) for path in DATA.rglob("*"))
    archive = open_archive(str(DATA))
    found = Gridded().search(archive)
    assert found.files == len(archive.find()) == 10
    assert found.refused == ()
    ingested, refused = {}, {}
    for entry in found.entries:
        opened = Gridded().open(archive, entry)
        normal, inspection = normalise(
            opened, vocabulary=entry.vocabulary, key=entry.key, file=entry.files[0].path
        )
        refused[entry.key] = {finding.variable: finding for finding in inspection.of("refused")}
        for finding in inspection.of("refused"):
            assert finding.file
            assert finding.variable
            assert finding.found
            assert finding.wanted
        # A variable is out there, or refused by its own name.
        out = set() if normal is None else set(normal.data_vars)
        assert len(out) + len(refused[entry.key]) == len(opened.data_vars)
        if normal is not None:
            ingested[entry.key] = normal
    assert set(refused["eraint_uvz"]) == {"u", "v", "z"}
    assert refused["eraint_uvz"]["z"].dimension == "month"
    assert set(ingested) == {entry.key for entry in found.entries} - {"eraint_uvz"}

    members = ingested["era5-levels-members"]
    assert dict(members.sizes) == {"member": 10, "time": 4, "plev": 2, "lat": 61, "lon": 120}
    assert list(members["plev"].values) == [85000.0, 50000.0]
    # 500 hPa lies at about 5.5 km.
    assert 5300 < float(members["zg"].sel(plev=50000).mean()) < 5800
    tas = ingested["era5-2mt-2019-03-uk"]["tas"]
    assert tas.sizes["time"] == 744
    # March in and around the United Kingdom.
    assert 277 < float(tas.mean()) < 283
    cities = ingested["era5_cities.daily_surface_cancities_1990-1993"]
    assert 300 < float(cities["rlds"].max()) < 450, "the downward flux, whatever its standard name"
    assert set(refused["era5_cities.daily_surface_cancities_1990-1993"]) == {"swe"}
    air = ingested["kerchunk_air"]["ta"]
    assert (air["lon"].values[0], air["lat"].values[0]) == (-110.0, 50.0)
    sst = ingested["c3s_atlas.c3s-ipcc-ar6-atlas.CMIP6.ssp245.sst_CMIP6_ssp245_mon_201501-210012"][
        "tos"
    ]
    assert sst.sizes["member"] == 20
    # No index of the GRIB reader, and nothing else, was left beside the data.
    assert sorted(str(path) for path in DATA.rglob("*")) == before
