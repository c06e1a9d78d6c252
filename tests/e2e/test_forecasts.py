"""Streamflow forecasts as a user works them: train, forecast today, forecast tomorrow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.system import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TINY = """
name: tiny
title: Two generated basins
basins: {generated: {basins: 2, years: 6, seed: 3}}
archive: {generated: {seed: 4}}
training_days: {start: 2001-01-01, end: 2004-06-30}
validation_days: {start: 2004-07-01, end: 2005-06-30}
test_days: {start: 2005-07-01, end: 2006-06-30}
issue: 2006-08-01
models:
  gr4j: {model: gr4j, leads: 5}
  tst:
    model: tst
    leads: 5
    process: gr4j
    training: {window: 30, width: 12, steps: 40, batch: 64}
forecaster: tst
intervals: {stride: 2}
evaluation: {stride: 7, track: true}
"""


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as started:
        started("up")
        (started.folder / "tiny.yaml").write_text(TINY)
        yield started


def test_models_are_trained_and_scored(system: System) -> None:
    done = system("flow", "run", "train_forecaster", "--config", "tiny.yaml")
    page = (system.folder / "reports" / "tiny.html").read_text(encoding="utf-8")
    assert "GENERATED" in page, "nobody must take these basins for real ones"
    assert "generated forecasts from an archive" in page, "nor this weather for forecasts"
    for name in ("TST with GR4J", "GR4J + MOS", "persistence", "climatology"):
        assert name in page
    for heading in ("How good are the forecasts?", "Where?", "Do the intervals hold?"):
        assert heading in page
    assert "evaluation" in done.stdout


def test_each_day_is_forecast_with_what_was_seen_until_then(system: System) -> None:
    done = system("flow", "run", "forecast_basins", "--config", "tiny.yaml")
    there = done.stdout.count("was there already")
    assert there >= 4, "archive, models and intervals are not made anew"
    first = system.folder / "reports" / "tiny-2006-08-01.html"
    assert "observations up to 2006-08-01" in first.read_text(encoding="utf-8")
    words = ["flow", "run", "forecast_basins", "--config", "tiny.yaml", "--issue", "2006-08-02"]
    system(*words)
    second = system.folder / "reports" / "tiny-2006-08-02.html"
    assert "observations up to 2006-08-02" in second.read_text(encoding="utf-8")
    kinds = [one["kind"] for one in system.json("artifacts", "list")]
    assert kinds.count("forecasts") == 2
    assert kinds.count("intervals") == 3, "as fitted, and as of each of the two days"


def test_a_wrong_file_is_told_before_anything_runs(system: System) -> None:
    wrong = TINY.replace("stride: 2", "stride: 0.5").replace("window: 30", "window: 3")
    (system.folder / "wrong.yaml").write_text(wrong.replace("name: tiny", "name: wrong"))
    done = system("flow", "run", "train_forecaster", "--config", "wrong.yaml", check=False)
    assert done.returncode == 2
    assert "intervals.stride" in done.stderr and "models.tst.training.window" in done.stderr
    assert not (system.folder / "reports" / "wrong.html").exists()
