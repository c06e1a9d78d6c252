"""Benchmark of the hot cache: shuffled single samples a second, beside what others keep fields in.

All contenders hold the same generated fields (24 variables, 64 x 128, float32) in a temporary
folder, are read in the same shuffled order by one thread after one reading that warms the page
cache, and give the same thing: one normalised float32 array [V, H, W]. Rounds are interleaved, so
that a busy machine slows all alike.

- npz: one file a sample with one array a variable, as ClimaX shards ERA5; normalised on reading.
- zarr: v3, one step a chunk for all variables, uncompressed and with zstd.
- hot cache: float32 and float16 blocks.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from threadpoolctl import threadpool_limits

from catena.data_ingest.hot_cache import write_hot_cache
from catena.shared.hot_cache import HotCache
from catena.shared.shuffle import Order

STEPS = 256
VARIABLES = 24
GRID = (64, 128)
ROUNDS = 5

Array = np.ndarray[Any, np.dtype[Any]]
Reader = Callable[[int], Array]


def fields() -> Array:
    """Smooth noise with weather's spectrum, shape (t, V, H, W): compressors see no white noise."""
    random = np.random.default_rng(0)
    rows, columns = (np.fft.fftfreq(size) * size for size in GRID)
    wave = np.sqrt(rows[:, None] ** 2 + columns[None, : GRID[1] // 2 + 1] ** 2)
    power = (1 + wave) ** -2.0
    out = np.empty((STEPS, VARIABLES, *GRID), dtype=np.float32)
    for step in range(STEPS):
        noise = random.standard_normal((VARIABLES, *wave.shape, 2)) @ [1, 1j]
        out[step] = np.fft.irfft2(noise * power, s=GRID)
    scaled: Array = out / out.std() * 7.0 + 280.0
    return scaled


def npz_reader(values: Array, folder: Path, mean: Array, std: Array) -> Reader:
    """ClimaX's way: np.load, pick each variable, stack, normalise."""
    folder.mkdir()
    names = [f"variable_{number}" for number in range(VARIABLES)]
    for step, sample in enumerate(values):
        np.savez(folder / f"{step}.npz", **{name: sample[i] for i, name in enumerate(names)})

    def read(index: int) -> Array:
        with np.load(folder / f"{index}.npz") as arrays:
            sample = np.stack([arrays[name] for name in names])
        return (sample - mean) / std

    return read


def zarr_reader(values: Array, folder: Path, compressor: Any) -> Reader:
    """Zarr v3, one step a chunk; the values are stored normalised."""
    array = zarr.create_array(
        store=str(folder),
        shape=values.shape,
        chunks=(1, *values.shape[1:]),
        dtype="float32",
        compressors=compressor,
    )
    array[:] = values
    opened = zarr.open_array(str(folder), mode="r")
    return lambda index: np.asarray(opened[index])


def cache_reader(cache: HotCache) -> Reader:
    """One sample as float32; a view where it is float32 already, copied as all others are."""
    return lambda index: cache.sample(index).astype(np.float32)


def samples_per_s(read: Reader, order: Array) -> float:
    """Speed over one shuffled epoch."""
    started = time.perf_counter()
    for index in order.tolist():
        read(index)
    return order.size / (time.perf_counter() - started)


def measure() -> dict[str, float]:
    """Samples a second of each contender, and the ratios."""
    values = fields()
    dataset = xr.Dataset(
        {
            f"variable_{number}": (("time", "lat", "lon"), values[:, number], {"units": "K"})
            for number in range(VARIABLES)
        },
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(STEPS) * np.timedelta64(6, "h"),
            "lat": np.linspace(-88.6, 88.6, GRID[0]),
            "lon": np.arange(GRID[1]) * 360 / GRID[1] - 180,
        },
    )
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        cache = write_hot_cache(dataset, folder / "float32", dtype="float32")
        half = write_hot_cache(dataset, folder / "float16", statistics=cache.channels)
        mean, std = (
            np.array([getattr(channel, key) for channel in cache.channels], dtype=np.float32)[
                :, None, None
            ]
            for key in ("mean", "std")
        )
        normalised = (values - mean) / std
        readers = {
            "hot_cache": cache_reader(cache),
            "hot_cache_float16": cache_reader(half),
            "npz": npz_reader(values, folder / "npz", mean, std),
            "zarr": zarr_reader(normalised, folder / "plain.zarr", None),
            "zarr_zstd": zarr_reader(normalised, folder / "zstd.zarr", "auto"),
        }
        for key, read in readers.items():
            error = float(np.abs(read(STEPS // 2) - normalised[STEPS // 2]).max())
            if error > (4e-3 if key == "hot_cache_float16" else 1e-4):
                raise AssertionError(f"{key} reads other values: off by {error}")
        del values, dataset, normalised
        speeds: dict[str, list[float]] = {key: [] for key in readers}
        for read in readers.values():
            samples_per_s(read, np.arange(STEPS))
        for epoch in range(ROUNDS):
            order = Order(STEPS, seed=1, epoch=epoch).take(0, STEPS)
            for key, read in readers.items():
                speeds[key].append(samples_per_s(read, order))
            print(f"round {epoch + 1} of {ROUNDS}", file=sys.stderr, flush=True)
        views = samples_per_s(cache.sample, order)
    median = {key: statistics.median(values) for key, values in speeds.items()}
    return {
        "loader_samples_ratio": median["hot_cache"] / median["npz"],
        "loader_samples_ratio_float16": median["hot_cache_float16"] / median["npz"],
        "loader_samples_ratio_to_zarr": median["hot_cache"] / median["zarr"],
        **{f"loader_samples_per_s_{key}": value for key, value in median.items()},
        "loader_views_per_s": views,
    }


if __name__ == "__main__":
    print(json.dumps({"bench": "ingest_loader", "generated_data": True, **measure()}))
