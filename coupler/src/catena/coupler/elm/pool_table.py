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
        ``soil4c_vr.1`` to ``soil4c_vr.10`` (from the surface, g m-3), ``leafc.PLANT`` (g m-2 of the
        plant's area), ``cannsum_npp``.
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
    name = f"{pool.name}.{part}" if part else pool.name
    return Pool(name, pool.units, pft, pool.signed)


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
    for n, pool in enumerate(layout.pools):
        name, _, part = pool.name.partition(".")
        if name not in restart.available:
            continue
        values = restart.active(name)
        if pool.pft >= 0:
            mine = subgrid.pft_type == pool.pft
            made[subgrid.cell[mine], n] = values[mine]
        else:
            made[:, n] = values[:, int(part) - 1] if part else values
    return made


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
        When the table has another shape; holds infinity; leaves some levels of a soil column and
        gives others; or gives a pool or plant that the file has not.
    """
    subgrid = restart.subgrid
    wanted = (subgrid.column.size, len(layout.pools))
    if table.shape != wanted:
        raise InvalidData(
            f"the table of pools has shape {table.shape}, {restart.name} wants {wanted}: a row for "
            "each column with biogeochemistry"
        )
    given = ~np.isnan(table)
    _refuse_torn_columns(given, layout)
    made: dict[str, Floats] = {}
    for n, pool in enumerate(layout.pools):
        rows = np.flatnonzero(given[:, n])
        if not rows.size:
            continue
        name, _, part = pool.name.partition(".")
        if name not in restart.available:
            raise InvalidData(
                f"{pool.name} is given, {restart.name} has no {name}: its run has no such pool"
            )
        values = made.setdefault(name, np.array(restart.active(name)))
        if pool.pft >= 0:
            for row in rows:
                slot = np.flatnonzero((subgrid.cell == row) & (subgrid.pft_type == pool.pft))
                if not slot.size:
                    raise InvalidData(
                        f"{pool.name} is given in {subgrid.where_cell(int(row))}, where "
                        f"{restart.name} has no such plant"
                    )
                values[slot] = table[row, n]
        elif part:
            values[rows, int(part) - 1] = table[rows, n]
        else:
            values[rows] = table[rows, n]
    places = {"level": ("cell", "level"), "pft": ("pft",), "cell": ("cell",)}
    return xr.Dataset({name: (places[POOLS[name].place], values) for name, values in made.items()})


def untouched(
    table: Floats, layout: PoolLayout, restart: Restart, names: Sequence[str]
) -> list[str]:
    """Of some pools of a restart file, those that a table does not give wherever they are."""
    subgrid = restart.subgrid
    given = ~np.isnan(table)
    lacking = []
    for name in names:
        columns = [n for n, pool in enumerate(layout.pools) if pool.name.partition(".")[0] == name]
        wanted = np.zeros_like(given)
        for n in columns:
            kind = layout.pools[n].pft
            rows = subgrid.cell[subgrid.pft_type == kind] if kind >= 0 else slice(None)
            wanted[rows, n] = True
        if not wanted.any() or not given[wanted].all():
            lacking.append(name)
    return lacking


def _refuse_torn_columns(given: NDArray[np.bool_], layout: PoolLayout) -> None:
    levels: dict[str, list[int]] = {}
    for n, pool in enumerate(layout.pools):
        name, _, part = pool.name.partition(".")
        if pool.pft < 0 and part:
            levels.setdefault(name, []).append(n)
    for name, columns in levels.items():
        some = given[:, columns]
        torn = some.any(axis=1) & ~some.all(axis=1)
        if torn.any():
            site = int(np.argmax(torn))
            raise InvalidData(
                f"{name} of site {site} is NaN in {int((~some[site]).sum())} of {len(columns)} "
                "levels; give all levels of a pool, or none to leave what the restart file has"
            )
