"""Analytic solutions one after the other, accelerated: how a check mends a site that is near.

The steady state of the slow pools under the litter of a cycle is a map of these pools to better
ones. Where nitrogen limits growth the map comes closer by a third of what is missing only: pools
that are too small mineralise too little, and the litter that they are solved for is too little too.
So solutions of a site are mixed with those before (Anderson, :func:`.anderson.mixed`).
"""

from __future__ import annotations

import numpy as np

from catena.coupler.spin_up.anderson import mixed
from catena.coupler.spin_up.case import Floats, S, Sites, Stretch
from catena.coupler.spin_up.layout import PoolLayout
from catena.coupler.spin_up.sasu import can_live, steady_pools

DEPTH = 2
"""Solutions before the last one that are looked at."""
LARGEST = 0.3
"""Largest change of a pool's logarithm beyond the solution itself."""
GAINS, LOSSES = ("NFIX_TO_SMINN", "NDEP_TO_SMINN"), ("DENIT", "SMINN_LEACHED")
OF_BALANCE = 0.04
"""Weight of the squared balance of nitrogen beside that of the slow pools, which is 1 in all: a
site that loses a tenth less nitrogen than it gets has slow pools that are some 2 % too small."""
SMALLEST = 1e-6
"""g m-2; smaller pools are solved, but not mixed: their logarithms are noise."""


class Polisher:
    """Solutions of some sites, each with what it knows of those before.

    Parameters
    ----------
    sites : int
        Of all.
    layout : PoolLayout
    """

    def __init__(self, sites: int, layout: PoolLayout) -> None:
        self._layout = layout
        # One column more than pools: the balance of nitrogen.
        shape = (sites, len(layout.pools) + 1)
        # Of the last solution: what its cycle began with, and how far the solution was from it.
        self._begun, self._missed = np.full((2, *shape), np.nan)
        # Differences from one solution to the next; 0 is of no effect.
        self._moves, self._changes = np.zeros((2, sites, DEPTH, shape[1]))

    def pools(self, run: Stretch[S], before: Floats, cycle_years: int, sites: Sites) -> Floats:
        """Better slow pools of some sites, float64 (some, pool); NaN for what stays or follows.

        Parameters
        ----------
        run : Stretch
            A cycle of these sites, with its matrix.
        before : float64 (some, pool)
            Pools at its beginning.
        cycle_years : int
        sites : int64 (some,)
            Which of all sites these are.
        """
        steady = steady_pools(run, self._layout, cycle_years)
        balance = _balance(run)[:, np.newaxis]
        # Nothing is solved for the balance: it is what it was, and has to come to 0.
        x = np.concatenate([_logarithms(before), -balance], axis=1)
        g = np.concatenate([_logarithms(steady), np.zeros_like(balance)], axis=1)
        usable = np.isfinite(g) & np.isfinite(x)
        f = np.where(usable, g - x, np.nan)
        moves = np.roll(self._moves[sites], 1, axis=1)
        changes = np.roll(self._changes[sites], 1, axis=1)
        moves[:, 0] = np.nan_to_num(x - self._begun[sites])
        changes[:, 0] = np.nan_to_num(f - self._missed[sites])
        self._moves[sites], self._changes[sites] = moves, changes
        self._begun[sites], self._missed[sites] = x, f
        stocks = np.where(usable[:, :-1], steady, 0.0)
        total = stocks.sum(axis=1, keepdims=True)
        weights = np.divide(stocks, total, out=np.zeros_like(stocks), where=total > 0.0)
        weights = np.concatenate([weights, np.full_like(balance, OF_BALANCE)], axis=1)
        guess = mixed(np.nan_to_num(g), np.nan_to_num(f), moves, changes, weights)[:, :-1]
        g = g[:, :-1]
        guess = np.clip(guess, g - LARGEST, g + LARGEST)
        made = np.where(usable[:, :-1], np.exp(guess), steady)
        poor = ~can_live(made, run.pools, self._layout)
        made[poor] = steady[poor]
        return made


def _balance(run: Stretch[S]) -> Floats:
    """Log of the nitrogen that came over what was lost, (site,); 0 where the model does not say."""
    if not set(GAINS + LOSSES) <= set(run.means):
        return np.zeros(len(run.pools))
    gained, lost = (sum(run.means[name] for name in names) for names in (GAINS, LOSSES))
    known = (gained > 0.0) & (lost > 0.0)
    ratio = np.divide(gained, lost, out=np.ones(len(run.pools)), where=known)
    return np.clip(np.log(ratio), -1.0, 1.0)


def _logarithms(pools: Floats) -> Floats:
    """NaN for pools that are too small, and for those that are not there."""
    known = np.nan_to_num(pools) > SMALLEST
    return np.where(known, np.log(np.where(known, pools, 1.0)), np.nan)
