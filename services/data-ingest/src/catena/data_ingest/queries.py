"""Data-ingest's requests, one model per rpc.

Field names are those of the protobuf messages in ``catena/api/data_ingest/v1/data_ingest.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from catena.data_ingest.vocabulary import (
    CatalogRef,
    DatasetRef,
    Day,
    Facet,
    FileName,
    FilesRef,
    GeneratedPlanet,
    GeneratedWeather,
    Key,
    Location,
    Mode,
    Name,
    Region,
    RegridMethod,
    Selection,
    SourceName,
    Words,
    Year,
    days_in_order,
    years_in_order,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query

PageToken = Annotated[str, StringConstraints(max_length=200)]

_SETTINGS = {"generated_weather": "weather", "generated_planet": "planet"}


class SearchCatalogQuery(Query):
    """Find datasets in a catalog."""

    catalog: CatalogRef | None = None
    facets: Annotated[tuple[Facet, ...], Field(max_length=50)] = ()
    start: Day = ""
    end: Day = ""
    region: Region | None = None
    page_size: Annotated[int, Field(ge=1, le=1000)] = 50
    page_token: PageToken = ""

    def violations(self) -> Iterator[FieldViolation]:
        """The period is in order."""
        yield from days_in_order(self.start, self.end)


class IngestDatasetQuery(Query):
    """Read datasets of a source, check them, keep a copy or a reference."""

    source: SourceName
    location: Location = ""
    mode: Mode = "copy"
    selection: Selection = Selection()
    as_of: Day = ""
    weather: GeneratedWeather | None = None
    planet: GeneratedPlanet | None = None
    title: Words = ""
    max_bytes: Annotated[int, Field(ge=0)] = 0

    def violations(self) -> Iterator[FieldViolation]:
        """Archives have a place and a day; generated sources have neither, but settings."""
        own = _SETTINGS.get(self.source)
        for field in _SETTINGS.values():
            if field != own and getattr(self, field) is not None:
                yield FieldViolation(
                    field, f"is given, but the source is {self.source}; leave it out"
                )
        if own is not None:
            for field in ("location", "as_of"):
                if getattr(self, field):
                    yield FieldViolation(
                        field, f"is given, but {self.source} reads no archive; leave it out"
                    )
            if self.mode == "reference":
                yield FieldViolation(
                    "mode", "got reference, but generated data lie nowhere; wanted copy"
                )
            return
        if not self.location:
            yield FieldViolation(
                "location", "is missing; give a folder that mirrors the archive, or its URL"
            )
        if not self.as_of:
            yield FieldViolation(
                "as_of",
                "is missing; an archive changes, so say of which day its content is meant, "
                "e.g. 2026-01-31 (a flow fills in the day for which it was scheduled)",
            )

    @property
    def seed(self) -> int:
        """Seed of a generated source, for the lineage."""
        settings = self.weather or self.planet
        return settings.seed if settings is not None else 0


class DescribeDatasetQuery(Query):
    """Say what an archive or an ingested artifact holds."""

    request: IngestDatasetQuery | None = None
    dataset: DatasetRef | None = None
    page_size: Annotated[int, Field(ge=1, le=100)] = 20
    page_token: PageToken = ""

    def violations(self) -> Iterator[FieldViolation]:
        """One of the two."""
        if (self.request is None) == (self.dataset is None):
            yield FieldViolation(
                "what", "wanted one of request (a dry run) and dataset (an artifact); give one"
            )


class WriteCatalogQuery(Query):
    """Put ingested datasets into one catalog."""

    datasets: Annotated[tuple[DatasetRef, ...], Field(min_length=1, max_length=10_000)]
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Each dataset once."""
        digests = [ref.digest for ref in self.datasets]
        for i, digest in enumerate(digests):
            if digest in digests[:i]:
                yield FieldViolation(
                    f"datasets[{i}]", "is in the list already; name each dataset once"
                )


class SelectModelsQuery(Query):
    """Select CMIP6 models by their climatology against a reference."""

    models: DatasetRef
    reference: DatasetRef
    variables: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    threshold: Annotated[float, Field(gt=-1, le=10)] | None = None
    first_year: Year = 0
    last_year: Year = 0

    def violations(self) -> Iterator[FieldViolation]:
        """The years are in order."""
        yield from years_in_order(self.first_year, self.last_year)


class RegridQuery(Query):
    """Put datasets on another grid."""

    dataset: DatasetRef
    grid: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)] = ""
    method: RegridMethod = "conservative"
    weights: FilesRef | None = None
    weights_file: FileName | None = None
    keys: Annotated[tuple[Key, ...], Field(max_length=10_000)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """A grid by name, or weights from a file."""
        if bool(self.grid) == (self.weights is not None):
            yield FieldViolation(
                "grid", "wanted one of grid (a name) and weights (a file of weights); give one"
            )
        if (self.weights is None) != (self.weights_file is None):
            yield FieldViolation(
                "weights_file", "weights and weights_file go together; give both or neither"
            )


class BuildCacheQuery(Query):
    """Make a hot cache for training."""

    dataset: DatasetRef
    keys: Annotated[tuple[Key, ...], Field(max_length=10_000)] = ()
    variables: Annotated[tuple[Name, ...], Field(max_length=500)] = ()
    half: bool = False
    leads_s: Annotated[
        tuple[Annotated[int, Field(ge=1, le=366 * 86_400)], ...], Field(max_length=100)
    ] = ()
    first_year: Year = 0
    last_year: Year = 0

    def violations(self) -> Iterator[FieldViolation]:
        """The years are in order."""
        yield from years_in_order(self.first_year, self.last_year)
