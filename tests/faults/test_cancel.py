"""Cancelling a job. Each drill is run with its safety, and again without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from support.demo_jobs import share
from support.site import CANCELLED, QUEUED, SUCCEEDED, Site, until

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Cancelled:
    """What is left when a cancel has returned."""

    state: int
    processes: int
    "of the job and its children, at once"
    tasks: int
    "Ray tasks of the job, a few seconds later"
    artifact: bool


def cancel_running(site: Site) -> Cancelled:
    """Cancel a job that has children (half of them daemons) and Ray tasks."""
    query = site.query(steps=500, step_s=0.05, children=4, tasks=2)
    name = site.manager.submit(share, query).name
    until(lambda: len(site.pids("a", ["child"])) == 4, "the children")
    until(lambda: len(site.pids("a", ["task"])) == 2, "the tasks")
    until(lambda: 3 in site.steps(), "step 3")
    job = site.manager.cancel(name)
    processes = len(site.pids("a", ["attempt", "child"]))
    with contextlib.suppress(AssertionError):
        until(lambda: not site.pids("a", ["task"]), "the end of the tasks", timeout_s=6.0)
    return Cancelled(
        state=job.state,
        processes=processes,
        tasks=len(site.pids("a", ["task"])),
        artifact=site.store.exists(f"jobs/{name}/artifact.json"),
    )


def test_a_cancel_leaves_no_process_and_no_artifact(site: Site) -> None:
    assert cancel_running(site) == Cancelled(CANCELLED, processes=0, tasks=0, artifact=False)


def test_without_the_kill_processes_stay(site: Site, without: Callable[..., None]) -> None:
    without("cancel_kill")
    assert cancel_running(site).processes > 0


def canceller_dies(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[int, bool]:
    """A server is lost in the moment of the kill: the final state, and whether it committed."""
    query = site.query(steps=60, step_s=0.05)
    name = site.manager.submit(share, query).name
    until(lambda: 3 in site.steps(), "step 3")

    class ServerDies(BaseException):
        pass

    def die(*_: Any) -> NoReturn:
        raise ServerDies

    with monkeypatch.context() as context:
        context.setattr(site.manager._cluster, "kill", die)
        with pytest.raises(ServerDies):
            site.manager.cancel(name)
    until(lambda: not site.pids(), "the end of the job's process")
    job = site.ended(name)
    return job.state, site.store.exists(f"jobs/{name}/artifact.json")


def test_a_job_whose_canceller_died_ends_itself(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert canceller_dies(site, monkeypatch) == (CANCELLED, False)


def test_written_after_the_kill_a_cancel_can_be_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch, without: Callable[..., None]
) -> None:
    without("cancel_first")
    assert canceller_dies(site, monkeypatch) == (SUCCEEDED, True)


def test_without_its_guard_a_cancelled_job_commits(
    site: Site, monkeypatch: pytest.MonkeyPatch, without: Callable[..., None]
) -> None:
    without("guard")
    assert canceller_dies(site, monkeypatch) == (SUCCEEDED, True)


def test_a_cancelled_job_goes_on_from_its_checkpoint_when_asked_again(site: Site) -> None:
    reference = site.reference(steps=10)
    query = site.query(steps=10, step_s=0.1)
    name = site.manager.submit(share, query).name
    until(lambda: 5 in site.steps(), "step 5")
    assert site.manager.cancel(name).state == CANCELLED
    assert site.manager.cancel(name).state == CANCELLED  # once more changes nothing
    job = site.run(query, share)
    assert job.state == SUCCEEDED
    assert job.artifact.digest == reference
    assert len(site.steps()) <= 11
    assert job.attempts == 2


def test_a_job_that_waits_can_be_cancelled(site: Site) -> None:
    busy = [site.manager.submit(share, site.query(f"b{n}", steps=900)) for n in range(2)]
    until(lambda: site.runs("b0") and site.runs("b1"), "two busy jobs")
    name = site.manager.submit(share, site.query()).name
    assert site.manager.get(name).state == QUEUED
    assert site.manager.cancel(name).state == CANCELLED
    for job in busy:
        assert site.manager.cancel(job.name).state == CANCELLED
    assert site.runs() == 0


def test_a_job_on_another_machine_is_ended_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is one machine here; a server that takes its name for another goes the way through Ray.
    site.manager.start()
    monkeypatch.setattr("catena.shared.jobs.manager.socket.gethostname", lambda: "elsewhere")
    assert cancel_running(site) == Cancelled(CANCELLED, processes=0, tasks=0, artifact=False)


def test_an_ended_job_stays_as_it_ended(site: Site) -> None:
    job = site.run(site.query(steps=1, step_s=0.0), share)
    assert site.manager.cancel(job.name).state == SUCCEEDED
