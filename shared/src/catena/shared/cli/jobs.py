"""``catena jobs``: list, show, watch and cancel long requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from catena.shared.cli.common import (
    AsJson,
    Group,
    connect,
    note,
    print_json,
    print_table,
)
from catena.shared.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from catena.api.jobs.v1.jobs_pb2 import Job
    from catena.shared.client import ServiceClient

app = typer.Typer(cls=Group, no_args_is_help=True, help="Long requests: list, show, watch, cancel.")

Name = Annotated[
    str,
    typer.Argument(
        help="<service>/<Method>/<digest>; of the digest the first characters are enough."
    ),
]


@app.command("list")
def list_jobs(
    service: str = typer.Option("", "--service", help="Only jobs of this service."),
    limit: int = typer.Option(20, "--limit", min=1, help="At most this many of each service."),
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from catena.shared.settings import SERVICE_NAMES

    found: list[Job] = []
    for name in [service] if service else SERVICE_NAMES:
        with connect(name) as client:
            found += client.jobs(limit=limit)
    if as_json:
        print_json([_plain(job) for job in found])
        return
    print_table(
        ("job", "state", "progress", "updated", "message"),
        (
            (
                _short(job.name),
                _state(job),
                f"{100 * job.progress:.0f} %",
                _time(job.update_time),
                job.error.message or job.message,
            )
            for job in found
        ),
        empty="no jobs yet",
    )


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one job."""
    with _client(name) as client:
        job = client.job(_full_name(client, name)).message
    if as_json:
        print_json(_plain(job))
        return
    typer.echo(f"job       {job.name}")
    typer.echo(f"state     {_state(job)}, {100 * job.progress:.0f} %, attempts {job.attempts}")
    typer.echo(f"message   {job.message}")
    typer.echo(f"created   {_time(job.create_time)}")
    typer.echo(f"updated   {_time(job.update_time)}")
    if job.artifact.uri:
        typer.echo(f"artifact  {job.artifact.uri}")
        typer.echo(f"          {job.artifact.kind}, {job.artifact.digest}")
    if job.error.message:
        typer.echo(f"error     {_error_text(job)}")


@app.command()
def watch(name: Name) -> None:
    """Follow a job to its end. The exit code is 0 when it succeeds."""
    from catena.shared.client import Job as JobHandle

    with _client(name) as client:
        handle: JobHandle = client.job(_full_name(client, name))
        shown = ""
        for job in handle.watch():
            line = f"{_state(job):12} {100 * job.progress:3.0f} %  {job.message}"
            if line != shown:
                typer.echo(line)
            shown = line
        job = handle.message
    if _state(job) == "failed":
        note(f"error: {_error_text(job)}")
    if _state(job) != "succeeded":
        raise typer.Exit(1)


@app.command()
def cancel(name: Name) -> None:
    """Stop a job and its processes; one that has ended stays as it ended."""
    with _client(name) as client:
        job = client.job(_full_name(client, name)).cancel()
    typer.echo(f"{job.name}: {_state(job)}")


def _client(name: str) -> ServiceClient:
    if name.count("/") != 2:
        raise InvalidRequest(
            f"got {name!r}, wanted <service>/<Method>/<digest> as `catena jobs list` prints it"
        )
    return connect(name.partition("/")[0])


def _full_name(client: ServiceClient, name: str) -> str:
    if len(name.rpartition("/")[2]) == 64:
        return name
    found = [job.name for job in client.jobs(limit=1000) if job.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"there is no job {name}; `catena jobs list` shows those there are")
    raise InvalidRequest(f"{name} could be {len(found)} jobs; give more of the digest")


def _short(name: str) -> str:
    return name[: name.rfind("/") + 13]


def _state(job: Job) -> str:
    from catena.api.jobs.v1.jobs_pb2 import JobState

    return JobState.Name(job.state).removeprefix("JOB_STATE_").lower()


def _time(stamp: Any) -> str:
    return f"{stamp.ToDatetime():%Y-%m-%d %H:%M:%S} UTC" if stamp.seconds else "-"


def _error_text(job: Job) -> str:
    from catena.shared.status import from_status

    return str(from_status(job.error))


def _plain(job: Job) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": job.name,
        "state": _state(job),
        "progress": job.progress,
        "message": job.message,
        "attempts": job.attempts,
        "create_time": job.create_time.ToJsonString(),
        "update_time": job.update_time.ToJsonString(),
    }
    if job.artifact.uri:
        ref = job.artifact
        plain["artifact"] = {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}
    if job.error.message:
        plain["error"] = _error_text(job)
    return plain
