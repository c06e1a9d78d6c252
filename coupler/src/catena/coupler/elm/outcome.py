"""Whether the model really finished: its own end decides, not what a scheduler says."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np

from catena.coupler.elm.stages import LAST_YEAR_OF_FILLING, restart_name
from catena.coupler.restart.source import refuse_truncated
from catena.shared.errors import InvalidData

TERMINATION = "SUCCESSFUL TERMINATION"
WENT_WRONG = "the run went wrong without an error"
"""Said of a restart file with NaN: the model's numbers broke, not the machine."""
_LOGS = ("e3sm", "lnd", "cpl")
_CHECKED = re.compile(
    r"(soil[1-4]|litr[1-3]|cwd)[cnp]_vr$|^(leaf|froot|(live|dead)(stem|croot))[cnp]$"
)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Parameters
    ----------
    finished : bool
    reason : str
        Why not; empty when finished.
    restart : Path or None
        The restart file that was asked for.
    reached : int or None
        Year of the newest restart files that are whole, in which the run can go on.
    """

    finished: bool
    reason: str
    restart: Path | None
    reached: int | None


def logs(folder: Path) -> set[str]:
    """Names of a run directory's logs, without the ending that CIME's packing adds."""
    found = [path for component in _LOGS for path in folder.glob(f"{component}.log.*")]
    return {path.name.removesuffix(".gz") for path in found}


def _read(folder: Path, name: str) -> str:
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        if plain.exists():
            return plain.read_text(errors="replace")
        with gzip.open(packed, "rt", errors="replace") as file:
            return file.read()
    except (OSError, EOFError):
        return ""


def log_tail(folder: Path, old: Collection[str] = (), lines: int = 6) -> str:
    """Last lines of the newest logs that say something, the model's own first."""
    for component in _LOGS:
        new = sorted(
            name for name in logs(folder) - set(old) if name.startswith(f"{component}.log.")
        )
        text = _read(folder, new[-1]).rstrip() if new else ""
        if text:
            return f"{new[-1]} ends with:\n" + "\n".join(text.splitlines()[-lines:])
    return "there is no log of the model"


def _terminated(folder: Path, old: Collection[str]) -> bool:
    new = [name for name in logs(folder) - set(old) if name.startswith("cpl.log.")]
    return any(TERMINATION in _read(folder, name) for name in new)


def restart_problem(path: Path, spinup_state: int) -> str:
    """What is wrong with a restart file; empty when nothing is.

    Parameters
    ----------
    path : Path
    spinup_state : int
        The flag that it must carry.
    """
    try:
        refuse_truncated(path)
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            if "spinup_state" not in file.variables:
                return f"{path.name} is no restart file of ELM: it has no spinup_state"
            flag = int(file["spinup_state"][...])
            if flag != spinup_state:
                return f"{path.name} carries spinup_state {flag}, wanted {spinup_state}"
            for name, variable in file.variables.items():
                if _CHECKED.search(name) and np.isnan(variable[...]).any():
                    return f"{path.name} holds NaN in {name}: {WENT_WRONG}"
    except (OSError, RuntimeError, InvalidData) as error:
        return f"{path.name} cannot be read: {error}"
    return ""


def start_problem(path: Path, stage: str) -> str:
    """Why a stage must not start from a restart file; empty when it may.

    Parameters
    ----------
    path : Path
    stage : {"ad_spinup", "final", "transient"}
    """
    try:
        with netCDF4.Dataset(path) as file:
            file.set_auto_mask(False)
            if not {"spinup_state", "timemgr_rst_curr_ymd"} <= set(file.variables):
                return f"{path.name} is no restart file of ELM: it has no spinup_state or date"
            flag = int(file["spinup_state"][...])
            year = int(file["timemgr_rst_curr_ymd"][...]) // 10000
    except (OSError, RuntimeError) as error:
        return f"{path.name} cannot be read: {error}"
    if flag == 1 and stage != "ad_spinup" and year <= LAST_YEAR_OF_FILLING:
        return (
            f"{path.name} is of accelerated decomposition at the start of year {year}, wanted one "
            f"from after year {LAST_YEAR_OF_FILLING}: before, ELM's exit divides the soil carbon "
            "by about 0. Run the accelerated stage on, or give equilibrium pools with "
            "spinup_state 0"
        )
    return restart_problem(path, flag)


def whole_restart(folder: Path, case: str, spinup_state: int) -> int | None:
    """Year of the restart files that the pointer files name, when both are there and whole."""
    try:
        land = (folder / "rpointer.lnd").read_text().strip().removeprefix("./")
        driver = (folder / "rpointer.drv").read_text().strip().removeprefix("./")
    except OSError:
        return None
    date = re.fullmatch(re.escape(case) + r"\.elm\.r\.(\d{4})-01-01-00000\.nc", land)
    if date is None or driver != restart_name(case, int(date[1]), "cpl"):
        return None
    try:
        refuse_truncated(folder / driver)
    except (OSError, InvalidData):
        return None
    return None if restart_problem(folder / land, spinup_state) else int(date[1])


def run_outcome(
    folder: Path, case: str, end: int, spinup_state: int, old: Collection[str] = ()
) -> Outcome:
    """Judge a run.

    Parameters
    ----------
    folder : Path
        Run directory.
    case : str
    end : int
        Year in whose first instant it was to end.
    spinup_state : int
        Flag of the stage.
    old : collection of str
        Logs that were there before the run was started: their good end is not this run's.
    """
    restart = folder / restart_name(case, end)
    reached = whole_restart(folder, case, spinup_state)
    if not _terminated(folder, old):
        reason = f"no '{TERMINATION}' in cpl.log; {log_tail(folder, old)}"
    elif not restart.is_file():
        reason = f"the model ended well, but there is no {restart.name}; look at STOP_N and REST_N"
    else:
        reason = restart_problem(restart, spinup_state)
    finished = not reason
    return Outcome(finished, reason, restart if finished else None, reached)
