"""Where files lie: a folder, a bucket, a place on the web, or a mirror of one.

::

    archive = open_archive("https://thredds.daac.ornl.gov/thredds/catalog/ornldaac/2129/catalog.xml")
    for file in archive.find():
        path = archive.local(file)        # downloaded once, resumed, checked
    with archive.open("a.nc") as file:    # or read in place, by byte ranges
        ...

A server asks :func:`allowed` before a job starts and passes the same list to :func:`open_archive`,
which asks again at every redirect.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from catena.data_ingest.archive_allow import PUBLIC, AllowList, PublicArchive, allowed
from catena.data_ingest.archive_base import BaseArchive
from catena.data_ingest.archive_folder import FolderArchive, MirrorArchive
from catena.data_ingest.archive_http import HttpArchive
from catena.data_ingest.archive_objects import ObjectArchive
from catena.data_ingest.archive_places import parse
from catena.data_ingest.downloads import Progress
from catena.data_ingest.http import Http
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources.base import ArchiveFile

__all__ = [
    "PUBLIC",
    "AllowList",
    "BaseArchive",
    "Patience",
    "Progress",
    "PublicArchive",
    "allowed",
    "open_archive",
]


def open_archive(
    location: str,
    *,
    cache: Path | None = None,
    mirror: Path | None = None,
    allow: AllowList | None = None,
    files: Iterable[ArchiveFile] | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> BaseArchive:
    """Open an archive; nothing is asked of the network yet.

    Parameters
    ----------
    location : str
        ``file:///folder`` or an absolute path, ``https://…`` (a folder, a THREDDS catalog, a list
        of files, one file), ``s3://bucket/prefix``, ``gs://bucket/prefix``.
    cache : Path, optional
        Folder for downloads, laid out like a mirror. Default: ``cache/archives`` in
        ``CATENA_HOME``.
    mirror : Path, optional
        Folder that stands for the network, which is then never asked: ``https://host/a/b`` is read
        from ``host/a/b`` in it.
    allow : AllowList, optional
        What may be read; without it everything (a notebook).
    files : iterable of ArchiveFile, optional
        What there is, where the caller knows from a search; the network is then not asked for it.
    progress : callable, optional
        Told of downloads: see :data:`~catena.data_ingest.downloads.Progress`.
    patience : Patience, optional
        Attempts, pauses and time-outs.

    Raises
    ------
    InvalidRequest
        For a location that is malformed or not allowed.
    FailedPrecondition
        For a place on the network that is opened without the mirror in offline mode.
    NotFound
        For a folder that does not exist, or a mirror that has nothing of the location.
    """
    place = parse(location) if allow is None else allow.check(location)
    if place.scheme == "file":
        return FolderArchive(location)
    if mirror is not None:
        return MirrorArchive(location, mirror)
    if allow is not None:
        allow.check_network(location)
    if cache is None:
        from catena.shared.settings import Settings

        cache = Settings().home / "cache" / "archives"
    if place.scheme in ("s3", "gs"):
        return ObjectArchive(
            location, cache=cache, patience=patience, files=files, progress=progress
        )
    http = Http(allow=allow, patience=patience)
    return HttpArchive(location, cache=cache, http=http, files=files, progress=progress)
