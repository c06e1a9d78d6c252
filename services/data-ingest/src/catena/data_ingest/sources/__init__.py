"""Sources of data by name. Each knows the layout of one kind of archive."""

from __future__ import annotations

import importlib

from catena.data_ingest.sources.base import Archive, Source
from catena.data_ingest.sources.order import Order

# Loaded when asked for: each brings its own readers.
_HOME = {
    "cmip6": "cmip6:Cmip6",
    "era5": "era5:Era5",
    "daymet": "daymet:Daymet",
    "camels": "camels:Camels",
    "flux": "flux:Flux",
    "forecast": "forecasts:Forecasts",
    "reservoir": "reservoir:Reservoir",
    "gridded": "gridded:Gridded",
    "generated_weather": "generated:GeneratedWeather",
    "generated_planet": "generated:GeneratedPlanet",
}

# Those whose module has a function `special_archive`: some of their locations are no places of
# files, but indexes that know where files lie, or services that make them.
_SPECIAL = frozenset({"cmip6", "era5", "daymet"})

SOURCES = tuple(_HOME)
"""Names of all sources."""


def source(name: str, **settings: object) -> Source:
    """Source by its name.

    Parameters
    ----------
    name : str
        One of :data:`SOURCES`.
    **settings
        Of a generated source: seed, size and the like.

    Raises
    ------
    KeyError
        For any other name.
    """
    module, _, attribute = _HOME[name].partition(":")
    found: type[Source] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found(**settings)


def special_archive(name: str, order: Order) -> Archive | None:
    """The archive of a location that its source reads in a way of its own.

    Parameters
    ----------
    name : str
        Of the source.
    order : Order

    Returns
    -------
    Archive or None
        None for folders and servers of files.
    """
    if name not in _SPECIAL:
        return None
    module = _HOME[name].partition(":")[0]
    found: Archive | None = importlib.import_module(f"{__name__}.{module}").special_archive(order)
    return found
