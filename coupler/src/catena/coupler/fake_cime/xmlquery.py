"""`xmlquery`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from catena.coupler.fake_cime.case_files import Case


def main(arguments: Sequence[str], where: str) -> int:
    """Print entries. Several values come in the order of their files, as CIME does it."""
    parser = argparse.ArgumentParser("xmlquery")
    parser.add_argument("variables", nargs="+")
    parser.add_argument("--value", action="store_true")
    given = parser.parse_args(arguments)
    case = Case(Path(where))
    names = sorted(name for text in given.variables for name in text.split(",") if name)
    if given.value:
        sys.stdout.write(",".join(case.get(name) for name in names))
    else:
        for name in names:
            sys.stdout.write(f"\t{name}: {case.get(name)}\n")
    return 0
