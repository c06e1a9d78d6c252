"""Whatever ends in between, and whoever else is there: nothing runs twice, nothing is mixed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
from support.elm_case import done, elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmCase, ElmConfig, ElmEnsemble
from catena.coupler.elm.config import Executor
from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.elm.namelist import entries
from catena.coupler.elm.outcome import restart_problem, whole_restart
from catena.coupler.elm.state import CaseState
from catena.coupler.elm.submission import Submission
from catena.coupler.fake_cime import Fault, set_faults
from catena.coupler.restart import write_template
from catena.shared.errors import (
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    JobFailed,
    Unavailable,
)

TREE = "broadleaf_deciduous_temperate_tree"
FIVE = [{"name": "final", "years": 5}]
TEN = [{"name": "final", "years": 10}]
NOBODY = JobRecord("4194300", "local", "/", 1.0).as_dict()
SUBMITTING = {"executor": "local", "at": "2026-01-01T00:00:00"}


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


def only(folder: Path, **changed: Any) -> ElmCase:
    config = elm_config(folder, stages=changed.pop("stages", FIVE), **changed)
    return ElmCase(config, config.runs[0])


def changed(case: ElmCase, **update: Any) -> ElmCase:
    config = ElmConfig.model_validate({**case.config.model_dump(), **update})
    return ElmCase(config, config.runs[0])


def process_in(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    code = "import time; time.sleep(60)"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder)


@pytest.mark.parametrize("kept", [{"job": NOBODY}, {"submitting": SUBMITTING}])
def test_a_model_whose_starter_was_killed_is_found_and_a_users_shell_is_not(
    tmp_path: Path, kept: dict[str, Any]
) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "scratch"
    link.symlink_to(tmp_path / "real")
    state = CaseState(tmp_path / "state.json")
    submission = Submission(state, JobRunner(Executor(), {}), "moz", (link,))
    state.update(**kept)
    shell = process_in(link)
    try:
        assert submission.running() is None
        model = process_in(link, "/bld/e3sm.exe")
        try:
            found = submission.running()
            assert found is not None and found.native_id == str(model.pid)
            assert submission.jobs.state(found) == "active"
        finally:
            model.kill()
            model.wait()
    finally:
        shell.kill()
        shell.wait()


def test_a_second_process_is_told_who_works_on_the_case(tmp_path: Path) -> None:
    case = only(tmp_path)
    other = ElmCase(case.config, case.stage)
    with case.held():
        for call in (other.prepare, other.start_over, lambda: other.run(timeout_s=0)):
            with pytest.raises(Unavailable, match=f"process {os.getpid()} on .* works on case moz"):
                call()
        with pytest.raises(Unavailable):
            ElmEnsemble(other, [{"br_mr": 3e-6}]).run(timeout_s=0)
    assert not case.root.exists()
    other.prepare()
    assert case.root.is_dir()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.config.case_root.mkdir(parents=True)
    path = case.config.case_root / "moz_final.catena.lock"
    code = (
        "import pathlib, sys, time\n"
        "from catena.coupler.elm.lock import only_one\n"
        "with only_one(pathlib.Path(sys.argv[1]), 'case', 0, print):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(Unavailable, match=f"process {holder.pid} "):
        case.prepare()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with case.held(timeout_s=0):
        pass


def test_a_truncated_restart_file_is_not_whole(tmp_path: Path) -> None:
    land, driver = (tmp_path / f"moz.{name}.r.0006-01-01-00000.nc" for name in ("elm", "cpl"))
    write_template(land, lat=38.7, lon=-92.2, pft_weights=np.eye(17)[7])
    driver.write_bytes(land.read_bytes())
    (tmp_path / "rpointer.lnd").write_text(f"./{land.name}\n")
    (tmp_path / "rpointer.drv").write_text(f"{driver.name}\n")
    assert whole_restart(tmp_path, "moz", 0) == 6
    for path in (land, driver):
        whole = path.read_bytes()
        path.write_bytes(whole[:-64])
        assert whole_restart(tmp_path, "moz", 0) is None
        assert "truncated" in restart_problem(path, 0)
        path.write_bytes(whole)


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    case = changed(only(tmp_path), case_root=tmp_path / "file" / "cases")
    with pytest.raises(FailedPrecondition, match="case_root and output_root must be on disks"):
        case.run()


def test_a_full_disk_leaves_a_case_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = only(tmp_path)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("catena.coupler.elm.actions.write_atomically", full)
        with pytest.raises(FailedPrecondition, match="No space left"):
            case.prepare()
    case.prepare()


def test_a_case_directory_that_has_vanished_is_told(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    case.root.rename(tmp_path / "purged")
    with pytest.raises(FailedPrecondition, match=r"no case directory .* remove '.*catena\.json'"):
        case.run()


def test_a_running_jobs_output_is_not_removed(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    model = process_in(case.run_folder, "e3sm.exe")
    case.state.update(job=NOBODY)
    precious = case.run_folder / "moz_final.elm.h0.0001-01-01-00000.nc"
    precious.write_text("written just now")
    try:
        with pytest.raises(FailedPrecondition, match=r"call cancel\(\)"):
            case.start_over()
        assert precious.exists()
    finally:
        model.kill()
        model.wait()


def test_a_stage_that_has_run_is_not_found_again_with_other_files(tmp_path: Path) -> None:
    case = only(tmp_path)
    assert case.run().finished
    with netCDF4.Dataset(case.config.parameter_file, "r+") as file:
        file["flnr"][:] = 0.3
    with pytest.raises(FailedPrecondition, match=r"has run with other .*parameter_file"):
        ElmCase(case.config, case.stage).run()


def test_a_stage_that_has_run_in_part_is_not_mixed(tmp_path: Path) -> None:
    case = only(tmp_path, stages=TEN)
    case.advance(6)
    with pytest.raises(FailedPrecondition, match=r"has run to year 6 .*user_nl_elm"):
        changed(case, namelist={"nu_com": "ECA"}).run()
    assert changed(case, executor={"processes": 2}).run().finished


def test_a_running_job_is_not_taken_for_one_with_other_settings(tmp_path: Path) -> None:
    case = only(tmp_path)
    ensemble = ElmEnsemble(case, [{"br_mr": 3e-6}])
    set_faults(case.config.cime_root, [Fault("killed_run", after_years=0)])
    with pytest.raises(JobFailed):
        case.run()
    ensemble.run()
    written = (case.root / "user_nl_elm").read_text()
    models = [process_in(one, "e3sm.exe") for one in (case.run_folder, ensemble.folder("g00001"))]
    case.state.update(job=NOBODY)
    CaseState(ensemble.root / "g00001.catena.json").update(job=NOBODY)
    try:
        with pytest.raises(FailedPrecondition, match=r"moz_final runs with other .*user_nl_elm"):
            changed(case, namelist={"nu_com": "ECA"}).run(timeout_s=0)
        assert (case.root / "user_nl_elm").read_text() == written
        report = ElmEnsemble(ElmCase(case.config, case.stage), [{"br_mr": 2e-6}]).run(timeout_s=5)
        assert "runs with other parameters" in report.failed["g00001"]
    finally:
        for model in models:
            model.kill()
            model.wait()


def early(path: Path, flag: int = 1) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        file.createVariable("spinup_state", "i4", ())[...] = flag
        file.createVariable("timemgr_rst_curr_ymd", "i4", ())[...] = 210101
    return path


def test_no_way_leads_out_of_acceleration_before_year_40(tmp_path: Path) -> None:
    config = elm_config(tmp_path, stages=[{"name": "ad_spinup", "years": 40}, *FIVE])
    ElmCase(config, config.runs[0]).prepare()
    restart = early(tmp_path / "early.nc")
    with pytest.raises(InvalidData, match="from after year 40"):
        ElmCase(config, config.runs[1], restart=restart).prepare()


def test_no_member_leaves_acceleration_before_year_40(tmp_path: Path) -> None:
    case = only(tmp_path)
    restart = early(tmp_path / "early.nc")
    report = ElmEnsemble(case, [{"br_mr": 3e-6}], {"g00001": restart}).run()
    assert "from after year 40" in report.failed["g00001"]


def test_a_restart_file_of_ones_own_is_compared_with_the_first_record(tmp_path: Path) -> None:
    spun_up = only(tmp_path)
    restart = spun_up.run().restart
    case = only(tmp_path, case_name="next", finidat=str(restart))
    case.run()
    assert case.state.get("hand_over") == "agrees with the first record"
    ensemble = ElmEnsemble(case, [{"br_mr": 3e-6}])
    assert ensemble.run().n_ok == 1
    # A model that does not begin with what it was given.
    state = CaseState(ensemble.root / "g00001.catena.json")
    state.forget("run")
    first = min(ensemble.folder("g00001").glob("*.elm.h0.*.nc"))
    with netCDF4.Dataset(first, "r+") as file:
        file["DEADSTEMC"][:] = file["DEADSTEMC"][:] * 10.0
    report = ElmEnsemble(ElmCase(case.config, case.stage), [{"br_mr": 3e-6}]).run()
    assert "dead wood is ten times" in report.failed["g00001"]


def test_a_member_goes_on_from_its_restart_files(tmp_path: Path) -> None:
    case = only(tmp_path, stages=TEN)
    changes = [{"flnr": {TREE: value}} for value in (0.1, 0.1)]
    set_faults(case.config.cime_root, [Fault("killed_run", "g00002", times=1, after_years=7)])
    ensemble = ElmEnsemble(case, changes)
    assert set(ensemble.run().failed) == {"g00002"}
    again = ElmEnsemble(ElmCase(case.config, case.stage), changes).run()
    assert again.n_ok == 2
    driver = entries((ensemble.folder("g00002") / "drv_in").read_text())
    assert (driver["start_type"], driver["stop_n"]) == ("'continue'", "5")
    for pattern in (case.stage.restart_name, "*.elm.h0.*.nc"):
        whole, cut = (sorted(ensemble.folder(name).glob(pattern)) for name in ("g00001", "g00002"))
        assert [path.name for path in whole] == [path.name for path in cut] and whole
        assert all(a.read_bytes() == b.read_bytes() for a, b in zip(whole, cut, strict=True))


def test_a_member_whose_batch_job_is_not_known_is_not_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = only(tmp_path, executor={"kind": "slurm"})
    case.prepare()
    ensemble = ElmEnsemble(case, [{"br_mr": 3e-6}, {"br_mr": 2e-6}])
    record = JobRecord("78", "slurm", "/", time.time())
    kept = CaseState(ensemble.root / "g00001.catena.json")
    kept.update(job=record.as_dict())
    CaseState(ensemble.root / "g00002.catena.json").update(
        submitting={"executor": "slurm", "at": "2026-01-01T00:00:00"}
    )
    monkeypatch.setattr(JobRunner, "state", lambda self, record: "unknown")
    report = ensemble.run()
    assert "not to say that it has ended" in report.failed["g00001"]
    assert "may be in the queue" in report.failed["g00002"]
    assert not list(ensemble.root.glob("*/lnd_in"))
    ensemble.forget_submission("g00002")
    assert CaseState(ensemble.root / "g00002.catena.json").get("submitting") is None


def test_no_members_and_none_at_a_time_are_refused(tmp_path: Path) -> None:
    case = only(tmp_path)
    with pytest.raises(InvalidRequest, match="got no members"):
        ElmEnsemble(case, [])
    with pytest.raises(InvalidRequest, match="got 0 members at a time"):
        ElmEnsemble(case, [{}]).run(parallel=0)
    with pytest.raises(InvalidRequest, match="got 0 attempts"):
        case.run(attempts=0)


@pytest.mark.parametrize("name", ["../g1", "", "a/b", "g 1", ".hidden", "g\n1"])
def test_names_of_members_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="impossible names"):
        ElmEnsemble(only(tmp_path), {name: {}})


def test_a_case_goes_back_to_an_earlier_year(tmp_path: Path) -> None:
    case = only(tmp_path, stages=TEN)
    end = case.run().restart
    assert end is not None
    whole = end.read_bytes()
    case.go_back_to(6)
    assert case.reached == 6
    assert not ElmCase(case.config, case.stage).outcome().finished
    before = len(done(case.log.path))
    assert case.run().finished and end.read_bytes() == whole
    assert any(text.startswith("submit") for text in done(case.log.path)[before:])


def test_jobs_that_cannot_be_started_are_told(tmp_path: Path) -> None:
    runner = JobRunner(Executor(kind="none"), {})
    with pytest.raises(FailedPrecondition, match="could not be started"):
        SUBMIT(runner, ["/nowhere/case.submit"], tmp_path, "job", tmp_path / "log")


SUBMIT = JobRunner.submit
