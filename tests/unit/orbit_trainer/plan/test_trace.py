"""The closed form lists the collectives that the engine itself asks for, to the byte."""

from __future__ import annotations

import pytest
import torch.distributed as dist

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.collectives import Collective, gathered, step_collectives
from catena.orbit_trainer.plan.trace import trace_step
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidRequest

NAMES = tuple(f"v{number}" for number in range(7))
CONFIG = OrbitConfig(NAMES, NAMES[:3], (8, 16), patch=4, width=64, depth=3, heads=8)


def both(
    config: OrbitConfig,
    mesh: MeshShape,
    *,
    size: int = 1,
    microbatches: int = 1,
    precision: str = "bf16",
    recompute: bool = False,
    stage: int = 0,
) -> tuple[set[Collective], set[Collective]]:
    """As traced, and in closed form."""
    settings = TrainingSettings(
        steps=1,
        batch=mesh.data_ranks * microbatches * size,
        mesh=mesh,
        microbatches=microbatches,
        precision=precision,  # type: ignore[arg-type]
        recompute=recompute,
    )
    rank = stage * (mesh.size // mesh.pp)
    traced = trace_step(config, settings, rank=rank)
    computed = step_collectives(
        config,
        mesh,
        size,
        microbatches=microbatches,
        precision=precision,
        recompute=recompute,
        stage=stage,
    )
    return set(traced), set(computed)


def test_hybrid_shards_and_tensor_ranks_exchange_what_is_computed() -> None:
    traced, computed = both(CONFIG, MeshShape(ddp=3, fsdp=4, tp=2), precision="fp32")
    assert traced == computed
    # Weights of a block are gathered for each of the two passes.
    counts = {(one.kind, one.dimension): one.count for one in computed if one.count == 6}
    assert counts[("all_gather", "fsdp")] == 2 * CONFIG.depth


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mesh", "settings"),
    [
        (MeshShape(ddp=3, fsdp=4, tp=2), {"microbatches": 2, "recompute": True}),
        (MeshShape(ddp=4), {"size": 2}),
        (MeshShape(tp=4), {"recompute": True}),
        (MeshShape(ddp=2, fsdp=2, sp=2, tp=2), {"recompute": True}),
        (MeshShape(sp=4), {"precision": "fp32"}),
        (MeshShape(pp=3, ddp=2, fsdp=2, tp=2), {"microbatches": 4}),
        (MeshShape(pp=3, fsdp=2, sp=2), {"microbatches": 3, "stage": 1}),
        (MeshShape(pp=2, ddp=2), {"microbatches": 2, "stage": 1, "recompute": True}),
    ],
)
def test_every_direction_exchanges_what_is_computed(
    mesh: MeshShape, settings: dict[str, object]
) -> None:
    traced, computed = both(CONFIG, mesh, **settings)  # type: ignore[arg-type]
    assert traced == computed


@pytest.mark.slow
@pytest.mark.parametrize("depth", [4, pytest.param(62, marks=pytest.mark.exhaustive)])
def test_the_largest_model_is_traced_on_49152_ranks(depth: int) -> None:
    """Its 62 blocks are alike."""
    names = [f"channel_{number}" for number in range(91)]
    config = OrbitConfig.of_size("113B", names, depth=depth)
    traced, computed = both(config, MeshShape(ddp=96, fsdp=64, tp=8))
    assert traced == computed


def test_a_process_that_belongs_to_a_group_is_refused() -> None:
    settings = TrainingSettings(steps=1, batch=2, mesh=MeshShape(ddp=2))
    store = dist.HashStore()
    dist.init_process_group("gloo", rank=0, world_size=1, store=store)
    try:
        with pytest.raises(RuntimeError, match="process of its own"):
            trace_step(CONFIG, settings)
    finally:
        dist.destroy_process_group()


def test_a_mesh_that_does_not_fit_is_refused_and_leaves_no_group() -> None:
    settings = TrainingSettings(steps=1, batch=1, mesh=MeshShape(tp=3))
    with pytest.raises(InvalidRequest, match="8 heads"):
        trace_step(CONFIG, settings)
    assert not dist.is_initialized()


def test_alike_collectives_are_counted() -> None:
    one = Collective("all_gather", "fsdp", 4, 100)
    other = Collective("all_gather", "fsdp", 4, 200, count=3)
    assert gathered([one, other, one]) == [
        Collective("all_gather", "fsdp", 4, 100, count=2),
        other,
    ]
