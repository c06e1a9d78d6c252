"""Archives whose files do not exist until they are asked for.

A service is told what to cut out of its data, works on it for seconds or hours, and gives a file.
Here each such request is a file with a name that stands for it: it can be planned and counted
before anything is asked, and it is asked for once, when somebody reads it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar

from catena.data_ingest.archive_base import changed
from catena.data_ingest.archive_places import Place, parse
from catena.data_ingest.http import Http
from catena.data_ingest.sources.base import (
    ArchiveFile,
    Description,
    Entry,
    Facets,
    Found,
    VariableInfo,
)
from catena.data_ingest.sources.order import Order
from catena.shared.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from zarr.abc.store import Store

_Request = TypeVar("_Request")


@dataclass(frozen=True)
class Planned(Generic[_Request]):
    """A dataset that a service would make.

    Parameters
    ----------
    entry : Entry
    requests : mapping
        Path of each of its files -> what to ask the service.
    variables : tuple of str
        The source's names.
    dims : tuple of str
    start, end : str
        First and last day that is asked for, ISO 8601.
    """

    entry: Entry
    requests: Mapping[str, _Request]
    variables: tuple[str, ...]
    dims: tuple[str, ...]
    start: str
    end: str

    @property
    def description(self) -> Description:
        """What is known before anything is retrieved; lengths are -1, the size is unknown."""
        unknown = (-1,) * len(self.dims)
        return Description(
            variables=tuple(
                VariableInfo(name, "", "", self.dims, unknown, "") for name in self.variables
            ),
            start=self.start,
            end=self.end,
            calendar="standard",
            files=len(self.requests),
            bytes=None,
        )


def entry_of(key: str, paths: Iterable[str], vocabulary: str, facets: Mapping[str, str]) -> Entry:
    """Entry of files that are to be made; it is copied: a cache is no place to refer to."""
    files = tuple(ArchiveFile(path) for path in paths)
    return Entry(key, files, vocabulary, {**facets, "vocabulary": vocabulary})


class RetrievedArchive(ABC, Generic[_Request]):
    """An :class:`~catena.data_ingest.sources.base.Archive` over a service.

    Parameters
    ----------
    order : Order
        With ``http``.
    http : Http
        That of the order.
    """

    def __init__(self, order: Order, http: Http) -> None:
        self.location = order.location.rstrip("/")
        self.order = order
        self.http = http
        self.folder = order.cache.absolute().joinpath(*parse(self.location).mirrored)
        self._planned: dict[str, Planned[_Request]] = {}

    def __getstate__(self) -> dict[str, Any]:
        order = self.order
        # Who is told belongs to this process.
        quiet = Order(order.location, order.opener, order.http, order.cache, order.selection,
                      order.as_of)  # fmt: skip
        return {**self.__dict__, "order": quiet}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def ask(self, wanted: Facets) -> Found:
        """Datasets that the service would make; it is not asked yet.

        Raises
        ------
        InvalidRequest
            With everything that is wrong or missing in the facets and the selection.
        """
        planned = self._plan(wanted)
        self._planned |= {one.entry.key: one for one in planned}
        return Found(tuple(one.entry for one in planned))

    def describe(self, entry: Entry) -> Description:
        """What is known of an entry before it is retrieved; NotFound if it was not planned."""
        if entry.key not in self._planned:
            raise NotFound(f"{self.location}: {entry.key} was not planned; search with facets")
        return self._planned[entry.key].description

    def find(self, under: str = "") -> list[ArchiveFile]:
        """Files that were planned so far, below a folder.

        Raises
        ------
        FailedPrecondition
            Before the first :meth:`ask`.
        """
        if not self._planned:
            raise FailedPrecondition(
                f"{self.location} makes files on request and cannot be listed; search it with "
                "facets"
            )
        top = f"{under.rstrip('/')}/" if under else ""
        paths = sorted({path for one in self._planned.values() for path in one.requests})
        return [ArchiveFile(path) for path in paths if path.startswith(top)]

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`: asked of the service once, and kept.

        A folder where the service packed several files.

        Raises
        ------
        NotFound
            When it was not planned.
        FailedPrecondition
            When the service wants a key, a login, or a licence accepted.
        InvalidRequest
            When the service refuses it; with its words.
        Unavailable
            When the service does not answer; what has arrived, and the place in its queue, are
            kept.
        InvalidData
            When something else comes than what was asked for.
        """
        path = file if isinstance(file, str) else file.path
        return self._retrieve(path, self._request(path))

    def read(self, path: str) -> bytes:
        """See :class:`Archive`."""
        return self._one(path).read_bytes()

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`."""
        return self._one(path).open("rb")

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """See :class:`Archive`."""
        with self.open(path) as file:
            file.seek(start)
            return file.read(stop - start)

    def version(self, path: str) -> str:
        """Of the file as it was retrieved."""
        return changed(self.local(path))

    def url(self, path: str) -> str:
        """What the file is known by; nothing lies there before it was asked for."""
        return f"{self.location}/{path}"

    def bytes_url(self, path: str) -> str:
        """``file://`` URL of the retrieved file."""
        return Place("file", segments=self.local(path).parts[1:]).url

    def store(self, path: str) -> Store:
        """Raises NotFound: services give files."""
        raise NotFound(f"{path}: {self.location} gives files, no zarr stores")

    def _one(self, path: str) -> Path:
        found = self.local(path)
        if found.is_dir():
            raise FailedPrecondition(
                f"{self.url(path)} came as {len(list(found.iterdir()))} files; open its dataset"
            )
        return found

    def _request(self, path: str) -> _Request:
        for planned in self._planned.values():
            if path in planned.requests:
                return planned.requests[path]
        raise NotFound(f"{self.location}: {path} was not planned; search with facets first")

    @abstractmethod
    def _plan(self, wanted: Facets) -> list[Planned[_Request]]:
        """Datasets that are asked for."""

    @abstractmethod
    def _retrieve(self, path: str, request: _Request) -> Path:
        """A whole and checked file."""
