"""From a request to a source and an archive."""

from __future__ import annotations

from functools import partial

from catena.data_ingest.archive import AllowList, open_archive
from catena.data_ingest.http import Http
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
    # Datastores and indexes name further places: those are asked for like the first.
    allow = AllowList.of(settings)
    opener = partial(
        open_archive,
        cache=settings.home / "cache" / "archives",
        mirror=settings.mirror,
        allow=allow,
    )
    archive: Archive | None = None
    if query.source == "cmip6":
        from catena.data_ingest.sources.cmip6 import special_archive

        http = Http(allow=allow) if settings.mirror is None else None
        archive = special_archive(query.location, opener=opener, http=http)
    archive = archive or opener(query.location)
    return source(query.source), archive
