"""The supervisor: one process that keeps Ray and the servers alive."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from catena.shared.errors import CatenaError
from catena.shared.jobs import safety
from catena.shared.logs import configure_logs
from catena.shared.settings import SERVICE_NAMES, Settings
from catena.shared.supervisor import ray_head
from catena.shared.supervisor.health import check
from catena.shared.supervisor.layout import Layout, spawn
from catena.shared.supervisor.processes import ProcessRecord, end
from catena.shared.supervisor.ray_head import RayHead
from catena.shared.supervisor.state import (
    FAILED,
    HEALTHY,
    STARTING,
    WAITING,
    PartState,
    SystemState,
)

EXIT_REFUSED = 2  # of a server: its configuration is not usable, starting again does not help
RAY_START_S = 120.0
_TICK_S = 0.1
_HEALTH_EVERY_S = 2.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_CALM_S = 30.0

_log = logging.getLogger("catena.supervisor")


def essentials(settings: Settings) -> dict[str, str | int]:
    """Settings that make two systems different ones."""
    return {
        "home": str(settings.home),
        "store": settings.store,
        "ray_address": settings.ray_address,
        "max_jobs": settings.max_jobs,
    }


class Backoff:
    """Seconds to wait before the next start: doubled each time, forgotten after a calm while."""

    def __init__(self) -> None:
        self._wait_s = _FIRST_WAIT_S
        self._started = time.monotonic()
        self.until = 0.0

    def started(self) -> None:
        """Note a start."""
        self._started = time.monotonic()

    def failed(self) -> float:
        """Note an end; returns the seconds to wait."""
        now = time.monotonic()
        if now - self._started > _CALM_S:
            self._wait_s = _FIRST_WAIT_S
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, _LONGEST_WAIT_S)
        self.until = now + wait_s
        return wait_s

    @property
    def over(self) -> bool:
        """Whether the wait has passed."""
        if self.until and safety.removed("restart"):
            return False
        return time.monotonic() >= self.until


class RayPart:
    """Ray: adopted if it lives, else started; its remains are cleared away first."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self._layout = layout
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff()
        self._deadline = 0.0
        self.head: RayHead | None = None
        self.state = PartState("ray")
        self._adopt()

    def _adopt(self) -> None:
        head = RayHead.recorded(self._layout)
        if safety.removed("adopt"):
            self._clear()
        elif head and head.alive() and head.answers() and head.jobs == self._settings.max_jobs:
            _log.info("adopted ray", extra={"pid": head.process.pid, "address": head.address})
            self.head = head
            self.state.process = head.process
            self.state.detail = "adopted from an earlier supervisor"
            self._healthy(head)
        else:
            self._clear()

    def _clear(self) -> None:
        self.stop()
        self.head = None

    def stop(self) -> None:
        """End it with all its jobs, and give its lease back."""
        stopped = ray_head.stop(self._layout, self._settings)
        if stopped.left:
            pids = [record.pid for record in stopped.left]
            _log.error("processes of ray do not end", extra={"pids": pids})
        if stopped.lease:
            _log.info("gave the lease back", extra={"holder": stopped.lease})

    def _healthy(self, head: RayHead) -> None:
        self.state.address = head.address
        self.state.state = HEALTHY

    def tick(self) -> None:
        """Look once, act if needed."""
        if self.head is None:
            if self._backoff.over:
                self._start()
            return
        if self._child is not None:
            self._child.poll()
        if not self.head.alive():
            self._lost("it ended")
        elif self.state.state == STARTING:
            head = ray_head.came_up(self.head, self._layout)
            if head is not None:
                head.write(self._layout)
                self.head = head
                self.state.detail = ""
                self._healthy(head)
                _log.info("ray is up", extra={"address": head.address})
            elif time.monotonic() > self._deadline:
                self._lost(f"it did not come up within {RAY_START_S:.0f} s")

    def _start(self) -> None:
        self._backoff.started()
        self._deadline = time.monotonic() + RAY_START_S
        self.head, self._child = ray_head.start(self._layout, self._settings, os.environ)
        self.state.process = self.head.process
        self.state.state = STARTING
        self.state.starts += 1
        self.state.address = ""
        _log.info("starting ray", extra={"pid": self.head.process.pid})

    def _lost(self, why: str) -> None:
        _log.error("ray is gone", extra={"why": why})
        self._clear()
        wait_s = self._backoff.failed()
        self.state.process = None
        self.state.address = ""
        self.state.state = WAITING
        self.state.detail = f"{why}; next start in {wait_s:.1f} s"


class ServerPart:
    """One server: a driver of the Ray at a given address, started anew when that changes."""

    def __init__(self, name: str, layout: Layout, settings: Settings) -> None:
        self.name = name
        self._layout = layout
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._ray = ""
        self._backoff = Backoff()
        self._next_check = 0.0
        self.state = PartState(name, address=settings.address(name))

    def tick(self, ray_address: str, environment: dict[str, str]) -> None:
        """Look once, act if needed; `ray_address` is empty while there is no Ray."""
        if self._child is not None:
            code = self._child.poll()
            if code is not None:
                self._ended(code)
            elif self._ray and ray_address and ray_address != self._ray:
                # A driver cannot change clusters; with its Ray gone it has nothing to finish.
                _log.info("server belongs to a lost ray", extra={"part": self.name})
                self.stop(grace_s=1.0)
        if self.state.state == FAILED:
            return
        if self._child is None:
            if self._backoff.over:
                self._start(environment)
        elif not self._ray:
            if ray_address:
                self._introduce(ray_address)
        elif time.monotonic() >= self._next_check:
            self._check()

    def _start(self, environment: dict[str, str]) -> None:
        self._child = spawn(
            self._layout,
            self.name,
            [sys.executable, "-m", "catena.shared.supervisor.child", self.name],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
        )
        self._ray = ""
        self._backoff.started()
        self.state.process = ProcessRecord.of(self._child.pid)
        self.state.state = STARTING
        self.state.starts += 1
        self.state.detail = ""
        _log.info("starting server", extra={"part": self.name, "pid": self._child.pid})

    def _introduce(self, ray_address: str) -> None:
        if self._child is None or self._child.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):  # it has just ended; the next tick sees it
            self._child.stdin.write(f"{ray_address}\n".encode("ascii"))
            self._child.stdin.flush()
        self._ray = ray_address

    def _check(self) -> None:
        found = check(self._settings, self.name, timeout_s=1.0)
        if found.serving:
            if self.state.state != HEALTHY:
                _log.info("server is up", extra={"part": self.name})
            self.state.state, self.state.detail = HEALTHY, ""
            self._next_check = time.monotonic() + _HEALTH_EVERY_S
        else:
            if self.state.state == HEALTHY:
                _log.warning("server is not healthy", extra={"part": self.name})
                self.state.state, self.state.detail = STARTING, found.detail
            self._next_check = time.monotonic() + 0.2

    def _ended(self, code: int) -> None:
        self._child = None
        self.state.process = None
        if code == EXIT_REFUSED:
            self.state.state = FAILED
            self.state.detail = "it refused its configuration; see its log"
            _log.critical("server refused to start", extra={"part": self.name})
            return
        wait_s = self._backoff.failed()
        self.state.state = WAITING
        self.state.detail = f"it ended with code {code}; next start in {wait_s:.1f} s"
        _log.error("server ended", extra={"part": self.name, "code": code, "wait_s": wait_s})

    def stop(self, grace_s: float) -> None:
        """End it: drain, then kill."""
        if self._child is None:
            return
        record = self.state.process
        if record is not None:
            end([record], grace_s)
        self._child.poll()
        self._child = None
        self.state.process = None
        self.state.state = WAITING


class Supervisor:
    """Starts the parts and looks after them until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = Layout.of(settings)
        self._layout.prepare()
        self._stop = threading.Event()
        self._lock = self._take_lock()
        self._end_predecessors_servers()
        self._ray = None if settings.ray_address else RayPart(self._layout, settings)
        self._servers = [ServerPart(name, self._layout, settings) for name in SERVICE_NAMES]
        self._state = SystemState(ProcessRecord.of(os.getpid()), essentials(settings))
        self._written = ""

    def _take_lock(self) -> int:
        lock = os.open(self._layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _log.error("another supervisor holds the lock", extra={"lock": str(self._layout.lock)})
            sys.exit(0)  # two `catena up` at once: one supervisor is what both wanted
        return lock

    def _end_predecessors_servers(self) -> None:
        before = SystemState.read(self._layout)
        if before is not None:
            end([p.process for p in before.parts if p.process and p.name != "ray"], 2.0)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then end the servers and Ray."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        _log.info("supervisor is up", extra={"pid": os.getpid()})
        while not self._stop.wait(_TICK_S):
            self._tick()
        self._shut_down()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _tick(self) -> None:
        if self._ray is None:
            address, environment = self._settings.ray_address, {}
        else:
            self._ray.tick()
            healthy = self._ray.state.state == HEALTHY
            address = self._ray.state.address if healthy else ""
            environment = ray_head.environment(self._layout)
        for server in self._servers:
            server.tick(address, environment)
        self._publish()

    def _publish(self) -> None:
        parts = [self._ray.state] if self._ray else []
        self._state.parts = [*parts, *(server.state for server in self._servers)]
        seen = repr(self._state.parts)
        if seen != self._written:
            self._state.write(self._layout)
            self._written = seen

    def _shut_down(self) -> None:
        _log.info("shutting down")
        for server in self._servers:
            server.stop(grace_s=self._settings.drain_s + 3.0)
            self._publish()
        if self._ray is not None:
            self._ray.stop()
        _log.info("supervisor ends")


def main() -> int:
    """Run the supervisor as this process; returns the exit code."""
    configure_logs("supervisor")
    try:
        settings = Settings()
        configure_logs("supervisor", (settings.bearer_token,))
        Supervisor(settings).run()
    except (CatenaError, ValueError) as error:
        _log.critical("refused", extra={"why": str(error)})
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
