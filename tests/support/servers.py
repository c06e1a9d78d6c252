"""Servers for tests: in this process, on a socket of their own, without Ray.

``serving(add)`` runs the real server around any ``add_services(server, runtime)``; the runtime has
a real artifact store and :class:`FakeJobs`. The fixture ``serve`` (tests/conftest.py) is the same
with a clean end.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.jobs.v1.jobs_pb2 import Job, JobState, ListJobsResponse
from catena.shared.artifacts import ArtifactStore
from catena.shared.client import ServiceClient, connect
from catena.shared.errors import NotFound
from catena.shared.server import AddServices, Runtime, Server
from catena.shared.settings import Settings
from catena.shared.status import to_status

ENDED = (
    JobState.JOB_STATE_SUCCEEDED,
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_INTERRUPTED,
)


class FakeJobs:
    """Stands in for JobManager: jobs are names, and tests move them from state to state."""

    def __init__(self) -> None:
        self.known: dict[str, Job] = {}
        self.submissions: list[tuple[str, bool]] = []
        self._changed = threading.Condition()

    def submit(self, function: Any, query: Any) -> Job:
        name = function.name(query)
        self.submissions.append((name, query.validate_only))
        if query.validate_only:
            return Job(name=name)
        known = self.known.get(name)
        if known is None or known.state in ENDED[1:]:
            self.put(Job(name=name, state=JobState.JOB_STATE_RUNNING, attempts=1))
        return self.known[name]

    def put(self, job: Job) -> Job:
        with self._changed:
            self.known[job.name] = job
            self._changed.notify_all()
        return job

    def succeed(self, name: str) -> None:
        ref = ArtifactRef(uri=f"jobs/{name}", digest=f"sha256:{'0' * 64}", kind="surrogate")
        self.put(Job(name=name, state=JobState.JOB_STATE_SUCCEEDED, progress=1.0, artifact=ref))

    def fail(self, name: str, error: Any) -> None:
        self.put(Job(name=name, state=JobState.JOB_STATE_FAILED, error=to_status(error)))

    def get(self, name: str) -> Job:
        if name not in self.known:
            raise NotFound(f"there is no job {name!r}")
        return self.known[name]

    def list(self, service: str, page_size: int = 0, page_token: str = "") -> ListJobsResponse:
        names = sorted(self.known)
        start = int(page_token or 0)
        end = start + (page_size or 50)
        token = str(end) if end < len(names) else ""
        jobs = [self.known[name] for name in names[start:end]]
        return ListJobsResponse(jobs=jobs, next_page_token=token)

    def watch(self, name: str, stop: Callable[[], bool] = lambda: False) -> Iterator[Job]:
        last = None
        while not stop():
            job = self.get(name)
            if job != last:
                last = job
                yield job
                if job.state in ENDED:
                    return
            with self._changed:
                self._changed.wait(0.05)

    def cancel(self, name: str) -> Job:
        job = Job()
        job.CopyFrom(self.get(name))
        if job.state not in ENDED:
            job.state = JobState.JOB_STATE_CANCELLED
        return self.put(job)

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Running:
    """A server that runs, and what it runs on."""

    server: Server
    settings: Settings
    jobs: Any
    store: ArtifactStore
    service: str

    def client(self, **changes: Any) -> ServiceClient:
        """Client of the server; `changes` are other settings on its side."""
        return connect(self.service, self.settings.model_copy(update=changes))

    @property
    def address(self) -> str:
        return self.server.address


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A private folder with a short name: a socket's path has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(
    add: AddServices,
    service: str = "calibrator",
    *,
    jobs: Callable[[ArtifactStore], Any] = lambda store: FakeJobs(),
    **changes: Any,
) -> Iterator[Running]:
    """Run the server of `service` around `add`.

    `jobs` makes the manager of jobs: :class:`FakeJobs`, where nothing runs, or
    ``catena.shared.testing.LocalJobs``, where a job has ended when it is submitted. `changes` are
    settings other than the defaults.
    """
    with run_folder() as folder:
        values = {"home": folder, "run_dir": folder, "patience_s": 5.0, "deadline_s": 10.0}
        settings = Settings(**(values | changes))
        store = ArtifactStore(settings.store)
        manager = jobs(store)
        server = Server(service, add, Runtime(store, manager, settings))
        server.start()
        try:
            yield Running(server, settings, manager, store, service)
        finally:
            server.close()


def wait_until(condition: Any, timeout_s: float = 10.0) -> None:
    """Wait until `condition()` holds; fail loudly if it never does."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"still not true after {timeout_s} s"
        time.sleep(0.01)
