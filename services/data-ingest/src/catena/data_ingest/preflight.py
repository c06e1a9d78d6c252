"""Checks of a request against this server's settings, before a job is made of it."""

from __future__ import annotations

from collections.abc import Iterator

from catena.data_ingest.archive_allow import allowed
from catena.data_ingest.queries import IngestDatasetQuery, RegridQuery
from catena.data_ingest.regrid import target_grid
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.query import Query
from catena.shared.settings import Settings


def check_against_settings(query: Query, settings: Settings) -> None:
    """Raise what this server cannot or may not do.

    Raises
    ------
    InvalidRequest
        When a location is not one that this server may read, or a grid has no such name.
    """
    found = list(_violations(query, settings))
    if found:
        raise InvalidRequest("the request cannot be met here", violations=found)


def _violations(query: Query, settings: Settings) -> Iterator[FieldViolation]:
    try:
        if isinstance(query, IngestDatasetQuery) and query.location:
            allowed(query.location, settings)
        elif isinstance(query, RegridQuery) and query.grid:
            target_grid(query.grid)
    except InvalidRequest as error:
        field = "grid" if isinstance(query, RegridQuery) else "location"
        yield FieldViolation(field, error.message.removeprefix(f"{field}: "))
