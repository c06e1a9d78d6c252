"""Explanations as a user works them: train, draw, explain, look at pages and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TINY = """
name: tiny
title: Three generated basins
basins: {generated: {basins: 3, years: 6, seed: 3}}
training_days: {start: 2001-01-01, end: 2004-06-30}
validation_days: {start: 2004-07-01, end: 2005-06-30}
test_days: {start: 2005-07-01, end: 2006-06-30}
issue: 2006-08-01
models:
  tst: {model: tst, leads: 5, training: {window: 30, width: 12, steps: 40, batch: 64}}
  interpretable: {model: interpretable_lstm, leads: 5,
                  training: {window: 30, width: 8, steps: 20, batch: 64}}
forecaster: tst
explain:
  models: [tst, interpretable]
  basins: [generated-001, generated-003]
  samples: {count: 6, background: 8}
  baselines: 4
  flow: {leads: [1, 5], dear_samples: 2}
"""
ISSUES = np.array(["2004-07-01", "2005-06-30"], "datetime64[ns]")


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        (started.folder / "tiny.yaml").write_text(TINY)
        yield started


def run(system: System, *more: str, check: bool = True, file: str = "tiny.yaml") -> str:
    done = system("flow", "run", "explain_basins", "--config", file, *more, check=check)
    return str(done.stdout + done.stderr)


def test_each_model_has_its_page_and_numbers_that_add_up(system: System) -> None:
    said = run(system)
    lines = [line.split()[-1] for line in said.splitlines() if line.startswith("numbers")]
    assert len(lines) == 2, said
    for name, folder in zip(("tst", "interpretable"), lines, strict=True):
        page = (system.folder / "reports" / f"tiny-{name}.html").read_text(encoding="utf-8")
        assert "GENERATED" in page, "nobody must take these basins for real ones"
        found = xr.open_zarr(Path(folder.removeprefix("file://"))).load()
        assert set(found["basin"].values) == {"generated-001", "generated-003"}
        issues = found["issue"].values
        assert ((issues >= ISSUES[0]) & (issues <= ISSUES[1])).all(), "days of validation only"
        parts = found["contribution"].sum(["variable", "lag"])
        parts = parts + found["attribute_contribution"].sum("attribute")
        explained = found["prediction"] - found["reference"]
        limit = 1e-4 * float(found["prediction"].max() - found["prediction"].min())
        assert float(abs(parts - explained).max()) <= limit, name
        assert float(found["contribution"].std()) > 0


def test_what_was_made_is_found_again(system: System) -> None:
    said = run(system)
    assert said.count("was there already") == 6, "two models, two samples, two explanations"


def test_only_the_page_of_an_interpretable_network_has_its_own_importances(
    system: System,
) -> None:
    def numbers(name: str) -> xr.Dataset:
        refs = [one for one in system.json("artifacts", "list") if one["kind"] == "explanation"]
        folders = [system.settings.home / "store" / one["uri"] for one in refs]
        every = [xr.open_zarr(next(folder.rglob("explanation.zarr"))) for folder in folders]
        return next(one for one in every if ("variable_importance" in one) == (name != "tst"))

    assert "gate" in numbers("tst")
    importance = numbers("interpretable")["variable_importance"]
    assert np.allclose(importance.sum("importance_variable"), 1.0, atol=1e-5)


def test_a_wrong_section_is_told_before_anything_runs(system: System) -> None:
    wrong = TINY.replace("name: tiny", "name: wrong").replace("baselines: 4", "baselines: -4")
    wrong = wrong.replace("leads: [1, 5]", "leads: [5, 1]").replace("count: 6", "count: -1")
    (system.folder / "wrong.yaml").write_text(wrong)
    said = run(system, check=False, file="wrong.yaml")
    for field in ("explain.baselines", "explain.flow.leads", "explain.samples.count"):
        assert field in said
    assert not (system.folder / "reports" / "wrong-tst.html").exists()
