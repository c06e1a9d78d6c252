"""Semi-analytic spin-up: the steady state of the slow pools, solved, a few times over.

Source: Xia et al. (2012), Geosci. Model Dev. 5, 1259; Lu et al. (2020) for CLM5, whose matrix holds
the plants too. Here a case says which pools are in its matrix; all others follow in the cycles that
are run between two solutions. A pool at the end of a cycle differs from its mean by the season and
by its trend; the season stays, so that a model at equilibrium is left where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Cascade, Floats, LandCase, S, Stretch
from catena.coupler.spin_up.layout import PoolLayout
from catena.coupler.spin_up.native import accelerated, whole_cycles
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet
from catena.shared.errors import InvalidRequest

LEAST_CARBON = 50.0
"""gC m-2 that the steady state of a soil holds, debts of plants taken off: with less nothing grows
there, and a state of less is none that a run can begin from."""


def steady_state(cascade: Cascade) -> Floats:
    """Pools at which inflow and outflow agree, ``-(A K)^-1 u``.

    Parameters
    ----------
    cascade : Cascade

    Returns
    -------
    float64 (site, pool)
        NaN for pools that a site has not, and for all of a site in which one loses nothing.
    """
    absent = np.isnan(cascade.losses) | np.isnan(cascade.litter)
    losses = np.where(absent, 1.0, cascade.losses)
    litter = np.where(absent, 0.0, cascade.litter)
    stuck = np.asarray((losses <= 0.0).any(axis=1))
    losses[stuck] = 1.0
    system = cascade.matrix * losses[:, np.newaxis, :]
    made = -np.linalg.solve(system, litter[..., np.newaxis])[..., 0]
    return np.where(absent | stuck[:, np.newaxis], np.nan, made)


def steady_pools(stretch: Stretch[S], layout: PoolLayout, cycle_years: int) -> Floats:
    """Pools after a stretch, its slow ones at the steady state of its last cycle.

    Parameters
    ----------
    stretch : Stretch
        With a cascade.
    layout : PoolLayout
    cycle_years : int

    Returns
    -------
    float64 (site, pool)
        For :meth:`LandCase.with_pools`: NaN for what stays or follows. All of a site stays where
        next to nothing fell in the cycle: what dies loses its soil by itself.
    """
    if stretch.cascade is None:
        raise InvalidRequest("the stretch came without the matrix of its decomposition")
    cascade = stretch.cascade
    at = layout.at(cascade.pools)
    days = cycle_years * 365.0
    lost = cascade.losses * cascade.means
    inflow = cascade.litter + lost + (cascade.matrix @ np.nan_to_num(lost)[..., np.newaxis])[..., 0]
    kept = np.exp(-cascade.losses * days)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Under this inflow a pool comes back to one value after each cycle: what is off by d is off
        # by kept * d a cycle later. Under the inflow of the steady state it is in proportion.
        returning = stretch.pools[:, at] + (inflow - lost) * days * kept / (1.0 - kept)
        slow = returning * steady_state(cascade) / (inflow / cascade.losses)
    slow[~((slow > 0.0) & np.isfinite(slow))] = np.nan
    made = np.full(stretch.pools.shape, np.nan)
    made[:, at] = slow
    made[~can_live(made, stretch.pools, layout)] = np.nan
    return made


def can_live(solved: Floats, pools: Floats, layout: PoolLayout) -> NDArray[np.bool_]:
    """Sites that hold :data:`LEAST_CARBON` with other pools, bool (site,).

    Parameters
    ----------
    solved : float64 (site, pool)
        NaN for pools that stay.
    pools : float64 (site, pool)
    layout : PoolLayout
    """
    soil = np.array([pool.pft < 0 and pool.units == "gC m-2" for pool in layout.pools])
    debts = np.array([pool.units == "gC m-2" and pool.signed for pool in layout.pools])
    left = np.where(np.isnan(solved), pools, solved)
    whole = np.nansum(left[:, soil], axis=1) + np.nansum(np.minimum(left[:, debts], 0.0), axis=1)
    return np.asarray(whole >= LEAST_CARBON)


@dataclass(frozen=True)
class Sasu(SpinUp):
    """The analytic steady state.

    Parameters
    ----------
    start_years : int
        Accelerated, from bare ground, to have plants and litter; rounded up to whole cycles.
    rounds : int
        How often a cycle is run and the steady state of it is taken.
    settle_years : int
        As it is at the end, in which all other pools follow; rounded up to whole cycles.
    """

    name: ClassVar[str] = "sasu"
    needs_cascade: ClassVar[bool] = True
    start_years: int = 30
    rounds: int = 15
    settle_years: int = 10

    def __post_init__(self) -> None:
        if self.start_years < 1 or self.rounds < 1 or self.settle_years < 0:
            raise InvalidRequest(
                f"{self.start_years} years to start, {self.rounds} rounds and {self.settle_years} "
                "years to settle came; 1, 1 and 0 or more were wanted"
            )

    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        """Bring all sites to equilibrium."""
        self.require(case)
        progress(0.0, "plants grow")
        state = case.leave_ad(accelerated(case, self.start_years))
        cycles = max(whole_cycles(case, self.start_years), 1)
        for n in range(self.rounds):
            progress((n + 1) / (self.rounds + 2), f"steady state {n + 1} of {self.rounds}")
            stretch = case.run(state, 1)
            state = case.with_pools(
                stretch.state, steady_pools(stretch, case.layout, case.cycle_years)
            )
            cycles += 1
        settle = whole_cycles(case, self.settle_years)
        if settle:
            state = case.run(state, settle).state
            cycles += settle
        progress(1.0, "done")
        return SpunUp(state, np.full(case.sites, float(cycles * case.cycle_years)))
