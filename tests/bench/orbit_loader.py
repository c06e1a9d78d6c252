"""What training waits for its batches, and what making them costs.

A hot cache of generated fields (18 variables, 32 x 64, normalised float16, as the planet's) in a
temporary folder feeds the training of the planet's recipe: a small model, whose steps are short, so
that a loader has little time. Both are on one thread each. After a first round that warms the page
cache, the share of the wait is that of the wall clock of the steps that follow.
"""

from __future__ import annotations

import tempfile
import time

import numpy as np
import torch
import xarray as xr

from catena.data_ingest.hot_cache import write_hot_cache
from catena.models.orbit import Orbit, initial
from catena.orbit_trainer.batches import BatchStream
from catena.orbit_trainer.engines.native import NativeEngine
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights
from catena.orbit_trainer.training.recipes import PLANET
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period

SAMPLES = 400
VARIABLES = 18
GRID = (32, 64)
WARM, STEPS = 5, 60


def fields() -> xr.Dataset:
    """Smooth noise, every 6 hours."""
    random = np.random.default_rng(0)
    noise = random.standard_normal((SAMPLES, VARIABLES, *GRID), dtype=np.float32)
    for axis in (2, 3):
        noise += np.roll(noise, 1, axis) + np.roll(noise, 2, axis)
    return xr.Dataset(
        {
            f"variable_{number}": (("time", "lat", "lon"), noise[:, number], {"units": "K"})
            for number in range(VARIABLES)
        },
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(SAMPLES) * np.timedelta64(6, "h"),
            "lat": np.linspace(-90, 90, 2 * GRID[0] + 1)[1::2],
            "lon": np.arange(GRID[1]) * 360.0 / GRID[1],
        },
    )


def figures_of(cache: HotCache) -> dict[str, float]:
    """Wait, and samples a second of the loader alone."""
    names = [channel.label for channel in cache.channels]
    settings = PLANET.settings
    config = PLANET.config(names, names, GRID)
    weights = latitude_weights(torch.tensor(cache.metadata.lat))
    engine = NativeEngine(
        lambda: Orbit(config),
        settings,
        lambda predicted, batch: latitude_loss(predicted, batch.targets, weights),
        "cpu",
        fill=lambda name, shape, dtype: initial(config, name, shape, settings.seed, dtype),
    )
    stream = BatchStream(
        cache,
        names,
        names,
        PLANET.leads_h,
        settings.batch,
        settings.seed,
        Period(),
        residual=True,
        statistics=measured(cache, names, PLANET.leads_h, Period()),
    )
    with stream.ahead() as batches:
        for _ in range(WARM):
            engine.step(next(batches), settings.learning_rate)
        waited, began = batches.waited_s, time.perf_counter()
        for _ in range(STEPS):
            engine.step(next(batches), settings.learning_rate)
        seconds = time.perf_counter() - began
        share = (batches.waited_s - waited) / seconds
    started = time.process_time()
    for step in range(STEPS):
        stream.batch(step)
    alone = time.process_time() - started
    return {
        "loader_wait_share": share,
        "loader_cpu_s_per_1000_samples": 1000 * alone / (STEPS * settings.batch),
        "loader_train_samples_per_s": STEPS * settings.batch / seconds,
    }


def measure() -> dict[str, float]:
    """Figures on a cache that is thrown away."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cache = write_hot_cache(fields(), f"{folder}/cache")
        return {name: round(value, 5) for name, value in figures_of(cache).items()}
