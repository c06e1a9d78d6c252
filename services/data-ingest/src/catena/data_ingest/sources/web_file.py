"""One file of a web service, for the downloads."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from catena.data_ingest.http import Http, Stat, Stream


@dataclass
class WebFile:
    """A file behind a URL that no archive lists.

    Parameters
    ----------
    http : Http
    url : str
    name : str
        For people and logs: the URL without its query, where secrets travel.
    """

    http: Http
    url: str
    name: str

    @classmethod
    def of(cls, http: Http, url: str) -> WebFile:
        """The file behind a URL."""
        return cls(http, url, url.partition("?")[0])

    def stat(self) -> Stat:
        """Size and version."""
        return self.http.stat(self.url)

    def stream(self, start: int, tag: str) -> AbstractContextManager[Stream]:
        """One attempt at its bytes."""
        return self.http.stream(self.url, start, tag)
