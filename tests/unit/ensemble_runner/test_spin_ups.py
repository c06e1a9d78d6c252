"""Spin-ups of many sites: sampled, checked, kept by block, and begun from by ensembles."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ensembles import plain

from catena.coupler.restart import read_restart
from catena.coupler.spin_up.native import Native
from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.ensemble_runner import jobs, queries, spin_inputs, spin_jobs, spin_storage
from catena.ensemble_runner.inputs import read_setup, read_states
from catena.ensemble_runner.models import Column, open_model
from catena.ensemble_runner.preflight import check_run
from catena.ensemble_runner.spin_block import SpinUpWork
from catena.ensemble_runner.spin_inputs import read_sites
from catena.ensemble_runner.spin_lessons import unseen_sites
from catena.ensemble_runner.spin_methods import MethodPlan
from catena.ensemble_runner.spin_preflight import check_spin_up
from catena.ensemble_runner.spin_queries import SiteSample, SpinUpCheck, SpinUpMethod
from catena.ensemble_runner.spin_sites import sampled
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, Unavailable
from catena.shared.testing import run_job

REGION = {
    "box": {"south": 30.0, "north": 42.0, "west": -94.0, "east": -82.0},
    "step_deg": 4.0,
}
SETS = [{"name": "flnr"}, {"name": "br_mr"}]
SHORT = {"kind": "native", "ad_years": 40, "final_years": 20}
QUICK = {"no_fallback": True, "no_polish": True}
ALL_COUNT = {**QUICK, "limit": 900.0, "drift": 900.0}
"""So early nothing is at equilibrium; here all that was run counts."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path_factory.mktemp('store')}")


@pytest.fixture(scope="module")
def region(store: ArtifactStore) -> dict[str, Any]:
    """Nine cells of two years, under two parameter sets."""
    query = {"source": "generated_weather", "weather": {"years": 2, "seed": 1, "region": REGION}}
    weather = run_job(ingest_dataset, IngestDatasetQuery.from_plain(query), store)
    return {
        "setup": {"forcing": {"dataset": plain(weather)}, "surface_map": {"seed": 3}},
        "draw": {"members": 2, "seed": 3, "parameters": SETS},
    }


def spun(store: ArtifactStore, request: dict[str, Any]) -> Artifact:
    return store.open(run_job(jobs.spin_up, queries.SpinUpQuery.from_plain(request), store))


@pytest.fixture(scope="module")
def native(store: ArtifactStore, region: dict[str, Any]) -> Artifact:
    return spun(store, region | {"method": SHORT, "check": ALL_COUNT})


def sites_of(store: ArtifactStore, request: dict[str, Any]) -> Any:
    query = queries.SpinUpQuery.from_plain(request)
    return read_sites(query, open_model("embedded"), store.open)


# ------------------------------------------------------------------ sites


def test_sites_are_cells_times_sets_or_have_sets_of_their_own(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    shared = sites_of(store, region)
    assert shared.count == 18 and len(shared.members.rows) == 2
    assert shared.cell.tolist() == np.repeat(np.arange(9), 2).tolist()
    own = sites_of(store, region | {"own_parameters": True})
    assert own.count == 18 and len(np.unique(own.members.rows, axis=0)) == 18
    none = sites_of(store, {"setup": region["setup"]})
    assert none.count == 9 and not none.members.columns
    assert {note.check for note in none.forcing.notes} >= {"generated_soil", "generated_plants"}


def test_too_many_sites_are_refused_by_the_field_that_makes_them(
    store: ArtifactStore, region: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spin_inputs, "MOST_SITES", 17)
    table = {"columns": [{"name": "flnr"}], "values": [0.1, 0.2]}
    asked = {
        "draw.members": region,
        "table.values": {"setup": region["setup"], "table": table},
    }
    for field, request in (*asked.items(), ("draw.members", region | {"own_parameters": True})):
        with pytest.raises(InvalidRequest, match="18 sites") as caught:
            sites_of(store, request)
        assert [item.field for item in caught.value.violations] == [field]


def test_air_that_is_not_told_is_that_of_runs(store: ArtifactStore, region: dict[str, Any]) -> None:
    sites = sites_of(store, region)
    assert (sites.co2 == sites.forcing.co2).all(), "states would be of another air than their runs"
    assert (sites.ndep == sites.forcing.ndep).all()
    forcing = region["setup"]["forcing"] | {"co2_ppm": 285.0, "n_deposition": 0.1}
    told = sites_of(store, region | {"setup": region["setup"] | {"forcing": forcing}})
    assert (told.co2, told.ndep) == (285.0, 0.1)


def test_a_sample_is_of_whole_blocks(store: ArtifactStore, region: dict[str, Any]) -> None:
    whole = sites_of(store, region)
    for share in (0.3, 0.6):
        asked = SiteSample(share=share, block_deg=5.0, seed=2)
        taken = sampled(whole, asked)
        blocks = np.floor(np.stack([whole.columns.lat, whole.columns.lon % 360])[:, whole.cell] / 5)
        inside = {tuple(block) for block in blocks.T[taken]}
        others = np.setdiff1d(np.arange(whole.count), taken)
        assert inside.isdisjoint({tuple(block) for block in blocks.T[others]})
        assert abs(taken.size / whole.count - share) < 0.25
    some = sites_of(store, region | {"sample": {"share": 0.3, "seed": 2}})
    assert some.columns.cells == some.forcing.cells == np.unique(some.cell).size < 9


def test_one_place_is_sampled_by_neighbouring_parameter_sets(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    setup = region["setup"] | {"surface_map": {"cells": 1}}
    draw = region["draw"] | {"members": 200}
    sites = sites_of(store, {"setup": setup, "draw": draw})
    taken = sampled(sites, SiteSample(sites=60, seed=1))
    assert abs(taken.size - 60) < 20
    unit = (sites.members.rows - sites.members.low) / (sites.members.high - sites.members.low)
    others = np.setdiff1d(np.arange(200), taken)
    away = np.linalg.norm(unit[others][:, None] - unit[taken], axis=2).min(axis=1)
    assert np.median(away) > 1.5 / np.sqrt(200), "holes in the space of parameters, not gaps"


# ------------------------------------------------------------------ the job


def test_states_pools_and_restarts_belong_together(native: Artifact) -> None:
    about = native.read_json("spin_up.json")
    result = native.read_arrays("result.safetensors")
    states = read_states(native)
    assert sum(about["sites"].values()) == 18 == len(states.state)
    assert (result["years"] == 60).all() and (result["check_years"] == 4).all()
    assert (result["fallback_years"] == 0).all(), "there was none"
    assert len(about["restarts"]) == 2, "a file for each parameter set"
    for name, held in about["restarts"].items():
        restart = read_restart(Path(native.local_path(name)))
        assert restart.spinup_state == 0, "equilibrium pools never carry the flag of acceleration"
        assert {states.cell[site] for site in held} == set(range(9))
    page = native.read_bytes("report.html").decode()
    assert "GENERATED: weather, plants and soils" in page


def test_blocks_are_found_again(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    again = spun(store, region | {"method": SHORT, "check": ALL_COUNT, "title": "again"})
    assert again.manifest.costs["sites_found"] == 18 and not again.manifest.costs["sites_run"]
    first, second = (one.read_arrays("states.safetensors") for one in (native, again))
    assert all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def test_a_spin_up_that_broke_off_goes_on_where_it_was(
    store: ArtifactStore, region: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spin_storage, "BLOCK_SITES", 6)
    request = region | {"method": {"ad_years": 2, "final_years": 2}, "check": QUICK}
    whole = SpinUpWork.run

    def breaks_off(work: SpinUpWork, rows: np.ndarray) -> Any:
        if rows[0] >= 12:
            raise Unavailable("the process that ran them died")
        return whole(work, rows)

    with monkeypatch.context() as patch:
        patch.setattr(SpinUpWork, "run", breaks_off)
        with pytest.raises(Unavailable):
            spun(store, request)
    costs = spun(store, request).manifest.costs
    assert (costs["sites_found"], costs["sites_run"]) == (12, 6)


def test_sites_that_fail_are_spun_up_on_and_told(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    request = {
        "setup": region["setup"],
        "method": {"kind": "native", "ad_years": 2, "final_years": 2},
        "check": {"no_polish": True, "fallback_years": 20},
    }
    made = spun(store, request)
    result = made.read_arrays("result.safetensors")
    about = made.read_json("spin_up.json")
    assert not result["passed_first"].any(), "four years are no spin-up"
    assert set(about["why"]) == {str(site) for site in range(9)}
    assert (result["fallback_years"] >= 10).all() and about["sites"]["as it was"] == 0
    kept = about["conservation"]
    assert kept["sites"] == 9 and kept["carbon"] > 10 * kept["nitrogen"] > 0
    # Of hundreds of gC that go through a column in a year.
    assert kept["carbon_error"] < 1e-8 and kept["nitrogen_error"] < 1e-9
    assert "NEE" in made.read_bytes("report.html").decode()


# ------------------------------------------------------------------ ensembles from a spin-up


def ensemble(
    region: dict[str, Any], native: Artifact, rows: list[list[float]], **setup: Any
) -> queries.RunEnsembleQuery:
    table = {"columns": SETS, "values": [value for row in rows for value in row]}
    common = {
        **region["setup"],
        "stages": [{"kind": "transient"}],
        "restart": {"artifact": plain(native.ref)},
    }
    request = {"setup": common | setup, "table": table, "outputs": ["TOTSOMC"]}
    return queries.RunEnsembleQuery.from_plain(request)


def somc(store: ArtifactStore, query: queries.RunEnsembleQuery) -> np.ndarray:
    artifact = store.open(run_job(jobs.run_ensemble, query, store))
    return np.asarray(artifact.open_dataset("runs.zarr")["TOTSOMC"].to_numpy())


def test_members_begin_from_the_site_with_their_parameters(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    sites = sites_of(store, region)
    rows = sites.members.rows.tolist()
    plain_order = somc(store, ensemble(region, native, rows))
    turned = somc(store, ensemble(region, native, rows[::-1]))
    np.testing.assert_array_equal(turned, plain_order[::-1])
    states = read_states(native)
    begun = states.of_members(sites.columns, sites.of(np.arange(2)).parameters)
    pools = states.state[[0, 1]]
    np.testing.assert_array_equal(begun.values[:, 0], pools)
    assert not np.array_equal(plain_order[0], plain_order[1])


def test_what_was_not_spun_up_is_refused(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    rows = sites_of(store, region).members.rows.tolist()
    other = [[rows[0][0] * 1.01, rows[0][1]]]
    with pytest.raises(InvalidData, match="parameters of member 0"):
        somc(store, ensemble(region, native, other))
    soil = {**region["setup"]["surface_map"], "seed": 4}
    with pytest.raises(InvalidData, match="give the same land"):
        somc(store, ensemble(region, native, rows, surface_map=soil))
    fixed = [{"name": "slatop", "value": 0.02}]
    with pytest.raises(InvalidData, match="fixed parameters"):
        somc(store, ensemble(region, native, rows, fixed=fixed))
    stages = [{"kind": "ad_spinup", "years": 2}, {"kind": "transient"}]
    with pytest.raises(InvalidData, match="cannot be run so"):
        somc(store, ensemble(region, native, rows, stages=stages))


def test_members_whose_site_never_settled_fail_and_are_told(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    rows = sites_of(store, region).members.rows.tolist()
    early = spun(store, region | {"method": SHORT, "check": QUICK})
    assert not early.read_json("spin_up.json")["restarts"], "60 years are no equilibrium"
    with pytest.raises(InvalidData, match="came to equilibrium in 0 of 9 cells"):
        somc(store, ensemble(region, early, rows))
    query, model = ensemble(region, native, rows), open_model("embedded")
    setup = read_setup(query, model, store.open)
    states = read_states(native)
    settled = states.settled.copy()
    settled[1] = False  # the second member's site in the first cell
    setup = replace(setup, states=replace(states, settled=settled))
    run = model.run_block(setup, [Column("flnr"), Column("br_mr")], np.array(rows), "yearly")
    (failure,) = run.failures
    assert (failure.member, failure.stage, failure.day) == (1, "transient", "")
    assert "8 of 9 cells, not at 32.00, -92.00" in failure.cause
    assert np.isnan(run.values["TOTSOMC"][1]).all() and np.isfinite(run.values["TOTSOMC"][0]).all()


@pytest.mark.parametrize(
    ("field", "changes", "restart"),
    [
        ("setup.stages[0].kind", {"stages": [{"kind": "ad_spinup"}, {"kind": "transient"}]}, {}),
        ("setup.restart.mode", {}, {"mode": "resume"}),
        ("setup.restart.file", {}, {"file": "restart_01.nc"}),
    ],
)
def test_what_has_no_part_in_a_start_from_a_spin_up_is_refused_before_it(
    store: ArtifactStore,
    region: dict[str, Any],
    native: Artifact,
    field: str,
    changes: dict[str, Any],
    restart: dict[str, Any],
) -> None:
    rows = sites_of(store, region).members.rows.tolist()
    check_run(ensemble(region, native, rows), store)
    begins = {"restart": {"artifact": plain(native.ref)} | restart}
    with pytest.raises(InvalidRequest) as caught:
        check_run(ensemble(region, native, rows, **changes, **begins), store)
    assert [item.field for item in caught.value.violations] == [field]


# ------------------------------------------------------------------ comparison


@pytest.mark.slow
def test_a_comparison_verifies_and_validates_together(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    request = region | {
        "methods": [{"kind": "sasu", "ad_years": 40}, SHORT],
        "reference": {"ad_years": 40, "final_years": 20},
        "check": ALL_COUNT,
    }
    made = store.open(
        run_job(jobs.compare_spin_ups, queries.CompareSpinUpsQuery.from_plain(request), store)
    )
    figures = made.read_json("comparison.json")
    assert list(figures["methods"]) == ["SASU", "native"] and figures["unseen_sites"] == 18
    native_ = figures["methods"]["native"]
    assert native_["verification"]["r2_worst_pool"] > 0.9, "the truth is its own state, settled"
    for one in figures["methods"].values():
        assert one["verification"]["sites"] and one["validation"]["sites"] == 18
        assert one["cpu_s"]["method"] > 0
        familiar = one["verification_where_familiar"]
        assert familiar["sites"] == one["verification"]["sites"], "nothing was learned"
        assert familiar["r2_worst_pool"] == one["verification"]["r2_worst_pool"]
    assert native_["cpu_ratio"] == 1.0
    page = made.read_bytes("report.html").decode()
    for words in ("Verification and validation", "NEE before and after", "What does it cost?"):
        assert words in page
    assert "GENERATED" in page


def test_two_methods_of_one_name_keep_files_of_their_own() -> None:
    labels = ["emulator (20 AD)", "emulator (20 AD), no. 2", "emulator (0 AD)", "SASU"]
    assert len({spin_jobs._file_name(label) for label in labels}) == 4


def test_what_is_fitted_once_is_no_cost_of_a_site(
    store: ArtifactStore, region: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(plan: MethodPlan) -> Native:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        return Native(ad_years=2, final_years=0)

    monkeypatch.setattr(MethodPlan, "_made", slow)
    check = SpinUpCheck(no_fallback=True, no_polish=True, settle_cycles=0)
    case = sites_of(store, region).case()
    work = SpinUpWork(case, MethodPlan("trees", {}, digest="slow"), check)
    first, second = (work.run(np.arange(2)).made.cpu_s for _ in range(2))
    assert first["learn"] >= 0.5 > first["method"]
    assert second["learn"] < 0.1, "fitted once in a process"


def test_blocks_belong_to_cells_as_the_model_is_given_them(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    sites = sites_of(store, region)
    for name in ("lat", "sand", "clay"):
        columns = replace(sites.columns, **{name: getattr(sites.columns, name) * 0.999})
        other = replace(sites, columns=columns)  # the land of the request is the same
        assert other.described() != sites.described(), name
    assert sites_of(store, region).described() == sites.described()


def test_blocks_belong_to_all_code_that_predicts_their_pools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {spin_storage.methods_version.__wrapped__()}
    source = spin_storage._source
    for changed in (
        "catena.coupler.spin_up.check",
        "catena.ensemble_runner.spin_block",
        "catena.models.spin_up_trust",
        "catena.models.column_scale",
        "catena.models.orbit",
    ):
        monkeypatch.setattr(
            spin_storage,
            "_source",
            lambda module, changed=changed: source(module) + b"#" * (module == changed),
        )
        versions.add(spin_storage.methods_version.__wrapped__())
    assert len(versions) == 6
    monkeypatch.setattr(
        spin_storage,
        "_source",
        lambda module: source(module) + b"#" * (module == "catena.models.lstm"),
    )
    assert spin_storage.methods_version.__wrapped__() in versions, "of no part in spin-ups"


# ------------------------------------------------------------------ what is learned


@pytest.fixture(scope="module")
def lesson(store: ArtifactStore, region: dict[str, Any]) -> Artifact:
    """Sites of some of the cells, each a block of its own, to learn from."""
    request = {
        "setup": region["setup"] | {"surface_map": {"seed": 3, "trees": True}},
        "draw": {"members": 6, "seed": 5, "parameters": SETS},
        "own_parameters": True,
        "sample": {"share": 0.7, "block_deg": 4.0, "seed": 1},
        "method": SHORT,
        "check": ALL_COUNT,
        "lessons": {"ad_years": 20, "block_deg": 4.0},
    }
    return spun(store, request)


def learned_region(region: dict[str, Any], **forcing: Any) -> dict[str, Any]:
    setup = region["setup"] | {"surface_map": {"seed": 3, "trees": True}}
    setup["forcing"] = setup["forcing"] | forcing
    return {"setup": setup, "draw": {"members": 8, "seed": 9, "parameters": SETS}}


def test_what_is_learned_from_says_what_it_is(lesson: Artifact) -> None:
    about, arrays = lesson.read_json("about.json"), lesson.read_arrays("sites.safetensors")
    assert about["generated"] == ["weather", "plants", "soils"]
    assert set(about["case"]["parameters"]) == {"flnr", "br_mr"}
    low, high = about["case"]["parameters"]["br_mr"]
    rows = arrays["inputs.parameters"]
    assert low < rows[:, 1].min() and rows[:, 1].max() < high, "the range that was drawn from"
    assert np.isfinite(arrays["targets"]).any() and set(arrays["split"]) == {0, 1, 2}


@pytest.mark.slow
def test_sites_of_blocks_that_were_learned_verify_nothing(
    store: ArtifactStore, region: dict[str, Any], lesson: Artifact
) -> None:
    request = learned_region(region) | {
        "methods": [{"kind": "analogue", "training": plain(lesson.ref)}],
        "reference": SHORT,
        "check": ALL_COUNT,
    }
    made = store.open(
        run_job(jobs.compare_spin_ups, queries.CompareSpinUpsQuery.from_plain(request), store)
    )
    arrays = lesson.read_arrays("sites.safetensors")
    used = arrays["split"] != 2
    seen = set(zip(arrays["lat"][used].tolist(), arrays["lon"][used].tolist(), strict=True))
    figures = made.read_json("comparison.json")
    assert 0 < len(seen) < 9
    assert figures["unseen_sites"] == 8 * (9 - len(seen))
    assert (
        "What did the nearest analogue learn from, and how?"
        in made.read_bytes("report.html").decode()
    )


def test_what_was_learned_under_other_air_is_refused(
    store: ArtifactStore, region: dict[str, Any], lesson: Artifact
) -> None:
    request = learned_region(region, co2_ppm=400.0) | {
        "method": {"kind": "analogue", "training": plain(lesson.ref)}
    }
    with pytest.raises(FailedPrecondition, match="CO2"):
        spun(store, request)


def test_a_comparison_refuses_it_before_anything_is_run(
    store: ArtifactStore,
    region: dict[str, Any],
    lesson: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(spin_jobs, "run_sites")
    request = learned_region(region, co2_ppm=400.0) | {
        "methods": [{"kind": "native"}, {"kind": "trees", "training": plain(lesson.ref)}]
    }
    with pytest.raises(FailedPrecondition, match="CO2"):
        run_job(jobs.compare_spin_ups, queries.CompareSpinUpsQuery.from_plain(request), store)


def test_sites_that_never_settled_teach_nothing(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    short = {"kind": "native", "ad_years": 2, "final_years": 0}
    with pytest.raises(InvalidData, match="none of 18 sites came to equilibrium"):
        spun(store, region | {"method": short, "check": QUICK, "lessons": {}})


def test_at_one_place_parameter_sets_that_were_learned_are_seen(
    store: ArtifactStore, region: dict[str, Any]
) -> None:
    setup = region["setup"] | {"surface_map": {"seed": 3, "trees": True, "cells": 1}}
    request = {"setup": setup, "draw": region["draw"] | {"members": 40}}
    taught = spun(
        store, request | {"method": SHORT, "check": ALL_COUNT, "lessons": {"ad_years": 0}}
    )
    method = SpinUpMethod.model_validate({"kind": "trees", "training": plain(taught.ref)})
    learned = taught.read_arrays("sites.safetensors")
    known = int((learned["split"] != 2).sum())
    assert 0 < known < 40
    same = unseen_sites([method], sites_of(store, request), store.open)
    assert int((~same).sum()) == known
    others = sites_of(store, request | {"draw": request["draw"] | {"seed": 99}})
    assert unseen_sites([method], others, store.open).all()


# ------------------------------------------------------------------ requests


def test_requests_are_checked_against_model_and_artifacts(
    store: ArtifactStore, region: dict[str, Any], native: Artifact
) -> None:
    def faults(query: type[Any], **changes: Any) -> dict[str, str]:
        with pytest.raises(InvalidRequest) as caught:
            check_spin_up(query.from_plain(region | changes), store)
        return {item.field: item.description for item in caught.value.violations}

    assert "catena elm" in faults(queries.SpinUpQuery, model="elm")["model"]
    untaught = [{"kind": "sasu"}, {"kind": "trees", "training": plain(native.ref)}]
    found = faults(queries.CompareSpinUpsQuery, methods=untaught)
    assert list(found) == ["methods[1].training"] and "lessons" in found["methods[1].training"]
    fixed = {**region["setup"], "fixed": [{"name": "flnrr", "value": 1.0}]}
    assert "flnr" in faults(queries.SpinUpQuery, setup=fixed)["setup.fixed[0].name"]
    bare = {"forcing": region["setup"]["forcing"]}
    assert "surface_map" in faults(queries.SpinUpQuery, setup=bare)["setup.surfaces"]
    check_spin_up(queries.SpinUpQuery.from_plain(region), store)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": {"kind": "emulator"}}, "method.emulator"),
        ({"method": {"kind": "trees"}}, "method.training"),
        ({"method": {"kind": "sasu", "final_years": 9}}, "method.final_years"),
        ({"method": {"ad_years": 0, "final_years": 0}}, "method.final_years"),
        ({"sample": {"sites": 3, "share": 0.5}}, "sample.sites"),
        ({"sample": {}}, "sample.sites"),
        ({"own_parameters": True}, "own_parameters"),
        ({"method": {"kind": "sasu"}, "lessons": {}}, "lessons"),
        ({"check": {"no_fallback": True, "fallback_years": 9}}, "check.fallback_years"),
        ({"setup": {"surface_map": {"file": "a.nc"}}}, "setup.surface_map.file"),
        (
            {
                "setup": {"fixed": [{"name": "flnr", "value": 0.1}]},
                "draw": {"members": 2, "parameters": [{"name": "flnr"}]},
            },
            "draw.parameters[0]",
        ),
    ],
)
def test_a_wrong_request_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        queries.SpinUpQuery.from_plain({"setup": {}} | changes)
    assert field in [item.field for item in caught.value.violations]


def test_only_native_counts_as_the_truth() -> None:
    with pytest.raises(InvalidRequest) as caught:
        queries.CompareSpinUpsQuery.from_plain(
            {"setup": {}, "methods": [{}, {}], "reference": {"kind": "sasu"}}
        )
    fields = {item.field for item in caught.value.violations}
    assert fields == {"methods[1]", "reference.kind"}
