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
from catena.coupler.fake_cime.output_files import PFT

EXECUTABLE = """#!{python}
import sys

from catena.coupler.fake_cime.executable import main

sys.exit(main({cime!r}, {template!r}, bypass={bypass!r}))
"""


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
    # Here, for it takes a while: the other programs start without it.
    from catena.coupler.restart import write_template

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
    executable = bld / "e3sm.exe"
    template = bld / "restart_template.nc"
    weights = [float(index == PFT) for index in range(17)]
    write_template(template, lat=[38.74], lon=[267.8], pft_weights=[weights])
    values = {"python": sys.executable, "cime": str(case.cime), "template": str(template)}
    executable.write_text(EXECUTABLE.format(**values, bypass=bypass))
    executable.chmod(0o755)
    log.write_text("built\n")
    case.set("BUILD_COMPLETE", "TRUE")
    case.lock("env_build.xml")
    case.status("case.build success")
    sys.stdout.write("MODEL BUILD HAS FINISHED SUCCESSFULLY\n")
    return 0
