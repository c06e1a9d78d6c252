"""A training in the processes of a mesh, started by Ray Train.

Ray starts :mod:`.worker` on machines of its cluster. When a process or its machine is lost, it
starts all of them again, and they go on from the training's own newest checkpoint: not from one
that Ray keeps, which a restarted job would not see.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catena.orbit_trainer.training.loop import Trained
from catena.orbit_trainer.training.task import write_task
from catena.orbit_trainer.training.worker import (
    Progress,
    forget,
    read_failure,
    read_trained,
    work,
)
from catena.orbit_trainer.trainings import Training
from catena.shared.errors import CatenaError, FailedPrecondition

__all__ = ["train_on_ray"]

LOOK_S = 1.0
RESTARTS = 3
"""Times that processes are lost and started again before the training is given up."""


def train_on_ray(
    training: Training,
    folder: Path,
    progress: Callable[[float, str], None] = lambda fraction, message: None,
    *,
    device: str = "cpu",
    restarts: int = RESTARTS,
) -> Trained:
    """Train in as many processes as the mesh has places.

    Parameters
    ----------
    training : Training
    folder : Path
        Of the checkpoints of this training alone; all machines see it.
    progress : callable
        Told the fraction done and a sentence, now and then.
    device : {"cpu", "cuda"}
        Each process has one core, or one GPU beside it.
    restarts : int

    Raises
    ------
    FailedPrecondition
        When this process is not connected to Ray, or processes were lost too often.
    CatenaError
        What a process raised.
    """
    import ray
    from ray.exceptions import RayError

    if not ray.is_initialized():
        raise FailedPrecondition(
            "training in several processes needs Ray, and this process is not connected to it; "
            "submit the training to a server, or call ray.init() first"
        )
    forget(folder)
    task = folder / "task.json"
    write_task(task, training, folder)
    # The actor owns the processes and their reserved CPUs: when this job dies, so do they.
    host: Any = ray.remote(num_cpus=0, max_restarts=0)(_TrainHost).remote()
    workers = training.settings.mesh.size
    try:
        running = host.run.remote(str(task), workers, device, restarts)
        while not ray.wait([running], timeout=LOOK_S)[0]:
            failure = read_failure(folder)
            if failure is not None:  # Ray would start all again, to hear the same
                raise failure
            fraction, message = Progress.read(folder)
            progress(fraction, _lacking(workers, device) or message)
        ray.get(running)
    except RayError as error:
        failure = read_failure(folder)
        found = _found(error)
        for one in found if failure is None else []:
            failure = one if isinstance(one, CatenaError) else failure
        if failure is not None:
            raise failure from None
        lost = any(isinstance(one, RayError) for one in found)
        # A process whose neighbour is gone raises a RuntimeError.
        if not lost and any(not isinstance(one, RuntimeError) for one in found):
            raise  # it is a defect, to be recorded with all that is known of it
        raise FailedPrecondition(
            f"processes of the training were lost more than {restarts} times "
            f"({type(error).__name__}); start it again, it goes on from its last checkpoint"
        ) from error
    finally:
        ray.kill(host)
    return read_trained(folder)


def _lacking(workers: int, device: str) -> str:
    """What processes wait for that the cluster does not have; empty where it has all."""
    import ray

    kind = "GPU" if device == "cuda" else "CPU"
    there = ray.cluster_resources().get(kind, 0)  # type: ignore[no-untyped-call]
    if there >= workers:
        return ""
    return (
        f"waiting for {workers} {kind}s, one for each process of the mesh; the Ray cluster has "
        f"{there:g}: add machines, or cancel and choose a smaller mesh"
    )


def _found(error: Exception) -> list[BaseException]:
    """What Ray Train found on the processes that failed last."""
    failures = getattr(getattr(error, "cause", None), "worker_failures", {})
    return [getattr(one, "_base_exc", one) for one in failures.values()]


_NEEDLESS = ("PlacementGroupCleanerCallback", "DatasetsCallback")
"""Parts of Ray Train. The cleaner is a process that waits for ever where a training was killed and
Ray has no dashboard; reserved CPUs are free without it, as their owner is gone. There are no
datasets of Ray's, so nobody need manage them."""


class _TrainHost:
    """Process that owns the training's processes."""

    def run(self, task: str, workers: int, device: str, restarts: int) -> None:
        """Train to the end."""
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        class Trainer(TorchTrainer):
            """Without what it would start beside the processes of the training."""

            def _create_default_callbacks(self) -> list[Any]:
                made: list[Any] = super()._create_default_callbacks()  # type: ignore[misc]
                return [one for one in made if type(one).__name__ not in _NEEDLESS]

        gpu = device == "cuda"
        with tempfile.TemporaryDirectory(prefix="catena-train-") as scratch:
            Trainer(
                _loop,
                train_loop_config={"task": task, "device": device},
                torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
                scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
                run_config=RunConfig(
                    storage_path=scratch, failure_config=FailureConfig(max_failures=restarts)
                ),
            ).fit()


def _loop(told: dict[str, str]) -> None:
    """What each process does."""
    task = Path(told["task"])
    failure = read_failure(task.parent)
    if failure is not None:  # said by a process that was started before: it would be said again
        raise failure
    work(task, told["device"])
