"""What archives tell of the version of a file: another file of the same name and size shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.http_archive import HttpArchive, NoHead, NoTag

from catena.data_ingest.archive import BaseArchive, Patience, open_archive
from catena.data_ingest.places import Nowhere
from catena.data_ingest.sources.cmip6_datastore import DatastoreArchive
from catena.shared.errors import NotFound, Unavailable

ONE, OTHER = b"a" * 5000, b"b" * 5000


@dataclass
class Place:
    """An archive, opened anew at each call, and the folder behind it."""

    open: Callable[[], BaseArchive]
    folder: Path
    publish: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        (self.folder / "d").mkdir(exist_ok=True)
        (self.folder / "d" / "tas.nc").write_bytes(data)
        self.publish()

    def write_store(self, offset: float) -> None:
        values = np.arange(600, dtype="float32").reshape(20, 5, 6) + offset
        maps = xr.Dataset({"tas": (("time", "lat", "lon"), values)})
        maps.to_zarr(self.folder / "z.zarr", mode="w", zarr_format=2, consolidated=True)
        self.publish()


@pytest.fixture(params=["folder", "http", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    patience = Patience(attempts=2, stall_s=2, sleep=lambda _: None)
    folder = tmp_path / "plain"
    folder.mkdir()
    if request.param == "folder":
        return Place(lambda: open_archive(str(folder)), folder)
    if request.param == "http":
        served = request.getfixturevalue("archive_folder")
        url = request.getfixturevalue("http_archive").url
        return Place(lambda: open_archive(url, cache=tmp_path / "c", patience=patience), served)
    bucket = request.getfixturevalue("s3_archive")

    def publish() -> None:
        import s3fs

        time.sleep(1.05)  # times of buckets are whole seconds
        owner = s3fs.S3FileSystem(key="testing", secret="testing")
        owner.put(f"{folder}/", f"{bucket}/versions/", recursive=True)

    return Place(
        lambda: open_archive(f"{bucket}/versions", cache=tmp_path / "c", patience=patience),
        folder,
        publish,
    )


def by_open(archive: BaseArchive) -> str:
    with archive.open("d/tas.nc") as file:
        file.read(10)
    return archive.version("d/tas.nc")


def by_local(archive: BaseArchive) -> str:
    archive.local("d/tas.nc")
    return archive.version("d/tas.nc")


def unopened(archive: BaseArchive) -> str:
    return archive.version("d/tas.nc")


@pytest.mark.parametrize("way", [by_open, by_local, unopened])
def test_another_file_of_the_same_size_has_another_version(
    place: Place, way: Callable[[BaseArchive], str]
) -> None:
    place.write(ONE)
    first = way(place.open())
    assert first and way(place.open()) == first
    place.write(OTHER)
    assert way(place.open()) != first


def test_a_store_that_is_written_anew_has_another_version(place: Place) -> None:
    """Its metadata are the same byte by byte."""
    place.write_store(0)
    metadata = (place.folder / "z.zarr" / ".zmetadata").read_bytes()
    first = place.open().version("z.zarr")
    assert first and place.open().version("z.zarr") == first
    place.write_store(1)
    assert (place.folder / "z.zarr" / ".zmetadata").read_bytes() == metadata
    assert place.open().version("z.zarr") != first


def test_one_chunk_that_is_replaced_in_a_folder_shows(tmp_path: Path) -> None:
    Place(lambda: open_archive(str(tmp_path)), tmp_path).write_store(0)
    first = open_archive(str(tmp_path)).version("z.zarr")
    chunk = tmp_path / "z.zarr" / "tas" / "0.0.0"
    chunk.write_bytes(chunk.read_bytes())
    assert open_archive(str(tmp_path)).version("z.zarr") != first


def test_the_version_is_that_of_the_file_that_was_opened(place: Place) -> None:
    place.write(ONE)
    archive = place.open()
    archive.local("d/tas.nc")
    first = archive.version("d/tas.nc")
    place.write(OTHER)
    assert archive.version("d/tas.nc") == first


def test_who_has_opened_a_file_asks_no_more(
    http_archive: HttpArchive, archive_folder: Path, tmp_path: Path
) -> None:
    place = Place(lambda: open_archive(http_archive.url, cache=tmp_path / "c"), archive_folder)
    place.write(ONE)
    for handed_out in (by_open, by_local):
        archive = place.open()
        handed_out(archive)
        asked = len(http_archive.requests)
        assert archive.version("d/tas.nc")
        assert len(http_archive.requests) == asked


def test_a_server_that_tells_nothing(
    http_archive: HttpArchive, archive_folder: Path, tmp_path: Path
) -> None:
    place = Place(lambda: open_archive(http_archive.url, cache=tmp_path / "c"), archive_folder)
    place.write(ONE)
    http_archive.always("/d/tas.nc", NoHead())
    assert unopened(place.open())
    http_archive.always("/d/tas.nc", NoTag())
    assert by_open(place.open()) == unopened(place.open()) == ""
    assert by_local(place.open()), "what is in the cache is known by its time"


def test_archives_of_other_archives_ask_those(tmp_path: Path) -> None:
    Place(lambda: open_archive(str(tmp_path)), tmp_path).write(ONE)
    archive = DatastoreArchive(f"file://{tmp_path}/x.json", opener=open_archive)
    path = f"file://{tmp_path}/d/tas.nc"
    assert archive.version(path) == open_archive(str(tmp_path)).version("d/tas.nc")


def test_what_is_not_there_has_no_version(tmp_path: Path, http_archive: HttpArchive) -> None:
    for archive in (open_archive(str(tmp_path)), Nowhere()):
        with pytest.raises(NotFound):
            archive.version("none.nc")
    patience = Patience(attempts=1, stall_s=1, connect_s=1, sleep=lambda _: None)
    assert open_archive(http_archive.url, patience=patience).version("none.nc") == ""
    with pytest.raises(Unavailable):
        open_archive("http://127.0.0.1:9", patience=patience).version("none.nc")
