"""All of Ray is lost, or only seems to be. Each drill is run with its safety, and without it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support.demo_jobs import share
from support.ray_cluster import RayCluster
from support.site import INTERRUPTED, SUCCEEDED, Site, until

from catena.api.jobs.v1.jobs_pb2 import Job
from catena.shared.errors import CatenaError, LeaseHeld, Unavailable
from catena.shared.jobs.checkpoint import Checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Site]:
    """The same store, worked on through another Ray cluster; only by other processes."""
    cluster = RayCluster(num_cpus=1, max_jobs=1).start()
    try:
        yield Site(cluster, tmp_path, namespace=tmp_path.name)
    finally:
        cluster.stop()


@dataclass(frozen=True)
class Lost:
    """What became of a job whose Ray was killed."""

    noticed: bool
    "by the server that was connected"
    answer: str
    "of that server to the next call"
    before: int
    "state that the next cluster saw before it was asked"
    succeeded: bool
    same_content: bool
    repeated: int


def kill_all_of_ray(here: Site, other: Site) -> Lost:
    """SIGKILL to every process of a Ray that runs a job; then another Ray is asked for it."""
    reference = here_reference(here)
    query = other.query(steps=12, step_s=0.1)
    with other.driver("submit", query) as driver:
        name = driver.next()["name"]
        until(lambda: 5 in other.steps(), "step 5")
        other.cluster.kill()
        word = driver.next()
    before = answered(lambda: here.manager.get(name)).state
    answered(lambda: here.manager.submit(share, query))
    job = here.ended(name)
    begun = here.steps()
    return Lost(
        noticed=word["lost"],
        answer=word.get("error", ""),
        before=before,
        succeeded=job.state == SUCCEEDED,
        same_content=job.artifact.digest == reference,
        repeated=len(begun) - len(set(begun)),
    )


def here_reference(site: Site) -> str:
    # In a store of its own: on the shared one the other cluster shall come first.
    alone = Site(site.cluster, site.folder / "alone", f"{site.settings.ray_namespace}-alone")
    alone.folder.mkdir()
    try:
        return alone.reference(steps=12)
    finally:
        alone.close()


def answered(call: Callable[[], Job]) -> Job:
    """Answer to a call that is made as clients do: again on UNAVAILABLE, on nothing else."""

    def ask() -> Job | None:
        try:
            return call()
        except Unavailable as error:
            assert error.retry_after_s is not None
            return None

    found: Job = until(ask, "an answer", timeout_s=20.0)
    return found


def test_a_job_survives_the_loss_of_ray(site: Site, other: Site) -> None:
    assert kill_all_of_ray(site, other) == Lost(
        noticed=True,
        answer="Unavailable",
        before=INTERRUPTED,
        succeeded=True,
        same_content=True,
        repeated=1,
    )


def test_without_its_checkpoint_it_begins_again(
    site: Site, other: Site, without: Callable[..., None]
) -> None:
    without("checkpoint")
    assert kill_all_of_ray(site, other).repeated > 1


@dataclass(frozen=True)
class Zombie:
    """What a cluster does that was asleep while another took its store over."""

    refused: str
    "what the second cluster was told while the first was awake"
    committed: bool
    saved: int
    "checkpoints that the first one saved after it woke up"


def asleep(here: Site, other: Site, steps: int = 300) -> Zombie:
    """Stop a whole cluster (a laptop's lid), let the next one take over, then wake it up."""
    with other.driver("submit", other.query(steps=steps, step_s=0.1)) as driver:
        name = driver.next()["name"]
        until(lambda: 2 in other.steps(), "step 2")
        refused = refusal(here)
        processes = other.cluster.processes()
        signal_all(processes, signal.SIGSTOP)
        until(lambda: not refusal(here), "the lease", timeout_s=15.0)
        checkpoint = Checkpoint(here.store, f"jobs/{name}/checkpoint")
        position = checkpoint.position
        signal_all(processes, signal.SIGCONT)
        until(lambda: not here.pids(), "the end of the zombie's job")
        return Zombie(
            refused=refused,
            committed=here.store.exists(f"jobs/{name}/artifact.json"),
            saved=checkpoint.position - position,
        )


def refusal(site: Site) -> str:
    """Why a site's cluster cannot work; empty when it can."""

    def ask() -> str:
        try:
            site.manager.start()
        except LeaseHeld as error:
            return error.message
        except CatenaError:
            return ""
        return "free"

    word = str(until(ask, "an answer about the lease"))
    return "" if word == "free" else word


def signal_all(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def test_a_zombie_cluster_cannot_write(site: Site, other: Site) -> None:
    facts = asleep(site, other)
    assert socket.gethostname() in facts.refused, "the holder is named"
    assert not facts.committed
    assert facts.saved <= 1, "one write may have been under way"


def test_without_the_lease_it_does(site: Site, other: Site, without: Callable[..., None]) -> None:
    without("lease")
    facts = asleep(site, other, steps=30)
    assert facts.refused == "", "both clusters work on the store at once"
    assert facts.committed
