"""Properties of moist air that both generators need."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

FREEZING_K = 273.15
GRAVITY = 9.80665
DRY_AIR_GAS_CONSTANT = 287.05
STEFAN_BOLTZMANN = 5.670374419e-8
VAPOUR_RATIO = 0.622  # molar masses of water and dry air


def saturation_pressure(temperature_k: ArrayLike) -> Array:
    """Saturation vapour pressure over water (Pa); Bolton (1980, Mon. Weather Rev. 108, eq. 10)."""
    celsius = np.asarray(temperature_k, dtype=np.float64) - FREEZING_K
    pressure: Array = 611.2 * np.exp(17.67 * celsius / (celsius + 243.5))
    return pressure


def specific_humidity(vapour_pressure_pa: ArrayLike, pressure_pa: ArrayLike) -> Array:
    """Specific humidity (kg kg-1 as 1) of a vapour pressure (Pa)."""
    vapour = np.asarray(vapour_pressure_pa, dtype=np.float64)
    return VAPOUR_RATIO * vapour / (np.asarray(pressure_pa) - (1 - VAPOUR_RATIO) * vapour)


def standard_pressure(elevation_m: ArrayLike) -> Array:
    """Pressure of the standard atmosphere (Pa); ICAO Doc 7488, below 11 km."""
    height = np.asarray(elevation_m, dtype=np.float64)
    pressure: Array = 101325.0 * (1 - 2.25577e-5 * height) ** 5.25588
    return pressure


def clear_sky_emissivity(vapour_pressure_pa: ArrayLike, temperature_k: ArrayLike) -> Array:
    """Emissivity of a cloudless sky; Brutsaert (1975, Water Resour. Res. 11, eq. 11)."""
    hectopascal = np.asarray(vapour_pressure_pa, dtype=np.float64) / 100
    clear = 1.24 * (hectopascal / np.asarray(temperature_k)) ** (1 / 7)
    emissivity: Array = np.minimum(clear, 1.0)
    return emissivity


def longwave_down(
    temperature_k: ArrayLike, vapour_pressure_pa: ArrayLike, cloud_fraction: ArrayLike
) -> Array:
    """Longwave radiation from the sky (W m-2), clouds black; Crawford & Duchon (1999, eq. 18)."""
    temperature = np.asarray(temperature_k, dtype=np.float64)
    cloud = np.asarray(cloud_fraction, dtype=np.float64)
    emissivity = cloud + (1 - cloud) * clear_sky_emissivity(vapour_pressure_pa, temperature)
    longwave: Array = emissivity * STEFAN_BOLTZMANN * temperature**4
    return longwave
