"""ELM as the ensemble runner sees it, on the stand-in for CIME: a job for each member."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ensembles
from support.elm_case import elm_mapping
from support.fake_cime_inside import inside

from catena.coupler.fake_cime import Fault, set_faults
from catena.ensemble_runner.elm import VARIABLE, ElmRunner
from catena.ensemble_runner.models import RunsItsOwnJobs, open_model
from catena.ensemble_runner.preflight import check_run
from catena.ensemble_runner.queries import RunCaseQuery, RunEnsembleQuery
from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest

TREE = "broadleaf_deciduous_temperate_tree"


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case of an operator, and where its fake CIME is."""
    path = tmp_path / "elm.yaml"
    path.write_text(json.dumps(elm_mapping(tmp_path, clone_of=None)))  # JSON is YAML
    monkeypatch.setenv(VARIABLE, str(path))
    return tmp_path


def request(**changes: Any) -> dict[str, Any]:
    made = {
        "model": "elm",
        "model_version": ElmRunner().version,
        "setup": {"stages": [{"kind": "final", "years": 5}, {"kind": "transient", "years": 5}]},
        "outputs": ["GPP", "TOTVEGC"],
    }
    return made | changes


def table(*values: float) -> dict[str, Any]:
    return {"columns": [{"name": "flnr", "pft": TREE}], "values": list(values)}


def ensemble(store: ArtifactStore, *values: float, **changes: Any) -> Any:
    query = RunEnsembleQuery.from_plain(
        request(table=table(*values), frequency="yearly", **changes)
    )
    check_run(query, store)
    return ensembles.run(store, query)


def test_its_parameters_are_those_of_its_file(case: Path) -> None:
    model = open_model("elm")
    assert isinstance(model, RunsItsOwnJobs)
    known = {one.name: one for one in model.parameters}
    assert (known["flnr"].low, known["flnr"].high, known["flnr"].per_pft) == (0.1, 0.4, True)
    assert known["br_mr"].defaults == (2.525e-6,)
    assert "no effect" in known["crit_onset_gdd"].long_name
    assert TREE in model.pfts


def test_each_member_is_a_job_and_one_that_fails_is_listed(
    case: Path, store: ArtifactStore
) -> None:
    made = ensemble(store, 0.1, 0.2)
    runs = made.open_dataset("runs.zarr")
    assert runs["GPP"].dims == ("member", "time", "cell")
    assert runs.sizes["time"] == 5 and (runs.attrs["n_ok"], runs.attrs["n_asked"]) == (2, 2)
    assert (runs["GPP"].values[1] > runs["GPP"].values[0]).all()
    assert runs["GPP"].attrs["units"] == "gC/m^2/s"
    assert made.manifest.costs["members_run"] == 2
    set_faults(case / "e3sm", [Fault("killed_run", where="g")])
    more = ensemble(store, 0.1, 0.2, 0.3)
    assert more.manifest.costs["members_found"] == 2 and more.manifest.costs["members_run"] == 1
    runs = more.open_dataset("runs.zarr")
    assert runs["ok"].values.tolist() == [1, 1, 0]
    assert np.isnan(runs["GPP"].values[2]).all()
    assert runs["failure_stage"].values.tolist() == ["final"]
    assert "TIME LIMIT" in str(runs["failure_cause"].values[0])


def test_a_case_gives_history_and_restart(case: Path, store: ArtifactStore) -> None:
    query = RunCaseQuery.from_plain(request(frequencies=["yearly"]))
    check_run(query, store)
    made = ensembles.run(store, query)
    history = made.open_dataset("history_yearly.zarr")
    assert history["TOTVEGC"].sizes == {"time": 5, "cell": 1}
    assert made.read_bytes("restart.nc")[:3] in (b"CDF", b"\x89HD")
    restart = {"artifact": ensembles.plain(made.ref)}
    setup = {"stages": [{"kind": "transient", "years": 5}], "restart": restart}
    again = ensembles.run(
        store, RunCaseQuery.from_plain(request(setup=setup, frequencies=["yearly"]))
    )
    begun = again.open_dataset("history_yearly.zarr")["TOTVEGC"].values
    assert begun[0] > history["TOTVEGC"].values[0], "it begins where the first one ended"


def test_a_failing_case_says_why(case: Path, store: ArtifactStore) -> None:
    set_faults(case / "e3sm", [Fault("nan_restart", where="g")])
    with pytest.raises(InvalidData, match="NaN"):
        ensembles.run(store, RunCaseQuery.from_plain(request(frequencies=["yearly"])))
    assert store.list() == []


def test_a_request_leaves_to_the_case_what_is_the_cases(case: Path, store: ArtifactStore) -> None:
    weather = ensembles.weather(store)
    wrong = request(setup=ensembles.setup(weather), table=table(0.1), model_version="")
    with pytest.raises(InvalidRequest) as caught:
        check_run(RunEnsembleQuery.from_plain(wrong), store)
    told = {each.field: each.description for each in caught.value.violations}
    assert set(told) == {
        "model_version",
        "setup.forcing",
        "setup.surfaces",
        "setup.stages[1].years",
    }
    assert ElmRunner().version in told["model_version"]


def test_another_case_is_another_version(case: Path, store: ArtifactStore) -> None:
    query = RunEnsembleQuery.from_plain(request(table=table(0.1)))
    path = case / "elm.yaml"
    path.write_text(path.read_text().replace('"US-MOz"', '"US-Ha1"'))
    with pytest.raises(InvalidRequest, match="model_version"):
        check_run(query, store)
    with pytest.raises(FailedPrecondition, match="the worker has version"):
        ensembles.run(store, query)


def test_without_a_case_there_is_no_elm() -> None:
    with pytest.raises(FailedPrecondition, match=VARIABLE):
        open_model("elm")


def test_other_input_files_are_another_version(case: Path) -> None:
    seen = {ElmRunner().version}
    config = ElmRunner().config
    for path in (
        config.forcing.directory / "all_hourly.nc",
        config.forcing.co2_file,
        config.forcing.aerosol_file,
        config.parameter_file,
    ):
        path.write_bytes(path.read_bytes() + b"\0")
        seen.add(ElmRunner().version)
    git = ["git", "-C", str(config.cime_root)]
    mark = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m"]
    for command in (["init", "-q"], [*mark, "one"], [*mark, "two"]):
        subprocess.run([*git, *command], check=True)
        seen.add(ElmRunner().version)
    assert len(seen) == 7


def test_a_request_does_not_lead_around_the_checks_of_a_case(
    case: Path, store: ArtifactStore
) -> None:
    setup = {"stages": [{"kind": "ad_spinup", "years": 10}, {"kind": "final", "years": 5}]}
    query = RunEnsembleQuery.from_plain(request(setup=setup, table=table(0.1)))
    with pytest.raises(InvalidData, match="cannot be run so") as caught:
        ensembles.run(store, query)
    told = {each.field: each.description for each in caught.value.violations}
    assert "wanted at least 40" in told["setup.stages[0].years"]
    assert not (case / "cases").exists()


def test_members_that_begin_from_a_state_are_found_again(case: Path, store: ArtifactStore) -> None:
    spun_up = ensembles.run(store, RunCaseQuery.from_plain(request(frequencies=["yearly"])))
    restart = {"artifact": ensembles.plain(spun_up.ref)}
    setup = {"stages": [{"kind": "final", "years": 5}], "restart": restart}
    assert ensemble(store, 0.1, setup=setup).manifest.costs["members_run"] == 1
    set_faults(case / "e3sm", [Fault("build_error")])
    more = ensemble(store, 0.1, 0.2, setup=setup)
    assert [more.manifest.costs[name] for name in ("members_found", "members_run")] == [1, 1]
    assert more.open_dataset("runs.zarr").attrs["n_ok"] == 2
    again = setup | {"restart": restart | {"mode": "resume"}}
    with pytest.raises(InvalidData) as caught:
        ensemble(store, 0.1, setup=again)
    assert caught.value.violations[0].field == "setup.restart.mode"
