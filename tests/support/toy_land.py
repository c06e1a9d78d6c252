"""A land model in closed form: each pool relaxes to an equilibrium that is a formula.

Two plants, of which a site has one. Accelerated decomposition makes ``soil4c`` ten times as fast
and a tenth as large, as in ELM.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Cost, LandCase, Stretch
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.shared.errors import FailedPrecondition, InvalidData

Floats = NDArray[np.float64]

OAK, GRASS = 7, 13
POOLS = (
    Pool("litr1c", "gC m-2"),
    Pool("soil4c", "gC m-2"),
    Pool("litr1n", "gN m-2"),
    Pool("leafc.oak", "gC m-2", OAK),
    Pool("cpool.oak", "gC m-2", OAK, signed=True),
    Pool("leafc.grass", "gC m-2", GRASS),
)
RATES = np.array([1.0, 0.002, 1.0, 0.3, 0.3, 0.5])
"""yr-1."""
SLOW, FACTOR = 1, 10.0


@dataclass(frozen=True)
class ToyState:
    """Pools (site, pool) and ELM's flag."""

    values: Floats
    spinup_state: int = 0


@dataclass
class ToyLand(LandCase[ToyState]):
    """Sites with a warmth, a parameter and one plant each.

    Parameters
    ----------
    lat, lon, warmth, rate : float64 (site,)
    oak : bool (site,)
    failing : tuple of int
        Sites whose runs fail.
    """

    lat: Floats
    lon: Floats
    warmth: Floats
    rate: Floats
    oak: NDArray[np.bool_]
    failing: tuple[int, ...] = ()
    model: str = "toy"
    version: str = "1"
    cycle_years: int = 10
    has_cascade: bool = False
    pools_of_plants: tuple[str, ...] = ("oak", "grass")
    cost: Cost = field(default_factory=Cost)
    runs: list[tuple[int, bool, bool]] = field(default_factory=list)
    """Cycles, accelerated, supplied with nitrogen, of each run."""

    @classmethod
    def drawn(cls, sites: int, seed: int = 0, **changes: Any) -> ToyLand:
        """Sites of a region, each under its own parameter."""
        rng = np.random.default_rng(seed)
        lat, lon = rng.uniform(25.0, 49.0, sites), rng.uniform(-104.0, -66.0, sites)
        return cls(
            lat, lon, 45.0 - lat + rng.normal(0.0, 2.0, sites), rng.uniform(0.5, 2.0, sites),
            rng.random(sites) < 0.5, **changes,
        )  # fmt: skip

    @property
    def layout(self) -> PoolLayout:  # type: ignore[override]
        return PoolLayout(
            tuple(p for p in POOLS if p.pft < 0 or p.name.partition(".")[2] in self.pools_of_plants)
        )

    @property
    def columns(self) -> NDArray[np.int64]:
        return PoolLayout(POOLS).at(self.layout.names)

    def equilibrium(self) -> Floats:
        """The formula, (site, pool); NaN for the plant that a site lacks."""
        g = np.exp(0.05 * self.warmth)
        made = np.stack(
            [
                300.0 * g, 8000.0 * g / self.rate, 300.0 * g / (40.0 + self.warmth),
                200.0 * g * self.rate, 20.0 * (self.rate - 1.0), 80.0 * g,
            ],
            axis=1,
        )  # fmt: skip
        made[~self.oak, 3:5] = np.nan
        made[self.oak, 5] = np.nan
        return made[:, self.columns]

    def cold_start(self) -> ToyState:
        return ToyState(self.equilibrium() * 0.0)

    def run(
        self,
        state: ToyState,
        cycles: int,
        *,
        accelerated: bool = False,
        supplement: bool = False,
    ) -> Stretch[ToyState]:
        if state.spinup_state != int(accelerated) and np.nansum(np.abs(state.values)) > 0.0:
            raise FailedPrecondition("a state of the other mode")
        self.runs.append((cycles, accelerated, supplement))
        self.cost.site_years += cycles * self.cycle_years * self.sites
        goal, rates = self.equilibrium(), RATES[self.columns].copy()
        if accelerated:
            rates[SLOW] *= FACTOR
            goal[:, SLOW] /= FACTOR
        goal *= 1.1 if supplement else 1.0
        values, nee, carbon = state.values, [], []
        for _ in range(cycles):
            after = goal + (values - goal) * np.exp(-rates * self.cycle_years)
            grams = [n for n, pool in enumerate(self.layout.pools) if pool.units == "gC m-2"]
            nee.append(-np.nansum((after - values)[:, grams], axis=1) / self.cycle_years)
            carbon.append(np.nansum(after[:, grams], axis=1))
            values = after
        values = values.copy()
        values[list(self.failing)] = np.nan
        production = 1000.0 * np.exp(0.05 * self.warmth) * (1.1 if supplement else 1.0)
        production[list(self.failing)] = np.nan
        ended = ToyState(values, int(accelerated))
        return Stretch(
            ended,
            cycles,
            np.stack(nee, axis=1),
            np.stack(carbon, axis=1),
            {"GPP": production, "NEE": nee[-1]},
            self.pools(ended),
            failed=dict.fromkeys(self.failing, "it was to fail"),
        )

    def leave_ad(self, state: ToyState) -> ToyState:
        if state.spinup_state != 1:
            raise FailedPrecondition("not in accelerated decomposition")
        values = state.values.copy()
        values[:, SLOW] *= FACTOR
        return ToyState(values, 0)

    def pools(self, state: ToyState) -> Floats:
        return state.values.copy()

    def with_pools(self, state: ToyState, pools: Floats) -> ToyState:
        if state.spinup_state != 0:
            raise FailedPrecondition("pools for a state of accelerated decomposition")
        alive = np.nansum(state.values, axis=1) != 0.0
        alive |= np.isfinite(state.values).any(axis=1)
        given = ~np.isnan(pools) & ~np.isnan(state.values)
        signed = np.array([pool.signed for pool in self.layout.pools])
        if np.isinf(pools[given]).any() or (given & (pools < 0.0) & ~signed).any():
            raise InvalidData("a pool that cannot be")
        made = np.where(given, pools, state.values)
        carbon, nitrogen = made[:, 0], made[:, 2]
        odd = given[:, 0] & (carbon > 1e-3) & ((nitrogen * 3e3 < carbon) | (nitrogen * 2 > carbon))
        if odd.any():
            raise InvalidData("litter of an impossible C:N ratio")
        return replace(state, values=made)

    def known(self) -> Mapping[str, Floats]:
        season = np.sin(np.arange(12) / 12 * 2 * np.pi)
        climate = self.warmth[:, None, None] + 5.0 * season[None, :, None]
        return {
            "climate": climate,
            "static": np.stack([self.lat, self.oak.astype(np.float64)], axis=1),
            "parameters": self.rate[:, None],
        }

    def part(self, sites: NDArray[np.int64]) -> ToyLand:
        made = copy.copy(self)
        for name in ("lat", "lon", "warmth", "rate", "oak"):
            setattr(made, name, getattr(self, name)[sites])
        made.failing = tuple(n for n, site in enumerate(sites) if site in self.failing)
        return made

    def take(self, state: ToyState, sites: NDArray[np.int64]) -> ToyState:
        return replace(state, values=state.values[sites])

    def put(self, state: ToyState, sites: NDArray[np.int64], part: ToyState) -> ToyState:
        values = state.values.copy()
        values[sites] = part.values
        return replace(state, values=values)

    def about(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "cycle_years": self.cycle_years,
            "co2_ppm": 285.0,
            "plants": list(self.pools_of_plants),
            "pools": list(self.layout.names),
            "parameters": {"rate": [float(self.rate.min()), float(self.rate.max())]},
            "inputs": {"climate": ["warmth"], "static": ["lat", "oak"], "parameters": ["rate"]},
        }
