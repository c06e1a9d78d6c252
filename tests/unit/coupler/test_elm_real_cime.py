"""The driver against CIME itself: up to the build, which needs a Fortran compiler and netCDF.

Set CATENA_CIME_ROOT to a checkout of E3SM, and CATENA_CIME_MACHINE, CATENA_CIME_COMPILER and
CATENA_CIME_MPILIB where they are not linux-generic, gnu and mpi-serial.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.elm_case import elm_mapping

from catena.coupler.elm import ElmCase, ElmConfig
from catena.coupler.elm.namelist import entries
from catena.coupler.elm.state import digest
from catena.shared.errors import FailedPrecondition

# Read now: the tests see no CATENA_ names.
ROOT = os.environ.get("CATENA_CIME_ROOT", "")
MACHINE = os.environ.get("CATENA_CIME_MACHINE", "linux-generic")
COMPILER = os.environ.get("CATENA_CIME_COMPILER", "gnu")
MPILIB = os.environ.get("CATENA_CIME_MPILIB", "mpi-serial")
pytestmark = pytest.mark.skipif(
    not ROOT, reason="needs a checkout of E3SM, named by CATENA_CIME_ROOT"
)
BEFORE_BUILD = ("create", "settings", "namelist", "setup", "macros")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[ElmCase]:
    data = elm_mapping(tmp_path_factory.mktemp("real"))
    data |= {"cime_root": ROOT, "machine": MACHINE, "compiler": COMPILER, "mpilib": MPILIB}
    config = ElmConfig.from_mapping(data)
    made = [ElmCase(config, run) for run in config.runs]
    for case in made:
        # Pretend that it was built and that the stage before has run.
        case.state.record("build", digest(case.steps.inputs("build")))
        if case.stage.before is not None:
            before = made[0 if case.stage.before.name == "ad_spinup" else 1]
            before.run_folder.mkdir(parents=True, exist_ok=True)
            (before.run_folder / case.stage.before.restart_name).write_bytes(b"a restart")
        try:
            case.prepare()
        except FailedPrecondition as error:
            assert "missing file" in str(error), error  # input data, where there is no network
    return made


def land(case: ElmCase) -> dict[str, str]:
    return entries((case.root / "CaseDocs" / "lnd_in").read_text())


def test_every_step_before_the_build_is_taken_by_cime(cases: list[ElmCase]) -> None:
    for case in cases:
        assert all(case.state.done(step) for step in BEFORE_BUILD)


def test_the_option_sets_spinup_state(cases: list[ElmCase]) -> None:
    assert [land(case)["spinup_state"] for case in cases] == ["1", "0", "0"]
    assert land(cases[0])["suplphos"] == "'ALL'" and land(cases[1])["suplphos"] == "'NONE'"


def test_the_restart_is_named_by_the_namelist(cases: list[ElmCase]) -> None:
    names = [land(case)["finidat"].strip("' ") for case in cases]
    assert names == ["", cases[0].stage.restart_name, cases[1].stage.restart_name]


def test_lengths_and_dates_reach_the_driver(cases: list[ElmCase]) -> None:
    for case in cases:
        driver = entries((case.root / "CaseDocs" / "drv_in").read_text())
        assert driver["stop_n"] == str(case.stage.years)
        assert driver["start_ymd"] == f"{case.stage.start:04d}0101"


def test_cime_commits_without_a_global_identity(cases: list[ElmCase]) -> None:
    assert (cases[0].root / ".git").is_dir()


def test_cimes_own_refusals_are_quoted(cases: list[ElmCase], tmp_path: Path) -> None:
    case = cases[0]
    with pytest.raises(FailedPrecondition, match=r"NOSUCH[\s\S]*What to do"):
        case.log.run(("./xmlchange", "NOSUCH=1"), case.root)
    scripts = case.config.scripts / "create_newcase"
    argv = [str(scripts), "--case", str(tmp_path / "x"), "--res", "ELM_USRDAT", "--mach", MACHINE]
    argv += ["--compiler", COMPILER, "--mpilib", MPILIB, "--driver", "mct", "--compset", "NONE"]
    with pytest.raises(FailedPrecondition, match="all stub components"):
        case.log.run(argv, tmp_path)
    user = case.root / "user_nl_elm"
    text = user.read_text()
    user.write_text(text + " spinup_state = 0\n")
    with pytest.raises(FailedPrecondition, match="leave spinup_state out"):
        case.log.run(("./preview_namelists",), case.root)
    user.write_text(text)
