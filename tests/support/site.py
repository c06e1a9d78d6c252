"""A place for drills: a store, a namespace on a Ray cluster, and a log of what jobs really did."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
from support.demo_jobs import CountQuery, count
from support.ray_cluster import TESTS, RayCluster

from catena.api.jobs.v1.jobs_pb2 import Job, JobState
from catena.shared.artifacts import ArtifactStore
from catena.shared.jobs import JobFunction, JobManager
from catena.shared.settings import Settings

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED, INTERRUPTED = range(1, 7)


def until(claim: Callable[[], Any], what: str, timeout_s: float = 40.0) -> Any:
    """First true value of `claim`; fails loudly when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (value := claim()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.02)
    return value


class Site:
    """One store, worked on through one Ray cluster.

    Parameters
    ----------
    cluster : RayCluster
    folder : Path
        For the store and the jobs' logs; two sites with one folder share their store.
    namespace : str
        Ray namespace, so that one cluster serves many tests.
    """

    def __init__(self, cluster: RayCluster, folder: Path, namespace: str) -> None:
        self.cluster = cluster
        self.folder = folder
        self.settings = Settings(
            home=folder,
            ray_address=cluster.address,
            ray_namespace=namespace,
            heartbeat_s=0.3,
            lease_stall_s=2.0,
        )
        self.store = ArtifactStore(self.settings.store)
        self.manager = JobManager(self.store, self.settings)

    def close(self) -> None:
        """End every job of this site, and whatever its logs say was started."""
        with contextlib.suppress(Exception):
            for name in self.manager._cluster.names():
                self.manager._cluster.kill(self.manager._cluster.find(name))
        self.manager.close()
        for log in self.folder.glob("*.log"):
            for pid in self.pids(log.stem):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    # ---- what jobs did -------------------------------------------------------------------------

    def query(self, log: str = "a", **fields: Any) -> CountQuery:
        """Request of a count that writes the log of that name."""
        return CountQuery(log=str(self.folder / f"{log}.log"), **fields)

    def lines(self, log: str, first: str) -> list[list[str]]:
        """Words after `first` of each such line."""
        path = self.folder / f"{log}.log"
        text = path.read_text() if path.exists() else ""
        words = [line.split() for line in text.splitlines()]
        return [line[1:] for line in words if line[0] == first]

    def steps(self, log: str = "a") -> list[int]:
        """Steps as they were begun, by all attempts together."""
        return [int(step) for _, step in self.lines(log, "step")]

    def runs(self, log: str = "a") -> int:
        """How many times the job function was entered."""
        return len(self.lines(log, "attempt"))

    def pids(self, log: str = "a", kinds: Iterable[str] = ("attempt", "child", "task")) -> set[int]:
        """Living processes that the log names."""
        named = {int(words[-1]) for kind in kinds for words in self.lines(log, kind)}
        return {pid for pid in named if _lives(pid)}

    # ---- what the manager says -----------------------------------------------------------------

    def ended(self, name: str, timeout_s: float = 60.0) -> Job:
        """The job when nothing happens any more."""
        deadline = time.monotonic() + timeout_s
        for job in self.manager.watch(name, stop=lambda: time.monotonic() > deadline, poll_s=0.05):
            last = job
        return last

    def run(self, query: CountQuery, function: JobFunction = count) -> Job:
        """Submit and wait for the end."""
        return self.ended(self.manager.submit(function, query).name)

    def reference(self, **fields: Any) -> str:
        """Content digest of the same count when nothing disturbs it."""
        job = self.run(self.query("reference", **{**fields, "step_s": 0.0}))
        assert job.state == SUCCEEDED, job
        return str(job.artifact.digest)

    # ---- other processes -----------------------------------------------------------------------

    def driver(self, action: str, query: CountQuery | None = None, **more: Any) -> Driver:
        """Another process that works on this site; see :mod:`support.driver`."""
        return Driver(self, action, query, more)


class Driver:
    """A child process with a JobManager of its own; it prints one JSON value per line."""

    def __init__(
        self, site: Site, action: str, query: CountQuery | None, more: dict[str, Any]
    ) -> None:
        settings = site.settings.model_dump(
            mode="json",
            include={"home", "ray_address", "ray_namespace", "heartbeat_s", "lease_stall_s"},
        )
        task = {
            "action": action,
            "settings": settings,
            "query": query.model_dump(mode="json") if query is not None else None,
            **more,
        }
        environment = {
            **os.environ,
            **site.cluster.client_environment,
            "PYTHONPATH": str(TESTS),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.driver", json.dumps(task)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def next(self) -> Any:
        """The next value that it prints."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError(f"the driver ended with {self.process.wait()}")

    def go(self) -> None:
        """Let it go on, where its action waits for that."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=10)

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()


def state_name(job: Job) -> str:
    """Short name of a job's state."""
    return JobState.Name(job.state).removeprefix("JOB_STATE_")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
