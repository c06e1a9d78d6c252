"""Search for the settings of a network surrogate, with Ray Tune.

Successive halving in rungs: all candidates are trained for few epochs, the better third of them for
more, and so on. The rungs are synchronous, unlike those of ASHA (Li et al. 2020, MLSys), because an
asynchronous search stops different trials each time, and the same request must give the same
surrogate. Within a rung the trials run side by side, one CPU each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import ray

from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.prior import Prior
from catena.calibrator.stages import Checkpoint, Stages
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.shared.errors import FailedPrecondition, InvalidData

RUNGS = (0.25, 1.0)
"""Parts of the full number of epochs; after each rung a third of the trials is left."""

KEEP = 3


def candidates(trials: int, *, seed: int) -> list[SurrogateConfig]:
    """Settings to try; the first are the defaults, so a search never does worse than none."""
    rng = np.random.default_rng([seed, 11])
    default = SurrogateConfig()
    found = [default]
    while len(found) < trials:
        found.append(
            replace(
                default,
                width=int(rng.choice([32, 48, 64, 96])),
                depth=int(rng.choice([2, 3, 4])),
                weight_decay=float(10 ** rng.uniform(-3, -1)),
                learning_rate=float(10 ** rng.uniform(-2.5, -1.5)),
                batch=int(rng.choice([32, 64, 128])),
            )
        )
    return found


def search(
    parameters: np.ndarray,
    outputs: np.ndarray,
    prior: Prior,
    *,
    trials: int,
    folds: int,
    svd_above: int,
    seed: int,
    quantities: Sequence[str] = (),
    progress: Callable[[float, str], None],
    checkpoint: Checkpoint | None,
) -> SurrogateConfig:
    """Settings with the best cross-validated CRPS.

    Parameters
    ----------
    parameters : (n, d) array
        Physical units.
    outputs : (n, k) array
        Physical units.
    prior : Prior
    trials : int
        Candidates.
    folds, svd_above, seed, quantities
        As in :func:`~catena.calibrator.surrogate_fit.fit_surrogate`.
    progress : callable
    checkpoint : Checkpoint, optional
        A finished rung is not run again.

    Raises
    ------
    FailedPrecondition
        When this process is not connected to Ray.
    InvalidData
        When no trial could be trained.
    """
    if not ray.is_initialized():
        raise FailedPrecondition(
            "a search hands its trials out to Ray, and this process is not connected to it; "
            "submit TrainSurrogate to a server, or call ray.init() first"
        )
    configs = candidates(trials, seed=seed)
    stages = Stages(checkpoint)
    alive = list(range(len(configs)))
    best = 0
    data = {
        "parameters": parameters,
        "outputs": outputs,
        "prior": prior.to_dict(),
        "folds": folds,
        "svd_above": svd_above,
        "seed": seed,
        "quantities": tuple(quantities),
    }
    for number, part in enumerate(RUNGS):
        progress(number / len(RUNGS), f"search: {len(alive)} settings, round {number + 1}")
        saved = stages.get(f"rung{number}")
        if saved is None:
            settings = [
                asdict(replace(configs[i], epochs=max(10, round(configs[i].epochs * part))))
                for i in alive
            ]
            scores = _run_rung(settings, data)
            if not np.isfinite(scores).any():
                raise InvalidData("no setting of the search could be trained; try without tune")
            stages.put(f"rung{number}", {"scores": scores}, {})
        else:
            scores = saved[0]["scores"]
        order = [alive[i] for i in np.argsort(scores, kind="stable")]
        alive = sorted(order[: max(1, -(-len(order) // KEEP))])
        if 0 not in alive:
            alive = [0, *alive]  # the defaults are compared to the end
        best = order[0]
    progress(1.0, "search done")
    return configs[best]


def _run_rung(settings: list[dict[str, Any]], data: dict[str, Any]) -> np.ndarray:
    # Tune reserves CPUs in placement groups, which Ray frees when the actor that made them is dead
    # for good. This job's own actor would be restarted after a crash, and its groups would stay and
    # starve the next attempt; an actor that is never restarted takes them with it.
    host: Any = ray.remote(num_cpus=0, max_restarts=0)(_TuneHost).remote()
    try:
        scores: list[float] = ray.get(host.run.remote(settings, data))
    finally:
        ray.kill(host)
    return np.array(scores)


class _TuneHost:
    """Process that owns one rung."""

    def run(self, settings: list[dict[str, Any]], data: dict[str, Any]) -> list[float]:
        """CRPS of each setting; infinite where it could not be trained."""
        # Loggers for tools that nobody looks at here; some are not installed.
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
        from ray import tune

        with tempfile.TemporaryDirectory(prefix="catena-tune-") as folder:
            trial = tune.with_parameters(_trial, settings=settings, data=data)
            tuner = tune.Tuner(
                tune.with_resources(trial, {"cpu": 1}),
                param_space={"number": tune.grid_search(list(range(len(settings))))},
                tune_config=tune.TuneConfig(metric="crps", mode="min"),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            results = tuner.fit()
            scores = [float("inf")] * len(settings)
            for result in (results[i] for i in range(len(results))):
                if result.error is None and result.config is not None and result.metrics:
                    scores[result.config["number"]] = float(result.metrics["crps"])
        return scores


def _trial(
    config: dict[str, int], settings: list[dict[str, Any]], data: dict[str, Any]
) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    surrogate = fit_surrogate(
        data["parameters"],
        data["outputs"],
        Prior.from_dict(data["prior"]),
        method="mlp",
        seed=data["seed"],
        folds=data["folds"],
        svd_above=data["svd_above"],
        quantities=data["quantities"],
        config=SurrogateConfig(**settings[config["number"]]),
    )
    return {"crps": float(surrogate.report["crps"])}
