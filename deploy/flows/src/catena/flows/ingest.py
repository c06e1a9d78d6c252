"""Ingest: archives into one vocabulary and one catalog, with a page that says what was fixed.

A task is one rpc. What was ingested for the same day is found by its name and not read again.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows.archives import (
    SERVICE,
    Archives,
    Dataset,
    catalog_request,
    check_datasets,
    selection_request,
)
from catena.flows.rpc import REPORTS, Ref, ask_job, export_file, say
from catena.flows.tasks import RPC, publish, scheduled_day
from catena.shared.client import CatenaError, JobFailed, open_store


@task(name="dataset", **RPC)
def ingest_dataset(dataset: Dataset, as_of: str) -> Ref:
    """One source's datasets, checked, as a copy or a reference."""
    return ask_job(SERVICE, dataset.name, "IngestDataset", dataset.request(as_of))


@task(name="catalog", **RPC)
def write_catalog(config: Archives, made: dict[str, Ref]) -> Ref:
    """One catalog over all that was ingested."""
    return ask_job(SERVICE, "catalog", "WriteCatalog", catalog_request(config, made))


@task(name="models", **RPC)
def select_models(config: Archives, made: dict[str, Ref]) -> Ref:
    """Quality selection of CMIP6 models."""
    return ask_job(SERVICE, "models", "SelectModels", selection_request(config, made))


@flow(name="ingest", persist_result=False, timeout_seconds=timedelta(hours=24).total_seconds())
def ingest(config: Archives | Path) -> str:
    """Ingest archives and write their catalog.

    A source that fails does not keep the others from the catalog; the flow then fails at its end,
    naming it.

    Parameters
    ----------
    config : Archives or Path
        What to ingest, or its YAML file.

    Returns
    -------
    str
        Path of the report, ``reports/<name>.html`` under the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a source could not be read, after the others were.
    """
    if isinstance(config, Path):
        config = Archives.from_file(config)
    as_of = config.as_of or scheduled_day()
    check_datasets(config, as_of)
    made, failed = _ingest_all(config, as_of)
    if not made:
        raise JobFailed(f"nothing could be ingested: {'; '.join(failed.values())}")
    catalog = write_catalog(config, made)
    path = export_file(catalog, "report.html", REPORTS / f"{config.name}.html")
    for line in open_store().open(catalog["uri"]).read_bytes("report.txt").decode().splitlines():
        say(line)
    results = {**made, "catalog": catalog}
    if config.select_models is not None and _both(config, made):
        results["models"] = select_models(config, made)
        plot = REPORTS / f"{config.name}-models.png"
        say(f"models       {export_file(results['models'], 'portrait.png', plot)}")
    publish(config.name, config.title, "ingest", path, results)
    say(f"report       {path}")
    if failed:
        raise JobFailed(f"{len(failed)} of {len(config.datasets)} sources failed: {list(failed)}")
    return str(path)


def _ingest_all(config: Archives, as_of: str) -> tuple[dict[str, Ref], dict[str, str]]:
    made: dict[str, Ref] = {}
    failed: dict[str, str] = {}
    for dataset in config.datasets:
        try:
            made[dataset.name] = ingest_dataset(dataset, as_of)
        except CatenaError as error:
            failed[dataset.name] = error.message
            say(f"{dataset.name:12} failed: {error}")
    return made, failed


def _both(config: Archives, made: dict[str, Ref]) -> bool:
    chosen = config.select_models
    return chosen is not None and {chosen.models, chosen.reference} <= set(made)
