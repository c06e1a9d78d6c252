"""Bad weather, surfaces and restarts: errors that name the field, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from support import bucket_model, ensembles

from catena.ensemble_runner.preflight import check_run
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import CatenaError, InvalidData, InvalidRequest


def refused(store: ArtifactStore, query: Any) -> dict[str, str]:
    """Fields and descriptions of the job's error; nothing was run or kept."""
    before = [artifact.uri for artifact in store.list()]
    with pytest.raises((InvalidData, InvalidRequest)) as caught:
        ensembles.run(store, query)
    assert bucket_model.RUN == []
    assert [artifact.uri for artifact in store.list()] == before
    return {each.field: each.description for each in caught.value.violations}


def broken(change: Callable[[xr.Dataset], xr.Dataset | None]) -> xr.Dataset:
    dataset = ensembles.canonical_weather()
    return change(dataset) or dataset


def _nan(dataset: xr.Dataset) -> None:
    dataset["rsds"][400, 1] = np.nan


def _zero_kelvin(dataset: xr.Dataset) -> None:
    for name in ("tas", "tasmin", "tasmax"):
        dataset[name][:] = dataset[name] - 273.15


def _millimetres(dataset: xr.Dataset) -> None:
    dataset["pr"][:] = dataset["pr"] * 86_400


def _no_such_units(dataset: xr.Dataset) -> None:
    dataset["ps"].attrs["units"] = "kg"


def _gap(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(time=np.r_[0:100, 130:730])


def _half_a_year(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(time=slice(0, 540))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_nan, "rsds"),
        (_zero_kelvin, "tas"),
        (_millimetres, "pr"),
        (_no_such_units, "ps"),
        (_gap, "wanted even ones"),
        (_half_a_year, "2002"),
    ],
)
@pytest.mark.parametrize("query", [ensembles.ensemble_query, ensembles.case_query])
def test_bad_weather_is_refused_by_the_job(
    store: ArtifactStore, change: Any, text: str, query: Any
) -> None:
    dataset = ensembles.dataset_artifact(store, broken(change))
    told = refused(store, query(dataset))
    assert list(told) == ["setup.forcing"]
    assert text in told["setup.forcing"]


def test_all_missing_variables_are_named_before_a_job_is_made(store: ArtifactStore) -> None:
    lacking = ensembles.canonical_weather().drop_vars(["rlds", "huss", "ps"])
    dataset = ensembles.dataset_artifact(store, lacking)
    with pytest.raises(InvalidRequest) as caught:
        check_run(ensembles.ensemble_query(dataset), store)
    [violation] = caught.value.violations
    assert violation.field == "setup.forcing.dataset"
    for name in ("ps", "rlds", "one of vp, huss"):
        assert name in violation.description
    told = refused(store, ensembles.ensemble_query(dataset))
    assert "rlds" in told["setup.forcing"]


def test_a_short_gap_is_filled_where_that_is_asked_for(store: ArtifactStore) -> None:
    dataset = ensembles.dataset_artifact(store, broken(_nan))
    setup = ensembles.setup(dataset, forcing={"dataset": dataset, "fill_gaps": True})
    made = ensembles.run(store, ensembles.ensemble_query(dataset, setup=setup))
    notes = made.read_json("runs.json")["forcing"]["notes"]
    assert any("rsds" in str(note) for note in notes)


def test_years_can_be_chosen_and_must_be_there(store: ArtifactStore) -> None:
    dataset = ensembles.dataset_artifact(store, broken(_half_a_year))

    def query(first: int, last: int) -> Any:
        forcing = {"dataset": dataset, "first_year": first, "last_year": last}
        return ensembles.ensemble_query(
            dataset, setup=ensembles.setup(dataset, forcing=forcing), frequency="yearly"
        )

    told = refused(store, query(1990, 1995))
    assert "2001-01-01" in told["setup.forcing.first_year"]
    assert ensembles.run(store, query(2001, 2001)).open_dataset("runs.zarr").sizes["time"] == 1


def test_surfaces_are_one_or_one_for_each_cell(store: ArtifactStore) -> None:
    dataset = ensembles.dataset_artifact(store, ensembles.canonical_weather(cells=2))
    setup = ensembles.setup(dataset, surfaces=[ensembles.SURFACE] * 3)
    told = refused(store, ensembles.ensemble_query(dataset, setup=setup))
    assert "got 3 for 2 cells" in told["setup.surfaces"]


def test_without_a_known_site_surfaces_are_needed(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    query = ensembles.ensemble_query(weather, setup=ensembles.setup(weather, surfaces=[]))
    with pytest.raises(InvalidRequest) as caught:
        check_run(query, store)
    assert [each.field for each in caught.value.violations] == ["setup.surfaces"]


def test_a_case_begins_where_another_ended_and_a_foreign_restart_is_refused(
    store: ArtifactStore,
) -> None:
    small, large = (
        ensembles.dataset_artifact(store, ensembles.canonical_weather(cells=cells))
        for cells in (1, 2)
    )
    first = ensembles.run(store, ensembles.case_query(small))
    restart = {"artifact": ensembles.plain(first.ref)}
    last = first.open_dataset("history_monthly.zarr")["WATER"].values[-1]
    only = [{"kind": "transient"}]
    setup = ensembles.setup(small, restart=restart, stages=only)
    again = ensembles.run(store, ensembles.case_query(small, setup=setup, frequencies=["daily"]))
    cold = ensembles.setup(small, stages=only)
    fresh = ensembles.run(store, ensembles.case_query(small, setup=cold, frequencies=["daily"]))
    begun = [each.open_dataset("history_daily.zarr")["WATER"].values[0] for each in (again, fresh)]
    assert abs(begun[0] - last) < abs(begun[1] - last)
    foreign = ensembles.setup(large, restart=restart)
    bucket_model.RUN.clear()
    told = refused(store, ensembles.ensemble_query(large, setup=foreign))
    assert "another grid" in told["setup.restart"]
    missing = ensembles.setup(small, restart={**restart, "file": "r.nc"})
    with pytest.raises(InvalidRequest) as caught:
        check_run(ensembles.case_query(small, setup=missing), store)
    assert [each.field for each in caught.value.violations] == ["setup.restart.file"]
    assert "restart.nc" in caught.value.violations[0].description


def test_a_case_that_breaks_says_on_which_day(store: ArtifactStore) -> None:
    dataset = ensembles.dataset_artifact(store, ensembles.canonical_weather())
    fixed = [{"name": "rate", "value": 0.95}, {"name": "capacity", "value": 1.0}]
    query = ensembles.case_query(dataset, setup=ensembles.setup(dataset, fixed=fixed))
    with pytest.raises(CatenaError, match=r"broke on 2001-\d\d-\d\d"):
        ensembles.run(store, query)
    assert [artifact.kind for artifact in store.list()] == ["dataset"]


def test_a_case_has_a_history_for_each_frequency(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    query = ensembles.case_query(weather, frequencies=["daily", "monthly", "yearly"])
    case = ensembles.run(store, query)
    daily, monthly, yearly = (
        case.open_dataset(f"history_{each}.zarr") for each in ("daily", "monthly", "yearly")
    )
    assert [each.sizes["time"] for each in (daily, monthly, yearly)] == [730, 24, 2]
    assert np.allclose(monthly["RUNOFF"][0], daily["RUNOFF"][:31].mean("time"), rtol=1e-5)
    assert np.allclose(yearly["WATER"][1], daily["WATER"][365:].mean("time"), rtol=1e-5)
    assert monthly["RUNOFF"].attrs["units"] == "kg m-2 s-1"
    assert {"restart.nc", "case.json"} <= set(case.names)
    assert case.read_json("case.json")["stages"][0]["kind"] == "final"
