"""Rules of the writer: nothing is seen before the manifest, and nothing changes after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import ArtifactStore, ArtifactWriter
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound, UnsafePath

NAME = "calibrator/TrainSurrogate/0a1b"


def committed(store: ArtifactStore, files: dict[str, bytes], attempt: int) -> ArtifactRef:
    writer = store.writer(NAME, attempt)
    for name, data in files.items():
        writer.write_bytes(name, data)
    return writer.commit(kind="files")


def test_nothing_is_visible_before_the_manifest(store: ArtifactStore) -> None:
    seen: list[str] = []

    def guard() -> None:
        seen.extend(info.path for info in store.find(f"jobs/{NAME}"))
        with pytest.raises(NotFound):
            store.open(f"jobs/{NAME}")
        assert store.list() == []

    writer = store.writer(NAME, 3, guard)
    writer.write_bytes("x", b"1")
    assert seen == []
    writer.commit(kind="files")
    assert seen == [f"jobs/{NAME}/attempts/3/x"]
    assert [artifact.uri for artifact in store.list()] == [f"jobs/{NAME}"]


def test_a_guard_that_objects_leaves_no_artifact(store: ArtifactStore) -> None:
    def guard() -> None:
        raise FailedPrecondition("cancelled")

    writer = store.writer(NAME, 1, guard)
    writer.write_bytes("x", b"1")
    with pytest.raises(FailedPrecondition, match="cancelled"):
        writer.commit(kind="files")
    with pytest.raises(NotFound):
        store.open(f"jobs/{NAME}")


def test_the_first_commit_stays(store: ArtifactStore) -> None:
    first = committed(store, {"x": b"1"}, attempt=1)
    second = committed(store, {"x": b"2"}, attempt=2)
    assert second == first
    assert store.open(second).read_bytes("x") == b"1"


def test_names_are_given_once(writer: ArtifactWriter) -> None:
    writer.write_bytes("a/b", b"1")
    writer.write_dataset("d.zarr", xr.Dataset({"v": ("x", [1.0])}))
    for taken in ("a/b", "a", "a/b/c", "d.zarr", "d.zarr/zarr.json"):
        with pytest.raises(FailedPrecondition, match=r"before|at once"):
            writer.write_bytes(taken, b"2")
        with pytest.raises(FailedPrecondition, match=r"before|at once"):
            writer.write_dataset(taken, xr.Dataset({"v": ("x", [1.0])}))
    writer.commit(kind="files")
    with pytest.raises(FailedPrecondition, match="committed"):
        writer.write_bytes("late", b"")
    with pytest.raises(FailedPrecondition, match="committed"):
        writer.commit(kind="files")


def test_a_commit_is_checked(store: ArtifactStore, writer: ArtifactWriter) -> None:
    with pytest.raises(FailedPrecondition, match="no files"):
        writer.commit(kind="files")
    writer.write_bytes("x", b"")
    with pytest.raises(NotFound, match=r"report\.html"):
        writer.commit(kind="files", timed_files=["report.html"])
    with pytest.raises(InvalidData, match="wall_s"):
        writer.commit(kind="files", costs={"wall_s": float("nan")})
    for kind in ("", "a b", "a/b"):
        with pytest.raises(UnsafePath, match="kind"):
            writer.commit(kind=kind)
        with pytest.raises(UnsafePath, match="kind"):
            store.put_files({"x": b""}, kind=kind)
    with pytest.raises(InvalidData, match="attempt"):
        store.writer(NAME, -1)
    with pytest.raises(NotFound):
        store.open(f"jobs/{NAME}")


def test_a_library_that_writes_nothing_is_noticed(writer: ArtifactWriter) -> None:
    with pytest.raises(NotFound, match="nothing was written"), writer.local_file("x.nc"):
        pass
    with pytest.raises(ValueError, match="library"), writer.local_file("x.nc") as path:
        path.write_bytes(b"half")
        raise ValueError("library")
    assert writer.names == []


@pytest.mark.parametrize("odd", [["a", None], [1, "a"], [{}, []], [1.5, None]])
def test_a_dataset_of_objects_is_refused(writer: ArtifactWriter, odd: list[object]) -> None:
    column = np.empty(2, dtype=object)
    column[:] = odd
    with pytest.raises(InvalidData, match="'odd' holds objects"):
        writer.write_dataset("d.zarr", xr.Dataset({"odd": ("x", column)}))
    assert writer.names == []


def test_text_of_any_length_comes_back(store: ArtifactStore, writer: ArtifactWriter) -> None:
    names = ["", "flnr", "a longer name", "Übergang"]
    data = xr.Dataset({"fixed": ("x", np.array(names)), "free": ("x", np.array(names, object))})
    writer.write_dataset("d.zarr", data)
    read = store.open(writer.commit(kind="x")).open_dataset("d.zarr")
    assert read["fixed"].values.tolist() == read["free"].values.tolist() == names


def test_half_a_dataset_is_dropped(store: ArtifactStore, writer: ArtifactWriter) -> None:
    bad = xr.Dataset({"a": ("x", [1.0]), "v [W m-2]": ("x", [1.0])})
    with pytest.raises(UnsafePath, match="v \\[W"):
        writer.write_dataset("d.zarr", bad)
    assert writer.names == []
    writer.write_bytes("x", b"")
    assert store.open(writer.commit(kind="files")).names == ["x"]


def test_downloads_go_with_the_artifact(store: ArtifactStore, writer: ArtifactWriter) -> None:
    writer.write_bytes("x", b"1")
    artifact = store.open(writer.commit(kind="files"))
    path: Path = artifact.local_path("x")
    assert path.read_bytes() == b"1"
    inside_store = store.url.startswith("file:")
    del artifact
    assert path.exists() == inside_store
