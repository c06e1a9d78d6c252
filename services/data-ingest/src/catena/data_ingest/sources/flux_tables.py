"""Tables of single flux sites: FLUXNET2015 and AmeriFlux CSV, monthly series, and two more.

Times are starts of the averaging intervals, in the clock of the file: local standard time.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.tables import Record, index_of, parse, refuse
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData
from catena.shared.lexicon import rows

MISSING = -9999.0

FULLSET = re.compile(
    r"^(?:FLX|AMF)_([A-Z]{2}-[A-Za-z0-9]{3})_FLUXNET(?:2015)?_(FULLSET|SUBSET)_"
    r"(HH|HR|DD|WW|MM|YY)_.*\.csv$"
)
BASE = re.compile(r"^AMF_([A-Z]{2}-[A-Za-z0-9]{3})_BASE_(HH|HR)_.*\.csv$")
STEPS = {"HH": "30min", "HR": "1h", "DD": "1D", "WW": "7D", "MM": "MS", "YY": "YS"}
_FORMATS = {"HH": "%Y%m%d%H%M", "HR": "%Y%m%d%H%M", "DD": "%Y%m%d", "WW": "%Y%m%d",
            "MM": "%Y%m", "YY": "%Y"}  # fmt: skip


def vocabulary_of(resolution: str) -> str:
    """Vocabulary of a FLUXNET2015 file: sums of a step, rates per day, or sums of a year."""
    return {"HH": "fluxnet2015_hour", "HR": "fluxnet2015_hour", "YY": "fluxnet2015_year"}.get(
        resolution, "fluxnet2015_day"
    )


def fluxnet(
    archive: Archive, file: ArchiveFile, resolution: str, place: Mapping[str, float | str]
) -> Record:
    """A FLUXNET2015 (FULLSET or SUBSET) or AmeriFlux FLUXNET file of one resolution.

    Columns that the vocabulary has are kept, with their quality flags; the rest (percentiles, other
    thresholds of friction velocity, day and night) is left out and counted.

    Raises
    ------
    InvalidData
        When it has no time stamps, rows are cut off, or no column is known.
    """
    frame = _csv(archive, file)
    known = rows(vocabulary_of(resolution))
    kept = [name for name in frame if name in known]
    flags = [f"{name}_QC" for name in kept if f"{name}_QC" in frame]
    return _tower_record(file, frame, resolution, {name: name for name in [*kept, *flags]}, place)


def base(
    archive: Archive, file: ArchiveFile, resolution: str, place: Mapping[str, float | str]
) -> Record:
    """An AmeriFlux BASE file: of replicates and positions, the first of each variable.

    Raises
    ------
    InvalidData
        As :func:`fluxnet`.
    """
    frame = _csv(archive, file)
    chosen: dict[str, str] = {}
    for name in rows("ameriflux_base"):
        candidates = (name, f"{name}_F", f"{name}_1_1_1", f"{name}_1_1_A", f"{name}_1")
        found = next((column for column in candidates if column in frame), "")
        if found:
            chosen[found] = name
    return _tower_record(file, frame, resolution, chosen, place)


def _csv(archive: Archive, file: ArchiveFile) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            io.BytesIO(archive.local(file).read_bytes()), comment="#", engine="c",
            dtype={"TIMESTAMP": str, "TIMESTAMP_START": str, "TIMESTAMP_END": str},
        )  # fmt: skip
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InvalidData(
            f"file {file.path}: found no table ({str(error).splitlines()[0]}), "
            "wanted FLUXNET's comma-separated columns; fetch it again"
        ) from error
    if len(frame) and frame.iloc[-1].isna().any():
        raise InvalidData(
            f"file {file.path}: found {int(frame.iloc[-1].notna().sum())} values in the last row, "
            f"wanted {len(frame.columns)}: the file is cut off; fetch it again"
        )
    return frame


def _tower_record(
    file: ArchiveFile,
    frame: pd.DataFrame,
    resolution: str,
    chosen: Mapping[str, str],
    place: Mapping[str, float | str],
) -> Record:
    stamp = next((name for name in ("TIMESTAMP_START", "TIMESTAMP") if name in frame), "")
    if not stamp or not chosen:
        raise InvalidData(
            f"file {file.path}: found the columns {', '.join(map(str, frame.columns[:8]))}, "
            "wanted TIMESTAMP_START or TIMESTAMP, and columns that the lexicon knows"
        )
    times = pd.to_datetime(frame[stamp], format=_FORMATS[resolution], errors="coerce")
    if times.isna().any():
        raise InvalidData(
            f"file {file.path}: dimension time: found the stamp "
            f"'{frame[stamp][times.isna()].iloc[0]}', wanted {_FORMATS[resolution]}"
        )
    values = {}
    for column, name in chosen.items():
        numbers = pd.to_numeric(frame[column], errors="coerce")
        if numbers.isna().any():
            raise InvalidData(
                f"file {file.path}: variable {column}: found "
                f"'{frame[column][numbers.isna()].iloc[0]}', wanted a number (-9999 is missing)"
            )
        # Flags stay beside the data as they are, so what is missing is masked here.
        flag = name.endswith("_QC")
        values[name] = (numbers.mask(numbers == MISSING) if flag else numbers).to_numpy()
    known = {stamp, "TIMESTAMP_END", "TIMESTAMP_START", "TIMESTAMP", *chosen}
    left = [str(name) for name in frame if name not in known]
    notes = [_left_out(file.path, left)] if left else []
    return Record(
        index_of(times, file.path), values, {}, dict(place), tuple(notes), missing=MISSING
    )


def _left_out(path: str, names: list[str]) -> Finding:
    shown = ", ".join(names[:400])
    return refuse(
        path, f"{len(names)} columns more: {shown}", "one column per variable of the lexicon",
        "percentiles, other thresholds, day and night, replicates: read them from the file itself",
        check="lexicon", variable=" ".join(names[:3]) + (" ..." if len(names) > 3 else ""),
    )  # fmt: skip


MONTHLY_HEAD = "ID,Date,GPP,NEE,ET"


def monthly(archive: Archive, file: ArchiveFile, place: Mapping[str, float | str]) -> Record:
    """Monthly GPP, NEE and ET of one site; ``ID`` counts months from January 2001.

    Raises
    ------
    InvalidData
        When number and date of a month do not agree, or the file has another layout.
    """
    columns = MONTHLY_HEAD.split(",")
    frame = parse(archive, file, columns=columns, sep=",", skip=1, head=MONTHLY_HEAD)
    year, month = np.divmod(frame["Date"].to_numpy(), 100)
    counted = (year - 2001) * 12 + month
    if not len(frame) or (counted != frame["ID"]).any():
        raise InvalidData(
            f"file {file.path}: dimension time: found month {frame['ID'].tolist()[:1]} for "
            f"{frame['Date'].tolist()[:1]}, wanted months counted from 2001-01, at least one"
        )
    times = pd.to_datetime(pd.DataFrame({"year": year, "month": month, "day": 1}))
    values = {name: frame[name].to_numpy() for name in columns[2:]}
    return Record(index_of(times, file.path), values, {}, dict(place))


P_MODEL_HEAD = "date,temp,vpd,ppfd,netrad,patm,snow,rain,tmin,tmax,fapar,co2,ccov"
_DAYTIME = {
    "temp": "compared with the site's own monthly files: TA_F_DAY within 0.5 K, TA_F is 1.3 K less",
    "vpd": "1.27 times the site's VPD_F on average, as the temperature is of the daytime too",
}


def p_model_forcing(
    archive: Archive, file: ArchiveFile, place: Mapping[str, float | str]
) -> Record:
    """Daily drivers of the P-model at one site (29 February is left out in the file).

    Raises
    ------
    InvalidData
        When the file has another layout.
    """
    columns = P_MODEL_HEAD.split(",")
    frame = parse(
        archive, file, columns=columns, texts=("date",), sep=",", skip=1, head=P_MODEL_HEAD
    )
    values = {name: frame[name].to_numpy() for name in columns[1:]}
    notes = []
    for name, why in _DAYTIME.items():
        del values[name]
        notes.append(
            refuse(file.path, "a mean over the daytime", "a mean over 24 h", why,
                   check="averaging", variable=name)
        )  # fmt: skip
    for name in [name for name in ("snow", "ccov") if not values[name].any()]:
        del values[name]
        notes.append(
            refuse(file.path, f"0 on all {len(frame)} days", "snowfall and clouds of some days",
                   "a column that was never filled", check="placeholder", variable=name)
        )  # fmt: skip
    times = index_of(pd.to_datetime(frame["date"], format="%Y-%m-%d", errors="coerce"), file.path)
    return Record(times, values, {}, dict(place), tuple(notes))


GPP_HEAD = "sitename,date,gpp,gpp_unc"


def p_model_gpp(archive: Archive, file: ArchiveFile) -> tuple[str, Record]:
    """Daily observed GPP that goes with :func:`p_model_forcing`: site and series.

    Raises
    ------
    InvalidData
        When the file has another layout, or more than one site.
    """
    columns = GPP_HEAD.split(",")
    frame = parse(archive, file, columns=columns, texts=columns[:2], sep=",", skip=1, head=GPP_HEAD)
    sites = frame["sitename"].unique().tolist()
    if len(sites) != 1:
        raise InvalidData(f"file {file.path}: found the sites {sites[:4]}, wanted one")
    times = index_of(pd.to_datetime(frame["date"], format="%Y-%m-%d", errors="coerce"), file.path)
    return str(sites[0]), Record(times, {"gpp": frame["gpp"].to_numpy()})


REDDYPROC_HEAD = "Year DoY Hour NEE LE H Rg Tair Tsoil rH VPD Ustar"


def reddyproc(archive: Archive, file: ArchiveFile, place: Mapping[str, float | str]) -> Record:
    """A half-hourly table in REddyProc's form: time stamps are ends of the half-hours.

    Raises
    ------
    InvalidData
        When the file has another layout.
    """
    columns = REDDYPROC_HEAD.split()
    frame = parse(archive, file, columns=columns, sep="\t", skip=2)
    start = pd.to_datetime(frame["Year"].astype(int).astype(str) + "-01-01")
    minutes = (frame["DoY"] - 1) * 1440 + (frame["Hour"] * 60).round() - 30
    times = start + pd.to_timedelta(minutes, unit="min")
    values = {name: frame[name].to_numpy() for name in columns[3:]}
    return Record(index_of(times, file.path), values, {}, dict(place), missing=MISSING)
