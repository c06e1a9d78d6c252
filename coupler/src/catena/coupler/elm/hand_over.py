"""Whether the model took over what a restart file holds: its first record against the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from catena.coupler.restart import compare_first_record, read_restart, to_flag


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
        Empty when all agrees, or when the first record is no instant: means over a time differ.

    Raises
    ------
    InvalidData
        When a file is damaged, or when the history holds no pool that could be compared.
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
    return "" if found.ok or found.days > 0 else str(found)
