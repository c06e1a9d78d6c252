"""The server of a service: one process, no state.

``python -m catena.shared.server calibrator`` runs any installed service; ``python -m
catena.calibrator`` does the same. What it serves comes from the service's ``add_services(server,
runtime)``; health, reflection, JobService, tokens, TLS, errors and the end of life are added here.

Exit codes: 0 after SIGTERM; 2 when the configuration or the place to listen is not usable (starting
again does not help); 75 when Ray is not there or was lost (start again, with back-off).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import ValidationError

from catena.shared.contracts import services
from catena.shared.credentials import is_unix, refuse_plain_text, server_credentials
from catena.shared.errors import CatenaError, FailedPrecondition, NotFound, Unavailable
from catena.shared.interceptors import MAX_MESSAGE_BYTES, Gate
from catena.shared.logs import configure_logs
from catena.shared.settings import Settings
from catena.shared.sockets import SocketLock

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catena.api.jobs.v1.jobs_pb2 import Job
    from catena.shared.artifacts import ArtifactStore
    from catena.shared.jobs import JobFunction, JobManager
    from catena.shared.query import Query

EXIT_REFUSED = 2
EXIT_LOST = 75

_JOB_SERVICE = "catena.api.jobs.v1.JobService"
_LOST_LINGER_S = 1.0
_log = logging.getLogger("catena.server")
_Response_co = TypeVar("_Response_co", covariant=True)


class _JobResponse(Protocol[_Response_co]):
    """Response class of a long rpc: its one field is the job."""

    def __call__(self, *, job: Job) -> _Response_co: ...


@dataclass(frozen=True)
class Runtime:
    """What a service is given to work with."""

    store: ArtifactStore
    jobs: JobManager
    settings: Settings

    @classmethod
    def open(cls, settings: Settings, on_lost: Callable[[], None]) -> Runtime:
        """Open the store and the jobs; ``jobs.start()`` then joins the Ray cluster that is there.

        Parameters
        ----------
        settings : Settings
        on_lost : callable
            Called from another thread when Ray is gone.
        """
        from catena.shared.artifacts import ArtifactStore
        from catena.shared.jobs import JobManager

        store = ArtifactStore(settings.store)
        return cls(store, JobManager(store, settings, on_lost), settings)


class Servicer:
    """Base of each service's servicer: the runtime's parts, and the one way to answer a long rpc.

    Examples
    --------
    >>> def RunMcmc(self, request, context):
    ...     return self.submit(jobs.run_mcmc, request, pb.RunMcmcResponse)
    """

    def __init__(self, runtime: Runtime) -> None:
        self.store = runtime.store
        self.jobs = runtime.jobs
        self.settings = runtime.settings

    def check(self, query: Query) -> None:
        """Raise what is wrong with a job's query beyond its own fields; a service says what."""

    def submit(
        self, function: JobFunction, request: Message, response: _JobResponse[_Response_co]
    ) -> _Response_co:
        """Answer a long rpc: `request` is checked, then the job of `function` is asked for.

        Errors are those of :meth:`Query.from_message`, :meth:`check` and `JobManager.submit`.
        """
        query = function.query.from_message(request)
        self.check(query)
        return response(job=self.jobs.submit(function, query))


AddServices = Callable[[grpc.Server, Runtime], None]
"""Registers a service's own rpcs; JobService, health and reflection are added by the server."""


class Server:
    """A gRPC server of one service.

    Parameters
    ----------
    service : str
        Name of the service, e.g. ``calibrator``.
    add : callable
        Registers the service's rpcs: ``add(server, runtime)``.
    runtime : Runtime
        What the rpcs work with; its settings are the server's.

    Raises
    ------
    FailedPrecondition
        When somebody else listens there already, or TCP would be unprotected.
    InvalidRequest
        When the socket's path is too long or a certificate cannot be read.
    """

    def __init__(self, service: str, add: AddServices, runtime: Runtime) -> None:
        settings = runtime.settings
        self.service = service
        self._runtime = runtime
        self._lock: SocketLock | None = None
        self._workers = ThreadPoolExecutor(settings.max_workers, thread_name_prefix="call")
        self.gate = Gate(settings.bearer_token)
        self._server = grpc.server(self._workers, interceptors=[self.gate], options=_options())
        self._health = health.HealthServicer()
        self._names = [item.full_name for item in services(service)]
        add(self._server, runtime)
        self._add_job_service()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection:
            names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        try:
            self.address = self._listen(settings)
        except BaseException:
            self._release()
            raise

    def _add_job_service(self) -> None:
        from catena.api.jobs.v1 import jobs_pb2_grpc
        from catena.shared.jobs import JobServicer

        jobs_pb2_grpc.add_JobServiceServicer_to_server(  # type: ignore[no-untyped-call]
            JobServicer(self._runtime.jobs, self.service), self._server
        )
        self._names.append(_JOB_SERVICE)

    def _listen(self, settings: Settings) -> str:
        address = settings.listen_address(self.service)
        if is_unix(address):
            self._lock = SocketLock(Path(address.removeprefix("unix:")).absolute())
            target = f"unix:{self._lock.path}"
            self._bind(target, None)
            self._lock.protect()
            return target
        credentials = server_credentials(settings)
        if credentials is None:
            refuse_plain_text(address, settings, "listening on")
        port = self._bind(address, credentials)
        return f"{address.rpartition(':')[0]}:{port}"

    def _bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError:
            keys = "" if credentials is None else " and a certificate with its own key"
            raise FailedPrecondition(
                f"cannot listen on {address}; wanted a free address of this machine, as host:port "
                f"or unix:/path{keys}; set CATENA_LISTEN"
            ) from None

    def start(self) -> None:
        """Answer calls, and say so to health checks."""
        self._server.start()
        self._set_health(health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", extra={"address": self.address})

    def lose_jobs(self) -> None:
        """Turn NOT_SERVING and ask every caller to come again: Ray is gone."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self.gate.refuse(
            Unavailable(
                f"the {self.service} lost its Ray cluster and starts again; ask again",
                retry_after_s=2.0,
            )
        )
        self.gate.end_streams()

    def stop(self, grace_s: float | None = None) -> threading.Event:
        """Take no more calls; the running ones have `grace_s` seconds.

        Returns
        -------
        threading.Event
            Set when the last call has ended.
        """
        self._health.enter_graceful_shutdown()
        stopped = self._server.stop(grace_s)
        self.gate.end_streams()
        return stopped

    def close(self, grace_s: float = 0.0) -> None:
        """Stop, wait and let socket and threads go."""
        self.stop(grace_s).wait()
        self._release()

    def _release(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)
        self.gate.close()
        if self._lock is not None:
            self._lock.release()

    def _set_health(self, status: int) -> None:
        for name in ("", *self._names):
            self._health.set(name, status)


def _options() -> list[tuple[str, Any]]:
    return [
        # Two servers on one port would share its calls without anybody noticing.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Dead peers are found in a minute; clients may ping every 10 s, also between calls.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


class _Signals:
    """SIGTERM and SIGINT: the first asks for a drain, the second for the end."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.insisted = threading.Event()

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


def serve(service: str, add: AddServices, settings: Settings) -> int:
    """Serve until a signal comes or Ray is lost.

    Parameters
    ----------
    service : str
        Name of the service.
    add : callable
        Registers the service's rpcs.
    settings : Settings
        Where to listen, whom to let in, which store and which Ray.

    Returns
    -------
    int
        Exit code for the process: 0, or 75 when Ray was lost.

    Raises
    ------
    Unavailable
        When Ray is not there.
    CatenaError
        When the server cannot start for another reason.
    """
    signals = _Signals()
    signals.install()
    lost = threading.Event()
    runtime = Runtime.open(settings, lost.set)
    try:
        server = Server(service, add, runtime)  # first: a second server must not touch Ray
        try:
            runtime.jobs.start()
            signals.install()  # again: Ray puts its own handlers in, which end the process at once
            server.start()
            # A short wait instead of an endless one: signals are only seen between two waits.
            while not signals.asked.wait(0.1):
                if lost.is_set():
                    _log.error("ray is lost", extra={"exit_code": EXIT_LOST})
                    server.lose_jobs()
                    signals.asked.wait(_LOST_LINGER_S)  # who calls now hears when to come again
                    return EXIT_LOST
            _log.info("draining", extra={"grace_s": settings.drain_s})
            _drain(server, settings.drain_s, signals.insisted)
            _log.info("stopped")
            return 0
        finally:
            server.close()
    finally:
        runtime.jobs.close()


def _drain(server: Server, grace_s: float, insisted: threading.Event) -> None:
    stopped = server.stop(grace_s)
    give_up = time.monotonic() + grace_s + 2.0
    while not stopped.wait(0.1) and time.monotonic() < give_up:
        if insisted.is_set():
            return


def load_services(service: str) -> AddServices:
    """``add_services`` of the installed service, by the entry point group ``catena.services``.

    Raises
    ------
    NotFound
        When no installed package offers it.
    """
    found = entry_points(group="catena.services")
    for entry in found:
        if entry.name == service:
            add: AddServices = entry.load()
            return add
    known = ", ".join(sorted(entry.name for entry in found)) or "none"
    raise NotFound(
        f"no installed package offers the service {service!r} (installed: {known}); "
        f"run `pip install catena-{service}`"
    )


def run(service: str, add: AddServices | None = None) -> int:
    """Run `service` in this process; returns the exit code (see the module's head)."""
    # A fork of a process that runs gRPC hangs.
    multiprocessing.set_start_method("spawn", force=True)
    configure_logs(service)
    try:
        settings = Settings()
        configure_logs(service, (settings.bearer_token,))
        return serve(service, add or load_services(service), settings)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            name = "_".join(("CATENA", *(str(part).upper() for part in item["loc"])))
            _log.critical("refused", extra={"setting": name, "why": item["msg"]})
        return EXIT_REFUSED
    except Unavailable as error:
        _log.critical("unavailable", extra={"why": str(error)})
        return EXIT_LOST
    except CatenaError as error:
        _log.critical("refused", extra={"why": str(error)})
        return EXIT_REFUSED


def main(service: str, add: AddServices | None = None) -> NoReturn:
    """Be the process of `service`: its ``__main__.py`` calls this and nothing else.

    Parameters
    ----------
    service : str
        Name of the service.
    add : callable, optional
        Its ``add_services(server, runtime)``; found by the entry point when left out.
    """
    code = run(service, add)
    logging.shutdown()
    sys.stderr.flush()
    # Threads that still serve a cut-off call would keep an ordinary exit waiting.
    os._exit(code)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m catena.shared.server SERVICE")
    # Under `-m` this file is __main__; the imported one must be the only one.
    from catena.shared import server as _this

    _this.main(sys.argv[1])
