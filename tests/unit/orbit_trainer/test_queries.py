"""Requests are checked by themselves first: every fault at once, under the name of its field."""

from __future__ import annotations

from typing import Any

import pytest

from catena.orbit_trainer import queries
from catena.shared.errors import InvalidRequest
from catena.shared.requests import request_from_dict


def ref(kind: str, digit: str = "1") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": f"sha256:{digit * 64}", "kind": kind}


RIGHT: dict[str, dict[str, Any]] = {
    "Pretrain": {"caches": [ref("hot_cache")]},
    "FineTune": {"checkpoint": ref("checkpoint"), "task": "forecast", "cache": ref("hot_cache")},
    "EvaluateCheckpoint": {
        "checkpoint": ref("checkpoint"),
        "cache": ref("hot_cache"),
        "days": {"start": "2005-01-01", "end": "2005-12-31"},
    },
    "Predict": {
        "checkpoint": ref("checkpoint"),
        "fields": [{"name": "tas", "values": [1.0, float("nan")]}],
    },
    "PlanTraining": {},
    "ListCheckpoints": {},
}
DAYS = {"start": "2001-01-01", "end": "2001-12-31"}


def query(method: str, changes: dict[str, Any]) -> Any:
    message = request_from_dict("orbit-trainer", method, RIGHT[method] | changes)
    return getattr(queries, f"{method}Query").from_message(message)


def faults(method: str, changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        query(method, changes)
    return {item.field: item.description for item in caught.value.violations}


@pytest.mark.parametrize("method", RIGHT)
def test_a_right_request_is_taken(method: str) -> None:
    query(method, {})


@pytest.mark.parametrize(
    ("method", "changes", "wanted"),
    [
        ("Pretrain", {"caches": []}, {"caches": "missing"}),
        ("Pretrain", {"caches": [ref("dataset")]}, {"caches[0]": "wanted hot_cache"}),
        ("Pretrain", {"caches": [ref("hot_cache")] * 2}, {"caches[1]": "twice"}),
        (
            "Pretrain",
            {"variables": ["tas"], "outputs": ["ua_85000"], "leads_h": [6, 6, -1]},
            {"leads_h[2]": "greater than 0"},
        ),
        (
            "Pretrain",
            {"variables": ["tas", "tas"], "outputs": ["ua_85000"], "leads_h": [6, 6]},
            {
                "variables[1]": "twice",
                "outputs[0]": "wanted one of variables",
                "leads_h[1]": "twice",
            },
        ),
        ("Pretrain", {"validation_days": DAYS}, {"training_days": "missing"}),
        (
            "Pretrain",
            {"training_days": DAYS, "validation_days": DAYS},
            {"validation_days.start": "overlaps"},
        ),
        (
            "Pretrain",
            {"shape": {"width": 30, "heads": 4}},
            {"shape.width": "multiple of the heads"},
        ),
        ("Pretrain", {"shape": {"heads": 3}}, {"shape.heads": "width of 256 with 3 heads"}),
        (
            "Pretrain",
            {"training": {"batch": 6, "mesh": {"fsdp": 4, "pp": 2}, "zero_stage": 2}},
            {
                "training.batch": "multiple of 4",
                "training.microbatches": "stages",
                "training.zero_stage": "deepspeed",
            },
        ),
        (
            "Pretrain",
            {"training": {"mesh": {"fsdp": 60_000, "tp": 2}, "batch": 60_000}},
            {"training.mesh": "at most 65536"},
        ),
        ("FineTune", {"checkpoint": None, "adapter": "lora"}, {"adapter": "random weights"}),
        ("FineTune", {"shape": {"size": "8m"}}, {"shape": "shape of its own"}),
        ("FineTune", {"rank": 4, "factor": 2}, {"rank": "not lora", "factor": "no part"}),
        (
            "FineTune",
            {"task": "downscale", "leads_h": [6]},
            {"leads_h": "no part"},
        ),
        ("FineTune", {"task": None}, {"task": "missing"}),
        ("FineTune", {"cache": None}, {"cache": "learns from it"}),
        ("FineTune", {"task": "spin_up"}, {"sites": "missing", "cache": "no part in spin_up"}),
        (
            "FineTune",
            {
                "task": "spin_up",
                "cache": None,
                "sites": {"files": ref("files"), "file": "../x.npz", "pools": ["a", "a"]},
            },
            {"sites.file": "pattern"},
        ),
        (
            "FineTune",
            {"task": "spin_up", "training": {"engine": "deepspeed", "mesh": {"ddp": 2}}},
            {"training.engine": "learns with torch", "training.mesh": "one is enough"},
        ),
        ("EvaluateCheckpoint", {"members": 3}, {"members": "even"}),
        (
            "EvaluateCheckpoint",
            {"days": {"start": "2005-02-01", "end": "2005-01-01"}},
            {"days.end": "start <= end"},
        ),
        ("Predict", {"cache": ref("hot_cache")}, {"fields": "give one", "time": "belong"}),
        ("Predict", {"fields": []}, {"fields": "give one"}),
        (
            "Predict",
            {"fields": [{"name": "tas", "values": [1.0]}, {"name": "tas", "values": [1.0, 2.0]}]},
            {"fields[1]": "twice", "fields": "one grid"},
        ),
        (
            "Predict",
            {"fields": [{"name": "tas", "values": [float("inf")]}]},
            {"fields[0].values[0]": "NaN where it is missing"},
        ),
        ("Predict", {"fields": [], "cache": ref("hot_cache"), "time": "noon"}, {"time": "YYYY"}),
        ("PlanTraining", {"rows": 130}, {"shape.patch": "not divisible"}),
        ("PlanTraining", {"cluster": {"gpus": 8}}, {"cluster.peak_flops": "missing"}),
        ("PlanTraining", {"cluster": {"preset": "h200"}, "gpus": 60_000}, {"gpus": "has 8,192"}),
        ("ListCheckpoints", {"page_size": -1}, {"page_size": "greater"}),
    ],
)
def test_a_wrong_request_is_told_all_that_is_wrong(
    method: str, changes: dict[str, Any], wanted: dict[str, str]
) -> None:
    found = faults(method, changes)
    for field, words in wanted.items():
        assert words in found.get(field, ""), found


def test_what_is_left_out_has_the_trainer_s_defaults() -> None:
    made = query("Pretrain", {"training": {"warmup": 0.0}, "seed": 3})
    settings = made.training.settings(made.seed)
    assert (settings.steps, settings.batch, settings.warmup, settings.seed) == (1000, 16, 0.0, 3)
    assert settings.learning_rate == 5e-4 and settings.mesh.size == 1
    assert made.shape.config(("a",), ("a",), (8, 16)).width == 256, "8M"


def test_a_plan_without_words_is_that_of_the_published_run() -> None:
    plan = query("PlanTraining", {})
    assert (plan.used, plan.samples_a_step) == (49_152, 6_144)
    assert plan.config().depth == 62 and plan.config().tokens == 2048
    assert query("PlanTraining", {"cluster": {"preset": "h200"}}).used == 8_192
