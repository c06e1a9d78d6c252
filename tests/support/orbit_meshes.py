"""Small trainings of an ORBIT model on a mesh of processes, and on one process for comparison."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from catena.models.orbit import Orbit, initial
from catena.models.orbit_adapters import add_adapters
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.batches import Batch
from catena.orbit_trainer.engines.base import Fill
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.parallel.mesh import MESH_DIMENSIONS, MeshShape
from catena.orbit_trainer.parallel.parallelize import local
from catena.orbit_trainer.training.objective import latitude_loss
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import FailedPrecondition

RATE = 1e-3


def meshes(size: int) -> list[MeshShape]:
    """All meshes of so many processes."""
    sides = [side for side in range(1, size + 1) if size % side == 0]
    found = [counts for counts in product(sides, repeat=5) if prod(counts) == size]
    return [MeshShape(**dict(zip(MESH_DIMENSIONS, counts, strict=True))) for counts in found]


def label(shape: MeshShape) -> str:
    """E.g. ``pp2 tp2``; "one" for one process."""
    sides = {name: getattr(shape, name) for name in MESH_DIMENSIONS}
    return " ".join(f"{name}{count}" for name, count in sides.items() if count > 1) or "one"


def config_for(shape: MeshShape) -> OrbitConfig:
    """A model whose heads, tokens and blocks such a mesh can share."""
    share = next(count for count in (8, 6, 5, 7) if count % shape.size == 0)
    return OrbitConfig(
        variables=("a", "b", "c"),
        outputs=("c", "a"),
        grid=(4, 2 * share),
        patch=2,
        width=4 * share,
        depth=max(shape.pp, 2),
        heads=share,
        decoder_depth=1,
    )


def batch_for(config: OrbitConfig, step: int) -> Batch:
    """The whole batch of a step: some variables missing, some targets unknown."""
    size = config.heads
    random = torch.Generator().manual_seed(step)
    fields = torch.randn(size, 3, *config.grid, generator=random)
    targets = fields[:, [2, 0]].roll(1, -1) + 0.1 * torch.randn(
        size, 2, *config.grid, generator=random
    )
    targets[:, :, 0, :3] = torch.nan
    present = torch.rand(size, 3, generator=random) > 0.2
    leads = torch.randint(1, 9, (size,), generator=random) * 6.0
    return Batch(fields, targets, torch.arange(3), leads, present)


def loss_of(predicted: Tensor, batch: Batch) -> Tensor:
    """Squared error, each row by a weight of its own."""
    return latitude_loss(predicted, batch.targets, torch.linspace(0.5, 1.5, predicted.shape[-2]))


def fill_for(config: OrbitConfig) -> Fill:
    """First weights."""

    def fill(name: str, sides: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return initial(config, name, sides, 3, dtype)

    return fill


def engine_for(
    shape: MeshShape, config: OrbitConfig | None = None, adapters: int = 0, **more: Any
) -> NativeEngine:
    """Engine of a small model, with adapters of a rank or none, on the present processes."""
    config = config or config_for(shape)
    values = {
        "steps": 20,
        "batch": len(batch_for(config, 0)),
        "weight_decay": 0.1,
        "mesh": shape,
        "microbatches": shape.pp,
        "clip": 0.02,
        **more,
    }

    def make() -> Orbit:
        model = Orbit(config)
        return add_adapters(model, adapters) if adapters else model

    return NativeEngine(make, TrainingSettings(**values), loss_of, "cpu", fill=fill_for(config))


def steps_of(engine: NativeEngine, config: OrbitConfig, steps: range) -> list[tuple[float, float]]:
    """Losses and lengths of gradients of some steps of a training."""
    results = []
    for step in steps:
        part = batch_for(config, step).part(engine.data_rank, engine.data_ranks)
        result = engine.step(part, RATE)
        results.append((result.loss, result.gradient_norm))
    return results


def trained(
    shape: MeshShape, steps: int = 20, config: OrbitConfig | None = None, **more: Any
) -> list[tuple[float, float]]:
    """Losses and lengths of gradients of the first steps."""
    config = config or config_for(shape)
    return steps_of(engine_for(shape, config, **more), config, range(steps))


def compared(
    shape: MeshShape, steps: int = 20, config: OrbitConfig | None = None, sums: bool = True
) -> tuple[list[tuple[float, float]], dict[str, Tensor]]:
    """Losses and lengths of gradients of the first steps, and the gradient of the first.

    Without `sums`, norms of queries and keys keep the gradient of the local heads.
    """
    config = config or config_for(shape)
    engine = engine_for(shape, config)
    if not sums:
        engine._partial = []
    first = steps_of(engine, config, range(1))
    # After one step the first moment is the gradient, up to a factor.
    weights, engine._weights = engine._weights, engine._optimizer.first
    gradient = engine.weights()
    engine._weights = weights
    return first + steps_of(engine, config, range(1, steps)), gradient


def resumed(
    shape: MeshShape, config: OrbitConfig, source: Path | None, folder: Path
) -> tuple[dict[str, Tensor], list[tuple[float, float]]]:
    """Train three steps, or load a checkpoint; save; take two more steps while it is written.

    Returns
    -------
    dict
        Weights when it was saved.
    list
        Losses and lengths of gradients of the two steps.
    """
    engine = engine_for(shape, config)
    if source is None:
        steps_of(engine, config, range(3))
    else:
        # other weights than those that are loaded were in use before
        engine.evaluate(batch_for(config, 0).part(engine.data_rank, engine.data_ranks))
        assert engine.load(source)["next"] == 3
    weights = engine.weights()
    engine.save(folder, {"next": 3})
    later = steps_of(engine, config, range(3, 5))
    engine.wait()
    return weights, later


def said_of_saving(shape: MeshShape, config: OrbitConfig, folder: Path, late_s: float) -> str:
    """What is said of a checkpoint whose folder the first process is late to prepare."""
    engine, remove = engine_for(shape, config), shutil.rmtree

    def slowly(*args: Any, **more: Any) -> None:
        remove(*args, **more)
        time.sleep(late_s)

    with mock.patch("shutil.rmtree", slowly):
        engine.save(folder, {})
        try:
            engine.wait()
        except FailedPrecondition as error:
            return error.message
    return "it was written"


def refusal(shape: MeshShape, config: OrbitConfig, source: Path) -> str:
    """What is said of a checkpoint that does not fit."""
    try:
        engine_for(shape, config).load(source)
    except FailedPrecondition as error:
        return error.message
    return "it was loaded"


def state_in(folder: Path, config: OrbitConfig) -> dict[str, Tensor]:
    """Weights and moments in a checkpoint, read by one process."""
    engine = engine_for(MeshShape(), config, microbatches=1)
    engine.load(folder)
    return {name: tensor.clone() for name, tensor in engine._state().items()}


def skipping(shape: MeshShape) -> tuple[bool, bool, bool]:
    """A batch that is infinite on the last data rank alone, then a good one.

    Returns
    -------
    tuple of bool
        Whether the first step was skipped, whether it left all weights, whether the second did not.
    """
    config = config_for(shape)
    engine = engine_for(shape, config)
    before = {name: tensor.clone() for name, tensor in engine._state().items()}
    part = batch_for(config, 0).part(engine.data_rank, engine.data_ranks)
    bad = part
    if engine.data_rank == engine.data_ranks - 1:
        bad = replace(part, fields=torch.full_like(part.fields, torch.inf))
    first = engine.step(bad, RATE)
    after = engine._state()
    same = all(torch.equal(local(before[name]), local(after[name])) for name in before)
    return first.skipped and first.loss != first.loss, same, engine.step(part, RATE).skipped


def evaluated(shape: MeshShape, config: OrbitConfig) -> float:
    """Loss of a batch, without training."""
    engine = engine_for(shape, config)
    return engine.evaluate(batch_for(config, 0).part(engine.data_rank, engine.data_ranks))
