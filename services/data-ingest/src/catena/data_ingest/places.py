"""From a request to a source and an archive."""

from __future__ import annotations

from catena.data_ingest.archive import open_archive
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.sources import source
from catena.data_ingest.sources.base import Archive, Source
from catena.shared.settings import Settings


def open_source(
    query: IngestDatasetQuery, settings: Settings | None = None
) -> tuple[Source, Archive | None]:
    """The source that a request names, and its archive; a generated source has none."""
    settings = settings or Settings()
    chosen = query.weather or query.planet
    if query.source.startswith("generated"):
        return source(query.source, **(chosen.model_dump() if chosen else {})), None
    archive = open_archive(
        query.location, cache=settings.home / "cache" / "archives", mirror=settings.mirror
    )
    return source(query.source), archive
