"""What every source of data can do: search, describe, open.

A source knows the layout of an archive; an :class:`Archive` brings its bytes, from a folder that
mirrors the layout or from the network. So each source works from both with the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Protocol, runtime_checkable

import xarray as xr

from catena.shared.checks.findings import Finding, Fix

if TYPE_CHECKING:
    from zarr.abc.store import Store

Facets = Mapping[str, Sequence[str]]
"""What to look for: column -> accepted values (any of them); ``*`` and ``?`` are wildcards."""


@dataclass(frozen=True)
class ArchiveFile:
    """One file of an archive.

    Parameters
    ----------
    path : str
        Relative to the archive's location, with ``/``; a zarr store is one "file" (its folder).
    size : int, optional
        Bytes; None where the archive does not say.
    checksum : str
        ``sha256:<hex>`` or ``md5:<hex>`` where the archive gives one, else empty.
    """

    path: str
    size: int | None = None
    checksum: str = ""


@runtime_checkable
class Archive(Protocol):
    """Where files lie: a folder, or a place on the network. See :mod:`catena.data_ingest.archive`.

    Attributes
    ----------
    location : str
        Its URL without a slash at the end: ``file:///…``, ``https://…``, ``s3://…``, ``gs://…``.
    """

    location: str

    def find(self, under: str = "") -> list[ArchiveFile]:
        """All files below a folder, sorted by path.

        Raises
        ------
        Unavailable
            When the archive does not answer.
        FailedPrecondition
            When it cannot be listed (a plain HTTP server without an index).
        """

    def read(self, path: str) -> bytes:
        """A small file, whole; NotFound if it is missing."""

    def open(self, path: str) -> BinaryIO:
        """A file to read and seek in; on the network by byte ranges."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of a file, fewer where it ends before; with retries.

        Raises
        ------
        NotFound
            When it is missing.
        Unavailable
            When the archive does not answer.
        """

    def local(self, file: ArchiveFile | str) -> Path:
        """A file on this machine, whole and checked; downloads are resumed where they broke off."""

    def version(self, path: str) -> str:
        """What tells a file from another one under its name, of its size: time of change or ETag.

        That of the file as it was opened last. Of a zarr store on the network it is that of its
        metadata. Empty where the archive tells nothing.

        Raises
        ------
        Unavailable
            When the archive does not answer.
        """

    def url(self, path: str) -> str:
        """Full URL of a file."""

    def bytes_url(self, path: str) -> str:
        """URL from which the bytes come: :meth:`url`, or a ``file://`` where they lie here."""

    def store(self, path: str) -> Store:
        """A zarr store for reading, with this archive's retries, rights and mirror.

        Parameters
        ----------
        path : str
            Its folder; ``""`` where the location itself is the store.

        Raises
        ------
        NotFound
            When the archive has no zarr stores.
        """


@dataclass(frozen=True)
class Entry:
    """One dataset that a source can open: the files that belong together.

    Parameters
    ----------
    key : str
        Unique name within the source; letters, digits, ``.``, ``_``, ``-`` only. It becomes the
        name of a folder.
    files : tuple of ArchiveFile
        In the order of time.
    vocabulary : str
        Column ``source`` of the lexicon in which its variables are looked up.
    facets : dict
        Columns of the catalog, e.g. ``source_id``, ``site``, ``frequency``.
    referable : bool
        Whether it can stay where it is and be read by reference (netCDF, HDF5, GRIB, zarr).
    fixes : tuple of Fix
        What the source itself does to the opened files (rename, drop, ...); applied before checks.
    generated : bool
        Made by a formula: reports and catalogs say so.
    """

    key: str
    files: tuple[ArchiveFile, ...]
    vocabulary: str
    facets: dict[str, str] = field(default_factory=dict)
    referable: bool = False
    fixes: tuple[Fix, ...] = ()
    generated: bool = False

    @property
    def size(self) -> int | None:
        """Bytes of all files; None if any is unknown."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


@dataclass(frozen=True)
class Found:
    """What a search found.

    Parameters
    ----------
    entries : tuple of Entry
    refused : tuple of Finding
        One per file that no entry holds, with the reason; `file`, `found` and `wanted` are set.
        Every file of the archive is in an entry or here.
    """

    entries: tuple[Entry, ...]
    refused: tuple[Finding, ...] = ()

    @property
    def files(self) -> int:
        """Number of files."""
        return sum(len(entry.files) for entry in self.entries) + len(self.refused)


@dataclass(frozen=True)
class VariableInfo:
    """One variable as the archive has it.

    Parameters
    ----------
    name, units, standard_name : str
    dims : tuple of str
    shape : tuple of int
    dtype : str
    """

    name: str
    units: str
    standard_name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Description:
    """What an entry holds, without reading its values.

    Parameters
    ----------
    variables : tuple of VariableInfo
    start, end : str
        First and last time, ISO 8601; empty without a time axis.
    calendar : str
    files : int
    bytes : int, optional
        Of the files as they lie in the archive; None if unknown.
    """

    variables: tuple[VariableInfo, ...]
    start: str
    end: str
    calendar: str
    files: int
    bytes: int | None


class Source(Protocol):
    """A kind of archive."""

    name: ClassVar[str]

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Datasets in the archive whose facets are as asked; nothing is opened that need not be."""

    def describe(self, archive: Archive, entry: Entry) -> Description:
        """Variables, period and size of an entry."""

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry as the archive has it, lazily (dask), with times decoded and nothing converted.

        Raises
        ------
        InvalidData
            When a file cannot be read, or files do not fit together; names dataset, file,
            dimension and both values.
        """


def matches(facets: Mapping[str, str], wanted: Facets | None) -> bool:
    """Whether an entry with these facets is asked for.

    Parameters
    ----------
    facets : mapping
        Of the entry.
    wanted : mapping, optional
        Accepted values per facet, with wildcards; a facet that the entry lacks matches nothing.
    """
    from fnmatch import fnmatchcase

    return all(
        any(fnmatchcase(facets.get(name, ""), pattern) for pattern in patterns) and name in facets
        for name, patterns in (wanted or {}).items()
    )


def describe_dataset(dataset: xr.Dataset, files: Iterable[ArchiveFile]) -> Description:
    """Description of an opened dataset."""
    files = tuple(files)
    sizes = [file.size for file in files]
    start = end = calendar = ""
    if "time" in dataset.coords and dataset["time"].size:
        times = dataset["time"]
        first, last = times.min().values, times.max().values
        start, end = (str(value)[:19] for value in (first, last))
        calendar = str(times.dt.calendar)
    return Description(
        variables=tuple(
            VariableInfo(
                name=str(name),
                units=str(array.attrs.get("units", "")),
                standard_name=str(array.attrs.get("standard_name", "")),
                dims=tuple(str(dim) for dim in array.dims),
                shape=tuple(array.shape),
                dtype=str(array.dtype),
            )
            for name, array in dataset.data_vars.items()
        ),
        start=start,
        end=end,
        calendar=calendar,
        files=len(files),
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
    )
