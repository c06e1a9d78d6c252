"""Whole ingests over the network: THREDDS, Pangeo's datastore with zarr, and the same in S3.

Whatever the server does, the artifact holds what the folder holds, or the file is refused by name,
or the job ends as unavailable and goes on from there when it is asked again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr
from support.cmip6_tree import MODELS, write_tree
from support.half_written import Watch
from support.http_archive import (
    Drop,
    Fault,
    HttpArchive,
    IgnoreRange,
    NoHead,
    NoLength,
    Stall,
    Status,
    Trickle,
    Truncate,
)
from support.object_store import s3_server
from support.pangeo import NAME, publish, store_path, write_stores

from catena.data_ingest.archive_mirror import fill_mirror
from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import NotFound, Unavailable
from catena.shared.testing import run_job

pytestmark = pytest.mark.slow

FIRST, LAST = sorted(MODELS)
MODES = ("copy", "reference")
WAYS = [
    ("thredds", "reference"),
    ("pangeo", "copy"),
    pytest.param("thredds", "copy", marks=pytest.mark.exhaustive),
    pytest.param("pangeo", "reference", marks=pytest.mark.exhaustive),
]
LATER = Status(503, retry_after=3600)
"""More patience than there is."""

Content = dict[str, xr.Dataset]


def fill(folder: Path) -> Path:
    """A folder with netCDF files and zarr stores of the same data."""
    folder.mkdir()
    write_tree(folder / "files")
    write_stores(folder, folder / "files", MODELS)
    return folder


@dataclass
class Here:
    """A server, and this machine's folders."""

    server: HttpArchive
    served: Path
    top: Path

    @property
    def cache(self) -> Path:
        return self.top / "home" / "cache" / "archives"

    def location(self, way: str) -> str:
        """Where the data lie on the server."""
        if way == "thredds":
            return f"{self.server.url}/thredds/catalog/files/catalog.xml"
        return f"{self.server.url}/{NAME}"

    def paths(self, way: str, model: str) -> list[str]:
        """Of a model's files, or of its chunks, on the server."""
        if way == "thredds":
            files = sorted((self.served / "files").rglob(f"*_{model}_*.nc"))
            prefix = "/thredds/fileServer"
        else:
            files = sorted((self.served / store_path(model) / "tas").glob("*.0.0"))
            prefix = ""
        return [f"{prefix}/{path.relative_to(self.served).as_posix()}" for path in files]

    def file(self, path: str) -> Path:
        """The file that the server has under a path."""
        return self.served / path.removeprefix("/thredds/fileServer").lstrip("/")

    def store(self, name: str = "store") -> ArtifactStore:
        return ArtifactStore(f"file://{self.top}/{name}")

    def ingest(self, location: str, mode: str = "copy", name: str = "store") -> Artifact:
        return ingest(self.store(name), location, mode)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    served = fill(tmp_path / "served")
    with HttpArchive(served) as server:
        publish(served, server.url, MODELS)
        monkeypatch.setenv("CATENA_ARCHIVES", server.url)
        monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
        yield Here(server, served, tmp_path)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same in a public bucket, which is read without an account."""
    import s3fs

    folder = fill(tmp_path_factory.mktemp("bucket") / "served")
    with s3_server(credentials=False) as url:
        publish(folder, url, MODELS)
        owner = s3fs.S3FileSystem(key="testing", secret="testing")
        owner.put(f"{folder}/", f"{url}/", recursive=True)
        yield url


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the ingest of the folder gives."""
    top = tmp_path_factory.mktemp("wanted")
    served = fill(top / "served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CATENA_ARCHIVES", str(served))
        patch.setenv("CATENA_HOME", str(top / "home"))
        return content(ingest(ArtifactStore(f"file://{top}/store"), str(served / "files"), "copy"))


def ingest(store: ArtifactStore, location: str, mode: str) -> Artifact:
    query = IngestDatasetQuery.from_plain(
        {"source": "cmip6", "location": location, "mode": mode, "as_of": "2026-01-31"}
    )
    return store.open(run_job(ingest_dataset, query, store))


def content(artifact: Artifact) -> Content:
    return {row["key"]: dataset.load() for row, dataset in open_datasets(artifact)}


def modes(artifact: Artifact) -> set[str]:
    return {row["mode"] for row in read_ingest(artifact)["datasets"]}


def assert_as(artifact: Artifact, wanted: Content) -> None:
    artifact.verify()
    found = content(artifact)
    assert set(found) == set(wanted)
    for key, dataset in wanted.items():
        xr.testing.assert_equal(found[key], dataset)
        assert found[key]["tas"].dtype == dataset["tas"].dtype


# ---- every way in ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["thredds", "pangeo"])
def test_a_server_gives_what_the_folder_gives(
    here: Here, wanted: Content, way: str, mode: str
) -> None:
    artifact = here.ingest(here.location(way), mode)
    assert modes(artifact) == {mode}
    assert_as(artifact, wanted)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["files", NAME])
def test_a_bucket_gives_what_the_folder_gives(
    bucket: str, wanted: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str,
    mode: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("CATENA_ARCHIVES", bucket)
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    artifact = ingest(ArtifactStore(f"file://{tmp_path}/store"), f"{bucket}/{place}", mode)
    assert modes(artifact) == {mode}
    assert_as(artifact, wanted)


# ---- servers that stumble ----------------------------------------------------------------------

ONCE = {
    "503": (Status(503, retry_after=0), Status(503, retry_after=0)),
    "dropped": (Drop(300),),
    "truncated": (Truncate(300),),
}
ALWAYS = {
    "slow": Trickle(4000, 0.005),
    "no ranges": IgnoreRange(),
    "no HEAD": NoHead(),
    "no length": NoLength(),
}


@pytest.mark.parametrize(("way", "mode"), WAYS)
@pytest.mark.parametrize("fault", ONCE)
def test_what_passes_is_tried_again(
    here: Here, wanted: Content, way: str, mode: str, fault: str
) -> None:
    paths = [here.paths(way, model)[1] for model in MODELS]
    spoil(here, paths, ONCE[fault])
    artifact = here.ingest(here.location(way), mode)
    assert modes(artifact) == {mode}
    if mode == "reference":
        spoil(here, paths, ONCE[fault])  # who reads by reference meets the same server
    assert_as(artifact, wanted)
    for path in paths:
        assert here.server.count(path) > len(ONCE[fault])


def spoil(here: Here, paths: list[str], faults: tuple[Fault, ...]) -> None:
    for path in paths:
        here.server.fail(path, *faults)


@pytest.mark.parametrize(("way", "mode"), WAYS)
@pytest.mark.parametrize("fault", ALWAYS)
def test_an_odd_server_is_borne(
    here: Here, wanted: Content, way: str, mode: str, fault: str
) -> None:
    for model in MODELS:
        for path in here.paths(way, model):
            here.server.always(path, ALWAYS[fault])
    artifact = here.ingest(here.location(way), mode)
    # Files of which no part can be had are copied, and the artifact says so; chunks of zarr are
    # files of their own.
    copied = mode == "copy" or (way == "thredds" and fault == "no ranges")
    assert modes(artifact) == {"copy" if copied else "reference"}
    if copied and mode == "reference":
        findings = read_ingest(artifact)["datasets"][0]["findings"]
        assert [item["why"] for item in findings if item["check"] == "reference"] == [
            "copied instead of referred to"
        ]
    assert_as(artifact, wanted)


# ---- files that are wrong for good -------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("checksums", ["sha256", ""])
def test_a_file_that_is_cut_short_for_good_is_refused_by_name(
    here: Here, wanted: Content, mode: str, checksums: str
) -> None:
    here.server.checksums = checksums
    bad = here.file(here.paths("thredds", LAST)[0])
    bad.write_bytes(bad.read_bytes()[:20_000])
    refused_by_name(here.ingest(here.location("thredds"), mode), bad.name, wanted)


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_checksum_is_refused_by_name(here: Here, wanted: Content, mode: str) -> None:
    path = here.paths("thredds", LAST)[0]
    right = here.file(path).read_bytes()
    here.server.handlers[path] = lambda request: right[:-1] + bytes([right[-1] ^ 1])
    refused_by_name(here.ingest(here.location("thredds"), mode), Path(path).name, wanted)
    assert here.server.count(path) >= 2, "a proxy may have spoilt it: it is fetched twice"
    assert not list(here.cache.rglob(Path(path).name))


@pytest.mark.parametrize("mode", MODES)
def test_a_chunk_that_is_cut_short_for_good_is_refused_by_its_store(
    here: Here, wanted: Content, mode: str
) -> None:
    bad = here.file(here.paths("pangeo", LAST)[2])
    bad.write_bytes(bad.read_bytes()[:200])
    refused_by_name(here.ingest(here.location("pangeo"), mode), store_path(LAST), wanted)


def refused_by_name(artifact: Artifact, name: str, wanted: Content) -> None:
    said = read_ingest(artifact)
    reasons = [r for row in said["files"] if row["outcome"] == "refused" for r in row["refused"]]
    assert reasons and all(name in reason for reason in reasons)
    assert_as(artifact, {key: data for key, data in wanted.items() if f".{FIRST}." in key})


# ---- unavailable, and asked again --------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_download_goes_on_where_it_broke_off(here: Here, wanted: Content, mode: str) -> None:
    broken = here.paths("thredds", LAST)[1]
    size = here.file(broken).stat().st_size
    here.server.fail(broken, Drop(15_000), LATER)
    with pytest.raises(Unavailable, match=Path(broken).name) as caught:
        here.ingest(here.location("thredds"), mode)
    assert caught.value.retry_after_s == 3600
    assert not here.store().list()
    assert not list(here.cache.rglob(Path(broken).name)), "half of it has no name yet"
    whole = [path for model in MODELS for path in here.paths("thredds", model) if path != broken]
    assert all(here.server.sent(path) >= here.file(path).stat().st_size for path in whole)
    here.server.forget()
    artifact = here.ingest(here.location("thredds"), mode)
    finished = whole if mode == "copy" else here.paths("thredds", FIRST)
    assert not sum(here.server.sent(path) for path in finished)
    if mode == "copy":  # who refers looks at chunks, too
        assert here.server.sent(broken) == size - 15_000
    starts = [request.range for request in here.server.of(broken) if request.range]
    assert starts[0] == "bytes=15000-"
    assert_as(artifact, wanted)
    assert artifact.manifest.digest == undisturbed(here, "thredds", mode).manifest.digest


@pytest.mark.parametrize("mode", MODES)
def test_a_finished_store_is_not_read_again(here: Here, wanted: Content, mode: str) -> None:
    here.server.fail(here.paths("pangeo", LAST)[4], LATER)
    with pytest.raises(Unavailable, match=rf"{LAST}/.*/tas/4\.0\.0"):
        here.ingest(here.location("pangeo"), mode)
    assert not here.store().list()
    here.server.forget()
    artifact = here.ingest(here.location("pangeo"), mode)
    asked = {request.path for request in here.server.requests}
    assert not [path for path in asked if store_path(FIRST) in path]
    assert set(here.paths("pangeo", LAST)) <= asked
    assert_as(artifact, wanted)
    assert artifact.manifest.digest == undisturbed(here, "pangeo", mode).manifest.digest


def undisturbed(here: Here, way: str, mode: str) -> Artifact:
    """The same request in another store, of a server that does well."""
    return here.ingest(here.location(way), mode, "undisturbed")


# ---- nothing half-written shows ----------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["thredds", "pangeo"])
def test_nothing_half_written_is_visible(here: Here, wanted: Content, way: str, mode: str) -> None:
    slow = Trickle(4000, 0.02) if way == "thredds" else Stall(100, 0.05)
    for model in MODELS:
        for path in here.paths(way, model):
            here.server.always(path, slow)
        here.server.fail(here.paths(way, model)[1], Drop(200))
    with Watch(here.store(), here.cache, here.served) as watch:
        artifact = here.ingest(here.location(way), mode)
    assert watch.looks > 20
    assert watch.wrong == []
    if way == "thredds":
        assert watch.under_way > 3, "it looked while files were here in part"
    assert [each.uri for each in here.store().list()] == [artifact.uri]
    assert_as(artifact, wanted)


def test_the_watch_sees_what_is_half_written(here: Here) -> None:
    artifact = here.ingest(here.location("thredds"))
    watch = Watch(here.store(), here.cache, here.served)
    watch.look()
    assert watch.wrong == []
    [file, *_] = sorted(here.cache.rglob("*.nc"))
    file.write_bytes(file.read_bytes()[:100])
    os.truncate(artifact.local_path(next(n for n in artifact.names if "/tas/c/" in n)), 10)
    watch.look()
    assert any(file.name in text for text in watch.wrong)
    assert any(artifact.uri in text for text in watch.wrong)


# ---- offline -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["thredds", "pangeo"])
def test_a_mirror_gives_the_same_without_a_server(
    here: Here, wanted: Content, monkeypatch: pytest.MonkeyPatch, way: str, mode: str
) -> None:
    location, mirror = here.location(way), here.top / "mirror"
    online = here.ingest(location, mode)
    # A datastore names stores that lie anywhere; here all of them are on its server.
    plan = fill_mirror(location if way == "thredds" else f"{here.server.url}/", mirror)
    assert plan.missing and not plan.here
    here.server.__exit__()
    monkeypatch.setenv("CATENA_MIRROR", str(mirror))
    offline = here.ingest(location, mode, "offline")
    assert modes(offline) == {mode}
    assert_as(offline, wanted)
    if mode == "copy":
        assert offline.manifest.digest == online.manifest.digest
    with pytest.raises(NotFound, match="the mirror has nothing"):
        here.ingest(f"{here.server.url}/elsewhere/", mode, "offline")


def test_a_mirror_of_a_bucket(
    bucket: str, wanted: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_mirror(bucket, tmp_path / "mirror")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CATENA_MIRROR", str(tmp_path / "mirror"))
    for place in ("files", NAME):
        for mode in MODES:
            store = ArtifactStore(f"file://{tmp_path}/store")
            assert_as(ingest(store, f"{bucket}/{place}", mode), wanted)
