"""Small trainings under DeepSpeed, and by the native engine for comparison."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from support.orbit_meshes import batch_for, loss_of, steps_of
from torch import Tensor

from catena.models.orbit import Orbit, initial
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.engines.zero import ZeroEngine
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.training.settings import TrainingSettings

CONFIG = OrbitConfig(
    ("a", "b", "c"), ("c", "a"), (8, 16), patch=4, width=32, depth=2, heads=4, decoder_depth=1
)
VALUES: dict[str, Any] = {
    "steps": 20,
    "batch": len(batch_for(CONFIG, 0)),
    "weight_decay": 0.1,
    "clip": 0.02,
}


def fill(name: str, sides: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return initial(CONFIG, name, sides, 3, dtype)


def native() -> NativeEngine:
    """The native engine in this process."""
    return NativeEngine(
        partial(Orbit, CONFIG), TrainingSettings(**VALUES), loss_of, "cpu", fill=fill
    )


def zero(stage: int, ranks: int = 1, **more: Any) -> ZeroEngine:
    """DeepSpeed in the present processes."""
    own = {"mesh": MeshShape(fsdp=ranks), "engine": "deepspeed", "zero_stage": stage}
    settings = TrainingSettings(**VALUES | own | more)
    return ZeroEngine(partial(Orbit, CONFIG), settings, loss_of, "cpu", fill=fill)


def taken(engine: Any, first: int, stop: int) -> list[tuple[float, float]]:
    """Losses and lengths of gradients of some steps."""
    return steps_of(engine, CONFIG, range(first, stop))


def trained_and_resumed(
    stage: int, folder: Path
) -> tuple[list[tuple[float, float]], dict[str, Tensor], list[tuple[float, float]]]:
    """Three steps on two processes, a checkpoint, the rest of 20; those again, from it.

    Returns
    -------
    list
        Losses and lengths of gradients of all steps.
    dict
        Weights that were loaded.
    list
        Losses and lengths of gradients of the last 17, after loading.
    """
    engine = zero(stage, 2)
    found = taken(engine, 0, 3)
    engine.save(folder, {"next": 3})
    found += taken(engine, 3, 20)
    engine.wait()
    other = zero(stage, 2)
    assert other.load(folder) == {"next": 3}
    return found, other.weights(), taken(other, 3, 20)


def buffer_of(stage: int) -> list[float]:
    """A buffer of a model on two processes; its name says that it begins at 1."""

    def make() -> Orbit:
        model = Orbit(CONFIG)
        model.register_buffer("scale_norm", torch.zeros(3))
        return model

    settings = TrainingSettings(
        **VALUES, mesh=MeshShape(fsdp=2), engine="deepspeed", zero_stage=stage
    )
    engine = ZeroEngine(make, settings, loss_of, "cpu", fill=fill)
    found: list[float] = engine._engine.module.model.scale_norm.tolist()
    return found
