"""A carbon box model: seven pools and one year a step, so that files hold numbers that respond.

It stands in for the land model's carbon cycle in the stand-in for CIME only. Leaf, dead stem,
coarse woody debris, litter and three soil pools in series lose a fixed fraction a year, accelerated
as ELM's are while spinup_state is 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

RATES = {"cwd": 0.001, "soil3": 0.0014, "soil4": 0.0001}
"""Lost fraction a day of ELM's slow pools, of which it makes the factors of acceleration."""
ACCELERATED = {
    name: (0.5 if name == "cwd" else 1.0) / (-math.log1p(-rate) * 365.0)
    for name, rate in RATES.items()
}
DEAD_WOOD = 10.0
_LOSS = {
    "leaf": 0.6,
    "deadstem": 0.02,
    "cwd": 0.3,
    "litter": 0.8,
    "soil2": 0.2,
    "soil3": 0.05,
    "soil4": 0.002,
}
"""Lost fraction a year."""


@dataclass(frozen=True)
class Pools:
    """Carbon, gC m-2."""

    leaf: float = 1.0
    deadstem: float = 0.1
    cwd: float = 0.0
    litter: float = 0.0
    soil2: float = 0.0
    soil3: float = 0.0
    soil4: float = 1.0

    @property
    def vegetation(self) -> float:
        """Leaf and dead stem, gC m-2."""
        return self.leaf + self.deadstem

    @property
    def soil(self) -> float:
        """Soil organic matter, gC m-2."""
        return self.soil2 + self.soil3 + self.soil4

    @property
    def total(self) -> float:
        """Everything, gC m-2."""
        return self.vegetation + self.cwd + self.litter + self.soil


@dataclass(frozen=True)
class Year:
    """What a year yielded: gC m-2 yr-1, W m-2, m2 m-2."""

    gpp: float
    npp: float
    hr: float
    latent_heat: float
    lai: float


def step(pools: Pools, parameters: Mapping[str, float], year: int, ad: bool) -> tuple[Pools, Year]:
    """One year.

    Parameters
    ----------
    pools : Pools
        At the year's start.
    parameters : mapping
        slatop, flnr, crit_dayl, rootb_par, br_mr, frootcn, froot_leaf.
    year : int
        Gives the weather: a cycle of five years.
    ad : bool
        Whether decomposition and mortality are accelerated.

    Returns
    -------
    tuple of Pools and Year
        Carbon is conserved: the change of the total is NPP less HR.
    """
    weather = (1.0, 1.08, 0.95, 0.9, 1.07)[year % 5]
    lai = min(pools.leaf * parameters["slatop"], 6.0)
    season = 1.0 - (parameters["crit_dayl"] - 39300.0) / 60000.0
    leaf_nitrogen = (parameters["flnr"] / 0.1007) ** 0.5 * (0.03 / parameters["slatop"]) ** 0.25
    gpp = 700.0 * weather * season * leaf_nitrogen * (lai + 0.05) / (lai + 0.5)
    fine_roots = parameters["froot_leaf"] * 42.0 / parameters["frootcn"]
    respired = 0.45 * parameters["br_mr"] / 2.525e-6 * (0.8 + 0.2 * fine_roots)
    npp = gpp * (1.0 - min(respired, 0.9))
    speed = ACCELERATED if ad else {}
    loss = {
        name: min(getattr(pools, name) * rate * speed.get(name, 1.0), getattr(pools, name))
        for name, rate in _LOSS.items()
    }
    if ad:
        loss["deadstem"] = min(loss["deadstem"] * DEAD_WOOD, pools.deadstem)
    hr = 0.4 * loss["litter"] + 0.5 * loss["soil2"] + 0.5 * loss["soil3"] + loss["soil4"]
    after = replace(
        pools,
        leaf=pools.leaf + 0.35 * npp - loss["leaf"],
        deadstem=pools.deadstem + 0.65 * npp - loss["deadstem"],
        cwd=pools.cwd + loss["deadstem"] - loss["cwd"],
        litter=pools.litter + loss["leaf"] + loss["cwd"] - loss["litter"],
        soil2=pools.soil2 + 0.6 * loss["litter"] - loss["soil2"],
        soil3=pools.soil3 + 0.5 * loss["soil2"] - loss["soil3"],
        soil4=pools.soil4 + 0.5 * loss["soil3"] - loss["soil4"],
    )
    dry = 1.0 - 0.01 * (parameters["rootb_par"] - 2.0)
    latent_heat = (30.0 + 8.0 * min(lai, 3.0)) * weather**0.5 * dry
    return after, Year(gpp, npp, hr, latent_heat, lai)


def leave_acceleration(pools: Pools) -> Pools:
    """Pools in normal units, from a restart file that was written in accelerated ones."""
    return replace(
        pools,
        deadstem=pools.deadstem * DEAD_WOOD,
        **{
            name: getattr(pools, name) * factor
            for name, factor in (
                ("cwd", ACCELERATED["cwd"]),
                ("soil3", ACCELERATED["soil3"]),
                ("soil4", ACCELERATED["soil4"]),
            )
        },
    )
