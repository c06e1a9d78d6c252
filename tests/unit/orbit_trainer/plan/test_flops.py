"""Parameters and FLOPs in closed form are those that torch counts."""

from __future__ import annotations

import pytest
import torch
from support.unfolded_orbit import UnfoldedOrbit
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from catena.models.orbit import Orbit
from catena.models.orbit_config import SIZES, OrbitConfig
from catena.orbit_trainer.parallel.blocks import blocks_of, recomputed
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.flops import parameters, rank_flops, stages, step_flops

NAMES = tuple(f"v{number}" for number in range(7))
CONFIG = OrbitConfig(NAMES, NAMES[:3], (8, 16), patch=4, width=32, depth=2, heads=4)


def of_size(size: str) -> OrbitConfig:
    return OrbitConfig.of_size(size, [f"channel_{number}" for number in range(91)])


def on_meta(batch: int, count: int) -> tuple[Orbit, tuple[Tensor, Tensor, Tensor]]:
    with torch.device("meta"):
        model = Orbit(CONFIG)
        fields, hours = torch.empty(batch, count, *CONFIG.grid), torch.empty(batch)
        return model, (fields, torch.arange(count), hours)


def counted(model: nn.Module, given: tuple[Tensor, ...]) -> tuple[int, int]:
    """FLOPs of the forward pass, and of the backward pass."""
    with FlopCounterMode(display=False) as counter:
        loss = model(*given).sum()
        forward = counter.get_total_flops()
        loss.backward()
        return forward, counter.get_total_flops() - forward


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (3, 5), (2, 7)])
def test_flops_of_both_passes_are_those_that_torch_counts(batch: int, count: int) -> None:
    model, given = on_meta(batch, count)
    flops = step_flops(CONFIG, batch, variables=count)
    assert counted(model, given) == (
        flops.forward.total,
        flops.backward.total + flops.again.total,
    )


def test_flops_with_blocks_computed_again_are_those_that_torch_counts() -> None:
    model, given = on_meta(2, 4)
    for block in blocks_of(model):
        recomputed(block)
    flops = step_flops(CONFIG, 2, variables=4, recompute=True)
    assert sum(counted(model, given)) == flops.total
    assert flops.model == step_flops(CONFIG, 2, variables=4).model


def test_flops_of_the_reference_order_are_those_of_a_model_in_that_order() -> None:
    model, given = on_meta(2, 5)
    with FlopCounterMode(display=False) as counter:
        UnfoldedOrbit(model)(given[0], torch.arange(5), given[2])
    flops = step_flops(CONFIG, 2, "reference", variables=5)
    assert flops.forward.total == counter.get_total_flops()


@pytest.mark.parametrize("size", SIZES)
def test_parameters_are_those_of_the_model(size: str) -> None:
    config = of_size(size)
    with torch.device("meta"):
        model = Orbit(config)
    assert parameters(config).total == sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize(
    ("size", "depth", "billions", "reference", "folded"),
    [
        ("115M", 8, 0.112, 1.36, 0.58),
        ("1B", 8, 0.98, 11.3, 4.31),
        ("10B", 11, 9.3, 88.8, 38.9),
        ("113B", 56, 102.4, 542.0, 430.0),
    ],
)
def test_sizes_take_what_is_published_of_them(
    size: str, depth: int, billions: float, reference: float, folded: float
) -> None:
    names = [f"channel_{number}" for number in range(91)]
    config = OrbitConfig.of_size(size, names, depth=depth)
    assert parameters(config).total / 1e9 == pytest.approx(billions, rel=5e-3)
    assert step_flops(config, 1).forward.total / 1e12 == pytest.approx(folded, rel=5e-3)
    ordered = step_flops(config, 1, "reference").forward.total
    assert ordered / 1e12 == pytest.approx(reference, rel=5e-3)


def test_rows_are_padded_to_a_multiple_of_the_shards() -> None:
    padded = parameters(CONFIG, shards=8)
    whole = parameters(CONFIG)
    # 7 variables become 8 rows in two tables: 16 pixels and one offset, 32 wide.
    assert padded.embedding - whole.embedding == 17 * 32
    assert padded.block == whole.block


def test_linear_layers_of_blocks_are_shared_by_tensor_ranks() -> None:
    one, two = parameters(CONFIG), parameters(CONFIG, tp=2)
    linear = 12 * CONFIG.width**2 + 7 * CONFIG.width  # weights; biases of qkv and up
    assert one.block - two.block == linear / 2
    assert (one.embedding, one.head) == (two.embedding, two.head)


def test_blocks_are_shared_by_ranks_and_stages() -> None:
    flops = step_flops(CONFIG, 1)
    whole = flops.model + flops.again.total
    assert rank_flops(flops, CONFIG, MeshShape(ddp=4)) == whole
    shared = rank_flops(flops, CONFIG, MeshShape(sp=2, tp=2))
    blocks = CONFIG.depth * (flops.forward.block + flops.backward.block)
    assert whole - shared == pytest.approx(0.75 * blocks)
    assert [one.blocks for one in stages(of_size("10B"), 4)] == [2, 3, 3, 3]
    assert rank_flops(flops, CONFIG, MeshShape(pp=2)) < whole


def test_an_impossible_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="7 variables of the model"):
        step_flops(CONFIG, 1, variables=8)
