"""Handle of one job, on the client's side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.jobs.v1.jobs_pb2 import Job as JobMessage
from catena.api.jobs.v1.jobs_pb2 import JobState
from catena.shared.errors import (
    CatenaError,
    DeadlineExceeded,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    Unavailable,
)
from catena.shared.status import from_rpc_error, from_status, retry_delay_s

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact
    from catena.shared.client import ServiceClient

MAX_RESUMES = 5
"""How often :meth:`Job.result` asks again for a job that was interrupted."""

_ENDED = frozenset(
    {
        JobState.JOB_STATE_SUCCEEDED,
        JobState.JOB_STATE_FAILED,
        JobState.JOB_STATE_CANCELLED,
        JobState.JOB_STATE_INTERRUPTED,
    }
)


class Job:
    """One job: its last known state, and ways to follow, await and cancel it.

    Parameters
    ----------
    client : ServiceClient
        Client of the service that runs the job.
    message : catena.api.jobs.v1.Job
        State in which the service reported it.
    method, request : str and message, optional
        What was asked; without them an interrupted job cannot be asked for again.
    """

    def __init__(
        self,
        client: ServiceClient,
        message: JobMessage,
        *,
        method: str = "",
        request: Message | None = None,
    ) -> None:
        self._client = client
        self._method = method
        self._request = request
        self.message = message

    def __repr__(self) -> str:
        return f"<Job {self.name} {self.state} {100 * self.message.progress:.0f} %>"

    @property
    def name(self) -> str:
        """``<service>/<method>/<digest of the request>``."""
        return self.message.name

    @property
    def state(self) -> str:
        """Last known state: QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED or INTERRUPTED."""
        return JobState.Name(self.message.state).removeprefix("JOB_STATE_")

    @property
    def reused(self) -> bool:
        """Whether its artifact was there already and nothing was run."""
        return self.message.reused

    def refresh(self) -> JobMessage:
        """Ask the service for the state."""
        self.message = self._client._get_job(self.name)
        return self.message

    def watch(self, timeout_s: float | None = None) -> Iterator[JobMessage]:
        """State now and at each change, up to the end of the job.

        The stream is opened again when its deadline passes or the server restarts.

        Raises
        ------
        DeadlineExceeded
            When the job has not ended after `timeout_s` seconds; it goes on.
        Unavailable
            When the server stayed away for longer than ``CATENA_PATIENCE_S``.
        """
        settings = self._client.settings
        end = None if timeout_s is None else time.monotonic() + timeout_s
        heard = time.monotonic()
        failures = 0
        seen: JobMessage | None = None
        while True:
            left = settings.deadline_s if end is None else end - time.monotonic()
            if left <= 0:
                raise self._too_late(timeout_s)
            stream = self._client._watch_job(self.name, min(settings.deadline_s, left))
            error: CatenaError
            try:
                for answer in stream:
                    heard, failures = time.monotonic(), 0
                    if answer.job != seen:
                        self.message = seen = answer.job
                        yield answer.job
                    if answer.job.state in _ENDED:
                        return
                error = Unavailable("the stream ended before the job")
            except grpc.RpcError as failure:
                error = from_rpc_error(failure, self._client.service)
            finally:
                stream.cancel()  # type: ignore[no-untyped-call]
            if isinstance(error, DeadlineExceeded):
                heard, failures = time.monotonic(), 0
                continue
            delay = retry_delay_s(error, failures)
            waited = time.monotonic() - heard
            if not isinstance(error, Unavailable) or waited + delay > settings.patience_s:
                raise error
            failures += 1
            time.sleep(delay if end is None else max(0.0, min(delay, end - time.monotonic())))

    def result(
        self,
        timeout_s: float | None = None,
        *,
        on_change: Callable[[JobMessage], None] | None = None,
    ) -> ArtifactRef:
        """Wait for the artifact.

        A job that was interrupted (its Ray cluster was lost) is asked for again, which resumes it
        from its checkpoint, a bounded number of times.

        Parameters
        ----------
        timeout_s : float, optional
            Longest wait in all; none if left out.
        on_change : callable, optional
            Told each change of state or progress.

        Raises
        ------
        JobFailed, JobCancelled, JobInterrupted
            As the job ended.
        DeadlineExceeded
            When it has not ended in time; it goes on.
        Unavailable
            When the server stayed away.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for resume in range(MAX_RESUMES + 1):
            if self.message.state not in _ENDED:
                left = None if end is None else max(0.0, end - time.monotonic())
                for message in self.watch(left):
                    if on_change is not None:
                        on_change(message)
            if self.message.state != JobState.JOB_STATE_INTERRUPTED:
                break
            if self._request is None or resume == MAX_RESUMES:
                break
            time.sleep(retry_delay_s(Unavailable(""), resume))
            self.message = self._client.call(self._method, self._request).job
        return self._outcome()

    def artifact(self, timeout_s: float | None = None) -> Artifact:
        """Wait for the artifact and open it in the store."""
        return self._client.store.open(self.result(timeout_s))

    def cancel(self) -> JobMessage:
        """Stop the job and its processes; one that has ended stays as it ended."""
        self.message = self._client._cancel_job(self.name)
        return self.message

    def _outcome(self) -> ArtifactRef:
        job = self.message
        if job.state == JobState.JOB_STATE_SUCCEEDED:
            return job.artifact
        if job.state == JobState.JOB_STATE_FAILED:
            cause = from_status(job.error)
            raise JobFailed(
                f"job {job.name} failed: {cause.message}",
                cause_code=_code_name(job.error.code),
                violations=cause.violations,
            )
        if job.state == JobState.JOB_STATE_CANCELLED:
            raise JobCancelled(f"job {job.name} was cancelled; submit it again to run it")
        raise JobInterrupted(
            f"job {job.name} was interrupted at {100 * job.progress:.0f} %; submit the same "
            "request again, and it resumes from its checkpoint"
        )

    def _too_late(self, timeout_s: float | None) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"job {self.name} has not ended after {timeout_s:g} s ({self.state}, "
            f"{100 * self.message.progress:.0f} %); it goes on: ask again, or cancel it"
        )


def _code_name(number: int) -> str:
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(number)
    return known.name if known else "UNKNOWN"
