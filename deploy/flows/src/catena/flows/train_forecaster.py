"""Train streamflow models side by side, fit intervals, score them on years that none has seen.

A task is one rpc. Whatever was made before is found by its name and not made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows import forecast_steps as steps
from catena.flows.forecasts import Forecasting
from catena.flows.rpc import REPORTS, Ref, ask_job, export_file, say
from catena.flows.tasks import RPC, publish, scheduled_day

LONGEST_S = timedelta(days=1).total_seconds()


@task(name="data", **RPC)
def ingest_data(config: Forecasting, as_of: str) -> Ref | None:
    """Records of the basins; None where they are generated."""
    request = steps.data_request(config, as_of)
    return None if request is None else ask_job(steps.INGEST, "data", "IngestDataset", request)


@task(name="forecast weather", **RPC)
def ingest_forecasts(config: Forecasting, as_of: str) -> Ref | None:
    """Forecast weather; None where none is ingested."""
    request = steps.forecasts_request(config, as_of)
    return None if request is None else ask_job(steps.INGEST, "weather", "IngestDataset", request)


@task(name="archive", **RPC)
def archive_weather(config: Forecasting, data: Ref | None, forecasts: Ref | None) -> Ref:
    """Forecast weather by issue time and lead."""
    request = steps.archive_request(config, data, forecasts)
    return ask_job(steps.SERVICE, "archive", "ArchiveWeather", request)


def make_archive(config: Forecasting, data: Ref | None, as_of: str) -> Ref | None:
    """The archive of forecast weather, inside a flow; None where the file has none."""
    if config.archive is None:
        return None
    return archive_weather(config, data, ingest_forecasts(config, as_of))


@task(name="model", **RPC)
def train_model(
    config: Forecasting, name: str, data: Ref | None, process: Ref | None, archive: Ref | None
) -> Ref:
    """One model."""
    request = steps.train_request(config, name, data, process, archive)
    return ask_job(steps.SERVICE, name, "TrainForecaster", request)


@task(name="intervals", **RPC)
def fit_intervals(
    config: Forecasting, data: Ref | None, forecaster: Ref, archive: Ref | None
) -> Ref:
    """Intervals around the model that forecasts."""
    request = steps.intervals_request(config, data, forecaster, archive)
    return ask_job(steps.SERVICE, "intervals", "FitIntervals", request)


@task(name="evaluation", **RPC)
def evaluate(
    config: Forecasting,
    data: Ref | None,
    models: dict[str, Ref],
    intervals: Ref,
    archive: Ref | None,
) -> Ref:
    """Scores and report."""
    request = steps.evaluation_request(config, data, models, intervals, archive)
    return ask_job(steps.SERVICE, "evaluation", "EvaluateForecasts", request)


@dataclass(frozen=True)
class Models:
    """Records, forecast weather, and models by name."""

    data: Ref | None
    archive: Ref | None
    models: dict[str, Ref]


@dataclass(frozen=True)
class Trained(Models):
    """What training makes: with the intervals."""

    intervals: Ref


def train_models(config: Forecasting, names: list[str], as_of: str) -> Models:
    """Models and what they are made with, inside a flow; those that wait for no other together."""
    data = ingest_data(config, as_of)
    archive = make_archive(config, data, as_of)
    asked: dict[str, object] = {}
    for name in config.needed(names):
        process = asked.get(config.models[name].process)
        asked[name] = train_model.submit(config, name, data, process, archive)  # type: ignore[call-overload]
    models: dict[str, Ref] = {name: future.result() for name, future in asked.items()}  # type: ignore[attr-defined]
    return Models(data, archive, models)


def train(config: Forecasting, names: list[str], as_of: str) -> Trained:
    """Models and intervals, inside a flow."""
    made = train_models(config, names, as_of)
    intervals = fit_intervals(config, made.data, made.models[config.forecaster], made.archive)
    return Trained(made.data, made.archive, made.models, intervals)


@flow(name="train_forecaster", persist_result=False, timeout_seconds=LONGEST_S)
def train_forecaster(config: Forecasting | Path) -> str:
    """Train, fit intervals, evaluate.

    Parameters
    ----------
    config : Forecasting or Path
        Basins and models, or their YAML file.

    Returns
    -------
    str
        Path of the report, ``reports/<name>.html`` under the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = Forecasting.from_file(config)
    as_of = config.trained_as_of or scheduled_day()
    steps.check_forecasting(config, as_of)
    trained = train(config, list(config.models), as_of)
    evaluation = evaluate(config, trained.data, trained.models, trained.intervals, trained.archive)
    path = export_file(evaluation, "report.html", REPORTS / f"{config.name}.html")
    made = {**trained.models, "intervals": trained.intervals, "evaluation": evaluation}
    publish(config.name, config.title, "forecaster", path, made)
    say(f"report       {path}")
    return str(path)
