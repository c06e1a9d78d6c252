"""Generated weather of a region: a climate that changes with latitude, longitude and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catena.data_ingest.weather_climate import CLIMATES, LATENT, Climate
from catena.data_ingest.weather_site import Site
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

KNOWN = (24.0, 52.0, -105.0, -60.0)
"""South, north, west and east of where the climate is known, degrees."""
HOME = (38.7, -92.2)
"""Degrees north and east of the place that ``temperate_continental`` describes."""
WINTER_K, SUMMER_K = -1.35, -0.55
"""Change of temperature per degree of latitude in mid January and in mid July, as between the Gulf
of Mexico and the Great Lakes."""
WETTER = 0.018
"""Change of the log of a wet day's amount per degree of longitude: the east is wetter."""
DRIER = -0.02
"""Change of it per degree of latitude."""
CALMER, FAR = 0.25, 13.0
"""Share of the day-to-day spread of temperature that is lost so many degrees south of HOME, and won
as far north of it; no more beyond."""
LAPSE_K = -0.0055
"""K per metre of height."""
COLDEST = 0.05
"""Share of the year at which winter is deepest."""


def known_climate(lat: float, lon: float) -> bool:
    """Whether a place lies in the region."""
    south, north, west, east = KNOWN
    return south <= lat <= north and west <= lon <= east


def region_climate(lat: float, lon: float, elevation_m: float = 0.0) -> Climate:
    """Climate of a place in eastern North America.

    That of :data:`HOME` with seasonal means of temperature, their spread and the amount of rain
    changed along latitude, longitude and height. It makes the contrasts of a region (frost and
    heat, long and short growing seasons, wet and dry), not the climatology of each place.

    Parameters
    ----------
    lat, lon : float
        Degrees north and east.
    elevation_m : float

    Returns
    -------
    Climate
        With a name of its own.

    Raises
    ------
    InvalidData
        Outside of 24 to 52 degrees north, 105 to 60 west.
    """
    if not known_climate(lat, lon):
        south, border, west, east = KNOWN
        raise InvalidData(
            f"regional weather at latitude {lat:g}, longitude {lon:g}; wanted {south:g} to "
            f"{border:g} and {west:g} to {east:g}: choose other places"
        )
    home = CLIMATES["temperate_continental"]
    north = lat - HOME[0]
    middle = 0.5 * (WINTER_K + SUMMER_K) * north + LAPSE_K * elevation_m
    swing = 0.5 * (WINTER_K - SUMMER_K) * north
    angle = 2 * np.pi * COLDEST
    change = np.array([middle, swing * np.cos(angle), swing * np.sin(angle), 0.0, 0.0])
    mean, spread = home.mean.copy(), home.spread.copy()
    for name in ("tasmax", "tasmin"):
        number = LATENT.index(name)
        mean[number] += change
        spread[number, :, 0] += np.log1p(CALMER * np.clip(north / FAR, -1.0, 1.0))
    amount = home.amount.copy()
    amount[0] += WETTER * (lon - HOME[1]) + DRIER * north
    return replace(home, name=f"region {lat:g} {lon:g}", mean=mean, spread=spread, amount=amount)


def region_sites(lat: Array, lon: Array, elevation_m: Array | None = None) -> Sequence[Site]:
    """A site with weather of its own for each cell.

    Parameters
    ----------
    lat, lon : float64 (cell,)
        Degrees north and east.
    elevation_m : float64 (cell,), optional
        0 by default.

    Raises
    ------
    InvalidData
        When lengths differ or a cell is outside of the region.
    """
    heights = np.zeros(len(lat)) if elevation_m is None else elevation_m
    if not len(lat) == len(lon) == len(heights):
        raise InvalidData(
            f"{len(lat)} latitudes, {len(lon)} longitudes, {len(heights)} heights; wanted one of "
            "each for every cell"
        )
    return [
        Site(f"{y:.4f} {x:.4f}", y, x, z, region_climate(y, x, z))
        for y, x, z in zip(
            (float(v) for v in lat),
            (float(v) for v in lon),
            (float(v) for v in heights),
            strict=True,
        )
    ]
