from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import pytest
from support.elm_case import done, elm_config
from support.fake_cime_inside import inside

from catena.coupler.elm import ElmCase, ElmConfig, ElmExperiment
from catena.coupler.elm.commands import essence
from catena.coupler.elm.state import CaseState
from catena.coupler.fake_cime import Fault, set_faults
from catena.coupler.fake_cime.case_files import Case
from catena.coupler.restart import read_restart
from catena.shared.errors import FailedPrecondition, InvalidData, JobFailed

ONE = [{"name": "final", "years": 5}]
TWO = [{"name": "final", "years": 10}]


@pytest.fixture(autouse=True)
def _programs_inside() -> Iterator[None]:
    with inside():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ElmExperiment:
    experiment = ElmExperiment(elm_config(tmp_path_factory.mktemp("elm")))
    with inside():
        experiment.run()
    return experiment


def only(folder: Path, **changed: Any) -> ElmCase:
    config = elm_config(folder, stages=changed.pop("stages", ONE), **changed)
    return ElmCase(config, config.runs[0])


def test_three_stages_run_from_each_others_restart_files(whole: ElmExperiment) -> None:
    outcomes = whole.run()
    assert all(outcome.finished for outcome in outcomes.values())
    ends = {name: read_restart(Path(str(one.restart))) for name, one in outcomes.items()}
    flags = {name: restart.spinup_state for name, restart in ends.items()}
    assert flags == {"ad_spinup": 1, "final": 0, "transient": 0}
    assert (ends["transient"].date.year, ends["transient"].date.month) == (1855, 1)


def test_what_is_done_is_what_the_dry_run_said(whole: ElmExperiment) -> None:
    for case in whole.cases:
        assert done(case.log.path) == [str(action) for action in case.plan()]
    assert str(whole.cases[1].plan()[-1]) in whole.plan_text()


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    case = only(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ElmExperiment(case.config).plan_text()
    assert sorted(tmp_path.rglob("*")) == before


def test_running_again_does_nothing(whole: ElmExperiment) -> None:
    logs = [case.log.path.read_text() for case in whole.cases]
    ElmExperiment(whole.config).run()
    assert [case.log.path.read_text() for case in whole.cases] == logs


def test_the_namelist_is_there_before_setup(whole: ElmExperiment) -> None:
    told = done(whole.cases[0].log.path)
    written = next(n for n, text in enumerate(told) if "user_nl_elm" in text)
    assert written < next(n for n, text in enumerate(told) if "case.setup" in text)


def test_leaving_acceleration_multiplies_dead_wood_once(whole: ElmExperiment) -> None:
    ad, final = whole.cases[:2]
    restart = ad.run_folder / ad.stage.restart_name
    copied = final.run_folder / ad.stage.restart_name
    assert copied.read_bytes() == restart.read_bytes()
    assert "leaving accelerated" in _land_log(final.run_folder)
    with netCDF4.Dataset(_first_record(final)) as file:
        begun = float(file["DEADSTEMC"][0, 0])
    written = read_restart(restart)
    assert begun == pytest.approx(10.0 * float(written.active("deadstemc")[0]), rel=1e-6)


def _first_record(case: ElmCase) -> Path:
    return min(case.run_folder.glob("*.elm.h0.*.nc"))


def _land_log(folder: Path) -> str:
    return "".join(gzip.open(path, "rt").read() for path in folder.glob("lnd.log.*.gz"))


def test_a_restart_with_the_wrong_flag_is_found_by_the_first_record(tmp_path: Path) -> None:
    config = elm_config(tmp_path, stages=[{"name": "ad_spinup", "years": 40}, *ONE])
    experiment = ElmExperiment(config)
    experiment.cases[0].run()
    experiment.cases[1].run()
    # What the model would show had it multiplied pools that were in equilibrium.
    with netCDF4.Dataset(_first_record(experiment.cases[1]), "r+") as file:
        file["DEADSTEMC"][:] = file["DEADSTEMC"][:] * 10.0
    experiment.cases[1].state.update(hand_over=None)
    with pytest.raises(InvalidData, match="dead wood is ten times what was written"):
        experiment.cases[1].run()


def test_the_first_record_is_compared_with_what_was_handed_over(whole: ElmExperiment) -> None:
    told = [case.state.get("hand_over") for case in whole.cases]
    assert told == [None, *["agrees with the first record"] * 2]


def test_a_branch_brings_the_drivers_files_along(tmp_path: Path) -> None:
    stages = [{"name": "ad_spinup", "years": 40}, {**ONE[0], "hand_over": "branch"}]
    experiment = ElmExperiment(elm_config(tmp_path, stages=stages))
    experiment.run()
    folder = experiment.cases[1].run_folder
    assert (folder / "moz_ad_spinup.cpl.r.0041-01-01-00000.nc").exists()
    assert experiment.cases[1].reached == 46


def test_git_gets_its_identity_from_the_cases_environment(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    case = only(tmp_path)
    case.log.environment["GIT_COMMITTER_NAME"] = ""
    case.log.environment["GIT_COMMITTER_EMAIL"] = ""
    with pytest.raises(FailedPrecondition, match="set git_name and git_email"):
        case.prepare()
    ElmCase(case.config, case.stage).prepare()
    assert not (tmp_path / ".gitconfig").exists()


@pytest.mark.parametrize(
    ("what", "said"),
    [("setup_error", "no such source directory"), ("build_error", "BUILD FAIL")],
)
def test_errors_quote_cime_and_a_second_run_goes_on(tmp_path: Path, what: str, said: str) -> None:
    case = only(tmp_path)
    set_faults(case.config.cime_root, [Fault(what, times=1)])
    with pytest.raises(FailedPrecondition, match=said):
        case.run()
    before = done(case.log.path)
    assert ElmCase(case.config, case.stage).run().finished
    assert not any("create_newcase" in text for text in done(case.log.path)[len(before) :])


def test_the_queues_refusal_is_quoted(tmp_path: Path) -> None:
    case = only(tmp_path)
    set_faults(case.config.cime_root, [Fault("queue_rejection", times=1)])
    with pytest.raises(JobFailed, match="invalid account or partition"):
        case.run()
    assert case.run().finished


def test_missing_input_data_are_named(tmp_path: Path) -> None:
    case = only(tmp_path, namelist={"fsoilordercon": "/nowhere/CNP.nc"})
    with pytest.raises(FailedPrecondition, match=r"fsoilordercon = '/nowhere/CNP.nc'") as caught:
        case.run()
    assert "--download" in str(caught.value)


def test_an_unknown_namelist_entry_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="nosuchname") as caught:
        only(tmp_path, namelist={"nosuchname": 1}).run()
    assert "correct or remove this entry" in str(caught.value)


def test_a_run_without_its_message_has_not_finished_whatever_its_status(tmp_path: Path) -> None:
    case = only(tmp_path)
    set_faults(case.config.cime_root, [Fault("no_termination", times=1)])
    with pytest.raises(JobFailed, match="SUCCESSFUL TERMINATION"):
        case.run()


def test_nan_in_the_restart_is_no_success(tmp_path: Path) -> None:
    case = only(tmp_path)
    set_faults(case.config.cime_root, [Fault("nan_restart", times=1)])
    with pytest.raises(JobFailed, match="NaN in soil4c_vr"):
        case.run()


def test_a_missing_restart_is_no_success(tmp_path: Path) -> None:
    case = only(tmp_path)
    set_faults(case.config.cime_root, [Fault("no_restart", times=1)])
    with pytest.raises(JobFailed, match=r"there is no moz_final\.elm\.r\.0006"):
        case.run()


def test_a_good_end_of_an_earlier_attempt_does_not_count(tmp_path: Path) -> None:
    case = only(tmp_path, stages=TWO)
    case.advance(5 + 1)
    set_faults(case.config.cime_root, [Fault("no_termination", times=1)])
    with pytest.raises(JobFailed):
        case.run()


def test_a_killed_run_goes_on_from_its_restart_files(tmp_path: Path) -> None:
    case = only(tmp_path, stages=TWO)
    set_faults(case.config.cime_root, [Fault("killed_run", times=1, after_years=7)])
    with pytest.raises(JobFailed, match="goes on from year 6"):
        case.run()
    assert case.reached == 6
    case = ElmCase(case.config, case.stage)
    assert case.run().finished
    told = done(case.log.path)
    assert any("CONTINUE_RUN=TRUE,STOP_N=5" in text for text in told)


def test_attempts_go_on_as_long_as_there_is_progress(tmp_path: Path) -> None:
    case = only(tmp_path, restart_years=1, stages=TWO)
    set_faults(case.config.cime_root, [Fault("killed_run", times=3, after_years=3)])
    assert case.run(attempts=4).finished
    submitted = [text for text in done(case.log.path) if text.startswith("submit")]
    assert len(submitted) == 4
    other = only(tmp_path / "other")
    set_faults(other.config.cime_root, [Fault("killed_run", after_years=0)])
    with pytest.raises(JobFailed):
        other.run(attempts=5)
    assert sum(text.startswith("submit") for text in done(other.log.path)) == 1


def test_interrupted_equals_uninterrupted(tmp_path: Path) -> None:
    whole, cut = (only(tmp_path / name, stages=TWO) for name in ("whole", "cut"))
    whole.run()
    set_faults(cut.config.cime_root, [Fault("killed_run", times=1, after_years=7)])
    with pytest.raises(JobFailed):
        cut.run()
    cut.run()
    for pattern in (whole.stage.restart_name, "*.elm.h0.*.nc"):
        files = [sorted(case.run_folder.glob(pattern)) for case in (whole, cut)]
        names, others = ([path.name for path in paths] for paths in files)
        assert names == others and names
        for one, other in zip(*files, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name


def changed(case: ElmCase, **update: Any) -> ElmCase:
    config = ElmConfig.model_validate({**case.config.model_dump(), **update})
    return ElmCase(config, config.runs[0])


def test_a_change_of_processors_resets_the_setup(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    again = changed(case, executor={"processes": 2})
    assert again.run().finished
    assert any("case.setup --reset" in text for text in done(again.log.path))
    assert sum("case.build" in text for text in done(again.log.path)) == 1


def test_a_change_of_the_namelist_is_written_and_set_up_again(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    again = changed(case, namelist={"nu_com": "ECA"})
    again.prepare()
    assert "nu_com = 'ECA'" in (again.run_folder / "lnd_in").read_text()


def test_a_change_of_the_build_asks_before_it_cleans(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    with pytest.raises(FailedPrecondition, match="rebuild: true"):
        changed(case, xml={"DEBUG": "TRUE"}).prepare()
    again = changed(case, xml={"DEBUG": "TRUE"}, rebuild=True)
    assert again.run().finished
    assert any("case.build --clean-all" in text for text in done(again.log.path))


def test_locked_files_say_what_to_do(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    Case(case.root).set("DEBUG", "TRUE")
    with pytest.raises(JobFailed, match="--clean-all"):
        case.run()


def test_another_compset_needs_another_case(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    with pytest.raises(FailedPrecondition, match="take another case_name"):
        changed(case, compset="ICB1850CNRDCTCBC").prepare()


def test_a_stage_that_has_run_is_not_changed_silently(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.run()
    again = changed(case, namelist={"nu_com": "ECA"})
    with pytest.raises(FailedPrecondition, match=r"user_nl_elm.*start_over"):
        again.run()
    again.start_over()
    assert again.run().finished


def test_a_foreign_case_directory_is_left_alone(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.root.mkdir(parents=True)
    (case.root / "precious").write_text("work")
    with pytest.raises(FailedPrecondition, match="not made from here"):
        case.run()
    assert (case.root / "precious").read_text() == "work"


def test_a_case_is_cloned_with_its_executable(tmp_path: Path) -> None:
    parent = only(tmp_path)
    parent.prepare()
    clone = only(tmp_path, case_name="copy", clone_of=str(parent.root))
    assert clone.run().finished
    told = done(clone.log.path)
    assert "create_clone" in told[0] and not any("case.build" in text for text in told)
    assert Case(clone.root).get("EXEROOT") == Case(parent.root).get("EXEROOT")


def test_an_executable_without_the_bypass_flag_fails_with_its_reason(tmp_path: Path) -> None:
    case = only(tmp_path)
    case.prepare()
    macros = case.root / "cmake_macros" / "universal.cmake"
    macros.write_text(macros.read_text().replace(" -DCPL_BYPASS", ""))
    case.log.run(("./case.build", "--clean-all"), case.root)
    case.log.run(("./case.build",), case.root)
    with pytest.raises(JobFailed, match="without CPL_BYPASS"):
        case.run()


def test_a_damaged_state_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"steps": ')
    with pytest.raises(FailedPrecondition, match="damaged"):
        CaseState(path)


def test_every_program_is_logged_with_its_time_and_status(whole: ElmExperiment) -> None:
    lines = [json.loads(line) for line in whole.cases[0].log.path.read_text().splitlines()]
    programs = [line for line in lines if line["kind"] == "command"]
    assert all(line["status"] == 0 and line["seconds"] >= 0 for line in programs)


def test_the_cause_stands_in_the_message_and_not_only_the_command() -> None:
    output = "\n".join(["ERROR: Command: 'cmake" + " -D" * 900, *map(str, range(40)), "the cause"])
    told = essence(output)
    assert told.startswith("ERROR") and told.endswith("the cause") and len(told) < 2500
