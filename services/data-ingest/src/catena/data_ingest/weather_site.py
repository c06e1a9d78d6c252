"""Places and periods for which weather is generated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.data_ingest.weather_climate import CLIMATES, Climate
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Site:
    """A place with a climate.

    Parameters
    ----------
    name : str
        Decides, with the seed, which weather it gets.
    lat, lon : float
        Degrees north and east.
    elevation_m : float
    climate : Climate

    Raises
    ------
    InvalidData
        When there is no such place.
    """

    name: str
    lat: float
    lon: float = 0.0
    elevation_m: float = 0.0
    climate: Climate = field(default_factory=lambda: CLIMATES["temperate_continental"])

    def __post_init__(self) -> None:
        if not (-90 <= self.lat <= 90 and -180 <= self.lon <= 360 and self.elevation_m < 9000):
            raise InvalidData(
                f"site {self.name}: latitude {self.lat}, longitude {self.lon}, elevation "
                f"{self.elevation_m} m; wanted -90 to 90, -180 to 360, below 9000"
            )


@dataclass(frozen=True)
class Period:
    """Days of weather.

    Parameters
    ----------
    start : str
        First day, ISO 8601.
    days : int
    calendar : {"noleap", "standard"}
    """

    start: str = "2001-01-01"
    days: int = 3650
    calendar: Literal["noleap", "standard"] = "noleap"

    def __post_init__(self) -> None:
        if self.days < 1:
            raise InvalidData(f"period of {self.days} days; wanted at least 1")

    def times(self, steps_a_day: int = 1) -> xr.DataArray:
        """Start of each step, and the end of the last: one more than there are steps."""
        times = xr.date_range(
            self.start,
            periods=self.days * steps_a_day + 1,
            freq=f"{24 // steps_a_day}h",
            calendar=self.calendar,
            use_cftime=self.calendar != "standard",
        )
        return xr.DataArray(times, dims="time")

    def year_fraction(self) -> Array:
        """Middle of each day as a share of its year, shape (days,)."""
        return year_fraction(self.times()[:-1])


def year_fraction(time: xr.DataArray) -> Array:
    """Middle of the days that start at these times, as shares of their years."""
    long = time.dt.is_leap_year.values if time.dt.calendar != "noleap" else np.zeros(1, dtype=bool)
    fraction: Array = (time.dt.dayofyear.values - 0.5) / (365.0 + long)
    return fraction


def generator(seed: int, site: str, purpose: str) -> np.random.Generator:
    """Random numbers of a site for one purpose."""
    word = hashlib.sha256(f"{purpose}/{site}".encode()).digest()[:16]
    words = np.random.SeedSequence([seed, int.from_bytes(word)])
    return np.random.Generator(np.random.Philox(words))
