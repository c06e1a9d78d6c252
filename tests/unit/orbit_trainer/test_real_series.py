"""A real CMIP6 series goes from its files to a model that learns from it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from catena.data_ingest.hot_cache import write_hot_cache
from catena.models.orbit import Orbit, initial
from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.batches import BatchStream
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.periods import split
from catena.orbit_trainer.sources import Source
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.hot_cache import HotCache

DATA = Path(os.environ.get("CATENA_DATA", "/nowhere"))
FOLDER = DATA / "cmip6" / "mesmer_cmip6ng" / "tas" / "mon" / "g025"
MONTH_H = 365.25 * 24 / 12

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs the real data in CATENA_DATA"),
]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> list[HotCache]:
    """IPSL-CM6A-LR, monthly surface temperature 2015 to 2100, of two scenarios."""
    folder = tmp_path_factory.mktemp("caches")
    caches = []
    for name in ("ssp126", "ssp585"):
        path = FOLDER / f"tas_mon_IPSL-CM6A-LR_{name}_r1i1p1f1_g025.nc"
        with xr.open_dataset(path) as dataset:
            caches.append(write_hot_cache(dataset[["tas"]], folder / name, block_steps=1032))
    return caches


def test_months_of_a_century_are_one_run_on_the_days_of_the_calendar(
    scenarios: list[HotCache],
) -> None:
    with xr.open_dataset(FOLDER / "tas_mon_IPSL-CM6A-LR_ssp585_r1i1p1f1_g025.nc") as dataset:
        true = dataset["time"].values.astype("datetime64[s]").astype(np.int64)
        warming = float(dataset["tas"][-120:].mean() - dataset["tas"][:120].mean())
    cache = scenarios[1]
    assert [run.count for run in cache.metadata.runs] == [1032]
    assert np.abs(cache.times_s() - true).max() < 3 * 86400
    assert not cache.metadata.generated
    periods = split(cache, gap_h=12 * MONTH_H, validate="2080-01-01", test="2090-01-01")
    assert periods.validate.steps(cache) == (65 * 12, 74 * 12)
    assert warming > 2  # this scenario warms: what is learned in one period is judged in another


def test_a_small_model_learns_the_seasons(scenarios: list[HotCache]) -> None:
    periods = split(scenarios[0], gap_h=6 * MONTH_H, validate="2080-01-01", test="2090-01-01")
    leads = (MONTH_H, 6 * MONTH_H)
    sources = [Source(cache, share) for cache, share in zip(scenarios, (1.0, 2.0), strict=True)]
    statistics = measured(sources, ["tas"], leads, periods.train)
    config = OrbitConfig(("tas",), ("tas",), (20, 20), patch=4, width=32, depth=2, heads=2)
    settings = TrainingSettings(steps=120, batch=16, learning_rate=3e-3)
    weights = latitude_weights(torch.tensor(scenarios[0].metadata.lat))
    engine = NativeEngine(
        lambda: Orbit(config),
        settings,
        lambda predicted, batch: latitude_loss(predicted, batch.targets, weights),
        "cpu",
        fill=lambda name, shape, dtype: initial(config, name, shape, 0, dtype),
    )
    of = {"cache": sources, "variables": ["tas"], "outputs": ["tas"], "leads_h": leads, "seed": 0}
    held = BatchStream(
        **of, size=48, period=periods.validate, residual=True, statistics=statistics
    ).batch(0)
    before = engine.evaluate(held)
    stream = BatchStream(**of, size=16, period=periods.train, residual=True, statistics=statistics)
    with stream.ahead() as batches:
        for _ in range(settings.steps):
            assert not engine.step(next(batches), settings.learning_rate).skipped
    assert engine.evaluate(held) < 0.6 * before  # no change is what fresh weights predict
