"""Slow pools as their mean over the last forcing cycle.

Accelerated pools follow the weather of single years. Before a run leaves accelerated decomposition,
the Offline Land Model Testbed (OLMT, ``adjust_restart.py``) therefore replaces what stands in the
restart file at one moment by the mean over the last cycle of the forcing: dead stem, dead coarse
root, coarse woody debris, soil3 and soil4, each with C, N and P.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catena.coupler.restart.acceleration import SCALAR_FROM_YEAR
from catena.coupler.restart.dates import DAYS_PER_YEAR, day_of
from catena.coupler.restart.history import History
from catena.coupler.restart.limits import impossible
from catena.coupler.restart.names import DEAD_WOOD, POOLS, level_name, plant_name
from catena.coupler.restart.restart import Restart
from catena.coupler.restart.updating import updated
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

SLOW = ("cwd", "soil3", "soil4")


def with_cycle_means(restart: Restart, histories: Iterable[Path], cycle_years: int) -> Restart:
    """Replace slow pools by their mean over the forcing cycle that ends at the restart.

    Parameters
    ----------
    restart : Restart
        End of the stage.
    histories : iterable of Path
        Its history files, in any order; others than those of the cycle are passed over. Per level
        (``SOIL4C_vr``) or per column (``SOIL4C``): then the profile keeps its shape. On grid cells
        or, written without ``hist_dov2xy``, on columns and PFTs. N and P that are not in the files
        keep their ratio to carbon.
    cycle_years : int
        Length of the forcing cycle, years.

    Returns
    -------
    Restart
        In the same units, with the same ``spinup_state``.

    Raises
    ------
    InvalidData
        When records of the cycle are missing or doubled; carbon of a slow pool is not in the files;
        or the cycle reaches back before year 40 of accelerated decomposition, where pools had
        another meaning.
    """
    end = day_of(restart.date, restart.name)
    begin = end - cycle_years * DAYS_PER_YEAR
    if restart.spinup_state == 1 and begin < SCALAR_FROM_YEAR * DAYS_PER_YEAR:
        raise InvalidData(
            f"a cycle of {cycle_years} years before {restart.date.strftime('%Y-%m-%d')} begins "
            f"before year {SCALAR_FROM_YEAR}, when accelerated pools change their meaning; run on "
            f"until year {SCALAR_FROM_YEAR + cycle_years}"
        )
    files = _of_cycle(histories, begin, end, cycle_years)
    given: dict[str, Floats] = {}
    for pool in SLOW:
        _replace_levels(restart, files, pool, given)
    for organ in DEAD_WOOD:
        _replace_plants(restart, files, organ, given)
    for name, values in given.items():
        wrong = impossible(POOLS[name], values, restart.subgrid)
        if wrong:
            raise InvalidData(f"mean over the cycle for {restart.name}: {wrong}")
    remark = f"slow pools are means over the {cycle_years} years that end at the restart"
    return updated(restart, given, restart.spinup_state, [remark])


class _Files:
    """History files with the records that belong to the cycle."""

    def __init__(self, parts: list[tuple[History, NDArray[np.bool_]]]) -> None:
        self.parts = parts

    def __contains__(self, name: str) -> bool:
        return all(name in file for file, _ in self.parts)

    def mean(self, name: str, restart: Restart) -> tuple[str, Floats]:
        """Where the values belong, and their mean weighted by the length of the records."""
        summed, days, place = np.zeros(1), 0.0, ""
        for file, inside in self.parts:
            records = file.read(name, restart)
            lengths = file.days[inside]
            summed = summed + np.tensordot(lengths, records.values[inside], axes=1)
            days += lengths.sum()
            place = records.place
        mean: Floats = summed / days
        return place, mean


def _of_cycle(histories: Iterable[Path], begin: float, end: float, cycle_years: int) -> _Files:
    parts = []
    spans: list[tuple[float, float]] = []
    for path in histories:
        file = History(path)
        # A record of one moment (the first of a run) has no part in a mean.
        inside = (
            (file.bounds[:, 0] >= begin - 1e-3)
            & (file.bounds[:, 1] <= end + 1e-3)
            & (file.days > 0)
        )
        if inside.any():
            parts.append((file, inside))
            spans += [(float(a), float(b)) for a, b in file.bounds[inside]]
    at = begin
    for first, last in sorted(spans):
        if abs(first - at) > 1e-3:
            what = "overlap" if first < at else "have a gap"
            raise InvalidData(
                f"the records of the last {cycle_years} years {what} at day "
                f"{min(first, at) - begin:g} to {max(first, at) - begin:g} of the cycle; give "
                "every history file of the cycle once"
            )
        at = last
    if abs(at - end) > 1e-3:
        raise InvalidData(
            f"the histories cover {(at - begin) / DAYS_PER_YEAR:g} of the last {cycle_years} years "
            "before the restart; give the history files of the whole forcing cycle"
        )
    return _Files(parts)


def _replace_levels(
    restart: Restart,
    files: _Files,
    pool: str,
    given: dict[str, Floats],
) -> None:
    scale: Floats | None = None
    for element in restart.elements:
        name, shown = level_name(pool, element), f"{pool}{element}".upper()
        now = restart.active(name)
        if f"{shown}_vr" in files:
            place, mean = files.mean(f"{shown}_vr", restart)
            given[name] = _share_cells(restart, place, mean[:, : restart.nlevdecomp], now)
        elif shown in files:
            place, mean = files.mean(shown, restart)
            column = now @ restart.thickness
            wanted = _share_cells(restart, place, mean, column)
            given[name] = now * _quotient(wanted, column)[:, None]
        elif scale is not None:
            given[name] = now * scale
        else:
            raise _absent(shown)
        if element == "c":
            scale = _quotient(given[name], now)


def _replace_plants(
    restart: Restart,
    files: _Files,
    organ: str,
    given: dict[str, Floats],
) -> None:
    scale: Floats | None = None
    for element in restart.elements:
        name, shown = plant_name(organ, element), f"{organ}{element}".upper()
        now = restart.active(name)
        if shown in files:
            place, mean = files.mean(shown, restart)
            given[name] = _share_plants(restart, place, mean, now)
        elif scale is not None:
            given[name] = now * scale
        elif organ == "deadcroot" and "deadstemc" in given:
            # Both grow by the same allocation and die by the same mortality.
            stem = restart.active("deadstemc")
            given[name] = now * _quotient(given["deadstemc"], stem)
        else:
            raise _absent(shown)
        if element == "c":
            scale = _quotient(given[name], now)


def _share_cells(restart: Restart, place: str, mean: Floats, now: Floats) -> Floats:
    """A mean of grid cells to their columns in proportion to what these have."""
    if place == "column":
        return mean[restart.subgrid.column]
    whole = restart.subgrid.to_gridcells(now)
    return now * _quotient(mean, whole)[restart.subgrid.gridcell]


def _share_plants(restart: Restart, place: str, mean: Floats, now: Floats) -> Floats:
    """A mean of grid cells to their PFTs in proportion to what these have."""
    if place == "pft":
        return mean[restart.subgrid.slot]
    cells = restart.subgrid.to_cells(now)
    share = _quotient(_share_cells(restart, place, mean, cells), cells)
    return now * share[restart.subgrid.cell]


def _quotient(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _absent(name: str) -> InvalidData:
    return InvalidData(
        f"{name} is not in every history file of the cycle; add it (or {name}_vr) to hist_fincl1"
    )
