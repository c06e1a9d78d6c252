"""Benchmark of the window loader and the store of forecasts: mapped from disk beside in memory.

Prints one JSON line; progress goes to stderr. At scale 1 it is 531 basins x 20 years x 30 leads x
5 variables (2.3 GB). Both ways read the same samples in an order of their own kind, turn about, in
processes of their own; seconds are of CPU, with all pages in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from catena.forecaster.data.donors import Donors
from catena.forecaster.data.noise import ARCHIVED, NOISED, PERFECT, ForecastWeather
from catena.forecaster.data.records import BasinRecords
from catena.forecaster.data.scaling import Scalers
from catena.forecaster.data.store import ForecastArchive, ForecastArray, ForecastStore
from catena.forecaster.data.windows import Windows

BASINS, YEARS, LEADS, NAMES = 531, 20, 30, ("pr", "tas", "tasmin", "tasmax", "rsds")
BATCH, BATCHES = 256, 2000
TARGETS = {"speed_ratio": ">= 0.8", "peak_rss_gib": "<= 1.5", "loader_ms": "<= 0.19"}


def records_of(basins: int) -> BasinRecords:
    """Weather and flow without meaning: only their size matters here."""
    rng = np.random.default_rng(0)
    days = np.arange(np.datetime64("1995-01-01"), np.datetime64(f"{1995 + YEARS}-01-01"))
    shape = (basins, len(days), len(NAMES))
    return BasinRecords(
        basins=tuple(f"{number:08d}" for number in range(basins)),
        days=days,
        weather=rng.random(shape, np.float32),
        weather_names=NAMES,
        flow=rng.random(shape[:2], np.float32),
        attributes=rng.random((basins, 20), np.float32),
        attribute_names=tuple(f"attribute_{number}" for number in range(20)),
    )


def block_of(basins: int, issues: int, start: int) -> np.ndarray:
    """Forecasts of some issue times."""
    rng = np.random.default_rng(start)
    return rng.random((basins, issues, LEADS, len(NAMES)), np.float32)


def write(folder: Path, basins: int) -> float:
    """The store, block by block of issue times; seconds."""
    days = records_of(1).days
    started = time.process_time()
    store = ForecastStore.create(
        folder, basins=[f"{n:08d}" for n in range(basins)], names=NAMES, leads=LEADS
    )
    for start in range(0, len(days), 1024):
        part = days[start : start + 1024]
        store = store.append(part, block_of(basins, len(part), start))
    return time.process_time() - started


def read(folder: str, basins: int, way: str) -> dict[str, float]:
    """Milliseconds per batch and peak memory of one way."""
    records = records_of(basins)
    scalers = Scalers.fit(records, np.ones(len(records.days), bool))
    if way in ("store", "memory"):
        source: ForecastStore | ForecastArray = ForecastStore(folder)
        if way == "memory":
            values = source.dataset()["weather"].values
            source = ForecastArray(records.basins, NAMES, records.days, values)
        forecasts, archive = ForecastWeather(ARCHIVED), ForecastArchive(source, records, LEADS)
    else:
        donors = Donors(records.days, np.ones(len(records.days), bool), LEADS)
        forecasts = ForecastWeather(NOISED if way == "noised" else PERFECT, donors=donors)
        archive = None
    windows = Windows(records, scalers, past=90, leads=LEADS, forecasts=forecasts, archive=archive)
    order = windows.batches(BATCH, seed=1)
    rows = [next(order) for _ in range(min(BATCHES, len(windows) // BATCH))]
    for part in rows[:50]:
        windows.batch(part)
    started = time.process_time()
    for part in rows:
        windows.batch(part)
    spent = time.process_time() - started
    # Of this process alone: the peak that the system keeps counts its parent's, too.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
    return {"ms": 1e3 * spent / len(rows), "peak_rss_gib": peak}


def measure(folder: str, basins: int, way: str) -> dict[str, float]:
    """:func:`read` in a process of its own."""
    code = (
        f"import json, forecast_store as b; print('F', json.dumps(b.read({folder!r}, {basins}, "
        f"{way!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    [line] = [line for line in done.stdout.splitlines() if line.startswith("F ")]
    print(way, line, file=sys.stderr, flush=True)
    return dict(json.loads(line.removeprefix("F ")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 531 basins")
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    basins = max(1, round(BASINS * asked.scale))
    with tempfile.TemporaryDirectory() as scratch:
        folder = str(Path(scratch) / "forecasts")
        written = write(Path(folder), basins)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        found = [
            {way: measure(folder, basins, way) for way in ("memory", "store", "perfect", "noised")}
            for _ in range(asked.repeats)
        ]
    best = {way: min(each[way]["ms"] for each in found) for way in found[0]}
    figures = {
        "basins": basins,
        "store_gb": size / 1e9,
        "write_cpu_s": written,
        "memory_ms": best["memory"],
        "store_ms": best["store"],
        "speed_ratio": best["memory"] / best["store"],
        "loader_ms": best["perfect"],
        "loader_noised_ms": best["noised"],
        "peak_rss_gib": max(each["store"]["peak_rss_gib"] for each in found),
        "peak_rss_in_memory_gib": max(each["memory"]["peak_rss_gib"] for each in found),
    }
    print(json.dumps({"bench": "forecast_store", "targets": TARGETS, "figures": figures}))


if __name__ == "__main__":
    main()
