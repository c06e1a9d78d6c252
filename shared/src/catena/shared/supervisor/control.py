"""Start, look at and end the embedded system from outside: ``catena up``, ``status``, ``down``."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from catena.shared.errors import FailedPrecondition, Unavailable
from catena.shared.settings import SERVICE_NAMES, Settings
from catena.shared.supervisor import ray_head
from catena.shared.supervisor.daemon import essentials
from catena.shared.supervisor.layout import Layout, spawn, tail
from catena.shared.supervisor.processes import ProcessRecord, end, wait_for_end
from catena.shared.supervisor.state import FAILED, HEALTHY, PartState, SystemState

Progress = Callable[[list[PartState]], None]

_POLL_S = 0.1
_STARTS_BEFORE_GIVING_UP = 3


@dataclass(frozen=True)
class Down:
    """What ``down`` did.

    Parameters
    ----------
    ended : int
        How many processes were running before.
    left : list of ProcessRecord
        Those that could not be ended; empty when all is well.
    """

    ended: int
    left: list[ProcessRecord] = field(default_factory=list)


def read_state(settings: Settings) -> SystemState | None:
    """State of the running system; None when no supervisor runs."""
    state = SystemState.read(Layout.of(settings))
    return state if state is not None and state.running else None


def up(settings: Settings, progress: Progress, timeout_s: float = 180.0) -> SystemState:
    """Start what does not run yet and wait until all of it is healthy.

    Parameters
    ----------
    settings : Settings
    progress : callable
        Told the parts again and again while waiting.
    timeout_s : float
        Longest wait.

    Raises
    ------
    FailedPrecondition
        When a system with other settings runs here already.
    Unavailable
        When a part does not start, with the end of its log.
    """
    layout = Layout.of(settings)
    layout.prepare()
    running = read_state(settings)
    if running is not None:
        _check_same(running, settings)
    command = [sys.executable, "-m", "catena.shared.supervisor.daemon"]
    child = None if running else spawn(layout, "supervisor", command)
    deadline = time.monotonic() + timeout_s
    try:
        return _wait_until_healthy(settings, layout, child, progress, deadline)
    except BaseException:
        if child is not None and child.poll() != 0:  # 0: it left the system to another supervisor
            down(settings)
        raise


def _check_same(state: SystemState, settings: Settings) -> None:
    wanted = essentials(settings)
    other = [name for name, value in wanted.items() if state.settings.get(name) != value]
    if other:
        shown = ", ".join(f"{n} is {state.settings.get(n)!r}, wanted {wanted[n]!r}" for n in other)
        raise FailedPrecondition(
            f"catena already runs in {settings.run_dir} with other settings ({shown}); run "
            "`catena down` first, or set CATENA_RUN_DIR for a second one"
        )


def _wait_until_healthy(
    settings: Settings,
    layout: Layout,
    child: subprocess.Popen[bytes] | None,
    progress: Progress,
    deadline: float,
) -> SystemState:
    while True:
        code = child.poll() if child is not None else None
        state = read_state(settings)
        if state is not None:
            progress(state.parts)
            _fail_if_hopeless(state, layout)
            if state.healthy:
                return state
        elif code is not None and not (code == 0 and lock_is_held(settings)):
            raise _not_up("the supervisor", f"it ended with code {code}", layout, "supervisor")
        if time.monotonic() > deadline:
            part = next((p for p in state.parts if p.state != HEALTHY), None) if state else None
            name = part.name if part else "supervisor"
            raise _not_up(name, f"still {part.state if part else 'starting'}", layout, name)
        time.sleep(_POLL_S)


def _fail_if_hopeless(state: SystemState, layout: Layout) -> None:
    for part in state.parts:
        again_and_again = part.starts >= _STARTS_BEFORE_GIVING_UP and part.process is None
        if part.state == FAILED or again_and_again:
            raise _not_up(part.name, part.detail, layout, part.name)


def _not_up(name: str, why: str, layout: Layout, log: str) -> Unavailable:
    path = layout.log(log)
    return Unavailable(f"{name} does not start: {why}; the end of {path}:\n{tail(path)}")


def down(settings: Settings) -> Down:
    """End the servers, Ray with its jobs, and the supervisor of these settings; nobody else's.

    Works as well on what a killed supervisor left behind, and on nothing at all.
    """
    layout = Layout.of(settings)
    if not layout.run_dir.exists():
        return Down(0)
    state = SystemState.read(layout)
    before = _everything(layout, state)
    if state is not None and state.running:
        state.supervisor.signal(signal.SIGTERM)
        patience_s = len(SERVICE_NAMES) * (settings.drain_s + 5.0) + 20.0
        for record in wait_for_end([state.supervisor], patience_s):
            record.signal(signal.SIGKILL)
        wait_for_end([state.supervisor], 5.0)
    end(_servers(SystemState.read(layout)), grace_s=2.0)
    ray_head.stop(layout, settings)
    left = [record for record in {*before, *_everything(layout, state)} if record.alive()]
    if not left:
        layout.state.unlink(missing_ok=True)
    return Down(len(before), left)


def ray_resources(settings: Settings) -> dict[str, str | int]:
    """What the embedded Ray has and takes; empty in a cluster or when it does not run.

    Its address, CPUs, how many jobs it runs at once, processes, and resident memory in MB.
    """
    layout = Layout.of(settings)
    head = ray_head.RayHead.recorded(layout)
    if head is None or not head.alive():
        return {"address": settings.ray_address} if settings.ray_address else {}
    found = ray_head.members(layout)
    memory = 0
    for record in found:
        with contextlib.suppress(psutil.Error):
            memory += psutil.Process(record.pid).memory_info().rss
    return {
        "address": head.address,
        "cpus": psutil.cpu_count() or 0,
        "jobs_at_once": head.jobs,
        "processes": len(found),
        "memory_mb": round(memory / 1e6),
    }


def _servers(state: SystemState | None) -> list[ProcessRecord]:
    parts = state.parts if state else []
    return [part.process for part in parts if part.process and part.name != "ray"]


def _everything(layout: Layout, state: SystemState | None) -> list[ProcessRecord]:
    found = [*_servers(state), *ray_head.members(layout)]
    if state is not None:
        found.append(state.supervisor)
    return [record for record in dict.fromkeys(found) if record.alive()]


def lock_is_held(settings: Settings) -> bool:
    """Whether some supervisor holds the lock of these settings."""
    with contextlib.suppress(OSError), Layout.of(settings).lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
