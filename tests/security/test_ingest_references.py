"""References of an ingest read their archive and nothing else, as it was, and never a pickle."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cmip6_tree import write_tree
from support.http_archive import HttpArchive, Redirect
from support.pangeo import store_path, write_stores

from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.storage import open_datasets, read_ingest
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import (
    ArtifactCorrupt,
    CatenaError,
    FailedPrecondition,
    InvalidData,
    UnsafePath,
)
from catena.shared.testing import run_job

MODEL = "MIROC6"


@dataclass
class Here:
    """An archive that may be read, and another server that may not."""

    top: Path
    served: Path
    server: HttpArchive
    other: HttpArchive

    def ingest(self, location: str, mode: str = "reference") -> Artifact:
        store = ArtifactStore(f"file://{self.top}/store")
        query = IngestDatasetQuery.from_plain(
            {"source": "cmip6", "location": location, "mode": mode, "as_of": "2026-01-31"}
        )
        return store.open(run_job(ingest_dataset, query, store))

    def location(self, way: str) -> str:
        """Of the netCDF files: in their folder, or on the server."""
        if way == "folder":
            return str(self.served / "files")
        return f"{self.server.url}/thredds/catalog/files/catalog.xml"

    @property
    def file(self) -> Path:
        """One of the netCDF files."""
        return sorted((self.served / "files").rglob("*.nc"))[1]

    @property
    def path(self) -> str:
        """Its path on the server."""
        return f"/thredds/fileServer/{self.file.relative_to(self.served).as_posix()}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    served, secret = tmp_path / "served", tmp_path / "secret"
    write_tree(served / "files", (MODEL,))
    secret.mkdir()
    (secret / "key").write_bytes(bytes(100_000))
    with HttpArchive(served) as server, HttpArchive(secret) as other:
        monkeypatch.setenv("CATENA_ARCHIVES", f"{server.url},{served}")
        monkeypatch.setenv("CATENA_HOME", str(tmp_path / "home"))
        yield Here(tmp_path, served, server, other)


def only(artifact: Artifact) -> tuple[dict[str, Any], Any]:
    [(row, dataset)] = list(open_datasets(artifact))
    return row, dataset


# ---- only the archive --------------------------------------------------------------------------


def forged(artifact: Artifact, url: str) -> Artifact:
    """Another artifact with the same reference, of which one chunk lies at `url`."""
    store, name = artifact.store, read_ingest(artifact)["datasets"][0]["name"]
    refs = artifact.read_json(name)
    place = refs["refs"]["tas/0.0.0"]
    refs["refs"]["tas/0.0.0"] = [url, *place[1:]]
    writer = store.writer("data-ingest/IngestDataset/f0e9", 1)
    for each in artifact.names:
        data = json.dumps(refs).encode() if each == name else artifact.read_bytes(each)
        writer.write_bytes(each, data)
    return store.open(writer.commit(kind="dataset"))


@pytest.mark.parametrize("way", ["folder", "server"])
@pytest.mark.parametrize(
    "target",
    [
        "file://{top}/secret/key",
        "file://{served}/files/../../secret/key",
        "file://{served}/files/%2e%2e/%2e%2e/secret/key",
        "/etc/passwd",
        "{other}/key",
        "{server}/elsewhere/key",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/key",
        "s3://bucket/key",
        "memory://key",
        "reference://key",
        "simplecache::{other}/key",
        "zip://key::{other}/key",
    ],
)
def test_a_chunk_outside_of_the_archive_is_refused_by_name(
    here: Here, way: str, target: str
) -> None:
    url = target.format(
        top=here.top, served=here.served, other=here.other.url, server=here.server.url
    )
    _, dataset = only(forged(here.ingest(here.location(way)), url))
    with pytest.raises(UnsafePath) as caught:
        dataset.load()
    assert url[:120] in str(caught.value) and "outside of its archive" in str(caught.value)
    assert not here.other.requests
    assert not here.server.count("/elsewhere/key")


def test_a_reference_that_was_changed_in_the_store_is_corrupt(here: Here) -> None:
    artifact = here.ingest(here.location("folder"))
    name = read_ingest(artifact)["datasets"][0]["name"]
    path = artifact.local_path(name)
    path.write_bytes(path.read_bytes().replace(b"/served/files/", b"/secret/files/"))
    with pytest.raises(ArtifactCorrupt, match=name):
        artifact.store.open(artifact.uri).open_dataset(name)


@pytest.mark.parametrize("when", ["opened", "read"])
def test_a_server_that_sends_readers_to_another_host_is_not_followed(here: Here, when: str) -> None:
    artifact = here.ingest(here.location("server"))
    away = Redirect(f"{here.other.url}/key")
    if when == "opened":
        here.server.always(here.path, away)
        with pytest.raises(UnsafePath, match=f"{here.other.url}/key"):
            only(artifact)
    else:
        _, dataset = only(artifact)
        here.server.always(here.path, away)
        with pytest.raises(UnsafePath, match=f"{here.other.url}/key"):
            dataset.load()
    assert not here.other.requests


def test_a_server_that_sends_readers_elsewhere_on_itself_is_followed(here: Here) -> None:
    artifact = here.ingest(here.location("server"))
    here.server.always(here.path, Redirect(here.path.removeprefix("/thredds/fileServer")))
    _, found = only(artifact)
    _, wanted = only(here.ingest(here.location("folder"), "copy"))
    np.testing.assert_array_equal(found["tas"].values, wanted["tas"].values)


def test_an_archive_that_sends_to_another_host_is_refused_when_it_is_ingested(here: Here) -> None:
    here.server.always(here.path, Redirect(f"{here.other.url}/key"))
    with pytest.raises(CatenaError) as caught:
        here.ingest(here.location("server"))
    assert "CATENA_ARCHIVES" in str(caught.value) and str(here.other.port) in str(caught.value)
    assert not here.other.requests


def test_what_lies_on_another_server_that_may_be_read_is_copied(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENA_ARCHIVES", f"{here.server.url},{here.other.url}")
    assert here.other.folder is not None
    (here.other.folder / "moved.nc").write_bytes(here.file.read_bytes())
    here.server.always(here.path, Redirect(f"{here.other.url}/moved.nc"))
    row, _ = only(here.ingest(here.location("server")))
    assert row["mode"] == "copy"
    [finding] = [item for item in row["findings"] if item["check"] == "reference"]
    assert f"{here.other.url}/moved.nc" in finding["found"]


# ---- as it was ---------------------------------------------------------------------------------


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(2**60, 2**60))


def shrink(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:15_000])


@pytest.mark.parametrize("way", ["folder", "server"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change, "it was changed at|its ETag is"),
        (shrink, r"it has 15000 bytes, the reference was made of \d+"),
        (Path.unlink, "it is gone"),
    ],
    ids=["changed", "shrunk", "gone"],
)
def test_an_archive_file_that_is_another_now_is_refused_by_name(
    here: Here, way: str, damage: Callable[[Path], None], said: str
) -> None:
    artifact = here.ingest(here.location(way))
    file = here.file
    damage(file)
    with pytest.raises(FailedPrecondition, match=said) as caught:
        only(artifact)
    assert file.name in str(caught.value)


@pytest.mark.parametrize("way", ["folder", "server"])
def test_a_file_that_shrinks_behind_an_open_dataset_is_named(here: Here, way: str) -> None:
    _, dataset = only(here.ingest(here.location(way)))
    shrink(here.file)
    with pytest.raises((InvalidData, FailedPrecondition)) as caught:
        dataset.load()
    assert here.file.name in str(caught.value)


# ---- no pickle ---------------------------------------------------------------------------------


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


PICKLE = {"id": "pickle"}
OBJECT = {"dtype": "|O", "fill_value": ""}
TRAPS: dict[str, dict[str, Any]] = {
    "compressor": {"compressor": PICKLE},
    "filter": {"filters": [PICKLE]},
    "filter behind another": {"filters": [{"id": "delta", "dtype": "<f4"}, PICKLE]},
    "objects": {**OBJECT, "filters": [PICKLE]},
    "objects without codec": OBJECT,
    # Taken for text, and unpickled before that is found out.
    "text, compressed": {**OBJECT, "filters": [{"id": "vlen-utf8"}], "compressor": PICKLE},
    "text, filtered": {**OBJECT, "filters": [{"id": "vlen-utf8"}, PICKLE]},
}


def test_the_trap_springs_where_nobody_takes_care(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").is_dir()


@pytest.mark.parametrize("mode", ["copy", "reference"])
@pytest.mark.parametrize("trap", TRAPS)
def test_a_store_of_pickles_is_refused_by_name(here: Here, trap: str, mode: str) -> None:
    write_stores(here.served, here.served / "files", (MODEL,))
    store = here.served / store_path(MODEL)
    (store / ".zmetadata").unlink()
    head = json.loads((store / "tas" / ".zarray").read_bytes())
    head |= {"compressor": None, "filters": None, **TRAPS[trap]}
    (store / "tas" / ".zarray").write_text(json.dumps(head))
    for chunk in (store / "tas").glob("*.0.0"):
        chunk.write_bytes(pickle.dumps(Trap(here.top / "sprung")))
    said = read_ingest(here.ingest(str(here.served / "stores"), mode))
    assert said["datasets"] == []
    [row] = said["files"]
    assert row["outcome"] == "refused" and store_path(MODEL).partition("/")[2] in row["refused"][0]
    assert not (here.top / "sprung").exists()


@pytest.mark.parametrize("trap", TRAPS)
def test_a_reference_to_pickles_gives_no_values(here: Here, trap: str) -> None:
    artifact = here.ingest(here.location("folder"))
    name = read_ingest(artifact)["datasets"][0]["name"]
    refs = artifact.read_json(name)
    head = json.loads(refs["refs"]["tas/.zarray"])
    head |= {"compressor": None, "filters": None, **TRAPS[trap]}
    refs["refs"]["tas/.zarray"] = json.dumps(head)
    data = pickle.dumps(Trap(here.top / "sprung"), protocol=0).decode()
    for key in [key for key in refs["refs"] if key.startswith("tas/") and "/." not in key]:
        refs["refs"][key] = data
    writer = artifact.store.writer("data-ingest/IngestDataset/f0e9", 1)
    for each in artifact.names:
        content = json.dumps(refs).encode() if each == name else artifact.read_bytes(each)
        writer.write_bytes(each, content)
    made = artifact.store.open(writer.commit(kind="dataset"))
    with pytest.raises(CatenaError, match=name):
        made.open_dataset(name).load()
    assert not (here.top / "sprung").exists()
