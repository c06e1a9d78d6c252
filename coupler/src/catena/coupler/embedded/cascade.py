"""The decomposition cascade as a linear system, and its steady state (SASU).

``dC/dt = u + A K C`` with the litter input u, the cascade A and the daily losses K. K is taken from
a run as mean loss over mean pool, which weighs the seasons as the pools do and holds the same
discretised fractions; the steady state is then that of the model, not of an idealisation.

Source: Luo et al. (2017), equation 1; Lu et al. (2020) for CLM5.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.constants import SECONDS
from catena.coupler.embedded.parameters import ParameterSet
from catena.coupler.embedded.simulate import Run
from catena.coupler.embedded.state import (
    CWD,
    LITR1,
    LITR2,
    LITR3,
    N_POOLS,
    POOLS,
    S_C,
    S_N,
    SOIL1,
    SOIL2,
    SOIL3,
    SOIL4,
    State,
)
from catena.shared.errors import FailedPrecondition, InvalidRequest

Floats = NDArray[np.float64]

CASCADE_OUTPUTS = tuple(
    f"{pool.upper()}C{kind}" for kind in ("", "_LOSS", "_INPUT") for pool in POOLS
)
"""Outputs that a run must keep for :func:`linear_system`."""


def transfer_matrix(parameters: ParameterSet) -> Floats:
    """The cascade A.

    Returns
    -------
    float64 (member, pool, pool)
        -1 on the diagonal; [receiver, donor] is the fraction of the donor's loss that is received.
    """
    matrix = np.zeros((parameters.members, N_POOLS, N_POOLS))
    matrix[:, range(N_POOLS), range(N_POOLS)] = -1.0
    for donor, receiver, name in (
        (LITR1, SOIL1, "rf_l1s1"),
        (LITR2, SOIL2, "rf_l2s2"),
        (LITR3, SOIL3, "rf_l3s3"),
        (SOIL1, SOIL2, "rf_s1s2"),
        (SOIL2, SOIL3, "rf_s2s3"),
        (SOIL3, SOIL4, "rf_s3s4"),
    ):
        matrix[:, receiver, donor] = 1.0 - parameters.get(name)
    cellulose = parameters.get("cwd_fcel")
    matrix[:, LITR2, CWD] = cellulose
    matrix[:, LITR3, CWD] = 1.0 - cellulose
    return matrix


def linear_system(run: Run) -> tuple[Floats, Floats]:
    """Losses K and input u of a run, averaged over all its periods.

    Parameters
    ----------
    run : Run
        Which kept :data:`CASCADE_OUTPUTS`, over whole cycles of the forcing.

    Returns
    -------
    losses : float64 (member, cell, pool)
        d-1.
    litter : float64 (member, cell, pool)
        gC m-2 d-1.
    """
    missing = [name for name in CASCADE_OUTPUTS if name not in run.variables]
    if missing:
        raise InvalidRequest(
            f"the run kept no {', '.join(missing)}; ask for variables=CASCADE_OUTPUTS"
        )
    lengths = np.diff(np.append(run.first, run.days.count)).astype(np.float64)
    means = (run.values * lengths[:, np.newaxis]).sum(axis=2) / lengths.sum()
    at = [run.variables.index(name) for name in CASCADE_OUTPUTS]
    pools, losses, litter = np.split(means[..., at], 3, axis=-1)
    losses, litter = losses * SECONDS, litter * SECONDS
    return np.divide(losses, pools, out=np.zeros_like(losses), where=pools > 0.0), litter


def steady_state(matrix: Floats, losses: Floats, litter: Floats) -> Floats:
    """Pools at which inflow and outflow agree: ``-(A K)^-1 u``.

    Parameters
    ----------
    matrix : float64 (member, pool, pool)
    losses, litter : float64 (member, cell, pool)

    Returns
    -------
    float64 (member, cell, pool)
        gC m-2.

    Raises
    ------
    FailedPrecondition
        When a pool loses nothing: it has no steady state.
    """
    if not (losses > 0.0).all():
        member, cell, pool = np.argwhere(~(losses > 0.0))[0]
        raise FailedPrecondition(
            f"{POOLS[pool]} of member {member} in cell {cell} loses nothing, so that it has no "
            "steady state; let plants grow for some years first"
        )
    system = matrix[:, np.newaxis] * losses[:, :, np.newaxis, :]
    return np.asarray(-np.linalg.solve(system, litter[..., np.newaxis])[..., 0], dtype=np.float64)


def with_steady_pools(state: State, pools: Floats) -> State:
    """The state with other carbon in its decomposing pools, each at its C:N ratio.

    Parameters
    ----------
    state : State
        Not of accelerated decomposition.
    pools : float64 (member, cell, pool)
        gC m-2.
    """
    if state.spinup_state != 0:
        raise FailedPrecondition(
            "the state is one of accelerated decomposition (spinup_state 1); leave it first"
        )
    made = replace(state.copy())
    carbon = made.column[..., S_C : S_C + N_POOLS]
    nitrogen = made.column[..., S_N : S_N + N_POOLS]
    ratio = np.divide(nitrogen, carbon, out=np.zeros_like(carbon), where=carbon > 0.0)
    carbon[...] = pools
    nitrogen[...] = ratio * pools
    return made
