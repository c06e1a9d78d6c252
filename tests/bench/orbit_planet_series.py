"""The generated planet as a hot cache, made by data-ingest's own code and kept for later runs."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from catena.data_ingest.hot_cache import write_hot_cache
from catena.data_ingest.sources.generated import GeneratedPlanet
from catena.orbit_trainer.periods import Periods, split
from catena.shared.errors import NotFound
from catena.shared.hot_cache import HotCache

DAYS = 1280
SEED = 2
"""Recipes were chosen on the planet of seed 0; on this one nothing was."""
VALIDATE_DAYS, TEST_DAYS = 40, 80
HELD_H = 120.0
"""Gap before a period: five days, after which the planet has forgotten where it was."""


def planet_cache(days: int = DAYS, seed: int = SEED) -> HotCache:
    """T21 of a seed: 18 fields every 6 hours, normalised float16.

    It takes .2 CPU seconds a day the first time; a run that was broken off goes on.
    """
    home = os.environ.get("BENCH_PLANET", "")
    folder = Path(home) if home else Path(__file__).resolve().parents[2] / ".catena" / "bench"
    folder = folder / f"planet-t21-seed{seed}-{days}d"
    try:
        return HotCache.open(folder)
    except NotFound:
        started = time.process_time()
    source = GeneratedPlanet(latitudes=32, days=days, seed=seed)
    [entry] = source.search().entries
    dataset = source.open(None, entry)

    def progress(share: float, message: str) -> None:
        if message.endswith("0 of 160") or share == 1:
            print(f"planet: {message}", file=sys.stderr, flush=True)

    cache = write_hot_cache(dataset, folder, generated=True, progress=progress)
    spent = time.process_time() - started
    print(f"planet: {days} days made in {spent:.0f} CPU s", file=sys.stderr, flush=True)
    return cache


def planet_periods(cache: HotCache) -> Periods:
    """What is trained on, what the recipe was chosen on, what the benchmark judges on."""
    days = len(cache) / 4
    return split(cache, gap_h=HELD_H, validate=VALIDATE_DAYS / days, test=TEST_DAYS / days)
