"""An archive on the web: THREDDS, folders with an HTML index, lists of files, and single files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from catena.data_ingest.archive_base import BaseArchive, Listed, changed, ranged_file, walk
from catena.data_ingest.archive_listings import (
    LISTS,
    Listing,
    fold_stores,
    html_index,
    plain_list,
    thredds,
)
from catena.data_ingest.archive_places import Place, join, parse, shorten
from catena.data_ingest.downloads import Progress, download
from catena.data_ingest.http import Http, Stat, Stream
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound

FILE_SUFFIXES = (
    ".nc", ".nc4", ".h5", ".hdf", ".grib", ".grib2", ".grb", ".grb2", ".csv", ".json", ".parquet",
    ".tif", ".tiff", ".txt", ".gz", ".zip", ".xlsx", ".zarr", ".zst", ".bz2", ".tar",
)  # fmt: skip
"""A location on the network that ends so is one file or store, not a folder."""

_CATALOGS = 20_000
_AT_ONCE = 8


def root_of(location: Place) -> tuple[Place, str]:
    """The place below which the files of a location lie, and how they are listed.

    Returns
    -------
    Place
        Root of the archive's paths. Of a THREDDS catalog it is on the file server.
    str
        "thredds", "index", "file" or the name of a list.
    """
    segments = location.segments
    last = segments[-1] if segments else ""
    if "thredds" in segments[:-1] or last == "thredds":
        at = segments.index("thredds") + 1
        server, rest = segments[:at], segments[at:]
        kind = rest[0] if rest else ""
        rest = rest[1:] if kind in ("catalog", "fileServer", "dodsC") else rest
        if last.endswith((".xml", ".html")):
            # A scanned folder has a catalog of that name; of others the paths are not known before.
            rest = rest[:-1] if last.startswith("catalog.") else ()
        root = replace(location, segments=(*server, "fileServer", *rest))
        if not last.lower().endswith(FILE_SUFFIXES):
            return root, "thredds"
        location, segments = root, root.segments
    if last in LISTS:
        return replace(location, segments=segments[:-1]), last
    if last.lower().endswith(FILE_SUFFIXES):
        return replace(location, segments=segments[:-1]), "file"
    return location, "index"


class HttpArchive(BaseArchive):
    """An archive on the web.

    Parameters
    ----------
    location : str
        A folder; a THREDDS catalog (``…/thredds/catalog/…/catalog.xml``) or a folder of its file
        server; a list of files (``SHA256SUMS``, ``MD5SUMS``, ``files.txt``); or one file.
    cache : Path
        Where :meth:`local` keeps files: ``host/path`` in it, so that a cache is a mirror too.
    http : Http
    files : iterable of ArchiveFile, optional
        What there is, where the caller knows (from a search); nothing is then listed.
    progress : callable, optional
        See :data:`~catena.data_ingest.downloads.Progress`.
    """

    def __init__(
        self,
        location: str,
        *,
        cache: Path,
        http: Http | None = None,
        files: Iterable[ArchiveFile] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.place = parse(location)
        self.location = self.place.url
        self.root, self._kind = root_of(self.place)
        self.only = self.place.segments[-1] if self._kind == "file" else ""
        self.cache = cache.absolute()
        self.http = http or Http()
        self.progress = progress
        self._files = None if files is None else tuple(files)

    listable = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "progress": None}  # who is told belongs to this process

    def read(self, path: str) -> bytes:
        """See :class:`Archive`; `path` may have a ``?query``."""
        return self.http.get(self.url(path))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """See :class:`BaseArchive`."""
        return self.http.read_range(self.url(path), start, stop)

    def open(self, path: str) -> BinaryIO:
        """See :class:`Archive`; where the server knows no ranges, the file is downloaded.

        A file that is replaced while it is read raises InvalidData: its parts do not fit together.
        """
        url = self.url(path)
        stat = self.http.stat(url)
        if stat.size is None or not stat.ranges:
            return self.local(path).open("rb")
        self._versions[path] = stat.tag
        return ranged_file(
            lambda start, stop: self.http.read_range(url, start, stop, stat.tag),
            stat.size,
            shorten(url),
        )

    def local(self, file: ArchiveFile | str) -> Path:
        """See :class:`Archive`; of a zarr store its folder, if the server lists it."""
        file = ArchiveFile(file) if isinstance(file, str) else file
        place = join(self.root, file.path)
        target = self.cache.joinpath(*place.mirrored)
        try:
            download(
                _HttpFile(self.http, place.url, shorten(place.url).strip("'")),
                target,
                size=file.size,
                checksum=file.checksum,
                progress=self.progress,
                patience=self.http.patience,
            )
        except NotFound:
            if not self._store_here(file.path):
                raise
        else:
            self._versions[file.path] = changed(target)
        return target

    def url(self, path: str) -> str:
        """See :class:`Archive`."""
        return join(self.root, path).url

    def _told(self, path: str) -> str:
        try:
            stat = self.http.stat(self.url(path))
        except (NotFound, FailedPrecondition):
            return ""  # some servers forbid what they do not have
        # Both: the ETag of equal metadata may stay when a store is written anew.
        return f"{stat.tag} {stat.modified}".strip()

    def _find(self, top: str) -> list[ArchiveFile]:
        if self._files is not None:
            return _below(list(self._files), top)
        if self._kind == "thredds":
            return self._sized(self._thredds(top))
        if self._kind == "file":
            return self._sized([ArchiveFile(self.only)]) if not top else []
        if self._kind != "index":
            return self._sized(_below(self._of_list(self._kind), top))
        try:
            return self._sized(walk(self._list, top))
        except (NotFound, FailedPrecondition) as error:
            # A store says what is in it; a folder without an index may have a list.
            for mark in ("zarr.json", ".zmetadata", ".zgroup"):
                if self._has(f"{top}/{mark}" if top else mark):
                    return [ArchiveFile(top)]
            for name in LISTS:
                if self._has(name):
                    return self._sized(_below(self._of_list(name), top))
            raise FailedPrecondition(
                f"{self.location} cannot be listed: it has neither an index of links, nor a "
                f"THREDDS catalog, nor a list of files ({', '.join(LISTS[:5])}); name one file of "
                "it, its catalog, or mirror it into a folder"
            ) from error

    def _members(self, top: str) -> list[ArchiveFile]:
        if self._files is not None:
            return _below(list(self._files), top)
        if self._kind == "thredds":
            return self._sized(self._thredds(top, fold=False))
        if self._kind == "index" and self._indexed(top):
            return self._sized(walk(self._list, top, fold=False))
        return self._find(top)

    def _indexed(self, folder: str) -> bool:
        try:
            self._list(folder)
        except (NotFound, FailedPrecondition):
            return False
        return True

    def _list(self, folder: str) -> Listed:
        place = join(self.root, folder)
        answer = self.http.request("GET", f"{place.url}/")
        if "html" not in answer.headers.get("content-type", ""):
            raise FailedPrecondition(f"{place.url} has no index")
        listing = html_index(answer.body, place)
        folders = [self._path(url) for url in listing.folders]
        return [ArchiveFile(self._path(url)) for url, _, _ in listing.files], folders

    def _of_list(self, name: str) -> list[ArchiveFile]:
        listing = plain_list(self.http.get(self.url(name)), self.root)
        listed = ArchiveFile(name)
        return [*fold_stores(self._as_files(listing)), listed]

    def _thredds(self, top: str, *, fold: bool = True) -> list[ArchiveFile]:
        catalog = self._catalog(self.place)
        together = fold_stores if fold else list[ArchiveFile]
        if top:
            # A scanned folder has its catalog where its path says; others have to be read through.
            try:
                below = self._catalog(join(self.root, top))
                return together(self._as_files(*self._pages(below)))
            except NotFound:
                pass
        return _below(together(self._as_files(*self._pages(catalog))), top)

    def _catalog(self, place: Place) -> str:
        last = place.segments[-1]
        if last.endswith(".xml"):
            return place.url
        if last.endswith(".html"):
            return f"{place.url.removesuffix('.html')}.xml"
        at = place.segments.index("thredds") + 1
        rest = place.segments[at:]
        rest = rest[1:] if rest and rest[0] in ("catalog", "fileServer") else rest
        segments = (*place.segments[:at], "catalog", *rest, "catalog.xml")
        return replace(place, segments=segments).url

    def _pages(self, url: str) -> Iterator[Listing]:
        seen, waiting = {url}, [url]
        while waiting:
            url = waiting.pop()
            listing = thredds(self.http.get(url), url)
            yield listing
            new = [folder for folder in listing.folders if folder not in seen]
            seen.update(new)
            waiting += new
            if len(seen) > _CATALOGS:
                raise InvalidData(
                    f"{self.location} refers to more than {_CATALOGS} catalogs; name one further "
                    "down"
                )

    def _as_files(self, *listings: Listing) -> list[ArchiveFile]:
        return [
            ArchiveFile(self._path(url), size, checksum)
            for listing in listings
            for url, size, checksum in listing.files
        ]

    def _path(self, url: str) -> str:
        """Path below the root, or the URL itself where it lies elsewhere."""
        place = parse(url, query=True)
        if not place.below(self.root):
            return place.url
        return "/".join(place.segments[len(self.root.segments) :])

    def _sized(self, files: list[ArchiveFile]) -> list[ArchiveFile]:
        """With the sizes that the listing did not give, several at once."""

        def sized(file: ArchiveFile) -> ArchiveFile:
            if file.size is not None:
                return file
            try:
                return replace(file, size=self.http.stat(self.url(file.path)).size)
            except NotFound:
                return file  # a folder, such as a zarr store

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(sized, files))

    def _has(self, path: str) -> bool:
        try:
            self.http.stat(self.url(path))
        except (NotFound, FailedPrecondition):
            return False
        return True


@dataclass
class _HttpFile:
    http: Http
    url: str
    name: str

    def stat(self) -> Stat:
        return self.http.stat(self.url)

    def stream(self, start: int, tag: str) -> AbstractContextManager[Stream]:
        return self.http.stream(self.url, start, tag)


def _below(files: list[ArchiveFile], top: str) -> list[ArchiveFile]:
    if not top:
        return files
    return [file for file in files if file.path == top or file.path.startswith(f"{top}/")]
