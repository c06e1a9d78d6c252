"""Processes of a training: what they are told, and what they leave."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from support.orbit_caches import cached, waves

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training import worker
from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder, seal, unfinished
from catena.orbit_trainer.training.launch import train_on_ray
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.orbit_trainer.training.task import read_task, write_task
from catena.orbit_trainer.trainings import Training, run
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest
from catena.shared.hot_cache_period import Period

NAMES = ("tas", "psl", "ua")
CONFIG = OrbitConfig(NAMES, ("tas",), (8, 16), patch=4, width=32, depth=2, heads=4)
SETTINGS = TrainingSettings(steps=4, batch=4, checkpoint_every=2, validate_every=2)


def training_on(folder: Path, **changes: Any) -> Training:
    cache = cached(waves(NAMES), folder)
    given: dict[str, Any] = {
        "folders": (folder,),
        "config": CONFIG,
        "statistics": measured(cache, NAMES, (6.0, 12.0), Period("", "2001-01-12")),
        "settings": SETTINGS,
        "leads_h": (6.0, 12.0),
        "period": Period("", "2001-01-12"),
        "validation": Period("2001-01-12T12"),
    }
    return Training(**given | changes)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return training_on(tmp_path_factory.mktemp("caches") / "waves")


def test_a_task_is_the_training_that_was_written(training: Training, tmp_path: Path) -> None:
    before = Pretrained(CONFIG, {"a": torch.randn(3), "b": torch.zeros(2, 2)})
    written = replace(
        training, samples=7, pretrained=before, adaptation=Adaptation("lora", 4), leads_h=(6.0,)
    )
    write_task(tmp_path / "job" / "task.json", written, tmp_path / "run")
    read, folder = read_task(tmp_path / "job" / "task.json")
    assert folder == tmp_path / "run"
    assert read.pretrained is not None and read.pretrained.config == CONFIG
    assert all(
        torch.equal(read.pretrained.weights[name], one) for name, one in before.weights.items()
    )
    same = {**vars(read), "pretrained": None}
    assert same == {**vars(written), "pretrained": None}


def test_a_task_by_hand_needs_little_and_has_paths_of_its_own_folder(
    training: Training, tmp_path: Path
) -> None:
    (tmp_path / "waves").symlink_to(training.folders[0])
    (tmp_path / "task.json").write_text(
        json.dumps(
            {
                "task": "forecast",
                "caches": ["waves"],
                "model": CONFIG.to_dict(),
                "settings": {"steps": 4, "batch": 4},
                "checkpoints": "run",
                "leads_h": [6, 12],
                "period": {"stop": "2001-01-12"},
            }
        )
    )
    read, folder = read_task(tmp_path / "task.json")
    assert read.statistics == training.statistics, "measured in the period"
    assert folder == tmp_path / "run" and read.validation is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda task: task.pop("settings"), "settings: is missing"),
        (lambda task: task.update(step=1), "step: there is no such field"),
        (lambda task: task.update(task="spin"), "task: 'spin'; wanted forecast or downscale"),
        (lambda task: task.update(task=["forecast"]), "wanted forecast or downscale"),
        (lambda task: task.update(settings=5), "settings are 5; wanted an object"),
        (lambda task: task.update(caches="waves"), "caches is 'waves'; wanted a list of folders"),
        (lambda task: task.update(samples="all"), "samples is 'all'; wanted a whole number"),
        (lambda task: task.update(period={"stop": 2001}), "wanted dates in quotes"),
        (lambda task: task["settings"].update(batch=0), "batch: 0; wanted at least 1"),
        (lambda task: task["model"].update(patch=3), "grid 8 x 16 is not divisible by the patch"),
        (lambda task: task["model"].pop("grid"), "KeyError: 'grid'"),
        (lambda task: task.update(pretrained={"model": {}, "weights": "no"}), "cannot be read"),
        (lambda task: task.update(adaptation={"kind": "half"}), "adapter 'half'; wanted"),
    ],
)
def test_what_is_wrong_with_a_task_is_said(
    training: Training, tmp_path: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    path = tmp_path / "task.json"
    write_task(path, training, tmp_path / "run")
    task = json.loads(path.read_text())
    change(task)
    path.write_text(json.dumps(task))
    with pytest.raises(InvalidRequest) as caught:
        read_task(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", None])
def test_a_task_that_is_no_json_is_said(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "task.json").write_text(text)
    with pytest.raises(InvalidRequest, match=r"task task.json: wanted a JSON object"):
        read_task(tmp_path / "task.json")


def test_one_process_needs_no_group_and_leaves_what_it_trained(
    training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(tmp_path / "task.json", training, tmp_path / "run")
    assert worker.main(["--task", str(tmp_path / "task.json"), "--local_rank", "0"]) == 0
    left = worker.read_trained(tmp_path / "run")
    here = run(training, tmp_path / "here")
    assert left.history.loss == here.history.loss
    assert left.history.validation == here.history.validation
    assert all(torch.equal(left.weights[name], one) for name, one in here.weights.items())
    assert worker.Progress.read(tmp_path / "run")[0] == 1.0
    assert "step 4 of 4: loss" in capsys.readouterr().out
    worker.forget(tmp_path / "run")
    with pytest.raises(FailedPrecondition, match="has left no weights"):
        worker.read_trained(tmp_path / "run")


def test_what_a_process_raises_is_written_down(
    training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = replace(training, settings=replace(SETTINGS, mesh=MeshShape(ddp=2)))
    write_task(tmp_path / "task.json", many, tmp_path / "run")
    assert worker.main(["--task", str(tmp_path / "task.json")]) == 1
    failure = worker.read_failure(tmp_path / "run")
    assert isinstance(failure, InvalidRequest)
    assert "a mesh of 2 places for 1 processes" in failure.message
    assert failure.message in capsys.readouterr().err
    worker.forget(tmp_path / "run")
    assert worker.read_failure(tmp_path / "run") is None
    assert worker.Progress.read(tmp_path / "run") == (0.0, "starting processes")


def test_processes_begin_at_the_same_checkpoint(tmp_path: Path) -> None:
    worker.seen(tmp_path, "", timeout_s=0.0)
    with pytest.raises(FailedPrecondition, match=r"from step-000000002, this one sees no checkpoi"):
        worker.seen(tmp_path, "step-000000002", timeout_s=0.0)

    def late() -> None:
        unfinished(tmp_path / "step-000000002").mkdir()
        seal(tmp_path / "step-000000002", {})

    timer = threading.Timer(0.3, late)
    timer.start()
    worker.seen(tmp_path, "step-000000002", timeout_s=20.0)
    timer.join()
    with pytest.raises(FailedPrecondition, match=r"from the beginning, this one sees step-0000000"):
        worker.seen(tmp_path, "", timeout_s=0.0)


def test_processes_that_start_again_do_not_meet_the_dead_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for name, value in {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(kept.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # torchrun's own, one for all starts
        "TORCHELASTIC_MAX_RESTARTS": "3",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }.items():
        monkeypatch.setenv(name, value)
    before, rank, size = worker._meeting()
    before.set("address", "of a process that is killed")
    assert (rank, size) == (0, 2) and before.check(["address"])
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not worker._meeting()[0].check(["address"])
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    with pytest.raises(FailedPrecondition, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        worker._meeting()


def full(*args: Any, **more: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_the_training_goes_on_and_its_end_is_said(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(tmp_path / "task.json", training, tmp_path / "run")
    monkeypatch.setattr(Path, "write_text", full)  # progress, and what went wrong
    with pytest.raises(FailedPrecondition, match=r"trained could not be written.*No space left"):
        worker.work(tmp_path / "task.json")
    monkeypatch.undo()
    found = CheckpointFolder(tmp_path / "run").newest()
    assert found is not None and found[0].name == "step-000000004"
    assert worker.Progress.read(tmp_path / "run") == (0.0, "starting processes")
    worker.work(tmp_path / "task.json")  # now there is space
    assert worker.read_trained(tmp_path / "run").history.steps == 4


def test_a_checkpoint_with_damaged_numbers_is_passed_over_for_the_one_before(
    training: Training, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(training, tmp_path)
    [numbers] = (tmp_path / "step-000000004").glob("*.distcp")
    content = bytearray(numbers.read_bytes())
    content[len(content) // 2] ^= 1
    numbers.write_bytes(content)
    again = run(training, tmp_path)
    assert again.history.loss == whole.history.loss
    assert all(torch.equal(again.weights[name], one) for name, one in whole.weights.items())
    assert "step-000000004 cannot be read into this model" in caplog.text
    for numbers in tmp_path.glob("step-*/*.distcp"):
        numbers.write_bytes(bytes(numbers.stat().st_size))
    with pytest.raises(FailedPrecondition, match="step-000000004 cannot be read"):
        run(training, tmp_path)


def test_a_training_from_other_weights_or_with_other_days_is_another_one(
    training: Training, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, steps=1)
    before = {name: one + 1.0 for name, one in run(training, tmp_path / "first").weights.items()}
    tuned = replace(training, settings=settings, pretrained=Pretrained(CONFIG, before))
    run(tuned, tmp_path / "run")
    run(tuned, tmp_path / "run")
    other = replace(tuned, pretrained=None, validation=Period("2001-01-13"))
    with pytest.raises(FailedPrecondition) as caught:
        run(other, tmp_path / "run")
    assert "pretrained was" in caught.value.message
    assert "validation was ['2001-01-12T12', '']" in caught.value.message


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(FailedPrecondition, match="sees no GPU"), worker.joined("cuda"):
        raise AssertionError("it went on")


def test_without_ray_several_processes_are_refused(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(FailedPrecondition, match=r"call ray\.init\(\) first"):
        train_on_ray(training, tmp_path)


def test_damaged_data_end_a_training_that_is_to_stop(training: Training, tmp_path: Path) -> None:
    values = waves(NAMES)
    values["tas"][30:] = 1e25  # squared, it is infinite in float32
    cached(values, tmp_path / "spoiled")
    stopping = replace(
        training, folders=(tmp_path / "spoiled",), settings=replace(SETTINGS, steps=40, nan="stop")
    )
    with pytest.raises(InvalidData, match="look for NaN or infinite numbers in the batch"):
        run(stopping, tmp_path / "run")
