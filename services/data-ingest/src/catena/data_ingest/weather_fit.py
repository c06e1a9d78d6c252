"""Parameters of a climate from a daily series: what the generator would need to make its like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import digamma, expit, logit, ndtri

from catena.data_ingest.weather_air import standard_pressure
from catena.data_ingest.weather_climate import (
    CLEARNESS_RANGE,
    CLIMATES,
    HARMONICS,
    LATENT,
    RESIDUALS,
    WET_MM,
    Climate,
    basis,
    feasible,
    seasonal,
)
from catena.data_ingest.weather_days import DAY_S
from catena.data_ingest.weather_site import year_fraction
from catena.data_ingest.weather_sun import Sun
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_DAYS = 730
_NEEDED = ("pr", "tasmin", "tasmax")
_USEFUL = ("rsds", "hurs", "ps", "sfcWind")
LEAST_WET_DAYS = 30
_LEAST_SUN = 20.0  # W m-2 at the top of the atmosphere, below which clearness says nothing
_EDGE = 0.005  # shares are kept this far from 0 and 1 before their logit is taken


def fit_weather(
    series: xr.Dataset,
    *,
    lat: float,
    elevation_m: float = 0.0,
    name: str = "fitted",
    base: Climate | None = None,
) -> Climate:
    """The climate of a daily series.

    Occurrence by logistic regression on two harmonics (Stern & Coe 1984), amounts, variances and
    wind by gamma regression with a log link, means by least squares, all by maximum likelihood;
    correlations from the standardised residuals (Matalas 1967).

    Parameters
    ----------
    series : xarray.Dataset
        On `time`, in canonical names and units, times at the start of the days: `pr`, `tasmin` and
        `tasmax`; also `rsds`, `hurs`, `ps` and `sfcWind` where they are known. NaN is left out.
    lat : float
        Degrees north.
    elevation_m : float
    name : str
        Of the climate.
    base : Climate, optional
        Gives what the series lacks; by default temperate continental.

    Returns
    -------
    Climate

    Raises
    ------
    InvalidData
        When variables are missing, or there are too few days.
    """
    base = base or CLIMATES["temperate_continental"]
    missing = [one for one in _NEEDED if one not in series]
    misplaced = [
        one for one in (*_NEEDED, *_USEFUL) if one in series and series[one].dims != ("time",)
    ]
    if missing or misplaced or series.sizes["time"] < LEAST_DAYS:
        raise InvalidData(
            f"fit of {name}: missing {missing}, not on time alone {misplaced}, "
            f"{series.sizes.get('time', 0)} days; wanted {', '.join(_NEEDED)} on time alone, "
            f"{LEAST_DAYS} days or more"
        )
    fraction = year_fraction(series["time"])
    if lat < 0:
        fraction = np.mod(fraction + 0.5, 1.0)
    functions = basis(fraction)
    rain = series["pr"].values.astype(np.float64) * DAY_S
    known, wet = np.isfinite(rain), np.nan_to_num(rain) > WET_MM
    if (wet & known).sum() < LEAST_WET_DAYS:
        raise InvalidData(
            f"fit of {name}: {(wet & known).sum()} days with more than {WET_MM} mm; wanted "
            f"{LEAST_WET_DAYS}: is pr in kg m-2 s-1?"
        )
    next_day = _next_days(series["time"])
    amounts = rain[wet & known] - WET_MM
    amount = gamma_regression(functions[wet & known], np.maximum(amounts, 1e-3))
    shape = gamma_shape(amounts / np.exp(seasonal(amount, functions[wet & known])))
    climate = replace(
        base,
        name=name,
        wet_after_dry=_transition(functions, known, wet, next_day, after_wet=False),
        wet_after_wet=_transition(functions, known, wet, next_day, after_wet=True),
        amount=amount,
        amount_shape=shape,
    )
    latent = _latent(series, lat, elevation_m)
    mean, spread = base.mean.copy(), base.spread.copy()
    residuals = np.full((len(RESIDUALS), rain.size), np.nan)
    for number, variable in enumerate(LATENT):
        if variable not in latent:
            continue
        for state, chosen in enumerate((known & ~wet, known & wet)):
            used = chosen & np.isfinite(latent[variable])
            if used.sum() < LEAST_WET_DAYS:  # too few: as on other days
                used = known & np.isfinite(latent[variable])
            values = latent[variable][used]
            mean[number, state] = least_squares(functions[used], values)
            departure = values - seasonal(mean[number, state], functions[used])
            spread[number, state] = gamma_regression(functions[used], departure**2 + 1e-12) / 2
            here = chosen & np.isfinite(latent[variable])
            residuals[number, here] = (
                latent[variable][here] - seasonal(mean[number, state], functions[here])
            ) / np.exp(seasonal(spread[number, state], functions[here]))
    if "sfcWind" in series:
        wind = series["sfcWind"].values.astype(np.float64)
        scale, wind_shape = fit_wind(wind, functions, known, wet)
        climate = replace(climate, wind_scale=scale, wind_shape=wind_shape)
        residuals[-1] = _wind_residuals(wind, functions, wet, scale, wind_shape)
        residuals[-1, ~known] = np.nan
    lag0, lag1 = _correlations(residuals, next_day, base)
    return replace(climate, mean=mean, spread=spread, lag0=lag0, lag1=lag1)


def least_squares(functions: Array, values: Array) -> Array:
    """Coefficients (5,) of the seasonal mean."""
    return np.asarray(np.linalg.lstsq(functions, values, rcond=None)[0], dtype=np.float64)


def logistic_regression(functions: Array, outcome: Mask) -> Array:
    """Coefficients (5,) of the logit of a probability; Newton's method.

    A weak pull to no season (one pseudo-day a harmonic) keeps months without any rain finite.
    """
    rate = np.clip(outcome.mean(), 1 / (outcome.size + 1), outcome.size / (outcome.size + 1))
    coefficients = np.zeros(HARMONICS)
    coefficients[0] = logit(rate)
    pull = np.diag([0.0, *[0.1] * (HARMONICS - 1)])
    for _ in range(50):
        probability = expit(functions @ coefficients)
        weight = probability * (1 - probability)
        slope = functions.T @ (outcome - probability) - pull @ coefficients
        change = np.linalg.solve((functions.T * weight) @ functions + pull, slope)
        coefficients = coefficients + change
        if np.abs(change).max() < 1e-10:
            break
    return coefficients


def gamma_regression(functions: Array, values: Array) -> Array:
    """Coefficients (5,) of the log of the mean of positive values; McCullagh & Nelder (1989, 8.3).

    Fisher scoring; the shape of the gamma distribution drops out.
    """
    coefficients = np.zeros(HARMONICS)
    coefficients[0] = np.log(values.mean())
    pull = np.diag([0.0, *[0.1] * (HARMONICS - 1)])
    information = functions.T @ functions + pull
    for _ in range(200):
        ratio = values / np.exp(functions @ coefficients)
        slope = functions.T @ (ratio - 1) - pull @ coefficients
        change = np.linalg.solve(information, slope)
        # A first step from far off may overshoot.
        coefficients = coefficients + change / max(1.0, np.abs(change).max())
        if np.abs(change).max() < 1e-10:
            break
    return coefficients


def gamma_shape(ratios: Array) -> float:
    """Shape of a gamma distribution of mean 1, by maximum likelihood."""
    ratios = np.maximum(ratios / ratios.mean(), 1e-6)
    wanted = float(np.mean(np.log(ratios)))

    def excess(log_shape: float) -> float:
        shape = np.exp(log_shape)
        return float(np.log(shape) - digamma(shape) + wanted)

    return float(np.exp(brentq(excess, np.log(1e-2), np.log(1e4))))


def fit_wind(wind: Array, functions: Array, known: Mask, wet: Mask) -> tuple[Array, float]:
    """Log scale (2, 5) on dry and wet days, and shape, of the Weibull distribution.

    For a given shape k, wind^k is exponential with mean scale^k: a gamma regression.
    """
    usable = known & np.isfinite(wind)
    parts = [usable & ~wet, usable & wet]
    parts = [part if part.sum() >= LEAST_WET_DAYS else usable for part in parts]
    positive = np.maximum(np.where(usable, wind, 1.0), 1e-3)

    def scales(shape: float) -> Array:
        return np.stack(
            [gamma_regression(functions[part], positive[part] ** shape) / shape for part in parts]
        )

    def cost(shape: float) -> float:
        total = 0.0
        for scale, part in zip(scales(shape), parts, strict=True):
            ratio = np.log(positive[part]) - seasonal(scale, functions[part])
            total -= np.sum(np.log(shape) + shape * ratio - np.exp(shape * ratio))
        return total

    best = minimize_scalar(cost, bounds=(0.5, 8.0), method="bounded", options={"xatol": 1e-4})
    return scales(float(best.x)), float(best.x)


def _wind_residuals(wind: Array, functions: Array, wet: Mask, scale: Array, shape: float) -> Array:
    both = np.where(wet, seasonal(scale[1], functions), seasonal(scale[0], functions))
    above = np.exp(-((wind / np.exp(both)) ** shape))  # 1 - F
    residuals: Array = -ndtri(np.clip(above, 1e-9, 1 - 1e-9))
    return residuals


def _next_days(time: xr.DataArray) -> Mask:
    """Whether each day but the first follows the day before it, shape (days - 1,)."""
    values = time.values
    if np.issubdtype(values.dtype, np.datetime64):
        return np.asarray(np.diff(values) == np.timedelta64(1, "D"))
    return np.array([later.total_seconds() == DAY_S for later in np.diff(values)])


def _transition(
    functions: Array, known: Mask, wet: Mask, next_day: Mask, *, after_wet: bool
) -> Array:
    before = known[:-1] & known[1:] & next_day & (wet[:-1] == after_wet)
    if before.sum() < LEAST_WET_DAYS:
        raise InvalidData(
            f"{before.sum()} days after {'wet' if after_wet else 'dry'} ones; wanted "
            f"{LEAST_WET_DAYS}: a longer series"
        )
    return logistic_regression(functions[1:][before], wet[1:][before])


def _latent(series: xr.Dataset, lat: float, elevation_m: float) -> dict[str, Array]:
    """The normal variables that a series has; the inverse of what the generator does."""

    def values(name: str) -> Array:
        column: Array = series[name].values.astype(np.float64)
        return column

    def share(part: Array) -> Array:
        scaled: Array = logit(np.clip(part, _EDGE, 1 - _EDGE))
        return scaled

    latent = {"tasmax": values("tasmax"), "tasmin": values("tasmin")}
    if "rsds" in series:
        low, high = CLEARNESS_RANGE
        top = Sun(lat, year_fraction(series["time"])).daily_mean()
        clearness = np.where(top > _LEAST_SUN, values("rsds") / np.maximum(top, 1.0), np.nan)
        latent["clearness"] = share((clearness - low) / (high - low))
    if "hurs" in series:
        latent["humidity"] = share(values("hurs") / 100)
    if "ps" in series:
        latent["pressure"] = values("ps") - standard_pressure(elevation_m)
    return latent


def _correlations(residuals: Array, next_day: Mask, base: Climate) -> tuple[Array, Array]:
    """Correlations of the residuals; variables that the series lacks keep the base's own."""
    size = residuals.shape[0]
    lag0, lag1 = np.eye(size), np.diag(np.diag(base.lag1))
    present = [number for number in range(size) if np.isfinite(residuals[number]).any()]
    for one in present:
        for other in present:
            lag0[one, other] = _correlation(residuals[one], residuals[other])
            pairs = np.where(next_day, 1.0, np.nan)
            lag1[one, other] = _correlation(residuals[one, 1:] * pairs, residuals[other, :-1])
    return feasible(lag0, lag1)


def _correlation(one: Array, other: Array) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1])
