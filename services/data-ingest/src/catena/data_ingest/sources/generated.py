"""Sources without an archive: weather and a planet made by formulas, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from catena.data_ingest.planet import DAY_S, Planet
from catena.data_ingest.planet_series import PlanetSeries
from catena.data_ingest.sources.base import (
    Archive,
    Description,
    Entry,
    Facets,
    Found,
    describe_dataset,
    matches,
)
from catena.data_ingest.weather import Frequency, weather_dataset
from catena.data_ingest.weather_climate import CLIMATES
from catena.data_ingest.weather_region import region_sites
from catena.data_ingest.weather_site import Period, Site
from catena.shared.errors import InvalidRequest, NotFound

VOCABULARY = "generated"
_CALENDAR: Literal["noleap"] = "noleap"
_FREQUENCIES: dict[int, Frequency] = {86400: "day", 3600: "1hr"}
_TRUNCATIONS = {32: 21, 64: 42}

REGION = "region"
"""What the climate of a region's cells is called as a facet."""
HOMES: dict[str, tuple[float, float, float]] = {
    "tundra": (70.6, -149.0, 10.0),
    "boreal": (61.8, 24.3, 180.0),
    "temperate_continental": (38.7, -92.2, 220.0),
    "temperate_oceanic": (52.0, 4.9, 0.0),
    "mediterranean": (43.7, 3.6, 270.0),
    "semi_arid": (31.7, -110.0, 1500.0),
    "savanna": (12.0, 8.5, 480.0),
    "tropical_wet": (-2.6, -60.2, 100.0),
}
"""Latitude, longitude (degrees), elevation (m) of a place with each built-in climate."""


class GeneratedWeather:
    """The weather generator as a source: one dataset for each climate, or one of a region's cells.

    Parameters
    ----------
    sites : int
        In all; they are dealt out to the climates in turn. Sites of a climate lie at the same
        place and differ in their weather.
    years : int
        Of 365 days.
    step_s : {86400, 3600}
    seed : int
    climates : sequence of str
        Names of built-in climates; all by default.
    first_year : int
    cells : sequence of (float, float, float)
        Latitude, longitude (degrees) and height (m) of the cells of a region, in the place of sites
        and climates.

    Raises
    ------
    InvalidRequest
        When there is no such climate or step.
    InvalidData
        When a cell is outside of the region whose climate is known.
    """

    name: ClassVar[str] = "generated_weather"

    def __init__(
        self,
        sites: int = 4,
        years: int = 10,
        step_s: int = 86400,
        seed: int = 0,
        climates: Sequence[str] = (),
        first_year: int = 2001,
        cells: Sequence[tuple[float, float, float]] = (),
    ) -> None:
        unknown = [climate for climate in climates if climate not in CLIMATES]
        if unknown:
            raise InvalidRequest(
                f"climate {unknown[0]!r} is not built in; wanted {', '.join(CLIMATES)}"
            )
        if step_s not in _FREQUENCIES or sites < 1 or years < 1:
            raise InvalidRequest(
                f"weather of {sites} sites, {years} years, every {step_s} s; wanted at least one "
                "each, every 86400 or 3600 s"
            )
        self._frequency = _FREQUENCIES[step_s]
        self._period = Period(f"{first_year:04d}-01-01", 365 * years, _CALENDAR)
        self._years, self._first_year, self._seed = years, first_year, seed
        names = list(dict.fromkeys(climates)) or list(CLIMATES)
        self._sites: dict[str, list[Site]] = {}
        if cells:
            lat, lon, height = np.array(cells, dtype=np.float64).T
            self._sites[REGION] = list(region_sites(lat, lon, height))
            return
        for number in range(sites):
            climate = names[number % len(names)]
            own = self._sites.setdefault(climate, [])
            own.append(Site(f"{climate}_{len(own):04d}", *HOMES[climate], CLIMATES[climate]))

    def search(self, archive: Archive | None = None, facets: Facets | None = None) -> Found:
        """One entry a climate; facets: climate, frequency, seed, sites, years, first_year."""
        entries = []
        for climate, sites in self._sites.items():
            own = {
                "source_id": "generated-weather",
                "climate": climate,
                "frequency": self._frequency,
                "seed": str(self._seed),
                "sites": str(len(sites)),
                "years": str(self._years),
                "first_year": str(self._first_year),
            }
            if matches(own, facets):
                key = f"{climate}.{self._frequency}.seed{self._seed}"
                entries.append(Entry(key, (), VOCABULARY, own, generated=True))
        return Found(tuple(entries))

    def describe(self, archive: Archive | None, entry: Entry) -> Description:
        """Variables and period; nothing is generated."""
        return describe_dataset(self.open(archive, entry), ())

    def open(self, archive: Archive | None, entry: Entry) -> xr.Dataset:
        """The weather, lazily.

        Raises
        ------
        NotFound
            When the entry is not one of this source's.
        """
        sites = self._sites.get(entry.facets.get("climate", ""))
        if sites is None:
            raise NotFound(f"{entry.key} is not among the climates {', '.join(self._sites)}")
        return weather_dataset(sites, self._period, self._seed, self._frequency)


class GeneratedPlanet:
    """The synthetic planet as a source: one dataset of 6-hourly fields.

    Parameters
    ----------
    latitudes : {32, 64}
        T21 or T42.
    days : int
    seed : int
    first_year : int

    Raises
    ------
    InvalidRequest
        When there is no such grid, or no day is asked for.
    """

    name: ClassVar[str] = "generated_planet"

    def __init__(
        self, latitudes: int = 32, days: int = 365, seed: int = 0, first_year: int = 2001
    ) -> None:
        if latitudes not in _TRUNCATIONS or days < 1:
            raise InvalidRequest(
                f"planet of {latitudes} latitudes and {days} days; wanted 32 or 64 latitudes and "
                "at least one day"
            )
        planet = Planet(seed=seed, truncation=_TRUNCATIONS[latitudes])
        count = round(days * DAY_S / planet.output_s)
        self._series = PlanetSeries(planet, count, f"{first_year:04d}-01-01", _CALENDAR)
        self._facets = {
            "source_id": "generated-planet",
            "grid_label": f"t{planet.truncation}",
            "frequency": "6hr",
            "seed": str(seed),
            "days": str(days),
            "first_year": str(first_year),
        }

    def search(self, archive: Archive | None = None, facets: Facets | None = None) -> Found:
        """The one entry; facets: grid_label, frequency, seed, days, first_year."""
        if not matches(self._facets, facets):
            return Found(())
        key = f"planet.{self._facets['grid_label']}.seed{self._facets['seed']}"
        return Found((Entry(key, (), VOCABULARY, dict(self._facets), generated=True),))

    def describe(self, archive: Archive | None, entry: Entry) -> Description:
        """Variables and period; nothing is generated."""
        return describe_dataset(self.open(archive, entry), ())

    def open(self, archive: Archive | None, entry: Entry) -> xr.Dataset:
        """The fields, lazily.

        Raises
        ------
        NotFound
            When the entry is another planet's.
        """
        if entry.facets != self._facets:
            raise NotFound(f"{entry.key} is another planet than {self._facets}")
        return self._series.dataset()
