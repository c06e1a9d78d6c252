"""``catena callmip``: what a modelling group needs to hand in files to CalLMIP.

What a command needs is imported when it runs: this module is loaded for ``catena --help``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catena.shared.cli.common import AsJson, Group, note, print_json, print_table
from catena.shared.errors import NotFound

if TYPE_CHECKING:
    from catena.coupler.callmip.observations import Observations
    from catena.coupler.callmip.report import Report

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="CalLMIP Phase 1: check files before handing them in."
)


@app.callback()
def _group() -> None:
    """Keep `check` a command of its own, though it is the only one."""


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Submission files, anybody's.")],
    observations: Annotated[
        Path | None,
        typer.Option(
            "--observations",
            help="Flux file of the site, or a folder of them; days and place are compared.",
        ),
    ] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="Show only what failed, and advice.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check submission files against every rule of the CalLMIP Phase 1 protocol (v2).

    Exit code 1 when a rule is broken.
    """
    from catena.coupler.callmip.checks import check_submission

    reports = []
    for file in files:
        if not file.is_file():
            raise NotFound(f"there is no file {file}; give the submission to check")
        reports.append(check_submission(file, observations=_observations(file, observations)))
    if as_json:
        print_json([report.to_dict() for report in reports])
    else:
        for report in reports:
            _show(report, failures_only=failures)
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _observations(file: Path, given: Path | None) -> Observations | None:
    from catena.coupler.callmip.observations import find_observations, read_observations
    from catena.coupler.callmip.protocol import SubmissionName

    if given is None:
        return None
    if not given.exists():
        raise NotFound(f"there is no file or folder {given}; give the observations of the site")
    if given.is_file():
        return read_observations(given)
    name = SubmissionName.parse(file.name)
    found = find_observations(given, name.site) if name else None
    if found is None:
        # Validation sites have none: the file is checked without.
        site = name.site if name else "a site, as the file's name does not say which"
        note(f"{file.name}: no observations of {site} in {given}; days are checked without")
        return None
    return read_observations(found)


def _show(report: Report, *, failures_only: bool) -> None:
    rows = [
        (row.status, row.rule, row.section, row.found, row.wanted)
        for row in report
        if not failures_only or row.status in ("failed", "advice")
    ]
    print_table(("status", "rule", "protocol", "found", "wanted"), rows, "nothing failed")
    counts = (f"{len(report.of(status))} {status}" for status in ("passed", "failed", "advice"))
    typer.echo(f"{report.file}: {', '.join(counts)}")
