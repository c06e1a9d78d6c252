"""Jobs through PSI/J: submitted, attached to by their own id, waited for.

A job's end says nothing of the model's: :mod:`~catena.coupler.elm.outcome` judges that. A job that
the scheduler does not know is *unknown*, never finished.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import psutil

from catena.coupler.elm.config import Executor
from catena.shared.errors import FailedPrecondition, Unavailable

JobState = Literal["queued", "active", "ended", "failed", "cancelled", "unknown"]


@dataclass(frozen=True)
class JobRecord:
    """What must be kept of a job to find it again.

    Parameters
    ----------
    native_id : str
        The scheduler's id; a process id for ``local``.
    executor : str
    folder : str
    started : float
        Seconds since 1970: tells a local process from another one of the same id.
    """

    native_id: str
    executor: str
    folder: str
    started: float

    def as_dict(self) -> dict[str, Any]:
        """For a state file."""
        return asdict(self)


class JobRunner:
    """Runs the model's programs where the configuration says.

    Parameters
    ----------
    executor : Executor
    environment : mapping
        What a job gets besides the environment of this process.
    """

    first_answer_s = 90.0
    """How long the scheduler may take to tell the state of a job that is attached to."""

    def __init__(self, executor: Executor, environment: Mapping[str, str]) -> None:
        self.executor = executor
        self.environment = dict(environment)
        self._jobs: dict[str, Any] = {}
        self._psij: Any = None

    def _executor(self) -> Any:
        if self._psij is None:
            # Imported late: PSI/J takes over the process's SIGCHLD.
            from psij import JobExecutor

            try:
                self._psij = JobExecutor.get_instance(self.executor.kind)
            except Exception as error:
                raise FailedPrecondition(
                    f"executor '{self.executor.kind}' cannot be used here: {error}; take local, "
                    "slurm, pbs, lsf, flux or none"
                ) from error
        return self._psij

    def submit(
        self,
        argv: Sequence[str],
        folder: Path,
        name: str,
        log: Path,
        pre_launch: Path | None = None,
    ) -> JobRecord:
        """Start a program.

        Parameters
        ----------
        argv : sequence of str
        folder : Path
        name : str
        log : Path
            Takes what it prints. Without a file a local job would stop at a full pipe.
        pre_launch : Path, optional
            A shell script to source before it, as CIME's `.env_mach_specific.sh` with the modules.

        Raises
        ------
        FailedPrecondition
            When it cannot be started, or the scheduler refuses it; the message quotes it.
        """
        began = time.time()
        if self.executor.kind == "none":
            try:
                with log.open("wb") as file:
                    done = subprocess.Popen(
                        list(argv),
                        cwd=folder,
                        env={**os.environ, **self.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
            except OSError as error:
                raise FailedPrecondition(
                    f"{Path(argv[0]).name} could not be started: {error.strerror}; is the case "
                    "whole?"
                ) from error
            self._jobs[str(done.pid)] = done
            return JobRecord(str(done.pid), "none", str(folder), began)
        from psij import Job, JobAttributes, JobSpec, ResourceSpecV1

        hours, minutes, seconds = (int(part) for part in self.executor.walltime.split(":"))
        spec = JobSpec(
            executable=argv[0],
            arguments=list(argv[1:]),
            directory=folder,
            name=name[:60],
            environment=dict(self.environment),
            stdout_path=log,
            stderr_path=log.with_suffix(".err"),
            resources=ResourceSpecV1(
                node_count=self.executor.nodes,
                processes_per_node=-(-self.executor.processes // self.executor.nodes),
            ),
            attributes=JobAttributes(
                duration=timedelta(hours=hours, minutes=minutes, seconds=seconds),
                queue_name=self.executor.queue,
                account=self.executor.project,
                custom_attributes=_named(self.executor.kind, name),
            ),
            launcher=self.executor.launcher,
            pre_launch=pre_launch,
        )
        job = Job(spec)
        try:
            self._executor().submit(job)
        except Exception as error:
            raise FailedPrecondition(
                f"{self.executor.kind} refused the job '{name}': {_cause(error)}; correct queue, "
                "project and walltime of `executor`"
            ) from error
        self._jobs[str(job.native_id)] = job
        return JobRecord(str(job.native_id), self.executor.kind, str(folder), began)

    def state(self, record: JobRecord) -> JobState:
        """What is known of a job, whoever submitted it."""
        job = self._jobs.get(record.native_id)
        if record.executor in ("local", "none"):
            if job is not None and record.executor == "none":
                status = job.poll()
                return "active" if status is None else ("ended" if status == 0 else "failed")
            if job is None:
                return "active" if _is_running(record) else "unknown"
        if job is None:
            job = self._attach(record)
        return _state(job)

    def _attach(self, record: JobRecord) -> Any:
        if record.executor != self.executor.kind:
            raise FailedPrecondition(
                f"job {record.native_id} was submitted to {record.executor}, the configuration "
                f"says {self.executor.kind}; wait for it or cancel it, or set it back"
            )
        from psij import Job

        job = Job()
        self._executor().attach(job, record.native_id)
        self._jobs[record.native_id] = job
        limit = time.monotonic() + self.first_answer_s
        while _state(job) == "unknown" and time.monotonic() < limit:
            time.sleep(0.2)  # PSI/J asks the scheduler in its own time
        return job

    def wait(self, record: JobRecord, timeout_s: float | None = None, poll_s: float = 0.2) -> None:
        """Wait until a job is neither queued nor active.

        Raises
        ------
        Unavailable
            When `timeout_s` is over; asking again goes on waiting.
        """
        limit = None if timeout_s is None else time.monotonic() + timeout_s
        pause = poll_s
        while self.state(record) in ("queued", "active"):
            if limit is not None and time.monotonic() > limit:
                raise Unavailable(
                    f"job {record.native_id} of {record.executor} still runs; ask again to go on "
                    "waiting",
                    retry_after_s=60,
                )
            time.sleep(pause)
            pause = min(pause * 1.2, 5.0)

    def cancel(self, record: JobRecord) -> None:
        """End a job; one that is not there any more is no error."""
        job = self._jobs.get(record.native_id)
        if job is None and record.executor in ("local", "none"):
            if _is_running(record):
                _kill_tree(int(record.native_id))
        elif record.executor == "none":
            _kill_tree(int(record.native_id))
        else:
            (job or self._attach(record)).cancel()


def _named(kind: str, name: str) -> dict[str, object] | None:
    # PSI/J's script for Slurm leaves the name of the job out.
    return {"slurm.job-name": name[:60]} if kind == "slurm" else None


def _is_running(record: JobRecord) -> bool:
    try:
        process = psutil.Process(int(record.native_id))
        # Started with the record, and not a zombie that nobody has fetched.
        return (
            abs(process.create_time() - record.started) < 30.0
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except (psutil.Error, ValueError):
        return False


def _kill_tree(process_id: int) -> None:
    try:
        root = psutil.Process(process_id)
        for process in [*root.children(recursive=True), root]:
            process.kill()
    except psutil.Error:
        return


def _state(job: Any) -> JobState:
    from psij import JobState as State

    states: dict[Any, JobState] = {
        State.NEW: "unknown",
        State.QUEUED: "queued",
        State.ACTIVE: "active",
        State.COMPLETED: "ended",
        State.FAILED: "failed",
        State.CANCELED: "cancelled",
    }
    return states.get(job.status.state, "unknown")


def _cause(error: BaseException) -> str:
    cause = getattr(error, "exception", None)
    return f"{error} ({cause})" if cause else str(error)
