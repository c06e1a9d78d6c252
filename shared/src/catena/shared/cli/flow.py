"""``catena flow``: run the flows that installed packages offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from pathlib import Path
from typing import Annotated

import typer

from catena.shared.cli.common import (
    AsJson,
    Group,
    print_json,
    print_table,
    require_system,
    settings,
)
from catena.shared.errors import InvalidRequest, NotFound

GROUP = "catena.flows"
"""Entry points of this group are callables that run a flow with the YAML file that they get."""

app = typer.Typer(cls=Group, no_args_is_help=True, help="Flows: which jobs, in which order.")


@app.command("list")
def list_flows(as_json: AsJson = False) -> None:
    """List the flows that are installed."""
    found = [(entry.name, entry.value) for entry in _flows()]
    if as_json:
        print_json([{"name": name, "where": where} for name, where in found])
    else:
        print_table(("flow", "where"), found, empty="no flows; run `pip install catena-flows`")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the flow, see `catena flow list`.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file of the flow.")],
) -> None:
    """Run a flow in this process. Jobs whose results are there already are not run again.

    Some flows take options of their own, e.g. calibrate_site --ensemble NAME.
    """
    entry = next((flow for flow in _flows() if flow.name == name), None)
    if entry is None:
        known = ", ".join(flow.name for flow in _flows()) or "none; run `pip install catena-flows`"
        raise NotFound(f"there is no flow {name!r}; installed: {known}")
    if not config.is_file():
        raise NotFound(f"there is no file {config}; give the flow's YAML file with --config")
    from catena.shared.settings import SERVICE_NAMES

    for service in SERVICE_NAMES:
        require_system(settings(), service)
    function = entry.load()
    function(config, **_options(name, function, context.args))


def _options(flow: str, function: Callable[..., object], words: Sequence[str]) -> dict[str, str]:
    """Options of a flow's own: the parameters of its function beside the file."""
    known = list(signature(function).parameters)[1:]
    found: dict[str, str] = {}
    given = iter(words)
    for word in given:
        option, equals, value = word.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or name not in known:
            taken = ", ".join(f"--{one.replace('_', '-')}" for one in known) or "none"
            raise InvalidRequest(f"flow {flow} has no option {option}; its own options: {taken}")
        found[name] = value if equals else next(given, "")
        if not found[name]:
            raise InvalidRequest(f"option {option} of flow {flow} wants a value")
    return found


def _flows() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
