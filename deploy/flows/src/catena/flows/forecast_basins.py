"""Each day's forecasts: new data, intervals that have learned from what was observed, a page.

Models are trained where they are not yet there; on all other days their artifacts are found by
their names. The intervals learn anew from every day since they were fitted, so a day on which
nothing ran leaves no gap.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task

from catena.flows import forecast_steps as steps
from catena.flows.forecasts import Forecasting
from catena.flows.rpc import REPORTS, Ref, ask_job, export_file, say
from catena.flows.tasks import RPC, publish, scheduled_day
from catena.flows.train_forecaster import LONGEST_S, ingest_data, make_archive, train


@task(name="update", **RPC)
def update_intervals(
    config: Forecasting,
    data: Ref | None,
    forecaster: Ref,
    intervals: Ref,
    issue: str,
    archive: Ref | None,
) -> Ref:
    """Intervals that know what was observed up to the day of issue."""
    request = steps.update_request(config, data, forecaster, intervals, issue, archive)
    return ask_job(steps.SERVICE, "update", "UpdateIntervals", request)


@task(name="forecasts", **RPC)
def issue_forecasts(
    config: Forecasting,
    data: Ref | None,
    forecaster: Ref,
    intervals: Ref,
    issue: str,
    archive: Ref | None,
) -> Ref:
    """Forecasts of all basins from one day."""
    request = steps.issue_request(config, data, forecaster, intervals, issue, archive)
    return ask_job(steps.SERVICE, "forecasts", "IssueForecasts", request)


@flow(name="forecast_basins", persist_result=False, timeout_seconds=LONGEST_S)
def forecast_basins(config: Forecasting | Path) -> str:
    """Forecast all basins from the day of issue.

    Parameters
    ----------
    config : Forecasting or Path
        Basins and models, or their YAML file.

    Returns
    -------
    str
        Path of the page, ``reports/<name>-<day of issue>.html`` under the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = Forecasting.from_file(config)
    as_of = scheduled_day()
    steps.check_forecasting(config, as_of)
    issue = config.issue_day(as_of)
    trained = train(config, [config.forecaster], config.trained_as_of or as_of)
    forecaster = trained.models[config.forecaster]
    data = ingest_data(config, as_of)
    archive = make_archive(config, data, as_of)
    updated = update_intervals(config, data, forecaster, trained.intervals, issue, archive)
    forecasts = issue_forecasts(config, data, forecaster, updated, issue, archive)
    name = f"{config.name}-{issue}"
    path = export_file(forecasts, "report.html", REPORTS / f"{name}.html")
    made = {**trained.models, "updated": updated, "forecasts": forecasts}
    publish(config.name, config.title, "forecasts", path, made)
    say(f"report       {path}")
    return str(path)
