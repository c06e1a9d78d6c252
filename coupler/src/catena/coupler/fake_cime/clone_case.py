"""`create_clone`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import ENTRIES, Case, fail
from catena.coupler.fake_cime.new_case import make_case


def main(arguments: Sequence[str], where: str) -> int:
    """Take CIME's flags and copy a case, its executable too where asked."""
    parser = argparse.ArgumentParser("create_clone")
    parser.add_argument("--case", required=True)
    parser.add_argument("--clone", required=True)
    parser.add_argument("--keepexe", action="store_true")
    parser.add_argument("--cime-output-root", default="")
    parser.add_argument("--project", default="")
    given = parser.parse_args(arguments)
    root, clone = Path(given.case).absolute(), Path(given.clone).absolute()
    if not clone.is_dir():
        fail(f"Missing cloneroot directory {clone} ")
    if root.exists():
        fail(f"Case directory {root} already exists")
    parent, case = Case(clone), make_case(root, Path(where))
    for file in ENTRIES:
        case.write(file, parent.read(file))
    output = Path(given.cime_output_root) if given.cime_output_root else Path(where) / "scratch"
    case.set("CASE", root.name)
    case.set("CASEROOT", str(root))
    case.set("RUNDIR", str(output / root.name / "run"))
    if not given.keepexe:
        case.set("EXEROOT", str(output / root.name / "bld"))
        case.set("BUILD_COMPLETE", "FALSE")
    for path in clone.glob("user_nl_*"):
        shutil.copyfile(path, root / path.name)
    sys.stdout.write(f" Successfully created new case {root.name} from clone case {clone.name} \n")
    return 0
