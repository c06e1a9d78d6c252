"""Reservoirs: units are proved by balances, columns that nothing proves are refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.tables import days, write

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.base import Entry
from catena.data_ingest.sources.reservoir import Reservoir
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise
from catena.shared.errors import InvalidData

ACRE_FOOT = 43560 * 0.3048**3
FOOT3 = 0.3048**3
DAY = 86400.0


def opened(folder: Path, key: str, **facets: list[str]) -> tuple[Entry, xr.Dataset]:
    archive = open_archive(str(folder))
    entry = next(each for each in Reservoir().search(archive, facets).entries if each.key == key)
    return entry, Reservoir().open(archive, entry)


def canonical(folder: Path, key: str) -> xr.Dataset:
    entry, raw = opened(folder, key)
    dataset, _ = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert dataset is not None
    return dataset


def folsom(count: int = 60, missing: int = 10, error: float = 0.0) -> str:
    times = days("1955-09-20", count)
    random = np.random.default_rng(3)
    inflow, outflow = random.uniform(1, 9, count), random.uniform(1, 9, count)
    evap = 0.1 + 0.01 * np.arange(count) % 0.3
    storage = 600 + np.cumsum(inflow - outflow - evap) + error * random.normal(size=count)
    frame = pd.DataFrame(
        {"inflow": inflow, "outflow": outflow, "storage": storage, "evap": evap},
        index=times.strftime("%Y-%m-%d"),
    )
    frame.loc[frame.index[:missing], ["outflow", "storage"]] = np.nan
    return frame.to_csv()


def test_a_reservoir_balances_in_canonical_units_too(tmp_path: Path) -> None:
    write(tmp_path / "folsom-daily.csv", folsom())
    dataset = canonical(tmp_path, "folsom-daily").isel(site=0).load()
    assert str(dataset["site"].values) == "FOL"
    flow = dataset["inflow"] - dataset["outflow"] - dataset["evaporation"]
    change = dataset["storage"].diff("time")
    assert np.nanmax(np.abs(change - flow * DAY)) < 200
    raw = pd.read_csv(tmp_path / "folsom-daily.csv", index_col=0)
    assert dataset["inflow"].values == pytest.approx(
        raw["inflow"].to_numpy() * 1000 * ACRE_FOOT / DAY, rel=1e-5
    )


def test_a_table_whose_balance_does_not_close_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "folsom-daily.csv", folsom(error=50.0))
    with pytest.raises(InvalidData, match=r"folsom-daily\.csv: the balance .* 0% of the days"):
        opened(tmp_path, "folsom-daily")


def test_columns_in_another_unit_are_brought_together_and_empty_ones_refused(
    tmp_path: Path,
) -> None:
    times = days("2000-02-20", 40)
    times = times[(times.month != 2) | (times.day != 29)]
    count = np.arange(times.size)
    frame = pd.DataFrame(
        {"month": times.month, "day": times.day, "year": times.year,
         "Albany": (count + 100) * 0.0283168, "Salem": (2 * count - 30) * 0.0283168,
         "Vida": (count + 7) * 0.0283168, "DET5A": 1000 + count, "DEX_loc": 0,
         "LOP5E": count % 5 - 2}
    )  # fmt: skip
    write(tmp_path / "Willamette.csv", frame.to_csv(index=False))
    _, raw = opened(tmp_path, "Willamette")
    refused = {each.variable for each in source_findings(raw) if each.action == "refused"}
    assert refused == {"DEX_loc", "LOP5E"}
    dataset = canonical(tmp_path, "Willamette")
    assert dataset["site"].values.tolist() == ["Albany", "DET5A", "Salem", "Vida"]
    albany = dataset["inflow"].sel(site="Albany", time="2000-02-20")
    assert float(albany.values.ravel()[0]) == pytest.approx(100 * FOOT3, rel=1e-5)
    detroit = dataset["inflow"].sel(site="DET5A").values
    assert detroit[0] == pytest.approx(1000 * FOOT3, rel=1e-5)
    # 29 February, which the table leaves out, is there as missing.
    leap = dataset["inflow"].sel(time="2000-02-29")
    assert leap.isnull().all()
    assert float(dataset["inflow"].sel(site="Salem").min()) < 0


def test_points_of_a_workbook_are_flows_or_local_inflows(tmp_path: Path) -> None:
    times, count = days("2000-03-01", 30), np.arange(30)
    frame = pd.DataFrame(
        {"month": times.month, "day": times.day, "year": times.year,
         "TDA5ARF": 160000 + 10 * count, "6L": count - 5, "2L": 0}
    )  # fmt: skip
    frame.to_excel(tmp_path / "BPA.xlsx", index=False)
    _, raw = opened(tmp_path, "BPA")
    assert [each.variable for each in source_findings(raw)] == ["2L"]
    dataset = canonical(tmp_path, "BPA")
    assert float(dataset["discharge"].sel(site="TDA5ARF")[0]) == pytest.approx(160000 * FOOT3)
    assert float(dataset["inflow"].sel(site="6L")[0]) == pytest.approx(-5 * FOOT3)
    frame["TDA5ARF"] = frame["TDA5ARF"] * FOOT3
    frame.to_excel(tmp_path / "BPA.xlsx", index=False)
    with pytest.raises(InvalidData, match="the unit is another"):
        opened(tmp_path, "BPA")


def california(path: Path, *, natural: float = 1.0, copy: bool = True) -> None:
    times = days("2001-01-01", 120)
    date = {"month": times.month, "day": times.day, "year": times.year}
    inflow = 1000 + 500 * np.sin(np.arange(120) / 9)
    acre_feet = inflow * DAY / 43560
    full = pd.DataFrame(
        {**date, "ORO_fnf": acre_feet, "NHG_fnf": acre_feet * natural, "YRS_fnf": acre_feet,
         "ORO_otf": inflow + 50, "YRS_otf": inflow + 1}
    )  # fmt: skip
    past = pd.DataFrame({**date, "Oroville": inflow, "New Hogan": inflow, "Yuba": full["YRS_otf"]})
    plants = pd.DataFrame({**date, "Hyatt": 15000.0 + np.arange(120), "Balch 1": 24.0 * 5})
    names = pd.DataFrame([[None, None, None, "Feather", "Kings River"]], columns=plants.columns)
    part = full.iloc[:50] if copy else full.iloc[:50] + 1
    if not copy:
        part[["month", "day", "year"]] = full[["month", "day", "year"]].iloc[:50]
    sheets = {
        "Full_flows": full, "val_flows": part, "Hist_flows": past,
        "WECC_daily": pd.concat([names, plants]), "CDEC": past[["day"]],
    }  # fmt: skip
    with pd.ExcelWriter(path) as book:
        for name, sheet in sheets.items():
            sheet.to_excel(book, sheet_name=name, index=False)


def test_a_workbook_becomes_flows_and_power_and_each_sheet_is_accounted_for(tmp_path: Path) -> None:
    california(tmp_path / "hist.xlsx", natural=4.4)
    _, raw = opened(tmp_path, "hist_flows")
    refused = {each.variable: each for each in source_findings(raw) if each.action == "refused"}
    assert set(refused) == {"NHG_fnf", "YRS in Hist_flows", "sheet val_flows", "sheet CDEC"}
    assert refused["NHG_fnf"].found.startswith("4.40 times")
    assert refused["sheet val_flows"].check == "duplicate"
    dataset = canonical(tmp_path, "hist_flows")
    oroville = dataset.sel(site="ORO")
    assert oroville["natural_flow"].values == pytest.approx(oroville["inflow"].values, rel=1e-5)
    assert dataset["natural_flow"].sel(site="NHG").isnull().all()
    power = canonical(tmp_path, "hist_power")
    assert float(power["generation"].sel(site="Balch 1")[0]) == pytest.approx(5e6)


def test_a_sheet_that_contradicts_another_says_so(tmp_path: Path) -> None:
    california(tmp_path / "hist.xlsx", copy=False)
    _, raw = opened(tmp_path, "hist_flows")
    said = {each.variable: each for each in source_findings(raw)}
    assert said["sheet val_flows"].found == "rows that differ from Full_flows"


def test_series_without_dates_or_known_units_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"PNW": [3e5, 4e5]}).to_excel(tmp_path / "PNW.xlsx")
    write(tmp_path / "other.csv", "month,day,year,A\n1,1,2000,5\n")
    pd.DataFrame({"month": [1], "day": [1], "year": [2000], "A": [5]}).to_excel(
        tmp_path / "other.xlsx", index=False
    )
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 and no more")
    write(tmp_path / "notes.md", "words")
    found = Reservoir().search(open_archive(str(tmp_path)))
    assert found.entries == ()
    why = {each.file: each for each in found.refused}
    assert set(why) == {"PNW.xlsx", "other.csv", "other.xlsx", "broken.xlsx", "notes.md"}
    assert why["PNW.xlsx"].wanted == "a date for each row"
    assert why["PNW.xlsx"].variable == "PNW"
    assert "units" in why["other.xlsx"].found
    assert why["broken.xlsx"].check == "file"


def test_sites_can_be_picked(tmp_path: Path) -> None:
    california(tmp_path / "hist.xlsx")
    _, raw = opened(tmp_path, "hist_power", site=["Hy*"])
    assert raw["site"].values.tolist() == ["Hyatt"]
    with pytest.raises(InvalidData, match="dimension site: found Balch 1, Hyatt"):
        opened(tmp_path, "hist_power", site=["Nowhere"])
