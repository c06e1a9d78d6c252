"""From a request to a source and an archive."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from catena.data_ingest.archive import AllowList, open_archive
from catena.data_ingest.http import Http
from catena.data_ingest.queries import IngestDatasetQuery
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources import source, special_archive
from catena.data_ingest.sources.base import Archive, ArchiveFile, Source
from catena.data_ingest.sources.order import Order, Tell, silent
from catena.shared.errors import NotFound
from catena.shared.settings import Settings

if TYPE_CHECKING:
    from zarr.abc.store import Store


class Nowhere:
    """The archive of what is generated: there is none."""

    location = ""

    def find(self, under: str = "") -> list[ArchiveFile]:
        """Nothing."""
        return []

    def read(self, path: str) -> bytes:
        """Raises NotFound."""
        raise self._none(path)

    def open(self, path: str) -> BinaryIO:
        """Raises NotFound."""
        raise self._none(path)

    def local(self, file: ArchiveFile | str) -> Path:
        """Raises NotFound."""
        raise self._none(str(file))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Raises NotFound."""
        raise self._none(path)

    def version(self, path: str) -> str:
        """Raises NotFound."""
        raise self._none(path)

    def url(self, path: str) -> str:
        """Raises NotFound."""
        raise self._none(path)

    def bytes_url(self, path: str) -> str:
        """Raises NotFound."""
        raise self._none(path)

    def store(self, path: str) -> Store:
        """Raises NotFound."""
        raise self._none(path)

    def _none(self, path: str) -> NotFound:
        return NotFound(f"there is no file {path!r}: a generated source reads no archive")


def open_source(
    query: IngestDatasetQuery,
    settings: Settings | None = None,
    *,
    tell: Tell | None = None,
    patience: Patience | None = None,
) -> tuple[Source, Archive]:
    """The source that a request names, and its archive; a generated source is its own.

    Parameters
    ----------
    query : IngestDatasetQuery
    settings : Settings, optional
    tell : callable, optional
        Told in words of files that a service makes, which may take hours.
    patience : Patience, optional
        Of the network.
    """
    settings = settings or Settings()
    chosen = query.weather or query.planet
    if query.source.startswith("generated"):
        return source(query.source, **(chosen.settings if chosen else {})), Nowhere()
    # Datastores and indexes name further places: those are asked for like the first.
    allow = AllowList.of(settings)
    cache = settings.home / "cache" / "archives"
    opener = partial(
        open_archive, cache=cache, mirror=settings.mirror, allow=allow, patience=patience
    )
    order = Order(
        location=query.location,
        opener=opener,
        http=Http(allow=allow, patience=patience) if settings.mirror is None else None,
        cache=cache,
        selection=query.selection,
        as_of=query.as_of,
        tell=tell or silent,
    )
    archive = special_archive(query.source, order) or opener(query.location)
    return source(query.source), archive
