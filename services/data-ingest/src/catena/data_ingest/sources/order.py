"""What a request wants of a place, and the means to get it: what special archives are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from catena.data_ingest.http import Http
from catena.data_ingest.sources.base import Archive
from catena.data_ingest.vocabulary import Selection

Tell = Callable[[str], None]
"""Gets a line for people whenever something changes; what it raises ends the work."""


def silent(_line: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Order:
    """An order at a location.

    Parameters
    ----------
    location : str
    opener : callable
        Location -> archive, for the places that a location names
        (:func:`catena.data_ingest.archive.open_archive` with its settings).
    http : Http, optional
        Asks indexes and services; None where a mirror stands for the network.
    cache : Path
        Folder of downloads, laid out like a mirror.
    selection : Selection
        Services that make files on request are asked for no more than this.
    as_of : str
        Day of which the archive's content is meant, ISO 8601; empty: today.
    tell : callable
    """

    location: str
    opener: Callable[[str], Archive]
    http: Http | None = None
    cache: Path = Path()
    selection: Selection = field(default_factory=Selection)
    as_of: str = ""
    tell: Tell = silent

    @property
    def day(self) -> date:
        """:attr:`as_of` as a date."""
        return date.fromisoformat(self.as_of) if self.as_of else date.today()
