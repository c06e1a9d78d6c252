"""Any file of fields: CF netCDF, HDF5, GRIB or zarr, one dataset a file or a group by date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

import xarray as xr
from dask.base import tokenize

from catena.data_ingest.sources.base import (
    Archive,
    ArchiveFile,
    Description,
    Entry,
    Facets,
    Found,
    describe_dataset,
    matches,
)
from catena.data_ingest.sources.conventions import frequency_of, vocabulary_of
from catena.data_ingest.sources.formats import (
    Format,
    format_of,
    grib_parts,
    in_chunks,
    open_array_file,
)
from catena.data_ingest.sources.grouping import by_date, join_in_time, key_of
from catena.data_ingest.sources.retrieved import RetrievedArchive
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

WANTED = "netCDF, HDF5, GRIB or zarr with named dimensions"


class Gridded:
    """CF fields from any archive.

    Facets of its entries: ``format``, ``frequency``, ``vocabulary``, ``variable`` (the source's
    names, separated by blanks), and ``part`` for a GRIB file that holds several hypercubes.
    """

    name: ClassVar[str] = "gridded"

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Datasets below the archive's location.

        One header of each group of files is read; of what has to be retrieved first, none.
        """
        if isinstance(archive, RetrievedArchive):
            return archive.ask(facets or {})
        return self._search(archive, archive.find(), facets)

    def _search(
        self, archive: Archive, files: Iterable[ArchiveFile], facets: Facets | None
    ) -> Found:
        """Datasets in these files."""
        entries: list[Entry] = []
        refused: list[Finding] = []
        formats: dict[str, Format] = {}
        usable: list[ArchiveFile] = []
        for file in files:
            formats[file.path] = format_of(archive, file)
            if formats[file.path]:
                usable.append(file)
            else:
                refused.append(not_data(file))
        for group in self._groups(usable):
            kind = formats[group[0].path]
            same = tuple(file for file in group if formats[file.path] == kind)
            for odd in (file for file in group if formats[file.path] != kind):
                found, bad = self._entries(archive, (odd,), formats[odd.path])
                entries += found
                refused += bad
            found, bad = self._entries(archive, same, kind)
            entries += found
            refused += bad
        entries = _unique(entries)
        return Found(
            tuple(entry for entry in entries if matches(entry.facets, facets)), tuple(refused)
        )

    def describe(self, archive: Archive, entry: Entry) -> Description:
        """From the headers; of what has to be retrieved first, from what is asked for."""
        if isinstance(archive, RetrievedArchive):
            return archive.describe(entry)
        return describe_dataset(self.open(archive, entry), entry.files)

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The files of an entry, joined in time; lazy."""
        kind, part = entry_format(entry), int(entry.facets.get("part", "0"))
        parts = []
        for file in entry.files:
            try:
                opened = open_array_file(archive, file, kind, part=part)
            except IndexError:
                raise InvalidData(
                    f"dataset {entry.key}, file {file.path}: found fewer GRIB hypercubes than "
                    f"{part + 1}, wanted the same ones as in {entry.files[0].path}"
                ) from None
            token = tokenize(archive.location, file.path, file.size, kind, part)
            parts.append(in_chunks(self._arrange(opened, file.path), token))
        return self._join(parts, entry)

    def _groups(self, files: list[ArchiveFile]) -> list[tuple[ArchiveFile, ...]]:
        """Files that make one dataset."""
        return by_date(files)

    def _key(self, files: tuple[ArchiveFile, ...], part: str) -> str:
        """Name of their dataset."""
        return key_of(files, part)

    def _join(self, parts: list[xr.Dataset], entry: Entry) -> xr.Dataset:
        """One dataset out of the files of an entry."""
        return join_in_time(parts, entry.files, entry.key)

    def _arrange(self, dataset: xr.Dataset, file: str) -> xr.Dataset:
        """What a kind of archive knows about its own layout beyond the files' headers.

        Returns the very same dataset where there is nothing to do: then the files can be read
        where they lie.
        """
        return dataset

    def _accepts(self, vocabulary: str) -> str:
        """Why files of a vocabulary are not this source's; empty if they are."""
        return ""

    def _entries(
        self, archive: Archive, files: tuple[ArchiveFile, ...], kind: Format
    ) -> tuple[list[Entry], list[Finding]]:
        """Entries of one group; files whose header cannot be read are refused one by one."""
        refused: list[Finding] = []
        for at, file in enumerate(files):
            try:
                headers = list(_headers(archive, file, kind))
                as_it_lies = all(self._arrange(one, file.path) is one for one in headers)
            except InvalidData as error:
                refused.append(
                    Finding("layout", "refused", str(error), WANTED, file=file.path, variable="-")
                )
                continue
            entries, bad = [], []
            for part, header in enumerate(headers):
                reason = _no_field(header)
                vocabulary = "" if reason else vocabulary_of(header)
                reason = reason or self._accepts(vocabulary)
                if reason:
                    bad.append(reason)
                    continue
                label = _part_label(header, part) if len(headers) > 1 else ""
                entries.append(
                    Entry(
                        key=self._key(files[at:], label),
                        files=files[at:],
                        vocabulary=vocabulary,
                        facets=self._facets(header, kind, vocabulary, part, len(headers)),
                        referable=len(headers) == 1
                        and as_it_lies
                        and not (kind == "grib" and "valid_time" in header.dims),
                    )
                )
            if not entries:
                refused += [
                    Finding("layout", "refused", bad[0], WANTED, file=one.path, variable="-")
                    for one in files[at:]
                ]
            return entries, refused
        return [], refused

    def _facets(
        self, header: xr.Dataset, kind: Format, vocabulary: str, part: int, parts: int
    ) -> dict[str, str]:
        facets = {
            "format": str(kind),
            "frequency": frequency_of(header),
            "vocabulary": vocabulary,
            "variable": " ".join(sorted(map(str, header.data_vars))),
        }
        return {**facets, "part": str(part)} if parts > 1 else facets


def not_data(file: ArchiveFile) -> Finding:
    """The refusal of a file that holds no arrays."""
    return Finding(
        "layout",
        "refused",
        f"a file named {file.path.rpartition('/')[2]}",
        WANTED,
        why="not data: documentation, a list, or an index beside the data",
        file=file.path,
        variable="-",
    )


def _headers(archive: Archive, file: ArchiveFile, kind: Format) -> Iterator[xr.Dataset]:
    if kind != "grib":
        yield open_array_file(archive, file, kind)
        return
    for part in range(len(grib_parts(archive.local(file)))):
        yield open_array_file(archive, file, kind, part=part)


def entry_format(entry: Entry) -> Format:
    """Format of an entry's files, from its facets."""
    kind = entry.facets.get("format", "")
    for known in ("netcdf3", "hdf5", "grib", "zarr"):
        if kind == known:
            return known
    raise InvalidData(f"dataset {entry.key}: found the format {kind!r}, wanted {WANTED}")


def _no_field(header: xr.Dataset) -> str:
    """Why a header holds no field; empty if it does."""
    fields = [array for array in header.data_vars.values() if array.dtype.kind in "fiu"]
    if not fields:
        return f"no numeric variable (variables {sorted(map(str, header.variables))})"
    if all(not array.dims for array in fields):
        return f"single values only (variables {sorted(map(str, header.data_vars))})"
    nameless = sorted({str(dim) for dim in header.dims if str(dim).startswith("phony_dim")})
    return f"dimensions without names ({', '.join(nameless)})" if nameless else ""


def _part_label(header: xr.Dataset, part: int) -> str:
    """A word for a hypercube: where its levels are."""
    first = next(iter(header.data_vars.values()))
    level = str(first.attrs.get("GRIB_typeOfLevel", "part"))
    return f"{level}-{part}"


def _unique(entries: list[Entry]) -> list[Entry]:
    """Keys that would be equal get a number."""
    seen: dict[str, int] = {}
    out = []
    for entry in entries:
        count = seen[entry.key] = seen.get(entry.key, 0) + 1
        out.append(entry if count == 1 else replace(entry, key=f"{entry.key}-{count}"))
    return out
