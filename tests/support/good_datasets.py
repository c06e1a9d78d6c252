"""Datasets in canonical form, in which no check may find anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from catena.shared.lexicon import variable

MONTHS = 36
DAYS = 800
HOURS = 240
YEARS = 30


def _array(
    name: str, dims: tuple[str, ...], values: np.ndarray, methods: str = ""
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    canonical = variable(name)
    attributes = {
        "standard_name": canonical.standard_name,
        "units": canonical.units,
        "long_name": canonical.long_name,
        "cell_methods": methods or canonical.cell_methods,
    }
    return dims, values.astype("float32"), attributes


def _with_bounds(dataset: xr.Dataset, edges: np.ndarray) -> xr.Dataset:
    dataset = dataset.assign_coords(time_bnds=(("time", "bnds"), edges))
    dataset["time"].attrs = {"bounds": "time_bnds"}
    return dataset


def _grid() -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    latitude = {"standard_name": "latitude", "units": "degrees_north"}
    longitude = {"standard_name": "longitude", "units": "degrees_east"}
    return {
        "lat": ("lat", np.linspace(-75, 75, 6), {**latitude, "bounds": "lat_bnds"}),
        "lon": ("lon", np.linspace(-180, 135, 8), {**longitude, "bounds": "lon_bnds"}),
        "lat_bnds": (
            ("lat", "bnds"),
            np.stack([np.arange(-90, 90, 30), np.arange(-60, 91, 30)], 1),
        ),
        "lon_bnds": (
            ("lon", "bnds"),
            np.stack([np.arange(-202.5, 112.6, 45), np.arange(-157.5, 157.6, 45)], 1),
        ),
    }  # type: ignore[dict-item]


def _climate(rng: np.random.Generator, shape: tuple[int, ...], axis: int = 0) -> np.ndarray:
    """Temperatures of a seasonal cycle with noise, K."""
    season = 12 * np.sin(np.arange(shape[axis]) * 2 * np.pi / 12)
    along = [1] * len(shape)
    along[axis] = -1
    return 280 + season.reshape(along) + rng.normal(0, 3, shape)


def _rain(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rain on half of the steps, kg m-2 s-1."""
    return rng.gamma(0.5, 1e-4, shape) * (rng.random(shape) > 0.5)


def monthly_gridded() -> xr.Dataset:
    """tas, pr and rsds, 36 months on a 6 x 8 grid."""
    rng = np.random.default_rng(1)
    shape, dims = (MONTHS, 6, 8), ("time", "lat", "lon")
    time = np.arange("2000-01", "2003-01", dtype="datetime64[M]").astype("datetime64[us]")
    ends = np.arange("2000-02", "2003-02", dtype="datetime64[M]").astype("datetime64[us]")
    dataset = xr.Dataset(
        {
            "tas": _array("tas", dims, _climate(rng, shape)),
            "pr": _array("pr", dims, rng.gamma(2, 2e-5, shape)),
            "rsds": _array("rsds", dims, rng.uniform(0, 350, shape)),
            "hurs": _array("hurs", dims, rng.uniform(20, 99, shape)),
            "huss": _array("huss", dims, rng.uniform(0.001, 0.02, shape)),
            "clt": _array("clt", dims, rng.uniform(0, 100, shape)),
            "hfls": _array("hfls", dims, rng.uniform(-20, 200, shape)),
        },
        {"time": time, **_grid()},
    )
    return _with_bounds(dataset, np.stack([time, ends], axis=1)).chunk(time=12)


def yearly_gridded() -> xr.Dataset:
    """tas and pr, 30 years on a 6 x 8 grid."""
    rng = np.random.default_rng(7)
    shape, dims = (YEARS, 6, 8), ("time", "lat", "lon")
    edges = np.arange("1990", "2021", dtype="datetime64[Y]").astype("datetime64[us]")
    dataset = xr.Dataset(
        {
            "tas": _array("tas", dims, 285 + rng.normal(0, 2, shape)),
            "pr": _array("pr", dims, rng.gamma(4, 1e-5, shape)),
        },
        {"time": edges[:-1], **_grid()},
    )
    return _with_bounds(dataset, np.stack([edges[:-1], edges[1:]], axis=1)).chunk(time=10)


def daily_levels() -> xr.Dataset:
    """ta and hus, 90 days on 3 levels."""
    rng = np.random.default_rng(2)
    shape, dims = (90, 3, 6, 8), ("time", "plev", "lat", "lon")
    time = np.arange("2001-01-01", "2001-04-01", dtype="datetime64[D]").astype("datetime64[us]")
    level = {"units": "Pa", "positive": "down", "standard_name": "air_pressure"}
    dataset = xr.Dataset(
        {
            "ta": _array("ta", dims, _climate(rng, shape) - np.array([0, 20, 60])[:, None, None]),
            "hus": _array("hus", dims, rng.uniform(1e-4, 1e-2, shape)),
        },
        {"time": time, "plev": ("plev", np.array([85000.0, 50000.0, 20000.0]), level), **_grid()},
    )
    edges = np.stack([time, time + np.timedelta64(1, "D")], axis=1)
    return _with_bounds(dataset, edges).chunk(time=30)


def hourly_site() -> xr.Dataset:
    """Ten days of hourly weather at a site, with nights and dry hours."""
    rng = np.random.default_rng(3)
    time = np.datetime64("2004-02-20", "us") + np.arange(HOURS) * np.timedelta64(1, "h")
    day = np.sin((np.arange(HOURS) % 24 - 6) / 12 * np.pi)
    dataset = xr.Dataset(
        {
            "tas": _array("tas", ("time",), 285 + 5 * day + rng.normal(0, 1, HOURS)),
            "pr": _array("pr", ("time",), _rain(rng, (HOURS,))),
            "rsds": _array("rsds", ("time",), np.maximum(0, 800 * day)),
            "hurs": _array("hurs", ("time",), rng.uniform(30, 95, HOURS)),
            "ps": _array("ps", ("time",), 98000 + rng.normal(0, 300, HOURS)),
            "nee": _array("nee", ("time",), rng.normal(0, 3e-7, HOURS)),
        },
        {
            "time": time,
            "lat": ((), 39.32, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ((), -86.41, {"standard_name": "longitude", "units": "degrees_east"}),
            "site": ((), "US-MMS"),
        },
    )
    edges = np.stack([time, time + np.timedelta64(1, "h")], axis=1)
    return _with_bounds(dataset, edges).chunk(time=100)


def daily_basin() -> xr.Dataset:
    """pr, tas and streamflow of three basins with their areas, over a leap day."""
    rng = np.random.default_rng(4)
    shape, dims = (3, DAYS), ("basin", "time")
    time = np.datetime64("2003-06-01", "us") + np.arange(DAYS) * np.timedelta64(1, "D")
    flow = 2e-5 + _rain(rng, shape) * 0.3
    dataset = xr.Dataset(
        {
            "pr": _array("pr", dims, _rain(rng, shape)),
            "tas": _array("tas", dims, _climate(rng, shape, 1)),
            "streamflow": _array("streamflow", dims, flow),
        },
        {
            "time": time,
            "basin": ["01022500", "01547700", "02064000"],
            "area": ("basin", np.array([5.7e8, 1.2e8, 4.3e8]), {"units": "m2"}),
        },
    )
    edges = np.stack([time, time + np.timedelta64(1, "D")], axis=1)
    return _with_bounds(dataset, edges).chunk(basin=1)


def _daily_in(calendar: str) -> xr.Dataset:
    rng = np.random.default_rng(5)
    shape, dims = (400, 6, 8), ("time", "lat", "lon")
    time = xr.date_range("2003-11-01", periods=401, freq="D", calendar=calendar, use_cftime=True)
    dataset = xr.Dataset(
        {
            "tas": _array("tas", dims, _climate(rng, shape)),
            "pr": _array("pr", dims, rng.gamma(1, 3e-5, shape)),
        },
        {"time": time[:-1], **_grid()},
    )
    edges = np.stack([time[:-1].values, time[1:].values], axis=1)
    return _with_bounds(dataset, edges).chunk(time=200)


def daily_noleap() -> xr.Dataset:
    """tas and pr on days of a calendar without leap days."""
    return _daily_in("noleap")


def daily_360() -> xr.Dataset:
    """tas and pr on days of a calendar of equal months."""
    return _daily_in("360_day")


def forecast() -> xr.Dataset:
    """A forecast of four members over two days, by lead time."""
    rng = np.random.default_rng(6)
    shape, dims = (4, 16), ("member", "leadtime")
    lead = (np.arange(16) + 1) * 3
    return xr.Dataset(
        {
            "pr": _array("pr", dims, _rain(rng, shape), "leadtime: mean"),
            "tas": _array("tas", dims, 280 + rng.normal(0, 2, shape), "leadtime: point"),
        },
        {
            "leadtime": ("leadtime", lead.astype(float), {"units": "h"}),
            "member": np.arange(4),
            "forecast_reference_time": np.datetime64("2020-12-10", "us"),
        },
    ).chunk()


GOOD: dict[str, Callable[[], xr.Dataset]] = {
    "monthly_gridded": monthly_gridded,
    "yearly_gridded": yearly_gridded,
    "daily_levels": daily_levels,
    "hourly_site": hourly_site,
    "daily_basin": daily_basin,
    "daily_noleap": daily_noleap,
    "daily_360": daily_360,
    "forecast": forecast,
}
