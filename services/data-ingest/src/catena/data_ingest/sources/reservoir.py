"""Reservoirs, rivers below them and hydropower: CSV files and workbooks.

===================================  ================================================
layout                               dataset
===================================  ================================================
``,inflow,outflow,storage,evap``     one reservoir, balance proves the units
``month,day,year`` and points        local inflows of the Willamette (CSV), flows of
                                     the Columbia (workbook)
sheets Full_flows, WECC_daily        reservoirs of California, and their power plants
===================================  ================================================

Series without dates are refused: nothing says which days they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from catena.data_ingest.sources import reservoir_california as california
from catena.data_ingest.sources import reservoir_tables as tables
from catena.data_ingest.sources.base import Archive, ArchiveFile, Entry
from catena.data_ingest.sources.tables import (
    TableSource,
    chosen,
    first_line,
    refuse,
    slug,
    with_bounds,
    with_findings,
    words_only,
)
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

_BOOKS = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class _Kind:
    """One layout: product, and what reads it."""

    product: str
    read: Callable[[Archive, ArchiveFile], tables.Panel]


def _california_flows(archive: Archive, file: ArchiveFile) -> tables.Panel:
    return california.flows(archive, file, tables.sheet_names(archive, file))


_KINDS = {
    kind.product: kind
    for kind in (
        _Kind("reservoir", tables.folsom),
        _Kind("local_inflow", tables.willamette),
        _Kind("columbia", tables.columbia),
        _Kind("california_flows", _california_flows),
        _Kind("california_power", california.power),
    )
}


class Reservoir(TableSource):
    """Tables of reservoirs and hydropower."""

    name: ClassVar[str] = "reservoir"
    place: ClassVar[str] = "site"

    def _datasets(
        self, archive: Archive, patterns: Sequence[str] | None
    ) -> tuple[list[Entry], list[Finding]]:
        entries: list[Entry] = []
        refused: list[Finding] = []
        for file in archive.find():
            products = _products(archive, file)
            if isinstance(products, Finding):
                refused.append(products)
                continue
            entries += [_entry(file, product, patterns) for product in products]
        return entries, refused

    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry, (site, time), in the units of the table; what nothing proves is left out.

        Raises
        ------
        InvalidData
            When the file has another layout, or no site is left.
        """
        kind = _KINDS.get(entry.facets.get("product", ""))
        if kind is None:
            raise InvalidData(f"dataset {entry.key}: is none of {', '.join(_KINDS)}; search again")
        panel = kind.read(archive, entry.files[0])
        patterns = entry.facets["site"].split("|") if "site" in entry.facets else None
        names = sorted({str(name) for table in panel.series.values() for name in table})
        sites = [name for name in names if chosen(name, patterns)]
        if not sites:
            raise InvalidData(
                f"dataset {entry.key}: dimension site: found {', '.join(names[:8])}, wanted "
                f"{entry.facets.get('site')}"
            )
        return with_findings(_dataset(panel, sites), panel.findings)


def _dataset(panel: tables.Panel, sites: list[str]) -> xr.Dataset:
    data = {
        name: (
            ("site", "time"),
            table.reindex(columns=sites).to_numpy(np.float64).T,
            {"units": panel.units[name]},
        )
        for name, table in panel.series.items()
    }
    times = pd.DatetimeIndex(panel.times).as_unit("ns")
    dataset = xr.Dataset(
        data, coords={"site": ("site", np.array(sites, dtype=np.str_)), "time": ("time", times)}
    )
    if "storage" in dataset:
        dataset["storage"].attrs["comment"] = "at the end of the day"
    dataset.attrs["time_zone"] = "local standard time"
    return with_bounds(dataset, "1D").chunk({"site": 1})


def _entry(file: ArchiveFile, product: str, patterns: Sequence[str] | None) -> Entry:
    facets = {"product": product, "frequency": "day", "table_id": "site"}
    facets["source_id"] = PurePosixPath(file.path).stem
    if patterns is not None:
        # The file is not read before it is opened; which sites it has is known then.
        facets["site"] = "|".join(patterns)
    part = product.removeprefix("california") if product.startswith("california") else ""
    return Entry(
        key=slug(str(PurePosixPath(file.path).with_suffix(""))) + part,
        files=(file,),
        vocabulary=f"reservoir_{product}",
        facets=facets,
    )


def _products(archive: Archive, file: ArchiveFile) -> list[str] | Finding:
    """Datasets in a file, by its first line or its sheets."""
    if words := words_only(file):
        return words
    suffix = PurePosixPath(file.path).suffix.lower()
    if suffix in _BOOKS:
        return _workbook(archive, file)
    if suffix not in (".csv", ".txt"):
        return refuse(file.path, f"a file '{suffix}'", "CSV or a workbook (.xlsx)")
    head = first_line(archive, file.path)
    if head == tables.FOLSOM_HEAD:
        return ["reservoir"]
    columns = head.split(",")
    if tuple(columns[:3]) == tables.DATES and set(columns) >= tables.WILLAMETTE:
        return ["local_inflow"]
    return refuse(
        file.path, f"the columns {head[:120]}",
        f"'{tables.FOLSOM_HEAD}', or month, day, year and {', '.join(sorted(tables.WILLAMETTE))}",
        "no table whose units are known",
    )  # fmt: skip


def _workbook(archive: Archive, file: ArchiveFile) -> list[str] | Finding:
    try:
        names = tables.sheet_names(archive, file)
        if {california.FLOWS, california.HISTORY} <= set(names):
            power = ["california_power"] if california.POWER in names else []
            return ["california_flows", *power]
        columns = [str(name) for name in tables.sheet(archive, file, names[0])]
    except InvalidData as error:
        return refuse(file.path, str(error), "a workbook that can be read", check="file",
                      variable="")  # fmt: skip
    if tuple(columns[:3]) == tables.DATES:
        if set(columns) >= tables.COLUMBIA:
            return ["columbia"]
        return refuse(file.path, f"the points {', '.join(columns[3:9])} without units",
                      "The Dalles (TDA5ARF) among them, which proves the unit",
                      "no table whose units are known")  # fmt: skip
    return refuse(
        file.path, f"the columns {', '.join(columns[:6])} by number of the row",
        "a date for each row",
        "the table has no dates and states no unit: nothing says which days these are",
        variable=", ".join(name for name in columns if not name.startswith("Unnamed")) or "-",
    )  # fmt: skip
