"""New pools into a restart file of ELM: the rules, and what is refused before a file is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.coupler.elm.pool_table import pools_of, untouched
from catena.coupler.elm.stages import LAST_YEAR_OF_FILLING
from catena.coupler.restart import Restart, SpinupFactors, Stoichiometry, check, exit_ad
from catena.coupler.restart.limits import POOREST, RICHEST, odd_litter
from catena.coupler.restart.names import LITTER, MINERAL_P, level_name
from catena.coupler.restart.pools import ACCELERATED
from catena.coupler.spin_up.layout import PoolLayout
from catena.shared.errors import FailedPrecondition, InvalidData

Floats = NDArray[np.float64]


def is_early(restart: Restart) -> bool:
    """Whether ELM cannot leave accelerated decomposition from a file: nobody knows its scaling."""
    return restart.spinup_state == 1 and restart.date.year <= LAST_YEAR_OF_FILLING


def unknown_pools(restart: Restart) -> tuple[str, ...]:
    """Pools that mean something else during acceleration, as the file names them."""
    return (*ACCELERATED, *(MINERAL_P if "p" in restart.elements else ()))


def with_new_pools(
    restart: Restart,
    pools: Floats,
    layout: PoolLayout,
    *,
    leaving: bool,
    stoichiometry: Stoichiometry,
    factors: SpinupFactors,
) -> Restart:
    """Put a table of pools into a template.

    The result carries ``spinup_state`` 0. N and P of soil and tissue follow from C; evergreens
    store nothing and grasses have no wood; totals are summed up anew; water, temperature and
    phenology stay the template's (:meth:`Restart.with_pools`).

    Parameters
    ----------
    restart : Restart
        The template.
    pools : float64 (site, pool)
        NaN leaves what is there.
    layout : PoolLayout
    leaving : bool
        Whether a template of accelerated decomposition may be left. From year 41 on it is left as
        ELM does; before, it is a frame, and no pool of it that is accelerated goes on.
    stoichiometry : Stoichiometry
    factors : SpinupFactors

    Raises
    ------
    FailedPrecondition
        When the template is of accelerated decomposition and not to be left.
    InvalidData
        When a pool is infinite, or negative and must not be; a pool that is accelerated or mineral
        phosphorus is not given everywhere for a template of accelerated decomposition; nothing is
        left of a site; or a run would stumble over the result.
    """
    if restart.spinup_state == 1:
        if not leaving:
            raise FailedPrecondition(
                f"pools came for {restart.name}, a state of accelerated decomposition, whose slow "
                "pools are in other units; leave that first (leave_ad)"
            )
        restart = _left(restart, pools, layout, factors)
    given = pools_of(pools, layout, restart)
    made = restart.with_pools(given, stoichiometry=stoichiometry)
    refused = [
        str(each) for each in check(made, stoichiometry=stoichiometry) if each.action == "refused"
    ]
    refused += _impossible_litter(restart, made)
    if made.spinup_state != 0:
        refused.append(f"spinup_state is {made.spinup_state}")
    if refused:
        raise InvalidData(
            f"the restart file from {restart.name} would be refused: {'; '.join(refused[:4])}"
        )
    whole = made.active("totcolc")
    if not (whole > 0.0).all():
        cell = int(np.argmax(~(whole > 0.0)))
        raise InvalidData(
            f"{made.subgrid.where_cell(cell)} would hold {whole[cell]:g} gC m-2; nothing would be "
            "left that could grow"
        )
    return made


def _impossible_litter(before: Restart, made: Restart) -> list[str]:
    """Litter and debris that were changed to a ratio that cannot be, in words."""
    found = []
    for pool in (*LITTER, "cwd"):
        carbon, nitrogen = (level_name(pool, element) for element in ("c", "n"))
        c, n = (made.active(name) * made.thickness for name in (carbon, nitrogen))
        moved = np.zeros(c.shape, dtype=bool)
        for name in (carbon, nitrogen):
            moved |= np.asarray(made.active(name) != before.active(name))
        odd = np.argwhere(moved & odd_litter(c, n))
        if odd.size:
            cell, level = map(int, odd[0])
            found.append(
                f"{pool} in {made.subgrid.where_cell(cell)}, level {level + 1}, would have "
                f"{c[cell, level]:g} gC and {n[cell, level]:g} gN m-2; C:N from {RICHEST:g} to "
                f"{POOREST:g} was wanted ({len(odd)} such places)"
            )
    return found


def _left(restart: Restart, pools: Floats, layout: PoolLayout, factors: SpinupFactors) -> Restart:
    """The template of a file of accelerated decomposition: out of it, or only its frame."""
    early = is_early(restart)
    mineral = MINERAL_P if "p" in restart.elements else ()
    # Later than that, accelerated pools that are not given are multiplied. Of mineral phosphorus,
    # which was supplied, AD leaves nothing to go by.
    lacking = [
        *untouched(pools, layout, restart, ACCELERATED, partly=not early),
        *untouched(pools, layout, restart, mineral, partly=False),
    ]
    if lacking:
        unknown = (
            f", and before year {LAST_YEAR_OF_FILLING} nobody knows what to multiply them by"
            if early
            else ""
        )
        raise InvalidData(
            f"{restart.name} is of year {restart.date.year} of accelerated decomposition: its "
            f"{', '.join(lacking)} mean nothing outside of it{unknown}; give them for every site, "
            "or take a template that has left it"
        )
    return restart if early else exit_ad(restart, factors=factors)
