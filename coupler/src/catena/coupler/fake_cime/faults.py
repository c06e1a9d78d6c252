"""Failures on demand: `faults.json` in the root says which program fails, where and how often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FAULTS = (
    "setup_error",  # case.setup ends with an error
    "build_error",  # case.build ends with an error, its cause in a log
    "queue_rejection",  # case.submit is refused by the queue
    "killed_run",  # the model is ended by a signal after `after_years`
    "no_termination",  # the model ends with status 0 but without its message
    "nan_restart",  # the restart file holds NaN
    "no_restart",  # the model ends well but wrote no restart file
    "slow_run",  # each year takes `seconds`
    "kill_driver",  # the program ends by a signal before it does anything
)


@dataclass(frozen=True)
class Fault:
    """One failure.

    Parameters
    ----------
    what : str
        One of :data:`FAULTS`.
    where : str
        Only in folders whose path contains this.
    times : int
        How often it happens.
    after_years : int
        For ``killed_run``.
    seconds : float
        For ``slow_run``.
    """

    what: str
    where: str = ""
    times: int = 1_000_000
    after_years: int = 1
    seconds: float = 0.2

    def __post_init__(self) -> None:
        if self.what not in FAULTS:
            raise ValueError(f"fault: got '{self.what}', wanted one of {', '.join(FAULTS)}")


def set_faults(root: Path, faults: Sequence[Fault]) -> None:
    """Let the programs under `root` fail so; an empty sequence lets them work."""
    (root / "faults.json").write_text(json.dumps([asdict(fault) for fault in faults]))


def fault(root: Path, what: str, where: Path) -> Fault | None:
    """The failure that is to happen now, if any; it counts as having happened."""
    path = root / "faults.json"
    if not path.exists():
        return None
    faults = [Fault(**item) for item in json.loads(path.read_text())]
    for number, item in enumerate(faults):
        counted = root / f"faults.{number}.{what}.count"
        happened = int(counted.read_text()) if counted.exists() else 0
        if item.what == what and item.where in str(where) and happened < item.times:
            counted.write_text(str(happened + 1))
            return item
    return None
