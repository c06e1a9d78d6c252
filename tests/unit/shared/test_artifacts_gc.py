"""Garbage collection keeps what anybody needs and says why; it removes only what it announced."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import ArtifactStore, InputRef, Lineage, gc
from catena.shared.errors import ArtifactCorrupt, InvalidData, NotFound
from catena.shared.jobs.records import JobFolder
from catena.shared.testing import Fault, FaultyStore


def made(
    store: ArtifactStore, name: str, *inputs: ArtifactRef, attempt: int = 1, by_uri: bool = True
) -> ArtifactRef:
    """An artifact of 10 bytes of its own, made from `inputs`."""
    writer = store.writer(f"s/M/{name}", attempt)
    writer.write_bytes("x", name.ljust(10).encode())
    lineage = Lineage(
        request={"inputs": [ref.digest for ref in inputs]},
        inputs=[InputRef(uri=ref.uri, digest=ref.digest) for ref in inputs] if by_uri else [],
    )
    return writer.commit(kind="x", lineage=lineage)


def removed(store: ArtifactStore, **how: float | bool) -> set[str]:
    return {item.path for item in store.gc(grace_s=0, **how).remove}


def everything(store: ArtifactStore) -> Sequence[str]:
    return [
        info.path
        for folder in ("jobs", "imports", "pins", "index", "lease", "mine")
        for info in store.find(folder)
    ]


def test_a_dry_run_removes_nothing_and_says_what_it_would(store: ArtifactStore) -> None:
    ref = made(store, "0a")
    before = everything(store)
    plan = store.gc(grace_s=0)
    assert plan.dry_run
    assert everything(store) == before
    (item,) = plan.remove
    assert item.path == ref.uri
    assert item.why == "not pinned, and nothing that is kept was made from it"
    assert item.size == plan.size == sum(info.size for info in store.find(ref.uri))


def test_collecting_removes_what_was_announced(store: ArtifactStore) -> None:
    refs = [made(store, "0a"), made(store, "0b"), store.put_files({"x": b"1"})]
    announced = store.gc(grace_s=0)
    plan = store.gc(dry_run=False, grace_s=0)
    assert (plan.remove, plan.failed) == (announced.remove, [])
    assert {item.path for item in plan.remove} == {ref.uri for ref in refs}
    assert everything(store) == []
    for ref in refs:
        with pytest.raises(NotFound):
            store.open(ref)


def test_pins_keep_the_whole_lineage(store: ArtifactStore) -> None:
    raw = store.put_files({"runs.csv": b"1"})
    ensemble = made(store, "0e", raw)
    surrogate = made(store, "05", ensemble, by_uri=False)
    posterior = made(store, "0f", ensemble, surrogate)
    other = made(store, "00", ensemble)
    store.pin(posterior)
    plan = store.gc(grace_s=0)
    assert {item.path for item in plan.remove} == {other.uri}
    why = {item.path: item.why for item in plan.keep}
    assert why[posterior.uri] == "pinned"
    assert why[raw.uri] == f"'{ensemble.uri}' was made from it"
    assert set(why) == {raw.uri, ensemble.uri, surrogate.uri, posterior.uri}
    store.unpin(posterior)
    store.unpin(posterior)
    assert removed(store) == {raw.uri, ensemble.uri, surrogate.uri, posterior.uri, other.uri}


def test_a_lineage_that_goes_in_a_circle_ends(store: ArtifactStore) -> None:
    first = made(store, "0a")
    second = made(store, "0b", first)
    path = f"{first.uri}/artifact.json"
    manifest = store.read_json(path)
    manifest["lineage"]["inputs"] = [{"uri": second.uri, "digest": second.digest}]
    store.write_json(path, manifest)
    store.pin(first)
    assert removed(store) == set()


@pytest.mark.parametrize("state", ["RUNNING", "QUEUED", "JOB_STATE_RUNNING"])
def test_active_jobs_keep_themselves_and_their_inputs(store: ArtifactStore, state: str) -> None:
    used = store.put_files({"runs.csv": b"1"})
    unused = store.put_files({"runs.csv": b"2"})
    store.write_json("jobs/s/M/0a/status.json", {"state": state})
    store.write_json("jobs/s/M/0a/request.json", {"request": {"a": [{"ensemble": used.digest}]}})
    store.write_bytes("jobs/s/M/0a/checkpoint/3.safetensors", b"123")
    plan = store.gc(dry_run=False, grace_s=0)
    assert [item.path for item in plan.remove] == [unused.uri]
    why = {item.path: item.why for item in plan.keep}
    assert why["jobs/s/M/0a"].startswith("queued, running or interrupted")
    assert "0a" in why[used.uri]
    assert store.exists("jobs/s/M/0a/checkpoint/3.safetensors")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "INTERRUPTED"])
def test_ended_jobs_without_artifact_go_with_their_checkpoints(
    store: ArtifactStore, state: str
) -> None:
    store.write_json("jobs/s/M/0a/status.json", {"state": state})
    store.write_bytes("jobs/s/M/0a/checkpoint/3.safetensors", b"123")
    plan = store.gc(dry_run=False, grace_s=0)
    assert [(item.path, item.why) for item in plan.remove] == [
        ("jobs/s/M/0a", "never became an artifact")
    ]
    assert not store.exists("jobs/s/M/0a")


def test_jobs_as_the_manager_keeps_them(store: ArtifactStore) -> None:
    """Their status says what was asked for last; how it ended lies with the attempts."""
    folders = {
        name: JobFolder(store, f"s/M/{name * 32}") for name in ("0d", "0f", "0a", "0c", "01", "02")
    }
    for folder in folders.values():
        folder.write_request({"query": {}})
        folder.write_submission(cancelled=False, after=0, count_from=0)
    done, failed, again, cancelled, running, queued = folders.values()
    for folder in (failed, again, cancelled, running):
        assert folder.claim({}) == 1
    for folder in (failed, again):
        folder.write_failure(1, InvalidData("too few runs"))
    again.write_submission(cancelled=False, after=1, count_from=1)
    cancelled.write_submission(cancelled=True, after=1, count_from=1)
    made(store, "0d" * 32)
    running.write_progress(1, 0.5, "half")
    plan = store.gc(dry_run=False, grace_s=0)
    assert {item.path for item in plan.remove} == {done.uri, failed.uri, cancelled.uri}
    assert {item.path for item in plan.keep} == {again.uri, running.uri, queued.uri}
    assert running.read(1, "progress") is not None


@pytest.mark.parametrize("torn", [b"{", b"[]", b"null", b'{"state": "QUEUED", "after": "x"}'])
def test_an_unreadable_status_is_kept(store: ArtifactStore, torn: bytes) -> None:
    store.write_bytes("jobs/s/M/0a/status.json", torn)
    assert removed(store, dry_run=False) == set()
    assert store.exists("jobs/s/M/0a/status.json")


@pytest.mark.parametrize("torn", [b"{", b"[]", b'{"uri": 3}'])
def test_nothing_is_collected_while_a_pin_is_unreadable(store: ArtifactStore, torn: bytes) -> None:
    ref = made(store, "0a")
    store.write_bytes("pins/x.json", torn)
    with pytest.raises(ArtifactCorrupt, match="pins/x"):
        store.gc(dry_run=False, grace_s=0)
    store.open(ref).verify()


def test_left_over_attempts_and_checkpoints_of_a_kept_artifact_go(store: ArtifactStore) -> None:
    ref = made(store, "0a", attempt=2)
    store.pin(ref)
    store.write_bytes(f"{ref.uri}/attempts/1/x", b"1234")
    store.write_bytes(f"{ref.uri}/checkpoint/5/w", b"12")
    store.write_json(f"{ref.uri}/status.json", {"state": "SUCCEEDED"})
    plan = store.gc(dry_run=False, grace_s=0)
    assert [(item.path, item.size) for item in plan.remove] == [
        (f"{ref.uri}/attempts/1", 4),
        (f"{ref.uri}/checkpoint", 2),
    ]
    assert plan.size == 6
    store.open(ref).verify()
    assert store.exists(f"{ref.uri}/status.json")
    assert not store.exists(f"{ref.uri}/attempts/1")
    assert store.gc(grace_s=0).remove == []


def age(url: str, uri: str, days: float) -> None:
    then = time.time() - days * 86400
    for path in (Path(url.removeprefix("file://")) / uri).rglob("*"):
        os.utime(path, (then, then))


def test_the_grace_period_is_a_week_and_covers_inputs(folder_store: ArtifactStore) -> None:
    store = folder_store
    old_input = store.put_files({"x": b"1"})
    young = made(store, "0a", old_input)
    old = made(store, "0b")
    for uri, days in ((old_input.uri, 30), (young.uri, 6.9), (old.uri, 7.1)):
        age(store.url, uri, days)
    plan = store.gc()
    assert [item.path for item in plan.remove] == [old.uri]
    why = {item.path: item.why for item in plan.keep}
    assert why[young.uri] == "changed 165.6 h ago, grace is 168.0 h"
    assert young.uri in why[old_input.uri]
    assert {item.path for item in store.gc(grace_s=86400).remove} == {
        old_input.uri,
        young.uri,
        old.uri,
    }
    for bad in (-1.0, math.nan):
        with pytest.raises(InvalidData, match="grace"):
            store.gc(grace_s=bad)


def test_nothing_outside_jobs_and_imports_is_touched(store: ArtifactStore) -> None:
    for path in ("index/s/x", "lease/epoch-1.json", "mine/notes.txt"):
        store.write_bytes(path, b"1")
    store.pin(store.put_files({"x": b"1"}))
    before = everything(store)
    made(store, "0a")
    store.gc(dry_run=False, grace_s=0)
    assert everything(store) == before


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let `act` happen between the plan and its execution."""
    plan = gc._plan

    def slow(*args: object) -> object:
        out = plan(*args)
        act()
        return out

    monkeypatch.setattr(gc, "_plan", slow)


def test_what_is_pinned_after_the_plan_was_made_stays(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = made(store, "0a")
    meanwhile(monkeypatch, lambda: store.pin(ref))
    result = store.gc(dry_run=False, grace_s=0)
    assert [(item.path, item.why) for item in result.failed] == [
        (ref.uri, "it was pinned in the meantime")
    ]
    assert result.size == 0
    store.open(ref).verify()


def test_what_is_asked_for_after_the_plan_was_made_stays(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "jobs/s/M/0a/status.json"
    store.write_json(path, {"state": "CANCELLED"})
    store.write_bytes("jobs/s/M/0a/checkpoint/3", b"1")
    meanwhile(monkeypatch, lambda: store.write_json(path, {"state": "QUEUED"}))
    result = store.gc(dry_run=False, grace_s=0)
    assert [(item.path, item.why) for item in result.failed] == [
        ("jobs/s/M/0a", "it was asked for in the meantime")
    ]
    assert store.exists("jobs/s/M/0a/checkpoint/3")


def test_a_removal_that_fails_is_reported_and_the_rest_goes_on() -> None:
    store = FaultyStore("memory://gc-fails", Fault("remove", 1))
    first, second = made(store, "0a"), made(store, "0b")
    result = store.gc(dry_run=False, grace_s=0)
    assert [item.path for item in result.failed] == [first.uri]
    with pytest.raises(NotFound):
        store.open(second)
    store.open(first).verify()


def test_a_removal_that_is_cut_short_leaves_no_half_artifact() -> None:
    store = FaultyStore("memory://gc-cut", Fault("remove", 2, stays=True))
    ref = made(store, "0a")
    store.gc(dry_run=False, grace_s=0)
    store.repair()
    assert store.exists(f"{ref.uri}/attempts/1/x")
    with pytest.raises(NotFound):
        store.open(ref)
    assert store.gc(grace_s=0).remove[0].why == "never became an artifact"


def test_only_artifacts_are_pinned(store: ArtifactStore) -> None:
    with pytest.raises(NotFound):
        store.pin("imports/00")
    ref = store.put_files({"x": b"1"})
    store.pin(ref)
    store.pin(ref.uri)
    assert store.pinned() == [ref.uri]
