"""One process: the engine against a plain loop of torch, and what its parts promise."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from support.orbit_meshes import RATE, batch_for, config_for, engine_for, loss_of, steps_of
from torch import Tensor, nn

from catena.models.orbit import Orbit, initial
from catena.orbit_trainer.engines.adamw import decays
from catena.orbit_trainer.engines.base import call_orbit
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.parallel.blocks import block_runs
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.parallel.pipeline import cut_stage
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidRequest

ONE = MeshShape()
CONFIG = config_for(ONE)


def test_steps_are_those_of_a_plain_loop_with_torch() -> None:
    engine, model = engine_for(ONE), Orbit(CONFIG)
    model.load_state_dict(engine.weights())
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, weight in model.named_parameters():
        table = name in ("embedding.position", "embedding.aggregation.offset")
        groups[weight.ndim > 1 and not table].append(weight)
    optimizer = torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": 0.1}, {"params": groups[False]}],
        lr=RATE,
        betas=(0.9, 0.95),
        weight_decay=0.0,
        foreach=False,
    )
    expected = []
    for step in range(4):
        batch = batch_for(CONFIG, step)
        optimizer.zero_grad()
        loss = loss_of(call_orbit(model, batch), batch)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.02)
        optimizer.step()
        expected.append((loss.item(), norm.item()))
    for mine, theirs in zip(steps_of(engine, CONFIG, range(4)), expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    weights = engine.weights()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weights[name], weight.detach(), rtol=1e-4, atol=1e-5)


def test_matrices_decay_and_norms_biases_and_embeddings_do_not() -> None:
    whole = {name: decays(name, weight) for name, weight in Orbit(CONFIG).named_parameters()}
    kept = {name for name, decayed in whole.items() if not decayed}
    assert {name for name in whole if "bias" in name or "norm" in name} < kept
    assert {"embedding.position", "embedding.aggregation.offset"} < kept
    assert whole["blocks.0.attention.qkv.weight"]
    assert whole["embedding.aggregation.tokeniser"]


def test_microbatches_give_the_step_of_the_whole_batch() -> None:
    whole = steps_of(engine_for(ONE), CONFIG, range(3))
    parts = steps_of(engine_for(ONE, microbatches=4), CONFIG, range(3))
    for one, other in zip(whole, parts, strict=True):
        assert one == pytest.approx(other, rel=2e-6)


def test_recomputed_activations_change_no_bit_and_no_name() -> None:
    plain, again = engine_for(ONE), engine_for(ONE, recompute=True)
    assert steps_of(plain, CONFIG, range(2)) == steps_of(again, CONFIG, range(2))
    assert list(again.weights()) == list(dict(Orbit(CONFIG).named_parameters()))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_compiled_blocks_are_the_same_training_and_share_a_compilation() -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    plain, fast = engine_for(ONE), engine_for(ONE, compile=True)
    for one, other in zip(
        steps_of(plain, CONFIG, range(2)), steps_of(fast, CONFIG, range(2)), strict=True
    ):
        assert one == pytest.approx(other, rel=1e-6)
    assert counters["stats"]["unique_graphs"] == 1
    assert list(fast.weights()) == list(plain.weights())


def test_bfloat16_is_near_float32_and_weights_stay_float32() -> None:
    plain, low = engine_for(ONE), engine_for(ONE, precision="bf16")
    for one, other in zip(
        steps_of(plain, CONFIG, range(3)), steps_of(low, CONFIG, range(3)), strict=True
    ):
        assert one[0] != other[0]
        assert one == pytest.approx(other, rel=0.02)
    assert {weight.dtype for weight in low.model.parameters()} == {torch.float32}


def infinite_gradient(predicted: Tensor, batch: Any) -> Tensor:
    return loss_of(predicted, batch) + (predicted - predicted.detach()).abs().sqrt().sum()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing(what: str) -> None:
    engine = engine_for(ONE)
    steps_of(engine, CONFIG, range(1))
    before = {name: tensor.clone() for name, tensor in engine._state().items()}
    batch = batch_for(CONFIG, 1)
    good = engine._loss
    if what == "gradient":
        engine._loss = infinite_gradient
    else:
        batch = replace(batch, fields=batch.fields.index_fill(0, torch.tensor([5]), torch.nan))
        batch = replace(batch, present=None)
    result = engine.step(batch, RATE)
    assert result.skipped
    after = engine._state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    engine._loss = good
    other = engine_for(ONE)
    steps_of(other, CONFIG, range(1))
    assert steps_of(engine, CONFIG, range(1, 3)) == steps_of(other, CONFIG, range(1, 3))


def engine_of(make: Callable[[], nn.Module], **more: Any) -> NativeEngine:
    def fill(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return initial(CONFIG, name, shape, 3, dtype)

    settings = TrainingSettings(steps=5, batch=8, **more)
    return NativeEngine(make, settings, loss_of, "cpu", fill=fill)


def test_weights_without_gradient_and_frozen_ones_stay_as_they_are() -> None:
    def make() -> nn.Module:
        model = Orbit(CONFIG)
        model.blocks.requires_grad_(False)
        model.unused = nn.Linear(4, 4)
        return model

    engine = engine_of(make, weight_decay=0.1)
    before = engine.weights()
    result = engine.step(batch_for(CONFIG, 0), RATE)
    after = engine.weights()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert not result.skipped
    assert {name for name in before if name.startswith(("blocks.", "unused."))} <= same
    assert "head.out.weight" not in same


def test_buffers_get_their_values_too() -> None:
    def make() -> nn.Module:
        model = Orbit(CONFIG)
        model.register_buffer("scale_norm", torch.zeros(3))
        return model

    assert dict(engine_of(make).model.named_buffers())["scale_norm"].tolist() == [1.0] * 3


def test_values_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"embedding.*came to fill it"):
        NativeEngine(
            partial(Orbit, CONFIG),
            TrainingSettings(1, 8),
            loss_of,
            "cpu",
            fill=lambda name, shape, dtype: torch.zeros(3),
        )


def test_stages_have_all_names_of_the_model_each_once() -> None:
    config = replace(CONFIG, depth=5)
    names = []
    for stage in range(3):
        model = Orbit(config)
        cut_stage(model, stage, 3)
        assert (model.embedding is not None, model.head is not None) == (stage == 0, stage == 2)
        assert 1 <= len(model.blocks) <= 2
        names += [name for name, _ in model.named_parameters()]
    assert names == [name for name, _ in Orbit(config).named_parameters()]


def test_what_cannot_be_cut_into_stages_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pipeline of 2 stages for Linear; only Orbit"):
        cut_stage(nn.Linear(3, 3), 0, 2)
    with pytest.raises(ValueError, match=r"3 stages for 2 blocks"):
        cut_stage(Orbit(CONFIG), 0, 3)


def test_blocks_in_one_container_are_one_run() -> None:
    model = nn.ModuleDict({"one": Orbit(CONFIG), "other": Orbit(replace(CONFIG, depth=3))})
    assert [len(run) for run in block_runs(model)] == [2, 3]


def test_a_mesh_for_more_processes_than_there_are_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="a mesh of 2 places for 1 processes"):
        engine_for(MeshShape(ddp=2))


def test_a_part_of_a_batch_that_microbatches_do_not_divide_is_refused() -> None:
    engine = engine_for(ONE, microbatches=4)
    with pytest.raises(ValueError, match="2 samples on this rank in 4 microbatches"):
        engine.step(batch_for(CONFIG, 0).part(0, 4), RATE)
