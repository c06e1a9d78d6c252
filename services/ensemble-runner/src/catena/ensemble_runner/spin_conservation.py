"""Whether the states of a spin-up are whole: what they hold, and that the model conserves it.

Pools that were put in by hand could be of other units, doubled or half lost. A cycle is run from
some of the states: what whole columns hold of carbon and nitrogen must change by exactly what goes
into the air, falls from it and leaches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.state import State
from catena.coupler.spin_up.embedded_case import EmbeddedCase

Array = NDArray[np.float64]

SITES = 50
"""That are run, evenly among all."""
GAINS, LOSSES = ("NFIX_TO_SMINN", "NDEP_TO_SMINN"), ("DENIT", "SMINN_LEACHED")


@dataclass(frozen=True)
class Conservation:
    """Carbon and nitrogen of the states.

    Parameters
    ----------
    sites : int
        That were run.
    carbon, nitrogen : float
        What the columns hold, means over all sites, gC and gN m-2.
    carbon_error, nitrogen_error : float
        Largest gap between the change of a column and its fluxes, gC and gN m-2 yr-1.
    """

    sites: int
    carbon: float
    nitrogen: float
    carbon_error: float
    nitrogen_error: float

    def to_dict(self) -> dict[str, float]:
        """As JSON holds it."""
        return asdict(self)


def conservation(case: EmbeddedCase, values: Array) -> Conservation:
    """Weigh all states, and run a cycle from some of them.

    Parameters
    ----------
    case : EmbeddedCase
    values : float64 (site, number)
        Out of accelerated decomposition.
    """
    state = State(values[:, np.newaxis])
    whole = case.stocks(state)
    alive = np.flatnonzero(np.isfinite(values).all(axis=1))
    some = alive[np.unique(np.linspace(0, alive.size - 1, min(SITES, alive.size)).astype(int))]
    if not some.size:
        return Conservation(0, *[float("nan")] * 4)
    part, begun = case.part(some), case.take(state, some)
    run = part.run(begun, 1)
    before, after = part.stocks(begun), part.stocks(run.state)
    years = case.cycle_years
    gained = sum(run.means[name] for name in GAINS) - sum(run.means[name] for name in LOSSES)
    carbon = (after.carbon - before.carbon) / years + run.nee[:, 0]
    nitrogen = (after.nitrogen - before.nitrogen) / years - gained
    return Conservation(
        int(some.size),
        float(np.nanmean(whole.carbon)),
        float(np.nanmean(whole.nitrogen)),
        float(np.nanmax(np.abs(carbon))),
        float(np.nanmax(np.abs(nitrogen))),
    )
