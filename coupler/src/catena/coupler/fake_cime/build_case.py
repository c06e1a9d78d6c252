"""`case.build`: the executable is a program of this package."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case, fail
from catena.coupler.fake_cime.faults import fault
from catena.coupler.fake_cime.killing import perhaps_killed
from catena.coupler.fake_cime.model import COMPILE, NAME, run_executable, write_executable


def main(arguments: Sequence[str], where: str) -> int:
    """Build, or clean."""
    parser = argparse.ArgumentParser("case.build")
    parser.add_argument("--clean-all", action="store_true")
    parser.add_argument("--clean", nargs="*")
    given = parser.parse_args(arguments)
    case = Case(Path(where))
    bld = Path(case.get("EXEROOT"))
    if given.clean_all or given.clean is not None:
        shutil.rmtree(bld, ignore_errors=True)
        (case.root / "LockedFiles" / "env_build.xml").unlink(missing_ok=True)
        case.set("BUILD_COMPLETE", "FALSE")
        return 0
    if not (case.root / "LockedFiles" / "env_mach_pes.xml").exists():
        fail("ERROR: must invoke case.setup script before calling build script ")
    case.check_locked()
    perhaps_killed(case.cime, "case.build", case.root)
    case.status("case.build starting")
    bld.mkdir(parents=True, exist_ok=True)
    log = bld / "e3sm.bldlog.fake"
    if fault(case.cime, "build_error", case.root):
        log.write_text("elm_driver.F90:12: Error: Symbol 'npp' has no IMPLICIT type\nmake: *** 1\n")
        sys.stdout.write(f"ERROR: BUILD FAIL: buildexe failed, cat {log}\n")
        return 1
    bypass = "-DCPL_BYPASS" in (case.root / "cmake_macros" / "universal.cmake").read_text()
    executable = bld / NAME
    write_executable(executable, case.cime, bypass)
    if run_executable(executable, bld, [COMPILE]):
        sys.stdout.write("ERROR: BUILD FAIL: the embedded model could not be compiled\n")
        return 1
    log.write_text("built\n")
    case.set("BUILD_COMPLETE", "TRUE")
    case.lock("env_build.xml")
    case.status("case.build success")
    sys.stdout.write("MODEL BUILD HAS FINISHED SUCCESSFULLY\n")
    return 0
