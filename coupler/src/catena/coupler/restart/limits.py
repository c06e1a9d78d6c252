"""Values that no restart file may hold: no numbers, fill values, negative stocks, odd litter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.names import Pool
from catena.coupler.restart.source import FILL
from catena.coupler.restart.subgrid import Subgrid

POOREST, RICHEST = 3000.0, 2.0
"""C:N of litter and debris beyond which nobody can have meant it: dead wood has 500."""
TRACE = 1e-3
"""gC m-2 of litter or debris up to which its ratio says nothing."""


def odd_litter(carbon: NDArray[np.float64], nitrogen: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where litter or debris has a ratio that cannot be, or nitrogen without carbon.

    Parameters
    ----------
    carbon, nitrogen : float64
        g m-2, of one shape.
    """
    poor = (carbon > TRACE) & (nitrogen * POOREST < carbon)
    return np.asarray(poor | (nitrogen * RICHEST > np.maximum(carbon, TRACE)))


def impossible(pool: Pool, values: NDArray[np.float64], subgrid: Subgrid) -> str | None:
    """What is wrong with a pool's values, and where: the first place, and how many there are.

    Parameters
    ----------
    pool : Pool
        Which one.
    values : array (cell, level), (pft,) or (cell,)
        Of the columns and slots that take part.
    subgrid : Subgrid
        For the place in words.

    Returns
    -------
    str or None
        None when every value is possible.
    """
    for wrong, what in (
        (~np.isfinite(values), "a finite number"),
        (np.abs(np.nan_to_num(values)) >= FILL, "a number and no fill value"),
        (np.zeros_like(values, bool) if pool.signed else values < 0, "0 or more"),
    ):
        if wrong.any():
            at = tuple(int(index) for index in np.argwhere(wrong)[0])
            more = int(wrong.sum()) - 1
            return (
                f"{pool.name} is {values[at]:.6g} {pool.units} in {place(pool, at, subgrid)}, "
                f"wanted {what}" + (f" (and so in {more} more places)" if more else "")
            )
    return None


def place(pool: Pool, at: tuple[int, ...], subgrid: Subgrid) -> str:
    """A place in words; levels are counted from 1, from the surface."""
    if pool.place == "pft":
        return subgrid.where_slot(at[0])
    where = subgrid.where_cell(at[0])
    return f"{where}, level {at[1] + 1}" if pool.place == "level" else where
