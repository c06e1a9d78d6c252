"""Small hot caches of smooth fields whose values are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from catena.data_ingest.hot_cache import write_hot_cache
from catena.shared.hot_cache import HotCache

GRID = (8, 16)
UNITS = {"tas": "K", "psl": "Pa", "ua": "m s-1", "zg": "m"}
LEVELS = {"tas": (280.0, 8.0), "psl": (101325.0, 900.0), "ua": (5.0, 12.0), "zg": (5500.0, 150.0)}


def waves(
    variables: Sequence[str] = ("tas", "psl", "ua"),
    steps: int = 60,
    *,
    seed: int = 0,
    grid: tuple[int, int] = GRID,
    hours: int = 6,
    gaps: Sequence[int] = (),
    start: str = "2001-01-01",
) -> xr.Dataset:
    """Waves that travel eastward, each variable at its own speed, with a little noise.

    Step number s of the undisturbed series is missing for each s in `gaps`.
    """
    random = np.random.default_rng(seed)
    lat = np.linspace(-90, 90, 2 * grid[0] + 1)[1::2]
    lon = np.arange(grid[1]) * 360.0 / grid[1]
    kept = np.setdiff1d(np.arange(steps + len(gaps)), list(gaps))
    fields = {}
    for number, name in enumerate(variables):
        mean, spread = LEVELS[name]
        phase = np.radians(lon)[None, None] - 0.2 * (number + 1) * kept[:, None, None]
        values = np.sin((number + 1) * phase) * np.cos(np.radians(lat))[None, :, None]
        values = values + 0.1 * random.standard_normal(values.shape)
        fields[name] = (("time", "lat", "lon"), mean + spread * values, {"units": UNITS[name]})
    time = np.datetime64(start, "ns") + kept * np.timedelta64(hours, "h")
    return xr.Dataset(fields, coords={"time": time, "lat": lat, "lon": lon})


def cached(dataset: xr.Dataset, folder: Path, *, half: bool = False) -> HotCache:
    """The dataset as a hot cache."""
    return write_hot_cache(
        dataset, folder, dtype="float16" if half else "float32", normalise=half, block_steps=7
    )


def slow_fields(dataset: xr.Dataset, variables: Sequence[str]) -> np.ndarray:
    """Variables as float64, shape (t, V, H, W)."""
    return np.stack([dataset[name].values for name in variables], axis=1)
