"""Whether the model took over what a restart file holds: its first record against the file."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

DEAD_WOOD = 10.0
"""Factor of dead wood on leaving accelerated decomposition (ELM's mortality factor)."""
_COMPARED = {"LEAFC": "leafc", "DEADSTEMC": "deadstemc"}


def hand_over_problem(
    restart: Path, history: Path, spinup_state: int, tolerance: float = 1e-4
) -> str:
    """What differs between a restart file and the first, instantaneous record of the run from it.

    A restart file with equilibrium pools and the flag of accelerated decomposition makes the model
    multiply its pools without an error; this finds it.

    Parameters
    ----------
    restart, history : Path
        The history file of the run's first instant.
    spinup_state : int
        Flag of the run.
    tolerance : float
        Relative.

    Returns
    -------
    str
        Empty when all agrees, or when there is no instantaneous record to compare.
    """
    with netCDF4.Dataset(restart) as old, netCDF4.Dataset(history) as new:
        old.set_auto_mask(False)
        new.set_auto_mask(False)
        bounds = np.asarray(new["time_bounds"][:])
        instants = np.flatnonzero(bounds[:, 0] == bounds[:, 1])
        if not instants.size or "pfts1d_wtxy" not in old.variables:
            return ""
        leaves = int(old["spinup_state"][...]) == 1 and spinup_state == 0
        weights = np.asarray(old["pfts1d_wtxy"][:], np.float64)
        used = weights > 0
        for name, pool in _COMPARED.items():
            if name not in new.variables or pool not in old.variables:
                continue
            held = np.asarray(old[pool][:], np.float64)
            wanted = float((held[used] * weights[used]).sum())
            wanted *= DEAD_WOOD if leaves and name == "DEADSTEMC" else 1.0
            got = float(np.ravel(new[name][instants[0]])[0])
            if abs(got - wanted) > tolerance * max(abs(wanted), 1e-12):
                return (
                    f"{name} is {got:g} in the first record, {wanted:g} gC m-2 was handed over by "
                    f"{restart.name}; does its spinup_state flag tell the truth?"
                )
    return ""
