"""Replaced pools into whole variables, with the totals that follow and the flag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.totals import (
    column_totals,
    names_of_totals,
    parts_of_totals,
    plant_n_buffer,
)
from catena.shared.errors import InvalidData

if TYPE_CHECKING:
    from catena.coupler.restart.restart import Restart

Floats = NDArray[np.float64]

_CLOSING_BALANCES = {"ENDCB": "totcolc", "ENDNB": "totcoln", "ENDPB": "totcolp"}
"""Balances at the end of the last time step, in files of runs with budgets."""

_MONTHLY = ("TCS_MONTH_BEGIN", "TCS_MONTH_END")
"""Carbon of a grid cell for the monthly balance; fill at the turn of a month."""


def updated(
    restart: Restart,
    given: Mapping[str, Floats],
    spinup_state: int,
    remarks: Iterable[str] = (),
) -> Restart:
    """Replace pools as they are given, recompute the totals, set the flag.

    Parameters
    ----------
    given : mapping
        Pools by name: (cell, level), (pft,) or (cell,).
    spinup_state : {0, 1}
        What the pools' units are.

    Raises
    ------
    InvalidData
        When the file carries carbon isotopes, which would no longer fit.
    """
    for isotope in ("13", "14"):
        if f"leafc_{isotope}" in restart:
            raise InvalidData(
                f"{restart.name} carries carbon-{isotope} (leafc_{isotope}); new pools would leave "
                f"its isotope pools behind: run without use_c{isotope}"
            )
    load_parts(restart)
    changed = {name: restart.scattered(name, values) for name, values in given.items()}
    state = restart.having(changed, remarks)
    totals: dict[str, NDArray[np.generic]] = {
        name: restart.scattered(name, values) for name, values in totals_of(state, restart).items()
    }
    if "totcolc" in totals:
        totals.update(_month(restart, totals["totcolc"]))
    for name, total in _CLOSING_BALANCES.items():
        if name in restart and total in totals:
            totals[name] = totals[total]
    totals["spinup_state"] = np.asarray(spinup_state)
    return state.having(totals)


def totals_of(state: Restart, before: Restart | None = None) -> dict[str, Floats]:
    """Every total that the file has, from its parts: by name, (cell,) or (pft,).

    Parameters
    ----------
    before : Restart, optional
        Where the buffer in ``totcoln`` is taken from; `state` itself by default.
    """
    summed = summed_totals(state)
    found = {name: values for name, values in summed.items() if name in state}
    if "totcoln" in found:
        earlier = state if before is None else before
        parts = summed if before is None else summed_totals(before)
        found["totcoln"] = found["totcoln"] + plant_n_buffer(
            earlier.active("totcoln"), parts["totcoln"]
        )
    return found


def summed_totals(state: Restart) -> dict[str, Floats]:
    """Sums over pools, whether the file has such a total or not, without the buffer of N."""
    load_parts(state)
    found: dict[str, Floats] = {}
    for element in state.elements:
        found.update(
            column_totals(state.active, state.__contains__, state.subgrid, state.thickness, element)
        )
    return found


def load_parts(restart: Restart) -> None:
    """Read pools, totals and their parts in one go."""
    names = [*parts_of_totals(restart.elements), *names_of_totals(restart.elements)]
    restart.load([*restart.available, *(name for name in names if name in restart)])


def _month(restart: Restart, total: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
    """Carbon at the beginning of a month moves along, or the month would seem to have lost it."""
    rows = restart.subgrid.column
    more = restart.subgrid.to_gridcells(np.asarray(total, float)[rows] - restart.active("totcolc"))
    found: dict[str, NDArray[np.generic]] = {}
    for name in _MONTHLY:
        if name in restart:
            stored = np.asarray(restart[name], float)
            found[name] = np.where(stored < 1e30, stored + more, stored)
    return found
