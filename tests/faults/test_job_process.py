"""A job's process is killed. Each drill is run with its safety, and again without it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support.demo_jobs import share
from support.site import FAILED, RUNNING, SUCCEEDED, Site, until

STEPS = 12

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Resumed:
    """What a job that was killed did in the end."""

    succeeded: bool
    same_content: bool
    attempts: int
    repeated: int
    "steps that were begun more than once, counted each time"
    leftovers: int
    "processes of the killed attempts that still live"


def kill_at(site: Site, steps: list[int], children: int = 0) -> Resumed:
    """Kill the job's process with SIGKILL when it begins each of `steps`."""
    reference = site.reference(steps=STEPS)
    job = site.manager.submit(share, site.query(steps=STEPS, step_s=0.05, children=children))
    started: set[int] = set()
    for number, step in enumerate(steps, start=1):
        until(lambda number=number: site.runs() >= number, f"attempt {number}")
        until(lambda n=number: len(site.lines("a", "child")) >= n * children, "the children")
        if step >= 0:
            until(lambda step=step: step in site.steps(), f"step {step}")
        started |= site.pids("a", ["child"])
        victim = int(site.lines("a", "attempt")[-1][-1])
        os.kill(victim, signal.SIGKILL)
    job = site.ended(job.name)
    begun = site.steps()
    return Resumed(
        succeeded=job.state == SUCCEEDED,
        same_content=job.artifact.digest == reference,
        attempts=job.attempts,
        repeated=len(begun) - len(set(begun)),
        leftovers=len(site.pids("a", ["child"]) & started),
    )


@pytest.mark.parametrize(
    "moments", [[-1], [0], [5], [STEPS - 1], [2, 4, 7]], ids=lambda moments: str(moments)
)
def test_a_killed_job_goes_on_and_gives_the_same_content(site: Site, moments: list[int]) -> None:
    facts = kill_at(site, moments)
    assert facts.succeeded
    assert facts.same_content
    assert facts.attempts == len(moments) + 1
    assert facts.repeated <= len(moments), "more than one interval was done twice"


def test_without_its_checkpoint_a_killed_job_does_steps_twice(
    site: Site, without: Callable[..., None]
) -> None:
    without("checkpoint")
    facts = kill_at(site, [5])
    assert facts.repeated > 1, "the drill does not notice that the checkpoint is not used"
    assert facts.same_content, "the count begins again, so its content is the same"


def test_what_a_killed_attempt_left_running_is_ended(site: Site) -> None:
    assert kill_at(site, [3], children=4).leftovers == 0


def test_without_the_sweep_it_is_left_running(site: Site, without: Callable[..., None]) -> None:
    without("sweep")
    assert kill_at(site, [3], children=4).leftovers > 0


def crash_loop(site: Site, end: str, patience: int = 5) -> tuple[bool, int, str]:
    """A job that dies at step 2 each time: whether it ended, after how many deaths, its word."""
    query = site.query(steps=5, step_s=0.0, end=end, end_at=2)
    name = site.manager.submit(share, query).name
    deaths_at_step = lambda: site.steps().count(2)  # noqa: E731
    until(
        lambda: site.manager.get(name).state == FAILED or deaths_at_step() >= patience,
        "the end of the loop",
    )
    job = site.manager.get(name)
    return job.state == FAILED, deaths_at_step(), job.error.message


@pytest.mark.parametrize(
    ("end", "word"), [("segv", "Segmentation fault"), ("kill", "SIGKILL"), ("exit", "bare exit")]
)
def test_a_job_that_keeps_crashing_fails_with_the_cause(site: Site, end: str, word: str) -> None:
    ended, deaths, message = crash_loop(site, end)
    assert ended
    assert 3 <= deaths <= 4  # the first attempt got past two checkpoints, and so does not count
    assert word in message
    assert "checkpoint 2" in message


def test_a_failed_job_that_is_asked_for_again_gets_new_attempts(site: Site) -> None:
    crash_loop(site, "kill")
    before = site.runs()
    job = site.run(site.query(steps=5, step_s=0.0, end="kill", end_at=2), share)
    assert job.state == FAILED
    assert site.runs() == before + 3
    assert site.steps().count(0) == 1, "its checkpoint was kept"


def test_without_the_limit_it_crashes_on_and_on(site: Site, without: Callable[..., None]) -> None:
    without("attempt_limit")
    ended, deaths, _ = crash_loop(site, "kill")
    assert not ended
    assert deaths >= 5


def submitter_killed(site: Site) -> tuple[bool, bool]:
    """SIGKILL to who submitted, then to the job: whether it lived on, and whether it succeeded."""
    query = site.query(steps=20, step_s=0.1)
    with site.driver("submit", query) as driver:
        name = driver.next()["name"]
        until(lambda: 3 in site.steps(), "step 3")
    # Here the driver has been killed. Give Ray the time to notice.
    seen = len(site.steps())
    try:
        until(lambda: len(site.steps()) > seen + 5, "more steps", timeout_s=4.0)
    except AssertionError:
        return False, site.manager.get(name).state == SUCCEEDED
    os.kill(int(site.lines("a", "attempt")[-1][-1]), signal.SIGKILL)
    return True, site.ended(name).state == SUCCEEDED


def test_a_job_outlives_its_submitter_and_is_still_restarted(site: Site) -> None:
    assert submitter_killed(site) == (True, True)


def test_a_job_that_belongs_to_its_submitter_dies_with_it(
    site: Site, without: Callable[..., None]
) -> None:
    without("detached")
    assert submitter_killed(site) == (False, False)


def other_code(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """A submitter whose sources differ from the worker's: state, and the error's message."""
    monkeypatch.setattr("catena.shared.jobs.request.code_version", lambda: "src-other")
    job = site.run(site.query(steps=1, step_s=0.0), share)
    return job.state, job.error.message


def test_a_worker_with_other_code_refuses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    state, message = other_code(site, monkeypatch)
    assert state == FAILED
    assert "src-other" in message
    assert site.runs() == 0


def test_without_the_comparison_it_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch, without: Callable[..., None]
) -> None:
    without("version")
    assert other_code(site, monkeypatch)[0] == SUCCEEDED


def test_a_kill_after_the_commit_changes_nothing(site: Site) -> None:
    job = site.manager.submit(share, site.query(steps=2, step_s=0.0))
    until(lambda: site.manager.get(job.name).state != RUNNING and site.runs(), "the commit")
    for pid in site.pids():
        os.kill(pid, signal.SIGKILL)
    assert site.ended(job.name).state == SUCCEEDED
    assert site.manager.submit(share, site.query(steps=2, step_s=0.0)).reused
    assert site.runs() == 1
