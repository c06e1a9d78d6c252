from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from catena.models.column_scale import ColumnScale
from catena.models.orbit_spin_up import InputKind, OrbitSpinUp, SpinUpConfig, initial_spin_up
from catena.models.spin_up_emulator import SpinUpEmulator, SpinUpScales

CONFIG = SpinUpConfig(
    (
        InputKind("forcing", rows=30, features=6, per_token=12),
        InputKind.vector("static", 11, per_token=4),
        InputKind("parameters", rows=5, features=3),
    ),
    targets=7,
    width=32,
    depth=2,
    heads=2,
)


def built(config: SpinUpConfig) -> OrbitSpinUp:
    model = OrbitSpinUp(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(initial_spin_up(config, name, tuple(weight.shape), 1, weight.dtype))
    return model


def inputs(count: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = {"forcing": (30, 6), "static": (11,), "parameters": (5, 3)}
    return {name: torch.randn(count, *shape, generator=random) for name, shape in shapes.items()}


def test_each_kind_has_tokens_of_its_own() -> None:
    assert [kind.tokens for kind in CONFIG.inputs] == [3, 3, 5]
    model = built(CONFIG)
    forcing, static, _ = model.encoders
    assert forcing.values.shape == (1, 2 * 12 * 6, 32)  # years share their weights
    assert static.values.shape == (3, 2 * 4, 32)  # numbers of a vector do not
    assert model(inputs(4)).shape == (4, 7)


def test_a_sample_is_a_site_and_sees_no_other() -> None:
    model, known = built(CONFIG), inputs(4)
    alone = {name: values[2:3] for name, values in known.items()}
    torch.testing.assert_close(model(known)[2:3], model(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["forcing", "static", "parameters"])
def test_every_number_is_seen_and_missing_is_not_the_mean(name: str) -> None:
    model, known = built(CONFIG), inputs(1)
    plain = model(known)
    mean, lost = known[name].clone(), known[name].clone()
    mean[0, -1] = 0.0
    lost[0, -1] = torch.nan
    with_mean, without = (model({**known, name: values}) for values in (mean, lost))
    assert (plain - with_mean).abs().max() > 1e-4
    assert (without - with_mean).abs().max() > 1e-4
    without.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_inputs_of_another_shape_are_refused() -> None:
    model, known = built(CONFIG), inputs(2)
    with pytest.raises(ValueError, match=r"static of shape \(2, 9\); wanted \(samples, 11, 1\)"):
        model({**known, "static": known["static"][:, :9]})
    with pytest.raises(ValueError, match="parameters is wanted too"):
        model({name: known[name] for name in ("forcing", "static")})
    with pytest.raises(ValueError, match="each kind of input once"):
        replace(CONFIG, inputs=CONFIG.inputs[:1] * 2)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"feed": 0}, "feed 0"),
        ({"decoder_depth": -1}, "decoder_depth -1; wanted a width"),
        ({"drop_path": 1.0}, r"drop_path 1\.0; wanted 0 or more"),
        ({"width": 0, "heads": 1}, "width 0"),
    ],
)
def test_sizes_that_make_no_model_are_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(CONFIG, **wrong)


@pytest.mark.parametrize("depth", [2, 12])
def test_first_weights_keep_variances(depth: int) -> None:
    config = replace(CONFIG, width=64, heads=4, depth=depth)
    model, known = built(config), inputs(256)
    seen: dict[str, float] = {}
    for name, block in [("first", model.blocks["0"]), ("last", model.blocks[str(depth - 1)])]:
        block.register_forward_hook(
            lambda _, given, made, name=name: seen.update({name: float(made.detach().var())})
        )
        block.attention.register_forward_hook(
            lambda _, given, made, name=name: seen.update(
                {f"{name} change": float(made.detach().var())}
            )
        )
    predicted = model(known)
    # Tokens grow by a part of themselves through all blocks, however many there are.
    assert 0.8 < seen["last"] / seen["first"] < 3.0
    # A block is felt from the first step, and none drowns what comes in.
    assert 0.01 / depth < seen["first change"] / seen["first"] < 2.0 / depth
    assert predicted.std() < 0.5


def test_sites_are_as_many_in_each_kind_and_one_at_least() -> None:
    known = {name: values.numpy() for name, values in inputs(4).items()}
    scales = SpinUpScales(
        {name: ColumnScale.fitted(values) for name, values in known.items()},
        ColumnScale.fitted(np.ones((3, CONFIG.targets))),
    )
    emulator = SpinUpEmulator(CONFIG, scales, [built(CONFIG).state_dict()])
    assert emulator.predict(known).shape == (4, CONFIG.targets)
    with pytest.raises(ValueError, match="sites: 4 of forcing, 3 of static, 4 of parameters"):
        emulator.predict({**known, "static": known["static"][:3]})
    with pytest.raises(ValueError, match=r"0 of forcing, .*and one at least"):
        emulator.predict({name: values[:0] for name, values in known.items()})


def test_its_shape_goes_through_json() -> None:
    assert SpinUpConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


def test_scaled_columns_come_back_and_pools_are_never_negative() -> None:
    random = np.random.default_rng(0)
    values = np.stack([random.normal(5.0, 3.0, 50), np.exp(random.normal(6.0, 2.0, 50))], -1)
    values[3:9, 1] = 0.0
    values[0] = np.nan
    scale = ColumnScale.fitted(values, [False, True])
    scaled = scale.normalised(values)
    known = scaled[1:].astype(np.float64)
    np.testing.assert_allclose(known.mean(0), 0.0, atol=1e-6)
    np.testing.assert_allclose(known.std(0), 1.0, atol=1e-6)
    assert np.isnan(scaled[0]).all()
    again = ColumnScale.from_dict(json.loads(json.dumps(scale.to_dict())))
    np.testing.assert_allclose(again.restored(scaled)[1:], values[1:], rtol=1e-4, atol=1e-3)
    far = scale.restored(np.array([[-50.0, -50.0], [50.0, 1e9]]))
    assert far[0, 1] == 0.0
    assert np.isfinite(far).all()
    with pytest.raises(ValueError, match="column 0 has values down to"):
        ColumnScale.fitted(values, True)
    with pytest.raises(ValueError, match="wanted 2 columns"):
        scale.normalised(values[:, :1])


def test_what_is_not_finite_does_not_count() -> None:
    values = np.array([[1.0], [4.0], [np.inf], [np.nan], [np.inf], [np.inf]])
    known, all_ = ColumnScale.fitted(values[:2], True), ColumnScale.fitted(values, True)
    assert all_.to_dict() == known.to_dict()


def test_a_column_that_never_changes_is_zero() -> None:
    scale = ColumnScale.fitted(np.full((4, 1), 1e6))
    np.testing.assert_array_equal(scale.normalised(np.full((4, 1), 1e6)), 0.0)
