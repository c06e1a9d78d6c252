"""`check_input_data`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case
from catena.coupler.fake_cime.killing import perhaps_killed

LIST = "elm.input_data_list"


def missing_files(case: Case) -> list[tuple[str, str]]:
    """(name, path) of each file that the namelists name and that is not there."""
    listed = case.root / "Buildconf" / LIST
    lines = listed.read_text().splitlines() if listed.exists() else []
    pairs = [tuple(part.strip() for part in line.split("=", 1)) for line in lines if "=" in line]
    run = Path(case.get("RUNDIR"))
    return [(name, path) for name, path in pairs if path and not (run / path).exists()]


def main(arguments: Sequence[str], where: str) -> int:
    """Say what is missing."""
    case = Case(Path(where))
    perhaps_killed(case.cime, "check_input_data", case.root)
    sys.stdout.write(f"Loading input file list: 'Buildconf/{LIST}'\n")
    missing = missing_files(case)
    for name, path in missing:
        sys.stdout.write(f"Model elm missing file {name} = '{path}'\n")
    return 1 if missing else 0
