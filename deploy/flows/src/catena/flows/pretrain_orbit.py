"""Pre-train the foundation model on one or several archives, and score it.

A task is one rpc. Whatever was made before is found by its name and not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows import orbit_steps as steps
from catena.flows.orbit import OrbitTraining
from catena.flows.rpc import REPORTS, Ref, ask_job, export_file, say
from catena.flows.tasks import RPC, publish, scheduled_day

LONGEST_S = timedelta(days=2).total_seconds()


@task(name="data", **RPC)
def ingest_data(config: OrbitTraining, name: str, as_of: str) -> Ref:
    """Fields of one archive."""
    return ask_job(steps.INGEST, name, "IngestDataset", steps.data_request(config, name, as_of))


@task(name="cache", **RPC)
def build_cache(config: OrbitTraining, name: str, dataset: Ref) -> Ref:
    """The same as a hot cache."""
    request = steps.cache_request(config, name, dataset)
    return ask_job(steps.INGEST, f"{name} cache", "BuildCache", request)


@task(name="pretrain", **RPC)
def pretrain(config: OrbitTraining, caches: dict[str, Ref]) -> Ref:
    """The pre-trained model."""
    request = steps.pretrain_request(config, caches)
    return ask_job(steps.SERVICE, "pretrained", "Pretrain", request)


@task(name="evaluation", **RPC)
def evaluate(
    config: OrbitTraining,
    own: dict[str, object],
    checkpoint: Ref,
    cache: Ref,
    name: str,
    compared: Sequence[Ref] = (),
) -> Ref:
    """Scores and maps of one model."""
    title = f"{config.title or config.name}: {name}"
    request = steps.evaluation_request(config, own, checkpoint, cache, title, compared)
    return ask_job(steps.SERVICE, f"{name} skill", "EvaluateCheckpoint", request)


@dataclass(frozen=True)
class Pretrained:
    """Caches by name, and the pre-trained model."""

    caches: dict[str, Ref]
    checkpoint: Ref


def start(config: OrbitTraining, as_of: str, names: list[str]) -> Pretrained:
    """Caches of the data `names` and the pre-trained model, inside a flow."""
    caches = {name: build_cache(config, name, ingest_data(config, name, as_of)) for name in names}
    return Pretrained(caches, pretrain(config, caches))


@flow(name="pretrain_orbit", persist_result=False, timeout_seconds=LONGEST_S)
def pretrain_orbit(config: OrbitTraining | Path) -> str:
    """Pre-train and evaluate.

    Parameters
    ----------
    config : OrbitTraining or Path
        Data and settings, or their YAML file.

    Returns
    -------
    str
        Path of the report, ``reports/<name>-pretrained.html`` under the current folder.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = OrbitTraining.from_file(config)
    as_of = scheduled_day()
    steps.check_orbit(config, as_of)
    made = start(config, as_of, config.pretrain.data)
    cache = made.caches[config.pretrain.data[0]]
    evaluation = evaluate(config, config.evaluation, made.checkpoint, cache, "pretrained")
    path = export_file(evaluation, "report.html", REPORTS / f"{config.name}-pretrained.html")
    results = {**made.caches, "pretrained": made.checkpoint, "evaluation": evaluation}
    publish(config.name, config.title, "orbit", path, results)
    say(f"report       {path}")
    return str(path)
