"""A reference gets exactly what it names; damage is found and the file is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    NotFound,
    VersionMismatch,
)
from catena.shared.query import RefQuery

NAME = "calibrator/TrainSurrogate/0a1b"
OTHER = "sha256:" + "0" * 64


@pytest.fixture
def artifact(store: ArtifactStore) -> Artifact:
    writer = store.writer(NAME, 1)
    writer.write_bytes("a.bin", b"0123456789")
    writer.write_bytes("b.bin", b"abcdefghij")
    writer.write_dataset("d.zarr", xr.Dataset({"v": ("x", np.arange(5.0))}))
    return store.open(writer.commit(kind="ensemble"))


def test_references_of_every_form_open(store: ArtifactStore, artifact: Artifact) -> None:
    ref = artifact.ref
    for form in (
        ref,
        ref.uri,
        f"{store.url}/{ref.uri}",
        ArtifactRef(uri=ref.uri),
        RefQuery(uri=ref.uri, digest=ref.digest, kind=ref.kind),
    ):
        assert store.open(form).ref == ref


def test_other_content_than_the_reference_says_is_refused(
    store: ArtifactStore, artifact: Artifact
) -> None:
    with pytest.raises(FailedPrecondition, match="other content than the reference says") as caught:
        store.open(ArtifactRef(uri=artifact.uri, digest=OTHER))
    assert artifact.manifest.digest in str(caught.value)
    assert OTHER in str(caught.value)


def test_another_kind_is_named(store: ArtifactStore, artifact: Artifact) -> None:
    with pytest.raises(FailedPrecondition, match="of kind 'ensemble', the reference says 'chains'"):
        store.open(ArtifactRef(uri=artifact.uri, kind="chains"))


def test_what_is_not_there_is_not_found(store: ArtifactStore, artifact: Artifact) -> None:
    for uri in (
        "jobs/calibrator/TrainSurrogate/ff",
        "imports/00",
        "jobs/calibrator",
        "imports/x/y",
    ):
        with pytest.raises(NotFound, match="no artifact"):
            store.open(uri)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda store, path: store.write_bytes(path, b"01234"),
            "has 5 bytes, the manifest says 10",
        ),
        (lambda store, path: store.write_bytes(path, b"0123456780"), "was changed"),
        (lambda store, path: store.remove_tree(path), "is missing"),
        (lambda store, path: store.write_bytes(path, b""), "has 0 bytes"),
        (lambda store, path: store.write_bytes(path, b"0123456789+"), "has 11 bytes"),
    ],
)
def test_damage_is_found_by_every_reader(
    store: ArtifactStore, artifact: Artifact, damage: Any, complaint: str, tmp_path: Path
) -> None:
    damage(store, artifact.path("a.bin"))
    for read in (
        artifact.verify,
        lambda: artifact.read_bytes("a.bin"),
        lambda: artifact.read_json("a.bin"),
        lambda: artifact.local_path("a.bin"),
        lambda: artifact.copy("a.bin", tmp_path / "copy"),
        lambda: store.export(artifact.ref, tmp_path / "out"),
    ):
        with pytest.raises(ArtifactCorrupt, match=complaint) as caught:
            read()
        assert "'a.bin'" in str(caught.value)
        assert "b.bin" not in str(caught.value)
    assert not (tmp_path / "copy").exists()
    assert artifact.read_bytes("b.bin") == b"abcdefghij"


def test_verify_names_every_damaged_file(store: ArtifactStore, artifact: Artifact) -> None:
    artifact.verify()
    store.write_bytes(artifact.path("a.bin"), b"")
    store.remove_tree(artifact.path("b.bin"))
    with pytest.raises(ArtifactCorrupt, match=r"'a\.bin' has 0 bytes.*'b\.bin' is missing"):
        artifact.verify()


def test_a_damaged_chunk_is_found_when_it_is_read(store: ArtifactStore, artifact: Artifact) -> None:
    chunk = next(name for name in artifact.names if "/c/" in name)
    data = store.read_bytes(artifact.path(chunk))
    store.write_bytes(artifact.path(chunk), data[:-1] + bytes([data[-1] ^ 1]))
    lazy = artifact.open_dataset("d.zarr")
    with pytest.raises(ArtifactCorrupt, match=f"'{chunk}' was changed"):
        lazy.load()
    store.remove_tree(artifact.path(chunk))
    with pytest.raises(ArtifactCorrupt, match=f"'{chunk}' is missing"):
        artifact.open_dataset("d.zarr").load()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": OTHER},
        {"digest": "sha256:abc"},
        {"digest": None},
        {"kind": "posterior"},
        {"kind": ""},
        {"units": {"lh": "W m-2"}},
        {"files": []},
        {"files": None},
        {"root": "checkpoint"},
        {"root": "attempts/1\n"},
        {"identity": "jobs/other/M/00"},
        {"create_time": "yesterday"},
        {"create_time": "2026-01-01T00:00:00"},
        {"unknown": 1},
        {"schema_version": 0},
        {"schema_version": "1.0"},
    ],
)
def test_a_changed_manifest_is_found(
    store: ArtifactStore, artifact: Artifact, change: dict[str, object]
) -> None:
    path = f"{artifact.uri}/artifact.json"
    store.write_json(path, store.read_json(path) | change)
    with pytest.raises(ArtifactCorrupt, match=artifact.uri):
        store.open(artifact.uri)
    assert store.list() == []


def test_a_changed_or_doubled_file_entry_is_found(store: ArtifactStore, artifact: Artifact) -> None:
    path = f"{artifact.uri}/artifact.json"
    good = store.read_json(path)
    entry = good["files"][0]
    for files in (
        [entry | {"sha256": "0" * 64}, *good["files"][1:]],
        [entry | {"path": "c.bin"}, *good["files"][1:]],
        [entry | {"timed": True}, *good["files"][1:]],
        [entry | {"size": -1}, *good["files"][1:]],
        [*good["files"], entry | {"timed": True}],
        good["files"][1:],
    ):
        store.write_json(path, good | {"files": files})
        with pytest.raises(ArtifactCorrupt):
            store.open(artifact.uri)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"3", b"[" * 100_000])
def test_a_manifest_that_is_none_is_said_so(
    store: ArtifactStore, artifact: Artifact, data: bytes
) -> None:
    store.write_bytes(f"{artifact.uri}/artifact.json", data)
    with pytest.raises(ArtifactCorrupt, match="not readable"):
        store.open(artifact.uri)


def test_a_newer_manifest_asks_for_an_update(store: ArtifactStore, artifact: Artifact) -> None:
    path = f"{artifact.uri}/artifact.json"
    store.write_json(path, store.read_json(path) | {"schema_version": 2, "new_field": 1})
    with pytest.raises(VersionMismatch, match="update catena"):
        store.open(artifact.uri)


def test_a_new_attempt_replaces_a_damaged_artifact(store: ArtifactStore) -> None:
    def make(attempt: int) -> ArtifactRef:
        writer = store.writer(NAME, attempt)
        writer.write_bytes("x", b"1")
        return writer.commit(kind="x")

    first = make(1)
    root = store.open(first).manifest.root
    for attempt, damaged in ((2, f"{root}/x"), (3, "artifact.json")):
        store.write_bytes(f"{first.uri}/{damaged}", b"?")
        assert make(attempt) == first
        artifact = store.open(first)
        artifact.verify()
        assert artifact.manifest.root == f"attempts/{attempt}"
    assert make(4) == first
    assert store.open(first).manifest.root == "attempts/3"


@pytest.mark.parametrize("damaged", ["files/x", "artifact.json"])
def test_importing_again_repairs(store: ArtifactStore, damaged: str) -> None:
    first = store.put_files({"x": b"1", "y": b"2"})
    store.write_bytes(f"{first.uri}/{damaged}", b"?")
    assert store.put_files({"x": b"1", "y": b"2"}) == first
    store.open(first).verify()


def test_lists_are_newest_first_and_by_kind(store: ArtifactStore, artifact: Artifact) -> None:
    imported = store.put_files({"x": b"1"})
    assert [item.uri for item in store.list()] == [imported.uri, artifact.uri]
    assert [item.uri for item in store.list("ensemble")] == [artifact.uri]
    assert store.list("chains") == []


def test_lists_pass_over_what_is_not_ours(folder_store: ArtifactStore, tmp_path: Path) -> None:
    ref = folder_store.put_files({"x": b"1"})
    for stray in ("jobs/my notes", "imports/Ünïcode", "jobs/s/M/x y", "jobs/s/file"):
        path = tmp_path / "store" / stray
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stray")
    assert [item.uri for item in folder_store.list()] == [ref.uri]
    assert folder_store.gc(grace_s=3600).remove == []
