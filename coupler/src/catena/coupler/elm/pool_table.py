"""Pools of ELM's restart files as a table: one row a site, one column a pool, level and plant.

Only what is free has a column. Nitrogen and phosphorus of soil organic matter and of plant tissue
follow from carbon, and ``sminn_vr`` from nitrate and ammonium.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart import POOLS, Restart
from catena.coupler.restart import Pool as RestartPool
from catena.coupler.restart.names import ELEMENTS, ORGANS, PARTS, SOIL, level_name, plant_name
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.shared.errors import InvalidData

Floats = NDArray[np.float64]

LEVELS = 10
"""Levels with decomposition."""
FOLLOWING = frozenset(
    [level_name(pool, element) for pool in SOIL for element in ELEMENTS[1:]]
    + [plant_name(o, element, p) for o in ORGANS for element in ELEMENTS[1:] for p in PARTS]
    + ["sminn_vr"]
)
"""Pools that follow from others."""


def elm_layout(pfts: Sequence[tuple[int, str]], *, phosphorus: bool) -> PoolLayout:
    """Columns for a case of ELM.

    Parameters
    ----------
    pfts : sequence of (int, str)
        Index and name of the plants that grow somewhere in the case; bare ground has no pools.
    phosphorus : bool
        Whether the model has it.

    Returns
    -------
    PoolLayout
        ``soil4c.1`` to ``soil4c.10`` (levels from the surface, g m-2 in each), ``leafc.PLANT``
        (g m-2 of the plant's area), ``cannsum_npp``.
    """
    columns: list[Pool] = []
    for pool in POOLS.values():
        if pool.name in FOLLOWING or (_is_of_phosphorus(pool) and not phosphorus):
            continue
        if pool.place == "pft":
            columns += [_column(pool, name, index) for index, name in pfts if index > 0]
        elif pool.place == "level":
            columns += [_column(pool, str(level + 1)) for level in range(LEVELS)]
        else:
            columns.append(_column(pool))
    return PoolLayout(tuple(columns))


def _column(pool: RestartPool, part: str = "", pft: int = -1) -> Pool:
    stem = pool.name.removesuffix("_vr")
    return Pool(
        f"{stem}.{part}" if part else stem, pool.units.replace("m-3", "m-2"), pft, pool.signed
    )


def names_in_file(layout: PoolLayout) -> list[str]:
    """Name in the restart file of each column's pool: ``soil4c_vr``, ``leafc``."""
    stems = (pool.name.partition(".")[0] for pool in layout.pools)
    return [f"{stem}_vr" if f"{stem}_vr" in POOLS else stem for stem in stems]


def _is_of_phosphorus(pool: RestartPool) -> bool:
    return pool.element == "p" or pool.name == "annmax_retransp"


def table_of(restart: Restart, layout: PoolLayout) -> Floats:
    """Pools of a restart file, float64 (site, pool).

    Returns
    -------
    array
        NaN where a site has not the plant, or the file not the pool. In the file's own units: those
        of accelerated decomposition where its ``spinup_state`` is 1.
    """
    restart.load(restart.available)
    subgrid = restart.subgrid
    made = np.full((subgrid.column.size, len(layout.pools)), np.nan)
    for n, (pool, name) in enumerate(zip(layout.pools, names_in_file(layout), strict=True)):
        if name not in restart.available:
            continue
        values = restart.active(name)
        if pool.pft >= 0:
            mine = subgrid.pft_type == pool.pft
            made[subgrid.cell[mine], n] = values[mine]
        elif POOLS[name].place == "level":
            level = _level(pool)
            made[:, n] = values[:, level] * restart.thickness[level]
        else:
            made[:, n] = values
    return made


def _level(pool: Pool) -> int:
    """Of a column's name, from 0."""
    return int(pool.name.rpartition(".")[2]) - 1


def pools_of(table: Floats, layout: PoolLayout, restart: Restart) -> xr.Dataset:
    """What a table replaces in a restart file, for :meth:`Restart.with_pools`.

    Parameters
    ----------
    table : float64 (site, pool)
        NaN leaves what the file has.
    layout : PoolLayout
    restart : Restart
        The template. It gives what the table leaves.

    Raises
    ------
    InvalidData
        When the table has another shape, or gives a pool or plant that the file has not.
    """
    subgrid = restart.subgrid
    wanted = (subgrid.column.size, len(layout.pools))
    if table.shape != wanted:
        raise InvalidData(
            f"the table of pools has shape {table.shape}, {restart.name} wants {wanted}: a row for "
            "each column with biogeochemistry"
        )
    given = ~np.isnan(table)
    restart.load(restart.available)
    made: dict[str, Floats] = {}
    for n, (pool, name) in enumerate(zip(layout.pools, names_in_file(layout), strict=True)):
        rows = np.flatnonzero(given[:, n])
        if not rows.size:
            continue
        if name not in restart.available:
            raise InvalidData(
                f"{pool.name} is given, {restart.name} has no {name}: its run has no such pool"
            )
        if name not in made:
            made[name] = np.array(restart.active(name))
        values = made[name]
        if pool.pft >= 0:
            for row in rows:
                slot = np.flatnonzero((subgrid.cell == row) & (subgrid.pft_type == pool.pft))
                if not slot.size:
                    raise InvalidData(
                        f"{pool.name} is given in {subgrid.where_cell(int(row))}, where "
                        f"{restart.name} has no such plant"
                    )
                values[slot] = table[row, n]
        elif POOLS[name].place == "level":
            level = _level(pool)
            values[rows, level] = table[rows, n] / restart.thickness[level]
        else:
            values[rows] = table[rows, n]
    places = {"level": ("cell", "level"), "pft": ("pft",), "cell": ("cell",)}
    return xr.Dataset({name: (places[POOLS[name].place], values) for name, values in made.items()})


def untouched(
    table: Floats, layout: PoolLayout, restart: Restart, names: Sequence[str], *, partly: bool
) -> list[str]:
    """Of some pools of a restart file, those that a table does not give everywhere they are.

    Parameters
    ----------
    table : float64 (site, pool)
    layout : PoolLayout
    restart : Restart
    names : sequence of str
        As in the restart file.
    partly : bool
        Only those that are given in some place and not in others.
    """
    subgrid, stems = restart.subgrid, np.array(names_in_file(layout))
    given = ~np.isnan(table)
    lacking = []
    for name in names:
        wanted = np.zeros_like(given)
        for n in np.flatnonzero(stems == name):
            kind = layout.pools[n].pft
            rows = subgrid.cell[subgrid.pft_type == kind] if kind >= 0 else slice(None)
            wanted[rows, n] = True
        whole = bool(wanted.any() and given[wanted].all())
        if not whole and not (partly and not given[wanted].any()):
            lacking.append(name)
    return lacking
