"""Bringing what is missing into a mirror, for machines without a network."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catena.data_ingest.archive import open_archive
from catena.data_ingest.archive_allow import AllowList
from catena.data_ingest.archive_base import BaseArchive
from catena.data_ingest.archive_http import FILE_SUFFIXES
from catena.data_ingest.archive_places import parse
from catena.data_ingest.downloads import Progress
from catena.data_ingest.retries import Patience
from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import FailedPrecondition, InvalidRequest, NotFound


@dataclass(frozen=True)
class MirrorPlan:
    """What a mirror lacks of an archive.

    Parameters
    ----------
    missing : tuple of ArchiveFile
        To be downloaded.
    here : int
        Files that the mirror has already.
    """

    missing: tuple[ArchiveFile, ...]
    here: int

    @property
    def bytes(self) -> int:
        """Bytes to be downloaded, of the files whose size is known."""
        return sum(file.size or 0 for file in self.missing)

    @property
    def unknown(self) -> int:
        """Files to be downloaded whose size the archive does not say."""
        return sum(file.size is None for file in self.missing)

    def __str__(self) -> str:
        text = f"{len(self.missing)} files to download, {self.bytes} bytes"
        if self.unknown:
            text += f" and {self.unknown} files of unknown size"
        return f"{text}; {self.here} files are here"


def fill_mirror(
    location: str,
    mirror: Path,
    files: Iterable[ArchiveFile] | None = None,
    *,
    dry_run: bool = False,
    allow: AllowList | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> MirrorPlan:
    """Download what a mirror lacks; ``open_archive(location, mirror=...)`` then needs no network.

    Parameters
    ----------
    location : str
        Archive on the network.
    mirror : Path
        Made if it is missing.
    files : iterable of ArchiveFile, optional
        Which; a zarr store stands for all that is in it. Default: all that there are.
    dry_run : bool
        Only say what would be done.
    allow, progress, patience
        See :func:`~catena.data_ingest.archive.open_archive`.

    Returns
    -------
    MirrorPlan
        What was missing before.
    """
    if parse(location).scheme == "file":
        raise InvalidRequest(f"location: {location} is a folder already; it needs no mirror")
    archive = open_archive(
        location, cache=mirror, allow=allow, progress=progress, patience=patience
    )
    wanted = archive.members() if files is None else _single(archive, files)
    plan = _plan(archive, mirror, wanted)
    if not dry_run:
        for file in plan.missing:
            archive.local(file)
    return plan


def _single(archive: BaseArchive, files: Iterable[ArchiveFile]) -> list[ArchiveFile]:
    """With each zarr store replaced by the files in it."""
    single: list[ArchiveFile] = []
    for file in files:
        inside: list[ArchiveFile] = []
        if not file.path.lower().endswith(tuple(s for s in FILE_SUFFIXES if s != ".zarr")):
            with suppress(NotFound, FailedPrecondition):
                inside = archive.members(file.path)
        single += inside or [file]
    return single


def _plan(archive: BaseArchive, mirror: Path, files: list[ArchiveFile]) -> MirrorPlan:
    missing = []
    for file in files:
        target = mirror.joinpath(*parse(archive.url(file.path), query=True).mirrored)
        whole = target.is_file() and file.size in (None, target.stat().st_size)
        if not whole:
            missing.append(file)
    return MirrorPlan(tuple(missing), len(files) - len(missing))
