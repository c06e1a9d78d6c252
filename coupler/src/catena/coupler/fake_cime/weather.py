"""Weather of a run: the bypass directory's file where it is a site's, else generated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.stages import one_cycle
from catena.coupler.forcing import site_forcing
from catena.coupler.restart.writing import replacing
from catena.shared.errors import InvalidData
from catena.shared.site_netcdf import layout_of

DAYS = 365
GENERATED_YEARS = 5


@dataclass(frozen=True)
class Weather:
    """Whole years without leap days that come again and again.

    Parameters
    ----------
    values : float64 (1, day, 9)
        In the order of :data:`catena.coupler.forcing.FORCING`.
    first_year : int
        Year of the first day: years of the record come back as themselves.
    source : str
        Where it is from, for the log.
    """

    values: NDArray[np.float64]
    first_year: int
    source: str

    def year(self, year: int) -> NDArray[np.float64]:
        """The days of one model year, float64 (1, 365, 9)."""
        at = DAYS * ((year - self.first_year) % (self.values.shape[1] // DAYS))
        return np.ascontiguousarray(self.values[:, at : at + DAYS])


def weather_of(file: Path | None, lat: float, lon: float, kept: Path | None = None) -> Weather:
    """Daily weather of a run.

    Parameters
    ----------
    file : Path or None
        ``all_hourly.nc`` of the bypass. None (weather that a data model would read), or a file
        that has not the form of a site's, gives generated weather.
    lat, lon : float
        Degrees. The clock of the place is taken from its longitude, 15 degrees an hour.
    kept : Path, optional
        Folder for days that were made from a site's file, so that runs after the first read those.

    Raises
    ------
    InvalidData
        When it is no netCDF, or a site's file with missing or impossible values.
    """
    if file is None:
        return generated(lat)
    try:
        with netCDF4.Dataset(file) as dataset:
            known = layout_of(dataset.variables) is not None
    except OSError as error:
        raise InvalidData(
            f"{file.name} cannot be read: {error}; a netCDF file is wanted"
        ) from error
    if not known:
        return generated(lat)
    hours = round(((lon + 180.0) % 360.0 - 180.0) / 15.0)
    if kept is None:
        return _site_weather(file, hours)
    status = file.stat()
    stamp = f"{file} {status.st_size} {status.st_mtime_ns} {hours}"
    days = kept / f"{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npz"
    if not days.exists():
        made = _site_weather(file, hours)
        kept.mkdir(exist_ok=True)
        with replacing(days) as temporary, temporary.open("wb") as target:
            np.savez(target, values=made.values, first_year=made.first_year)
    with np.load(days, allow_pickle=False) as found:
        return Weather(found["values"], int(found["first_year"]), file.name)


def _site_weather(file: Path, hours: int) -> Weather:
    record = one_cycle(site_forcing(file, site=file.parent.name, utc_offset_h=hours))
    return Weather(record.array(), record.start.year, file.name)


def generated(lat: float) -> Weather:
    """Five years that follow the seasons of a latitude, always the same ones."""
    random = np.random.default_rng(0)
    days = DAYS * GENERATED_YEARS
    north = 1.0 if lat >= 0.0 else -1.0
    season = -north * np.cos(2.0 * np.pi * (np.arange(days) - 15.0) / DAYS)
    tas = 300.0 - 0.4 * abs(lat) + abs(lat) / 3.0 * season + random.normal(0.0, 3.0, days)
    half = random.uniform(2.0, 7.0, days)
    clear = random.uniform(0.3, 1.0, days)
    rsds = np.maximum((220.0 - abs(lat) + 2.8 * abs(lat) * season) * clear, 8.0)
    dew = tas - half - 273.15
    vp = 610.8 * np.exp(17.27 * dew / (dew + 237.3)) * random.uniform(0.7, 1.0, days)
    rlds = 5.67e-8 * tas**4 * (0.9 - 0.2 * clear + 2e-5 * vp)
    pr = (random.random(days) < 0.3) * random.exponential(9.0, days) / 86400.0
    wind = random.uniform(0.5, 6.0, days)
    pressure = np.full(days, 98000.0)
    columns = (tas, tas - half, tas + half, rsds, rlds, vp, pressure, pr, wind)
    return Weather(np.stack(columns, axis=-1)[np.newaxis], 1, "generated weather")
