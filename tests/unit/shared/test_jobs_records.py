"""The state of a job follows from its files and from whether an actor lives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from catena.api.jobs.v1.jobs_pb2 import JobState
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import (
    ArtifactCorrupt,
    FieldViolation,
    InvalidData,
    InvalidRequest,
    NotFound,
)
from catena.shared.jobs.function import split_name
from catena.shared.jobs.records import JobFolder
from catena.shared.status import from_status

NAME = f"demo/Count/{'a' * 64}"


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(ArtifactStore(f"file://{tmp_path}"), NAME)


def asked(folder: JobFolder) -> None:
    folder.write_request({"query": {}})
    folder.write_submission(cancelled=False, after=0, count_from=0)


def started(folder: JobFolder) -> None:
    asked(folder)
    assert folder.claim({}) == 1


def failed(folder: JobFolder) -> None:
    started(folder)
    folder.write_failure(1, InvalidData("too few runs"))


def asked_again(folder: JobFolder) -> None:
    failed(folder)
    folder.write_submission(cancelled=False, after=1, count_from=1)


def started_again(folder: JobFolder) -> None:
    asked_again(folder)
    assert folder.claim({}) == 2


def cancelled(folder: JobFolder) -> None:
    started(folder)
    folder.write_submission(cancelled=True, after=0, count_from=0)


def failed_by_the_cancel(folder: JobFolder) -> None:
    cancelled(folder)
    folder.write_failure(1, InvalidData("a child of it was killed"))


def only_requested(folder: JobFolder) -> None:
    folder.write_request({"query": {}})


def committed(folder: JobFolder) -> None:
    started(folder)
    writer = folder.store.writer(NAME, 1)
    writer.write_json("a.json", 1)
    writer.commit(kind="files")


def committed_and_cancelled(folder: JobFolder) -> None:
    committed(folder)
    folder.write_submission(cancelled=True, after=0, count_from=0)


@pytest.mark.parametrize(
    ("history", "alive", "dead"),
    [
        (asked, "QUEUED", "INTERRUPTED"),
        (started, "RUNNING", "INTERRUPTED"),
        (failed, "FAILED", "FAILED"),
        (asked_again, "QUEUED", "INTERRUPTED"),
        (started_again, "RUNNING", "INTERRUPTED"),
        (cancelled, "CANCELLED", "CANCELLED"),
        (failed_by_the_cancel, "CANCELLED", "CANCELLED"),
        (only_requested, "QUEUED", "INTERRUPTED"),
        (committed, "SUCCEEDED", "SUCCEEDED"),
        (committed_and_cancelled, "SUCCEEDED", "SUCCEEDED"),
    ],
)
def test_state(
    folder: JobFolder, history: Callable[[JobFolder], None], alive: str, dead: str
) -> None:
    history(folder)
    for lives, wanted in ((True, alive), (False, dead)):
        job = folder.job(lambda lives=lives: lives)
        assert JobState.Name(job.state) == f"JOB_STATE_{wanted}"
        assert job.attempts == folder.newest()
        assert job.create_time.seconds <= job.update_time.seconds


def test_ray_is_asked_only_when_the_files_leave_it_open(folder: JobFolder) -> None:
    def never() -> bool:
        raise AssertionError("asked")

    failed(folder)
    assert folder.job(never).state == JobState.JOB_STATE_FAILED


def test_a_job_that_ends_between_two_looks_is_not_taken_for_interrupted(folder: JobFolder) -> None:
    started(folder)

    def ends_just_now() -> bool:
        folder.write_failure(1, InvalidData("too few runs"))
        return False

    assert folder.job(ends_just_now).state == JobState.JOB_STATE_FAILED


def test_unknown_jobs_are_errors_and_never_done(folder: JobFolder) -> None:
    with pytest.raises(NotFound):
        folder.job(lambda: True)


def test_an_unreadable_status_is_an_error(folder: JobFolder) -> None:
    asked(folder)
    folder.store.write_json(f"{folder.uri}/status.json", {"state": "DONE"})
    with pytest.raises(ArtifactCorrupt):
        folder.job(lambda: True)


def test_the_error_survives_the_store(folder: JobFolder) -> None:
    started(folder)
    violation = FieldViolation("ensemble", "got 3 runs, wanted 20")
    folder.write_failure(1, InvalidData("too few runs", violations=[violation]))
    error = from_status(folder.job(lambda: False).error)
    assert isinstance(error, InvalidData)
    assert error.message == "too few runs"
    assert error.violations == (violation,)


def test_the_first_end_of_an_attempt_stays(folder: JobFolder) -> None:
    failed(folder)
    folder.write_failure(1, InvalidData("another"))
    assert folder.job(lambda: False).error.message == "too few runs"


def test_progress_is_that_of_the_newest_attempt(folder: JobFolder) -> None:
    started(folder)
    folder.write_progress(1, 0.25, "a quarter")
    job = folder.job(lambda: True)
    assert (job.progress, job.message) == (0.25, "a quarter")
    folder.write_failure(1, InvalidData("x"))
    folder.write_submission(cancelled=False, after=1, count_from=1)
    assert folder.job(lambda: True).progress == 0.0
    folder.claim({})
    assert folder.job(lambda: True).progress == 0.0


def test_no_attempt_is_claimed_twice(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(folder)
    assert folder.claim({}) == 1
    # Another process looks at the same moment, before the first claim can be seen.
    monkeypatch.setattr(folder, "newest", lambda: 0)
    assert folder.claim({}) == 2


def test_the_first_request_gives_the_time_of_creation(folder: JobFolder) -> None:
    first = folder.write_request({"query": {}, "code_version": "a"})
    second = folder.write_request({"query": {}, "code_version": "b"})
    assert first["create_time"] == second["create_time"]
    assert folder.request() == second


@pytest.mark.parametrize(
    "name",
    ["", "a/B", f"demo/Count/{'a' * 63}", f"demo/Count/{'A' * 64}", f"../Count/{'a' * 64}",
     f"demo/count/{'a' * 64}", f"demo/Count/{'a' * 64}/x", f"demo/Count/{'a' * 64}\n", "x" * 9999],
)  # fmt: skip
def test_names_of_jobs_are_checked(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        split_name(name)
    assert caught.value.violations[0].field == "name"
    assert len(str(caught.value)) < 300
