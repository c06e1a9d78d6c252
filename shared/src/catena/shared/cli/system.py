"""``catena up``, ``catena down``, ``catena status``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import typer

from catena.shared.cli.common import (
    AsJson,
    note,
    print_json,
    print_table,
    seconds,
    settings,
)

if TYPE_CHECKING:
    from catena.shared.supervisor.state import PartState, SystemState


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(
    timeout: float = typer.Option(180.0, "--timeout", help="Seconds to wait at most."),
) -> None:
    """Start everything on this machine and wait until it is healthy; harmless if it runs."""
    from catena.shared.supervisor import control

    config = settings()
    started = time.monotonic()
    was_running = control.read_state(config) is not None
    with _Progress(started) as progress:
        state = control.up(config, progress.show, timeout)
    took = time.monotonic() - started
    typer.echo("catena was up already" if was_running else f"catena is up after {took:.1f} s")
    for part in state.parts:
        typer.echo(f"  {part.name:12} {part.address}")
    typer.echo(f"  {'store':12} {config.store}")
    typer.echo(f"  {'logs':12} {config.home / 'logs'}")


def down() -> None:
    """End everything that `catena up` started here, jobs included; the store stays."""
    from catena.shared.supervisor import control

    config = settings()
    result = control.down(config)
    if result.left:
        pids = ", ".join(str(record.pid) for record in result.left)
        note(f"these processes do not end: {pids}; look at them with `ps -fp {pids}`")
        raise typer.Exit(1)
    if result.ended == 0:
        typer.echo("nothing was running")
    else:
        typer.echo(f"catena is down: {result.ended} processes ended, none is left")


def status(as_json: AsJson = False) -> None:
    """Show what runs and how it is. Exit code 4 when something is not healthy."""
    report = _report()
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report["healthy"]:
        raise typer.Exit(4)


def _report() -> dict[str, Any]:
    from catena.shared.settings import SERVICE_NAMES
    from catena.shared.supervisor import control, lease
    from catena.shared.supervisor.health import check

    config = settings()
    state = control.read_state(config)
    parts = [_supervisor_row(state), *(_part_row(part) for part in state.parts)] if state else []
    served = {row["part"]: row for row in parts}
    for name in SERVICE_NAMES:
        health = check(config, name)
        row = served.get(name)
        if row is None:
            row = {"part": name, "pid": None, "up_s": None, "starts": None}
            row["address"] = config.address(name)
            parts.append(row)
        row["health"] = "healthy" if health.serving else health.detail
    return {
        "healthy": all(row["health"] == "healthy" for row in parts),
        "supervised": state is not None,
        "parts": parts,
        "ray": control.ray_resources(config),
        "store": config.store,
        "lease": lease.holder(config),
        "jobs": _jobs_by_state(parts),
    }


def _supervisor_row(state: SystemState) -> dict[str, Any]:
    return {
        "part": "supervisor",
        "pid": state.supervisor.pid,
        "up_s": round(time.time() - state.supervisor.create_time, 1),
        "health": "healthy",
        "starts": 1,
        "address": "",
    }


def _part_row(part: PartState) -> dict[str, Any]:
    process = part.process
    return {
        "part": part.name,
        "pid": process.pid if process else None,
        "up_s": round(time.time() - process.create_time, 1) if process else None,
        "health": part.state if not part.detail else f"{part.state} ({part.detail})",
        "starts": part.starts,
        "address": part.address,
    }


def _jobs_by_state(parts: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    from collections import Counter

    from catena.api.jobs.v1.jobs_pb2 import JobState
    from catena.shared.client import SERVICE_NAMES, connect

    healthy = {row["part"] for row in parts if row["health"] == "healthy"}
    found = {}
    for name in SERVICE_NAMES:
        if name in healthy:
            with connect(name, settings()) as client:
                count = Counter(JobState.Name(job.state) for job in client.jobs(limit=1000))
            found[name] = {
                k.removeprefix("JOB_STATE_").lower(): v for k, v in sorted(count.items())
            }
    return found


def _print_report(report: dict[str, Any]) -> None:
    if not report["supervised"]:
        typer.echo("no supervisor runs here (start one with `catena up`)")
    print_table(
        ("part", "pid", "up", "health", "starts", "address"),
        (
            (
                row["part"],
                str(row["pid"] or "-"),
                seconds(row["up_s"]) if row["up_s"] is not None else "-",
                row["health"],
                str(row["starts"]) if row["starts"] is not None else "-",
                row["address"],
            )
            for row in report["parts"]
        ),
        empty="",
    )
    ray = report["ray"]
    if ray:
        typer.echo(f"ray    {', '.join(f'{k} {v}' for k, v in ray.items())}")
    typer.echo(f"store  {report['store']}")
    typer.echo(f"lease  {report['lease'] or 'free'}")
    for service, count in report["jobs"].items():
        shown = ", ".join(f"{number} {state}" for state, number in count.items()) or "none yet"
        typer.echo(f"jobs   {service}: {shown}")


class _Progress:
    """Which parts are ready: a live line on a terminal, one line per change elsewhere."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._seen: dict[str, str] = {}
        self._status: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("starting the supervisor")
            self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, parts: list[PartState]) -> None:
        """Show where the start stands."""
        took = time.monotonic() - self._started
        if self._status is not None:
            line = ", ".join(f"{part.name} {part.state}" for part in parts)
            self._status.update(f"{took:.0f} s: {line}")
        for part in parts:
            text = f"{part.state} {part.detail}".strip()
            if self._status is None and self._seen.get(part.name) != text:
                note(f"{took:5.1f} s  {part.name}: {text}")
            self._seen[part.name] = text
