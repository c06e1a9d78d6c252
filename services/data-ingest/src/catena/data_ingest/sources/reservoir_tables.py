"""Tables of reservoirs and hydropower, as the repositories that carry them have them.

None of them states its units. Where a balance or an independent table proves them they are given
here, with the proof; a column that nothing proves is refused by name.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.tables import days, index_of, refuse
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

ROUNDED_FOOT3 = 0.0283168
"""m3 in a cubic foot, as the Willamette table was converted with."""


@dataclass(frozen=True)
class Panel:
    """Series of several places.

    Parameters
    ----------
    times : pandas.DatetimeIndex
    series : dict of str to DataFrame
        Variable -> (time, site).
    units : dict of str to str
    findings : tuple of Finding
    """

    times: pd.DatetimeIndex
    series: dict[str, pd.DataFrame]
    units: dict[str, str]
    findings: tuple[Finding, ...] = field(default=())


FOLSOM_HEAD = ",inflow,outflow,storage,evap"
_CODES = {"folsom": "FOL"}
_FOLSOM_UNITS = {
    "inflow": "taf d-1", "outflow": "taf d-1", "storage": "taf", "evap": "taf d-1",
}  # fmt: skip


def folsom(archive: Archive, file: ArchiveFile) -> Panel:
    """Daily inflow, outflow, storage and evaporation of one reservoir, thousand acre-feet.

    The change of storage over a day equals inflow - outflow - evaporation of that day in these
    units (to rounding on more than half of the days), so storage is that at the end of the day.

    Raises
    ------
    InvalidData
        When the file has another layout, or its balance says that units are others.
    """
    frame = _csv(archive, file, texts=("",))
    dates = pd.to_datetime(frame.iloc[:, 0], format="%Y-%m-%d", errors="coerce")
    times = index_of(dates, file.path)
    frame = frame.iloc[:, 1:]
    frame.index = times
    change = frame["storage"].diff()
    balance = change - (frame["inflow"] - frame["outflow"] - frame["evap"])
    closed = float((balance.abs() < 0.01).sum() / max(1, int(balance.notna().sum())))
    if balance.notna().any() and closed < 0.3:
        raise InvalidData(
            f"file {file.path}: the balance of storage closes on {closed:.0%} of the days, wanted "
            "at least 30 %: units or columns are not those of this table"
        )
    stem = PurePosixPath(file.path).name.split("-")[0].removesuffix(".csv")
    site = _CODES.get(stem.lower(), stem)
    series = {name: frame[[name]].set_axis([site], axis=1) for name in _FOLSOM_UNITS}
    return Panel(times, series, dict(_FOLSOM_UNITS), tuple(_folsom_notes(frame, file.path)))


def _folsom_notes(frame: pd.DataFrame, path: str) -> list[Finding]:
    before = frame["evap"][frame["storage"].isna()]
    if before.empty:
        return []
    distinct = before.groupby([before.index.month, before.index.day]).nunique()
    if distinct.max() > 2:
        return []
    return [
        Finding(
            check="climatology", action="noted", variable="evap", file=path,
            found=f"the same evaporation each year until {before.index[-1]:%Y-%m-%d}",
            wanted="measurements", why="storage was not measured yet: a mean year stands in",
        )
    ]  # fmt: skip


def willamette(archive: Archive, file: ArchiveFile) -> Panel:
    """Daily local inflow at points of the Willamette basin, 1953-2007, ft3 s-1.

    The first ten columns were converted to m3 s-1 (94 to 100 % of their values are whole multiples
    of 0.0283168), the others are whole ft3 s-1; all are brought back to ft3 s-1.

    Raises
    ------
    InvalidData
        When the file has another layout.
    """
    frame = _csv(archive, file)
    times = days(frame["year"], frame["month"], frame["day"], file.path)
    values = frame.drop(columns=["month", "day", "year"])
    findings: list[Finding] = []
    metric = [
        name for name in values
        if not _whole(values[name]) and _whole(values[name] / ROUNDED_FOOT3, share=0.9)
    ]  # fmt: skip
    values[metric] = values[metric] / ROUNDED_FOOT3
    if metric:
        findings.append(
            Finding(
                check="units", action="converted", variable="inflow", file=file.path,
                found=f"m3 s-1 in {', '.join(metric)}", wanted="ft3 s-1, as in the other columns",
                why=f"their values are whole multiples of {ROUNDED_FOOT3}",
            )
        )  # fmt: skip
    odd = [
        name for name in values
        if name not in metric and (not _whole(values[name]) or 0 < values[name].abs().max() <= 10)
    ]  # fmt: skip
    findings += _refused_columns(
        file.path, odd, "values between -10 and 10 beside thousands", "flows of a point",
        "nothing says what the column is",
    )  # fmt: skip
    values = values.drop(columns=odd)
    values, empty = _without_zeros(values, file.path)
    values.index = times
    return Panel(times, {"inflow": values}, {"inflow": "ft3 s-1"}, (*findings, *empty))


def columbia(archive: Archive, file: ArchiveFile) -> Panel:
    """Daily flow at points of the Columbia basin, 2000-2007, ft3 s-1; 29 February is left out.

    The mean at The Dalles (``TDA5ARF``) is 163,000: as m3 s-1 it would be thirty times the river.
    Names that end in L are local inflows between points and may be negative.

    Raises
    ------
    InvalidData
        When the file has another layout.
    """
    frame = sheet(archive, file, "")
    times = days(frame["year"], frame["month"], frame["day"], file.path)
    values = frame.drop(columns=["month", "day", "year"]).astype(np.float64)
    if "TDA5ARF" in values and not 30_000 < values["TDA5ARF"].mean() < 600_000:
        raise InvalidData(
            f"file {file.path}: column TDA5ARF: found a mean of {values['TDA5ARF'].mean():g}, "
            "wanted 30,000 to 600,000 ft3 s-1 at The Dalles: the unit is another"
        )
    values, findings = _without_zeros(values, file.path)
    values.index = times
    local = [name for name in values if name.endswith("L")]
    series = {"discharge": values.drop(columns=local), "inflow": values[local]}
    return Panel(times, series, dict.fromkeys(series, "ft3 s-1"), tuple(findings))


def sheet(archive: Archive, file: ArchiveFile, name: str) -> pd.DataFrame:
    """One sheet of a workbook, its first row as names; rows without a date at the end are dropped.

    Raises
    ------
    InvalidData
        When the workbook cannot be read, or has no such sheet.
    """
    try:
        frame = pd.read_excel(
            io.BytesIO(archive.local(file).read_bytes()), sheet_name=name or 0, engine="openpyxl"
        )
    except Exception as error:
        # openpyxl raises zip, XML and key errors of many kinds on a broken workbook.
        raise InvalidData(
            f"file {file.path}: found no workbook with a sheet '{name or 'first'}' "
            f"({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}), "
            "wanted one; fetch it again"
        ) from error
    frame.columns = [str(column).strip() for column in frame.columns]
    if "year" in frame:
        frame = frame[pd.to_numeric(frame["year"], errors="coerce").notna()]
    return frame.reset_index(drop=True)


def sheet_names(archive: Archive, file: ArchiveFile) -> list[str]:
    """Names of the sheets of a workbook.

    Raises
    ------
    InvalidData
        When it cannot be read.
    """
    try:
        with pd.ExcelFile(io.BytesIO(archive.local(file).read_bytes()), engine="openpyxl") as book:
            return [str(name) for name in book.sheet_names]
    except Exception as error:
        raise InvalidData(
            f"file {file.path}: found no workbook that can be read ({type(error).__name__}), "
            "wanted one; fetch it again"
        ) from error


def numbers(frame: pd.DataFrame, path: str) -> pd.DataFrame:
    """The columns beside the date, as numbers.

    Raises
    ------
    InvalidData
        When a cell holds words.
    """
    values = frame.drop(columns=["month", "day", "year"])
    turned = values.apply(pd.to_numeric, errors="coerce")
    bad = turned.isna() & values.notna()
    if bad.any().any():
        column = str(bad.any().idxmax())
        raise InvalidData(
            f"file {path}: column {column}: found '{values[column][bad[column]].iloc[0]}', "
            "wanted a number or nothing"
        )
    return turned.astype(np.float64)


def _csv(archive: Archive, file: ArchiveFile, texts: Sequence[str] = ()) -> pd.DataFrame:
    kinds: Mapping[str, type] = {"Unnamed: 0": str} if texts else {}
    try:
        frame = pd.read_csv(io.BytesIO(archive.local(file).read_bytes()), dtype=kinds, engine="c")
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InvalidData(
            f"file {file.path}: found no table ({str(error).splitlines()[0]}), wanted commas "
            "between columns; fetch it again"
        ) from error
    wordy = [
        str(name) for name in frame.columns[1 if texts else 0 :]
        if not pd.api.types.is_numeric_dtype(frame[name])
    ]  # fmt: skip
    if wordy:
        raise InvalidData(f"file {file.path}: found words in column {wordy[0]}, wanted numbers")
    return frame


def _whole(values: pd.Series, share: float = 0.999) -> bool:
    rest = (values - values.round()).abs()
    return bool((rest < 2e-3).mean() >= share)


def _without_zeros(values: pd.DataFrame, path: str) -> tuple[pd.DataFrame, list[Finding]]:
    """Columns that never change hold no flow: they stand for points without data."""
    still = [str(name) for name in values if values[name].nunique() <= 1]
    findings = _refused_columns(
        path, still, f"one value on all {len(values)} days", "flows that change",
        "a point without data",
    )  # fmt: skip
    return values.drop(columns=still), findings


def _refused_columns(
    path: str, names: Sequence[str], found: str, wanted: str, why: str
) -> list[Finding]:
    if not names:
        return []
    return [refuse(path, found, wanted, why, check="placeholder", variable=", ".join(names))]


DATES = ("month", "day", "year")
"""Columns that say the day."""
WILLAMETTE = frozenset({"Albany", "Salem", "Vida", "DET5A"})
COLUMBIA = frozenset({"TDA5ARF"})
"""Points by which a table is known: units are proved for these tables and no others."""
