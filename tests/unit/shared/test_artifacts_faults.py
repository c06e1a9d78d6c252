"""A crash between any two operations leaves no artifact or a whole one, never half of one."""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import ArtifactStore, ArtifactWriter
from catena.shared.errors import CatenaError, InvalidData, NotFound, Unavailable
from catena.shared.testing import FakeClock, Fault, FaultyStore, Killed, disk_full

NAME = "calibrator/TrainSurrogate/0a1b"
URI = f"jobs/{NAME}"


def make(store: ArtifactStore, attempt: int) -> ArtifactRef:
    writer = store.writer(NAME, attempt)
    writer.write_arrays("w.safetensors", {"w": np.arange(4.0)})
    writer.write_dataset("d.zarr", xr.Dataset({"v": ("x", np.arange(3.0))}))
    writer.write_json("report.json", {"r2": 1})
    return writer.commit(kind="surrogate")


def bring_in(store: ArtifactStore, attempt: int) -> ArtifactRef:
    return store.put_files({"a.csv": b"1,2", "b.csv": b"3,4", "c.csv": b"5,6"})


def count(url: str, work: Callable[[ArtifactStore, int], ArtifactRef], operation: str) -> int:
    store = FaultyStore(url)
    work(store, 1)
    return sum(kind == operation for kind, _ in store.journal)


def whole_or_none(store: ArtifactStore, uri: str) -> bool:
    """True: a whole artifact; False: none. Half of one fails the test."""
    try:
        artifact = store.open(uri)
    except NotFound:
        assert store.list() == []
        return False
    artifact.verify()
    return True


@pytest.fixture(params=["memory", "file"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    if request.param == "memory":
        return lambda: f"memory://{secrets.token_hex(6)}"
    return lambda: f"file://{tmp_path}/{secrets.token_hex(6)}"


@pytest.mark.parametrize("effect", ["none", "partial", "done"])
@pytest.mark.parametrize("work", [make, bring_in])
def test_a_kill_at_any_write_leaves_a_whole_artifact_or_none(
    fresh: Callable[[], str],
    work: Callable[[ArtifactStore, int], ArtifactRef],
    effect: str,
) -> None:
    expected = work(ArtifactStore(fresh()), 1)
    writes = count(fresh(), work, "write")
    assert writes >= 4
    visible = []
    for at in range(1, writes + 1):
        url = fresh()
        faulty = FaultyStore(url, Fault("write", at, Killed, effect, stays=True))
        with pytest.raises(Killed):
            work(faulty, 1)
        visible.append(whole_or_none(ArtifactStore(url), expected.uri))
        # Asking again, as a new process does, gives what an uninterrupted run gives.
        again = work(ArtifactStore(url), 2)
        assert again == expected
        assert whole_or_none(ArtifactStore(url), expected.uri)
    # The manifest is the last write: only when that one was done is there an artifact.
    assert visible == [False] * (writes - 1) + [effect == "done"]


@pytest.mark.parametrize("operation", ["write", "read", "list", "remove"])
@pytest.mark.parametrize("work", [make, bring_in])
def test_a_failing_call_of_any_kind_is_an_error_of_ours_and_no_half(
    work: Callable[[ArtifactStore, int], ArtifactRef], operation: str
) -> None:
    expected = work(ArtifactStore("memory://expected-faults"), 1)
    for at in range(1, count(f"memory://{secrets.token_hex(6)}", work, operation) + 1):
        url = f"memory://{secrets.token_hex(6)}"
        store = FaultyStore(url, Fault(operation, at))
        with pytest.raises(Unavailable, match="full") as caught:
            work(store, 1)
        assert "No space left" not in str(caught.value)
        whole_or_none(ArtifactStore(url), expected.uri)
        assert work(store, 2) == expected


_FACTORY = """
import sys
from catena.shared.artifacts import ArtifactStore
store = ArtifactStore(sys.argv[1])
for number in range(100_000):
    writer = store.writer(f"s/M/{number:08x}", 1)
    for part in range(4):
        writer.write_bytes(f"part-{part}", bytes([number % 256]) * 50_000)
    writer.commit(kind="files")
    print(number, flush=True)
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.007, 0.012])
def test_a_real_kill_leaves_whole_artifacts_only(tmp_path: Path, delay_s: float) -> None:
    url = f"file://{tmp_path}"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    factory = subprocess.Popen(
        [sys.executable, "-c", _FACTORY, url], env=env, stdout=subprocess.PIPE, text=True
    )
    said = [int(factory.stdout.readline()) for _ in range(5)]
    time.sleep(delay_s)
    factory.kill()
    said += [int(line) for line in factory.stdout.read().split()]
    factory.wait()
    store = ArtifactStore(url)
    found = store.list()
    for artifact in found:
        artifact.verify()
        assert len(artifact.names) == 4
    # What was reported is there, and at most the one that was not reported in time beside it.
    assert len(said) <= len(found) <= len(said) + 1
    assert not store.gc(grace_s=0).keep


def test_the_drill_notices_a_manifest_that_is_written_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The switch: without manifest-last, a kill leaves an artifact with files missing."""

    class Eager(ArtifactWriter):
        """Keeps files back until the manifest is out."""

        def commit(self, **how: object) -> ArtifactRef:
            held = self.store
            ref = super().commit(**how)
            for path, data in list(kept.items()):
                held.files.write(path, data)
            return ref

    kept: dict[str, bytes] = {}
    url = f"file://{tmp_path}"
    store = FaultyStore(url, Fault("write", 2, Killed, "none", stays=True))
    writer = Eager(store, URI, 1, lambda: None)
    monkeypatch.setattr(
        store, "write_bytes", lambda path, data, durable=True: kept.update({path: data})
    )
    writer.write_bytes("x", b"1")
    with pytest.raises(Killed):
        writer.commit(kind="files")
    with pytest.raises(CatenaError, match="missing"):
        whole_or_none(ArtifactStore(url), URI)


def test_a_lost_answer_to_the_commit_may_be_asked_again() -> None:
    url = "memory://lost-answer"
    writes = count("memory://lost-answer-count", make, "write")
    store = FaultyStore(url, Fault("write", writes, TimeoutError, "done"))
    writer = store.writer(NAME, 1)
    writer.write_arrays("w.safetensors", {"w": np.arange(4.0)})
    writer.write_dataset("d.zarr", xr.Dataset({"v": ("x", np.arange(3.0))}))
    writer.write_json("report.json", {"r2": 1})
    with pytest.raises(Unavailable):
        writer.commit(kind="surrogate")
    ref = writer.commit(kind="surrogate")
    assert store.open(ref).ref == ref
    assert store.gc(grace_s=0).remove[0].path == ref.uri


def test_a_disk_that_fills_up_in_a_dataset_leaves_nothing_of_it() -> None:
    store = FaultyStore("memory://full-dataset", Fault("write", 3))
    writer = store.writer(NAME, 1)
    with pytest.raises(Unavailable, match="full"):
        writer.write_dataset("d.zarr", xr.Dataset({"v": ("x", np.arange(3.0))}))
    writer.write_bytes("x", b"1")
    assert store.open(writer.commit(kind="files")).names == ["x"]


def test_a_dead_store_stays_dead_until_it_is_repaired() -> None:
    store = FaultyStore("memory://dead", Fault("read", 1, disk_full, stays=True))
    store.write_json("a.json", 1)
    for call in (
        lambda: store.read_json("a.json"),
        lambda: store.write_json("a.json", 2),
        lambda: store.ls("x"),
        lambda: store.remove_tree("a.json"),
    ):
        with pytest.raises(Unavailable):
            call()
    store.repair()
    assert store.read_json("a.json") == 1
    assert store.journal[0] == ("write", "a.json")


def test_a_torn_write_leaves_a_file_that_nobody_lists(tmp_path: Path) -> None:
    store = FaultyStore(f"file://{tmp_path}", Fault("write", 1, Killed, "partial"))
    with pytest.raises(Killed):
        store.write_bytes("f/x", b"0123456789")
    assert [path.name for path in (tmp_path / "f").iterdir()] == [".tmp-torn"]
    assert store.ls("f") == []
    assert not store.exists("f/x")


def test_a_slow_source_that_changes_is_refused(
    folder_store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "growing.csv"
    source.write_bytes(b"1,2\n")
    put = folder_store.put

    def late(path: str, file: Path, sha256: str) -> None:
        with file.open("ab") as growing:
            growing.write(b"3,4\n")
        put(path, file, sha256)

    monkeypatch.setattr(folder_store, "put", late)
    with pytest.raises(InvalidData, match=r"growing\.csv.*changed"):
        folder_store.put_files([source])
    assert folder_store.list() == []


def test_a_failing_download_leaves_no_file(tmp_path: Path) -> None:
    store = FaultyStore("memory://download")
    ref = store.put_files({"x": b"1" * 100})

    def broken(path: str) -> object:
        yield b"1" * 50
        raise OSError(errno.EIO, "cable pulled")

    artifact = store.open(ref)
    store.files.blocks = broken
    with pytest.raises(Unavailable):
        artifact.copy("x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_fake_clock_moves_only_in_sleep() -> None:
    seen: list[float] = []
    clock = FakeClock(seen.append)
    clock.sleep(1.5)
    clock.sleep(0.5)
    assert (clock(), seen) == (2.0, [1.5, 2.0])
