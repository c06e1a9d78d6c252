"""Hours of days: each day's weather spread over its 24 hours (UTC), keeping what it sums to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catena.data_ingest.weather_air import longwave_down, saturation_pressure, specific_humidity
from catena.data_ingest.weather_days import Days
from catena.data_ingest.weather_site import Period, Site, generator
from catena.data_ingest.weather_sun import Sun

Array = NDArray[np.float64]

COLDEST_HOUR, WARMEST_HOUR = 5.0, 15.0  # local solar time
EMPTY_HALF = 0.3
"""Probability that all rain falls in one part when a time is halved."""
_SPLITS = 23


def generate_hours(
    days: Days, sites: Sequence[Site], period: Period, seed: int
) -> dict[str, Array]:
    """Hourly weather, shape (24 days, sites), in canonical units.

    Parameters
    ----------
    days : Days
        Of the same sites and period.
    sites : sequence of Site
    period : Period
    seed : int

    Notes
    -----
    - Temperature: half cosines between the day's extremes, at 5 and 15 h local solar time (to the
      hour), through midnight from one day to the next. The extremes are met, the mean is not
      forced.
    - Shortwave: the day's clearness times the sun at the top of the atmosphere; the day's mean is
      kept.
    - Precipitation: a cascade of random halves (Olsson 1998, Hydrol. Earth Syst. Sci. 2, 19-30);
      the day's sum is kept.
    - Vapour pressure is the day's, less where the hour is too cold for it; longwave follows.
    - Wind: a quarter more or less at 14 and 2 h; the day's mean is kept. Pressure: straight lines
      between the middles of days.
    """
    count = len(sites)
    longitude = np.array([site.lon for site in sites])
    sun = Sun(np.array([site.lat for site in sites]), period.year_fraction()[:, None])
    shape = (period.days, 24, count)
    tas = _temperature(days.fields["tasmin"], days.fields["tasmax"], longitude)
    rsds, wind = np.empty(shape), np.empty(shape)
    for hour in range(24):
        rsds[:, hour] = days.clearness * sun.hourly_mean(hour, longitude)
        turn = np.cos(2 * np.pi * (hour + 0.5 + longitude / 15 - 14) / 24)
        wind[:, hour] = days.fields["sfcWind"] * (1 + 0.25 * turn)
    ps = _between_middles(days.fields["ps"])
    saturated = saturation_pressure(tas)
    vapour = np.minimum(days.vapour_pressure[:, None], saturated)
    fields = {
        "tas": tas,
        "pr": _cascade(days.fields["pr"], sites, seed),
        "hurs": 100 * vapour / saturated,
        "huss": specific_humidity(vapour, ps),
        "ps": ps,
        "sfcWind": wind,
        "rsds": rsds,
        "rlds": longwave_down(tas, vapour, days.cloud[:, None]),
    }
    return {name: values.reshape(-1, count) for name, values in fields.items()}


def _temperature(lowest: Array, highest: Array, longitude: Array) -> Array:
    """Half cosines through the extremes, shape (days, 24, sites)."""
    cold_at = np.floor(np.mod(COLDEST_HOUR - longitude / 15, 24)) + 0.5  # h UTC
    warm_at = np.floor(np.mod(WARMEST_HOUR - longitude / 15, 24)) + 0.5
    # Days before the first and after the last are like these.
    cold, warm = (np.concatenate([one[:1], one, one[-1:]]) for one in (lowest, highest))
    out = np.empty((lowest.shape[0], 24, longitude.size))
    for hour in range(24):
        now = hour + 0.5
        # The latest cold point at or before now, and the warm points on both its sides.
        shift_cold = np.where(cold_at <= now, 0, -1)
        shift_warm = np.where(warm_at <= now, 0, -1)
        last_cold, last_warm = cold_at + 24 * shift_cold, warm_at + 24 * shift_warm
        rising = last_cold >= last_warm
        begin = np.where(rising, last_cold, last_warm)
        end = np.where(rising, last_warm, last_cold) + 24
        share = 0.5 * (1 - np.cos(np.pi * (now - begin) / (end - begin)))
        sites = np.arange(longitude.size)
        day = np.arange(1, lowest.shape[0] + 1)[:, None]
        cold_day = day + np.where(rising, shift_cold, shift_cold + 1)
        warm_day = day + np.where(rising, shift_warm + 1, shift_warm)
        cold_value, warm_value = cold[cold_day, sites], warm[warm_day, sites]
        first = np.where(rising, cold_value, warm_value)
        second = np.where(rising, warm_value, cold_value)
        out[:, hour] = first + share * (second - first)
    return out


def _between_middles(daily: Array) -> Array:
    """Straight lines between the values at noon, shape (days, 24, sites)."""
    before, after = (
        np.concatenate([daily[:1], daily[:-1]]),
        np.concatenate([daily[1:], daily[-1:]]),
    )
    out = np.empty((daily.shape[0], 24, daily.shape[1]))
    for hour in range(24):
        offset = (hour + 0.5 - 12) / 24
        other = after if offset > 0 else before
        out[:, hour] = daily + abs(offset) * (other - daily)
    return out


def _cascade(daily: Array, sites: Sequence[Site], seed: int) -> Array:
    """Hourly rates whose mean over the day is the day's, shape (days, 24, sites)."""
    days = daily.shape[0]
    draws = np.stack(
        [generator(seed, site.name, "hours").random((days, _SPLITS, 2)) for site in sites], axis=-1
    )
    wet = daily > 0
    parts = [24 * daily]
    split = iter(range(_SPLITS))
    for _ in range(3):  # 24 h -> 12 -> 6 -> 3
        parts = [
            half
            for part in parts
            for half in _split(part, wet, *draws[:, next(split)].swapaxes(0, 1), thirds=False)
        ]
    hours: list[Array] = []
    for part in parts:  # 3 h -> 1 + 2 -> 1 + 1 + 1
        first, rest = _split(part, wet, *draws[:, next(split)].swapaxes(0, 1), thirds=True)
        hours += [
            first,
            *_split(rest, wet, *draws[:, next(split)].swapaxes(0, 1), thirds=False),
        ]
    return np.stack(hours, axis=1)


def _split(
    amount: Array, wet: NDArray[np.bool_], where: Array, how: Array, *, thirds: bool
) -> tuple[Array, Array]:
    """Two parts of an amount: all in one, or shares drawn at random.

    The first part is one half of the time, or one third; its share is uniform, or Beta(1, 2).
    """
    share = 1 - np.sqrt(1 - how) if thirds else how
    mean = 1 / 3 if thirds else 1 / 2
    all_first, all_second = 2 * EMPTY_HALF * mean, 2 * EMPTY_HALF * (1 - mean)
    share = np.where(where < all_first, 1.0, np.where(where > 1 - all_second, 0.0, share))
    first = np.where(wet, amount * share, 0.0)
    return first, amount - first
