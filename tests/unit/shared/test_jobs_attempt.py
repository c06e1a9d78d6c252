"""One attempt at a job, in this process, without Ray."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.demo_jobs import CountQuery, count

from catena.api.jobs.v1.jobs_pb2 import JobState
from catena.shared.artifacts import ArtifactStore, Lease
from catena.shared.errors import (
    InternalError,
    InvalidRequest,
    JobCancelled,
    JobInterrupted,
    LeaseLost,
    NotFound,
    VersionMismatch,
)
from catena.shared.jobs import attempt, safety
from catena.shared.jobs.checkpoint import Checkpoint
from catena.shared.jobs.context import JobContext
from catena.shared.jobs.function import JobFunction, job, load_function
from catena.shared.jobs.lease_actor import LeaseKeeper
from catena.shared.jobs.processes import JobProcess
from catena.shared.jobs.records import JobFolder
from catena.shared.jobs.request import check_refs, stored_request

SUCCEEDED, FAILED = JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED


class Bench:
    """A submitted job, and what a worker is told about it."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        self.store = ArtifactStore(f"file://{folder}")
        self.query = CountQuery(log=str(folder / "log"), **{"steps": 4, "step_s": 0.0, **fields})
        self.folder = JobFolder(self.store, count.name(self.query))
        self.folder.write_request(stored_request(count, self.query))
        self.folder.write_submission(cancelled=False, after=0, count_from=0)
        self.lease = Lease.acquire(self.store, "here", 1.0)
        self.log = folder / "log"

    def run(self, **changes: Any) -> int:
        given = {"name": self.folder.name, "lease": self.lease, "max_attempts": 3, "nice": 0}
        attempt.run(attempt.Assignment(**{**given, **changes}))
        return self.folder.job(lambda: False).state

    def fence(self, number: int = 1) -> attempt.Fence:
        return attempt.Fence(self.folder, number, self.lease)


@pytest.fixture(autouse=True)
def _leave_threads_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "set_threads", lambda cpus: None)
    monkeypatch.setenv("CATENA_JOB_MARK", "")  # what an attempt sets here ends with the test


def test_an_attempt_commits_with_lineage_and_costs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, seed=5)
    assert bench.run() == SUCCEEDED
    manifest = bench.store.open(bench.folder.uri).manifest
    assert manifest.lineage.method == "Count"
    assert manifest.lineage.request == bench.query.canonical()
    assert manifest.lineage.seed == 5
    assert manifest.costs.keys() == {"wall_s", "cpu_s", "attempts"}
    assert manifest.units == {"values": "1"}


def test_the_content_depends_on_the_seed_and_not_on_the_time(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate([1, 1, 2]):
        (tmp_path / str(number)).mkdir()
        bench = Bench(tmp_path / str(number), seed=seed)
        assert bench.run() == SUCCEEDED
        digests.append(bench.store.open(bench.folder.uri).manifest.digest)
    assert digests[0] == digests[1] != digests[2]


def test_an_attempt_that_is_not_wanted_does_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.folder.write_submission(cancelled=True, after=0, count_from=0)
    bench.run()
    assert not bench.log.exists()
    bench.folder.write_submission(cancelled=False, after=0, count_from=0)
    assert bench.run() == SUCCEEDED
    assert bench.run() == SUCCEEDED
    assert bench.log.read_text().count("attempt") == 1


def test_a_superseded_cluster_does_not_even_begin(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.create_json("lease/epoch-2.json", {"holder": "other", "epoch": 2})
    assert bench.run() == JobState.JOB_STATE_INTERRUPTED
    assert not bench.log.exists()


def test_the_fence_lets_only_the_newest_wanted_attempt_of_the_holder_pass(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.folder.claim({})
    bench.fence().check()
    bench.folder.write_submission(cancelled=True, after=0, count_from=0)
    with pytest.raises(JobCancelled):
        bench.fence().check()
    bench.folder.write_submission(cancelled=False, after=1, count_from=0)
    with pytest.raises(JobInterrupted):
        bench.fence().check()
    bench.folder.claim({})
    with pytest.raises(JobInterrupted):
        bench.fence().check()
    bench.fence(2).check()
    bench.store.create_json("lease/epoch-2.json", {"holder": "other", "epoch": 2})
    with pytest.raises(LeaseLost):
        bench.fence(2).check()
    bench.store.remove_tree(f"{bench.folder.uri}/status.json")
    with pytest.raises(JobInterrupted):
        bench.fence(2).check()


def test_a_cancel_in_the_middle_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    save = Checkpoint.save

    def cancelled_meanwhile(self: Checkpoint, *args: Any) -> None:
        bench.folder.write_submission(cancelled=True, after=0, count_from=0)
        save(self, *args)

    monkeypatch.setattr(Checkpoint, "save", cancelled_meanwhile)
    assert bench.run() == JobState.JOB_STATE_CANCELLED
    assert bench.folder.read(1, "end") is None
    assert bench.store.ls(f"{bench.folder.uri}/checkpoint") == ["1-1.safetensors"]


def test_an_unwanted_attempt_is_abandoned_while_it_computes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    number = bench.folder.claim({})
    abandoned = threading.Event()
    reporter = attempt.Reporter(bench.folder, number, bench.fence(), abandoned.set)
    reporter.report(0.5, "half")
    bench.folder.write_submission(cancelled=True, after=0, count_from=0)
    assert abandoned.wait(10)
    reporter.stop()
    progress = bench.folder.read(number, "progress")
    assert progress is not None
    assert progress["fraction"] == 0.5


def test_a_request_that_was_changed_in_the_store_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    request = bench.store.read_json(f"{bench.folder.uri}/request.json")
    request["query"]["seed"] = 99
    bench.store.write_json(f"{bench.folder.uri}/request.json", request)
    assert bench.run() == FAILED
    assert not bench.log.exists()


@pytest.mark.parametrize("asked_again", [False, True])
def test_the_limit_counts_attempts_at_one_place(tmp_path: Path, asked_again: bool) -> None:
    bench = Bench(tmp_path)
    process = JobProcess.current().to_record()
    for _ in range(3):
        bench.folder.claim({"process": {**process, "pid": 1, "mark": "none"}, "checkpoint": 0})
    if asked_again:
        # Its whole cluster was lost each time: three runs, and three times somebody asked.
        bench.folder.write_submission(cancelled=False, after=3, count_from=0)
    assert bench.run() == FAILED
    assert "3 times" in bench.folder.job(lambda: False).error.message
    assert not bench.log.exists()
    bench.folder.write_submission(
        cancelled=False, after=bench.folder.newest(), count_from=bench.folder.newest()
    )
    assert bench.run() == SUCCEEDED, "asked again after the failure, it gets new attempts"


def test_attempts_that_got_further_do_not_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    process = {**JobProcess.current().to_record(), "pid": 1, "mark": "none"}
    for position in (0, 1, 1, 2, 2):
        bench.folder.claim({"process": process, "checkpoint": position})
    checkpoint = Checkpoint(bench.store, f"{bench.folder.uri}/checkpoint")
    while checkpoint.position < 2:
        checkpoint.save({}, {})
    bench.store.remove_tree(f"{bench.folder.uri}/checkpoint/2-0.safetensors")
    assert bench.run() == SUCCEEDED


@pytest.mark.parametrize("fraction", [-1.0, 0.5, 2.0, float("nan")])
def test_progress_is_between_0_and_1(tmp_path: Path, fraction: float) -> None:
    seen = []
    bench = Bench(tmp_path)
    context = JobContext(
        bench.store, count, bench.query, 1, report=lambda value, text: seen.append(value)
    )
    context.progress(fraction)
    assert 0.0 <= seen[0] <= 1.0


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("support.demo_jobs:count", None),
        ("support.demo_jobs:missing", VersionMismatch),
        ("no_such_module:f", VersionMismatch),
        ("os:system", InternalError),
        ("", VersionMismatch),
    ],
)
def test_only_declared_jobs_are_loaded(entry: str, error: type[Exception] | None) -> None:
    if error is None:
        assert load_function(entry) is count
        return
    with pytest.raises(error):
        load_function(entry)


def test_a_job_that_workers_cannot_import_is_refused(tmp_path: Path) -> None:
    @job(service="demo", method="Local", query=CountQuery)
    def local(query: CountQuery, ctx: JobContext) -> Any: ...

    with pytest.raises(InternalError, match="declare the job in a module"):
        stored_request(local, CountQuery(log="x"))


@pytest.mark.parametrize(
    "wrong", [{"service": "Demo"}, {"method": "count"}, {"version": 0}, {"cpus": -1}]
)
def test_declarations_are_checked(wrong: dict[str, Any]) -> None:
    given = {"service": "demo", "method": "Count", "query": CountQuery, **wrong}
    with pytest.raises(ValueError, match="@job"):
        job(**given)


def test_the_name_changes_with_the_version_and_not_with_validate_only() -> None:
    query = CountQuery(log="x")
    newer = JobFunction(count.function, "demo", "Count", 2, 1, CountQuery)
    assert count.name(query) != newer.name(query)
    assert count.name(query) == count.name(CountQuery(log="x", validate_only=True, seed=1))


def test_every_missing_or_wrong_input_is_named(tmp_path: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path}")
    ref = store.put_files({"a.csv": b"1"})
    good = {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}
    check_refs(store, CountQuery(log="x", input=good))
    missing = CountQuery(log="x", input={**good, "uri": f"imports/{'0' * 64}"})
    with pytest.raises(NotFound) as caught:
        check_refs(store, missing)
    assert [violation.field for violation in caught.value.violations] == ["input"]
    other = CountQuery(log="x", input={**good, "digest": f"sha256:{'0' * 64}"})
    with pytest.raises(InvalidRequest) as caught_other:
        check_refs(store, other)
    assert [violation.field for violation in caught_other.value.violations] == ["input"]


def test_processes_of_a_job_are_found_even_if_their_parent_is_gone(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "from catena.shared.jobs.processes import JobProcess\n"
        "import json\n"
        "process = JobProcess.current()\n"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "daemon = [sys.executable, '-c', f'import subprocess; subprocess.Popen({sleeper!r})']\n"
        "subprocess.Popen(sleeper, start_new_session=True)\n"
        "subprocess.run(daemon, start_new_session=True)\n"
        "print(json.dumps(process.to_record()), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        import json

        process = JobProcess.from_record(json.loads(child.stdout.readline()))
        try:
            assert len(process.alive()) == 3
            child.kill()
            child.wait()
            assert len(process.alive()) == 2
        finally:
            assert process.end(5.0)
        assert process.alive() == []


def test_a_later_process_with_the_same_number_is_left_alone() -> None:
    own = JobProcess("here", "", os.getppid(), created=1.0, mark="no-such-mark")
    assert own.alive() == []


def test_the_keeper_waits_for_a_silent_holder_and_obeys_a_living_one(tmp_path: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path}")
    first = LeaseKeeper(store, "first", heartbeat_s=0.1, stall_s=1.0)
    held = first.state(wait_s=5.0)
    assert held.standing == "held"
    assert held.require(store, 1.0).epoch == 1
    second = LeaseKeeper(store, "second", heartbeat_s=0.1, stall_s=1.0).state(wait_s=5.0)
    assert second.standing == "refused"
    assert "first" in second.message
    (tmp_path / "b").mkdir()
    silent = ArtifactStore(f"file://{tmp_path / 'b'}")
    Lease.acquire(silent, "gone", 1.0)
    keeper = LeaseKeeper(silent, "next", heartbeat_s=0.1, stall_s=1.0)
    assert keeper.state().standing == "waiting"
    deadline = time.monotonic() + 10
    while keeper.state().standing != "held" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert keeper.state().require(silent, 1.0).epoch == 2


def test_every_safety_has_a_switch_in_the_code_and_a_drill_that_removes_it() -> None:
    package = Path(str(safety.__file__)).parents[1]
    code = "".join(path.read_text() for path in package.rglob("*.py"))
    faults = Path(__file__).parents[2] / "faults"
    drills = "".join(path.read_text() for path in faults.glob("test_*.py"))
    switched = set(re.findall(r'removed\("(\w+)"\)', code))
    removed = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"without\(([^)]*)\)", drills))))
    assert switched == set(safety.SAFETIES)
    assert removed == set(safety.SAFETIES)


def test_production_has_no_switch_set() -> None:
    assert safety.VARIABLE not in os.environ
    assert not any(safety.removed(name) for name in safety.SAFETIES)
