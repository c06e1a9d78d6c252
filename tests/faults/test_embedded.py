"""kill -9 of the parts of the embedded system, each while a job runs.

Each drill is run with its safety, and without it: a drill that cannot fail proves nothing. Drills
with all safeties share one system; each asks it for a job that it has not run.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import psutil
import pytest
from support.site import until
from support.system import System

from catena.shared.client import CatenaError, Job
from catena.shared.jobs import safety
from catena.shared.supervisor.processes import ProcessRecord

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# Long enough that a job is still at work when its surroundings are killed, on any machine.
ENSEMBLE = {"generated": {"runs": 800, "seed": 1}, "held_out_runs": 50}

_NUMBERS = count(50)


def surrogate(ensemble: object) -> dict[str, object]:
    """Another request each time, so another job; of so few outputs all have the same result."""
    number = next(_NUMBERS)
    request = {"ensemble": ensemble, "method": "mlp", "seed": 1}
    return {**request, "svd_above_outputs": number}


@dataclass(frozen=True)
class After:
    """What became of a job whose surroundings were killed.

    Attributes
    ----------
    digest : str
        Of the result; empty when it never came.
    attempts : int
        How often the job was started.
    same_ray : bool
        Whether the Ray that runs in the end is the one that ran before.
    outlived : bool
        Whether the old server outlived what was killed.
    """

    digest: str
    attempts: int
    same_ray: bool
    outlived: bool


@contextlib.contextmanager
def started() -> Iterator[System]:
    """A system of its own, under the safeties that are left."""
    with System(lease_stall_s="3") as made:
        made("up")
        yield made


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """One with all safeties; it is whole again after each drill."""
    with started() as made:
        yield made


def drill(system: System, kill: Callable[[System], None], patience_s: float = 90.0) -> After:
    """Start a job, kill a part when its work has begun, and wait for the result as clients do."""
    with system.client(patience_s=patience_s) as client:
        ensemble = client.submit("ImportEnsemble", ENSEMBLE).result(120)
        job = client.submit("TrainSurrogate", surrogate(ensemble))
        until(lambda: job.refresh().progress > 0, "the work to begin", 120)
        ray, server = system.process("ray"), system.process("calibrator")
        # It stands still meanwhile, or it might end before its surroundings are gone.
        with standing_still(system):
            kill(system)
        digest = result(job)
        return After(
            digest=digest,
            attempts=job.refresh().attempts if digest else 0,
            same_ray=system.process("ray") == ray if digest else ray.alive(),
            outlived=server.alive(),
        )


def result(job: Job) -> str:
    try:
        return str(job.result(240).digest)
    except CatenaError:
        return ""


@pytest.fixture(scope="module")
def undisturbed(system: System) -> str:
    """Digest of the result when nothing is killed."""
    found = drill(system, lambda system: None)
    assert found.attempts == 1
    assert found.same_ray
    return found.digest


def kill_server(system: System) -> None:
    kill(system.process("calibrator"))


def kill_ray(system: System) -> None:
    for record in system.ray_processes():
        record.signal(signal.SIGKILL)


def kill_supervisor(system: System) -> None:
    """And start everything again, as a user does who finds it gone."""
    server = system.process("calibrator")
    kill(system.process("supervisor"))
    if not safety.removed("lifeline"):
        until(lambda: not server.alive(), "the end of the server", 10)
        system("up")


@contextlib.contextmanager
def standing_still(system: System) -> Iterator[None]:
    """Stop the processes of jobs for a while, without their noticing."""
    jobs = []
    for record in system.ray_processes():
        with contextlib.suppress(psutil.Error):
            if "JobActor" in " ".join(psutil.Process(record.pid).cmdline()):
                jobs.append(record)
    assert jobs, "no job runs"
    for record in jobs:
        record.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for record in jobs:
            record.signal(signal.SIGCONT)


def kill(record: ProcessRecord) -> None:
    assert record.alive()
    record.signal(signal.SIGKILL)
    until(lambda: not record.alive(), "the end of the process", 10)


def test_a_job_outlives_its_server(system: System, undisturbed: str) -> None:
    found = drill(system, kill_server)
    assert found == After(undisturbed, attempts=1, same_ray=True, outlived=False)


def test_a_job_goes_on_after_the_loss_of_ray(system: System, undisturbed: str) -> None:
    found = drill(system, kill_ray)
    assert found == After(undisturbed, attempts=2, same_ray=False, outlived=False)


def test_a_job_outlives_the_supervisor(system: System, undisturbed: str) -> None:
    found = drill(system, kill_supervisor)
    assert found == After(undisturbed, attempts=1, same_ray=True, outlived=False)


def test_without_restarts_the_server_stays_away(without: Callable[..., None]) -> None:
    without("restart")
    with started() as system:
        assert drill(system, kill_server, patience_s=12.0).digest == ""


def test_without_adoption_the_job_is_started_again(without: Callable[..., None]) -> None:
    without("adopt")
    with started() as system:
        found = drill(system, kill_supervisor)
    assert found.attempts == 2
    assert not found.same_ray


def test_without_a_lifeline_a_server_outlives_its_supervisor(without: Callable[..., None]) -> None:
    without("lifeline")
    with started() as system:
        assert drill(system, kill_supervisor).outlived
