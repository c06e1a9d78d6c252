"""Planted models: one reference climate and models with known errors, as canonical series."""

from __future__ import annotations

import numpy as np
import xarray as xr

from catena.data_ingest.grids import Grid
from catena.data_ingest.named_grids import named_grid


def cycle(grid: Grid) -> np.ndarray:
    """(12, ny, nx) a plausible surface temperature in K."""
    lat, lon = np.radians(grid.lat)[:, None], np.radians(grid.lon)[None]
    season = np.cos(2 * np.pi * (np.arange(12) - 6.5) / 12)[:, None, None]
    mean = 250 + 45 * np.cos(lat) ** 2 + 4 * np.sin(2 * lon) * np.cos(lat)
    return mean + 15 * season * np.sin(lat)


def rain(grid: Grid) -> np.ndarray:
    """(12, ny, nx) a belt of rain that moves with the seasons, kg m-2 s-1."""
    lat = grid.lat[:, None] + 0 * grid.lon[None]
    centre = 8 * np.cos(2 * np.pi * (np.arange(12) - 7) / 12)[:, None, None]
    return 1e-5 + 6e-5 * np.exp(-(((lat - centre) / 12) ** 2))


def series(
    fields: dict[str, np.ndarray],
    grid: Grid,
    *,
    years: int = 25,
    first: int = 1981,
    calendar: str = "noleap",
    noise: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Monthly canonical data that repeat a climatology, with noise whose mean is zero."""
    rng = np.random.default_rng(seed)
    time = xr.date_range(
        f"{first:04d}-01-01", periods=12 * years, freq="MS", calendar=calendar, use_cftime=True
    )
    variables = {}
    for name, values in fields.items():
        wobble = rng.standard_normal((years, *values.shape)) * noise
        wobble -= wobble.mean(axis=0)
        data = (values[None] + wobble).reshape(-1, *grid.shape).astype(np.float32)
        units = {"tas": "K", "pr": "kg m-2 s-1"}[name]
        variables[name] = (("time", "lat", "lon"), data, {"units": units})
    return xr.Dataset(variables, coords={"time": time, **grid.coordinates()})


def bumps(grid: Grid, seed: int) -> np.ndarray:
    """(12, ny, nx) a smooth error pattern of unit standard deviation."""
    rng = np.random.default_rng(seed)
    lat, lon = np.radians(grid.lat)[:, None], np.radians(grid.lon)[None]
    out = np.zeros((12, *grid.shape))
    for wave in range(1, 4):
        phase, tilt = rng.uniform(0, 2 * np.pi, 2)
        season = 1 + 0.3 * np.cos(2 * np.pi * (np.arange(12) - tilt) / 12)[:, None, None]
        out += season * np.cos(wave * lon + phase) * np.cos(lat) * np.sin(wave * lat + tilt)
    return out / out.std()


def planted(errors: dict[str, float], grid: str = "5deg") -> dict[str, xr.Dataset]:
    """Models on grids of their own with an error pattern of so many K."""
    names = ("72x144", "T42", "5deg", "gaussian:48")
    models = {}
    for number, (name, size) in enumerate(errors.items()):
        own = named_grid(names[number % len(names)])
        fields = {
            "tas": cycle(own) + size * bumps(own, 7),
            "pr": rain(own) * (1 + 0.05 * size * bumps(own, 8)),
        }
        models[name] = series(fields, own, calendar=("noleap", "360_day", "standard")[number % 3])
    return models
