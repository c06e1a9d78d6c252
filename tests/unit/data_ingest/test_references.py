"""A reference and a copy give equal arrays, and what references cannot express is said."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.array_files import grib, netcdf, series
from support.http_archive import HttpArchive
from support.lazy_data import copier

from catena.data_ingest.archive import open_archive
from catena.data_ingest.reference_arrays import scan_classic, scan_hdf5
from catena.data_ingest.references import NotReferable, Reference, build_reference, reference_files
from catena.data_ingest.sources.base import Archive, Entry
from catena.data_ingest.sources.formats import format_of, grib_parts, open_array_file
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.checks import apply
from catena.shared.checks.findings import Fix
from catena.shared.errors import InvalidData

FIXES = (
    Fix("rename", {"names": {"pr": "rain"}}),
    Fix("scale", {"variable": "rain", "factor": 1 / 86400.0, "units": "kg m-2 s-1"}),
    Fix("keep", {"dim": "time", "start": 3, "stop": 37}),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    return made


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path / 'store'}")


def entry(archive: Archive) -> Entry:
    return Entry("k", tuple(archive.find()), "cmip6", referable=True)


def artifact_of(
    store: ArtifactStore, reference: Reference, raw: xr.Dataset, fixes: tuple[Fix, ...] = ()
) -> Artifact:
    """An artifact that holds a reference and a copy of the same dataset."""
    copy, writer = copier(store, 1 + len(store.ls("jobs/data-ingest/IngestDataset/0a1b/attempts")),
                          name=f"data-ingest/IngestDataset/{os.urandom(4).hex()}")  # fmt: skip
    copy.put("data/r.json", reference_files("data/r.json", reference, fixes), note={"a": 1})
    copy.copy("data/c.zarr", apply(raw, fixes))
    artifact = store.open(writer.commit(kind="dataset"))
    artifact.verify()
    return artifact


def assert_equal(found: xr.Dataset, wanted: xr.Dataset) -> None:
    xr.testing.assert_equal(found, wanted)
    for name in wanted.variables:
        # Of times the resolution is not content.
        if wanted[name].dtype.kind not in "mM":
            assert found[name].dtype == wanted[name].dtype, name
        assert found[name].attrs.keys() == wanted[name].attrs.keys(), name


def plain(archive: Archive) -> xr.Dataset:
    parts = [open_array_file(archive, file, format_of(archive, file)) for file in archive.find()]
    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override",
                     join="override", combine_attrs="override")  # fmt: skip


def write(folder: Path, what: str) -> tuple[Fix, ...]:
    if what == "netcdf4":
        netcdf(folder / "a.nc")
    elif what == "netcdf3":
        netcdf(folder / "a.nc", kind="NETCDF3_64BIT_OFFSET", calendar="360_day")
    elif what == "series":
        series(folder)
    elif what == "series3":
        series(folder, kind="NETCDF3_CLASSIC", calendar="standard")
    elif what == "grib1":
        grib(folder / "a.grib", 1)
        return (Fix("scale", {"variable": "t", "factor": 2.0}),)
    elif what == "grib2":
        grib(folder / "a.grib", 2)
        return (Fix("scale", {"variable": "t", "factor": 2.0}),)
    else:
        netcdf(folder / "a.nc")
        with xr.open_dataset(folder / "a.nc") as data:
            data.drop_vars("zone").drop_encoding().chunk({"time": 10}).to_zarr(
                folder / "a.zarr", zarr_format=2
            )
        (folder / "a.nc").unlink()
    return FIXES


WHAT = ["netcdf4", "netcdf3", "series", "series3", "grib1", "grib2", "zarr"]


@pytest.fixture(params=["file", "http", pytest.param("s3", marks=pytest.mark.slow)])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[object]:
    """A function that makes the folder's content an archive, wherever it then lies."""
    if request.param == "file":
        yield lambda: open_archive(f"file://{folder}")
    elif request.param == "http":
        with HttpArchive(folder) as server:
            yield lambda: open_archive(f"{server.url}/", cache=folder.parent / "cache")
    else:
        bucket = request.getfixturevalue("s3_archive")

        def upload() -> Archive:
            import s3fs

            place = f"{bucket}/{os.urandom(4).hex()}"
            filesystem = s3fs.S3FileSystem(key="testing", secret="testing")
            for file in folder.rglob("*"):
                if file.is_file():
                    filesystem.put_file(str(file), f"{place}/{file.relative_to(folder)}")
            return open_archive(place, cache=folder.parent / "cache")

        yield upload


@pytest.mark.parametrize("what", WHAT)
def test_a_reference_and_its_copy_give_equal_arrays(
    folder: Path, store: ArtifactStore, served, what: str
) -> None:
    fixes = write(folder, what)
    archive = served()
    raw = plain(archive)
    reference = build_reference(archive, entry(archive), raw)
    places = [value for value in reference.refs["refs"].values() if isinstance(value, list)]
    assert len(places) >= 12, "the large variables stay in the archive"
    assert_equal(reference.open().load(), raw.load())
    artifact = artifact_of(store, reference, raw, fixes)
    by_reference, by_copy = (artifact.open_dataset(name) for name in ("data/r.json", "data/c.zarr"))
    assert by_reference.chunks, "nothing is read before it is used"
    xr.testing.assert_equal(by_reference.load(), by_copy.load())
    for name in by_copy.variables:
        assert by_reference[name].dtype == by_copy[name].dtype
    if what not in ("grib1", "grib2"):
        assert by_reference["rain"].attrs["units"] == "kg m-2 s-1"
        assert by_reference.sizes["time"] == 34
        assert np.isnan(by_reference["rain"].values).any()
        assert not np.isnan(by_reference["count"].values.astype(float)).any()


@pytest.mark.parametrize("what", ["netcdf4", "netcdf3", "series", "grib2", "zarr"])
def test_anybody_can_open_it_with_kerchunk(folder: Path, store: ArtifactStore, what: str) -> None:
    write(folder, what)
    archive = open_archive(f"file://{folder}")
    raw = plain(archive)
    artifact = artifact_of(store, build_reference(archive, entry(archive), raw), raw)
    assert json.loads(artifact.read_bytes("data/r.json"))["version"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = str(artifact.local_path("data/r.json"))
        theirs = xr.open_dataset(path, engine="kerchunk").load()
    for name in raw.variables:
        if raw[name].dtype.kind == "f":
            # JSON does not say that the scale was in single precision; ours knows.
            np.testing.assert_allclose(theirs[name], raw[name], rtol=1e-6)
        else:
            np.testing.assert_array_equal(theirs[name], raw[name])


def test_files_opened_without_a_source_are_put_one_after_the_other(folder: Path) -> None:
    series(folder)
    archive = open_archive(f"file://{folder}")
    assert_equal(build_reference(archive, entry(archive)).open().load(), plain(archive).load())


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "julian"])
def test_times_are_those_of_the_file(folder: Path, calendar: str) -> None:
    netcdf(folder / "a.nc", calendar=calendar)
    archive = open_archive(f"file://{folder}")
    opened = build_reference(archive, entry(archive)).open()
    with xr.open_dataset(folder / "a.nc") as wanted:
        np.testing.assert_array_equal(opened["time"], wanted["time"])
        np.testing.assert_array_equal(opened["time_bnds"], wanted["time_bnds"])


@pytest.mark.parametrize("edition", [1, 2])
def test_grib_is_read_without_kerchunk_too(folder: Path, edition: int) -> None:
    import numcodecs
    from kerchunk.codecs import GRIBCodec

    from catena.shared.artifacts.grib import GribMessage

    grib(folder / "a.grib", edition)
    archive = open_archive(f"file://{folder}")
    raw = plain(archive)
    reference = build_reference(archive, entry(archive), raw)
    numcodecs.register_codec(GribMessage, "grib")
    try:
        opened = reference.open().load()
    finally:
        numcodecs.register_codec(GRIBCodec, "grib")
    assert np.isnan(opened["t"].values).any()
    xr.testing.assert_equal(opened, raw.load())


# ---- what cannot be expressed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"scale": 0.02}, r"part1\.nc: variable pr is packed with scale_factor 0\.02.*part0\.nc "
                          r"with 0\.01"),
        ({"chunk": 8}, r"part1\.nc: variable tas has chunks of 8 along dimension time.*10"),
        ({"start": 80}, ""),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_named_with_both_values(
    folder: Path, second: dict, said: str
) -> None:
    netcdf(folder / "part0.nc")
    netcdf(folder / "part1.nc", **{"start": 40, **second})
    archive = open_archive(f"file://{folder}")
    if not said:  # a gap in time is the checks' business
        assert build_reference(archive, entry(archive)).open().sizes["time"] == 80
        return
    with pytest.raises(NotReferable, match=said) as caught:
        build_reference(archive, entry(archive))
    assert (caught.value.finding.action, caught.value.finding.dataset) == ("noted", "k")
    assert caught.value.finding.why == "copied instead of referred to"


def test_a_file_that_ends_within_a_chunk_is_named(folder: Path) -> None:
    netcdf(folder / "part0.nc", steps=35)
    netcdf(folder / "part1.nc", start=35)
    archive = open_archive(f"file://{folder}")
    said = r"part0\.nc: variable tas has 35 values along dimension time.*its chunk of 10"
    with pytest.raises(NotReferable, match=said):
        build_reference(archive, entry(archive))


def test_a_dataset_that_the_files_do_not_hold_is_noticed(folder: Path) -> None:
    series(folder)
    archive = open_archive(f"file://{folder}")
    raw = plain(archive)
    with pytest.raises(NotReferable, match=r"97 values along dimension time.*the dataset has 90"):
        build_reference(archive, entry(archive), raw.isel(time=slice(0, 90)))
    backwards = Entry("k", tuple(reversed(archive.find()[:2])), "cmip6")
    with pytest.raises(NotReferable, match=r"by reference, .* as the source reads it"):
        build_reference(archive, backwards, raw.isel(time=slice(0, 80)))
    with pytest.raises(NotReferable, match=r"variable count has type int32 by reference, float64"):
        build_reference(archive, entry(archive), raw.assign(count=raw["count"].astype("f8")))


def test_text_is_copied_and_said_so(folder: Path) -> None:
    (folder / "a.csv").write_text("time,tas\n" + "2000,1\n" * 100)
    archive = open_archive(f"file://{folder}")
    with pytest.raises(NotReferable, match=r"file a\.csv: found text or another format") as caught:
        build_reference(archive, entry(archive))
    assert caught.value.finding.action == "noted"


def test_chunks_that_were_never_written(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        for name, fill in (("with", np.float32(-1)), ("without", None)):
            data = file.create_dataset(name, (100, 1000), "f4", chunks=(10, 1000), fillvalue=7.0)
            data[:50] = 1.0
            if fill is not None:
                data.attrs["_FillValue"] = fill
        for axis in ("y", "x"):
            file[axis] = np.arange(100 if axis == "y" else 1000)
            file[axis].make_scale(axis)
        for name in ("with", "without"):
            file[name].dims[0].attach_scale(file["y"])
            file[name].dims[1].attach_scale(file["x"])
    with (folder / "a.h5").open("rb") as stream:
        arrays = scan_hdf5(stream, "file:///a.h5", "a.h5")
    assert len(arrays["with"].chunks) == 5
    assert arrays["with"].packing == {"_FillValue": np.float32(-1)}
    assert arrays["without"].packing == {}, "HDF5's own default is not one of the data"
    archive = open_archive(f"file://{folder}")
    with pytest.raises(NotReferable, match=r"a\.h5: chunk \(5, 0\) of variable without was never"):
        build_reference(archive, entry(archive))


def test_plain_arrays_are_cut_into_blocks(folder: Path) -> None:
    path = folder / "a.nc"
    values = np.arange(120 * 300 * 400, dtype="f4").reshape(1, 120, 300, 400)
    data = xr.Dataset({"v": (("one", "time", "y", "x"), values)})
    data.to_netcdf(path, format="NETCDF3_64BIT")
    with path.open("rb") as stream:
        array = scan_classic(stream, f"file://{path}", "a.nc")["v"]
    assert array.complete
    assert array.grid[1] > 10
    assert max(place[2] for place in array.chunks.values()) <= 4 << 20
    archive = open_archive(f"file://{folder}")
    np.testing.assert_array_equal(build_reference(archive, entry(archive)).open()["v"], values)


def test_a_broken_file_is_named(folder: Path) -> None:
    netcdf(folder / "a.nc")
    whole = (folder / "a.nc").read_bytes()
    (folder / "a.nc").write_bytes(whole[: len(whole) // 2])
    archive = open_archive(f"file://{folder}")
    with pytest.raises(NotReferable, match=r"file a\.nc"):
        build_reference(archive, entry(archive))
    with (folder / "a.nc").open("rb") as stream, pytest.raises(InvalidData, match=r"file a\.nc"):
        scan_hdf5(stream, "file:///a.nc", "a.nc")


# ---- real data ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("top", "every"), [("reanalysis", 1), ("flux_sites", 1), ("caravan_multimet", 1), ("cmip6", 25)]
)
def test_real_files_read_the_same_by_reference(top: str, every: int) -> None:
    home = os.environ.get("CATENA_DATA")
    if not home:
        pytest.skip("CATENA_DATA is not set: the real data are not here")
    archive = open_archive(f"{home}/{top}")
    referred = 0
    for file in archive.find()[::every]:
        kind = format_of(archive, file)
        if not kind or (kind == "grib" and len(grib_parts(archive.local(file))) > 1):
            continue
        raw = open_array_file(archive, file, kind)
        opened = build_reference(archive, Entry("k", (file,), "v"), raw).open()
        for name in raw.variables:
            np.testing.assert_array_equal(opened[name], raw[name], err_msg=f"{file.path} {name}")
        referred += 1
    assert referred >= 2
