"""Fakes that users need too: a store that fails on demand, a clock that is moved by hand, and jobs
that run in this process."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.jobs.v1 import jobs_pb2
from catena.shared.artifacts.files import FileInfo, Files
from catena.shared.artifacts.paths import TEMPORARY
from catena.shared.artifacts.store import ArtifactStore
from catena.shared.errors import CatenaError, NotFound
from catena.shared.jobs import JobContext, JobFunction
from catena.shared.jobs.threads import limited_threads
from catena.shared.query import Query
from catena.shared.status import to_status


class Killed(BaseException):
    """Stands for kill -9 in the middle of a call: no ``except Exception`` catches it."""


def disk_full() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, "No space left on device")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    operation : {"write", "read", "remove", "list"}
        Writes, exclusive creations and copies all count as "write"; looking whether something
        exists counts as "list".
    at : int
        At which call of that kind, from 1.
    error : callable
        Makes the exception.
    effect : {"none", "partial", "done"}
        What the call did before it failed: nothing, left a half-written temporary file (in a
        folder store), or all of it (only the answer was lost).
    stays : bool
        Every later call fails as well, of any kind: the process is dead, or the disk is gone.
    """

    operation: Literal["write", "read", "remove", "list"]
    at: int
    error: Callable[[], BaseException] = disk_full
    effect: Literal["none", "partial", "done"] = "none"
    stays: bool = False


class FaultyStore(ArtifactStore):
    """A store in which chosen calls fail.

    Parameters
    ----------
    url : str
        Of the real store behind it.
    *faults : Fault

    Attributes
    ----------
    journal : list of (str, str)
        Every call so far: kind of operation and name of the file.

    Examples
    --------
    >>> from catena.shared.testing import Fault, FaultyStore
    >>> store = FaultyStore("memory://faulty", Fault("write", at=2))
    >>> store.write_json("a.json", 1)
    >>> store.write_json("b.json", 1)
    Traceback (most recent call last):
    ...
    catena.shared.errors.Unavailable: the store is full: could not write 'b.json'; ...
    """

    def __init__(self, url: str, *faults: Fault) -> None:
        super().__init__(url)
        self.faults = faults
        self._faulty = _FaultyFiles(self.files, faults)
        self.files = self._faulty

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, *self.faults)

    @property
    def journal(self) -> list[tuple[str, str]]:
        """Every call so far."""
        return list(self._faulty.journal)

    def repair(self) -> None:
        """Nothing fails from now on."""
        self._faulty.faults = ()
        self._faulty.broken = None


class _FaultyFiles:
    def __init__(self, inner: Files, faults: tuple[Fault, ...]) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self.faults = faults
        self.broken: Fault | None = None
        self.journal: list[tuple[str, str]] = []

    def _due(self, operation: str, path: str) -> Fault | None:
        with self._lock:
            self.journal.append((operation, path))
            self._counts[operation] = count = self._counts.get(operation, 0) + 1
            if self.broken is not None:
                raise self.broken.error()
            for fault in self.faults:
                if (fault.operation, fault.at) == (operation, count):
                    if fault.stays:
                        self.broken = fault
                    return fault
        return None

    def _run(
        self, operation: str, path: str, call: Callable[[], Any], data: bytes | None = None
    ) -> Any:
        fault = self._due(operation, path)
        if fault is None:
            return call()
        if fault.effect == "done":
            call()
        elif fault.effect == "partial" and data is not None:
            self._tear(path.rpartition("/")[0], data)
        raise fault.error()

    def _tear(self, folder: str, data: bytes) -> None:
        # What a killed write leaves in a folder. Buckets and memory keep nothing of a torn put.
        place = self._inner.local(folder) if folder else None
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{TEMPORARY}torn").write_bytes(data[: len(data) // 2])

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        return self._run("read", path, lambda: self._inner.read(path, start, stop))

    def blocks(self, path: str) -> Iterator[bytes]:
        return self._run("read", path, lambda: self._inner.blocks(path))

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        self._run("write", path, lambda: self._inner.write(path, data, durable=durable), data)

    def put(self, path: str, source: Path, sha256: str) -> None:
        self._run("write", path, lambda: self._inner.put(path, source, sha256))

    def link(self, source: str, path: str) -> None:
        self._run("write", path, lambda: self._inner.link(source, path))

    def create(self, path: str, data: bytes) -> bool:
        return self._run("write", path, lambda: self._inner.create(path, data), data)

    def exists(self, path: str) -> bool:
        return self._run("list", path, lambda: self._inner.exists(path))

    def ls(self, path: str) -> list[str]:
        return self._run("list", path, lambda: self._inner.ls(path))

    def find(self, path: str) -> list[FileInfo]:
        return self._run("list", path, lambda: self._inner.find(path))

    def remove_tree(self, path: str) -> None:
        self._run("remove", path, lambda: self._inner.remove_tree(path))

    def local(self, path: str) -> Path | None:
        return self._inner.local(path)


class FakeClock:
    """Seconds that pass only when somebody sleeps.

    Parameters
    ----------
    on_sleep : callable, optional
        Called with the time after each sleep: what others do meanwhile.

    Examples
    --------
    >>> from catena.shared.testing import FakeClock
    >>> clock = FakeClock()
    >>> clock.sleep(1.5)
    >>> clock()
    1.5
    """

    def __init__(self, on_sleep: Callable[[float], None] = lambda now: None) -> None:
        self.now = 0.0
        self.on_sleep = on_sleep

    def __call__(self) -> float:
        """Return the seconds now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
        self.on_sleep(self.now)


def run_job(
    function: JobFunction,
    query: Query,
    store: ArtifactStore,
    report: Callable[[float, str], None] = lambda fraction, message: None,
) -> ArtifactRef:
    """Run a job in this process, without a server and without Ray.

    What was made before is reused and a checkpoint is gone on from, as in a real cluster; nothing
    guards against two processes at the same job.

    Parameters
    ----------
    function : JobFunction
        The job.
    query : Query
        Its request.
    store : ArtifactStore
        Where the artifact goes.
    report : callable
        Hears of the progress.

    Raises
    ------
    CatenaError
        Whatever the job raises.

    Examples
    --------
    >>> store = ArtifactStore("file:///tmp/store")
    >>> ensemble = run_job(import_ensemble, query, store)
    """
    uri = f"jobs/{function.name(query)}"
    try:
        return store.open(uri).ref
    except NotFound:
        pass
    attempt = 1 + max((int(name) for name in store.ls(f"{uri}/attempts")), default=0)
    with limited_threads(function.cpus):
        return function(query, JobContext(store, function, query, attempt, report=report))


class LocalJobs:
    """Stands for a JobManager: a submitted job has ended when `submit` returns.

    Parameters
    ----------
    store : ArtifactStore
    """

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self._jobs: dict[str, jobs_pb2.Job] = {}

    def start(self) -> None:
        """Nothing to join."""

    def submit(self, function: JobFunction, query: Query) -> jobs_pb2.Job:
        """Run the job, or find its artifact."""
        name = function.name(query)
        for _, ref in query.refs():
            self.store.open(ref)
        if query.validate_only:
            return jobs_pb2.Job(name=name)
        reused = self.store.exists(f"jobs/{name}/artifact.json")
        job = jobs_pb2.Job(name=name, attempts=1, reused=reused)
        try:
            job.artifact.CopyFrom(run_job(function, query, self.store))
            job.state, job.progress = jobs_pb2.JOB_STATE_SUCCEEDED, 1.0
        except CatenaError as error:
            job.state = jobs_pb2.JOB_STATE_FAILED
            job.error.CopyFrom(to_status(error))
        self._jobs[name] = job
        return job

    def get(self, name: str) -> jobs_pb2.Job:
        """The job as it ended."""
        if name not in self._jobs:
            raise NotFound(f"there is no job '{name}'")
        return self._jobs[name]

    def watch(self, name: str, stop: Callable[[], bool] = bool) -> Iterator[jobs_pb2.Job]:
        """The job, once."""
        yield self.get(name)

    def list(
        self, service: str, page_size: int = 0, page_token: str = ""
    ) -> jobs_pb2.ListJobsResponse:
        """All jobs on one page, newest first."""
        return jobs_pb2.ListJobsResponse(jobs=reversed(self._jobs.values()))

    def cancel(self, name: str) -> jobs_pb2.Job:
        """Nothing is left to cancel."""
        return self.get(name)

    def close(self) -> None:
        """Nothing is open."""
