"""Caravan: basins of the world with ERA5-Land forcing and streamflow, netCDF or CSV.

Layout as published by Kratzert et al. (2023, Scientific Data 10, 61): one file per basin,
``timeseries/{netcdf,csv}/<subset>/<subset>_<gauge>``, days of the basin's local time; units stand
in a text of the file. One file with all basins side by side (basin, time) is read too.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import xarray as xr

from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.formats import format_of, in_chunks, open_array_file
from catena.data_ingest.sources.tables import (
    Member,
    Record,
    index_of,
    refuse,
    slug,
    with_bounds,
)
from catena.data_ingest.sources.tables_stack import stack
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_GAUGE = re.compile(r"^([a-z]+)_([A-Za-z0-9_]+)\.(nc|csv)$")
_UNIT_LINE = re.compile(r"^\s*(\w+):.*\[(.*)\]\s*$")
_CSV_UNITS = {"total_precipitation_sum": "mm", "potential_evaporation_sum": "mm"}
_SIGNATURE = "total_precipitation_sum"
SUBSETS = (
    "camels", "camelsaus", "camelsbr", "camelscl", "camelsgb", "hysets", "lamah", "camelsch",
    "camelsde", "camelsdk", "grdc", "il",
)  # fmt: skip


def basin_name(subset: str, gauge: str) -> str:
    """Name of a basin: CAMELS-US gauges as CAMELS has them, others with their subset before."""
    return gauge.zfill(8) if subset == "camels" else f"{subset}_{gauge}"


def is_basin_file(path: str) -> re.Match[str] | None:
    """``<subset>_<gauge>.nc`` or ``.csv`` of a known subset."""
    match = _GAUGE.match(PurePosixPath(path).name)
    return match if match and match[1] in SUBSETS else None


def group(
    files: Sequence[ArchiveFile], wanted: Callable[[str], bool]
) -> tuple[list[Entry], list[Finding]]:
    """Entries of the files of single basins: one per subset and format.

    Parameters
    ----------
    files : sequence of ArchiveFile
        For which :func:`is_basin_file` holds.
    wanted : callable (basin) -> bool

    Returns
    -------
    entries, refused
    """
    kept: dict[str, dict[str, ArchiveFile]] = {}
    refused = []
    for file in files:
        match = is_basin_file(file.path)
        if match is None:
            continue
        subset, gauge, _ = match.groups()
        basin = basin_name(subset, gauge)
        if not wanted(basin):
            continue
        members = kept.setdefault(subset, {})
        if basin in members:
            refused.append(
                refuse(file.path, f"basin {basin} for the second time", "one file per basin",
                       f"{members[basin].path} is read", check="duplicate")
            )  # fmt: skip
            continue
        members[basin] = file
    entries = [
        Entry(
            key=f"caravan_{slug(subset)}",
            files=tuple(members[basin] for basin in sorted(members)),
            vocabulary="caravan_multimet",
            facets={
                "product": "caravan", "frequency": "day", "basin": " ".join(sorted(members)),
                "source_id": "ERA5-Land", "table_id": "basin",
            },
        )
        for subset, members in sorted(kept.items())
    ]  # fmt: skip
    return entries, refused


def open_basins(archive: Archive, entry: Entry) -> xr.Dataset:
    """Files of single basins, side by side.

    Raises
    ------
    InvalidData
        When none can be read.
    """
    members = []
    for file in entry.files:
        match = is_basin_file(file.path)
        if match is None:
            raise InvalidData(
                f"dataset {entry.key}: file {file.path} is none of Caravan's; search again"
            )
        members.append(Member(basin_name(match[1], match[2]), file, _reader(archive, file)))
    dataset = stack("basin", members, key=entry.key)
    dataset.attrs["time_zone"] = "local time of each basin, see time_zone where the file gives it"
    return with_bounds(dataset, "1D")


def _reader(archive: Archive, file: ArchiveFile) -> Callable[[], Record]:
    return lambda: _record(archive, file)


def _record(archive: Archive, file: ArchiveFile) -> Record:
    if file.path.endswith(".csv"):
        return _csv_record(archive, file)
    kind = format_of(archive, file)
    if not kind:
        raise InvalidData(f"file {file.path}: found no netCDF, wanted one; fetch it again")
    with open_array_file(archive, file, kind) as dataset:
        if "date" not in dataset.dims or _SIGNATURE not in dataset:
            raise InvalidData(
                f"file {file.path}: found the dimensions {tuple(dataset.dims)}, wanted date and "
                f"a variable {_SIGNATURE}: it is no Caravan file of one basin"
            )
        units = units_of(str(dataset.attrs.get("Units", "")), [str(name) for name in dataset])
        try:
            values = {
                str(name): array.to_numpy().astype(np.float32)
                for name, array in dataset.load().items()
                if array.dims == ("date",)
            }
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidData(
                f"file {file.path}: its values cannot be read ({error}); fetch it again"
            ) from error
        coords: dict[str, float | str] = {}
        if "Timezone" in dataset.attrs:
            coords["time_zone"] = str(dataset.attrs["Timezone"])
        return Record(index_of(dataset["date"].values, file.path), values, units, coords)


def _csv_record(archive: Archive, file: ArchiveFile) -> Record:
    try:
        frame = pd.read_csv(io.BytesIO(archive.local(file).read_bytes()), parse_dates=["date"])
        values = {
            str(name): frame[name].to_numpy(np.float64) for name in frame.columns if name != "date"
        }
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"file {file.path}: found no table of days ({str(error).splitlines()[0]}), "
            "wanted a column date and numbers"
        ) from error
    if _SIGNATURE not in values:
        raise InvalidData(f"file {file.path}: has no column {_SIGNATURE}: it is none of Caravan's")
    return Record(index_of(frame["date"], file.path), values, dict(_CSV_UNITS))


def units_of(text: str, names: Sequence[str]) -> dict[str, str]:
    """Units of variables from the text in which a file lists them.

    A line ``total_precipitation: Total precipitation [mm]`` is about every variable whose name
    begins so (``_sum``, ``_mean``, ``_min``, ``_max``).
    """
    matches = (_UNIT_LINE.match(line) for line in text.splitlines())
    listed = {match[1]: match[2] for match in matches if match}
    units = {}
    for name in names:
        base = re.sub(r"_(mean|min|max|sum)$", "", name)
        if base in listed:
            units[name] = listed[base]
    return units


def open_table(archive: Archive, entry: Entry) -> xr.Dataset:
    """One netCDF with all basins, (basin, time), as it is.

    Raises
    ------
    InvalidData
        When the file is not that.
    """
    file = entry.files[0]
    dataset = open_array_file(archive, file, format_of(archive, file))
    if not {"basin", "time"} <= set(dataset.dims):
        raise InvalidData(
            f"dataset {entry.key}: file {file.path}: found the dimensions "
            f"{', '.join(map(str, dataset.dims))}, wanted basin and time"
        )
    return in_chunks(dataset, f"{entry.key}-{file.path}")
