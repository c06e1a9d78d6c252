"""The ``catena`` command.

One file per group of commands; other packages bring groups of their own (``installed``). What a
command needs is imported when it runs, so that help and completion answer at once.
"""

from __future__ import annotations

import typer

from catena.shared.cli import artifacts, catalog, flow, jobs, system
from catena.shared.cli.common import options
from catena.shared.cli.installed import Root

app = typer.Typer(
    name="catena",
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A chain of services around a land model. Settings come from CATENA_* variables.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong request, 3 not found, 4 not running, "
    "130 interrupted.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from catena.shared.version import code_version

        typer.echo(f"catena {version('catena-shared')} ({code_version()})")
        raise typer.Exit


@app.callback()
def _root(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    _version: bool = typer.Option(
        False, "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
    ),
) -> None:
    options.debug = debug


system.register(app)
app.add_typer(jobs.app, name="jobs")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(catalog.app, name="catalog")
app.add_typer(flow.app, name="flow")


def main() -> None:
    """Entry point of the ``catena`` command."""
    app()
