"""Weather day by day, from a seed and the parameters of a climate.

After Richardson (1981, Water Resour. Res. 17, 182-190): wet and dry days are a Markov chain of
first order, amounts are gamma distributed, and the departures of temperatures and radiation from
their seasonal means on wet or dry days are a multivariate autoregression of first order. Humidity,
pressure and wind take part in the same autoregression; longwave radiation follows from
temperature, humidity and clearness.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr

from catena.data_ingest.weather_air import (
    longwave_down,
    saturation_pressure,
    specific_humidity,
    standard_pressure,
)
from catena.data_ingest.weather_climate import (
    CLEARNESS_RANGE,
    LATENT,
    RESIDUALS,
    WET_MM,
    Climate,
    basis,
    seasonal,
)
from catena.data_ingest.weather_site import Period, Site, generator
from catena.data_ingest.weather_sun import Sun
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Wetness = NDArray[np.bool_]

DAY_S = 86400.0
LEAST_RANGE_K = 0.5
"""Between the day's highest and lowest temperature."""
_DAYS_AT_ONCE = 256  # random numbers that stay in the processor's cache


@dataclass(frozen=True)
class Days:
    """Daily weather of several sites; all arrays have the shape (days, sites).

    Parameters
    ----------
    fields : dict
        Canonical name -> values in canonical units.
    clearness : array
        Share of the radiation at the top of the atmosphere that arrives.
    cloud : array
        Cloud fraction.
    vapour_pressure : array
        Pa.
    """

    fields: dict[str, Array]
    clearness: Array
    cloud: Array
    vapour_pressure: Array


class _Seasons:
    """Seasonal parameters of all sites, each climate evaluated once for each hemisphere."""

    def __init__(self, sites: Sequence[Site], year_fraction: Array) -> None:
        self.climates: list[Climate] = []
        columns = []
        for site in sites:
            known = [number for number, one in enumerate(self.climates) if one is site.climate]
            if not known:
                known = [len(self.climates)]
                self.climates.append(site.climate)
            columns.append(2 * known[0] + (site.lat < 0))
        self._columns = np.array(columns)
        self._functions = (basis(year_fraction), basis(np.mod(year_fraction + 0.5, 1.0)))

    def __call__(self, coefficients: Iterable[Array]) -> Array:
        """One quantity at all sites, shape (days, sites), of the coefficients of each climate."""
        table = [seasonal(one, functions) for one in coefficients for functions in self._functions]
        return np.stack(table, axis=-1)[:, self._columns]

    def by_wetness(self, coefficients: Iterable[Array], wet: Wetness) -> Array:
        """The same of coefficients (2, 5) for dry and wet days."""
        both = list(coefficients)
        return np.where(wet, self(one[1] for one in both), self(one[0] for one in both))


def generate_days(sites: Sequence[Site], period: Period, seed: int) -> Days:
    """Daily weather of several sites.

    Every site draws random numbers of its own, by its name and the seed: its series is the same
    whoever else is generated, and a longer one begins as a shorter one.

    Parameters
    ----------
    sites : sequence of Site
        With different names.
    period : Period
    seed : int

    Raises
    ------
    InvalidData
        When there is no site, or two have the same name.
    """
    names = sorted(site.name for site in sites)
    twice = [one for one, next_one in itertools.pairwise(names) if one == next_one]
    if not names or twice:
        raise InvalidData(
            f"weather for {len(names)} sites, name that comes twice: {twice[:1]}; wanted at least "
            "one site, and different names: a site's weather follows from its name and the seed"
        )
    fraction = period.year_fraction()
    seasons = _Seasons(sites, fraction)
    climates = seasons.climates
    wet = _occurrence(sites, seasons, seed, period.days)
    pr = _amounts(sites, seasons, seed, wet)
    residuals = _residuals(sites, seed, period.days)
    latent = {}
    for number, name in enumerate(LATENT):
        mean = seasons.by_wetness((one.mean[number] for one in climates), wet)
        spread = np.exp(seasons.by_wetness((one.spread[number] for one in climates), wet))
        latent[name] = mean + spread * residuals[number]
    scale = np.exp(seasons.by_wetness((one.wind_scale for one in climates), wet))
    shape = np.array([site.climate.wind_shape for site in sites])
    # Weibull from normal: 1 - F = Phi(-z)
    wind = scale * (-log_ndtr(-residuals[len(LATENT)])) ** (1 / shape)
    return _canonical(sites, fraction, pr, latent, wind)


def _occurrence(sites: Sequence[Site], seasons: _Seasons, seed: int, days: int) -> Wetness:
    """The Markov chain of wet and dry days; it starts in its stationary state."""
    after_dry = expit(seasons(one.wet_after_dry for one in seasons.climates))
    after_wet = expit(seasons(one.wet_after_wet for one in seasons.climates))
    draws = np.stack(
        [generator(seed, site.name, "occurrence").random(days + 1) for site in sites], axis=-1
    )
    wet = np.empty((days, len(sites)), dtype=bool)
    state = draws[0] < after_dry[0] / (1 + after_dry[0] - after_wet[0])
    for day in range(days):
        state = draws[day + 1] < np.where(state, after_wet[day], after_dry[day])
        wet[day] = state
    return wet


def _amounts(sites: Sequence[Site], seasons: _Seasons, seed: int, wet: Wetness) -> Array:
    """Precipitation of each day (mm)."""
    mean = np.exp(seasons(one.amount for one in seasons.climates))
    drawn = np.stack(
        [
            generator(seed, site.name, "amount").standard_gamma(
                site.climate.amount_shape, wet.shape[0]
            )
            / site.climate.amount_shape
            for site in sites
        ],
        axis=-1,
    )
    return np.where(wet, WET_MM + mean * drawn, 0.0)


def _residuals(sites: Sequence[Site], seed: int, days: int) -> list[Array]:
    """Standard normal residuals in the order of `RESIDUALS`, shape (days, sites) each."""
    size, count = len(RESIDUALS), len(sites)
    dynamics = {id(site.climate): site.climate.dynamics() for site in sites}
    a = np.stack([dynamics[id(site.climate)][0] for site in sites], axis=-1)
    b = np.stack([dynamics[id(site.climate)][1] for site in sites], axis=-1)
    # Sums are written out: a matrix product would round by how many sites there are.
    noise_columns = [np.ascontiguousarray(b[:, number]) for number in range(size)]
    columns = [np.ascontiguousarray(a[:, number]) for number in range(size)]
    generators = [generator(seed, site.name, "residuals") for site in sites]
    roots = np.stack(
        [np.linalg.cholesky(site.climate.lag0 + 1e-12 * np.eye(size)) for site in sites], axis=-1
    )
    start = np.stack([one.standard_normal(size) for one in generators], axis=-1)
    state = np.zeros((size, count))
    for number in range(size):
        state += roots[:, number] * start[number]
    out = np.empty((size, days, count))
    for first in range(0, days, _DAYS_AT_ONCE):
        some = min(_DAYS_AT_ONCE, days - first)
        draws = np.stack([one.standard_normal((some, size)) for one in generators], axis=-1)
        noise = np.zeros((some, size, count))
        for number in range(size):
            noise += noise_columns[number] * draws[:, number, None]
        for day in range(some):
            state_before, state = state, noise[day]
            for number in range(size):
                state += columns[number] * state_before[number]
        out[:, first : first + some] = noise.swapaxes(0, 1)
    return list(out)


def _canonical(
    sites: Sequence[Site],
    fraction: Array,
    pr: Array,
    latent: dict[str, Array],
    wind: Array,
) -> Days:
    """Physical variables of the latent ones."""
    elevation = np.array([site.elevation_m for site in sites])
    middle = (latent["tasmax"] + latent["tasmin"]) / 2
    half = np.maximum(latent["tasmax"] - latent["tasmin"], LEAST_RANGE_K) / 2
    low, high = CLEARNESS_RANGE
    clearness = low + (high - low) * expit(latent["clearness"])
    top = Sun(np.array([site.lat for site in sites]), fraction[:, None]).daily_mean()
    # Clear sky lets 0.75 + 2e-5 z through: Allen et al. (1998, FAO 56, eq. 37).
    cloud = 1 - np.minimum(clearness / (0.75 + 2e-5 * elevation), 1.0)
    humidity = expit(latent["humidity"])
    ps = standard_pressure(elevation) + latent["pressure"]
    vapour_pressure = humidity * saturation_pressure(middle)
    fields = {
        "tas": middle,
        "tasmin": middle - half,
        "tasmax": middle + half,
        "pr": pr / DAY_S,
        "hurs": 100 * humidity,
        "huss": specific_humidity(vapour_pressure, ps),
        "ps": ps,
        "sfcWind": wind,
        "rsds": clearness * top,
        "rlds": longwave_down(middle, vapour_pressure, cloud),
    }
    return Days(fields, clearness, cloud, vapour_pressure)
