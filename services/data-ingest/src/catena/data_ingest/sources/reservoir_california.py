"""The workbook of Californian reservoirs: natural flows, inflows, releases and hydropower.

Sheets ``Full_flows`` (2000-2015), ``Hist_flows`` and ``WECC_daily`` (2001, 2005, 2010, 2011). The
other sheets repeat rows of these or sum them up, and are refused by name.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from catena.data_ingest.sources.base import Archive, ArchiveFile
from catena.data_ingest.sources.reservoir_tables import Panel, numbers, sheet
from catena.data_ingest.sources.tables import days, refuse
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

FLOWS, HISTORY, POWER = "Full_flows", "Hist_flows", "WECC_daily"
_SUBSETS = ("val_flows", "val_flows2")
_SUMMARIES = ("Rankings", "Total_Flows")

ACRE_FOOT_PER_DAY = 43560 / 86400
"""ft3 s-1."""

SITES = {
    "Oroville": "ORO", "Shasta": "SHA", "Folsom": "FOL", "Yuba": "YRS", "Consumnes River": "MHB",
    "Pardee": "PAR", "New Hogan": "NHG", "New Melones": "NML", "Don Pedro": "DNP",
    "New Exchequer": "EXC", "Millerton": "MIL", "Pine Flat": "PFT", "Kaweah": "KWH",
    "Success": "SUC", "Isabella": "ISB",
}  # fmt: skip
"""Names in ``Hist_flows`` and codes in ``Full_flows``, both in this order."""

VOLUME_AT_MOST = 0.25
"""Natural flow and measured inflow of the same years differ by less where the unit is right."""
_DIVERTED = ("YRS",)
"""Measured below diversions, so that volumes cannot be compared."""


def other_sheets(
    archive: Archive, file: ArchiveFile, names: list[str], full: pd.DataFrame
) -> list[Finding]:
    """Refusals of all sheets that hold no series of their own."""
    findings = []
    for name in names:
        if name in (FLOWS, HISTORY, POWER):
            continue
        if name in _SUBSETS:
            same = _is_part(sheet(archive, file, name), full)
            found = f"rows of sheet {FLOWS} again" if same else f"rows that differ from {FLOWS}"
            why = "each series once" if same else "nothing says which of the two is right"
            findings.append(refuse(file.path, found, "series of its own", why,
                                   check="duplicate", variable=f"sheet {name}"))  # fmt: skip
        elif name in _SUMMARIES:
            found = "sums by year"
            findings.append(refuse(file.path, found, "series", "summed from daily series",
                                   variable=f"sheet {name}"))  # fmt: skip
        else:
            findings.append(refuse(file.path, "a list of sites and scripts", "series",
                                   "not data", variable=f"sheet {name}"))  # fmt: skip
    return findings


def _is_part(frame: pd.DataFrame, full: pd.DataFrame) -> bool:
    keys = ["year", "month", "day"]
    merged = frame.merge(full, on=keys, how="left", suffixes=("", "_full"), validate="1:1")
    columns = [name for name in frame if name not in keys]
    same = [
        np.isclose(merged[name].astype(float), merged[f"{name}_full"].astype(float), equal_nan=True)
        for name in columns
        if f"{name}_full" in merged
    ]
    return len(same) == len(columns) and bool(np.all(same))


def flows(archive: Archive, file: ArchiveFile, names: list[str]) -> Panel:
    """Natural flow (acre-feet per day), inflow and release (ft3 s-1) of reservoirs.

    Releases are ft3 s-1: those of Folsom are those of an independent table in thousand acre-feet
    per day times 504.1667. So is the inflow of ``Hist_flows``. Natural flow is in acre-feet per
    day where its volume of the years in both sheets is that of the inflow.

    Raises
    ------
    InvalidData
        When a sheet is missing or has another layout.
    """
    full, past = sheet(archive, file, FLOWS), sheet(archive, file, HISTORY)
    times = days(full["year"], full["month"], full["day"], file.path)
    values = numbers(full, file.path).set_index(times)
    past_times = days(past["year"], past["month"], past["day"], file.path)
    inflow = numbers(past, file.path).set_index(past_times).rename(columns=SITES)
    unknown = [name for name in inflow if name not in SITES.values()]
    if unknown:
        raise InvalidData(
            f"file {file.path}: sheet {HISTORY}: found the column {unknown[0]}, wanted some of "
            f"{', '.join(SITES)}"
        )
    natural = _part(values, "_fnf")
    release = _part(values, "_otf")
    natural, findings = _proven(natural, inflow, file.path)
    findings += _rivers(inflow, release, file.path)
    findings += other_sheets(archive, file, names, full)
    findings += _days_agree(natural, inflow, file.path)
    every = times.union(past_times)
    series = {
        "natural_flow": natural.reindex(every),
        "inflow": inflow.reindex(every),
        "outflow": release.reindex(every),
    }
    units = {"natural_flow": "acre_foot d-1", "inflow": "ft3 s-1", "outflow": "ft3 s-1"}
    return Panel(every, series, units, tuple(findings))


def _part(values: pd.DataFrame, ending: str) -> pd.DataFrame:
    part = values[[name for name in values if name.endswith(ending)]]
    return part.rename(columns=lambda name: str(name).removesuffix(ending))


def _proven(
    natural: pd.DataFrame, inflow: pd.DataFrame, path: str
) -> tuple[pd.DataFrame, list[Finding]]:
    findings = []
    for site in list(natural):
        if site not in inflow or site in _DIVERTED:
            continue
        both = natural.index.intersection(inflow.index)
        volume = natural.loc[both, site].sum() * ACRE_FOOT_PER_DAY
        ratio = float(volume / inflow.loc[both, site].sum())
        if abs(ratio - 1) > VOLUME_AT_MOST:
            natural = natural.drop(columns=site)
            findings.append(
                refuse(path, f"{ratio:.2f} times the volume of the measured inflow",
                       f"within {VOLUME_AT_MOST:.0%}, as at the other reservoirs",
                       "another unit or another river: nothing says which", check="agreement",
                       variable=f"{site}_fnf")
            )  # fmt: skip
    return natural, findings


def _rivers(inflow: pd.DataFrame, release: pd.DataFrame, path: str) -> list[Finding]:
    """Columns among the inflows that are the release of a reservoir are taken out."""
    findings = []
    for site in list(inflow):
        if site not in release:
            continue
        both = inflow.index.intersection(release.index)
        same = float((inflow.loc[both, site] == release.loc[both, site]).mean())
        if same > 0.9:
            del inflow[site]
            findings.append(
                refuse(path, f"the release {site}_otf again on {same:.0%} of the days", "an inflow",
                       "a river below its reservoirs", check="duplicate",
                       variable=f"{site} in {HISTORY}")
            )  # fmt: skip
    return findings


def _days_agree(natural: pd.DataFrame, inflow: pd.DataFrame, path: str) -> list[Finding]:
    """How natural flow goes with measured inflow, by day and by month: a note for readers."""
    both = natural.index.intersection(inflow.index)
    sites = [site for site in natural if site in inflow]
    if not sites or len(both) < 60:
        return []
    one, other = natural.loc[both, sites], inflow.loc[both, sites]
    by_day = one.corrwith(other)
    months = both.to_period("M")
    by_month = one.groupby(months).sum().corrwith(other.groupby(months).sum())
    return [
        Finding(
            check="agreement", action="noted", file=path, variable="natural_flow",
            found=f"r of {by_day.min():.2f} to {by_day.max():.2f} with measured inflow by day, "
            f"{by_month.min():.2f} to {by_month.max():.2f} by month",
            wanted="natural flow of the same days",
            why="use it by month: its days are not those of the measured floods",
        )
    ]  # fmt: skip


def power(archive: Archive, file: ArchiveFile) -> Panel:
    """Daily hydropower of plants, MWh; the rows under the names tell river, reservoir and rule.

    Largest values are what the plants can do in 24 hours (Hyatt 15,900, Shasta 15,400 MWh), which
    proves the unit. Plants with pumps are negative on some days.

    Raises
    ------
    InvalidData
        When the sheet has another layout.
    """
    frame = sheet(archive, file, POWER)
    times = days(frame["year"], frame["month"], frame["day"], file.path)
    values = numbers(frame, file.path).set_index(times)
    return Panel(times, {"generation": values}, {"generation": "MWh"})
