"""A copy that is killed goes on where it was, and ends as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.lazy_data import NAME, SMALL_PARTS, copier, counted

from catena.shared.artifacts import ArtifactStore, shards
from catena.shared.artifacts import journal as journal_module
from catena.shared.errors import FailedPrecondition, InvalidData, JobInterrupted
from catena.shared.jobs.checkpoint import Checkpoint

ROWS = 4000  # 36 MB in 40 chunks; 6 per shard, so 7 parts


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_PARTS.items():
        monkeypatch.setattr(shards, name, value)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path / 'store'}")


def in_process(task: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
    tests = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "support.lazy_data", task, json.dumps(arguments)],
        cwd=tests, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def small(number: int) -> xr.Dataset:
    rng = np.random.default_rng(number)
    return xr.Dataset(
        {name: ("time", rng.normal(size=1500).astype("f4")) for name in ("tas", "pr", "ps", "hurs",
         "rsds", "rlds", "sfcWind", "gpp")},
        coords={"time": pd.date_range("2000", periods=1500)},
        attrs={"number": number},
    )  # fmt: skip


def reads(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def position(store: ArtifactStore) -> int:
    return Checkpoint(store, f"jobs/{NAME}/checkpoint").position


# ---- kill -9 -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_copy_goes_on_and_gives_the_same_bytes(
    store: ArtifactStore, tmp_path: Path
) -> None:
    whole = ArtifactStore(f"file://{tmp_path / 'whole'}")
    log = tmp_path / "reads"
    plain = in_process("copy_and_die", url=whole.url, log=str(log), rows=ROWS, attempt=1,
                       die_after=-1)  # fmt: skip
    assert plain.returncode == 0, plain.stderr
    reference = json.loads(plain.stdout)
    assert reference["written"] == 7
    assert sorted(reads(log)) == list(range(40)), "each chunk of the source is read once"

    log.unlink()
    places = [position(store)]
    for attempt, die_after in ((1, 3), (2, 0), (3, 2)):
        killed = in_process("copy_and_die", url=store.url, log=str(log), rows=ROWS,
                            attempt=attempt, die_after=die_after)  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        places.append(position(store))
    assert places == [0, 3, 3, 5], "the checkpoint grows with every part, and only then"
    assert not store.exists(f"jobs/{NAME}/artifact.json"), "nothing half-written is visible"
    last = in_process("copy_and_die", url=store.url, log=str(log), rows=ROWS, attempt=4,
                      die_after=-1)  # fmt: skip
    assert last.returncode == 0, last.stderr
    resumed = json.loads(last.stdout)
    assert resumed == {"digest": reference["digest"], "written": 2, "adopted": 5}
    # Three attempts were killed while they wrote a part: its six chunks were read again, no others.
    again = [chunk for chunk in range(40) for _ in range(reads(log).count(chunk) - 1)]
    assert again == sorted([*range(18, 24), *range(18, 24), *range(30, 36)])
    artifact = store.open(f"jobs/{NAME}")
    artifact.verify()
    other = whole.open(f"jobs/{NAME}")
    for name in artifact.names:
        assert artifact.read_bytes(name) == other.read_bytes(name)
    np.testing.assert_array_equal(
        artifact.open_dataset("data/a.zarr")["tas"][1234],
        np.random.default_rng(12).integers(0, 99, (100, 75, 30))[34],
    )


@pytest.mark.slow
def test_a_kill_at_any_moment(store: ArtifactStore, tmp_path: Path) -> None:
    log = tmp_path / "reads"
    arguments = {"url": store.url, "log": str(log), "rows": ROWS, "die_after": -1}
    for attempt, seconds in enumerate((1.2, 1.9, 2.6), start=1):
        process = subprocess.Popen(
            [sys.executable, "-m", "support.lazy_data", "copy_and_die",
             json.dumps(arguments | {"attempt": attempt})],
            cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    last = in_process("copy_and_die", **arguments, attempt=4)
    assert last.returncode == 0, last.stderr
    outcome = json.loads(last.stdout)
    assert outcome["written"] + outcome["adopted"] == 7
    whole = ArtifactStore(f"file://{tmp_path / 'whole'}")
    copy, writer = copier(whole, 1)
    copy.copy("data/a.zarr", counted(tmp_path / "other", ROWS))
    assert writer.commit(kind="dataset").digest == outcome["digest"]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["second", None], ids=["replaced", "unknown"])
def test_a_killed_copy_does_not_go_on_with_another_source(
    store: ArtifactStore, tmp_path: Path, version: str | None
) -> None:
    """Names, shapes and coordinates are the same; only the version tells, or nothing does."""
    arguments = {"url": store.url, "log": str(tmp_path / "reads"), "rows": ROWS}
    first = "first" if version is not None else None
    killed = in_process("copy_and_die", **arguments, attempt=1, die_after=3, version=first)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    last = in_process("copy_and_die", **arguments, attempt=2, die_after=-1, version=version,
                      add=1000)  # fmt: skip
    assert last.returncode == 0, last.stderr
    outcome = json.loads(last.stdout)
    assert (outcome["written"], outcome["adopted"]) == (7, 0)
    values = store.open(f"jobs/{NAME}").open_dataset("data/a.zarr")["tas"]
    assert float(values.min()) >= 1000


def test_a_copy_of_the_same_version_goes_on(store: ArtifactStore, tmp_path: Path) -> None:
    interrupted(store, 1, tmp_path / "reads", parts=3, version="first")
    copy, writer = copier(store, 2)
    copy.copy("data/s.zarr", small(1))
    copied = copy.copy("data/a.zarr", counted(tmp_path / "reads", ROWS), version="first")
    assert (copied.adopted, copied.written) == (4, 3)
    resumed = writer.commit(kind="dataset")
    # What a version is called leaves no trace in the artifact.
    whole = ArtifactStore(f"file://{tmp_path / 'whole'}")
    copy, writer = copier(whole, 1)
    copy.copy("data/s.zarr", small(1))
    copy.copy("data/a.zarr", counted(tmp_path / "other", ROWS), version=None)
    assert writer.commit(kind="dataset").digest == resumed.digest


def test_a_finished_copy_of_an_unknown_version_is_not_made_again(
    store: ArtifactStore, tmp_path: Path
) -> None:
    copy, _ = copier(store, 1)
    copy.copy("data/a.zarr", counted(tmp_path / "reads", ROWS), version=None, note={"a": 1})
    again, writer = copier(store, 2)
    assert again.finished("data/a.zarr") == {"a": 1}
    opened = store.open(writer.commit(kind="x")).open_dataset("data/a.zarr")
    assert opened["tas"].notnull().all()


# ---- what is finished is not made again --------------------------------------------------------


def interrupted(
    store: ArtifactStore, attempt: int, log: Path, parts: int, version: str = ""
) -> None:
    """One attempt that copies a small dataset, then stops after some parts of a large one."""
    copy, _ = copier(store, attempt)
    copy.copy("data/s.zarr", small(1), note={"findings": ["units"]})
    seen = 0

    def stop(fraction: float, message: str) -> None:
        nonlocal seen
        seen += 1
        if seen > parts:
            raise JobInterrupted("as if killed")

    with pytest.raises(JobInterrupted):
        copy.copy("data/a.zarr", counted(log, ROWS), version=version, progress=stop)


def test_finished_datasets_are_not_even_opened(store: ArtifactStore, tmp_path: Path) -> None:
    log = tmp_path / "reads"
    interrupted(store, 1, log, parts=2)
    first = reads(log)

    def refuse() -> xr.Dataset:
        raise AssertionError("a finished dataset was opened")

    copy, writer = copier(store, 2)
    assert copy.finished("data/a.zarr") is None
    assert copy.finished("data/none.zarr") is None
    assert copy.finished("data/s.zarr") == {"findings": ["units"]}
    assert copy.copy("data/s.zarr", refuse).written == 0
    copied = copy.copy("data/a.zarr", lambda: counted(log, ROWS))
    assert copied.adopted >= 2
    assert copied.adopted + copied.written == 7
    finished = copied.adopted * 6
    assert not set(reads(log)[len(first) :]) & set(range(finished))
    # In the third attempt all of it is finished.
    copy, writer = copier(store, 3)
    for name in ("data/s.zarr", "data/a.zarr"):
        copied = copy.copy(name, refuse)
        assert copied.written == 0
    artifact = store.open(writer.commit(kind="dataset"))
    artifact.verify()
    xr.testing.assert_identical(artifact.open_dataset("data/s.zarr").load(), small(1))


def test_a_changed_source_is_copied_anew(store: ArtifactStore, tmp_path: Path) -> None:
    interrupted(store, 1, tmp_path / "reads", parts=3)
    copy, writer = copier(store, 2)
    longer = counted(tmp_path / "more", ROWS + 100)
    copied = copy.copy("data/a.zarr", longer)
    assert (copied.adopted, copied.written) == (0, 7)
    opened = store.open(writer.commit(kind="x")).open_dataset("data/a.zarr")
    assert opened.sizes["time"] == ROWS + 100


@pytest.mark.parametrize("damage", ["changed", "missing", "journal"])
def test_damaged_leftovers_are_made_again(
    store: ArtifactStore, tmp_path: Path, damage: str
) -> None:
    interrupted(store, 1, tmp_path / "reads", parts=4)
    folder = f"jobs/{NAME}/attempts/1"
    if damage == "journal":
        store.write_bytes(f"{folder}/.journal/1.jsonl", b'{"item": ')
    elif damage == "missing":
        store.remove_tree(f"{folder}/data/a.zarr/tas/c/1/0/0")
        store.remove_tree(f"{folder}/data/s.zarr/zarr.json")
    else:
        for name in ("data/a.zarr/tas/c/1/0/0", "data/s.zarr/tas/c/0"):
            data = bytearray(store.read_bytes(f"{folder}/{name}"))
            data[len(data) // 2] ^= 4
            store.write_bytes(f"{folder}/{name}", bytes(data))
    copy, writer = copier(store, 2)
    assert copy.finished("data/s.zarr") is None
    copy.copy("data/s.zarr", small(1))
    copied = copy.copy("data/a.zarr", counted(tmp_path / "again", ROWS))
    assert copied.written == (7 if damage == "journal" else 3)
    resumed = writer.commit(kind="dataset")
    whole = ArtifactStore(f"file://{tmp_path / 'whole'}")
    copy, writer = copier(whole, 1)
    copy.copy("data/s.zarr", small(1))
    copy.copy("data/a.zarr", counted(tmp_path / "other", ROWS))
    assert writer.commit(kind="dataset").digest == resumed.digest


def test_a_job_may_go_on_without_a_dataset_that_fails(store: ArtifactStore, tmp_path: Path) -> None:
    copy, writer = copier(store, 1)
    with pytest.raises(InvalidData):
        copy.copy("data/bad.zarr", xr.Dataset({"v": ("x", np.array([{}], dtype=object))}))
    copy.copy("data/good.zarr", small(2))
    copy.put("data/refused", {}, note={"why": "units"})
    copy.put("report", {"report.json": b"{}", "report.md": b"#"})
    assert copy.finished("data/refused") == {"why": "units"}
    names = store.open(writer.commit(kind="x")).names
    assert not [name for name in names if "bad" in name]
    assert {"report.json", "report.md", "data/good.zarr/zarr.json"} < set(names)


def test_a_failed_copy_may_be_tried_again_in_the_same_attempt(
    store: ArtifactStore, tmp_path: Path
) -> None:
    log = tmp_path / "reads"
    interrupted(store, 1, log, parts=3)
    copy, writer = copier(store, 1)
    copied = copy.copy("data/a.zarr", counted(log, ROWS))
    assert (copied.adopted, copied.written) == (4, 3)
    store.open(writer.commit(kind="x")).verify()


def test_names_and_notes_are_checked(store: ArtifactStore) -> None:
    copy, writer = copier(store, 1)
    writer.write_bytes("data/x.zarr", b"")
    with pytest.raises(FailedPrecondition, match="written before"):
        copy.copy("data/x.zarr", small(1))
    with pytest.raises(InvalidData, match="note is not JSON"):
        copy.put("a", {}, note={"x": object()})
    with pytest.raises(InvalidData, match="does not begin with"):
        copy.put("data/y", {"elsewhere": b""})


def test_progress_ends_at_one_and_never_falls(store: ArtifactStore, tmp_path: Path) -> None:
    seen: list[float] = []
    copy, _ = copier(store, 1)
    copy.copy("data/a.zarr", counted(tmp_path / "reads", ROWS),
              progress=lambda fraction, message: seen.append(fraction))  # fmt: skip
    assert seen == sorted(seen)
    assert len(seen) == 8
    assert seen[-1] == 1.0


# ---- many, and large ---------------------------------------------------------------------------


def test_the_cost_of_the_next_one_does_not_grow(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 2000)
    copy, _ = copier(store, 1)
    written: list[int] = []
    inner = store.files.write

    def counting(path: str, data: bytes, **how: Any) -> None:
        written.append(len(data))
        inner(path, data, **how)

    monkeypatch.setattr(store.files, "write", counting)
    cost = []
    for number in range(120):
        written.clear()
        copy.put(f"d/{number}", {f"d/{number}.json": b"{}"}, note={"number": number})
        cost.append(sum(written))
    assert max(cost[60:]) < 1.2 * max(cost[:60]), "bytes written per dataset"
    assert len(store.ls(f"jobs/{NAME}/attempts/1/.journal")) > 8
    again, writer = copier(store, 2)
    assert all(again.finished(f"d/{number}") == {"number": number} for number in range(120))
    assert len(writer.names) == 120


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gib", "threads", "noise"), [(3.0, 1, False), (1.0, 2, True)], ids=["plain", "noise"]
)
def test_gigabytes_need_less_than_500_mib(
    tmp_path: Path, gib: float, threads: int, noise: bool
) -> None:
    done = in_process(
        "copy_virtual", url=f"file://{tmp_path}", gib=gib, threads=threads, noise=noise
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["bytes"] > 0.999 * gib * 2**30
    assert facts["parts"] > 20 * gib
    # Compressed a lot, or hardly.
    assert facts["stored"] > (0.8 * gib * 2**30 if noise else 1e6)
    assert facts["peak_mib"] < 500, facts
