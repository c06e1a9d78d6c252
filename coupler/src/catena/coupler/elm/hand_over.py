"""Whether the model took over what a restart file holds: its first record against the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from catena.coupler.elm.history import history_files
from catena.coupler.elm.stages import StageRun
from catena.coupler.restart import compare_first_record, read_restart, to_flag
from catena.shared.errors import InvalidData


def hand_over_problem(restart: Path, history: Path, spinup_state: int) -> str:
    """What differs between a restart file and the first record of the run that began from it.

    A restart file with equilibrium pools and the flag of accelerated decomposition makes the model
    multiply its pools without an error; this finds it.

    Parameters
    ----------
    restart, history : Path
        The history file of the run's first instant.
    spinup_state : {0, 1}
        Flag of the run; a file of the other flag is brought to it as ELM does on reading.

    Returns
    -------
    str
        Empty when all agrees.

    Raises
    ------
    InvalidData
        When a file is damaged, or when the history holds nothing that could be compared: no pool,
        or a first record that is no instant.
    """
    restart_file = read_restart(restart)
    written = to_flag(restart_file, 1 if spinup_state else 0)
    found = compare_first_record(history, written)
    if written is not restart_file:
        # On leaving accelerated decomposition ELM begins phosphorus from its surface data.
        others = tuple(
            each for each in found.differing if not each.name.removesuffix("_vr").endswith("P")
        )
        found = replace(found, differing=others)
    if found.days > 0:
        raise InvalidData(f"the first record is a mean over {found.days:g} days")
    return "" if found.ok else str(found)


def hand_over_told(restart: Path, folder: Path, stage: StageRun) -> str:
    """Compare the first record of a run with the restart file that it began from.

    Returns
    -------
    str
        What to keep about it; empty where there is no history yet.

    Raises
    ------
    InvalidData
        When the model did not begin with what was handed over.
    """
    files = history_files(folder, stage.case)
    if not files:
        return ""
    try:
        problem = hand_over_problem(restart, files[0], stage.spinup_state)
    except InvalidData as error:
        # As when no pool is in the history: nothing speaks against the run.
        return f"not compared: {error}"
    if problem:
        raise InvalidData(f"{stage.case}: {problem}")
    return "agrees with the first record"
