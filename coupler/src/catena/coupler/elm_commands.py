"""``catena elm``: what a case of ELM will do, running it, how far it is, restart files.

What a command needs is imported when it runs: this module is loaded for ``catena --help``, and
stands beside the package of ELM because that one is not light.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catena.shared.cli.common import AsJson, Group, note, print_json, print_table

if TYPE_CHECKING:
    from catena.coupler.elm.config import ElmConfig

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Cases of the E3SM Land Model through CIME: spin-up, natively or swapped; transient.",
)

Config = Annotated[Path, typer.Argument(help="YAML of the case; see the coupler's README.")]
Method = Annotated[
    str | None,
    typer.Option(
        "--spin-up",
        help="In the place of spin_up.method: native (the stages as they are), emulator, "
        "analogue, trees, anderson, or another installed one.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--emulator", help="What was learned: a folder, or the URI of its artifact."),
]


@app.command()
def plan(config: Config, spin_up: Method = None, emulator: Where = None) -> None:
    """Print every program and file in order; nothing is done."""
    from catena.coupler.elm.experiment import ElmExperiment
    from catena.coupler.elm.methods import is_native, spin_up_of
    from catena.coupler.elm.swap import ElmSwap

    loaded = _loaded(config, spin_up, emulator)
    if is_native(loaded.spin_up):
        typer.echo(ElmExperiment(loaded).plan_text(), nl=False)
    else:
        typer.echo(ElmSwap(loaded, spin_up_of(loaded.spin_up)).plan_text(), nl=False)


@app.command()
def run(
    config: Config,
    spin_up: Method = None,
    emulator: Where = None,
    attempts: Annotated[
        int, typer.Option(min=1, help="How often a run that stopped early is gone on with.")
    ] = 1,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for one job; then ask again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run what has not run. Whatever ends in between: the same command goes on.

    Exit code 1 when the spin-up does not come to rest; then the transient stage is not begun.
    """
    from catena.coupler.elm.experiment import ElmExperiment
    from catena.coupler.elm.methods import is_native, spin_up_of
    from catena.coupler.elm.swap import ElmSwap

    loaded = _loaded(config, spin_up, emulator)
    if is_native(loaded.spin_up):
        done = ElmExperiment(loaded).run(attempts, timeout)
        ended = {name: str(outcome.restart) for name, outcome in done.items()}
        if as_json:
            print_json(ended)
        else:
            print_table(("stage", "ended with"), list(ended.items()), "no stages")
        return
    swap = ElmSwap(loaded, spin_up_of(loaded.spin_up), attempts=attempts, timeout_s=timeout)
    report = swap.run(lambda part, what: note(f"{100 * part:3.0f} %  {what}"))
    if as_json:
        print_json(report.to_dict())
    else:
        typer.echo(str(report))
        typer.echo(f"report {swap.report_path}")
    if not report.reached:
        raise typer.Exit(1)


@app.command()
def status(
    config: Config, spin_up: Method = None, emulator: Where = None, as_json: AsJson = False
) -> None:
    """How far each case is, by the model's own files, and what the swap came to."""
    from catena.coupler.elm.progress import cases_of
    from catena.coupler.elm.swap_report import read_report, report_path

    loaded = _loaded(config, spin_up, emulator)
    found = cases_of(loaded, loaded.spin_up.method)
    path = report_path(loaded, loaded.spin_up.method)
    report = read_report(path) if path.is_file() else None
    if as_json:
        print_json(
            {
                "cases": [row.to_dict() for row in found],
                "spin_up": None if report is None else report.to_dict(),
            }
        )
        return
    rows = [(row.case, row.what, str(row.reached or ""), row.hand_over) for row in found]
    print_table(("case", "is", "year", "began with"), rows, "nothing has been made yet")
    if report is not None:
        typer.echo(str(report))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Restart files.")],
    parameters: Annotated[
        Path | None, typer.Option(help="Parameter file of the run, for its ratios.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for everything that a run from a restart file would stumble over.

    Exit code 1 when a file must not be run from.
    """
    from catena.coupler.restart import NATURAL, Stoichiometry, read_restart
    from catena.coupler.restart import check as findings_of

    ratios = NATURAL if parameters is None else Stoichiometry.from_parameters(parameters)
    found = [
        (file, each)
        for file in files
        for each in findings_of(read_restart(file), stoichiometry=ratios)
    ]
    if as_json:
        print_json([{"file": str(file), "finding": str(each)} for file, each in found])
    else:
        rows = [
            (file.name, each.action, each.variable, each.found, each.wanted, each.why)
            for file, each in found
        ]
        print_table(("file", "is", "variable", "found", "wanted", "why"), rows, "nothing found")
    if any(each.action == "refused" for _, each in found):
        raise typer.Exit(1)


def _loaded(path: Path, method: str | None, emulator: str | None) -> ElmConfig:
    """The configuration with what the command line puts in the place of its section."""
    from catena.coupler.elm.config import ElmConfig

    config = ElmConfig.load(path)
    changed = {name: value for name, value in (("method", method), ("emulator", emulator)) if value}
    if not changed:
        return config
    options = {**config.spin_up.model_dump(), **changed}
    return ElmConfig.model_validate({**config.model_dump(), "spin_up": options})
