"""What becomes of errors of processes that Ray has started; Ray itself is in tests/faults."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_statistics import Statistics
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.training.launch import train_on_ray
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.orbit_trainer.trainings import Training
from catena.shared.errors import FailedPrecondition, InvalidData

TRAINING = Training(
    folders=(Path("/nowhere"),),
    config=OrbitConfig(("tas",), ("tas",), (8, 16), patch=4, width=32, depth=1, heads=4),
    statistics=Statistics(("tas",), ("K",), (280.0,), (8.0,), (6.0,), ((1.0,),)),
    settings=TrainingSettings(steps=4, batch=4, mesh=MeshShape(fsdp=4)),
    leads_h=(6.0,),
)


def raised(error: BaseException) -> UserExceptionWithTraceback:
    """As Ray Train has it."""
    return UserExceptionWithTraceback(error, "Traceback ...")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """In the place of a cluster with two CPUs, where every training ends with what it is told."""
    fake = SimpleNamespace(failures={}, killed=0, looks=1)

    def wait(running: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        fake.looks -= 1
        return ([], running) if fake.looks >= 0 else (running, [])

    def get(running: Any) -> None:
        error = RayTaskError("run", "Traceback ...", WorkerGroupError("lost", fake.failures))
        raise error.as_instanceof_cause()

    def kill(host: Any) -> None:
        fake.killed += 1

    host = SimpleNamespace(run=SimpleNamespace(remote=lambda *told: object()))
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(
        "ray.remote", lambda **told: lambda made: SimpleNamespace(remote=lambda: host)
    )
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr("ray.wait", wait)
    monkeypatch.setattr("ray.get", get)
    monkeypatch.setattr("ray.kill", kill)
    return fake


def test_what_a_process_could_not_write_down_is_raised_all_the_same(
    ray: SimpleNamespace, tmp_path: Path
) -> None:
    ray.failures = {0: raised(RuntimeError("closed by peer")), 1: raised(InvalidData("is NaN"))}
    with pytest.raises(InvalidData, match="is NaN"):
        train_on_ray(TRAINING, tmp_path)
    assert ray.killed == 1, "processes that are left are ended"


def test_what_a_process_has_written_down_ends_the_others_at_once(
    ray: SimpleNamespace, tmp_path: Path
) -> None:
    def progress(fraction: float, message: str) -> None:
        said = {"kind": "InvalidData", "message": "is NaN"}
        (tmp_path / "failure.json").write_text(json.dumps(said))

    ray.looks = 3
    with pytest.raises(InvalidData, match="is NaN"):
        train_on_ray(TRAINING, tmp_path, progress)
    assert ray.looks == 1 and ray.killed == 1


def test_lost_processes_are_not_taken_for_a_defect(ray: SimpleNamespace, tmp_path: Path) -> None:
    ray.failures = {0: raised(RuntimeError("closed by peer")), 1: ActorDiedError()}
    with pytest.raises(FailedPrecondition, match="were lost more than 3 times"):
        train_on_ray(TRAINING, tmp_path)


def test_a_defect_is_not_taken_for_lost_processes(ray: SimpleNamespace, tmp_path: Path) -> None:
    ray.failures = {0: raised(TypeError("a defect")), 1: raised(RuntimeError("closed by peer"))}
    with pytest.raises(RayTaskError):
        train_on_ray(TRAINING, tmp_path)


def test_a_cluster_that_is_too_small_is_said_while_it_is_waited_for(
    ray: SimpleNamespace, tmp_path: Path
) -> None:
    ray.failures, told = {0: ActorDiedError()}, []
    with pytest.raises(FailedPrecondition):
        train_on_ray(TRAINING, tmp_path, lambda _, message: told.append(message))
    assert "waiting for 4 CPUs" in told[0] and "the Ray cluster has 2" in told[0]


def test_a_full_disk_for_the_task_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*told: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(FailedPrecondition, match=r"task could not be written.*No space left"):
        train_on_ray(TRAINING, tmp_path)
