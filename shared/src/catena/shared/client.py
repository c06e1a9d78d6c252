"""Clients: call a service, follow its jobs.

>>> calibrator = connect("calibrator")
>>> job = calibrator.submit("TrainSurrogate", {"ensemble": ensemble, "method": "gp"})
>>> surrogate = job.result()

Every call has a deadline. A server that is away for a moment (UNAVAILABLE) is asked again for
``CATENA_PATIENCE_S`` seconds, after the delay that it names; nothing else is asked twice. That is
safe: the same request is the same job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from catena.shared import contracts
from catena.shared.channels import open_channel
from catena.shared.credentials import token_metadata
from catena.shared.errors import (
    CatenaError,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    NotFound,
    Unavailable,
)
from catena.shared.job_handle import Job
from catena.shared.requests import request_from_dict
from catena.shared.settings import SERVICE_NAMES, Settings
from catena.shared.status import from_rpc_error, retry_delay_s

if TYPE_CHECKING:
    from catena.shared.artifacts import ArtifactStore

__all__ = [
    "SERVICE_NAMES",
    "ArtifactRef",
    "CatenaError",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FieldViolation",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobInterrupted",
    "NotFound",
    "ServiceClient",
    "Settings",
    "Unavailable",
    "connect",
    "open_store",
    "put_files",
    "request_from_dict",
]

Request = Message | Mapping[str, Any] | None
"""A request message, a plain dictionary of its fields, or nothing for an empty request."""

_T = TypeVar("_T")


def connect(service: str, settings: Settings | None = None) -> ServiceClient:
    """Client of `service` at the address in the settings; nothing is sent yet.

    Raises
    ------
    NotFound
        When there is no service of this name.
    FailedPrecondition
        When the traffic would leave this machine unencrypted.
    """
    return ServiceClient(service, settings or Settings())


def open_store(settings: Settings | None = None) -> ArtifactStore:
    """Artifact store in the settings."""
    from catena.shared.artifacts import ArtifactStore

    return ArtifactStore((settings or Settings()).store)


def put_files(
    files: Any, *, kind: str = "files", title: str = "", settings: Settings | None = None
) -> ArtifactRef:
    """Copy `files` (paths, or name -> bytes or path) into the store as one artifact.

    The same content is the same artifact, however often it is put.
    """
    return open_store(settings).put_files(files, kind=kind, title=title)


class ServiceClient:
    """Client of one service; close it, or use it in a ``with``.

    Parameters
    ----------
    service : str
        Name of the service, e.g. ``calibrator``.
    settings : Settings
        Address, certificates, token, deadline and patience.
    """

    def __init__(self, service: str, settings: Settings) -> None:
        contracts.services(service)  # an unknown name is told now, not at the first call
        self.service = service
        self.settings = settings
        self.address = settings.address(service)
        self._channel = open_channel(self.address, settings)
        self._metadata = token_metadata(settings)
        self._stubs = contracts.stubs(service, self._channel)
        self._jobs = jobs_pb2_grpc.JobServiceStub(self._channel)  # type: ignore[no-untyped-call]

    # ------------------------------------------------------------ calls

    def call(self, method: str, request: Request = None, *, timeout_s: float | None = None) -> Any:
        """Answer of the rpc `method`.

        Parameters
        ----------
        method : str
            E.g. ``SamplePosterior``.
        request : message or mapping
            The request, or a dictionary of its fields.
        timeout_s : float, optional
            Deadline of one attempt; ``CATENA_DEADLINE_S`` if left out.

        Raises
        ------
        CatenaError
            The error that the server reported, of its own class; Unavailable when the server
            stayed away, DeadlineExceeded when it did not answer in time.
        """
        message = self.request(method, request)
        send = next(getattr(stub, method) for stub in self._stubs if hasattr(stub, method))
        return self._ask(send, message, timeout_s)

    def submit(self, method: str, request: Request = None) -> Job:
        """Start the job that the long rpc `method` makes, or attach to it where it is known.

        Raises
        ------
        InvalidRequest
            When the request is not sound, or `method` makes no job.
        """
        contracts.require_long(self.service, method)
        message = self.request(method, request)
        return Job(self, self.call(method, message).job, method=method, request=message)

    def validate(self, method: str, request: Request = None) -> None:
        """Check whether a request for a job is sound; run nothing.

        Raises
        ------
        InvalidRequest
            With every field at fault.
        """
        contracts.require_long(self.service, method)
        message = self.request(method, request)
        message.validate_only = True
        self.call(method, message)

    def request(self, method: str, request: Request = None) -> Any:
        """Request message of `method`, as a copy.

        Raises
        ------
        InvalidRequest
            When a field is unknown or of the wrong form, or the message belongs to another rpc.
        """
        if request is None or isinstance(request, Mapping):
            return request_from_dict(self.service, method, request or {})
        wanted = contracts.request_class(self.service, method)
        if request.DESCRIPTOR.full_name != wanted.DESCRIPTOR.full_name:
            raise InvalidRequest(
                f"{method} takes a {wanted.DESCRIPTOR.name}, got a {request.DESCRIPTOR.name}"
            )
        copy = wanted()
        copy.CopyFrom(request)
        return copy

    # ------------------------------------------------------------ jobs

    def job(self, name: str) -> Job:
        """Handle of the job `name`, as another client may have started it.

        Raises
        ------
        NotFound
            When there is no such job.
        """
        return Job(self, self._get_job(name))

    def jobs(self, limit: int = 50) -> Iterator[jobs_pb2.Job]:
        """Newest jobs of the service, at most `limit`."""
        token = ""
        while limit > 0:
            request = jobs_pb2.ListJobsRequest(page_size=min(limit, 1000), page_token=token)
            page = self._ask(self._jobs.ListJobs, request)
            yield from page.jobs[:limit]
            limit -= len(page.jobs)
            token = page.next_page_token
            if not token:
                return

    def _get_job(self, name: str) -> jobs_pb2.Job:
        return self._ask(self._jobs.GetJob, jobs_pb2.GetJobRequest(name=name)).job

    def _cancel_job(self, name: str) -> jobs_pb2.Job:
        return self._ask(self._jobs.CancelJob, jobs_pb2.CancelJobRequest(name=name)).job

    def _watch_job(self, name: str, timeout_s: float) -> grpc.CallIterator[Any]:
        request = jobs_pb2.WatchJobRequest(name=name)
        return self._jobs.WatchJob(request, timeout=timeout_s, metadata=self._metadata)

    # ------------------------------------------------------------ the rest

    def health(self, timeout_s: float = 2.0) -> str:
        """``SERVING`` or ``NOT_SERVING``; asks once.

        Raises
        ------
        Unavailable
            When nobody answers.
        """
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest()
        try:
            answer = stub.Check(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.service) from None
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    @cached_property
    def store(self) -> ArtifactStore:
        """Artifact store in the settings: data do not travel through the server."""
        return open_store(self.settings)

    def put_files(self, files: Any, *, kind: str = "files", title: str = "") -> ArtifactRef:
        """Copy `files` (paths, or name -> bytes or path) into the store as one artifact."""
        return self.store.put_files(files, kind=kind, title=title)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, send: Callable[..., Any], message: Message, timeout_s: float | None = None
    ) -> Any:
        deadline = timeout_s or self.settings.deadline_s
        return patiently(
            lambda: send(message, timeout=deadline, metadata=self._metadata),
            self.service,
            self.settings.patience_s,
        )


def patiently(ask: Callable[[], _T], service: str, patience_s: float) -> _T:
    """Result of `ask`, asked again while the service is UNAVAILABLE, for `patience_s` seconds.

    Raises
    ------
    CatenaError
        What the service answered at last.
    """
    give_up = time.monotonic() + patience_s
    attempt = 0
    while True:
        try:
            return ask()
        except grpc.RpcError as failure:
            error = from_rpc_error(failure, service)
        delay = retry_delay_s(error, attempt)
        if not isinstance(error, Unavailable) or time.monotonic() + delay > give_up:
            raise error
        time.sleep(delay)
        attempt += 1
