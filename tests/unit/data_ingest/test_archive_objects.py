"""Archives in buckets, against emulated stores."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.google_store import google_handlers
from support.http_archive import NOTHING, Drop, HttpArchive, Status

from catena.data_ingest import archive_objects
from catena.data_ingest.archive import BaseArchive, Patience, open_archive
from catena.data_ingest.archive_mirror import fill_mirror
from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound, Unavailable, UnsafePath

DATA = random.Random(3).randbytes(300_000)


def no_pause(_seconds: float) -> None:
    """Tests do not wait between attempts."""


PATIENCE = Patience(attempts=2, connect_s=3, stall_s=3, sleep=no_pause)


def maps() -> xr.Dataset:
    values = np.arange(600, dtype="float32").reshape(20, 5, 6)
    return xr.Dataset({"tas": (("time", "lat", "lon"), values)}).chunk(time=5)


@pytest.fixture(scope="module")
def bucket(s3_archive: str) -> str:
    import s3fs

    owner = s3fs.S3FileSystem(key="testing", secret="testing")
    name = s3_archive.removeprefix("s3://")
    owner.pipe_file(f"{name}/p/tas.nc", DATA)
    owner.pipe_file(f"{name}/p/sub/notes.txt", b"notes")
    owner.pipe_file(f"{name}/pq/other.nc", b"other")
    owner.touch(f"{name}/p/empty/")
    store = s3fs.S3Map(f"{name}/p/CMIP6/store", s3=owner)
    maps().to_zarr(store, zarr_format=2, consolidated=True)
    return s3_archive


@pytest.fixture
def archive(bucket: str, tmp_path: Path) -> BaseArchive:
    return open_archive(f"{bucket}/p", cache=tmp_path / "cache", patience=PATIENCE)


def test_a_public_bucket_is_read_without_credentials(archive: BaseArchive, bucket: str):
    assert isinstance(archive, Archive)
    assert archive.location == f"{bucket}/p"
    assert archive.find() == [
        ArchiveFile("CMIP6/store"),
        ArchiveFile("sub/notes.txt", 5),
        ArchiveFile("tas.nc", len(DATA)),
    ]
    assert archive.find("sub") == [ArchiveFile("sub/notes.txt", 5)]
    assert archive.read("sub/notes.txt") == b"notes"
    assert archive.url("tas.nc") == f"{bucket}/p/tas.nc"
    for start, stop in ((0, 10), (299_990, 400_000), (5, 5), (300_000, 300_001)):
        assert archive.read_range("tas.nc", start, stop) == DATA[start:stop]
    with archive.open("tas.nc") as file:
        file.seek(-5, 2)
        assert file.read() == DATA[-5:]
    assert pickle.loads(pickle.dumps(archive)).read("sub/notes.txt") == b"notes"
    one = open_archive(f"{bucket}/p/tas.nc", patience=PATIENCE)
    assert one.find() == [ArchiveFile("tas.nc", len(DATA))]
    assert one.read_range("tas.nc", 1, 4) == DATA[1:4]


def test_files_and_stores_come_here_whole(archive: BaseArchive, tmp_path: Path, bucket: str):
    path = archive.local("tas.nc")
    assert path.read_bytes() == DATA
    assert path == tmp_path / "cache" / "s3" / bucket.removeprefix("s3://") / "p" / "tas.nc"
    xr.testing.assert_identical(xr.open_zarr(archive.local("CMIP6/store")).load(), maps().compute())
    with pytest.raises(InvalidData, match=r"tas\.nc"):
        archive.local(ArchiveFile("tas.nc", len(DATA), f"sha256:{'0' * 64}"))


@pytest.mark.parametrize("consolidated", [True, False])
def test_a_store_opens_in_the_bucket(archive: BaseArchive, consolidated: bool):
    opened = xr.open_zarr(archive.store("CMIP6/store"), consolidated=consolidated)
    xr.testing.assert_identical(opened.load(), maps().compute())


def test_a_bucket_is_mirrored(bucket: str, tmp_path: Path):
    dry = fill_mirror(f"{bucket}/p", tmp_path, dry_run=True, patience=PATIENCE)
    assert dry.unknown == 0
    assert dry.bytes > len(DATA)
    assert not any(tmp_path.iterdir())
    fill_mirror(f"{bucket}/p", tmp_path, patience=PATIENCE)
    assert fill_mirror(f"{bucket}/p", tmp_path, patience=PATIENCE).missing == ()
    offline = open_archive(f"{bucket}/p", mirror=tmp_path)
    assert offline.read("tas.nc") == DATA
    assert xr.open_zarr(offline.store("CMIP6/store")).load().equals(maps().compute())


def test_a_broken_download_goes_on_where_it_was(archive: BaseArchive, monkeypatch):
    asked: list[tuple[int, int]] = []
    whole = archive._range

    def flaky(path: str, start: int, stop: int) -> bytes:
        asked.append((start, stop))
        if len(asked) in (3, 5):
            raise archive_objects.Transient("the network is down")
        return whole(path, start, stop)

    monkeypatch.setattr(archive, "_range", flaky)
    monkeypatch.setattr(archive_objects, "_BLOCK", 60_000)
    assert archive.local("tas.nc").read_bytes() == DATA
    assert [start for start, _ in asked] == [0, 60_000, 120_000, 120_000, 180_000, 180_000, 240_000]


def test_an_object_that_is_replaced_meanwhile_is_begun_anew(
    archive: BaseArchive, bucket: str, monkeypatch
):
    import s3fs

    owner = s3fs.S3FileSystem(key="testing", secret="testing")
    name = f"{bucket.removeprefix('s3://')}/p/changing.nc"
    owner.pipe_file(name, DATA)
    whole, calls = archive._range, []

    def changing(path: str, start: int, stop: int) -> bytes:
        calls.append(start)
        if len(calls) == 2:
            owner.pipe_file(name, DATA[::-1])
        return whole(path, start, stop)

    monkeypatch.setattr(archive, "_range", changing)
    monkeypatch.setattr(archive_objects, "_BLOCK", 200_000)
    try:
        assert archive.local("changing.nc").read_bytes() == DATA[::-1]
    finally:
        owner.rm_file(name)


def test_errors_say_what_is_wrong_without_secrets(
    archive: BaseArchive, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with pytest.raises(NotFound, match=r"no s3://catena-archive/p/none\.nc"):
        archive.read("none.nc")
    with pytest.raises(NotFound):
        archive.local("none.nc")
    with pytest.raises(NotFound, match="s3://no-such-bucket/x"):
        open_archive("s3://no-such-bucket/x", patience=PATIENCE).find()
    with pytest.raises(UnsafePath):
        archive.read("../pq/other.nc")
    with pytest.raises(NotFound, match="is not in the archive"):
        archive.read("s3://another-bucket/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    away = open_archive(f"{bucket}/p", cache=tmp_path, patience=PATIENCE)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(Unavailable, match="the object store failed") as caught:
        away.read("tas.nc")
    assert caught.value.retry_after_s
    assert "AKID" not in str(caught.value)
    assert "wJalr" not in str(caught.value)
    s3fs.S3FileSystem.clear_instance_cache()


def test_what_is_private_says_that_it_needs_credentials(bucket: str, tmp_path: Path):
    import s3fs

    owner = s3fs.S3FileSystem(key="testing", secret="testing")
    owner.mkdir("private-bucket")
    owner.pipe_file("private-bucket/x.nc", b"x")
    private = open_archive("s3://private-bucket", cache=tmp_path, patience=PATIENCE)
    try:
        with pytest.raises(FailedPrecondition, match="AWS_ACCESS_KEY_ID"):
            private.read("x.nc")
    finally:
        owner.rm("private-bucket", recursive=True)


OBJECTS = {"p/a.nc": DATA, "p/z/.zgroup": b"{}", "p/z/x/0": b"chunk", "q/b.nc": b"b"}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpArchive]:
    with HttpArchive(handlers=google_handlers("bkt", OBJECTS)) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        import gcsfs.core

        gcsfs.core.GCSFileSystem.clear_instance_cache()
        yield server
        gcsfs.core.GCSFileSystem.clear_instance_cache()


def test_a_google_bucket_is_read_anonymously_and_checked(google: HttpArchive, tmp_path: Path):
    archive = open_archive("gs://bkt/p", cache=tmp_path, patience=PATIENCE)
    md5 = f"md5:{hashlib.md5(DATA).hexdigest()}"
    assert archive.find() == [ArchiveFile("a.nc", len(DATA), md5), ArchiveFile("z")]
    assert archive.local(archive.find()[0]).read_bytes() == DATA
    assert archive.read_range("a.nc", 10, 20) == DATA[10:20]
    assert archive.read_range("a.nc", len(DATA) + 1, len(DATA) + 5) == b""
    assert (archive.local("z") / "x" / "0").read_bytes() == b"chunk"
    with pytest.raises(NotFound, match="gs://bkt/p/none"):
        archive.read("none")
    assert not any("Authorization" in request.headers for request in google.requests)
    with pytest.raises(InvalidData, match=r"a\.nc"):
        archive.local(ArchiveFile("a.nc", len(DATA), f"md5:{'0' * 32}"))


def test_a_google_bucket_that_stumbles_is_asked_again(google: HttpArchive, tmp_path: Path):
    path = "/download/storage/v1/b/bkt/o/p%2Fa.nc"
    google.fail(path, Status(503), NOTHING, Drop(1000))
    archive = open_archive("gs://bkt/p", cache=tmp_path, patience=PATIENCE)
    assert archive.read("a.nc") == DATA
    assert archive.local("a.nc").read_bytes() == DATA
