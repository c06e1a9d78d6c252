"""Learn the spin-up of a region from a native sample, emulate it everywhere, check and compare.

A task is one rpc. Whatever was made before is found by its name and not made again.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows import spin_up_steps as steps
from catena.flows.model_runs import INGEST, RUNNER
from catena.flows.rpc import REPORTS, Ref, Section, ask_job, export_file, say
from catena.flows.spin_ups import SpinUpRegion
from catena.flows.tasks import RPC, publish, scheduled_day


@task(name="weather", **RPC)
def ingest_weather(request: Section) -> Ref:
    """The weather of all cells."""
    return ask_job(INGEST, "weather", "IngestDataset", request)


@task(name="plants", **RPC)
def put_map(config: SpinUpRegion) -> Ref | None:
    """The map of plants, in the store; None where there is none."""
    return steps.map_files(config)


@task(name="sample", **RPC)
def spin_up_sample(request: Section) -> Ref:
    """Native spin-up of the sites that are learned from."""
    return ask_job(RUNNER, "sample", "SpinUp", request)


@task(name="emulator", **RPC)
def train_emulator(request: Section) -> Ref:
    """The emulator of their equilibrium."""
    return ask_job(steps.TRAINER, "emulator", "FineTune", request)


@task(name="emulated", **RPC)
def emulate(request: Section) -> Ref:
    """All sites by the emulator, checked, with native spin-up where it fails."""
    return ask_job(RUNNER, "emulated", "SpinUp", request)


@task(name="comparison", **RPC)
def compare(request: Section) -> Ref:
    """All methods side by side."""
    return ask_job(RUNNER, "comparison", "CompareSpinUps", request)


@flow(
    name="spin_up_region", persist_result=False, timeout_seconds=timedelta(hours=24).total_seconds()
)
def spin_up_region(config: SpinUpRegion | Path) -> list[str]:
    """Native on a sample, an emulator, the emulator everywhere, check and fallback, comparison.

    Parameters
    ----------
    config : SpinUpRegion or Path
        The region, or its YAML file.

    Returns
    -------
    list of str
        Paths of the reports: ``reports/<name>.html`` and ``reports/<name>-emulator.html`` under
        the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = SpinUpRegion.from_file(config)
    as_of = scheduled_day()
    steps.check_region(config, as_of)
    asked = steps.weather_request(config, as_of)
    weather = None if asked is None else ingest_weather(asked)
    sites = steps.sites_fields(config, weather, put_map(config))
    sample = spin_up_sample(steps.learning_request(config, sites))
    emulator = train_emulator(steps.emulator_request(config, sample))
    emulated = emulate(steps.spin_up_request(config, sites, emulator))
    comparison = compare(steps.comparison_request(config, sites, emulator, sample))
    made = {
        **({} if weather is None else {"weather": weather}),
        "sample": sample,
        "emulator": emulator,
        "emulated": emulated,
        "comparison": comparison,
    }
    paths = [
        export_file(ref, "report.html", REPORTS / f"{config.name}{ending}.html")
        for ref, ending in ((comparison, ""), (emulator, "-emulator"))
    ]
    publish(config.name, config.title, "spin-up", paths[0], made)
    for path in paths:
        say(f"report       {path}")
    return [str(path) for path in paths]
