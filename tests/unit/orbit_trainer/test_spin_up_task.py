"""Emulators of spin-ups learn equilibria that are known functions of what a site is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from support.orbit_training import trained

from catena.models.column_scale import ColumnScale
from catena.models.orbit import Orbit, initialise
from catena.models.orbit_config import OrbitConfig
from catena.models.plant_rows import PRESENCE, PlantRows
from catena.models.spin_up_emulator import SpinUpEmulator
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.spin_up import (
    PoolError,
    SpinUpSamples,
    SpinUpStream,
    fit_emulator,
    known_error,
    spin_up_config,
    spin_up_task,
)
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidData, InvalidRequest

BACKBONE = OrbitConfig(("a",), ("a",), (8, 16), width=32, depth=1, heads=2, decoder_depth=1)
RNG = np.random.default_rng(0)


def planted(count: int) -> SpinUpSamples:
    """Pools of a linear cascade at equilibrium: C1 = input / k1, C2 = f C1 k1 / k2.

    The input follows from the mean of the forcing, the decay from a site's temperature (Q10) and
    from parameters; some sites have no second pool.
    """
    forcing = RNG.gamma(4.0, 1.0, (count, 24, 2)) + RNG.gamma(4.0, 1.0, (count, 1, 2))
    static = np.stack([RNG.uniform(-5, 25, count), RNG.uniform(0, 1, count)], -1)
    parameters = np.stack([RNG.uniform(0.5, 2, count), RNG.uniform(0.2, 0.8, count)], -1)[:, None]
    decay = parameters[:, 0, 0] * 2.0 ** ((static[:, 0] - 10) / 10)
    first = 100 * forcing[:, :, 0].mean(1) / decay
    second = 20 * parameters[:, 0, 1] * forcing[:, :, 0].mean(1) * 1.5 ** (-static[:, 0] / 10)
    second[RNG.random(count) < 0.1] = np.nan
    return SpinUpSamples(
        {"forcing": forcing, "static": static, "parameters": parameters},
        np.stack([first, second], -1),
    )


def test_it_learns_a_cascade_on_pretrained_blocks(tmp_path: Path) -> None:
    samples, own, chosen_on = planted(1200), np.arange(1000), np.arange(1000, 1100)
    pretrained = Pretrained(BACKBONE, initialise(Orbit(BACKBONE), 1).state_dict())
    config = spin_up_config(samples, BACKBONE)
    assert [kind.tokens for kind in config.inputs] == [2, 1, 1]
    task = spin_up_task(config, pretrained=pretrained)
    assert {name.split(".")[0] for name in task.transfer.weights} == {"blocks"}
    settings = TrainingSettings(steps=150, batch=64, learning_rate=5e-3, validate_every=75)
    fitted, histories = fit_emulator(
        samples, BACKBONE, settings, tmp_path, pretrained=pretrained, rows=own, validation=chosen_on
    )
    assert [(one.steps, len(one.validation)) for one in histories] == [(150, 2)]
    # What the coupler reads: JSON and weights.
    emulator = SpinUpEmulator.from_parts(json.loads(json.dumps(fitted.to_dict())), fitted.arrays())
    made = emulator.predict({name: values[1100:] for name, values in samples.inputs.items()})
    truth = samples.targets[1100:]
    for pool in range(2):
        known = np.isfinite(truth[:, pool])
        error = ((made - truth)[known, pool] ** 2).mean() / truth[known, pool].var()
        assert 1 - error > 0.95
    assert (made >= 0).all()


def test_unknown_targets_count_as_met() -> None:
    predicted = torch.tensor([[1.0, 5.0], [2.0, 7.0]], requires_grad=True)
    loss = known_error(predicted, torch.tensor([[0.0, torch.nan], [4.0, torch.nan]]))
    assert loss.item() == pytest.approx((1 + 4) / 4)
    loss.backward()
    assert predicted.grad is not None
    torch.testing.assert_close(predicted.grad, torch.tensor([[0.5, 0.0], [-1.0, 0.0]]))


def test_pools_count_by_what_they_hold_too() -> None:
    pools = np.array([[1.0, -2.0], [10.0, 3.0], [400.0, np.nan], [90.0, 0.5]])
    scale = ColumnScale.fitted(pools, [True, False])
    error = PoolError(scale, pools)
    wanted = torch.from_numpy(scale.normalised(pools))
    made = (wanted.nan_to_num(5.0) + 0.3).requires_grad_()
    # One by one, in units: Huber's function of what is missed over the standard deviation.
    total = 0.0
    there = scale.restored(made.detach().numpy())
    for site, pool in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 0), (3, 1)):
        missed = abs(there[site, pool] - pools[site, pool]) / np.nanstd(pools[:, pool])
        total += 0.5 * missed**2 if missed < 1 else missed - 0.5
        total += 0.3**2
    loss = error(made, wanted)
    assert loss.item() == pytest.approx(total / 8, rel=1e-4)
    loss.backward()
    assert made.grad is not None
    assert made.grad[2, 1] == 0
    far = torch.full_like(wanted, 1e4).requires_grad_()
    error(far, wanted).backward()
    assert far.grad is not None
    assert far.grad.isfinite().all()


def test_several_models_say_their_mean_and_each_is_another(tmp_path: Path) -> None:
    samples = planted(160)
    settings = TrainingSettings(steps=12, batch=32, learning_rate=5e-3)
    held_out = np.arange(120, 160)
    said: list[float] = []
    fitted, histories = fit_emulator(
        samples,
        BACKBONE,
        settings,
        tmp_path,
        validation=held_out,
        members=2,
        progress=lambda fraction, message: said.append(fraction),
    )
    assert [one.steps for one in histories] == [12, 12]
    assert said == sorted(said)
    assert (said[0], said[-1]) == (pytest.approx(1 / 24), 1.0)
    alone = [
        SpinUpEmulator(fitted.config, fitted.scales, [one.state_dict()]) for one in fitted.models
    ]
    scaled = [fitted.scales.targets.normalised(one.predict(samples.inputs)) for one in alone]
    assert np.abs(scaled[0] - scaled[1]).max() > 0.01
    both = fitted.scales.targets.normalised(fitted.predict(samples.inputs))
    np.testing.assert_allclose(both, (scaled[0] + scaled[1]) / 2, atol=1e-4)
    # Called again, it goes on from where it was: nothing is left to do.
    again, _ = fit_emulator(samples, BACKBONE, settings, tmp_path, validation=held_out, members=2)
    np.testing.assert_array_equal(again.predict(samples.inputs), fitted.predict(samples.inputs))
    with pytest.raises(InvalidRequest, match="0 members"):
        fit_emulator(samples, BACKBONE, settings, tmp_path, members=0)


def test_frozen_blocks_from_scratch_are_refused_and_shares_are_parts() -> None:
    samples = planted(40)
    stream = SpinUpStream(samples, samples.scales(), 8, 0, rows=range(16))
    batch = stream.batch(1)
    part = stream.batch(1, 1, 2)
    torch.testing.assert_close(part.targets, batch.part(1, 2).targets, equal_nan=True)
    torch.testing.assert_close(part.extra["static"], batch.part(1, 2).extra["static"])
    seen = torch.cat([stream.batch(step).extra["static"] for step in range(2)])
    assert len(torch.unique(seen, dim=0)) == 16
    pretrained = Pretrained(BACKBONE, initialise(Orbit(BACKBONE), 1).state_dict())
    config = spin_up_config(samples, BACKBONE)
    model = trained(
        spin_up_task(config, pretrained=pretrained, adaptation=Adaptation("frozen")), stream, 2
    )
    for name, weight in model.named_parameters():
        if name.startswith("blocks."):
            assert torch.equal(weight, pretrained.weights[name]), name


def test_bad_samples_are_refused() -> None:
    samples = planted(10)
    with pytest.raises(InvalidData, match="as many sites in all"):
        SpinUpSamples(dict(samples.inputs), samples.targets[:9])
    with pytest.raises(InvalidData, match="nothing infinite"):
        SpinUpSamples(dict(samples.inputs), np.full((10, 2), np.inf))
    with pytest.raises(InvalidData, match="cannot be scaled: column 0 has values down to -"):
        SpinUpSamples(dict(samples.inputs), -samples.targets).scales()
    emulator_scales = samples.scales()
    with pytest.raises(ValueError, match="weights of another emulator"):
        SpinUpEmulator(spin_up_config(samples, BACKBONE), emulator_scales, [{}])


def test_plants_learn_from_each_other(tmp_path: Path) -> None:
    """A plant that grows at a few sites only is learned from what the others do."""
    random = np.random.default_rng(4)
    count = 600
    there = np.zeros((count, 2))
    there[:, 0], there[::60, 1] = 1.0, 1.0
    there[::60, 0] = 0.0
    growth = random.uniform(0.5, 2.0, (count, 1))
    leaves = np.where(there > 0, 100.0 * growth, np.nan)
    pools = np.concatenate([leaves, 1000.0 * growth], axis=1)
    names = ("leafc.oak", "leafc.grass", "soil4c")
    samples = SpinUpSamples({"growth": growth, PRESENCE: there}, pools)
    plants = PlantRows.of(("oak", "grass"), names, {PRESENCE: ["oak", "grass"]})
    settings = TrainingSettings(steps=120, batch=64, learning_rate=5e-3, validate_every=60)
    chosen_on = np.arange(480, 540)
    fitted, _ = fit_emulator(
        samples, BACKBONE, settings, tmp_path, validation=chosen_on, pools=names, plants=plants
    )
    assert fitted.config.targets == 2
    emulator = SpinUpEmulator.from_parts(json.loads(json.dumps(fitted.to_dict())), fitted.arrays())
    there = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    growth = np.array([[1.7], [1.7], [0.8]])
    made = emulator.judged({"growth": growth, PRESENCE: there})
    right = np.array([[np.nan, 170.0, 1700.0], [170.0, np.nan, 1700.0], [80.0, 80.0, 800.0]])
    np.testing.assert_allclose(made.mean, right, rtol=0.08)
    assert made.unfamiliar.shape == (3,)
    # It never saw both of them together.
    assert made.unfamiliar[2] > made.unfamiliar[1]


def test_plants_that_nobody_names_are_refused(tmp_path: Path) -> None:
    samples = planted(20)
    plants = PlantRows.of(("oak",), ("wood", "litter"), {PRESENCE: ["oak"]})
    with pytest.raises(InvalidData, match="cannot be parted by their plants"):
        fit_emulator(samples, BACKBONE, TrainingSettings(steps=1, batch=4), tmp_path, plants=plants)
