"""Training in several processes, with Ray Train.

Each process takes its part of every minibatch, and gradients are averaged: the weights are the same
in all of them at every step. The first one keeps the job's checkpoint; all begin from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import ray
from torch import Tensor

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.store import ForecastArchive
from catena.forecaster.forecasters import About, Arrays
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.process_forecaster import Gr4j
from catena.shared.errors import FailedPrecondition
from catena.shared.jobs import Checkpoint, JobContext

LOOK_S = 2.0


def fit_together(
    about: About,
    records: BasinRecords,
    settings: Settings,
    process: Gr4j | None,
    *,
    archive: ForecastArchive | None = None,
    workers: int,
    context: JobContext,
) -> NetworkForecaster:
    """Train a network with `workers` processes.

    Parameters
    ----------
    about : About
    records : BasinRecords
    settings : Settings
    process : Gr4j, optional
    archive : ForecastArchive, optional
    workers : int
    context : JobContext
        Of the job, whose checkpoint a killed training goes on from.

    Raises
    ------
    FailedPrecondition
        When this process is not connected to Ray.
    """
    if not ray.is_initialized():
        raise FailedPrecondition(
            "training in several processes needs Ray, and this process is not connected to it; "
            "submit TrainForecaster to a server, or call ray.init() first"
        )
    task = {
        "about": about,
        "records": records,
        "settings": settings,
        "process": process,
        "archive": archive,
        "store": context.store,
        "folder": f"jobs/{context.name}/checkpoint",
        "attempt": context.attempt,
    }
    # The actor owns the processes and their reserved CPUs: when this job dies, so do they.
    host: Any = ray.remote(num_cpus=0, max_restarts=0)(_TrainHost).remote()
    try:
        running = host.run.remote(task, workers)
        while not ray.wait([running], timeout=LOOK_S)[0]:
            saved = context.checkpoint.load()
            if saved is not None and saved[1]["done"]["steps"]:
                step, total = saved[1]["step"], saved[1]["done"]["steps"]
                context.progress(step / total, f"step {step} of {total} in {workers} processes")
        ray.get(running)
    finally:
        ray.kill(host)
    # All steps are in the checkpoint: nothing is left to train, the best weights are taken from it.
    return NetworkForecaster.fit(
        about,
        records,
        settings,
        process=process,
        archive=archive,
        checkpoint=context.checkpoint,
    )


class _TrainHost:
    """Process that owns the training's processes."""

    def run(self, task: dict[str, Any], workers: int) -> None:
        """Train to the end."""
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        with tempfile.TemporaryDirectory(prefix="catena-train-") as folder:
            TorchTrainer(
                _loop,
                train_loop_config=task,
                torch_config=TorchConfig(backend="gloo"),
                scaling_config=ScalingConfig(num_workers=workers),
                run_config=RunConfig(storage_path=folder),
            ).fit()


def _loop(task: dict[str, Any]) -> None:
    import torch
    import torch.distributed as distributed

    torch.set_num_threads(1)
    rank, size = distributed.get_rank(), distributed.get_world_size()

    def average(gradients: Sequence[Tensor]) -> None:
        for gradient in gradients:
            distributed.all_reduce(gradient)
            gradient /= size

    saved = Checkpoint(task["store"], task["folder"], task["attempt"])
    NetworkForecaster.fit(
        task["about"],
        task["records"],
        task["settings"],
        process=task["process"],
        archive=task["archive"],
        checkpoint=saved if rank == 0 else _ReadOnly(saved),
        average=average,
        part=(rank, size),
    )


class _ReadOnly:
    """The checkpoint for all processes but the first: they begin from it and leave it alone."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        # Read at once: the first process may save while another one starts.
        self._saved = checkpoint.load()

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """What was there at the start."""
        return self._saved

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Nothing: the first process saves."""
