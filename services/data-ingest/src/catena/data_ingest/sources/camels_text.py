"""CAMELS's text files: forcing of a basin, its streamflow, and output of the SAC-SMA model.

Layout as published by Newman et al. (2015, HESS 19, 209-223) and Addor et al. (2017, HESS 21,
5293-5313): one file per basin, days of the real calendar, "Hr 12" for a mean or sum of the day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.tables import Record, days, index_of, parse, refuse
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

FOOT3_TO_MM_DAY = 0.3048**3 * 86400 * 1000
"""ft3 s-1 over 1 m2, in mm d-1."""

FLAGS = {"M": 0, "A": 1, "A:e": 2}
"""Flags of USGS flow: missing, approved, approved estimate; any other is 3."""
FLAG_ATTRIBUTES = {
    "long_name": "Quality flag of the discharge (USGS)",
    "flag_values": [0, 1, 2, 3],
    "flag_meanings": "missing approved approved_estimated other",
}

MODEL_COLUMNS = (
    "YR", "MNTH", "DY", "HR", "SWE", "PRCP", "RAIM", "TAIR", "PET", "ET", "MOD_RUN", "OBS_RUN",
)  # fmt: skip
_MODEL_UNITS = dict.fromkeys(("PRCP", "RAIM", "PET", "ET", "MOD_RUN", "OBS_RUN"), "mm d-1") | {
    "SWE": "mm", "TAIR": "degC",
}  # fmt: skip
_NAME = re.compile(r"^\s*([A-Za-z_]+)\s*(?:\((.*)\))?\s*$")


def name_and_units(column: str) -> tuple[str, str]:
    """``prcp(mm/day)`` as its two parts; names in small letters, as products differ in them."""
    match = _NAME.match(column)
    return (match[1].lower(), match[2] or "") if match else (column.strip().lower(), "")


def forcing_head(archive: Archive, path: str) -> tuple[float, float, float, list[str]]:
    """Latitude, elevation (m), area (m2) and columns of a forcing file, from its first four lines.

    Raises
    ------
    InvalidData
        When they are not that.
    """
    with archive.open(path) as stream:
        lines = stream.read(1024).decode("ascii", "replace").splitlines()
    try:
        latitude, elevation, area = (float(line) for line in lines[:3])
        columns = lines[3].split()
    except (ValueError, IndexError):
        raise InvalidData(
            f"file {path}: found '{' | '.join(line.strip() for line in lines[:4])[:120]}', "
            "wanted latitude, elevation and area (m2) in lines 1 to 3 and columns in line 4"
        ) from None
    if columns[:4] != ["Year", "Mnth", "Day", "Hr"] or not (-90 <= latitude <= 90 and area > 0):
        raise InvalidData(
            f"file {path}: found latitude {latitude:g}, area {area:g} and columns "
            f"{' '.join(columns)[:80]}, wanted -90 to 90, above 0, and Year Mnth Day Hr ..."
        )
    return latitude, elevation, area, columns


def forcing(archive: Archive, file: ArchiveFile) -> Record:
    """A forcing file: Daymet, NLDAS or Maurer means over a basin.

    Raises
    ------
    InvalidData
        When the file has another layout or is cut off.
    """
    latitude, elevation, area, columns = forcing_head(archive, file.path)
    frame = parse(archive, file, columns=columns, skip=4)
    times = days(frame["Year"], frame["Mnth"], frame["Day"], file.path)
    values, units = {}, {}
    for column in columns[4:]:
        name, unit = name_and_units(column)
        values[name], units[name] = frame[column].to_numpy(), unit
    notes = [
        *_mean_as_extremes(values, units, file.path),
        *_no_snow(values, file.path),
        *_whole_day_radiation(values, units, file.path),
    ]
    coords = {"lat": latitude, "elevation": elevation, "area": area}
    return Record(times, values, units, dict(coords), tuple(notes))


def _mean_as_extremes(
    values: dict[str, np.ndarray], units: dict[str, str], path: str
) -> list[Finding]:
    """NLDAS and Maurer files hold the daily mean twice, as minimum and as maximum."""
    if not {"tmin", "tmax"} <= set(values) or (values["tmin"] != values["tmax"]).any():
        return []
    values["tmean"], units["tmean"] = values.pop("tmax"), units["tmax"]
    del values["tmin"]
    return [
        refuse(
            path, "the same values in tmin and tmax on every day", "two extremes",
            "both columns hold the daily mean, which is kept as tmean", check="extremes",
            variable="tmin tmax",
        )
    ]  # fmt: skip


def _no_snow(values: dict[str, np.ndarray], path: str) -> list[Finding]:
    """The column for snow is there and never filled."""
    if "swe" not in values or (values["swe"] != 0).any():
        return []
    del values["swe"]
    return [
        refuse(
            path, "0 on every day", "snow water equivalent",
            "a column that was never filled, also in basins with long winters", check="placeholder",
            variable="swe",
        )
    ]  # fmt: skip


def _whole_day_radiation(
    values: dict[str, np.ndarray], units: dict[str, str], path: str
) -> list[Finding]:
    """Radiation is a mean over the hours of daylight: taken over 24 h it exceeds what the top of
    the atmosphere receives. Over daylight it has transmissivities of 0.5, as it should."""
    if not {"srad", "dayl"} <= set(values):
        return []
    day = 86400.0 if units["dayl"] == "s" else 1.0
    values["srad_day"] = values.pop("srad") * (values["dayl"] / day)
    units["srad_day"] = units.pop("srad")
    return [
        Finding(
            check="averaging", action="converted", found="a mean over the hours of daylight",
            wanted="a mean over 24 h", why="multiplied by dayl over the length of the day",
            file=path, variable="srad",
        )
    ]  # fmt: skip


def streamflow(
    archive: Archive, file: ArchiveFile, basin: str, place: Mapping[str, float | str]
) -> Record:
    """USGS flow of a basin: discharge with its flag, and streamflow where the area is known.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    basin : str
        Gauge id of the file's name: the rows have to be of it.
    place : mapping
        Coordinates of the basin; ``area`` in m2.

    Raises
    ------
    InvalidData
        When rows are of another gauge, or the file has another layout or is cut off.
    """
    frame = parse(
        archive, file, columns=("gauge", "year", "month", "day", "flow", "flag"),
        texts=("gauge", "flag"),
    )  # fmt: skip
    gauges = set(frame["gauge"].str.zfill(8))
    if gauges != {basin}:
        raise InvalidData(
            f"file {file.path}: found rows of gauge {', '.join(sorted(gauges)[:3])}, "
            f"wanted {basin}, as the file is called"
        )
    times = days(frame["year"], frame["month"], frame["day"], file.path)
    flag = frame["flag"].map(FLAGS).fillna(3).to_numpy()
    discharge = frame["flow"].where(flag != 0).to_numpy()
    values = {"discharge": discharge, "discharge_QC": flag}
    units = {"discharge": "ft3 s-1", "discharge_QC": "1"}
    area = place.get("area")
    notes: list[Finding] = []
    if isinstance(area, float) and area > 0:
        values["streamflow"] = discharge * (FOOT3_TO_MM_DAY / area)
        units["streamflow"] = "mm d-1"
    else:
        notes.append(
            Finding(
                check="area", action="noted", found="no area of the basin", wanted="m2",
                why="there is discharge, but no streamflow per area: add the forcing file or "
                "camels_topo.txt to the archive", file=file.path, variable="streamflow",
            )
        )  # fmt: skip
    return Record(times, values, units, dict(place), tuple(notes))


def model_output(archive: Archive, file: ArchiveFile) -> Record:
    """Output of one SAC-SMA/Snow-17 run of a basin, driven by Daymet.

    Raises
    ------
    InvalidData
        When the file has another layout or is cut off.
    """
    frame = parse(archive, file, columns=MODEL_COLUMNS, skip=1, head=" ".join(MODEL_COLUMNS))
    times = days(frame["YR"], frame["MNTH"], frame["DY"], file.path)
    values = {name: frame[name].to_numpy() for name in MODEL_COLUMNS[4:]}
    return Record(times, values, dict(_MODEL_UNITS))


def dated_csv(archive: Archive, file: ArchiveFile, head: str) -> Record:
    """A CSV of days with ``name(unit)`` columns, as the Exp-Hydro examples have it.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    head : str
        Its first line.

    Raises
    ------
    InvalidData
        When dates cannot be read, or rows are not as the first line says.
    """
    columns = head.split(",")
    frame = parse(archive, file, columns=columns, texts=columns[:1], sep=",", skip=1)
    times = pd.to_datetime(frame[columns[0]], errors="coerce")
    if times.isna().any():
        bad = frame[columns[0]][times.isna()].iloc[0]
        raise InvalidData(f"file {file.path}: found the date '{bad}', wanted e.g. 2001-12-31")
    values, units = {}, {}
    for column in columns[1:]:
        name, unit = name_and_units(column)
        values[name], units[name] = frame[column].to_numpy(), unit
    notes = _whole_day_radiation(values, units, file.path)
    return Record(index_of(times, file.path), values, units, notes=tuple(notes))
