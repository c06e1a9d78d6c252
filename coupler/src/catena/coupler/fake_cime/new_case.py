"""`create_newcase`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import ENTRIES, Case, fail
from catena.coupler.fake_cime.install import CASE_TOOLS, ROOT_FILE, write_program
from catena.coupler.fake_cime.killing import perhaps_killed


def make_case(case: Path, cime: Path) -> Case:
    """A case directory with its tools and with default entries."""
    case.mkdir(parents=True)
    (case / "Buildconf").mkdir()
    (case / "SourceMods").mkdir()
    (case / ROOT_FILE).write_text(str(cime))
    made = Case(case)
    for file, entries in ENTRIES.items():
        made.write(file, entries)
    perhaps_killed(cime, "create_newcase", case)
    for name in CASE_TOOLS:
        write_program(case / name, name, case)
    return made


def main(arguments: Sequence[str], where: str) -> int:
    """Take CIME's flags and make a case."""
    parser = argparse.ArgumentParser("create_newcase")
    for name in ("--case", "--compset", "--res"):
        parser.add_argument(name, required=True)
    parser.add_argument("--machine", "--mach", default="fake-machine")
    for name in ("--compiler", "--mpilib", "--project", "--queue", "--walltime", "--output-root"):
        parser.add_argument(name, default="")
    parser.add_argument("--pecount", default="M")
    parser.add_argument("--driver", default="moab", choices=("mct", "moab"))
    parser.add_argument("--handle-preexisting-dirs", choices=("a", "r", "u"))
    given = parser.parse_args(arguments)
    cime, root = Path(where), Path(given.case).absolute()
    machines = (cime / "cime_config" / "machines" / "config_machines.xml").read_text()
    if f'MACH="{given.machine}"' not in machines:
        fail(f"No machine {given.machine} found")
    if given.driver == "moab" and "MOAB_ROOT" not in machines:
        fail("MOAB_ROOT is not set; the moab driver needs MOAB")
    if "ELM" not in given.compset and not given.compset.startswith("I"):
        fail(f"Invalid compset name, {given.compset}, all stub components generated")
    if root.exists():
        fail(f"Case directory {root} already exists")
    case = make_case(root, cime)
    output = Path(given.output_root) if given.output_root else cime / "scratch"
    transient = "20TR" in given.compset
    values = {
        "CASE": root.name,
        "CASEROOT": str(root),
        "COMPSET": given.compset,
        "GRID": given.res,
        "MACH": given.machine,
        "COMPILER": given.compiler,
        "MPILIB": given.mpilib,
        "COMP_INTERFACE": given.driver,
        "CIMEROOT": str(cime / "cime"),
        "EXEROOT": str(output / root.name / "bld"),
        "RUNDIR": str(output / root.name / "run"),
        "DIN_LOC_ROOT": str(cime / "inputdata"),
        "ELM_NML_USE_CASE": "20thC_transient" if transient else "1850_control",
        "PROJECT": given.project,
    }
    for name, value in values.items():
        case.set(name, value)
    sys.stdout.write(f" Creating Case directory {root}\n")
    return 0
