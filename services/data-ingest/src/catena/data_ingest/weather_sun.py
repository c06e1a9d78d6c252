"""Where the sun stands, and what it sends to the top of the atmosphere: closed forms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

SOLAR_CONSTANT = 1361.0  # W m-2; Kopp & Lean (2011)
_HOUR = np.pi / 12


def orbit(year_fraction: ArrayLike) -> tuple[Array, Array]:
    """Declination (rad) and irradiance normal to the rays (W m-2); Spencer (1971).

    Parameters
    ----------
    year_fraction : array_like
        0 at the start of the year, 1 at its end.
    """
    angle = 2 * np.pi * np.asarray(year_fraction, dtype=np.float64)
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
        - 0.002697 * np.cos(3 * angle)
        + 0.00148 * np.sin(3 * angle)
    )
    nearness = (
        1.00011
        + 0.034221 * np.cos(angle)
        + 0.00128 * np.sin(angle)
        + 0.000719 * np.cos(2 * angle)
        + 0.000077 * np.sin(2 * angle)
    )
    return declination, SOLAR_CONSTANT * nearness


class Sun:
    """Cosine of the zenith angle, ``a + b cos H``, integrated over the hour angle H.

    Parameters
    ----------
    latitude : array_like
        Degrees; broadcast against `year_fraction`.
    year_fraction : array_like
    """

    def __init__(self, latitude: ArrayLike, year_fraction: ArrayLike) -> None:
        phi = np.radians(np.asarray(latitude, dtype=np.float64))
        declination, self.irradiance = orbit(year_fraction)
        self._a = np.sin(phi) * np.sin(declination)
        self._b = np.maximum(np.cos(phi) * np.cos(declination), 1e-12)
        self.sunset = np.arccos(np.clip(-self._a / self._b, -1.0, 1.0))
        self._day = 2 * (self._a * self.sunset + self._b * np.sin(self.sunset))

    def daily_mean(self) -> Array:
        """Radiation on a level plane at the top of the atmosphere, mean of the day (W m-2).

        ``S / pi (sunset sin(phi) sin(delta) + cos(phi) cos(delta) sin(sunset))``; 0 in the polar
        night.
        """
        mean: Array = np.maximum(self.irradiance * self._day / (2 * np.pi), 0.0)
        return mean

    def hourly_mean(self, hour: int, longitude: ArrayLike) -> Array:
        """Mean of the hour that starts at `hour` UTC (W m-2); the mean of 24 is the daily mean."""
        start = (hour - 12) * _HOUR + np.radians(np.asarray(longitude, dtype=np.float64))
        mean = self.irradiance * (self._until(start + _HOUR) - self._until(start)) / _HOUR
        return np.maximum(mean, 0.0)

    def _until(self, hour_angle: Array) -> Array:
        """Integral of the positive part from midnight (H = -pi) on, over any number of days."""
        days = np.floor((hour_angle + np.pi) / (2 * np.pi))
        within = hour_angle - 2 * np.pi * days
        seen = np.clip(within, -self.sunset, self.sunset)
        part = self._a * (seen + self.sunset) + self._b * (np.sin(seen) + np.sin(self.sunset))
        total: Array = days * self._day + part
        return total
