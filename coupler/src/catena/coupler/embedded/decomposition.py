"""The CTC cascade: litter and soil carbon and nitrogen (Thornton and Rosenbloom 2005).

litr1 -> soil1, litr2 -> soil2, litr3 -> soil3, soil1 -> soil2 -> soil3 -> soil4 -> air;
cwd -> litr2 and litr3 without respiration.
"""

from __future__ import annotations

import math

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.state import (
    CWD,
    LITR1,
    LITR2,
    LITR3,
    N_POOLS,
    SOIL1,
    SOIL2,
    SOIL3,
    SOIL4,
)
from catena.coupler.embedded.traits import R_DECOMPOSITION, R_LN_Q10_HR

RECEIVER = (SOIL1, SOIL2, SOIL3, -1, SOIL2, SOIL3, SOIL4, -1)
"""Where each pool's carbon goes; none for soil4, cwd apart."""
D_LOSS = 0
"""Carbon that leaves each pool, gC m-2 d-1."""
D_DEMAND = N_POOLS
"""Mineral nitrogen that this needs; negative where it sets some free, gN m-2 d-1."""
D_RESPIRED = 2 * N_POOLS
"""Respired fraction of each pool."""
D_INPUT = 3 * N_POOLS
"""Carbon that enters each pool from plants, gC m-2 d-1."""
N_DECOMPOSITION = 4 * N_POOLS

ACCELERATION = (1.0, 1.0, 1.0, 1.37, 1.0, 1.0, 1.956, 27.4)
"""Factors of accelerated decomposition in the order of the pools (see ``state.AD_FACTORS``)."""


@compiled
def loss_fraction(rate):  # type: ignore[no-untyped-def]
    """1 - e^(-rate): what a day takes of a pool. An explicit step could take more than there is.

    Below .02 the series to the fifth term, whose error is below 1e-12 of the fraction.
    """
    if rate < 0.02:
        return rate * (1.0 - rate * (0.5 - rate * (1.0 / 6.0 - rate * (1.0 / 24.0 - rate / 120.0))))
    return 1.0 - math.exp(-rate)


@compiled
def temperature_factor(celsius, ln_q10):  # type: ignore[no-untyped-def]
    """Q10 with 25 degC as reference (Oleson et al. 2013, equation 15.5)."""
    return math.exp(ln_q10 * 0.1 * (celsius - 25.0))


@compiled
def respired_fractions(scalars, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (pool,) with the respired fraction of what leaves each pool."""
    out[LITR1] = scalars[i.RF_L1S1]
    out[LITR2] = scalars[i.RF_L2S2]
    out[LITR3] = scalars[i.RF_L3S3]
    out[CWD] = 0.0
    out[SOIL1] = scalars[i.RF_S1S2]
    out[SOIL2] = scalars[i.RF_S2S3]
    out[SOIL3] = scalars[i.RF_S3S4]
    out[SOIL4] = 1.0


@compiled
def potential_decomposition(carbon, nitrogen, soil, moisture, rates, scalars, accelerated, out):  # type: ignore[no-untyped-def]
    """What would decompose with enough nitrogen, and the nitrogen that it would need or set free.

    Parameters
    ----------
    carbon, nitrogen : float64 (pool,)
    soil : float
        degC.
    moisture : float
        Factor, 0 to 1.
    accelerated : int
        1 in accelerated decomposition.
    out : float64 (N_DECOMPOSITION,)
        Filled up to ``D_INPUT``.

    Returns
    -------
    immobilised, mineralised : float
        gN m-2 d-1.

    Source: Oleson et al. (2013), equations 15.16 to 15.24.
    """
    factor = temperature_factor(soil, rates[R_LN_Q10_HR]) * moisture
    immobilised, mineralised = 0.0, 0.0
    for pool in range(N_POOLS):
        fraction = loss_fraction(rates[R_DECOMPOSITION + pool] * factor)
        if accelerated == 1:
            # The fraction, not the rate: leaving the mode then changes no flux at all.
            fraction = min(fraction * ACCELERATION[pool], 1.0)
        loss = carbon[pool] * fraction
        out[D_LOSS + pool] = loss
        need = 0.0
        receiver = RECEIVER[pool]
        if carbon[pool] > 0.0 and pool != CWD:
            need = -nitrogen[pool] * fraction
            if receiver >= 0:
                kept = loss * (1.0 - out[D_RESPIRED + pool])
                need += kept / scalars[i.CN_SOIL[receiver - SOIL1]]
        out[D_DEMAND + pool] = need
        if need > 0.0:
            immobilised += need
        else:
            mineralised -= need
    return immobilised, mineralised


@compiled
def decompose(carbon, nitrogen, litter_c, litter_n, fpi, scalars, out):  # type: ignore[no-untyped-def]
    """Take what decomposes out of the pools, pass it on, add the day's litter.

    Parameters
    ----------
    litter_c, litter_n : float64 (4,)
        From plants, gC and gN m-2 d-1.
    fpi : float
        Share of the immobilisation that mineral nitrogen allows.
    out : float64 (N_DECOMPOSITION,)
        Of :func:`potential_decomposition`; losses become actual ones, inputs are filled.

    Returns
    -------
    respired : float
        gC m-2 d-1.
    """
    respired = 0.0
    # All losses first, from the pools of yesterday.
    taken = out[D_INPUT:]
    for pool in range(N_POOLS):
        if out[D_DEMAND + pool] > 0.0:
            out[D_LOSS + pool] *= fpi
            out[D_DEMAND + pool] *= fpi
        share = out[D_LOSS + pool] / carbon[pool] if carbon[pool] > 0.0 else 0.0
        taken[pool] = min(share, 1.0) * nitrogen[pool]
    for pool in range(N_POOLS):
        carbon[pool] -= out[D_LOSS + pool]
        nitrogen[pool] -= taken[pool]
    for pool in range(N_POOLS):
        loss = out[D_LOSS + pool]
        if pool == CWD:
            cellulose = scalars[i.CWD_FCEL]
            carbon[LITR2] += loss * cellulose
            carbon[LITR3] += loss * (1.0 - cellulose)
            nitrogen[LITR2] += taken[pool] * cellulose
            nitrogen[LITR3] += taken[pool] * (1.0 - cellulose)
            continue
        gone = loss * out[D_RESPIRED + pool]
        respired += gone
        receiver = RECEIVER[pool]
        if receiver >= 0:
            carbon[receiver] += loss - gone
            nitrogen[receiver] += taken[pool] + out[D_DEMAND + pool]
    for pool in range(N_POOLS):
        out[D_INPUT + pool] = litter_c[pool] if pool <= CWD else 0.0
    for pool in range(CWD + 1):
        carbon[pool] += litter_c[pool]
        nitrogen[pool] += litter_n[pool]
    return respired
