"""Memory of a plan is what autograd saves, and what a share of the states takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from catena.models.orbit import Orbit, initialise
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.flops import parameters
from catena.orbit_trainer.plan.memory import memory, saved_bytes
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights

NAMES = tuple(f"v{number}" for number in range(8))
CONFIG = OrbitConfig(NAMES, NAMES[:4], (8, 16), patch=4, width=32, depth=4, heads=4)


def counted(config: OrbitConfig, batch: int, count: int, recompute: bool = False) -> int:
    """Bytes of all storages that autograd saves, those of weights aside."""
    model = initialise(Orbit(config), seed=0)
    for block in model.blocks.values():
        block.feed.remakes_gelu = not recompute
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved: dict[int, Any] = {}  # storages are held, so that none is used again

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage
        return tensor

    fields = torch.randn(batch, count, *config.grid)
    targets = torch.randn(batch, len(config.outputs), *config.grid)
    weights = latitude_weights(torch.linspace(-80, 80, config.grid[0]))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        predicted = model(fields, torch.arange(count), torch.ones(batch))
        latitude_loss(predicted, targets, weights)
    return sum(storage.nbytes() for storage in saved.values())


@pytest.mark.parametrize("recompute", [False, True])
def test_activations_of_a_block_are_those_that_autograd_saves(recompute: bool) -> None:
    saved = saved_bytes(CONFIG, 3, precision="fp32", recompute=recompute, variables=5)
    deeper = replace(CONFIG, depth=CONFIG.depth + 1)
    assert counted(deeper, 3, 5, recompute) - counted(CONFIG, 3, 5, recompute) == saved.block


@pytest.mark.parametrize(("batch", "count"), [(1, 8), (4, 3)])
def test_activations_of_the_model_are_those_that_autograd_saves(batch: int, count: int) -> None:
    saved = saved_bytes(CONFIG, batch, precision="fp32", variables=count)
    assert saved.total == pytest.approx(counted(CONFIG, batch, count), rel=5e-3)


def test_states_take_sixteen_bytes_of_each_weight_over_all_ranks() -> None:
    for mesh in (MeshShape(fsdp=4), MeshShape(fsdp=2, sp=2), MeshShape(ddp=2, fsdp=4)):
        held = memory(CONFIG, mesh, 1)
        states = held.weights + held.gradients + held.moments
        assert states * mesh.fsdp * mesh.sp == 16 * parameters(CONFIG).total
    # Tensor ranks have what they do not share each.
    held = memory(CONFIG, MeshShape(fsdp=4, tp=2), 1)
    states = held.weights + held.gradients + held.moments
    assert states * 4 == 16 * parameters(CONFIG, tp=2).total


def test_stages_share_the_states_and_the_first_holds_a_microbatch_for_each() -> None:
    one = memory(CONFIG, MeshShape(fsdp=2), 1, microbatches=4)
    two = memory(CONFIG, MeshShape(pp=2, fsdp=2), 1, microbatches=4)
    assert two.weights < 0.6 * one.weights
    saved = saved_bytes(CONFIG, 1)
    assert two.activations == 2 * (saved.embedding + 2 * saved.block)


def test_blocks_that_are_computed_again_keep_their_input_only() -> None:
    kept = memory(CONFIG, MeshShape(), 2)
    again = memory(CONFIG, MeshShape(), 2, recompute=True)
    entering = 2 * CONFIG.tokens * CONFIG.width * 2
    saved = saved_bytes(CONFIG, 2)
    assert kept.activations - again.activations == CONFIG.depth * (saved.block - entering)
    assert again.total < kept.total


def test_half_precision_halves_activations_but_not_states() -> None:
    full = memory(CONFIG, MeshShape(fsdp=2), 2, precision="fp32")
    half = memory(CONFIG, MeshShape(fsdp=2), 2)
    assert half.weights == full.weights and half.moments == full.moments
    assert 0.5 < half.activations / full.activations < 0.6
    assert half.gathered < full.gathered


def test_the_largest_published_model_fits_frontier_as_it_was_trained() -> None:
    config = OrbitConfig.of_size("113B", [f"channel_{number}" for number in range(91)])
    held = memory(config, MeshShape(ddp=96, fsdp=64, tp=8), 1, recompute=True)
    assert held.total < 64e9
    # 16 bytes for each of 113 billion weights: no node of eight could hold it.
    assert memory(config, MeshShape(tp=8), 1, recompute=True).total > 200e9
