"""A tower's file made from a run of the model plus noise, in CalLMIP's layout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FILE_NAMES, FLUXES, UNITS

Array = NDArray[np.float64]


def file_name(site: str, first: int, last: int) -> str:
    """Name of the file: as CalLMIP's, and it says that nobody measured this."""
    return f"{site}_daily_aggregated_{first}-{last}_SYNTHETIC_Flux.nc"


def noisy(
    truth: Mapping[str, Array], *, error_fraction: float, missing: float, seed: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Values with noise and gaps, and their uncertainties.

    Parameters
    ----------
    truth : mapping of str to array (day,)
        For each of :data:`catena.coupler.callmip.observations.FLUXES`, in its units.
    error_fraction : float
        Standard deviation of the noise, as a fraction of the flux's own over all days.
    missing : float
        Part of the days that are missing; each flux has its own.
    seed : int
    """
    rng = np.random.default_rng([seed, 5])
    values, uncertainty = {}, {}
    for flux in FLUXES:
        series = np.asarray(truth[flux], dtype=np.float64)
        sd = error_fraction * max(float(series.std()), 1e-6)
        gone = rng.random(series.size) < missing
        noise = sd * rng.standard_normal(series.size)
        values[flux] = np.where(gone, np.nan, series + noise)
        uncertainty[flux] = np.where(gone, np.nan, sd)
    return values, uncertainty


def write_tower_file(
    path: Path,
    place: tuple[float, float],
    start: dt.date,
    values: Mapping[str, Array],
    uncertainty: Mapping[str, Array],
    source: str,
) -> None:
    """Write daily fluxes in CalLMIP's layout.

    Parameters
    ----------
    path : Path
    place : (lat, lon)
        Degrees.
    start : datetime.date
    values, uncertainty : mapping of str to array (day,)
    source : str
        How they were made.
    """
    days = values[FLUXES[0]].size
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.createDimension("time", days)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = f"days since {start.isoformat()} 00:00:00", "standard"
        time[:] = np.arange(days)
        for name, value in zip(("latitude", "longitude"), place, strict=True):
            file.createVariable(name, "f8", ())[...] = value
        for flux in FLUXES:
            for kind, series in (("", values[flux]), ("_uc", uncertainty[flux])):
                name = f"{FILE_NAMES[flux]}{kind}_daily"
                made = file.createVariable(name, "f4", ("time",), fill_value=np.nan)
                made.units = UNITS[flux]
                made[:] = series
        # It was never summed from half hours: known errors of published files are not in it.
        file.setncatts({"source": source, "scaling_factor_NEE": "none", "Conventions": "CF-1.11"})
