"""The foundation model through the command line: a generated planet to checkpoints and pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TINY = """
name: tiny
title: A tiny generated planet
data:
  planet:
    ingest: {source: generated_planet, planet: {latitudes: 32, days: 30, seed: 1}}
    variables: [tas, ua, zg]
training_days: {start: 2001-01-01, end: 2001-01-20}
test_days: {start: 2001-01-22, end: 2001-01-29}
pretrain:
  data: [planet]
  leads_h: [6, 24]
  shape: {width: 32, depth: 1, heads: 2, patch: 8}
  training: {steps: 10, batch: 4}
evaluation: {stride: 4}
fine_tunes:
  forecast:
    data: planet
    task: forecast
    training: {steps: 5, batch: 4}
    evaluation: {stride: 8}
    efficiency: {samples: [8, 16], scratch: {training: {steps: 6, batch: 4}}}
  downscale:
    {data: planet, task: downscale, factor: 2, training: {steps: 5, batch: 4}}
plan: {shape: {size: 115m}, cluster: {preset: h200}, gpus: 16, batch: 64}
"""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        (started.folder / "tiny.yaml").write_text(TINY)
        yield started


def page(system: System, name: str) -> str:
    return (system.folder / "reports" / f"{name}.html").read_text(encoding="utf-8")


def test_a_planet_becomes_checkpoints_and_pages(system: System) -> None:
    system("flow", "run", "pretrain_orbit", "--config", "tiny.yaml")
    assert "GENERATED" in page(system, "tiny-pretrained"), "nobody must take this planet for ours"
    done = system("flow", "run", "finetune_orbit", "--config", "tiny.yaml")
    assert done.stdout.count("was there already") == 3, "data, cache and pre-training"
    forecast = page(system, "tiny-forecast")
    assert "persistence" in forecast and "What does pre-training save?" in forecast
    assert "bicubic" in page(system, "tiny-downscale")
    assert "nothing was run on these GPUs" in page(system, "tiny-plan")
    kinds = [one["kind"] for one in system.json("artifacts", "list")]
    assert kinds.count("checkpoint") == 7 and kinds.count("evaluation") == 3


def test_a_wrong_file_is_told_before_anything_runs(system: System) -> None:
    wrong = TINY.replace("name: tiny", "name: wrong").replace("heads: 2", "heads: 3")
    (system.folder / "wrong.yaml").write_text(wrong.replace("factor: 2", "factor: 1"))
    done = system("flow", "run", "finetune_orbit", "--config", "wrong.yaml", check=False)
    assert done.returncode == 2
    assert "pretrain.shape" in done.stderr and "fine_tunes.downscale.factor" in done.stderr
