"""Generated basins: made-up weather, and flow from a small model whose equations are known.

For trying things out, and for tests that need to know the truth. Whatever is shown from them must
be called generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import YEAR_DAYS
from catena.forecaster.data.records import Array64, BasinRecords
from catena.shared.errors import InvalidData

ATTRIBUTES = (
    "aridity", "elev_mean", "frac_snow", "geol_permeability", "max_water_content", "p_mean",
    "slope_mean",
)  # fmt: skip
_SPIN_UP_DAYS = 730
_MELT = 3.0  # mm d-1 per degC


@dataclass(frozen=True, eq=False)
class Reservoirs:
    """Parameters of the model of `N` basins; each an (N,) array.

    Parameters
    ----------
    capacity : of the soil, mm.
    quick : share of the soil's excess that runs off quickly, 0 to 1.
    quick_days, slow_days : mean stay of water in the two reservoirs behind it, >= 1 d.
    """

    capacity: Array64
    quick: Array64
    quick_days: Array64
    slow_days: Array64


def reservoir_flow(
    rain: Array64, temperature: Array64, parameters: Reservoirs
) -> tuple[Array64, Array64, Array64]:
    """Flow of the known model: snow, soil, and a quick and a slow reservoir.

    Each day precipitation below 0 degC becomes snow, which melts by 3 mm per degC; the soil takes
    what comes, gives back ``e * S / capacity`` with ``e = 0.15 max(T + 5, 0)`` mm d-1, and what
    goes over its capacity is shared between two linear reservoirs, which give ``S / days``.

    Parameters
    ----------
    rain : (N, T) array, mm d-1
    temperature : (N, T) array, degC
    parameters : Reservoirs

    Returns
    -------
    flow, evaporation : (N, T) arrays, mm d-1
    storage : (N, T + 1) array, mm
        All water in the basin before the first and after each day; it starts with half-full soil.
    """
    n, days = rain.shape
    snow, quick, slow = np.zeros(n), np.zeros(n), np.zeros(n)
    soil = 0.5 * parameters.capacity
    flow, evaporation = np.empty((n, days)), np.empty((n, days))
    storage = np.empty((n, days + 1))
    storage[:, 0] = soil
    for day in range(days):
        p, t = rain[:, day], temperature[:, day]
        frozen = np.where(t < 0, p, 0.0)
        melt = np.minimum(snow + frozen, _MELT * np.maximum(t, 0.0))
        snow = snow + frozen - melt
        soil = soil + (p - frozen) + melt
        excess = np.maximum(soil - parameters.capacity, 0.0)
        soil = soil - excess
        lost = np.minimum(0.15 * np.maximum(t + 5, 0.0) * soil / parameters.capacity, soil)
        soil = soil - lost
        quick = quick + parameters.quick * excess
        slow = slow + (1 - parameters.quick) * excess
        out = quick / parameters.quick_days, slow / parameters.slow_days
        quick, slow = quick - out[0], slow - out[1]
        flow[:, day], evaporation[:, day] = out[0] + out[1], lost
        storage[:, day + 1] = snow + soil + quick + slow
    return flow, evaporation, storage


def generated_records(
    basins: int,
    years: int,
    *,
    seed: int = 0,
    first_year: int = 2001,
    missing_flow: float = 0.02,
) -> BasinRecords:
    """Draw basins with their attributes and weather, and run the known model.

    Wet and dry spells pass over all basins together; how much rain falls, how warm it is and what
    the ground does differ between basins, and are told by the attributes.

    Parameters
    ----------
    basins, years : int
    seed : int
    first_year : int
    missing_flow : float
        Share of days whose flow is hidden, in runs of about ten days.

    Raises
    ------
    InvalidData
        When there are no basins or years, or the share is not in [0, 1).
    """
    if basins < 1 or years < 1 or not 0 <= missing_flow < 1:
        raise InvalidData(
            f"{basins} basins, {years} years and {missing_flow:g} of the flow missing were asked "
            "for; at least one basin and year and a share in [0, 1) wanted"
        )
    rng = np.random.default_rng(seed)
    first = np.datetime64(f"{first_year}-01-01", "D")
    days = np.arange(first, np.datetime64(f"{first_year + years}-01-01", "D"))
    early = np.arange(first - _SPIN_UP_DAYS, days[-1] + 1)
    latitude, longitude = rng.uniform(30, 48, basins), rng.uniform(-122, -70, basins)
    elevation = rng.gamma(2.0, 300.0, basins)
    slope, permeability = rng.uniform(1, 120, basins), rng.uniform(-15, -11, basins)
    capacity = rng.uniform(60, 400, basins)
    wetness = rng.uniform(0.5, 2.0, basins)
    rain, temperature = _weather(rng, early, latitude, elevation, wetness)
    parameters = Reservoirs(
        capacity=capacity,
        quick=0.15 + 0.6 * slope / 120,
        quick_days=np.full(basins, 2.5),
        slow_days=20 + 25 * (permeability + 15),
    )
    flow, _, _ = reservoir_flow(rain, temperature, parameters)
    rain, temperature, flow = (each[:, _SPIN_UP_DAYS:] for each in (rain, temperature, flow))
    flow[_runs(rng, flow.shape, missing_flow)] = np.nan
    demand = (0.15 * np.maximum(temperature + 5, 0.0)).mean(axis=1)
    mean_rain = rain.mean(axis=1)
    attributes = {
        "aridity": demand / mean_rain,
        "elev_mean": elevation,
        "frac_snow": np.where(temperature < 0, rain, 0.0).sum(axis=1) / rain.sum(axis=1),
        "geol_permeability": permeability,
        "max_water_content": capacity / 1000,
        "p_mean": mean_rain,
        "slope_mean": slope,
    }
    return BasinRecords(
        basins=tuple(f"generated-{number:03d}" for number in range(1, basins + 1)),
        days=days,
        weather=np.stack([rain, temperature], axis=-1).astype(np.float32),
        weather_names=("pr", "tas"),
        flow=flow.astype(np.float32),
        attributes=np.stack([attributes[name] for name in ATTRIBUTES], axis=1).astype(np.float32),
        attribute_names=ATTRIBUTES,
        latitude=latitude,
        longitude=longitude,
        area=rng.uniform(5e7, 2e9, basins),
        generated=True,
    )


def _weather(
    rng: np.random.Generator,
    days: NDArray[np.datetime64],
    latitude: Array64,
    elevation: Array64,
    wetness: Array64,
) -> tuple[Array64, Array64]:
    """Rain (N, T) in mm d-1 and temperature (N, T) in degC."""
    basins, count = len(latitude), len(days)
    start = days.astype("datetime64[Y]").astype("datetime64[D]")
    season = np.cos(2 * np.pi * ((days - start).astype(float) - 200) / YEAR_DAYS)  # 1 in July
    # A wet day follows a wet day more often than a dry one, and more often in winter.
    wet = np.empty(count, bool)
    draw, state = rng.uniform(size=count), False
    for day in range(count):
        state = bool(draw[day] < (0.62 if state else 0.28) - 0.05 * season[day])
        wet[day] = state
    storm = np.where(wet, rng.gamma(0.8, 9.0, count), 0.0)
    rain = storm * wetness[:, None] * rng.gamma(4.0, 0.25, (basins, count))
    anomaly = _red_noise(rng, (1, count), 0.8, 3.0) + _red_noise(rng, (basins, count), 0.7, 1.0)
    mean = 32.0 - 0.55 * latitude - 0.0055 * elevation
    amplitude = 4.0 + 0.25 * (latitude - 25)
    temperature = mean[:, None] + amplitude[:, None] * season + anomaly - 1.0 * wet
    return rain, temperature


def _red_noise(
    rng: np.random.Generator, shape: tuple[int, int], memory: float, sd: float
) -> Array64:
    """First-order autoregression with this standard deviation."""
    noise = rng.normal(size=shape)
    noise[:, 1:] *= np.sqrt(1 - memory**2)
    for day in range(1, shape[1]):
        noise[:, day] += memory * noise[:, day - 1]
    return sd * noise


def _runs(rng: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """About this share of all days, in runs of some ten days."""
    hidden = np.zeros(shape, bool)
    for row in range(shape[0]):
        for start in np.flatnonzero(rng.uniform(size=shape[1]) < share / 10):
            hidden[row, start : start + int(rng.integers(5, 16))] = True
    return hidden
