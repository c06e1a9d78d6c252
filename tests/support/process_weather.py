"""Generated weather and records for the tests of the process model."""

from __future__ import annotations

import numpy as np

from catena.forecaster.data.records import BasinRecords
from catena.forecaster.process.bands import bands_from_slope
from catena.forecaster.process.model import ProcessModel
from catena.forecaster.process.parameters import from_unit


def some_days(count: int) -> np.ndarray:
    return np.datetime64("1990-01-01") + np.arange(count)


def some_weather(basins: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rain on two days of five, and a year's round of temperature with frost."""
    rng = np.random.default_rng(seed)
    wet = rng.random((basins, count)) < 0.4
    p = np.where(wet, rng.gamma(0.8, 9.0, (basins, count)), 0.0)
    year = -12.0 * np.cos(2 * np.pi * (np.arange(count) - 20) / 365.25)
    t = 7.0 + year + rng.normal(0.0, 3.0, (basins, count))
    return p, t


def some_records(
    basins: int = 3, count: int = 3000, *, seed: int = 0, middling: bool = True
) -> tuple[BasinRecords, ProcessModel]:
    """Records whose flow is that of a process model, and that model."""
    rng = np.random.default_rng([seed, 1])
    p, t = (x.astype(np.float32) for x in some_weather(basins, count, seed))
    unit = rng.uniform(0.3, 0.7, (basins, 9)) if middling else rng.random((basins, 9))
    latitude, slope = np.linspace(35.0, 48.0, basins), np.linspace(20.0, 120.0, basins)
    model = ProcessModel(from_unit(unit), latitude, bands_from_slope(slope))
    flow = model.run(p, t, some_days(count)).flow
    records = BasinRecords(
        basins=tuple(f"basin-{b}" for b in range(basins)),
        days=some_days(count),
        weather=np.stack([p, t], axis=-1),
        weather_names=("pr", "tas"),
        flow=flow,
        attributes=slope[:, None],
        attribute_names=("slope_mean",),
        latitude=latitude,
        longitude=np.linspace(-100.0, -80.0, basins),
        generated=True,
    )
    return records, model
