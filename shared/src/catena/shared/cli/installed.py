"""Groups of commands that other installed packages bring.

A package registers a ``typer.Typer`` under the entry points ``catena.commands``; its name is the
word after ``catena``. The module that holds it is loaded for ``catena --help``, so it imports what
its commands need when they run. Where the package is not installed the group is not there.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from catena.shared.cli.common import Group
from catena.shared.errors import FailedPrecondition

GROUP = "catena.commands"
"""Entry points of this group are ``typer.Typer``."""


class Root(Group):
    """The ``catena`` command: its own groups, and those that packages bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names: first the own ones, which no package can replace."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in sorted(_entries()) if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, loaded when it is asked for."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = _entries().get(cmd_name)
        return None if entry is None else _command(entry)


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _command(entry: EntryPoint) -> TyperGroup | TyperCommand:
    try:
        app: Any = entry.load()
        if not isinstance(app, typer.Typer):
            raise TypeError(f"{entry.value} is a {type(app).__name__}, wanted a typer.Typer")
        command = get_group(app)
    except Exception as error:
        # One broken package must not take the help of all others with it.
        return _broken(entry, error)
    command.name = entry.name
    return command


def _broken(entry: EntryPoint, error: Exception) -> TyperCommand:
    return TyperCommand(
        entry.name,
        callback=partial(_refuse, entry, error),
        help=f"Cannot be loaded: {type(error).__name__}.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _refuse(entry: EntryPoint, error: Exception) -> None:
    package = entry.dist.name if entry.dist is not None else entry.value
    raise FailedPrecondition(
        f"the commands of '{entry.name}' cannot be loaded ({type(error).__name__}: {error}); "
        f"install {package} again"
    )
