"""A region's spin-ups through the command line: native sample, emulator, check, comparison."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TINY = """
name: tiny
title: A tiny generated region
sites:
  setup:
    forcing:
      ingest:
        source: generated_weather
        weather:
          years: 2
          seed: 1
          region: {box: {south: 28.0, north: 43.0, west: -96.0, east: -78.0}, step_deg: 3.0}
    surface_map: {seed: 1, trees: true}
  draw: {members: 1, seed: 1, parameters: &parameters [{name: flnr}, {name: br_mr}]}
  own_parameters: true
  check: {fallback_years: 60}
learning:
  sample: {share: 0.6, block_deg: 3.0, seed: 1}
  draw: {members: 3, seed: 2, parameters: *parameters}
  method: {ad_years: 200, final_years: 60}
  lessons: {ad_years: 20, block_deg: 3.0, seed: 1}
  # So short a spin-up teaches what it has.
  check: {no_fallback: true, limit: 50, drift: 50}
emulator:
  shape: {width: 32, depth: 1, heads: 2}
  training: {steps: 30, batch: 16}
comparison:
  methods:
    [{kind: emulator}, {kind: native, ad_years: 200, final_years: 60}, {kind: sasu}, {kind: trees}]
  reference: {ad_years: 200, final_years: 100}
"""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        (started.folder / "tiny.yaml").write_text(TINY)
        yield started


def test_centuries_are_learned_replaced_checked_and_compared(system: System) -> None:
    done = system("flow", "run", "spin_up_region", "--config", "tiny.yaml")
    assert done.stdout.count("report ") == 2
    page = (system.folder / "reports" / "tiny.html").read_text(encoding="utf-8")
    for words in (
        "GENERATED: weather, plants and soils",
        "Verification and validation",
        "NEE before and after",
        "Which sites fell back, and why?",
        "What did the emulator learn from, and how?",
    ):
        assert words in page, words
    assert (system.folder / "reports" / "tiny-emulator.html").is_file()
    kinds = [one["kind"] for one in system.json("artifacts", "list")]
    assert kinds.count("spin_up") == 2 and kinds.count("spin_up_comparison") == 1
    again = system("flow", "run", "spin_up_region", "--config", "tiny.yaml")
    assert again.stdout.count("was there already") == 5


def test_a_wrong_file_is_told_before_anything_runs(system: System) -> None:
    wrong = TINY.replace("name: tiny", "name: wrong").replace("share: 0.6", "share: 1.6")
    wrong = wrong.replace("{name: br_mr}", "{name: br_mrr}")
    (system.folder / "wrong.yaml").write_text(wrong.replace("heads: 2", "heads: 3"))
    done = system("flow", "run", "spin_up_region", "--config", "wrong.yaml", check=False)
    assert done.returncode == 2
    for field in ("learning.sample.share", "sites.draw.parameters[1].name", "emulator.shape"):
        assert field in done.stderr, done.stderr
