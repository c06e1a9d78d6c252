"""ESGF as an archive: an index says what there is, data nodes have the bytes.

Files have the path of the data reference syntax whichever node they come from. When a node fails,
the next one that has a copy is tried; sizes and checksums of the index are checked.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from catena.data_ingest.sources import esgf_index, esgf_stac
from catena.data_ingest.sources.base import Archive, ArchiveFile, Facets
from catena.data_ingest.sources.cmip6_layout import Placed, place
from catena.data_ingest.sources.esgf_index import Copy
from catena.shared.checks.findings import Finding
from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from zarr.abc.store import Store

_T = TypeVar("_T")
log = logging.getLogger(__name__)


def is_index(location: str) -> bool:
    """Whether a location is an index of ESGF: the search API, its bridge, or a STAC API."""
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https"):
        return False
    named = ("/esg-search", "/esgf-1-5-bridge", "/proxy/search")
    return any(name in parts.path for name in named) or _is_stac(location)


def _is_stac(location: str) -> bool:
    parts = urlsplit(location)
    return "stac" in f"{parts.hostname}{parts.path}".lower().replace("/", ".").split(".")


class EsgfArchive:
    """An :class:`~catena.data_ingest.sources.base.Archive` over an ESGF index.

    Parameters
    ----------
    index : str
        E.g. ``https://esgf-data.dkrz.de/esg-search`` or ``https://<host>/stac``.
    http : Http
        Asks the index.
    opener : callable
        Location -> archive, for the folders of data nodes
        (:func:`catena.data_ingest.archive.open_archive` with its settings).
    """

    def __init__(self, index: str, *, http: Any, opener: Callable[[str], Archive]) -> None:
        self.location = index.rstrip("/")
        self._http = http
        self._opener = lru_cache(maxsize=256)(opener)
        self._copies: dict[str, list[Copy]] = {}
        self._failures: Counter[str] = Counter()

    def __reduce__(self) -> tuple[Any, ...]:
        opener = self._opener.__wrapped__
        return partial(EsgfArchive, http=self._http, opener=opener), (self.location,)

    def ask(self, wanted: Facets) -> list[Placed]:
        """Files that are as asked, one per file however many nodes have it.

        Raises
        ------
        InvalidRequest
            Without any facet: an index holds some ten million files.
        """
        if not wanted:
            raise InvalidRequest(
                f"{self.location} is an index of all of CMIP6; give facets, e.g. source_id, "
                "experiment_id, table_id and variable_id"
            )
        ask = esgf_stac.copies if _is_stac(self.location) else esgf_index.copies
        for copy in ask(self._http, self.location, wanted):
            known = self._copies.setdefault(copy.path, [])
            if copy not in known:
                known.append(copy)
        placed = [place(_file(path, found)) for path, found in sorted(self._copies.items())]
        # What an index calls CMIP6 and is not named so (input4MIPs, say) is not of this source.
        return [item for item in placed if not isinstance(item, Finding)]

    def find(self, under: str = "") -> list[ArchiveFile]:
        """Files that were asked for so far, below a folder."""
        if not self._copies:
            raise FailedPrecondition(
                f"{self.location} cannot be listed as a whole; search it with facets"
            )
        return [
            _file(path, found)
            for path, found in sorted(self._copies.items())
            if path.startswith(f"{under.rstrip('/')}/" if under else "")
        ]

    def read(self, path: str) -> bytes:
        """See :class:`Archive`."""
        return self._first_that_works(path, lambda archive, file: archive.read(file.path))

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""
        return self._first_that_works(path, lambda archive, file: archive.open(file.path))

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`; a wrong checksum of one node is a reason to try the next."""
        path = file if isinstance(file, str) else file.path
        return self._first_that_works(path, lambda archive, found: archive.local(found))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a file, from the first node that gives them."""
        return self._first_that_works(
            path, lambda archive, file: archive.read_range(file.path, start, stop)
        )

    def version(self, path: str) -> str:
        """At the first node that gives it; another one's copy counts as another version."""
        return self._first_that_works(path, lambda archive, file: archive.version(file.path))

    def bytes_url(self, path: str) -> str:
        """URL from which the bytes come; another one where a mirror stands for the network."""
        folder, _, name = self.url(path).rpartition("/")
        return self._opener(folder).bytes_url(name)

    def url(self, path: str) -> str:
        """URL at the first node."""
        return self._nodes(path)[0].url

    def store(self, path: str) -> Store:
        """Raises NotFound: nodes of ESGF have netCDF files."""
        raise NotFound(f"{path}: the data nodes of {self.location} have files, no zarr stores")

    def _first_that_works(self, path: str, act: Callable[[Archive, ArchiveFile], _T]) -> _T:
        problems, forbidden = [], []
        for copy in self._nodes(path):
            folder, _, name = copy.url.rpartition("/")
            try:
                archive = self._opener(folder)
                return act(archive, ArchiveFile(name, copy.size, copy.checksum))
            except InvalidRequest as error:
                log.info("%s: %s", _host(copy), error)
                forbidden.append(_host(copy))
                problems.append(f"{_host(copy)}: not named in CATENA_ARCHIVES")
            except CatenaError as error:
                self._failures[_host(copy)] += 1
                log.warning("%s: %s", _host(copy), error)
                problems.append(f"{_host(copy)}: {error.message[:200]}")
        if len(forbidden) == len(problems):
            raise InvalidRequest(
                f"file {path}: its data nodes {', '.join(forbidden)} are not archives that this "
                "server may read; name one in CATENA_ARCHIVES"
            )
        raise Unavailable(
            f"file {path}: none of {len(problems)} data nodes could give it "
            f"({'; '.join(problems)})",
            retry_after_s=300,
        )

    def _nodes(self, path: str) -> list[Copy]:
        """Copies of a file, those of nodes that failed before last."""
        if path not in self._copies:
            if _is_stac(self.location):
                self._ask_again(path)
            else:
                self._copies[path] = esgf_index.copies_of(self._http, self.location, path)
        found = self._copies.get(path, [])
        if not found:
            self._copies.pop(path, None)
            raise NotFound(f"the index {self.location} knows no file {path}; it was withdrawn")
        return sorted(found, key=lambda copy: self._failures[_host(copy)])

    def _ask_again(self, path: str) -> None:
        where = place(ArchiveFile(path))
        if isinstance(where, Placed):
            names = (
                "source_id",
                "experiment_id",
                "member_id",
                "table_id",
                "variable_id",
                "version",
            )
            self.ask({name: [where.facets[name]] for name in names if name in where.facets})


def _file(path: str, found: list[Copy]) -> ArchiveFile:
    size = next((copy.size for copy in found if copy.size is not None), None)
    checksum = next((copy.checksum for copy in found if copy.checksum), "")
    return ArchiveFile(path, size, checksum)


def _host(copy: Copy) -> str:
    return urlsplit(copy.url).netloc
