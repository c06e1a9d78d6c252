"""Parts of data-ingest's requests: selections, regions, generated sources.

Each has the fields of the protobuf message of its name in
``catena/api/data_ingest/v1/data_ingest.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from catena.data_ingest.weather_region import KNOWN, known_climate
from catena.shared.errors import FieldViolation
from catena.shared.query import QueryModel, RefQuery, kind_is

SourceName = Literal[
    "cmip6",
    "era5",
    "daymet",
    "camels",
    "flux",
    "forecast",
    "reservoir",
    "gridded",
    "generated_weather",
    "generated_planet",
]
Mode = Literal["copy", "reference"]
RegridMethod = Literal["conservative", "bilinear", "nearest"]

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=200)]
FileName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\- ]*$", max_length=200)
]
Location = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]

DatasetRef = Annotated[RefQuery, kind_is("dataset")]
CatalogRef = Annotated[RefQuery, kind_is("catalog")]
FilesRef = Annotated[RefQuery, kind_is("files")]


def _day(text: str) -> str:
    if text:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError("wanted a day, e.g. 2001-12-31") from None
    return text


def _one_of(*allowed: int) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value not in allowed:
            raise ValueError(f"wanted {' or '.join(map(str, allowed))}")
        return value

    return check


Day = Annotated[str, StringConstraints(max_length=10), AfterValidator(_day)]
"""A day in ISO 8601, or empty."""


class Facet(QueryModel):
    """A column of a catalog and the values that are accepted; ``*`` and ``?`` are wildcards."""

    name: Name
    values: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=1000),
    ]


class Region(QueryModel):
    """A box in degrees; west may exceed east, across 180. From -180 to 180 it goes all around."""

    south: Annotated[float, Field(ge=-90, le=90)] = 0.0
    north: Annotated[float, Field(ge=-90, le=90)] = 0.0
    west: Annotated[float, Field(ge=-180, le=360)] = 0.0
    east: Annotated[float, Field(ge=-180, le=360)] = 0.0

    def violations(self) -> Iterator[FieldViolation]:
        """The box must have a height and a width."""
        if not self.south < self.north:
            yield FieldViolation(
                "north", f"got {self.south:g} to {self.north:g}; wanted south < north"
            )
        if self.west - self.east in (0.0, 360.0):
            yield FieldViolation(
                "east",
                f"got {self.west:g} to {self.east:g}, one meridian; wanted two longitudes, or -180 "
                "to 180 for all",
            )

    @property
    def longitudes(self) -> tuple[float, float] | None:
        """West and east as canonical data have them, in [-180, 180); None: all around."""
        if self.east - self.west >= 360.0:
            return None
        west, east = (((x + 180.0) % 360.0) - 180.0 for x in (self.west, self.east))
        return west, east


def days_in_order(start: str, end: str) -> Iterator[FieldViolation]:
    """Violation where a period ends before it begins."""
    if start and end and end < start:
        yield FieldViolation("end", f"got {start} to {end}; wanted start <= end")


Year = Annotated[int, Field(ge=0, le=9999)]
"""A year; 0 where none is given."""


def years_in_order(first: int, last: int) -> Iterator[FieldViolation]:
    """Violation where a span of years ends before it begins."""
    if last and last < first:
        yield FieldViolation("last_year", f"got {first} to {last}; wanted first_year <= last_year")


def facet_table(facets: tuple[Facet, ...]) -> Mapping[str, tuple[str, ...]]:
    """Facets as a mapping, for sources and catalogs."""
    return {facet.name: facet.values for facet in facets}


class Selection(QueryModel):
    """Part of what a source has; what is left out is not restricted."""

    facets: Annotated[tuple[Facet, ...], Field(max_length=50)] = ()
    variables: Annotated[tuple[Name, ...], Field(max_length=500)] = ()
    start: Day = ""
    end: Day = ""
    region: Region | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """A facet is named once; the period is in order."""
        yield from days_in_order(self.start, self.end)
        names = [facet.name for facet in self.facets]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield FieldViolation(
                    f"facets[{i}].name", f"got {name!r} twice; put all values into one facet"
                )


MOST_CELLS = 5_000
"""Cells of a region of generated weather."""

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=360)]


class WeatherRegion(QueryModel):
    """Cells with a regional climate: a box in steps, or places one by one."""

    box: Region | None = None
    step_deg: Annotated[float, Field(ge=0, le=20)] = 0.0
    latitudes: Annotated[tuple[Latitude, ...], Field(max_length=MOST_CELLS)] = ()
    longitudes: Annotated[tuple[Longitude, ...], Field(max_length=MOST_CELLS)] = ()
    elevations_m: Annotated[
        tuple[Annotated[float, Field(ge=-500, lt=9_000)], ...], Field(max_length=MOST_CELLS)
    ] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """One of both; cells, and not too many of them; all inside of where climates are known."""
        found = [*(self._places() if self.box is None else self._box())]
        yield from found or self._inside()

    def _places(self) -> Iterator[FieldViolation]:
        places = len(self.latitudes)
        if not places:
            yield FieldViolation(
                "box", "wanted box (with step_deg), or latitudes and longitudes of places; give one"
            )
        if self.step_deg:
            yield FieldViolation("step_deg", "is given without box; leave it out")
        for name, least in (("longitudes", places), ("elevations_m", 0)):
            if len(getattr(self, name)) not in (least, places):
                yield FieldViolation(
                    name, f"got {len(getattr(self, name))} for {places} latitudes; wanted as many"
                )

    def _box(self) -> Iterator[FieldViolation]:
        if self.latitudes or self.longitudes or self.elevations_m:
            yield FieldViolation("box", "is given beside places; give one of both")
        if not self.step_deg:
            yield FieldViolation("step_deg", "is missing; say how far apart cells are, in degrees")
            return
        cells = len(self.rows) * len(self.columns)
        if not 1 <= cells <= MOST_CELLS:
            yield FieldViolation(
                "step_deg",
                f"got {self.step_deg:g} degrees, which make {cells} cells; wanted 1 to "
                f"{MOST_CELLS}",
            )

    def _inside(self) -> Iterator[FieldViolation]:
        """Cells lie where a climate is known, each at a place of its own."""
        seen: set[tuple[float, float]] = set()
        for number, (lat, lon, _) in enumerate(self.cells):
            field = "box" if self.box is not None else f"latitudes[{number}]"
            if not known_climate(lat, lon):
                south, north, west, east = KNOWN
                yield FieldViolation(
                    field,
                    f"a cell lies at {lat:g}, {lon:g}; wanted latitudes from {south:g} to "
                    f"{north:g} and longitudes from {west:g} to {east:g}",
                )
                return
            place = round(lat, 4), round(lon, 4)
            if place in seen:
                yield FieldViolation(field, f"{lat:g}, {lon:g} is there twice; name each once")
                return
            seen.add(place)

    @property
    def rows(self) -> tuple[float, ...]:
        """Latitudes of a box's cells, from the south."""
        assert self.box is not None
        return _middles(self.box.south, self.box.north, self.step_deg)

    @property
    def columns(self) -> tuple[float, ...]:
        """Longitudes of a box's cells, from the west, in [-180, 180)."""
        assert self.box is not None
        west, east = self.box.west, self.box.east
        found = _middles(west, east + 360.0 * (east < west), self.step_deg)
        return tuple((lon + 180.0) % 360.0 - 180.0 for lon in found)

    @property
    def cells(self) -> tuple[tuple[float, float, float], ...]:
        """Latitude, longitude (degrees) and height (m) of each cell."""
        if self.box is not None:
            return tuple((lat, lon, 0.0) for lat in self.rows for lon in self.columns)
        heights = self.elevations_m or (0.0,) * len(self.latitudes)
        lons = ((lon + 180.0) % 360.0 - 180.0 for lon in self.longitudes)
        return tuple(zip(self.latitudes, lons, heights, strict=True))


def _middles(low: float, high: float, step: float) -> tuple[float, ...]:
    """Middles of the whole steps between two ends."""
    count = int((high - low) / step + 1e-9)
    return tuple(round(low + (n + 0.5) * step, 6) for n in range(min(count, MOST_CELLS + 1)))


class GeneratedWeather(QueryModel):
    """Settings of the weather generator."""

    sites: Annotated[int, Field(ge=1, le=10_000)] = 4
    years: Annotated[int, Field(ge=1, le=500)] = 10
    step_s: Annotated[int, AfterValidator(_one_of(86_400, 3_600))] = 86_400
    seed: Seed = 0
    climates: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    first_year: Annotated[int, Field(ge=1, le=9_000)] = 2001
    region: WeatherRegion | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """A region's cells have climates of their own."""
        if self.region is None:
            return
        for name in ("sites", "climates"):
            if getattr(self, name) != type(self).model_fields[name].default:
                yield FieldViolation(
                    name, "is given beside region, whose cells have climates of their own; give one"
                )

    @property
    def settings(self) -> dict[str, Any]:
        """As the source takes them."""
        cells = self.region.cells if self.region is not None else ()
        return {**self.model_dump(exclude={"region"}), "cells": cells}


class GeneratedPlanet(QueryModel):
    """Settings of the synthetic planet."""

    latitudes: Annotated[int, AfterValidator(_one_of(32, 64))] = 32
    days: Annotated[int, Field(ge=1, le=100_000)] = 365
    seed: Seed = 0

    @property
    def settings(self) -> dict[str, Any]:
        """As the source takes them."""
        return self.model_dump()
