"""Search for the settings of a network, with Ray Tune.

Successive halving in rungs: all candidates are trained for few steps, the better third of them for
more. The rungs are synchronous, unlike those of ASHA (Li et al. 2020, MLSys), because an
asynchronous search stops different trials each time, and the same request must give the same
forecaster. Candidates are judged on the days of validation, never on those of a test.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import ray

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.forecasters import About, Checkpoint
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.process_forecaster import Gr4j
from catena.shared.errors import FailedPrecondition, InvalidData

RUNGS = (0.1, 0.4)
"""Parts of the steps of the whole training; after each rung a third of the trials is left."""
KEEP = 3


def candidates(base: Settings, trials: int, *, seed: int) -> list[Settings]:
    """Settings to try; the first are those that were asked for, so a search does no harm."""
    rng = np.random.default_rng([seed, 11])
    found = [base]
    while len(found) < trials:
        found.append(
            replace(
                base,
                window=int(rng.choice([60, 90, 180])),
                width=int(rng.choice([24, 48, 72, 96])),
                batch=int(rng.choice([128, 256, 512])),
                learning_rate=float(10 ** rng.uniform(-3.3, -2.3)),
            )
        )
    return found


def search(
    about: About,
    records: BasinRecords,
    base: Settings,
    process: Gr4j | None,
    *,
    archive: ForecastArchive | None = None,
    trials: int,
    progress: Callable[[float, str], None],
    checkpoint: Checkpoint | None,
) -> Settings:
    """Settings with the least validation loss.

    Parameters
    ----------
    about : About
        Its seed is that of the search.
    records : BasinRecords
    base : Settings
        Among the candidates.
    process : Gr4j, optional
    archive : ForecastArchive, optional
    trials : int
        Candidates.
    progress : callable
    checkpoint : Checkpoint, optional
        A finished rung is not run again.

    Raises
    ------
    FailedPrecondition
        When this process is not connected to Ray.
    InvalidData
        When no candidate could be trained.
    """
    if not ray.is_initialized():
        raise FailedPrecondition(
            "a search hands its trials out to Ray, and this process is not connected to it; "
            "submit TrainForecaster to a server, or call ray.init() first"
        )
    tried = candidates(base, trials, seed=about.seed)
    saved = checkpoint.load() if checkpoint is not None else None
    rungs: dict[str, Any] = {} if saved is None else dict(saved[0])
    data = {"about": about, "records": records, "process": process, "archive": archive}
    alive, best = list(range(len(tried))), 0
    for number, part in enumerate(RUNGS):
        progress(number / len(RUNGS), f"search: {len(alive)} settings, round {number + 1}")
        key = f"rung{number}"
        if key not in rungs:
            settings = [
                asdict(replace(tried[i], steps=max(20, round(tried[i].steps * part))))
                for i in alive
            ]
            rungs[key] = _run_rung(settings, data)
            if not np.isfinite(rungs[key]).any():
                raise InvalidData("no setting of the search could be trained; try without tune")
            if checkpoint is not None:
                checkpoint.save(rungs, {})
        order = [alive[i] for i in np.argsort(rungs[key], kind="stable")]
        best = order[0]
        alive = sorted({0, *order[: max(1, -(-len(order) // KEEP))]})
    progress(1.0, "search done")
    return tried[best]


def _run_rung(settings: Sequence[dict[str, Any]], data: dict[str, Any]) -> Any:
    # Tune reserves CPUs in placement groups, which Ray frees when the actor that made them is dead
    # for good. This job's own actor would be restarted after a crash, and its groups would stay and
    # starve the next attempt; an actor that is never restarted takes them with it.
    host: Any = ray.remote(num_cpus=0, max_restarts=0)(_TuneHost).remote()
    try:
        losses: list[float] = ray.get(host.run.remote(settings, data))
    finally:
        ray.kill(host)
    return np.array(losses)


class _TuneHost:
    """Process that owns one rung."""

    def run(self, settings: Sequence[dict[str, Any]], data: dict[str, Any]) -> list[float]:
        """Validation loss of each setting; infinite where it could not be trained."""
        # Loggers for tools that nobody looks at here; some are not installed.
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        from ray import tune

        with tempfile.TemporaryDirectory(prefix="catena-tune-") as folder:
            trial = tune.with_parameters(_trial, settings=settings, data=data)
            tuner = tune.Tuner(
                tune.with_resources(trial, {"cpu": 1}),
                param_space={"number": tune.grid_search(list(range(len(settings))))},
                tune_config=tune.TuneConfig(metric="loss", mode="min"),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            results = tuner.fit()
            losses = [float("inf")] * len(settings)
            for result in (results[i] for i in range(len(results))):
                if result.error is None and result.config is not None and result.metrics:
                    losses[result.config["number"]] = float(result.metrics["loss"])
        return losses


def _trial(
    config: dict[str, int], settings: Sequence[dict[str, Any]], data: dict[str, Any]
) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    made = NetworkForecaster.fit(
        data["about"],
        data["records"],
        Settings(**settings[config["number"]]),
        process=data["process"],
        archive=data["archive"],
    )
    return {"loss": min(loss for _, _, loss in made.history)}
