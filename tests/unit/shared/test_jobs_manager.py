"""What a JobManager can do without Ray, and what it says about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.demo_jobs import CountQuery, count, share

from catena.api.jobs.v1 import jobs_pb2
from catena.api.jobs.v1.jobs_pb2 import JobState
from catena.shared.artifacts import ArtifactStore, Lease
from catena.shared.errors import InvalidRequest, NotFound, Unavailable
from catena.shared.jobs import JobManager, JobServicer, attempt
from catena.shared.jobs.records import JobFolder
from catena.shared.jobs.request import stored_request
from catena.shared.settings import Settings


class Context:
    """Stands for a call; `looks` is how often it is still there."""

    def __init__(self, looks: int = 1000) -> None:
        self.looks = looks

    def is_active(self) -> bool:
        self.looks -= 1
        return self.looks >= 0


@pytest.fixture
def manager(tmp_path: Path) -> JobManager:
    settings = Settings(home=tmp_path, ray_address="")
    return JobManager(ArtifactStore(settings.store), settings)


def query(manager: JobManager, **fields: Any) -> CountQuery:
    return CountQuery(log=str(manager.settings.home / "log"), steps=1, step_s=0.0, **fields)


def asked(manager: JobManager, **fields: Any) -> str:
    request = query(manager, **fields)
    folder = JobFolder(manager.store, count.name(request))
    folder.write_request(stored_request(count, request))
    folder.write_submission(cancelled=False, after=0, count_from=0)
    return folder.name


def ended(manager: JobManager, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    monkeypatch.setattr(attempt, "set_threads", lambda cpus: None)
    monkeypatch.setenv("CATENA_JOB_MARK", "")
    name = asked(manager, **fields)
    lease = Lease.acquire(manager.store, "here", 1.0)
    attempt.run(attempt.Assignment(name, lease, max_attempts=3, nice=0))
    return name


def test_ended_jobs_need_no_ray(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ended(manager, monkeypatch)
    assert manager.get(name).state == JobState.JOB_STATE_SUCCEEDED
    assert [job.state for job in manager.watch(name)] == [JobState.JOB_STATE_SUCCEEDED]
    assert manager.cancel(name).state == JobState.JOB_STATE_SUCCEEDED
    reused = manager.submit(count, query(manager))
    assert reused.reused
    assert reused.artifact.digest == manager.get(name).artifact.digest
    failed = ended(manager, monkeypatch, seed=2, end="error")
    assert manager.get(failed).state == JobState.JOB_STATE_FAILED


def test_everything_else_is_unavailable_and_says_when_to_ask_again(manager: JobManager) -> None:
    name = asked(manager)
    for call in (
        manager.start,
        lambda: manager.get(name),
        lambda: manager.submit(share, query(manager)),
        lambda: list(manager.watch(name)),
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.retry_after_s is not None
    assert not manager.alive


def test_a_dead_address_is_unavailable_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, ray_address="127.0.0.1:9")
    with pytest.raises(Unavailable):
        JobManager(ArtifactStore(settings.store), settings).start()


def test_a_cancel_is_marked_even_if_ray_does_not_answer(manager: JobManager) -> None:
    name = asked(manager)
    with pytest.raises(Unavailable):
        manager.cancel(name)
    assert manager.get(name).state == JobState.JOB_STATE_CANCELLED


def test_validate_only_checks_and_starts_nothing(manager: JobManager) -> None:
    request = query(manager, validate_only=True)
    job = manager.submit(share, request)
    assert job.name == share.name(request)
    assert job.state == JobState.JOB_STATE_UNSPECIFIED
    assert manager.store.ls("jobs") == []
    ref = manager.store.put_files({"a.csv": b"1"})
    wrong = {"uri": "imports/00", "digest": ref.digest, "kind": "files"}
    with pytest.raises(NotFound) as caught:
        manager.submit(share, query(manager, input=wrong, validate_only=True))
    assert caught.value.violations[0].field == "input"


def test_the_servicer_serves_its_own_jobs(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ended(manager, monkeypatch)
    servicer: Any = JobServicer(manager, "demo")
    got = servicer.GetJob(jobs_pb2.GetJobRequest(name=name), Context())
    assert got.job.name == name
    watched = list(servicer.WatchJob(jobs_pb2.WatchJobRequest(name=name), Context()))
    assert [reply.job for reply in watched] == [got.job]
    cancelled = servicer.CancelJob(jobs_pb2.CancelJobRequest(name=name), Context())
    assert cancelled.job == got.job
    other: Any = JobServicer(manager, "calibrator")
    for call in (
        lambda: other.GetJob(jobs_pb2.GetJobRequest(name=name), Context()),
        lambda: list(other.WatchJob(jobs_pb2.WatchJobRequest(name="../../etc"), Context())),
        lambda: other.CancelJob(jobs_pb2.CancelJobRequest(name=name), Context()),
        lambda: servicer.ListJobs(jobs_pb2.ListJobsRequest(page_size=-1), Context()),
        lambda: servicer.ListJobs(jobs_pb2.ListJobsRequest(page_token="%%"), Context()),
    ):
        with pytest.raises(InvalidRequest):
            call()
    with pytest.raises(NotFound):
        unknown = f"demo/Count/{'0' * 64}"
        servicer.GetJob(jobs_pb2.GetJobRequest(name=unknown), Context())


def test_a_watch_ends_when_its_client_has_left(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = asked(manager)
    monkeypatch.setattr(manager._cluster, "find", lambda name: object())
    servicer: Any = JobServicer(manager, "demo")
    replies = list(servicer.WatchJob(jobs_pb2.WatchJobRequest(name=name), Context(looks=3)))
    assert [reply.job.state for reply in replies] == [JobState.JOB_STATE_QUEUED]
