"""Weather forecasts: GRIB as ECMWF's open data has it, and netCDF."""

from __future__ import annotations

import re
from typing import ClassVar

import xarray as xr
from dask.base import tokenize

from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry, Facets, Found, matches
from catena.data_ingest.sources.forecast_layout import arrange, is_forecast, join, join_members
from catena.data_ingest.sources.formats import (
    Format,
    format_of,
    grib_parts,
    in_chunks,
    open_array_file,
)
from catena.data_ingest.sources.gridded import Gridded, entry_format, not_data
from catena.data_ingest.sources.grouping import key_of, undated
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

WANTED = "a forecast: a reference time and leads, in GRIB, netCDF or zarr"
# ECMWF: 20240101000000-36h-enfo-ef.grib2, one file a step.
_STEP = re.compile(r"(?<=-)\d{1,3}[hm](?=-)")


class Forecasts(Gridded):
    """Forecasts as (forecast_reference_time, leadtime[, member], ...).

    Files that differ only in their dates and steps are one dataset. Facets: ``format``,
    ``variable``, ``vocabulary``, ``part``.
    """

    name: ClassVar[str] = "forecast"

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Forecasts below the archive's location; other fields are refused as no forecasts."""
        groups: dict[tuple[str, Format], list[ArchiveFile]] = {}
        refused: list[Finding] = []
        entries: list[Entry] = []
        for file in archive.find():
            kind = format_of(archive, file)
            if not kind:
                refused.append(not_data(file))
                continue
            groups.setdefault((_STEP.sub("{}", undated(file.path)), kind), []).append(file)
        for (_, kind), group in sorted(groups.items()):
            files = tuple(sorted(group, key=lambda file: (len(file.path), file.path)))
            try:
                headers = _open(archive, files[0], kind)
            except InvalidData as error:
                refused += [_refusal(file, str(error)) for file in files]
                continue
            made = [
                _entry(files, kind, part, header, len(headers))
                for part, header in enumerate(headers)
                if is_forecast(header)
            ]
            entries += made
            if not made:
                names = sorted(map(str, headers[0].coords))
                refused += [
                    _refusal(file, f"no forecast reference time (coordinates {names})")
                    for file in files
                ]
        wanted = tuple(entry for entry in entries if matches(entry.facets, facets))
        return Found(wanted, tuple(refused))

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """All issue times, leads and members of an entry; lazy."""
        kind, part = entry_format(entry), int(entry.facets.get("part", "0"))
        parts = []
        for file in entry.files:
            opened = _open(archive, file, kind)
            if part >= len(opened):
                raise InvalidData(
                    f"dataset {entry.key}, file {file.path}: found {len(opened)} GRIB hypercubes, "
                    f"wanted the same ones as in {entry.files[0].path}"
                )
            token = tokenize(archive.location, file.path, file.size, kind, part)
            parts.append(arrange(in_chunks(opened[part], token), file.path))
        return join(parts, entry.key)


def _open(archive: Archive, file: ArchiveFile, kind: Format) -> list[xr.Dataset]:
    """The hypercubes of a file, control and members together."""
    if kind != "grib":
        return [open_array_file(archive, file, kind)]
    count = len(grib_parts(archive.local(file), valid_time=False))
    parts = [
        open_array_file(archive, file, kind, part=part, valid_time=False) for part in range(count)
    ]
    return join_members(parts, file.path)


def _entry(
    files: tuple[ArchiveFile, ...], kind: Format, part: int, header: xr.Dataset, parts: int
) -> Entry:
    first = next(iter(header.data_vars.values()))
    label = f"{first.attrs.get('GRIB_typeOfLevel', 'part')}-{part}" if parts > 1 else ""
    names = files if len(files) == 1 else (ArchiveFile(_STEP.sub("{}", files[0].path)), files[1])
    facets = {
        "format": str(kind),
        "variable": " ".join(sorted(map(str, header.data_vars))),
        "vocabulary": "forecast",
    }
    if parts > 1:
        facets["part"] = str(part)
    # The layout is made here, so the files cannot be read as they lie.
    return Entry(key_of(names, label), files, "forecast", facets, referable=False)


def _refusal(file: ArchiveFile, found: str) -> Finding:
    return Finding("layout", "refused", found, WANTED, file=file.path, variable="-")
