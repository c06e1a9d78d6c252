"""The connection of a server to its Ray cluster.

A server is a driver of a Ray that somebody else keeps; it never starts one. When that Ray dies, a
driver cannot be mended: Ray ends its process a while later. So the loss is noticed here, by looking
whether Ray's two ports still take connections, told to the server once, and from then on every call
is UNAVAILABLE.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from catena.shared.errors import FailedPrecondition, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_CALL_S = 10.0
_WATCH_S = 1.0
_PROBE_S = 2.0
_FRESH_S = 0.3
_RETRY_S = 5.0
_PLACES = "catena_job"


class Cluster:
    """Named actors of one namespace on one Ray cluster.

    Parameters
    ----------
    address : str
        ``host:port`` of the cluster's GCS.
    namespace : str
        Namespace of every actor; without one Ray gives each driver its own, and nobody would find
        another's jobs.
    on_lost : callable, optional
        Called once, in a thread, when Ray is gone.
    """

    def __init__(
        self, address: str, namespace: str, on_lost: Callable[[], None] | None = None
    ) -> None:
        self.address = address
        self.namespace = namespace
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._connected = False
        self._own = False  # whether this object made the process's connection
        self._lost = threading.Event()
        self._closed = threading.Event()
        self._ports: list[tuple[str, int]] = []
        self._identity = ""
        self._kept: list[Any] = []
        self._seen = 0.0  # when Ray's ports last took a connection, on the monotonic clock
        # Calls into Ray go through threads of their own: some would wait a minute for a dead GCS.
        self._pool = concurrent.futures.ThreadPoolExecutor(8, thread_name_prefix="catena-ray")

    # ---- connection --------------------------------------------------------------------------

    def connect(self) -> None:
        """Join the cluster; nothing happens if that was done.

        Raises
        ------
        Unavailable
            When Ray does not answer.
        FailedPrecondition
            When this process is connected to another cluster, or the cluster offers no places for
            jobs.
        """
        with self._lock:
            if self._lost.is_set():
                raise _gone()
            if self._connected:
                return
            if not self.address:
                raise Unavailable(
                    "no Ray cluster is set (CATENA_RAY_ADDRESS); start one with `catena up`",
                    retry_after_s=_RETRY_S,
                )
            host, _, port = self.address.rpartition(":")
            if not port.isdigit() or not _takes(host, int(port)):
                raise Unavailable(
                    "Ray does not answer; it is started by `catena up`, ask again",
                    retry_after_s=_RETRY_S,
                )
            self._join(host, int(port))
            self._connected = True
        threading.Thread(target=self._watch, name="catena-ray-watch", daemon=True).start()

    def _join(self, host: str, port: int) -> None:
        ray = _ray()

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if ray.is_initialized():
            known = ray.get_runtime_context().gcs_address
            if known.rpartition(":")[2] != str(port):
                raise FailedPrecondition(
                    "this process is connected to another Ray cluster; "
                    "use one process for each cluster"
                )
        else:
            try:
                ray.init(
                    address=self.address,
                    namespace=self.namespace,
                    log_to_driver=False,
                    configure_logging=False,
                )
            except Exception as error:  # Ray has no one class for it
                log.exception("no connection to Ray")
                raise Unavailable(
                    f"Ray refused the connection ({type(error).__name__}); check that servers and "
                    "Ray have the same RAY_AUTH_TOKEN_PATH, and ask again",
                    retry_after_s=_RETRY_S,
                ) from None
            self._own = True
        if ray.cluster_resources().get(_PLACES, 0) < 1:
            raise FailedPrecondition(
                f"the Ray cluster offers no resource {_PLACES!r}, so no job could ever start; "
                f"start it with --resources='{{\"{_PLACES}\": 2}}'"
            )
        own = ray.get_runtime_context().get_node_id()
        session = str(ray._private.worker.global_worker.node.session_name)
        self._identity = f"{socket.gethostname()}/{session.removeprefix('session_')}"
        self._ports = [(host, port)]
        for node in ray.nodes():
            if node["NodeID"] == own:
                self._ports.append((node["NodeManagerAddress"], node["NodeManagerPort"]))

    def close(self) -> None:
        """Leave the cluster; jobs go on."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._own and not self._lost.is_set():
            ray = _ray()

            ray.shutdown()

    @property
    def identity(self) -> str:
        """Name of this Ray cluster, different for each that was ever started."""
        self.connect()
        return self._identity

    def nodes(self) -> set[str]:
        """Ray's identities of the machines that are there."""
        listed = self.call(lambda: _ray().nodes())
        return {str(node["NodeID"]) for node in listed if node["Alive"]}

    @property
    def alive(self) -> bool:
        """Whether the cluster is joined and was there a moment ago."""
        return self._connected and not self._lost.is_set()

    def _watch(self) -> None:
        misses = 0
        while not self._closed.wait(_WATCH_S if not misses else 0.2):
            misses = 0 if self._look() else misses + 1
            if misses >= 3:
                self._lost.set()
                log.error("Ray is gone; this process can only be restarted")
                if self._on_lost is not None:
                    self._on_lost()
                return

    def _look(self) -> bool:
        if not all(_takes(host, port) for host, port in self._ports):
            return False
        self._seen = time.monotonic()
        return True

    # ---- calls -------------------------------------------------------------------------------

    def call(self, function: Callable[[], T], timeout_s: float = _CALL_S) -> T:
        """Result of a function that talks to Ray.

        Raises
        ------
        Unavailable
            When Ray is gone or does not answer in time.
        """
        self.connect()
        if time.monotonic() > self._seen + _FRESH_S and not self._look():
            raise _gone()
        ray = _ray()

        future = self._pool.submit(function)
        try:
            return future.result(timeout_s)
        except (TimeoutError, concurrent.futures.TimeoutError, ray.exceptions.RayError) as error:
            log.warning("a call to Ray failed: %r", error)
            raise Unavailable("Ray did not answer in time; ask again", retry_after_s=2.0) from None

    def find(self, name: str) -> Any | None:
        """Handle of a living (or waiting, or restarting) actor; None if there is none."""

        def look() -> Any | None:
            ray = _ray()

            try:
                return ray.get_actor(name, namespace=self.namespace)
            except ValueError:
                return None

        return self.call(look)

    def names(self) -> set[str]:
        """Names of all living actors."""

        def look() -> set[str]:
            ray = _ray()

            listed = ray.util.list_named_actors(all_namespaces=True)
            return {item["name"] for item in listed if item["namespace"] == self.namespace}

        return self.call(look)

    def start(
        self,
        cls: type,
        name: str,
        *args: Any,
        attach: bool = True,
        detached: bool = True,
        **options: Any,
    ) -> Any:
        """Start a detached actor, or find the one of that name.

        Parameters
        ----------
        cls : type
            Class of the actor.
        name : str
        *args
            Of its constructor.
        attach : bool
            False: do not look for one of that name first.
        detached : bool
            False: it ends with this process.
        **options
            Of Ray, e.g. ``num_cpus``.
        """

        def create() -> Any:
            ray = _ray()

            handle = ray.remote(cls).options(
                name=name,
                namespace=self.namespace,
                lifetime="detached" if detached else None,
                get_if_exists=attach,
                max_restarts=-1,
                **options,
            )
            with contextlib.suppress(ValueError):
                actor = handle.remote(*args)
                if not detached:
                    self._kept.append(actor)  # Ray ends it with the last handle to it
                return actor
            # It was there, and went away while Ray looked: the caller looks again.
            return None

        return self.call(create, 30.0)

    def kill(self, handle: Any) -> None:
        """Remove an actor for good, with its process and its tasks."""

        def remove() -> None:
            ray = _ray()

            ray.kill(handle, no_restart=True)

        self.call(remove)

    def ask(self, call: Callable[[], Any], timeout_s: float = 20.0) -> Any:
        """Answer of an actor to the method call that `call` makes."""
        return self.call(lambda: _ray().get(call(), timeout=timeout_s), timeout_s + 1.0)

    def run_on(self, node: str, function: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """Result of a function on another machine of the cluster.

        Raises
        ------
        Unavailable
            When that machine does not answer in time.
        """

        def submit() -> T:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            ray = _ray()
            there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
            task = ray.remote(function).options(num_cpus=0, scheduling_strategy=there)
            found: T = ray.get(task.remote(*args), timeout=timeout_s)
            return found

        return self.call(submit, timeout_s + 1.0)


def _ray() -> Any:
    # Loaded on first use: what only reads finished jobs does without. Its types are of no help.
    import ray

    return ray


def _takes(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_PROBE_S).close()
    except OSError:
        return False
    return True


def _gone() -> Unavailable:
    return Unavailable("Ray is gone and is being restarted; ask again", retry_after_s=_RETRY_S)
