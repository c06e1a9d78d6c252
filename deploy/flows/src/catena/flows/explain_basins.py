"""Explain forecasts of basins: what they rest on, in numbers, pictures and words.

Models are trained where they are not yet there: those of ``train_forecaster`` with the same file
are found by their names. A task is one rpc.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task

from catena.flows import explain_steps as steps
from catena.flows import forecast_steps
from catena.flows.forecasts import Forecasting
from catena.flows.rpc import REPORTS, Ref, ask_job, export_file, say, where
from catena.flows.tasks import RPC, publish, scheduled_day
from catena.flows.train_forecaster import LONGEST_S, train_models


@task(name="samples", **RPC)
def draw_samples(
    config: Forecasting, name: str, data: Ref | None, forecaster: Ref, archive: Ref | None
) -> Ref:
    """The forecasts that are explained, and days of training to compare them with."""
    request = steps.samples_request(config, name, data, forecaster, archive)
    return ask_job(forecast_steps.SERVICE, "samples", "DrawSamples", request)


@task(name="explanation", **RPC)
def explain(config: Forecasting, name: str, forecaster: Ref, samples: Ref) -> Ref:
    """What the forecasts of one model rest on."""
    request = steps.explain_request(config, name, forecaster, samples)
    return ask_job(steps.SERVICE, "explanation", "ExplainForecast", request)


@flow(name="explain_basins", persist_result=False, timeout_seconds=LONGEST_S)
def explain_basins(config: Forecasting | Path) -> list[str]:
    """Train what is not there, draw samples, explain.

    Parameters
    ----------
    config : Forecasting or Path
        Basins, models and what is explained, or their YAML file.

    Returns
    -------
    list of str
        Paths of the pages, ``reports/<name>-<model>.html`` under the current folder.

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
    steps.check_explanations(config, as_of)
    names = list(steps.asked(config).models)
    trained = train_models(config, names, as_of)
    drawn, found = {}, {}
    for name in names:
        model = trained.models[name]
        drawn[name] = draw_samples.submit(config, name, trained.data, model, trained.archive)
        found[name] = explain.submit(config, name, model, drawn[name])  # type: ignore[call-overload]
    paths = []
    for name in names:
        explanation = found[name].result()
        path = export_file(explanation, "report.html", REPORTS / f"{config.name}-{name}.html")
        made = {
            **trained.models,
            "samples": drawn[name].result(),
            "explanation": explanation,
        }
        publish(f"{config.name}-{name}", config.title, "explanation", path, made)
        say(f"report       {path}")
        say(f"numbers      {where(explanation, 'explanation.zarr')}")
        paths.append(str(path))
    return paths
