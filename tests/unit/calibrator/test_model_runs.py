"""Ensembles out of runs of ensemble-runner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import land_runs as land

from catena.calibrator import jobs
from catena.calibrator.model_runs import udunits
from catena.calibrator.preflight import check_against_artifacts
from catena.calibrator.queries import ImportEnsembleQuery
from catena.calibrator.storage import read_ensemble
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import InvalidData, InvalidRequest
from catena.shared.lexicon import same_units
from catena.shared.testing import run_job

ROWS = land.parameters(40)
YEARLY = [{"name": "EFLX_LH_TOT", "aggregation": "yearly"}]


@pytest.fixture
def store(tmp_path: Any) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}")


def imported(
    store: ArtifactStore, runs: dict[str, str], source: dict[str, Any] | None = None, **request: Any
) -> Any:
    asked = {"runs": runs, "variables": YEARLY, **(source or {})}
    query = ImportEnsembleQuery.from_plain({"runs": asked, **request})
    check_against_artifacts(query, store)
    return read_ensemble(store.open(run_job(jobs.import_ensemble, query, store)))


def test_outputs_are_named_after_variable_and_year(store: ArtifactStore) -> None:
    ensemble = imported(store, land.put_runs(store, "a", ROWS), held_out_runs=5)
    assert ensemble.output_table.names == tuple(f"EFLX_LH_TOT_{y}" for y in range(2010, 2014))
    assert ensemble.output_table.units == ("W m-2",) * 4
    assert ensemble.output_table.long_names[0] == "latent heat flux, 2010"
    assert ensemble.prior.names == tuple(land.NAMES)
    assert ensemble.prior.units == tuple(land.UNITS)
    assert ensemble.parameter_long_names == tuple(land.LONG_NAMES)
    assert np.array_equal(ensemble.prior.low, land.LOW)
    assert ensemble.held_out.sum() == 5
    assert ensemble.model == "embedded 1"
    assert ensemble.title == "tiny forest"
    days = np.diff(land.month_bounds(), axis=1).ravel() / np.timedelta64(1, "D")
    months = land.fluxes(ROWS, np.arange(48))["EFLX_LH_TOT"]
    wanted = [
        (months[:, 12 * y :][:, :12] @ days[12 * y :][:12]) / days[12 * y :][:12].sum()
        for y in range(4)
    ]
    assert ensemble.outputs == pytest.approx(np.stack(wanted, axis=1), rel=1e-6)


def test_members_that_failed_are_left_out_and_counted(store: ArtifactStore) -> None:
    ensemble = imported(store, land.put_runs(store, "a", ROWS, failed=(3, 17)))
    assert ensemble.failed == (3, 17)
    assert (ensemble.n_ok, ensemble.n_asked) == (38, 40)
    assert np.array_equal(ensemble.parameters, np.delete(ROWS, [3, 17], axis=0))


def test_a_calendar_without_leap_days_gives_the_same_outputs(store: ArtifactStore) -> None:
    monthly = {"variables": [{"name": "GPP"}, {"name": "EFLX_LH_TOT"}], "start": "2012-01-01"}
    one = imported(store, land.put_runs(store, "a", ROWS), monthly)
    other = imported(store, land.put_runs(store, "b", ROWS, calendar="noleap"), monthly)
    assert other.output_table.names == one.output_table.names
    assert np.array_equal(other.outputs, one.outputs)


def test_cells_are_told_apart_by_their_number(store: ArtifactStore) -> None:
    runs = land.put_runs(store, "a", ROWS, cells=3)
    ensemble = imported(store, runs, {"cells": [2, 0], "end": "2011-12-31"})
    assert ensemble.output_table.names == (
        "EFLX_LH_TOT_2010_c2", "EFLX_LH_TOT_2011_c2", "EFLX_LH_TOT_2010_c0", "EFLX_LH_TOT_2011_c0",
    )  # fmt: skip
    assert ensemble.outputs[:, 0] == pytest.approx(1.2 * ensemble.outputs[:, 2], rel=1e-6)


def test_months_without_photosynthesis_are_left_out_and_named(store: ArtifactStore) -> None:
    request = {"variables": [{"name": "GPP"}], "start": "2011-01-01", "end": "2011-12-31"}
    ensemble = imported(store, land.put_runs(store, "a", ROWS), request)
    assert "GPP_2011-01" not in ensemble.output_table.names
    assert "GPP_2011-07" in ensemble.output_table.names
    assert len(ensemble.steps) == len(ensemble.output_table.names) == ensemble.outputs.shape[1]
    assert "GPP_2011-01" in ensemble.source_note


@pytest.mark.parametrize("generated", [True, False])
def test_generated_weather_is_called_that(store: ArtifactStore, generated: bool) -> None:
    weather = land.put_dataset(store, "w", land.towers(ROWS[0]), generated=generated)
    ensemble = imported(store, land.put_runs(store, "a", ROWS, inputs=(weather,)))
    assert ensemble.generated_weather == generated
    assert ("generated weather" in ensemble.source) == generated
    assert not ensemble.generated, "no formula made the runs"


@pytest.mark.parametrize(
    ("source", "field", "said"),
    [
        ({"variables": [{"name": "GP"}]}, "runs.variables[0].name", "did you mean GPP?"),
        ({"cells": [1]}, "runs.cells[0]", "wanted 0 to 0"),
        ({"start": "2011-13-01"}, "runs.start", "YYYY-MM-DD"),
        ({"start": "2012-01-01", "end": "2011-01-01"}, "runs.end", "start <= end"),
        ({"variables": YEARLY * 2}, "runs.variables[1].name", "twice"),
        ({"variables": []}, "runs.variables", "at least 1"),
    ],
)
def test_what_the_runs_do_not_have_is_refused_at_once(
    store: ArtifactStore, source: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        imported(store, land.put_runs(store, "a", ROWS), source)
    told = {violation.field: violation.description for violation in caught.value.violations}
    assert said in told[field]


def test_a_period_that_was_not_run_is_named_by_the_job(store: ArtifactStore) -> None:
    with pytest.raises(InvalidData) as caught:
        imported(store, land.put_runs(store, "a", ROWS), {"start": "2020-01-01"})
    assert caught.value.violations[0].field == "runs.variables[0]"
    assert "from 2010-01-01 to 2014-01-01" in caught.value.violations[0].description


@pytest.mark.parametrize(
    ("elm", "spelled"),
    [
        ("gC/m^2/s", "gC m-2 s-1"),
        ("W/m^2", "W m-2"),
        ("mm/s", "mm s-1"),
        ("1/m", "1/m"),
        ("gC gN-1 s-1", "gC gN-1 s-1"),
        ("proportion", "proportion"),
        ("", ""),
    ],
)
def test_units_of_elm_are_spelled_as_everywhere_else(elm: str, spelled: str) -> None:
    assert udunits(elm) == spelled
    if spelled != elm and "C" not in elm:
        assert same_units(elm, spelled)


@pytest.mark.parametrize("field", ["parameters", "outputs"])
def test_runs_have_their_own_parameters_and_outputs(field: str) -> None:
    runs = {"uri": "jobs/a", "digest": "sha256:" + "0" * 64, "kind": "runs"}
    item = {"name": "x", "low": 0.0, "high": 1.0} if field == "parameters" else {"name": "x"}
    with pytest.raises(InvalidRequest, match="the runs have their own"):
        ImportEnsembleQuery.from_plain({"runs": {"runs": runs, "variables": YEARLY}, field: [item]})
