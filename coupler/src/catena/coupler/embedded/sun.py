"""Where the sun is: day length and the height of the sun at three times of the half-day."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.constants import SECONDS

GAUSS_X = (0.5 - math.sqrt(0.15), 0.5, 0.5 + math.sqrt(0.15))
"""Three points of Gauss's rule on 0 to 1: from noon to sunset; the morning mirrors them."""
GAUSS_W = (5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0)
SOLAR_CONSTANT = 1367.0
"""W m-2."""

G_DAYLENGTH, G_RELATIVE, G_LENGTHENING, G_EXTRATERRESTRIAL, G_SINE, G_WARMTH = 0, 1, 2, 3, 4, 7
N_SUN = 10
"""Columns of a table of the sun: day length (s), day length over its longest, whether days
lengthen (1 or 0), radiation outside the atmosphere (24-h mean, W m-2), sines of the sun's height
at the three times, cosines of the daily course of temperature at them."""


def declination(day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Declination of the sun, radians (Campbell and Norman 1998, equation 11.2).

    Parameters
    ----------
    day : float64 (...)
        Day of the year, 1 on 1 January.
    """
    mean = np.deg2rad(278.97 + 0.9856 * day)
    wobble = np.deg2rad(356.6 + 0.9856 * day)
    return np.arcsin(0.39785 * np.sin(mean + np.deg2rad(1.9165) * np.sin(wobble)))


def day_length(latitude: float, day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Day length in seconds (Oleson et al. 2013, equation 14.2)."""
    delta = declination(day)
    phi = math.radians(min(max(latitude, -89.9), 89.9))
    angle = np.clip(-math.tan(phi) * np.tan(delta), -1.0, 1.0)
    return np.minimum(np.arccos(angle) * SECONDS / math.pi, SECONDS)


def sun_table(latitude: float) -> NDArray[np.float64]:
    """The sun over a year at one latitude, float64 (366, N_SUN); row 0 is 1 January."""
    day = np.arange(1.0, 367.0)
    length = day_length(latitude, day)
    phi = math.radians(min(max(latitude, -89.9), 89.9))
    delta = declination(day)
    table = np.zeros((day.size, N_SUN))
    table[:, G_DAYLENGTH] = length
    year = np.arange(0.0, 365.25, 0.25)
    table[:, G_RELATIVE] = length / max(float(day_length(latitude, year).max()), 1.0)
    # Days lengthen from one solstice to the other: the declination moves towards this side.
    moving = declination(day + 0.5) - declination(day - 0.5)
    table[:, G_LENGTHENING] = (moving if latitude >= 0.0 else -moving) > 0.0
    half_angle = length * math.pi / SECONDS
    a, b = math.sin(phi) * np.sin(delta), math.cos(phi) * np.cos(delta)
    distance = 1.0 + 0.033 * np.cos(2.0 * math.pi * day / 365.0)
    daily = (half_angle * a + b * np.sin(half_angle)) / math.pi
    table[:, G_EXTRATERRESTRIAL] = SOLAR_CONSTANT * distance * np.maximum(daily, 0.0)
    for point, x in enumerate(GAUSS_X):
        angle = x * half_angle
        table[:, G_SINE + point] = np.maximum(a + b * np.cos(angle), 0.0)
        # A cosine with its maximum at 14 h, averaged over the times before and after noon.
        table[:, G_WARMTH + point] = math.cos(math.pi / 6.0) * np.cos(angle)
    return table
