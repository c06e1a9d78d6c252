"""Water vapour in air: every measure of humidity as a vapour pressure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

FREEZING_K = 273.15
MOLAR_RATIO = 0.622
"""Molar masses of water and dry air."""


def saturation_vapour_pressure(temperature_k: ArrayLike) -> Array:
    """Over water (Pa); Bolton (1980, Mon. Weather Rev. 108, 1046-1053, eq. 10).

    Relative humidity is measured against water below freezing too (WMO-No. 8).
    """
    celsius = np.asarray(temperature_k, dtype=np.float64) - FREEZING_K
    pressure: Array = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    return pressure


def vapour_pressure_of_specific_humidity(huss: ArrayLike, pressure_pa: ArrayLike) -> Array:
    """Vapour pressure (Pa) from specific humidity (kg kg-1) and pressure (Pa)."""
    q = np.asarray(huss, dtype=np.float64)
    vapour: Array = q * np.asarray(pressure_pa) / (MOLAR_RATIO + (1 - MOLAR_RATIO) * q)
    return vapour


def vapour_pressure_of_relative_humidity(hurs: ArrayLike, temperature_k: ArrayLike) -> Array:
    """Vapour pressure (Pa) from relative humidity (%, 100 at most) and temperature (K)."""
    share = np.minimum(np.asarray(hurs, dtype=np.float64), 100.0) / 100
    vapour: Array = share * saturation_vapour_pressure(temperature_k)
    return vapour


def vapour_pressure_of_deficit(vpd: ArrayLike, temperature_k: ArrayLike) -> Array:
    """Vapour pressure (Pa), 0 at least, from its deficit (Pa) and temperature (K)."""
    vapour: Array = np.maximum(saturation_vapour_pressure(temperature_k) - np.asarray(vpd), 0.0)
    return vapour
