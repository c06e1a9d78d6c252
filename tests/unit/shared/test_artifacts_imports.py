"""Files come in as artifacts named by their content, and go out without harm to what is there."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound, UnsafePath


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "runs.csv"
    path.parent.mkdir()
    path.write_bytes(b"gpp,lh\n1,2\n")
    return path


def test_the_same_content_is_the_same_artifact(store: ArtifactStore, runs: Path) -> None:
    first = store.put_files([runs], title="mine")
    time_of_first = store.open(first).manifest.create_time
    forms = [
        runs,
        str(runs),
        {"runs.csv": runs},
        {"runs.csv": str(runs)},
        {"runs.csv": runs.read_bytes()},
    ]
    for same in forms:
        assert store.put_files(same, title="again") == first
    artifact = store.open(first)
    assert first.uri == f"imports/{first.digest.removeprefix('sha256:')}"
    assert (artifact.manifest.title, artifact.manifest.create_time) == ("mine", time_of_first)
    assert artifact.read_bytes("runs.csv") == b"gpp,lh\n1,2\n"
    assert len(store.list()) == 1


def test_other_content_name_or_kind_is_another_artifact(store: ArtifactStore) -> None:
    refs = [
        store.put_files({"a": b"1"}),
        store.put_files({"a": b"2"}),
        store.put_files({"b": b"1"}),
        store.put_files({"a": b"1", "b": b"1"}),
        store.put_files({"a": b"1"}, kind="case"),
    ]
    assert len({ref.uri for ref in refs}) == 5
    assert store.open(refs[-1]).kind == "case"


def test_many_at_once_agree(store: ArtifactStore) -> None:
    with ThreadPoolExecutor(6) as pool:
        refs = list(pool.map(lambda _: store.put_files({"a": b"1" * 1000, "b": b"2"}), range(6)))
    assert len({ref.digest for ref in refs}) == 1
    store.open(refs[0]).verify()


def test_what_is_no_regular_file_is_refused(store: ArtifactStore, runs: Path) -> None:
    folder = runs.parent
    (folder / "link.csv").symlink_to(runs)
    (folder / "broken.csv").symlink_to(folder / "none")
    os.mkfifo(folder / "pipe.csv")
    for name, complaint in (
        ("link.csv", "symbolic link"),
        ("broken.csv", "symbolic link"),
        ("pipe.csv", "not a regular file"),
    ):
        with pytest.raises(InvalidRequest, match=f"'{name}' is .*{complaint}") as caught:
            store.put_files([folder / name])
        assert str(folder) not in str(caught.value)
    with pytest.raises(InvalidRequest, match="folder"):
        store.put_files([folder])
    with pytest.raises(NotFound, match=r"none\.csv"):
        store.put_files([folder / "none.csv"])
    with pytest.raises(NotFound):
        store.put_files([runs / "below.csv"])
    with pytest.raises(InvalidRequest):
        store.put_files({"x": "a\0b"})
    assert store.list() == []
    assert not store.exists("imports")


def test_names_are_plain_and_given_once(store: ArtifactStore, runs: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other" / "runs.csv"
    twin.parent.mkdir()
    twin.write_bytes(b"")
    with pytest.raises(InvalidRequest, match=r"two files are called 'runs\.csv'"):
        store.put_files([runs, twin])
    assert store.open(store.put_files({"one.csv": runs, "two.csv": twin})).names == [
        "one.csv",
        "two.csv",
    ]
    for name in ("sub/runs.csv", "my runs.csv", "..", "Ü.csv"):
        with pytest.raises(UnsafePath, match="files"):
            store.put_files({name: b""})
    spaced = tmp_path / "my runs.csv"
    spaced.write_bytes(b"")
    with pytest.raises(UnsafePath, match="my runs"):
        store.put_files([spaced])
    for nothing in ([], {}):
        with pytest.raises(InvalidRequest, match="at least one"):
            store.put_files(nothing)


def test_a_folder_gets_the_files_and_the_manifest(store: ArtifactStore, tmp_path: Path) -> None:
    writer = store.writer("s/M/0a", 1)
    writer.write_bytes("a", b"1")
    writer.write_bytes("sub/b", b"2")
    ref = writer.commit(kind="files")
    out = tmp_path / "new" / "out"
    for _ in range(2):  # exporting again changes nothing
        assert store.export(ref, out) == [out / "a", out / "sub" / "b"]
        found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        assert found == {
            "a": b"1",
            "sub/b": b"2",
            "artifact.json": store.open(ref).manifest.to_json(),
        }


@pytest.mark.parametrize("taken", ["a", "sub/b", "artifact.json", "sub"])
def test_other_content_is_not_overwritten(store: ArtifactStore, tmp_path: Path, taken: str) -> None:
    writer = store.writer("s/M/0a", 1)
    writer.write_bytes("a", b"1")
    writer.write_bytes("sub/b", b"2")
    ref = writer.commit(kind="files")
    out = tmp_path / "out"
    (out / taken).parent.mkdir(parents=True)
    (out / taken).write_bytes(b"precious")
    with pytest.raises(FailedPrecondition, match="nothing was written") as caught:
        store.export(ref, out)
    assert taken in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert [path for path in out.rglob("*") if path.is_file()] == [out / taken]
    assert (out / taken).read_bytes() == b"precious"


def test_a_file_in_place_of_the_folder_is_said_so(store: ArtifactStore, tmp_path: Path) -> None:
    ref = store.put_files({"a": b"1"})
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(FailedPrecondition, match="is a file"):
        store.export(ref, tmp_path / "out")


def test_an_artifact_that_has_a_file_of_the_manifests_name_keeps_it(
    store: ArtifactStore, tmp_path: Path
) -> None:
    ref = store.put_files({"artifact.json": b"mine"})
    assert store.open(ref).read_bytes("artifact.json") == b"mine"
    store.export(ref, tmp_path / "out")
    assert (tmp_path / "out" / "artifact.json").read_bytes() == b"mine"
