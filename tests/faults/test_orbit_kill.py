"""A process of a training is killed with SIGKILL: all start again, and nothing else changes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import ray
import torch
from support.orbit_caches import cached, waves
from support.orbit_ranks import Ranks
from support.ray_cluster import RayCluster

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.training import worker
from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder
from catena.orbit_trainer.training.launch import train_on_ray
from catena.orbit_trainer.training.loop import Trained
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.orbit_trainer.training.task import write_task
from catena.orbit_trainer.trainings import Training
from catena.shared.hot_cache_period import Period

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

NAMES = ("tas", "psl", "ua")
STEPS, EVERY = 40, 5


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    folder = tmp_path_factory.mktemp("caches") / "waves"
    cache = cached(waves(NAMES), folder)
    learned = Period("", "2001-01-12")
    return Training(
        folders=(folder,),
        config=OrbitConfig(
            NAMES, ("tas",), (8, 16), patch=4, width=32, depth=2, heads=4, drop_path=0.1
        ),
        statistics=measured(cache, NAMES, (6.0,), learned),
        settings=TrainingSettings(
            steps=STEPS,
            batch=8,
            mesh=MeshShape(fsdp=2),
            checkpoint_every=EVERY,
            validate_every=20,
        ),
        leads_h=(6.0,),
        period=learned,
        validation=Period("2001-01-12T12"),
    )


@pytest.fixture(scope="module")
def undisturbed(training: Training, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """What two processes make of it that nobody kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    settings = replace(training.settings, checkpoint_every=STEPS)
    write_task(folder / "task.json", replace(training, settings=settings), folder / "run")
    ranks = Ranks(2, folder)
    try:
        ranks.run(worker.work, folder / "task.json")
        yield worker.read_trained(folder / "run")
    finally:
        ranks.close()


def same(made: Trained, wanted: Trained) -> bool:
    """Whether two trainings have the same curves and weights, to the bit."""
    curves = ("loss", "gradient_norm", "learning_rate", "skipped", "validation")
    for name in curves:
        assert getattr(made.history, name) == getattr(wanted.history, name), name
    return all(torch.equal(made.weights[name], one) for name, one in wanted.weights.items())


def step_in(folder: Path) -> int:
    found = CheckpointFolder(folder).newest()
    return int(found[0].name.removeprefix("step-")) if found else 0


def test_torchrun_starts_all_again_after_a_rank_was_killed(
    training: Training, undisturbed: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    write_task(tmp_path / "task.json", training, folder)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "--max-restarts=1"]
    command += ["-m", "catena.orbit_trainer.training.worker", "--task", str(tmp_path / "task.json")]
    with subprocess.Popen(command, start_new_session=True) as launcher:
        try:
            while not EVERY < step_in(folder) < STEPS:
                assert launcher.poll() is None, "it ended before anything was killed"
                time.sleep(0.02)
            at = step_in(folder)
            ranks = psutil.Process(launcher.pid).children(recursive=True)
            [victim] = [one for one in ranks if one.environ().get("RANK") == "1"]
            victim.send_signal(signal.SIGKILL)
            assert launcher.wait(timeout=900) == 0
        finally:
            if launcher.poll() is None:
                os.killpg(launcher.pid, signal.SIGKILL)
    assert at < STEPS
    assert same(worker.read_trained(folder), undisturbed)


def named(cluster: RayCluster, name: str) -> list[psutil.Process]:
    """Processes of a Ray cluster that serve an actor of this name."""
    found = []
    for process in cluster.processes():
        with contextlib.suppress(psutil.Error, IndexError):  # it has just ended
            if name in process.cmdline()[0]:
                found.append(process)
    return found


@pytest.mark.exhaustive
def test_ray_starts_all_again_after_a_process_was_killed(
    training: Training, undisturbed: Trained, tmp_path: Path, ray_cluster: RayCluster
) -> None:
    if not ray.is_initialized():
        ray.init(address=ray_cluster.address, namespace="tests", log_to_driver=False)
    killed: list[int] = []
    others: list[psutil.Process] = []
    ended = threading.Event()

    def kill_one() -> None:
        workers: list[psutil.Process] = []
        while len(workers) < 2 and not ended.wait(0.3):
            workers = named(ray_cluster, "RayTrainWorker")
        while not step_in(tmp_path) and not ended.wait(0.02):
            pass
        if not ended.is_set():
            others.extend(named(ray_cluster, "PlacementGroupCleaner"))
            workers[-1].send_signal(signal.SIGKILL)
            killed.append(step_in(tmp_path))

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        made = train_on_ray(training, tmp_path)
    finally:
        ended.set()
        killer.join()
    assert killed and killed[0] < STEPS, "it ended before anything was killed"
    assert same(made, undisturbed)
    assert not others, "it would stay for ever if the job were killed"
