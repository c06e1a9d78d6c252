"""What equilibrium means: the carbon that sites gain or lose over whole cycles of the forcing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, S, Stretch
from catena.coupler.spin_up.layout import PoolLayout
from catena.shared.errors import InvalidRequest

HARDLY_GROWN = 0.002
"""Part of its carbon from which a gain or loss in a year is that of a site that has hardly grown:
seedlings on bare ground breathe less than the limit, and are no equilibrium. For the usual limit of
NEE; in proportion for a wider one."""
NOTHING = 0.01
"""gC m-2 yr-1 that count as none, as where nothing can grow."""


@dataclass(frozen=True)
class Criterion:
    """When a site passes.

    Parameters
    ----------
    nee : float
        Largest mean NEE of whole cycles, gC m-2 yr-1 (Thornton and Rosenbloom 2005; specs: 1).
    drift : float
        Largest change of any carbon pool, gC m-2 yr-1 of its own area: pools may drift against
        each other while NEE is near 0.
    unfamiliar : float
        Largest distance from what a method has learned, 1 at the edge of it.
    """

    nee: float = 1.0
    drift: float = 3.0
    unfamiliar: float = 1.0

    def __post_init__(self) -> None:
        if not all(limit > 0.0 for limit in (self.nee, self.drift, self.unfamiliar)):
            raise InvalidRequest(
                f"limits of {self.nee} and {self.drift} gC m-2 yr-1 and a distance of "
                f"{self.unfamiliar} came; positive ones were wanted"
            )


@dataclass(frozen=True)
class Judgement:
    """How some sites stand.

    Parameters
    ----------
    nee : float64 (site,)
        Mean of the judged cycles, gC m-2 yr-1; NaN where the run failed.
    drift : float64 (site,)
        Largest change of a carbon pool, gC m-2 yr-1.
    worst : int64 (site,)
        Which pool that is.
    carbon : float64 (site,)
        Mean of all carbon, gC m-2.
    """

    nee: Floats
    drift: Floats
    worst: NDArray[np.int64]
    carbon: Floats

    def hardly_grown(self, criterion: Criterion) -> NDArray[np.bool_]:
        """Sites whose fluxes are small because they are, bool (site,)."""
        most = np.maximum(HARDLY_GROWN * self.carbon, NOTHING)
        return np.asarray(np.abs(self.nee) > most * max(criterion.nee, 1.0))

    def passes(self, criterion: Criterion) -> NDArray[np.bool_]:
        """Which sites are at equilibrium, bool (site,)."""
        calm = (np.abs(self.nee) < criterion.nee) & (self.drift < criterion.drift)
        return calm & ~self.hardly_grown(criterion)

    def where(self, which: NDArray[np.bool_], other: Judgement) -> Judgement:
        """This one, but for some sites another one's numbers."""
        return Judgement(
            np.where(which, other.nee, self.nee),
            np.where(which, other.drift, self.drift),
            np.where(which, other.worst, self.worst),
            np.where(which, other.carbon, self.carbon),
        )

    def why(self, site: int, criterion: Criterion, layout: PoolLayout) -> tuple[str, ...]:
        """What one site fails by, in words; nothing when it passes."""
        made = []
        if not abs(self.nee[site]) < criterion.nee:
            made.append(f"NEE {self.nee[site]:+.3g} gC m-2 yr-1")
        if not self.drift[site] < criterion.drift:
            name = layout.names[int(self.worst[site])]
            made.append(f"{name} drifts by {self.drift[site]:.3g} gC m-2 yr-1")
        if not made and self.hardly_grown(criterion)[site]:
            made.append(
                f"NEE {self.nee[site]:+.3g} gC m-2 yr-1 of {self.carbon[site]:.3g} gC m-2 in all: "
                "it has hardly grown"
            )
        return tuple(made)


def judge(stretch: Stretch[S], before: Floats, years: int, layout: PoolLayout) -> Judgement:
    """Judge a stretch as a whole: all its cycles.

    A site can answer a cycle of weather in a rhythm of several cycles (a tree that leafs out in
    time in some of them only): its single cycles never balance, a stretch of them does.

    Parameters
    ----------
    stretch : Stretch
    before : float64 (site, pool)
        Pools at its beginning.
    years : int
        Its length.
    layout : PoolLayout
    """
    change = np.abs(stretch.pools - before) / years
    stocks = np.array([pool.units == "gC m-2" and not pool.signed for pool in layout.pools])
    known = np.where(stocks & ~np.isnan(change), change, -1.0)
    worst = known.argmax(axis=1)
    drift = known.max(axis=1, initial=0.0)
    nee = stretch.nee.mean(axis=1)
    carbon = stretch.carbon.mean(axis=1)
    return Judgement(nee, np.where(np.isnan(nee), np.nan, drift), worst, carbon)
