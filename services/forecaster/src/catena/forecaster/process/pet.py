"""Potential evapotranspiration from temperature and latitude (Oudin et al. 2005)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import Days, day_of_year
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

SOLAR_CONSTANT = 0.0820  # MJ m-2 min-1
LATENT_HEAT = 2.45  # MJ kg-1


def extraterrestrial_radiation(latitude: Array, doy: NDArray[np.int64]) -> Array:
    """Radiation at the top of the atmosphere, MJ m-2 d-1 (Allen et al. 1998, FAO 56, eq. 21 to 25).

    Parameters
    ----------
    latitude : array_like, broadcastable with `doy`
        Degrees north.
    doy : array_like of int
        Day of the year, 1 to 366.
    """
    phi = np.radians(np.asarray(latitude, float))
    angle = 2.0 * np.pi * np.asarray(doy) / 365.0
    distance = 1.0 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    # beyond the polar circles the sun stays up or down all day
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    daily = sunset * np.sin(phi) * np.sin(declination)
    daily = daily + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    radiation = 24.0 * 60.0 / np.pi * SOLAR_CONSTANT * distance * daily
    return np.asarray(np.maximum(radiation, 0.0))


def oudin_pet(temperature: Array, latitude: Array, days: Days) -> Array:
    """Potential evapotranspiration, mm d-1 (Oudin et al. 2005, J. Hydrol. 303, 290-306, eq. 3).

    ``R_e / (lambda rho) (T + 5) / 100`` where T > -5 degC, else nothing.

    Parameters
    ----------
    temperature : array_like, (basin, ...)
        Daily mean, degC; NaN gives NaN.
    latitude : array_like, (basin,)
        Degrees north.
    days : array_like of datetime64[D], (...)
        Days of the trailing axes of `temperature`.

    Raises
    ------
    InvalidData
        A latitude beyond the poles or missing; shapes that do not fit.
    """
    t, latitude = np.asarray(temperature, float), np.atleast_1d(np.asarray(latitude, float))
    days = np.asarray(days, "datetime64[D]")
    if t.shape != latitude.shape + days.shape:
        raise InvalidData(
            f"temperature has shape {t.shape}, latitude {latitude.shape}, days {days.shape}; "
            "want temperature of (basin, ...) with a latitude per basin and a day for the rest"
        )
    if not (np.abs(latitude) <= 90.0).all():
        bad = int(np.flatnonzero(~(np.abs(latitude) <= 90.0))[0])
        raise InvalidData(f"latitude[{bad}] is {latitude[bad]:g}; want -90 to 90 degrees north")
    every = extraterrestrial_radiation(latitude[:, None], np.arange(1, 367))
    radiation = every[:, day_of_year(days) - 1]
    return radiation / LATENT_HEAT * np.maximum(t + 5.0, 0.0) / 100.0
