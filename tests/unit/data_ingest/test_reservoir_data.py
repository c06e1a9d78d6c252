"""The real reservoir tables: every file accounted for, and tables that agree with one another."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from catena.data_ingest.archive import open_archive
from catena.data_ingest.sources.reservoir import Reservoir
from catena.data_ingest.sources.tables import source_findings
from catena.shared.checks import normalise

DATA = Path(os.environ.get("CATENA_DATA") or "absent") / "reservoir"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs CATENA_DATA with reservoir"),
]


def canonical(key: str) -> tuple[xr.Dataset, set[str]]:
    archive = open_archive(str(DATA))
    entry = next(each for each in Reservoir().search(archive).entries if each.key == key)
    raw = Reservoir().open(archive, entry)
    dataset, _ = normalise(raw, vocabulary=entry.vocabulary, key=entry.key)
    assert dataset is not None
    refused = {each.variable for each in source_findings(raw) if each.action == "refused"}
    return dataset.load(), refused


def test_every_file_is_in_a_dataset_or_refused_with_both_values() -> None:
    archive = open_archive(str(DATA))
    result = Reservoir().search(archive)
    used = {file.path for entry in result.entries for file in entry.files}
    refused = {each.file for each in result.refused}
    assert used | refused == {file.path for file in archive.find()}
    assert not used & refused
    assert refused == {"CA_hydro_daily.xlsx", "PNW_hydro_daily.xlsx"}
    assert all(each.found and each.wanted for each in result.refused)


def test_folsom_balances_and_two_tables_have_the_same_inflow() -> None:
    folsom, _ = canonical("folsom-daily-w2016")
    one = folsom.sel(site="FOL")
    flow = (one["inflow"] - one["outflow"] - one["evaporation"]) * 86400
    # Storage is that at the end of the day; float32 resolves it to 64 m3.
    off = np.abs(one["storage"].diff("time") - flow)
    assert float(off.median()) < 500
    flows, _ = canonical("hist_reservoir_inflows_flows")
    other = flows["inflow"].sel(site="FOL").dropna("time")
    assert np.allclose(one["inflow"].sel(time=other["time"]), other, rtol=1e-3, atol=0.1)


def test_columns_that_contradict_the_others_are_refused_by_name() -> None:
    flows, refused = canonical("hist_reservoir_inflows_flows")
    assert {"SHA_fnf", "NHG_fnf", "sheet val_flows", "sheet CDEC"} <= refused
    natural, inflow = flows["natural_flow"], flows["inflow"]
    both = natural.notnull() & inflow.notnull()
    ratio = natural.where(both).sum("time") / inflow.where(both).sum("time")
    assert ((np.abs(ratio - 1) < 0.25) | ~both.any("time")).all()


def test_plants_make_no_more_than_they_can() -> None:
    power, _ = canonical("hist_reservoir_inflows_power")
    largest = power["generation"].max("time") / 1e6
    # Capacities in MW, as their operators state them.
    for plant, capacity in (("Hyatt", 645), ("Shasta", 676), ("Folsom", 207), ("New Melones", 300)):
        assert 0.5 * capacity < float(largest.sel(site=plant)) < 1.1 * capacity


def test_rivers_of_the_northwest_have_their_size() -> None:
    columbia, refused = canonical("BPA_hist_streamflow_00_07")
    mean = float(columbia["discharge"].sel(site="TDA5ARF").mean())
    assert 4000 < mean < 6500
    assert any("2L" in names for names in refused)
    willamette, refused = canonical("Willamette_hist_streamflow")
    assert {"LOP5E", "DEX_loc, BCL_loc"} <= refused
    # What comes in along the way to Salem, with both units put right, makes the river.
    total = float(willamette["inflow"].mean("time").sum())
    assert 500 < total < 1500
