"""A training is the same on every mesh of processes.

A chosen few meshes of 2 and 4 processes in CI; those that are `exhaustive` make it all of up to 8.
``pytest -s`` prints a table.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from support.orbit_meshes import (
    compared,
    config_for,
    evaluated,
    label,
    meshes,
    refusal,
    resumed,
    said_of_saving,
    skipping,
    state_in,
    trained,
)
from support.orbit_ranks import Ranks

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.training.checkpoint_folder import read_meta

pytestmark = pytest.mark.slow


def chosen_of(shapes: Iterable[MeshShape], chosen: Container[MeshShape]) -> list[Any]:
    """Some in CI, the others exhaustive."""
    return [
        pytest.param(
            shape, marks=() if shape in chosen else pytest.mark.exhaustive, id=label(shape)
        )
        for shape in shapes
    ]


MESHES = chosen_of(
    (shape for size in range(2, 9) for shape in meshes(size)),
    (
        MeshShape(pp=2),
        MeshShape(tp=2),
        MeshShape(ddp=2, fsdp=2),
        MeshShape(fsdp=2, tp=2),
        MeshShape(sp=2, tp=2),
        MeshShape(pp=2, sp=2),
    ),
)
RESUMED = chosen_of(
    (shape for shape in meshes(4) if shape.pp <= 2),
    (MeshShape(fsdp=2, tp=2), MeshShape(ddp=2, sp=2)),
)
CLOSE = 1e-6


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Ranks]]:
    """So many processes: started once, and again after a failure."""
    started: dict[int, Ranks] = {}

    def of(size: int) -> Ranks:
        # Threads of gloo poll while they wait: many processes that idle slow down those that work.
        for other in [other for other in started if other != size and max(other, size) > 4]:
            started.pop(other).close()
        if size not in started or not started[size].alive:
            started[size] = Ranks(size, tmp_path_factory.mktemp("ranks"))
        return started[size]

    yield of
    for running in started.values():
        running.close()


@cache
def alone(
    config: OrbitConfig, steps: int
) -> tuple[list[tuple[float, float]], dict[str, torch.Tensor]]:
    return compared(MeshShape(), steps, config)


def farthest(one: list[tuple[float, float]], other: list[tuple[float, float]], place: int) -> float:
    pairs = zip(one, other, strict=True)
    return max(abs(mine[place] / theirs[place] - 1) for mine, theirs in pairs)


def wrongest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> tuple[float, str]:
    """Largest difference of two gradients, each tensor's by its own largest number."""
    assert one.keys() == other.keys()
    least = 1e-5 * max(float(tensor.abs().max()) for tensor in other.values())
    return max(
        (float((one[name] - other[name]).abs().max() / (least + other[name].abs().max())), name)
        for name in other
        # Softmax does not see the bias of keys: its gradient is rounding alone.
        if not name.endswith("key_norm.bias")
    )


@pytest.mark.parametrize("shape", MESHES)
def test_gradients_and_losses_of_20_steps_are_those_of_one_process(ranks, shape: MeshShape) -> None:
    expected, gradient = alone(config_for(shape), 20)
    everyone = ranks(shape.size).run(compared, shape)
    results, mine = everyone[0]
    assert all(seen == results for seen, _ in everyone)
    loss, norm = (farthest(results, expected, place) for place in (0, 1))
    far, name = wrongest(mine, gradient)
    print(f"\n| {label(shape)} | {shape.size} | {loss:.1e} | {norm:.1e} | {far:.1e} |", end="")
    assert far < 1e-4, name
    assert loss < CLOSE
    assert norm < 10 * CLOSE


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (MeshShape(ddp=2), {"microbatches": 2}),
        (MeshShape(pp=2), {"microbatches": 4, "recompute": True}),
        (MeshShape(fsdp=2), {"recompute": True, "microbatches": 2}),
        (MeshShape(tp=2), {"recompute": True}),
        (MeshShape(sp=2), {"recompute": True}),
    ],
    ids=lambda value: label(value) if isinstance(value, MeshShape) else "",
)
def test_microbatches_and_recomputing_change_nothing(ranks, shape: MeshShape, options) -> None:
    seen = ranks(2).run(trained, shape, 5, None, **options)
    assert farthest(seen[0], alone(config_for(shape), 5)[0], 0) < CLOSE


@pytest.mark.parametrize("shape", [MeshShape(tp=2), MeshShape(fsdp=2)], ids=label)
def test_adapters_of_frozen_blocks_train_as_on_one_process(ranks, shape: MeshShape) -> None:
    seen = ranks(2).run(trained, shape, 5, None, adapters=4)[0]
    expected = trained(MeshShape(), 5, config_for(shape), adapters=4)
    assert farthest(seen, expected, 0) < CLOSE
    assert farthest(seen, expected, 1) < 10 * CLOSE


def test_without_the_sum_over_heads_tensor_parallelism_has_another_gradient(ranks) -> None:
    shape = MeshShape(tp=2)
    mine = ranks(2).run(compared, shape, 1, None, sums=False)[0][1]
    far, name = wrongest(mine, alone(config_for(shape), 20)[1])
    assert far > 0.1
    assert "query_norm" in name or "key_norm" in name


def test_bfloat16_on_a_mesh_is_near_float32(ranks) -> None:
    shape = MeshShape(fsdp=2)
    seen = ranks(2).run(trained, shape, 5, None, precision="bf16")[0]
    assert 1e-7 < farthest(seen, alone(config_for(shape), 5)[0], 0) < 0.02


@pytest.mark.parametrize("shape", [MeshShape(pp=2), MeshShape(fsdp=2), MeshShape(sp=2)], ids=label)
def test_a_look_at_a_batch_is_that_of_one_process(ranks, shape: MeshShape) -> None:
    config = config_for(shape)
    expected = evaluated(MeshShape(), config)
    assert ranks(2).run(evaluated, shape, config) == [pytest.approx(expected, rel=CLOSE)] * 2


@pytest.mark.parametrize("shape", [MeshShape(fsdp=2), MeshShape(pp=2)], ids=label)
def test_all_ranks_skip_a_step_that_is_not_finite_on_one(ranks, shape: MeshShape) -> None:
    assert ranks(2).run(skipping, shape) == [(True, True, False)] * 2


@pytest.fixture(scope="module")
def first(ranks, tmp_path_factory) -> tuple[Path, dict[str, torch.Tensor], list]:
    """A checkpoint of a pipeline with tensor parallelism, its weights, and two steps after it."""
    shape, folder = MeshShape(pp=2, tp=2), tmp_path_factory.mktemp("first")
    config = config_for(shape)
    everyone = ranks(4).run(resumed, shape, config, None, folder / "step-000000003")
    assert [bool(weights) for weights, _ in everyone] == [True, False, False, False]
    return folder / "step-000000003", *everyone[0]


def test_a_resumed_training_is_the_same_to_the_last_bit(ranks, first, tmp_path: Path) -> None:
    source, _, later = first
    shape = MeshShape(pp=2, tp=2)
    again = ranks(4).run(resumed, shape, config_for(shape), source, tmp_path / "step-000000003")
    assert all(seen == later for _, seen in again)


@pytest.mark.parametrize("shape", RESUMED)
def test_checkpoints_go_from_mesh_to_mesh_unchanged(
    ranks, first, shape: MeshShape, tmp_path: Path
) -> None:
    source, weights, later = first
    config = config_for(MeshShape(pp=2, tp=2))
    everyone = ranks(4).run(resumed, shape, config, source, tmp_path / "step-000000003")
    assert same(everyone[0][0], weights)
    assert same(state_in(source, config), state_in(tmp_path / "step-000000003", config))
    assert farthest(everyone[0][1], later, 0) < CLOSE


def test_a_checkpoint_of_another_model_is_refused_on_all_ranks(ranks, first) -> None:
    deeper = replace(config_for(MeshShape(pp=2, tp=2)), depth=3)
    told = ranks(4).run(refusal, MeshShape(fsdp=2, tp=2), deeper, first[0])
    assert told == [told[0]] * 4
    assert "blocks.2" in told[0]


def test_a_checkpoint_waits_for_the_process_that_prepares_its_folder(ranks, tmp_path: Path) -> None:
    """The others made it first, and the first one said that it was there already."""
    shape, folder = MeshShape(fsdp=2), tmp_path / "step-000000003"
    told = ranks(2).run(said_of_saving, shape, config_for(shape), folder, 1.0)
    assert told == ["it was written"] * 2
    assert read_meta(folder)


def test_a_folder_that_the_first_process_cannot_make_is_said_by_all(ranks, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shape, folder = MeshShape(fsdp=2), tmp_path / "file" / "step-000000003"
    told = ranks(2).run(said_of_saving, shape, config_for(shape), folder, 0.0)
    assert told == [told[0]] * 2
    assert "step-000000003 could not be written (NotADirectoryError" in told[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
