"""How far the cases of a configuration are, by their own files; nothing is changed."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.outcome import whole_restart
from catena.coupler.elm.spin_up_options import NATIVE
from catena.coupler.elm.state import CaseState

_STATE = ".catena.json"


@dataclass(frozen=True)
class CaseProgress:
    """One case.

    Parameters
    ----------
    case : str
    what : {"has run", "is built", "is being made"}
    reached : int or None
        Year of the newest whole restart files.
    hand_over : str
        What the comparison of its first record with the file that it began from gave.
    """

    case: str
    what: str
    reached: int | None
    hand_over: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def cases_of(config: ElmConfig, method: str) -> list[CaseProgress]:
    """Cases that have been begun, in the order in which they were.

    Parameters
    ----------
    config : ElmConfig
    method : str
        Of the spin-up: ``native`` for the stages as they are listed.
    """
    name = config.case_name if method == NATIVE else f"{config.case_name}-{method}"
    pattern = re.compile(rf"{re.escape(name)}_\w+{re.escape(_STATE)}")
    if not config.case_root.is_dir():
        return []
    found = [each for each in config.case_root.iterdir() if pattern.fullmatch(each.name)]
    made = []
    for path in sorted(found, key=_begun):
        case, state = path.name.removesuffix(_STATE), CaseState(path)
        flag = int(case.endswith(("_ad", "_ad_spinup")))
        reached = whole_restart(config.output_root / case / "run", case, flag)
        if state.done("run") is not None:
            what = "has run"
        else:
            what = "is built" if state.done("input_data") is not None else "is being made"
        made.append(CaseProgress(case, what, reached, str(state.get("hand_over") or "")))
    return made


def _begun(state: Path) -> float:
    """When a case was begun, by the first line of its log."""
    log = state.with_name(f"{state.name.removesuffix(_STATE)}.catena.log")
    try:
        with log.open() as file:
            return datetime.fromisoformat(json.loads(file.readline())["at"]).timestamp()
    except (OSError, ValueError, KeyError):
        return 0.0
