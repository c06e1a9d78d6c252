"""`xmlchange`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case, fail
from catena.coupler.fake_cime.killing import perhaps_killed


def main(arguments: Sequence[str], where: str) -> int:
    """Take CIME's flags and change entries."""
    parser = argparse.ArgumentParser("xmlchange")
    parser.add_argument("listofsettings", nargs="?", default="")
    parser.add_argument("--append", action="store_true")
    parser.add_argument("--id")
    parser.add_argument("--val")
    parser.add_argument("--subgroup", default="")
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args(arguments)
    case = Case(Path(where))
    perhaps_killed(case.cime, "xmlchange", case.root)
    pairs = [(given.id, given.val)] if given.id else []
    for setting in filter(None, given.listofsettings.split(",")):
        name, equals, value = setting.partition("=")
        if not equals:
            fail(f"Expected name=value, got '{setting}'")
        pairs.append((name, value))
    for name, value in pairs:
        if case.file_of(name) is None:
            fail(f"No variable {name} found in case")
        before = case.get(name) if given.append else ""
        case.set(name, f"{before} {value}".strip() if given.append else value)
    case.status(f"xmlchange success <command> ./xmlchange {' '.join(arguments)}  </command>")
    return 0
