"""The loop of a training: its books, its checkpoints, and what it does when something is wrong."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from support.line_engine import LineEngine, Lines

from catena.orbit_trainer.training import checkpoint_folder, loop
from catena.orbit_trainer.training.checkpoint_folder import CheckpointFolder
from catena.orbit_trainer.training.history import History
from catena.orbit_trainer.training.loop import Trained, train
from catena.orbit_trainer.training.schedule import learning_rate
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

SETTINGS = TrainingSettings(
    steps=40, batch=8, learning_rate=5e-3, checkpoint_every=10, validate_every=8
)
LOOKS = [Lines(16).batch(-1), Lines(16).batch(-2)]
CURVES = ("loss", "gradient_norm", "learning_rate", "skipped", "validation")


def trained(folder: Path, engine: LineEngine | None = None, **more: Any) -> Trained:
    settings = more.pop("settings", SETTINGS)
    lines = more.pop("lines", Lines())
    more.setdefault("validation", LOOKS)
    return train(engine or LineEngine(), lines, settings, folder=folder, **more)


def killed(folder: Path, at: int, **more: Any) -> None:
    engine = LineEngine()
    engine.killed_at = at
    with pytest.raises(KeyboardInterrupt):
        trained(folder, engine, **more)


def curves(history: History) -> dict[str, Any]:
    return {name: getattr(history, name) for name in CURVES}


def test_it_learns_and_writes_down_how(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    made = trained(tmp_path, progress=lambda fraction, message: told.append((fraction, message)))
    history = made.history
    assert made.weights["slope"].item() == pytest.approx(3.0, abs=0.2)
    assert made.weights["offset"].item() == pytest.approx(-2.0, abs=0.2)
    assert history.learning_rate == [learning_rate(SETTINGS, step) for step in range(40)]
    assert len(history.loss) == len(history.gradient_norm) == history.steps == 40
    assert all(0 <= share <= 1 for share in history.wait_share)
    assert all(0 < speed < math.inf for speed in history.samples_per_s)
    assert [step for step, _ in history.validation] == [8, 16, 24, 32, 40]
    assert [fraction for fraction, _ in told] == pytest.approx([n / 40 for n in range(1, 41)])
    assert told[-1][1].startswith("step 40 of 40: loss 0.0")


def test_the_rate_rises_in_the_warm_up_and_falls_by_a_cosine() -> None:
    settings = replace(SETTINGS, steps=100, warmup=0.1)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[0] == pytest.approx(settings.learning_rate / 10)
    assert rates[9] == rates[10] == settings.learning_rate == max(rates)
    assert rates[55] == pytest.approx(settings.learning_rate / 2)
    assert all(a > b > 0 for a, b in pairwise(rates[10:]))
    assert learning_rate(replace(settings, steps=1, warmup=0.0), 0) == settings.learning_rate


@pytest.mark.parametrize("at", [5, 10, 25, 39])
def test_a_killed_training_goes_on_to_the_same_curves_and_weights(tmp_path: Path, at: int) -> None:
    whole = trained(tmp_path / "whole")
    killed(tmp_path / "killed", at)
    resumed = trained(tmp_path / "killed")
    assert curves(resumed.history) == curves(whole.history), "to the bit"
    assert all(torch.equal(resumed.weights[name], whole.weights[name]) for name in whole.weights)


def test_a_killed_training_does_not_begin_again(tmp_path: Path) -> None:
    killed(tmp_path, 25)
    engine = LineEngine()
    trained(tmp_path, engine)
    assert engine.steps == 20, "the last checkpoint is that of step 20"
    engine = LineEngine()
    assert trained(tmp_path, engine).history.steps == 40 and engine.steps == 0, "nothing is left"


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    class Worse(LineEngine):
        def evaluate(self, batch: Any) -> float:
            return super().evaluate(batch) + (100.0 if self.steps > 16 else 0.0)

    made = trained(tmp_path, Worse())
    assert made.history.best is not None and made.history.best[0] == 16
    short = LineEngine()
    short.killed_at = 16
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "short", short)
    assert torch.equal(made.weights["slope"], short.state["slope"])


def test_without_validation_the_last_weights_are_those_that_are_kept(tmp_path: Path) -> None:
    engine = LineEngine()
    made = trained(tmp_path, engine, validation=())
    assert made.history.validation == [] and made.history.best is None
    assert torch.equal(made.weights["slope"], engine.state["slope"])


def test_nan_in_a_batch_is_skipped_and_counted(tmp_path: Path) -> None:
    told: list[str] = []
    made = trained(
        tmp_path, lines=Lines(spoiled=(7, 30)), progress=lambda _, message: told.append(message)
    )
    assert made.history.skipped == [7, 30]
    assert math.isnan(made.history.loss[7]) and math.isfinite(made.history.loss[8])
    assert made.weights["slope"].item() == pytest.approx(3.0, abs=0.2)
    assert told[-1].endswith(", 2 skipped")
    again = History.from_dict(json.loads(json.dumps(made.history.to_dict(), allow_nan=False)))
    assert math.isnan(again.loss[7]) and again.skipped == [7, 30]
    assert again.validation == made.history.validation


def test_nan_in_a_batch_stops_the_training_where_that_is_wanted(tmp_path: Path) -> None:
    stopping = replace(SETTINGS, nan="stop")
    with pytest.raises(InvalidData, match=r"at step 30 the loss is nan.*set nan to skip"):
        trained(tmp_path, lines=Lines(spoiled=(30,)), settings=stopping)
    engine = LineEngine()
    made = trained(tmp_path, engine, lines=Lines(spoiled=(30,)))  # now to be skipped
    assert made.history.skipped == [30] and engine.steps == 10, "it went on from step 30"


def test_a_model_that_is_broken_for_good_is_not_skipped_for_ever(tmp_path: Path) -> None:
    engine = LineEngine()
    with pytest.raises(InvalidData, match="as in the 19 steps before; lower the learning rate"):
        trained(tmp_path, engine, lines=Lines(spoiled=tuple(range(3, 40))))
    assert engine.steps == 3 + loop.MOST_SKIPPED


def test_a_cut_off_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = trained(tmp_path / "whole")
    killed(tmp_path / "cut", 25)
    state = tmp_path / "cut" / "step-000000020" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-7])
    engine = LineEngine()
    assert curves(trained(tmp_path / "cut", engine).history) == curves(whole.history)
    assert engine.steps == 30, "from step 10"
    assert "step-000000020 is no whole checkpoint: state.safetensors has" in caplog.text


@pytest.mark.parametrize("damage", ["{", "[]", '{"files": {}}', None])
def test_a_checkpoint_without_its_meta_is_none(tmp_path: Path, damage: str | None) -> None:
    killed(tmp_path, 25)
    meta = tmp_path / "step-000000020" / "meta.json"
    meta.unlink() if damage is None else meta.write_text(damage)
    found = CheckpointFolder(tmp_path).newest()
    assert found is not None and found[0].name == "step-000000010"


def test_a_foreign_checkpoint_is_refused_and_each_difference_is_named(tmp_path: Path) -> None:
    killed(tmp_path, 25, about={"model": {"width": 32, "grid": (8, 16)}})
    with pytest.raises(FailedPrecondition) as caught:
        trained(
            tmp_path,
            about={"model": {"width": 64, "grid": (8, 16)}},
            settings=replace(SETTINGS, learning_rate=1e-3),
        )
    said = caught.value.message
    assert "model.width was 32, now 64" in said
    assert "settings.learning_rate was 0.005, now 0.001" in said
    assert "grid" not in said and "folder of its own" in said


def test_where_it_runs_and_how_often_it_saves_may_change(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    killed(tmp_path / "moved", 25)
    moved = replace(SETTINGS, checkpoint_every=7, recompute=True, nan="stop")
    assert curves(trained(tmp_path / "moved", settings=moved).history) == curves(whole.history)


def test_a_full_disk_while_saving_is_said_and_leaves_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tmp_path / "whole")
    dump = json.dump

    def full(value: Any, file: Any) -> None:
        if "step-000000030" in file.name:
            file.write('{"files": ')
            raise OSError(errno.ENOSPC, "No space left on device")
        dump(value, file)

    monkeypatch.setattr(checkpoint_folder.json, "dump", full)
    with pytest.raises(OSError, match="No space left"):
        trained(tmp_path / "full")
    monkeypatch.undo()
    found = CheckpointFolder(tmp_path / "full").newest()
    assert found is not None and found[0].name == "step-000000020"
    assert curves(trained(tmp_path / "full").history) == curves(whole.history)
    assert not list((tmp_path / "full").glob("*.part")), "what was half written is gone"


def test_a_full_disk_for_the_best_weights_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(weights: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop, "save_file", full)
    with pytest.raises(FailedPrecondition, match=r"best weights could not be written.*No space"):
        trained(tmp_path)
    assert not list(tmp_path.glob("best*"))


def test_best_weights_that_are_gone_are_said(tmp_path: Path) -> None:
    trained(tmp_path)
    best = tmp_path / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-3])
    with pytest.raises(FailedPrecondition, match=r"best weights, of step 32, cannot be read again"):
        trained(tmp_path)


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    trained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.safetensors",
        "step-000000030",
        "step-000000040",
    ]


def test_validation_batches_that_cannot_be_shared_are_refused(tmp_path: Path) -> None:
    engine = LineEngine()
    engine.data_ranks = 3
    with pytest.raises(InvalidRequest, match="16 samples for 3 data ranks"):
        trained(tmp_path, engine)
