"""Ensembles of a simple model: their content, failures, extension, going on after a stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import bucket_model, ensembles
from support.bucket_model import TREES

from catena.ensemble_runner import jobs, storage
from catena.ensemble_runner.designs import unit_rows
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext
from catena.shared.testing import run_job

LONG_NAMES = [
    f"size of the bucket, {TREES.replace('_', ' ')}", "part that is lost each day",
]  # fmt: skip
BREAKING = {"members": 40, "seed": 3, "parameters": [{"name": "rate", "low": 0.5, "high": 1.0}]}


def content(artifact: Artifact) -> dict[str, bytes]:
    return {name: artifact.read_bytes(name) for name in artifact.names}


def test_an_ensemble_holds_outputs_parameters_and_units(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    made = ensembles.run(store, ensembles.ensemble_query(weather))
    assert made.kind == "runs"
    runs = made.open_dataset("runs.zarr")
    assert runs["RUNOFF"].dims == ("member", "time", "cell")
    assert dict(runs.sizes)["member"] == 40 and runs.sizes["time"] == 24 and runs.sizes["cell"] == 3
    assert runs["WATER"].attrs["units"] == "kg m-2"
    assert made.manifest.units["RUNOFF"] == "kg m-2 s-1" and made.manifest.units["rate"] == "d-1"
    assert (runs.attrs["n_ok"], runs.attrs["n_asked"]) == (40, 40)
    assert runs.sizes["failure"] == 0 and (runs["ok"] == 1).all()
    assert np.isfinite(runs["RUNOFF"]).all()
    assert list(runs["parameter"].values) == [f"capacity.{TREES}", "rate"]
    assert list(runs["parameter_units"].values) == ["kg m-2", "d-1"]
    assert [str(words) for words in runs["parameter_long_name"].values] == LONG_NAMES
    assert made.read_json("runs.json")["parameters"]["long_names"] == LONG_NAMES
    unit = unit_rows("sobol", 40, 2, seed=3)
    assert np.allclose(runs["parameters"], [50, 0.01] + unit * [250, 0.19])
    bounds = runs["time_bnds"].values
    assert str(bounds[0, 0])[:10] == "2001-01-01" and str(bounds[-1, 1])[:10] == "2003-01-01"
    assert (bounds[1:, 0] == bounds[:-1, 1]).all() and (runs["time"].values == bounds[:, 0]).all()
    assert [each.digest for each in made.manifest.lineage.inputs] == [weather["digest"]]
    assert made.manifest.lineage.seed == 3


def test_a_member_is_what_the_model_gives_for_its_parameters(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    runs = ensembles.run(store, ensembles.ensemble_query(weather)).open_dataset("runs.zarr")
    capacity, rate = runs["parameters"].values[17]
    fixed = [
        {"name": "capacity", "pft": TREES, "value": float(capacity)},
        {"name": "rate", "value": float(rate)},
    ]
    query = ensembles.case_query(weather, setup=ensembles.setup(weather, fixed=fixed))
    case = ensembles.run(store, query).open_dataset("history_monthly.zarr")
    for name in ("WATER", "RUNOFF"):
        assert np.array_equal(case[name].values, runs[name].values[17])


def test_failed_members_are_left_out_and_listed(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    small = ensembles.setup(weather, fixed=[{"name": "capacity", "value": 10.0}])
    made = ensembles.run(store, ensembles.ensemble_query(weather, draw=BREAKING, setup=small))
    runs = made.open_dataset("runs.zarr")
    broken = np.flatnonzero(runs["parameters"].values[:, 0] > 0.9)
    failed = np.flatnonzero(runs["ok"].values == 0)
    assert 0 < len(failed) < 40 and set(failed) <= set(broken)
    assert list(runs["failure_member"].values) == list(failed)
    assert set(runs["failure_cause"].values) == {"it ran over"}
    assert all(str(day).startswith("200") for day in runs["failure_day"].values)
    assert np.isnan(runs["WATER"].values[failed]).all()
    assert np.isfinite(runs["WATER"].values[runs["ok"].values == 1]).all()
    assert (runs.attrs["n_ok"], runs.attrs["n_asked"]) == (40 - len(failed), 40)
    table = made.read_json("runs.json")
    assert table["n_ok"] == 40 - len(failed)
    assert [row["member"] for row in table["failures"]] == list(failed)
    assert f"{40 - len(failed)} of 40 members" in made.manifest.title


def test_an_ensemble_in_which_all_members_fail_is_an_error(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    design = {"members": 5, "parameters": [{"name": "rate", "low": 0.95, "high": 1.0}]}
    tight = [{"name": "capacity", "value": 2.0}]
    query = ensembles.ensemble_query(
        weather, draw=design, setup=ensembles.setup(weather, fixed=tight)
    )
    with pytest.raises(InvalidData, match=r"all 5 members failed; member 0 on 2001-.*it ran over"):
        ensembles.run(store, query)
    assert store.list("runs") == []


def test_members_that_cannot_begin_failed_on_no_day(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    """Litter fractions that add up to more than 1: known before the first day."""
    table = {"columns": [{"name": "lf_flab", "pft": TREES}], "values": [0.99, 1.0]}
    query = ensembles.ensemble_query(weather, model="embedded", draw=None, table=table)
    with pytest.raises(InvalidData, match="all 2 members failed; member 0 in final: "):
        ensembles.run(store, query)


@pytest.mark.parametrize(
    "design",
    [
        {"design": "sobol"},
        {"design": "latin_hypercube", "first_size": 40},
    ],
)
def test_an_extension_runs_only_the_new_members_and_equals_a_run_at_once(
    store: ArtifactStore, weather: dict[str, str], design: dict[str, Any]
) -> None:
    first = ensembles.run(
        store, ensembles.ensemble_query(weather, draw=ensembles.draw(40, **design))
    )
    assert sum(bucket_model.RUN) == 40 and max(bucket_model.RUN) == 8
    bucket_model.RUN.clear()
    more = ensembles.ensemble_query(weather, draw=ensembles.draw(61, **design))
    extended = ensembles.run(store, more)
    assert sum(bucket_model.RUN) == 21
    assert extended.manifest.costs["members_found"] == 40
    assert extended.manifest.costs["members_run"] == 21
    old, new = (each.open_dataset("runs.zarr") for each in (first, extended))
    assert np.array_equal(new["RUNOFF"].values[:40], old["RUNOFF"].values)
    fresh = ArtifactStore(f"{store.url}-fresh")
    assert ensembles.weather(fresh)["digest"] == weather["digest"]
    at_once = ensembles.run(fresh, more)
    assert at_once.manifest.digest == extended.manifest.digest
    assert content(at_once) == content(extended)


def test_another_latin_hypercube_shares_no_member(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    for members in (40, 61):
        design = ensembles.draw(members, design="latin_hypercube")
        ensembles.run(store, ensembles.ensemble_query(weather, draw=design))
    assert sum(bucket_model.RUN) == 101


@pytest.mark.parametrize(
    "changes",
    [
        {"frequency": "yearly"},
        {"outputs": ["WATER"]},
        {"stages": [{"kind": "transient"}]},
        {"stages": [{"kind": "final", "years": 2}, {"kind": "transient", "co2_ppm": 500}]},
        {"fixed": [{"name": "flag", "value": 1.0}]},
        {"surfaces": [{**ensembles.SURFACE, "soil": [{"bottom_m": 2.0, "sand_percent": 40}]}]},
        {"draw": ensembles.draw(40, seed=4)},
        {"weather": {"seed": 2}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_was_run_otherwise_is_not_taken(
    store: ArtifactStore, weather: dict[str, str], changes: dict[str, Any]
) -> None:
    ensembles.run(store, ensembles.ensemble_query(weather))
    bucket_model.RUN.clear()
    if "weather" in changes:
        weather, changes = ensembles.weather(store, **changes["weather"]), {}
    top = {k: v for k, v in changes.items() if k in ("frequency", "outputs", "draw")}
    inner = {k: v for k, v in changes.items() if k not in top}
    ensembles.run(
        store, ensembles.ensemble_query(weather, setup=ensembles.setup(weather, **inner), **top)
    )
    assert sum(bucket_model.RUN) == 40


def test_another_version_of_the_model_runs_anew(
    store: ArtifactStore, weather: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensembles.run(store, ensembles.ensemble_query(weather))
    monkeypatch.setattr(bucket_model.BucketRunner, "version", "2")
    ensembles.run(store, ensembles.ensemble_query(weather, title="again"))
    assert sum(bucket_model.RUN) == 80


class Stop(Exception):
    """Stands for a kill."""


def test_a_stopped_ensemble_goes_on_from_its_blocks(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    query = ensembles.ensemble_query(weather, draw=ensembles.draw(40))
    context = JobContext(store, jobs.run_ensemble, query, 1)
    save = context.checkpoint.save
    saved: list[int] = []

    def stopping(arrays: Any, meta: Any) -> None:
        save(arrays, meta)
        saved.append(meta["members"])
        if len(saved) == 3:
            raise Stop

    context.checkpoint.save = stopping  # type: ignore[method-assign]
    with pytest.raises(Stop):
        jobs.run_ensemble(query, context)
    assert saved == [8, 16, 24] and store.list("runs") == []
    bucket_model.RUN.clear()
    told: list[str] = []
    resumed = ensembles.run(store, query, report=lambda fraction, text: told.append(text))
    assert sum(bucket_model.RUN) == 16
    assert "32 of 40 members" in told
    fresh = ArtifactStore(f"{store.url}-fresh")
    ensembles.weather(fresh)
    whole = fresh.open(run_job(jobs.run_ensemble, query, fresh))
    assert content(whole) == content(resumed)


def test_a_damaged_block_is_run_again(store: ArtifactStore, weather: dict[str, str]) -> None:
    first = ensembles.run(store, ensembles.ensemble_query(weather))
    blocks = store.list("block")
    assert len(blocks) == 5
    store.remove_tree(f"{blocks[0].uri}/artifact.json")
    bucket_model.RUN.clear()
    again = ensembles.run(store, ensembles.ensemble_query(weather, title="again"))
    assert sum(bucket_model.RUN) == 8
    one, two = (each.open_dataset("runs.zarr") for each in (first, again))
    assert np.array_equal(one["WATER"], two["WATER"])


def test_large_blocks_keep_a_file_for_each_output(
    store: ArtifactStore, weather: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ensembles.run(store, ensembles.ensemble_query(weather))
    fresh = ArtifactStore(f"{store.url}-fresh")
    ensembles.weather(fresh)
    monkeypatch.setattr(storage, "TOGETHER_BYTES", 0)
    large = ensembles.run(fresh, ensembles.ensemble_query(weather))
    assert "values/WATER.safetensors" in fresh.list("block")[0].names
    assert "values.safetensors" in store.list("block")[0].names
    assert content(small) == content(large)


def test_members_of_a_table_are_run_as_they_are(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    table = {"columns": [{"name": "rate"}], "values": [0.02, 0.1, 0.3]}
    made = ensembles.run(store, ensembles.ensemble_query(weather, draw=None, table=table))
    runs = made.open_dataset("runs.zarr")
    assert runs["parameters"].values.ravel().tolist() == [0.02, 0.1, 0.3]
    water = runs["WATER"].mean(("time", "cell")).values
    assert water[0] > water[1] > water[2]


def test_a_daily_and_a_yearly_ensemble_agree_in_the_mean(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    daily, yearly = (
        ensembles.run(store, ensembles.ensemble_query(weather, frequency=each)).open_dataset(
            "runs.zarr"
        )
        for each in ("daily", "yearly")
    )
    assert daily.sizes["time"] == 730 and yearly.sizes["time"] == 2
    assert np.allclose(daily["RUNOFF"].values[:, :365].mean(1), yearly["RUNOFF"].values[:, 0])


def test_a_transient_stage_may_begin_long_before_the_record(
    store: ArtifactStore, weather: dict[str, str]
) -> None:
    stages = [{"kind": "transient", "years": 6, "first_year": 1997}]
    query = ensembles.ensemble_query(
        weather, setup=ensembles.setup(weather, stages=stages), frequency="yearly"
    )
    runs = ensembles.run(store, query).open_dataset("runs.zarr")
    assert [str(day)[:4] for day in runs["time"].values] == [str(y) for y in range(1997, 2003)]
