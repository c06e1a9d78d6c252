"""A land model that is one linear map: its equilibrium is known in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from catena.coupler.spin_up.case import Cascade, Cost, Floats, LandCase, Sites, Stretch
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.shared.errors import InvalidData

RATES = np.array([0.5, 0.02, 0.002])
"""Lost of each pool in a year."""
PASSED = np.array([0.5, 0.4])
"""Of the loss of the first and second pool: what the next one receives."""
ACCELERATED = np.array([1.0, 2.0, 20.0])
LAYOUT = PoolLayout(
    (
        Pool("litterc", "gC m-2"),
        Pool("slowc", "gC m-2"),
        Pool("passivec", "gC m-2"),
        Pool("reservec", "gC m-2", signed=True),
    )
)


@dataclass(frozen=True)
class LinearState:
    """Pools (site, 4) and the flag."""

    values: Floats
    spinup_state: int = 0


class LinearLand(LandCase[LinearState]):
    """Litter decays to slow carbon, that to passive carbon.

    Parameters
    ----------
    litter : float64 (site,)
        gC m-2 yr-1.
    """

    model = "linear"
    version = "1"
    layout = LAYOUT
    cycle_years = 10

    def __init__(self, litter: Floats, *, has_cascade: bool = True) -> None:
        self.litter = litter
        self.lat = self.lon = np.zeros(litter.size)
        self.has_cascade = has_cascade
        self.cost = Cost()

    def equilibrium(self) -> Floats:
        """Pools (site, 4) at which nothing changes."""
        first = self.litter / RATES[0]
        second = first * RATES[0] * PASSED[0] / RATES[1]
        third = second * RATES[1] * PASSED[1] / RATES[2]
        return np.stack([first, second, third, np.full_like(first, -1.0)], axis=1)

    def cold_start(self) -> LinearState:
        values = np.zeros((self.sites, 4))
        values[:, 0], values[:, 3] = 1.0, -1.0
        return LinearState(values)

    def run(
        self,
        state: LinearState,
        cycles: int,
        *,
        accelerated: bool = False,
        supplement: bool = False,
    ) -> Stretch[LinearState]:
        bare = not state.values[:, 1:3].any()
        if state.spinup_state != int(accelerated) and not (accelerated and bare):
            raise InvalidData("the state is of the other mode")
        rates = RATES * (ACCELERATED if accelerated else 1.0)
        failed = {
            int(site): "it holds NaN or a negative pool"
            for site in np.flatnonzero(~(state.values[:, :3] >= 0.0).all(axis=1))
        }
        values = state.values.copy()
        values[list(failed)] = np.nan
        nee, carbon = np.empty((2, self.sites, cycles))
        means = np.zeros((self.sites, 3))
        for cycle in range(cycles):
            before = values.sum(axis=1)
            means[...] = 0.0
            for _ in range(self.cycle_years):
                lost = values[:, :3] * np.minimum(rates, 1.0)
                means += values[:, :3] / self.cycle_years
                values[:, :3] -= lost
                values[:, 0] += self.litter
                values[:, 1:3] += lost[:, :2] * PASSED
            nee[:, cycle] = (before - values.sum(axis=1)) / self.cycle_years
            carbon[:, cycle] = values.sum(axis=1)
        self.cost.site_years += self.sites * cycles * self.cycle_years
        return Stretch(
            LinearState(values, int(accelerated)),
            cycles,
            nee,
            carbon,
            {"HR": self.litter + nee[:, -1]},
            values.copy(),
            self._system(means, rates) if self.has_cascade else None,
            failed,
        )

    def _system(self, means: Floats, rates: Floats) -> Cascade:
        matrix = np.repeat(-np.eye(3)[np.newaxis], self.sites, axis=0)
        matrix[:, 1, 0], matrix[:, 2, 1] = PASSED
        losses = np.repeat(np.minimum(rates, 1.0)[np.newaxis] / 365.0, self.sites, axis=0)
        litter = np.zeros((self.sites, 3))
        litter[:, 0] = self.litter / 365.0
        return Cascade(matrix, losses, litter, means, LAYOUT.names[:3])

    def leave_ad(self, state: LinearState) -> LinearState:
        values = state.values.copy()
        values[:, :3] *= ACCELERATED
        return LinearState(values, 0)

    def pools(self, state: LinearState) -> Floats:
        return state.values.copy()

    def with_pools(self, state: LinearState, pools: Floats) -> LinearState:
        values = np.where(np.isnan(pools), state.values, pools)
        if (values[:, :3] < 0.0).any():
            raise InvalidData("a negative pool")
        return replace(state, values=values)

    def known(self) -> Mapping[str, Floats]:
        return {"static": self.litter[:, np.newaxis]}

    def part(self, sites: Sites) -> Self:
        made = type(self)(self.litter[sites], has_cascade=self.has_cascade)
        made.cost = self.cost
        return made

    def take(self, state: LinearState, sites: Sites) -> LinearState:
        return replace(state, values=state.values[sites])

    def put(self, state: LinearState, sites: Sites, part: LinearState) -> LinearState:
        values = state.values.copy()
        values[sites] = part.values
        return replace(state, values=values)

    def about(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version}
