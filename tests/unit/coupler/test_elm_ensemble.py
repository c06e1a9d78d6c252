from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from support.elm_case import elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import (
    ElmCase,
    ElmEnsemble,
    EnsembleReport,
    one_at_a_time,
    parameter_effects,
)
from catena.coupler.elm.namelist import entries, text_value
from catena.coupler.fake_cime import Fault, set_faults
from catena.shared.errors import FailedPrecondition, InvalidData, NotFound

TREE = "broadleaf_deciduous_temperate_tree"
Two = tuple[ElmEnsemble, EnsembleReport]
STAGES = [{"name": "ad_spinup", "years": 40}, {"name": "final", "years": 5}]


def changes(*values: float) -> list[dict]:
    return [{"flnr": {TREE: value}} for value in values]


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture
def case(tmp_path: Path) -> ElmCase:
    config = elm_config(tmp_path, stages=STAGES[1:])
    return ElmCase(config, config.runs[0])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """Two members that have finished."""
    config = elm_config(tmp_path_factory.mktemp("elm"), stages=STAGES[1:])
    ensemble = ElmEnsemble(ElmCase(config, config.runs[0]), changes(0.1, 0.2))
    with inside():
        return ensemble, ensemble.run(parallel=2)


def test_members_have_their_own_files_and_share_the_executable(two: Two) -> None:
    ensemble, report = two
    assert (report.n_ok, report.n_asked) == (2, 2)
    for number in (1, 2):
        folder = ensemble.folder(f"g{number:05d}")
        land = entries((folder / "lnd_in").read_text())
        assert text_value(land["paramfile"]) == str(folder / f"clm_params_{number:05d}.nc")
        assert text_value(land["fsurdat"]) == str(folder / f"surfdata_{number:05d}.nc")
        assert str(folder) in (folder / "cpl_modelio.nml").read_text()
        assert not list(folder.glob("*.exe"))
    with netCDF4.Dataset(ensemble.folder("g00002") / "clm_params_00002.nc") as file:
        assert float(file["flnr"][7]) == 0.2


def test_the_parameter_acts(two: Two) -> None:
    ensemble, report = two
    data = ensemble.history(report)
    assert data["GPP"].dims == ("member", "time", "cell")
    assert data["GPP"].attrs["units"] == "gC/m^2/s"
    assert (data["GPP"].sel(member="g00002") > data["GPP"].sel(member="g00001")).all()


def test_failed_members_are_named_and_leave_the_others_alone(case: ElmCase) -> None:
    set_faults(
        case.config.cime_root,
        [Fault("killed_run", where="g00002"), Fault("nan_restart", where="g00003")],
    )
    ensemble = ElmEnsemble(case, changes(0.1, 0.2, 0.3, 0.35))
    report = ensemble.run(parallel=2)
    assert set(report.ok) == {"g00001", "g00004"}
    assert "TIME LIMIT" in report.failed["g00002"] and "NaN" in report.failed["g00003"]
    assert str(report).startswith("2 of 4 members finished")
    data = ensemble.history(report, ["GPP"])
    assert data["ok"].values.tolist() == [True, False, False, True]
    assert np.isnan(data["GPP"].sel(member="g00002")).all()
    assert (data.attrs["n_ok"], data.attrs["n_asked"]) == (2, 4)


def test_only_what_is_missing_runs_again(case: ElmCase) -> None:
    set_faults(case.config.cime_root, [Fault("killed_run", where="g00002", times=1)])
    ensemble = ElmEnsemble(case, changes(0.1, 0.2))
    first = ensemble.run()
    stamp = first.ok["g00001"].stat().st_mtime_ns
    again = ElmEnsemble(ElmCase(case.config, case.stage), changes(0.1, 0.2)).run()
    assert again.n_ok == 2
    assert again.ok["g00001"].stat().st_mtime_ns == stamp


def test_an_old_good_end_is_not_taken_for_the_new_attempts(case: ElmCase) -> None:
    ensemble = ElmEnsemble(case, changes(0.1))
    ensemble.run()
    state = ensemble._state("g00001")
    state.forget("run")
    state.update(made="with other parameters")
    set_faults(case.config.cime_root, [Fault("no_termination", where="g00001")])
    assert ensemble.run().n_ok == 0


def test_finished_members_are_not_mixed_with_other_parameters(case: ElmCase) -> None:
    ElmEnsemble(case, changes(0.1)).run()
    with pytest.raises(FailedPrecondition, match="other parameters"):
        ElmEnsemble(case, changes(0.2)).run()


def test_a_wrong_parameter_fails_its_member_only(case: ElmCase) -> None:
    report = ElmEnsemble(case, [{"flnr": {"oak": 0.1}}, *changes(0.1)]).run()
    assert "no plant functional type 'oak'" in report.failed["g00001"]
    assert set(report.ok) == {"g00002"}


def test_each_member_goes_on_from_its_own_restart(tmp_path: Path) -> None:
    config = elm_config(tmp_path, stages=STAGES, restart_years=20)
    first = ElmCase(config, config.runs[0])
    set_faults(config.cime_root, [Fault("killed_run", where="g00002")])
    spun_up = ElmEnsemble(first, changes(0.1, 0.2, 0.3)).run(parallel=2)
    assert set(spun_up.failed) == {"g00002"}
    second = ElmCase(config, config.runs[1], restart=spun_up.ok["g00001"])
    ensemble = ElmEnsemble(second, changes(0.1, 0.2, 0.3), restarts=spun_up.ok)
    report = ensemble.run()
    assert report.missing == {"g00002": "it did not finish the stage before"}
    assert (report.n_ok, report.n_asked) == (2, 3)
    own = ensemble.folder("g00003") / first.stage.restart_name
    assert own.read_bytes() == spun_up.ok["g00003"].read_bytes()


def test_inert_parameters_show_in_real_files(case: ElmCase) -> None:
    names = ["flnr", "crit_onset_gdd", "crit_dayl"]
    design = one_at_a_time(np.array([0.1, 500.0, 39300.0]), np.array([0.2, 900.0, 43000.0]))
    members = [
        {"flnr": {TREE: row[0]}, "crit_onset_gdd": row[1], "crit_dayl": row[2]} for row in design
    ]
    ensemble = ElmEnsemble(case, members)
    with pytest.warns(UserWarning, match="no effect"):
        report = ensemble.run(parallel=2)
    gpp = ensemble.history(report)["GPP"].isel(time=-1).values
    found = parameter_effects(design, gpp, names)
    assert found.inert == ("crit_onset_gdd",) and found.active == ("flnr", "crit_dayl")


def test_nothing_to_collect_is_told(case: ElmCase) -> None:
    set_faults(case.config.cime_root, [Fault("killed_run")])
    ensemble = ElmEnsemble(case, changes(0.1))
    report = ensemble.run()
    with pytest.raises(NotFound, match="no member"):
        ensemble.history(report)


def test_members_with_other_times_are_refused(case: ElmCase) -> None:
    ensemble = ElmEnsemble(case, changes(0.1, 0.2))
    report = ensemble.run(parallel=2)
    last = max(ensemble.folder("g00002").glob("*.elm.h0.*.nc"))
    last.unlink()
    with pytest.raises(InvalidData, match=re.escape("g00002 has other times")):
        ensemble.history(report)
