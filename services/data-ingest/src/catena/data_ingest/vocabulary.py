"""Parts of data-ingest's requests: selections, regions, generated sources.

Each has the fields of the protobuf message of its name in
``catena/api/data_ingest/v1/data_ingest.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

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


class GeneratedWeather(QueryModel):
    """Settings of the weather generator."""

    sites: Annotated[int, Field(ge=1, le=10_000)] = 4
    years: Annotated[int, Field(ge=1, le=500)] = 10
    step_s: Annotated[int, AfterValidator(_one_of(86_400, 3_600))] = 86_400
    seed: Seed = 0
    climates: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    first_year: Annotated[int, Field(ge=1, le=9_000)] = 2001


class GeneratedPlanet(QueryModel):
    """Settings of the synthetic planet."""

    latitudes: Annotated[int, AfterValidator(_one_of(32, 64))] = 32
    days: Annotated[int, Field(ge=1, le=100_000)] = 365
    seed: Seed = 0
