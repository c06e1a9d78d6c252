"""`case.setup`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import LOCKED_AT_SETUP, Case, fail
from catena.coupler.fake_cime.faults import fault
from catena.coupler.fake_cime.killing import perhaps_killed
from catena.coupler.fake_cime.namelists import write_namelists


def main(arguments: Sequence[str], where: str) -> int:
    """Lock what may no longer change and run the namelist builder, as CIME does."""
    parser = argparse.ArgumentParser("case.setup")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--reset", action="store_true")
    given = parser.parse_args(arguments)
    case = Case(Path(where))
    perhaps_killed(case.cime, "case.setup", case.root)
    case.status("case.setup starting")
    if fault(case.cime, "setup_error", case.root):
        fail("Command: 'configure' failed with error 'no such source directory'")
    if given.reset or given.clean:
        for name in LOCKED_AT_SETUP[:2]:
            (case.root / "LockedFiles" / name).unlink(missing_ok=True)
    if given.clean:
        return 0
    _commit(case)
    macros = case.root / "cmake_macros"
    macros.mkdir(exist_ok=True)
    universal = macros / "universal.cmake"
    if not universal.exists():
        universal.write_text('set(E3SM_LINK_WITH_FORTRAN "FALSE")\n')
    for name in ("user_nl_elm", "user_nl_cpl"):
        if not (case.root / name).exists():
            (case.root / name).write_text("! Users should add all namelist changes below\n")
    case.lock(*LOCKED_AT_SETUP)
    write_namelists(case)
    case.status("case.setup success")
    sys.stdout.write("You can now run './preview_run' to get more info on your case\n")
    return 0


def _commit(case: Case) -> None:
    # CIME commits the case's files; without an identity git refuses.
    identity = subprocess.run(
        ["git", "var", "GIT_COMMITTER_IDENT"], capture_output=True, text=True, cwd=case.root
    )
    if identity.returncode:
        fail(
            f"Command: 'git commit' failed with error 'Author identity unknown'\n{identity.stderr}"
        )
