"""What all commands share: settings, output, errors and exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from catena.shared.errors import CatenaError, FieldViolation, InvalidRequest, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

    from catena.shared.client import ServiceClient
    from catena.shared.settings import Settings

_EXIT = {
    "INVALID_ARGUMENT": 2,
    "NOT_FOUND": 3,
    "UNAVAILABLE": 4,
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass
class Options:
    """Options of the command line as a whole."""

    debug: bool = False


options = Options()


class Group(TyperGroup):
    """Commands whose errors are one message and an exit code; a traceback comes with --debug."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CatenaError as error:
            if options.debug:
                raise
            fail(str(error))
            raise typer.Exit(_EXIT.get(error.code, 1)) from None
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            fail("interrupted; jobs that were started go on (see `catena jobs list`)")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # `catena ... | head` has read enough; what is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except Exception as error:
            # typer's own errors (a wrong option, say) know how to show themselves.
            if options.debug or hasattr(error, "exit_code"):
                raise
            fail(
                f"a defect of catena: {type(error).__name__}: {error}\n"
                "run the same command as `catena --debug ...` and report what it prints"
            )
            raise typer.Exit(1) from None


def fail(message: str) -> None:
    """Print an error, plainly: messages may hold brackets that markup would swallow."""
    first, _, rest = message.partition("\n")
    typer.secho(f"error: {first}", fg="red", err=True)
    if rest:
        typer.echo(rest, err=True)


def settings() -> Settings:
    """Settings of this process.

    Raises
    ------
    InvalidRequest
        Naming the variables at fault.
    """
    from pydantic import ValidationError

    from catena.shared.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        found = [
            FieldViolation("CATENA_" + "_".join(str(p) for p in item["loc"]).upper(), item["msg"])
            if item["loc"]
            else FieldViolation("CATENA_*", item["msg"])
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidRequest("the settings are not usable", violations=found) from None


def connect(service: str) -> ServiceClient:
    """Client of `service`.

    Raises
    ------
    Unavailable
        At once when its server is one of this machine and nothing was started here; otherwise the
        client waits for a server that is just starting again.
    """
    from catena.shared import client

    config = settings()
    require_system(config, service)
    return client.connect(service, config)


def require_system(config: Settings, service: str) -> None:
    """Make sure that somebody keeps the server of `service` alive, if it is an embedded one.

    Raises
    ------
    Unavailable
        When nothing was started here.
    """
    from catena.shared.supervisor.control import lock_is_held

    embedded = config.address(service) == f"unix:{config.socket_path(service)}"
    if embedded and not config.socket_path(service).exists() and not lock_is_held(config):
        raise Unavailable("catena does not run here; start it with `catena up`")


def console() -> Console:
    """Console for what the user asked for."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 160  # a pipe has no width; do not cut names there
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=width)


def note(message: str) -> None:
    """Say something beside the output, on stderr."""
    typer.echo(message, err=True)


def print_json(data: object) -> None:
    """Print `data` as JSON."""
    typer.echo(json.dumps(data, indent=2, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table, or the text `empty` if it has no rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count:
        console().print(table)
    else:
        typer.echo(empty)


def seconds(value: float) -> str:
    """Span of time in words, e.g. ``3 h 12 min``."""
    if value < 60:
        return f"{value:.0f} s"
    if value < 3600:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    if value < 86_400:
        return f"{value // 3600:.0f} h {value % 3600 // 60:.0f} min"
    return f"{value // 86_400:.0f} d {value % 86_400 // 3600:.0f} h"


def size(count: int) -> str:
    """Number of bytes in words, e.g. ``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
