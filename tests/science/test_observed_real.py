"""Observed monthly fluxes of Willow Creek, from the file to what a calibration uses."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from catena.calibrator.ensemble import OutputTable
from catena.calibrator.observed import Observed, read_observed
from catena.calibrator.steps import Bounds, steps_of
from catena.calibrator.storage import read_dataset
from catena.data_ingest import jobs, queries
from catena.shared.artifacts import ArtifactStore
from catena.shared.testing import run_job

FOLDER = Path(os.environ.get("CATENA_DATA") or "/none", "flux_sites", "monthly_fluxnet2015")
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="CATENA_DATA has no flux_sites"),
]


def test_months_of_a_tower_come_in_the_models_units() -> None:
    store = ArtifactStore("memory://observed-real")
    request = {
        "source": "flux",
        "location": str(FOLDER),
        "as_of": "2026-01-01",
        "selection": {"facets": [{"name": "site", "values": ["US-WCr"]}]},
    }
    query = queries.IngestDatasetQuery.from_plain(request)
    row, dataset = read_dataset(store.open(run_job(jobs.ingest_dataset, query, store)), "")
    assert row["facets"]["source_id"] == "FLUXNET2015"
    months = np.arange(np.datetime64("2010-11"), np.datetime64("2014-12")).astype("datetime64[us]")
    bounds = Bounds.of(np.stack([months[:-1], months[1:]], axis=1))
    steps = [*steps_of("GPP", bounds, "monthly"), *steps_of("EFLX_LH_TOT", bounds, "monthly")]
    count = len(steps) // 2
    table = OutputTable(
        tuple(f"{step.variable}_{step.label()}" for step in steps),
        ("gC m-2 s-1",) * count + ("W m-2",) * count,
        ("",) * len(steps),
    )
    errors = [Observed("GPP", absolute_sd=1e-5), Observed("EFLX_LH_TOT", absolute_sd=5.0)]
    found = read_observed(dataset, steps, table, errors, site="US-WCr", end="2012-12-31")
    with (FOLDER / "validation_US-WCr.csv").open() as file:
        raw = {f"{line['Date'][:4]}-{line['Date'][4:]}": line for line in csv.DictReader(file)}
    seen = found.used | found.withheld
    for i, step in enumerate(steps):
        column, factor = ("GPP", 1 / 86400) if i < count else ("ET", 28.3565)
        text = raw.get(step.label(), {column: "NaN"})[column]
        assert seen[i] == (text != "NaN"), step
        if seen[i]:
            assert found.values[i] == pytest.approx(float(text) * factor, rel=1e-5), step
            assert found.used[i] == (step.label() <= "2012-12")
    assert seen[:count].sum() == len(raw) == 39
    assert 0.2 < found.withheld.sum() / seen.sum() < 0.45
