"""The slow pools of the embedded model as one linear system: the cascade, and dead wood above it.

Dead wood lives as long as soil (some 50 years) and feeds it, so that a steady state of the soil
under the litter of a young forest would be that of a young forest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catena.coupler.embedded.cascade import CASCADE_OUTPUTS, transfer_matrix
from catena.coupler.embedded.constants import DAYS_PER_YEAR
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.state import AD_MORTALITY, CWD, N_POOLS, POOLS
from catena.coupler.spin_up.case import Cascade, Floats
from catena.coupler.spin_up.layout import PoolLayout

WOOD_OUTPUTS = ("DEADSTEMC", "DEADCROOTC")
SLOW_OUTPUTS = (*CASCADE_OUTPUTS, *WOOD_OUTPUTS)
"""Outputs that a run of one cycle must keep for :func:`slow_system`."""
_WOOD = ("deadstemc", "deadcrootc")


@dataclass(frozen=True)
class Measured:
    """What one cycle of the forcing showed.

    Parameters
    ----------
    outputs : float64 (site, output)
        Means of :data:`SLOW_OUTPUTS`; losses and inputs in gC m-2 d-1.
    begun, ended : float64 (site, pool)
        All pools at both ends of the cycle.
    days : int
        Its length.
    accelerated : bool
    """

    outputs: Floats
    begun: Floats
    ended: Floats
    days: int
    accelerated: bool


def slow_system(
    measured: Measured, layout: PoolLayout, shares: Floats, parameters: ParameterSet
) -> Cascade:
    """Decomposing pools and dead wood of every site as ``dC/dt = u + A K C``.

    The losses of dead wood are known (mortality), what grows of it follows from the change over the
    cycle: the steady state is the fixed point of ``C1 = q C0 + b`` with ``q = (1 - r)^days``.

    Parameters
    ----------
    measured : Measured
    layout : PoolLayout
    shares : float64 (site, pft)
        Of the column.
    parameters : ParameterSet
        One row for each site.

    Returns
    -------
    Cascade
        NaN where a site lacks a plant.
    """
    wood = [n for n, name in enumerate(layout.names) if name.partition(".")[0] in _WOOD]
    sites, size = len(measured.outputs), N_POOLS + len(wood)
    carbon, lost, fallen = np.split(measured.outputs[:, : 3 * N_POOLS], 3, axis=1)
    both = measured.outputs[:, 3 * N_POOLS :].sum(axis=1)
    rate = parameters.get("r_mort") / DAYS_PER_YEAR
    if measured.accelerated:
        rate = np.minimum(rate * AD_MORTALITY, 1.0)
    kept = (1.0 - rate) ** measured.days
    per_day = rate / (1.0 - rate)  # of what is left at the end of a day, as outputs show it

    matrix = np.zeros((sites, size, size))
    matrix[:, range(size), range(size)] = -1.0
    matrix[:, :N_POOLS, :N_POOLS] = transfer_matrix(parameters)
    losses, litter, means = np.zeros((3, sites, size))
    means[:, :N_POOLS] = carbon
    losses[:, :N_POOLS] = np.divide(lost, carbon, out=np.zeros_like(lost), where=carbon > 0.0)
    litter[:, :N_POOLS] = fallen
    litter[:, CWD] = np.maximum(litter[:, CWD] - per_day * both, 0.0)
    for n, pool in enumerate(wood, start=N_POOLS):
        begun, ended = measured.begun[:, pool], measured.ended[:, pool]
        steady = (ended - kept * begun) / (1.0 - kept)
        losses[:, n] = per_day
        litter[:, n] = per_day * steady
        means[:, n] = steady - (ended - begun) / (measured.days * per_day)
        matrix[:, CWD, n] = shares[:, layout.pools[pool].pft]
    names = (*(f"{pool}c" for pool in POOLS), *(layout.names[pool] for pool in wood))
    return Cascade(matrix, losses, litter, means, names)
