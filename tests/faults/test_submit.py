"""Many ask for the same, or for more than there is room for. With each safety, and without it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from support.demo_jobs import share
from support.site import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, Site, until

from catena.shared.jobs.records import JobFolder

pytestmark = pytest.mark.slow


def crowd(site: Site, processes: int, threads: int, **fields: Any) -> tuple[set[str], int]:
    """Identical submits at one moment from several processes: names, and the attempts."""
    site.manager.start()
    query = site.query(**{"steps": 5, "step_s": 0.1, **fields})
    folder = JobFolder(site.store, share.name(query))
    names: set[str] = set()
    with ExitStack() as stack:
        drivers = [
            stack.enter_context(site.driver("crowd", query, threads=threads))
            for _ in range(processes)
        ]
        for driver in drivers:
            assert driver.next() == {"ready": True}
        for driver in drivers:
            driver.go()
        until(
            lambda: folder.newest() > 1 or all(one.process.poll() is not None for one in drivers),
            "the answers",
        )
        for driver in drivers:
            if driver.process.poll() is not None:
                names |= {found.get("name", str(found)) for found in driver.next()["found"]}
        # More than one is one too many; else wait whether a second one comes.
        until(lambda: folder.newest() > 1 or (site.runs() and not site.pids()), "the end")
    # Attempts, not runs: a second attempt takes over from the first, often before that one runs.
    return names, folder.newest()


def test_fifty_identical_submits_run_once(site: Site) -> None:
    names, attempts = crowd(site, processes=5, threads=10)
    assert len(names) == 1
    assert attempts == 1
    assert site.runs() == 1
    assert site.manager.get(names.pop()).state == SUCCEEDED


def test_a_second_submit_attaches_and_a_later_one_reuses(site: Site) -> None:
    query = site.query(steps=5, step_s=0.1)
    first = site.manager.submit(share, query)
    second = site.manager.submit(share, query)
    assert first.name == second.name
    assert not second.reused
    assert site.ended(first.name).state == SUCCEEDED
    third = site.manager.submit(share, query)
    assert third.reused
    assert third.artifact.kind == "files"
    assert site.runs() == 1


def test_asking_again_in_the_moment_of_the_end_never_loses_the_job(site: Site) -> None:
    # The actor of a failed run needs a moment to leave; whoever asks in that moment gets a new run.
    query = site.query(steps=2, step_s=0.0, end="error", end_at=1)
    for run in range(1, 6):
        job = site.manager.submit(share, query)
        until(lambda name=job.name: site.manager.get(name).state == FAILED, "the failure")
        assert site.runs() == run


def full(site: Site, patience_s: float) -> tuple[int, list[int]]:
    """Three jobs where two have room: how many ran at once, and the state of each."""
    names = [
        site.manager.submit(share, site.query(str(n), steps=900, step_s=0.05)).name
        for n in range(3)
    ]
    until(lambda: site.runs("0") and site.runs("1"), "two runs")
    with suppress(AssertionError):
        until(lambda: site.runs("2"), "a third run", timeout_s=patience_s)
    running = sum(bool(site.pids(str(n), ["attempt"])) for n in range(3))
    states = [site.manager.get(name).state for name in names]
    waiting = site.manager.get(names[2]).state == QUEUED
    assert site.manager.cancel(names[0]).state == CANCELLED
    if waiting:
        until(lambda: site.runs("2"), "the run of the one that waited")
    return running, states


def test_more_jobs_than_places_wait(site: Site) -> None:
    assert full(site, patience_s=1.5) == (2, [RUNNING, RUNNING, QUEUED])


def test_without_places_they_all_run(site: Site, without: Callable[..., None]) -> None:
    without("places")
    assert full(site, patience_s=40.0) == (3, [RUNNING, RUNNING, RUNNING])


def test_an_error_of_the_job_reaches_the_client_and_a_defect_does_not(site: Site) -> None:
    told = site.run(site.query("a", steps=2, end="error"), share)
    assert told.state == FAILED
    assert told.error.message == "got 3 runs, wanted 20 or more; run more of them"
    assert told.error.code == 3
    defect = site.run(site.query("b", steps=2, end="defect"), share)
    assert defect.state == FAILED
    assert defect.error.code == 13
    assert "passwd" not in str(defect)
    assert "Traceback" not in str(defect)
    reference = defect.error.message.split("reference ")[1][:8]
    record = site.store.read_json(f"jobs/{defect.name}/attempts/1/.job/defect.json")
    assert record["reference"] == reference
    assert "RuntimeError: secret /etc/passwd" in record["traceback"]
    nothing = site.run(site.query("c", steps=1, end="nothing"), share)
    assert nothing.state == FAILED
    assert nothing.error.code == 13


def test_jobs_are_listed_newest_first(site: Site) -> None:
    names = [site.run(site.query(str(n), steps=1, step_s=0.0), share).name for n in range(3)]
    first = site.manager.list("demo", page_size=2)
    rest = site.manager.list("demo", page_size=2, page_token=first.next_page_token)
    assert [job.name for job in (*first.jobs, *rest.jobs)] == names[::-1]
    assert rest.next_page_token == ""
    assert {job.state for job in first.jobs} == {SUCCEEDED}


def test_without_attaching_they_run_several_times(site: Site, without: Callable[..., None]) -> None:
    without("attach", "places")
    _, attempts = crowd(site, processes=2, threads=1, steps=300)
    assert attempts > 1
