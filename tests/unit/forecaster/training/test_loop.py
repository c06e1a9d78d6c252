from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.forecast_batches import SIZES, forecast_inputs, with_gaps
from support.forecast_samples import InMemory

from catena.forecaster.training import FileCheckpoint, TrainingConfig, loop, train
from catena.forecaster.training.loop import Training, rate_factor
from catena.forecaster.training.samples import spread_rows
from catena.models.flow_model import FlowModel
from catena.models.flow_models import new_flow_model
from catena.shared.errors import FailedPrecondition, InvalidData

SMALL = {"width": 8, "embedding": 6}


def lstm(seed: int = 0, **more: Any) -> FlowModel[Any]:
    return new_flow_model("lstm", {**SIZES, **SMALL, **more}, seed)


def planted(count: int, seed: int, leads: int = 4) -> InMemory:
    """Flow that follows the forecast rain of its lead, past flow and an attribute."""
    inputs = forecast_inputs(count, 12, leads, process=False, seed=seed)
    targets = (
        inputs.future_weather[..., 0]
        + 0.5 * inputs.past_flow[:, -1:]
        + inputs.statics[:, :1] * inputs.future_weather[..., 1]
    )
    return InMemory(inputs, targets)


def noise(count: int, seed: int) -> InMemory:
    generator = torch.Generator().manual_seed(seed + 1000)
    return InMemory(
        with_gaps(forecast_inputs(count, 12, 4, seed=seed)),
        torch.randn(count, 4, generator=generator),
    )


@torch.inference_mode()
def means(model: FlowModel[Any], samples: InMemory) -> np.ndarray:
    return np.asarray(model(samples.inputs).mean().numpy())


def nse(model: FlowModel[Any], samples: InMemory) -> float:
    mean = means(model, samples)
    error = (mean - samples.targets.numpy()) ** 2
    return float(1 - error.mean() / samples.targets.numpy().var())


def same(a: FlowModel[Any], b: FlowModel[Any]) -> bool:
    return all(torch.equal(value, b.state()[name]) for name, value in a.state().items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("lstm", {"width": 24, "embedding": 16}),
        ("tst", {"width": 24, "heads": 2, "past_layers": 1}),
    ],
)
def test_a_planted_function_is_learned(name: str, sizes: dict[str, int]) -> None:
    model = new_flow_model(name, {**SIZES, **sizes}, 0)
    config = TrainingConfig(steps=250, batch=96, learning_rate=1e-2, evaluations=4)
    test = planted(500, seed=3)
    before = nse(model, test)
    train(model, planted(6000, seed=1), planted(500, seed=2), config, seed=0)
    assert before < 0.5
    assert nse(model, test) > 0.9


def test_what_cannot_be_known_is_not_found() -> None:
    """Flow that is noise: a forecast of held-out noise with skill would be a leak."""
    model = lstm()
    config = TrainingConfig(steps=60, batch=128, learning_rate=1e-2, evaluations=3)
    train(model, noise(2000, 1), noise(2000, 2), config, seed=0)
    assert nse(model, noise(4000, 3)) < 0.02


CONFIG = TrainingConfig(steps=24, batch=32, evaluations=4, loss="crps", balance_leads=True)


def trained(seed: int = 5, model: FlowModel[Any] | None = None, **options: Any) -> FlowModel[Any]:
    model = model or lstm()
    train(model, planted(300, 1), planted(100, 2), CONFIG, seed=seed, **options)
    return model


class Killed(Exception):
    pass


class KilledAfter(FileCheckpoint):
    """Dies right after its n-th save."""

    def __init__(self, path: Path, saves: int) -> None:
        super().__init__(path)
        self.left = saves

    def save(self, arrays: Any, meta: Any) -> None:
        super().save(arrays, meta)
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.mark.parametrize("saves", [1, 2, 7, 24])
def test_a_killed_training_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)
    whole = trained()
    path = tmp_path / "state"
    with pytest.raises(Killed):
        trained(checkpoint=KilledAfter(path, saves))
    # fresh weights of another seed: all must come from the checkpoint
    resumed = trained(model=lstm(seed=9), checkpoint=FileCheckpoint(path))
    assert same(resumed, whole)


def test_a_training_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "state"
    whole = trained(checkpoint=FileCheckpoint(path))
    before = path.read_bytes()
    assert same(trained(model=lstm(seed=9), checkpoint=FileCheckpoint(path)), whole)
    assert path.read_bytes() == before


def test_another_training_does_not_go_on_from_this_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "state"
    trained(checkpoint=FileCheckpoint(path))
    with pytest.raises(FailedPrecondition, match="other settings, seed"):
        trained(seed=6, checkpoint=FileCheckpoint(path))


def test_seeds_fix_the_weights_and_global_state_is_left_alone() -> None:
    generator = torch.get_rng_state()
    a, b, c = trained(), trained(), trained(seed=6)
    assert torch.equal(torch.get_rng_state(), generator)
    assert same(a, b) and not same(a, c)
    tiny = torch.tensor([1e-30]) * 1e-10
    assert tiny.item() > 0, "denormal numbers are left switched off"


def test_targets_that_are_missing_change_nothing() -> None:
    """A training with a column of NaN is one in which that column has no weight."""
    full, holes = planted(300, 1), planted(300, 1)
    holes.targets[:, 2] = math.nan
    other = InMemory(full.inputs, holes.targets.clone())
    other.inputs.future_weather[:, 3] += 1.0  # the last lead's weather matters to itself alone
    other.targets[:, 3] = holes.targets[:, 3] = math.nan
    models = [lstm(), lstm()]
    for model, samples in zip(models, (holes, other), strict=True):
        train(model, samples, planted(100, 2), CONFIG, seed=1)
    assert same(*models)


def test_the_best_weights_by_validation_are_kept_and_training_stops_early() -> None:
    told: list[tuple[float, str]] = []
    model = lstm()
    config = TrainingConfig(
        steps=400, batch=32, learning_rate=2e-2, evaluations=40, patience=3, average=0.0
    )
    samples, validation = noise(40, 1), noise(400, 2)
    done = train(
        model, samples, validation, config, seed=0, progress=lambda f, m: told.append((f, m))
    )
    assert done.stopped and done.history[-1][0] < 400
    assert done.best == min(done.history, key=lambda entry: entry[2])[0]
    mean = means(model, validation)
    again = Training(1)
    run = loop._Run(model, samples, validation, config, 0, (0, 1), None)
    run.smooth = {name: p.detach().clone() for name, p in model.named_parameters()}
    run.done = again
    run._evaluate()
    assert again.history[0][2] == pytest.approx(done.best_loss, rel=1e-5)
    assert len(told) == len(done.history)
    assert told[-1][0] == 1.0 and "validation loss" in told[-1][1]
    assert mean.shape == (400, 4)


def test_cpu_seconds_become_steps() -> None:
    model = lstm()
    config = TrainingConfig(cpu_s=1.0, batch=16, evaluations=3, patience=9)
    done = train(model, planted(2000, 1), planted(200, 2), config, seed=0)
    assert done.history[-1][0] == done.steps > 5
    few = TrainingConfig(cpu_s=1e9, steps=7, batch=64, evaluations=1)
    assert train(lstm(), planted(100, 1), planted(50, 2), few, seed=0).steps == 7


def test_processes_that_train_together_follow_the_one_that_trains_alone() -> None:
    """Each takes its part of the minibatch; the mean of their gradients is that of the whole."""
    alone = trained()
    gradients: dict[int, list[list[torch.Tensor]]] = {0: [], 1: []}

    class Recorded(Exception):
        pass

    for part in (0, 1):

        def keep(values: Any, part: int = part) -> None:
            gradients[part].append([v.clone() for v in values])
            raise Recorded

        with pytest.raises(Recorded):
            trained(average=keep, part=(part, 2))

    def mean(values: Any) -> None:
        if not hasattr(mean, "done"):
            for value, a, b in zip(values, gradients[0][0], gradients[1][0], strict=True):
                torch.testing.assert_close((a + b) / 2, value, rtol=1e-3, atol=1e-6)
            mean.done = True  # type: ignore[attr-defined]

    assert same(trained(average=mean), alone)
    assert hasattr(mean, "done")
    with pytest.raises(ValueError, match="need steps"):
        config = TrainingConfig(cpu_s=1.0)
        train(lstm(), planted(9, 1), planted(9, 2), config, seed=0, part=(0, 2))


def test_infinite_inputs_are_named() -> None:
    samples = planted(64, 1)
    samples.targets[:] = math.inf
    with pytest.raises(InvalidData, match=r"the loss is (inf|nan) at step 0"):
        train(lstm(), samples, planted(9, 2), CONFIG, seed=0)


def test_validation_that_is_not_finite_is_named() -> None:
    """It would never be beaten, and the weights would stay as they were at the start."""
    held = planted(9, 2)
    held.targets[3] = math.inf
    with pytest.raises(InvalidData, match=r"the validation loss is (inf|nan) at step 6"):
        train(lstm(), planted(64, 1), held, CONFIG, seed=0)


def test_small_errors_of_a_lead_are_worked_on_beside_large_ones_of_another() -> None:
    """Lead 1 can be known to a hundredth; leads 2 to 4 are noise a hundred times as large."""

    def samples(count: int, seed: int) -> InMemory:
        made = planted(count, seed)
        made.targets[:] *= 0.05
        generator = torch.Generator().manual_seed(seed)
        made.targets[:, 1:] += 5.0 * torch.randn(count, 3, generator=generator)
        return made

    def error(balance: bool) -> float:
        config = TrainingConfig(
            loss="nse", steps=150, batch=64, learning_rate=1e-2, evaluations=3,
            balance_leads=balance,
        )  # fmt: skip
        model = lstm()
        train(model, samples(2000, 1), samples(300, 2), config, seed=0)
        test = samples(500, 3)
        return float((means(model, test) - test.targets.numpy())[:, 0].std())

    assert error(balance=True) < 0.5 * error(balance=False)


def test_nothing_to_learn_from_is_refused() -> None:
    nothing = InMemory(planted(1, 1).inputs[:0], torch.empty(0, 4))
    with pytest.raises(InvalidData, match="0 samples to train"):
        train(lstm(), nothing, planted(9, 2), CONFIG, seed=0)
    empty = planted(9, 2)
    empty.targets[:] = math.nan
    with pytest.raises(InvalidData, match="no flow was observed"):
        train(lstm(), planted(64, 1), empty, CONFIG, seed=0)


def test_the_rate_rises_and_falls() -> None:
    factors = [rate_factor((k + 1) / 100, 0.1) for k in range(100)]
    assert np.argmax(factors) in (8, 9)
    assert 0 < factors[0] < 0.11 and factors[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(factors[10:]) < 0).all()


def test_rows_to_validate_with_are_spread() -> None:
    assert spread_rows(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_rows(3, 10).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give steps, or cpu_s"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 5, "loss": "nse+huber"}, "no loss 'huber'; there are nse, pinball, crps"),
        ({"steps": 5, "batch": 0}, "batch is 0"),
        ({"steps": 5, "clip": 0.0}, "clip is 0"),
        ({"steps": 5, "average": 1.0}, r"average is 1; wanted in \[0, 1\)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings)
