"""Settings of a training say what is wrong with them, by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import InvalidRequest

CONFIG = OrbitConfig(("a", "b"), ("a",), (8, 16), patch=4, width=32, depth=2, heads=4)


def refused(**values: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        TrainingSettings.from_dict({"steps": 10, "batch": 8, **values})
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("steps", {"steps": 0}),
        ("batch", {"batch": 9, "mesh": {"ddp": 2, "fsdp": 2}}),
        ("batch", {"batch": 8, "mesh": {"ddp": 2}, "microbatches": 3}),
        ("learning_rate", {"learning_rate": float("nan")}),
        ("betas", {"betas": [0.9, 1.0]}),
        ("weight_decay", {"weight_decay": -1e-5}),
        ("warmup", {"warmup": 1.0}),
        ("clip", {"clip": 0.0}),
        ("precision", {"precision": "fp16"}),
        ("engine", {"engine": "megatron"}),
        ("zero_stage", {"engine": "deepspeed", "zero_stage": 4}),
        ("zero_stage", {"zero_stage": 2}),
        ("offload", {"offload": True}),
        ("offload", {"engine": "deepspeed", "offload": True}),
        ("compile", {"engine": "deepspeed", "compile": True}),
        ("mesh", {"engine": "deepspeed", "mesh": {"tp": 2}}),
        ("microbatches", {"mesh": {"pp": 2}}),
        ("nan", {"nan": "ignore"}),
        ("checkpoint_every", {"checkpoint_every": 0}),
        ("mesh.tp", {"mesh": {"tp": 0}}),
        ("mesh.cp", {"mesh": {"cp": 2}}),
        ("stepz", {"stepz": 3}),
        ("steps", {"steps": "10"}),
        ("batch", {"batch": 8.0}),
        ("clip", {"clip": None}),
        ("offload", {"engine": "deepspeed", "zero_stage": 1, "offload": 1}),
        ("precision", {"precision": ["bf16"]}),
        ("betas", {"betas": 0.9}),
        ("betas", {"betas": [0.9, "x"]}),
        ("mesh", {"mesh": 2}),
        ("mesh.tp", {"mesh": {"tp": "2"}}),
    ],
)
def test_what_is_wrong_is_named(field: str, values: dict[str, Any]) -> None:
    assert refused(**values) == [field]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    assert refused(steps=0, clip=-1.0, zero_stage=1) == ["steps", "clip", "zero_stage"]


def test_a_mesh_that_fits_neither_the_processes_nor_the_heads_is_refused() -> None:
    settings = TrainingSettings(10, 8, mesh=MeshShape(tp=3))
    with pytest.raises(InvalidRequest) as caught:
        settings.check(CONFIG, 2)
    said = str(caught.value)
    assert "3" in said and "2" in said and "4 heads" in said
    TrainingSettings(10, 8, mesh=MeshShape(fsdp=2, tp=2)).check(CONFIG, 4)


def test_settings_go_through_json() -> None:
    settings = TrainingSettings(
        10, 8, betas=(0.8, 0.9), mesh=MeshShape(ddp=2), engine="deepspeed", zero_stage=3
    )
    assert TrainingSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
