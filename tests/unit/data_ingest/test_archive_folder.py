"""Archives in folders, and folders that stand for the network."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.http_archive import HttpArchive

from catena.data_ingest.archive import Patience, open_archive
from catena.data_ingest.archive_mirror import fill_mirror
from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import InvalidData, InvalidRequest, NotFound, UnsafePath

DATA = bytes(range(256)) * 4
REAL = Path(os.environ.get("CATENA_DATA") or "absent")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "CMIP6" / "v1").mkdir(parents=True)
    (top / "CMIP6" / "v1" / "tas 1.nc").write_bytes(DATA)
    (top / "readme.txt").write_text("hello")
    (top / ".tmp-half").write_text("half")
    return top


def maps() -> xr.Dataset:
    values = np.arange(600, dtype="float32").reshape(20, 5, 6)
    return xr.Dataset({"tas": (("time", "lat", "lon"), values)}).chunk(time=5)


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "{}/"])
def test_files_are_found_read_and_named(folder: Path, form: str):
    archive = open_archive(form.format(folder))
    assert isinstance(archive, Archive)
    assert archive.location == f"file://{folder}"
    assert archive.find() == [ArchiveFile("CMIP6/v1/tas 1.nc", 1024), ArchiveFile("readme.txt", 5)]
    assert archive.find("CMIP6/v1/") == [ArchiveFile("CMIP6/v1/tas 1.nc", 1024)]
    assert archive.read("readme.txt") == b"hello"
    assert archive.read_range("CMIP6/v1/tas 1.nc", 10, 20) == DATA[10:20]
    assert archive.read_range("CMIP6/v1/tas 1.nc", 1020, 9999) == DATA[1020:]
    with archive.open("CMIP6/v1/tas 1.nc") as file:
        file.seek(-3, 2)
        assert file.read() == DATA[-3:]
    assert archive.local("readme.txt").samefile(folder / "readme.txt")
    assert archive.url("CMIP6/v1/tas 1.nc") == f"file://{folder}/CMIP6/v1/tas%201.nc"
    assert pickle.loads(pickle.dumps(archive)).find() == archive.find()


def test_a_zarr_store_is_one_file_and_opens_as_a_store(folder: Path):
    for version, consolidated in ((2, True), (2, False), (3, False)):
        maps().to_zarr(
            folder / f"z{version}{consolidated}", zarr_format=version, consolidated=consolidated
        )
    archive = open_archive(str(folder))
    stores = [file for file in archive.find() if file.path.startswith("z")]
    assert [file.path for file in stores] == ["z2False", "z2True", "z3False"]
    for file in stores:
        inside = (folder / file.path).rglob("*")
        assert file.size == sum(path.stat().st_size for path in inside if path.is_file())
        opened = xr.open_zarr(archive.store(file.path), consolidated=file.path == "z2True")
        xr.testing.assert_identical(opened.load(), maps().compute())
        assert archive.local(file.path).samefile(folder / file.path)
        with pytest.raises(InvalidRequest, match="folder"):
            archive.open(file.path)


def test_a_store_out_of_an_archive_is_only_read(folder: Path):
    maps().to_zarr(folder / "z", zarr_format=3, consolidated=False)
    store = open_archive(str(folder)).store("z")
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(Exception, match="read"):
        maps().to_zarr(store, mode="w", consolidated=False)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_location_that_is_a_file_or_a_store_stands_alone(folder: Path):
    one = open_archive(f"{folder}/readme.txt")
    assert one.find() == [ArchiveFile("readme.txt", 5)]
    assert one.read("readme.txt") == b"hello"
    maps().to_zarr(folder / "z", zarr_format=2)
    store = open_archive(f"{folder}/z")
    assert [file.path for file in store.find()] == ["z"]
    assert store.url("z") == f"file://{folder}/z"
    assert xr.open_zarr(store.store("")).equals(maps())


def test_links_that_stay_are_not_listed_twice_and_links_that_leave_are_refused(
    folder: Path, tmp_path: Path
):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.nc").write_bytes(b"secret")
    (folder / "CMIP6" / "latest").symlink_to("v1")
    (folder / "CMIP6" / "again.nc").symlink_to("v1/tas 1.nc")
    (folder / "CMIP6" / "to.txt").symlink_to("../readme.txt")
    (folder / "out.nc").symlink_to(tmp_path / "secret" / "s.nc")
    (folder / "outside").symlink_to(tmp_path / "secret")
    (folder / "circle").symlink_to("circle")
    archive = open_archive(str(folder))
    names = [file.path for file in archive.find()]
    assert names == ["CMIP6/v1/tas 1.nc", "circle", "out.nc", "outside", "readme.txt"]
    # What a link points to is listed with the link where it is not listed itself.
    assert ArchiveFile("CMIP6/to.txt", 5) in archive.find("CMIP6")
    for path in ("out.nc", "outside", "outside/s.nc", "circle"):
        for act in (archive.read, archive.open, archive.local, archive.find):
            with pytest.raises((UnsafePath, NotFound)):
                act(path)
    with pytest.raises(UnsafePath, match=r"out\.nc.*leads out"):
        archive.read("out.nc")
    assert archive.read("CMIP6/latest/tas 1.nc") == DATA


def test_a_link_to_the_folder_itself_is_fine(folder: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(folder)
    assert open_archive(str(tmp_path / "link")).read("readme.txt") == b"hello"


def test_what_is_missing_or_no_file_is_told(folder: Path):
    archive = open_archive(str(folder))
    with pytest.raises(NotFound, match=r"'none\.nc' in the archive"):
        archive.read("none.nc")
    with pytest.raises(NotFound):
        archive.find("none")
    with pytest.raises(NotFound):
        archive.read("readme.txt/below")
    with pytest.raises(NotFound, match="no folder"):
        open_archive(f"{folder}/none")
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidRequest, match="pipe"):
        archive.read("pipe")


def test_sizes_and_checksums_are_checked_where_they_are_known(folder: Path):
    archive = open_archive(str(folder))
    md5 = "md5:5d41402abc4b2a76b9719d911017c592"  # of "hello"
    assert archive.local(ArchiveFile("readme.txt", 5, md5))
    with pytest.raises(InvalidData, match=r"readme\.txt.*5 bytes.*says 6"):
        archive.local(ArchiveFile("readme.txt", 6))
    with pytest.raises(InvalidData, match=rf"readme\.txt.*{md5}.*md5:0"):
        archive.local(ArchiveFile("readme.txt", 5, f"md5:{'0' * 32}"))


def test_a_mirror_stands_for_the_network(tmp_path: Path):
    mirror = tmp_path / "mirror"
    for path in ("a.org/x/a.nc", "b.org:8080/b.nc", "s3/bucket/p/c.nc", "a.org/x/data?lat=1&lon=2"):
        (mirror / path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path).write_bytes(path.encode())
    archive = open_archive("https://a.org/x", mirror=mirror)
    assert archive.location == "https://a.org/x"
    assert "a.nc" in [file.path for file in archive.find()]
    assert archive.read("a.nc") == b"a.org/x/a.nc"
    assert archive.read("data?lat=1&lon=2") == b"a.org/x/data?lat=1&lon=2"
    assert archive.url("a.nc") == "https://a.org/x/a.nc"
    assert archive.bytes_url("a.nc") == f"file://{mirror}/a.org/x/a.nc"
    assert archive.read("http://b.org:8080/b.nc") == b"b.org:8080/b.nc"
    assert pickle.loads(pickle.dumps(archive)).read("a.nc") == b"a.org/x/a.nc"
    assert open_archive("https://a.org/x/a.nc", mirror=mirror).read("a.nc") == b"a.org/x/a.nc"
    bucket = open_archive("s3://bucket/p", mirror=mirror)
    assert (bucket.read("c.nc"), bucket.url("c.nc")) == (b"s3/bucket/p/c.nc", "s3://bucket/p/c.nc")
    with pytest.raises(NotFound, match=r"put it at a\.org/x/sub/none\.nc in CATENA_MIRROR"):
        archive.local("sub/none.nc")
    with pytest.raises(NotFound, match=r"put it at c\.org/y in CATENA_MIRROR"):
        open_archive("https://c.org/y", mirror=mirror)


def test_a_mirror_is_filled_with_what_is_missing(
    http_archive: HttpArchive, archive_folder: Path, tmp_path: Path
):
    (archive_folder / "sub").mkdir()
    (archive_folder / "sub" / "a.nc").write_bytes(DATA)
    (archive_folder / "b.nc").write_bytes(DATA[:100])
    maps().to_zarr(archive_folder / "z", zarr_format=2)
    mirror = tmp_path / "mirror"
    patience = Patience(attempts=2, stall_s=3)

    def fill(dry_run: bool):
        return fill_mirror(http_archive.url, mirror, dry_run=dry_run, patience=patience)

    dry = fill(dry_run=True)
    stored = sum(p.stat().st_size for p in (archive_folder / "z").rglob("*") if p.is_file())
    assert dry.bytes == 1124 + stored
    assert (dry.here, dry.unknown) == (0, 0)
    assert f"{len(dry.missing)} files to download, {dry.bytes} bytes" in str(dry)
    assert not mirror.exists()
    assert fill(dry_run=False) == dry
    again = fill(dry_run=False)
    assert (again.missing, again.here) == ((), len(dry.missing))
    offline = open_archive(http_archive.url, mirror=mirror)
    http_archive.forget()
    assert [file.path for file in offline.find()] == ["b.nc", "sub/a.nc", "z"]
    assert offline.read("sub/a.nc") == DATA
    xr.testing.assert_identical(xr.open_zarr(offline.store("z")).load(), maps().compute())
    assert http_archive.requests == []
    with pytest.raises(InvalidRequest, match="needs no mirror"):
        fill_mirror(str(archive_folder), mirror)


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real data in CATENA_DATA")
def test_every_real_file_is_found():
    archive = open_archive(str(REAL))
    expected = {
        (Path(folder, name).relative_to(REAL).as_posix(), Path(folder, name).stat().st_size)
        for folder, _, names in os.walk(REAL)
        for name in names
    }
    found = {(file.path, file.size) for file in archive.find()}
    stores = {path for path, _ in found - expected}
    inside = {path for path, _ in expected - found}
    assert all(any(path.startswith(f"{store}/") for store in stores) for path in inside)
    assert len(found) > 1000
