"""Small files by name: whole or not at all, and exclusive creation, in every kind of store."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    NotFound,
    Unavailable,
)


def test_what_is_written_is_read(store: ArtifactStore) -> None:
    store.write_bytes("a/b.bin", b"0123456789")
    assert store.read_bytes("a/b.bin") == b"0123456789"
    assert store.read_bytes("a/b.bin", 2, 5) == b"234"
    assert store.read_bytes("a/b.bin", -3) == b"789"
    assert b"".join(store.blocks("a/b.bin")) == b"0123456789"
    store.write_bytes("a/b.bin", b"new")
    assert store.read_bytes("a/b.bin") == b"new"


def test_json_round_trip(store: ArtifactStore) -> None:
    store.write_json("x.json", {"b": [1, 2.5, None], "a": "ü"})
    assert store.read_json("x.json") == {"b": [1, 2.5, None], "a": "ü"}
    assert store.read_json("missing.json", default=None) is None
    store.write_bytes("bad.json", b"{")
    with pytest.raises(ArtifactCorrupt, match=r"bad\.json"):
        store.read_json("bad.json", default=None)


def test_missing_files_are_not_found(store: ArtifactStore) -> None:
    store.write_bytes("a/b", b"")
    for path in ("none", "a/none", "a/b/c", "a"):
        with pytest.raises(NotFound, match=path):
            store.read_bytes(path)
    with pytest.raises(NotFound):
        list(store.blocks("none"))
    assert store.ls("none") == []
    assert store.find("none") == []
    assert not store.exists("none")


def test_listing_names_files_and_folders_once_sorted(store: ArtifactStore) -> None:
    for path in ("f/b", "f/a", "f/sub/x", "f/sub/y/z", "fz/other"):
        store.write_bytes(path, b"12")
    assert store.ls("f") == ["a", "b", "sub"]
    assert [info.path for info in store.find("f")] == ["f/a", "f/b", "f/sub/x", "f/sub/y/z"]
    assert {info.size for info in store.find("f")} == {2}
    assert all(info.modified_s > 1.6e9 for info in store.find("f"))
    assert store.exists("f/a")
    assert store.exists("f/sub")


def test_removing_a_folder_leaves_its_neighbours(store: ArtifactStore) -> None:
    for path in ("f/a", "f/ab", "f/a.json", "fa/x"):
        store.write_bytes(path, b"")
    store.remove_tree("f/a")
    assert store.ls("f") == ["a.json", "ab"]
    store.remove_tree("f")
    assert not store.exists("f")
    assert store.exists("fa/x")
    store.remove_tree("f")  # again: nothing happens


def test_one_of_many_threads_creates(store: ArtifactStore) -> None:
    barrier = threading.Barrier(8)

    def create(number: int) -> bool:
        barrier.wait()
        return store.create_json("lock.json", {"who": number})

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert store.read_json("lock.json") == {"who": won.index(True)}


_RACER = """
import sys, time
from pathlib import Path
from catena.shared.artifacts import ArtifactStore
store, me, gate = ArtifactStore(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
(gate / me).touch()
while not (gate / "go").exists():
    time.sleep(0.0005)
print(*[n for n in range(150) if store.create_json(f"race/{n}.json", me)])
"""


def test_one_of_two_processes_creates_each_file(
    folder_store: ArtifactStore, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _RACER, folder_store.url]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    racers = [
        subprocess.Popen([*command, me, str(tmp_path)], env=env, stdout=subprocess.PIPE, text=True)
        for me in ("one", "two")
    ]
    while not all((tmp_path / me).exists() for me in ("one", "two")):
        assert all(racer.poll() is None for racer in racers)
    (tmp_path / "go").touch()
    one, two = (set(racer.communicate(timeout=60)[0].split()) for racer in racers)
    assert one | two == {str(number) for number in range(150)}
    assert not one & two
    assert {n for n in one | two if folder_store.read_json(f"race/{n}.json") == "one"} == one


def test_creation_is_exclusive_without_hard_links(
    folder_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert folder_store.create_bytes("a", b"1")
    assert not folder_store.create_bytes("a", b"2")
    assert folder_store.read_bytes("a") == b"1"
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda n: folder_store.create_bytes("b", bytes([n])), range(8))) == 1


def test_readers_see_the_old_file_or_the_new_one(folder_store: ArtifactStore) -> None:
    sizes = (10, 300_000)
    folder_store.write_bytes("x", b"a" * sizes[0])
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            folder_store.write_bytes("x", b"b" * sizes[1], durable=False)
            folder_store.write_bytes("x", b"a" * sizes[0], durable=False)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = {
            len(data) for _ in range(300) if len(set(data := folder_store.read_bytes("x"))) == 1
        }
        mixed = [data for _ in range(300) if len(set(data := folder_store.read_bytes("x"))) != 1]
    finally:
        stop.set()
        writer.join()
    assert seen <= set(sizes)
    assert not mixed


def test_a_full_disk_is_said_so_and_leaves_the_old_file(
    folder_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder_store.write_bytes("f/x", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="full") as caught:
        folder_store.write_bytes("f/x", b"new")
    assert str(tmp_path) not in str(caught.value)
    monkeypatch.undo()
    assert folder_store.read_bytes("f/x") == b"old"
    assert os.listdir(tmp_path / "store" / "f") == ["x"]


def test_a_forbidden_file_is_said_so(
    folder_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def forbidden(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(FailedPrecondition, match="permissions") as caught:
        folder_store.write_bytes("x", b"")
    assert str(tmp_path) not in str(caught.value)


def test_a_store_that_ignores_conditional_writes_is_found_out(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check_exclusive()
    assert store.ls("lease") == []

    def careless(path: str, data: bytes) -> bool:
        store.files.write(path, data)
        return True

    monkeypatch.setattr(store.files, "create", careless)
    with pytest.raises(FailedPrecondition, match="If-None-Match"):
        store.check_exclusive()


def test_a_source_that_changed_is_not_taken(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"now")
    store.write_bytes("x", b"old")
    with pytest.raises(InvalidData, match="changed"):
        store.put("x", source, "0" * 64)
    assert store.read_bytes("x") == b"old"


def test_stores_travel_to_other_processes(store: ArtifactStore) -> None:
    store.write_bytes("x", b"1")
    assert pickle.loads(pickle.dumps(store)).read_bytes("x") == b"1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative/folder",
        "file://host/folder",
        "file://",
        "file:///",
        "s3://",
        "s3://bucket/../other",
        "s3://bucket//x",
        "s3://key:secret@bucket/x",
        "http://example.org/x",
        "memory://",
        "ftp://x/y",
        "reference://x",
    ],
)
def test_other_urls_are_refused_without_repeating_secrets(url: str) -> None:
    with pytest.raises(InvalidRequest, match="store") as caught:
        ArtifactStore(url)
    assert "secret" not in str(caught.value)


def test_urls_have_one_normal_form(tmp_path: Path) -> None:
    assert ArtifactStore(str(tmp_path)).url == f"file://{tmp_path}"
    assert ArtifactStore(f"file://{tmp_path}/").url == f"file://{tmp_path}"
    assert ArtifactStore("memory:///x/").url == "memory://x"


def test_an_unreachable_bucket_is_unavailable(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(f"{s3_bucket}/x")

    class Gone(Exception):
        """As botocore's errors: no OSError."""

    def gone(*_: object, **__: object) -> bytes:
        raise Gone("http://internal.host:9000 with details")

    monkeypatch.setattr(store.files._fs, "cat_file", gone)
    with pytest.raises(Unavailable) as caught:
        store.read_bytes("x")
    assert "internal.host" not in str(caught.value)
    assert caught.value.retry_after_s
