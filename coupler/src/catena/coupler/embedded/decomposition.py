"""The CTC cascade: litter and soil carbon and nitrogen (Thornton and Rosenbloom 2005).

litr1 -> soil1, litr2 -> soil2, litr3 -> soil3, soil1 -> soil2 -> soil3 -> soil4 -> air;
cwd -> litr2 and litr3 without respiration.
"""

from __future__ import annotations

import math

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
from catena.coupler.embedded.traits import R_BOUND, R_DECOMPOSITION, R_LN_Q10_HR, R_RESPIRED

D_LOSS = 0
"""Carbon that leaves each pool, gC m-2 d-1."""
D_DEMAND = N_POOLS
"""Mineral nitrogen that this needs; negative where it sets some free, gN m-2 d-1."""
D_INPUT = 2 * N_POOLS
"""Carbon that enters each pool from plants, gC m-2 d-1."""
D_FRACTION = 3 * N_POOLS
"""Fraction of each pool that leaves it in the day."""
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
def potential_decomposition(carbon, nitrogen, soil, moisture, rates, accelerated, out):  # type: ignore[no-untyped-def]
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
        Losses, demands and fractions are filled.

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
        # Debris breaks into litter with all its nitrogen.
        need = 0.0 if pool == CWD else loss * rates[R_BOUND + pool] - nitrogen[pool] * fraction
        out[D_FRACTION + pool] = fraction
        out[D_LOSS + pool] = loss
        out[D_DEMAND + pool] = need
        immobilised += max(need, 0.0)
        mineralised += max(-need, 0.0)
    return immobilised, mineralised


@compiled
def leave(carbon, nitrogen, pool, fpi, rates, out):  # type: ignore[no-untyped-def]
    """Take the day's loss out of a pool.

    Returns
    -------
    carbon, nitrogen : float
        What the receiver gets; nitrogen bound from the soil included, set free left out.
    respired : float
    """
    need = out[D_DEMAND + pool]
    share = fpi if need > 0.0 else 1.0
    loss = share * out[D_LOSS + pool]
    taken = share * out[D_FRACTION + pool] * nitrogen[pool]
    carbon[pool] -= loss
    nitrogen[pool] -= taken
    out[D_LOSS + pool] = loss
    respired = loss * rates[R_RESPIRED + pool]
    return loss - respired, taken + share * need, respired


@compiled
def decompose(carbon, nitrogen, litter_c, litter_n, fpi, cellulose, rates, out):  # type: ignore[no-untyped-def]
    """Take what decomposes out of the pools, pass it on, add the day's litter.

    Parameters
    ----------
    litter_c, litter_n : float64 (4,)
        From plants, gC and gN m-2 d-1.
    fpi : float
        Share of the immobilisation that mineral nitrogen allows.
    cellulose : float
        Share of debris that becomes litr2; the rest becomes litr3.
    out : float64 (N_DECOMPOSITION,)
        Of :func:`potential_decomposition`; losses become actual ones, inputs are filled.

    Returns
    -------
    respired : float
        gC m-2 d-1.
    """
    # All losses come first, from the pools of yesterday. Written out: it is the cascade, and loops
    # over eight pools cost twice the time.
    c1, n1, r1 = leave(carbon, nitrogen, LITR1, fpi, rates, out)
    c2, n2, r2 = leave(carbon, nitrogen, LITR2, fpi, rates, out)
    c3, n3, r3 = leave(carbon, nitrogen, LITR3, fpi, rates, out)
    debris_c, debris_n, _ = leave(carbon, nitrogen, CWD, fpi, rates, out)
    c4, n4, r4 = leave(carbon, nitrogen, SOIL1, fpi, rates, out)
    c5, n5, r5 = leave(carbon, nitrogen, SOIL2, fpi, rates, out)
    c6, n6, r6 = leave(carbon, nitrogen, SOIL3, fpi, rates, out)
    _, _, r7 = leave(carbon, nitrogen, SOIL4, fpi, rates, out)
    lignin = 1.0 - cellulose
    carbon[LITR1] += litter_c[LITR1]
    carbon[LITR2] += litter_c[LITR2] + cellulose * debris_c
    carbon[LITR3] += litter_c[LITR3] + lignin * debris_c
    carbon[CWD] += litter_c[CWD]
    carbon[SOIL1] += c1
    carbon[SOIL2] += c2 + c4
    carbon[SOIL3] += c3 + c5
    carbon[SOIL4] += c6
    nitrogen[LITR1] += litter_n[LITR1]
    nitrogen[LITR2] += litter_n[LITR2] + cellulose * debris_n
    nitrogen[LITR3] += litter_n[LITR3] + lignin * debris_n
    nitrogen[CWD] += litter_n[CWD]
    nitrogen[SOIL1] += n1
    nitrogen[SOIL2] += n2 + n4
    nitrogen[SOIL3] += n3 + n5
    nitrogen[SOIL4] += n6
    out[D_INPUT + LITR1] = litter_c[LITR1]
    out[D_INPUT + LITR2] = litter_c[LITR2]
    out[D_INPUT + LITR3] = litter_c[LITR3]
    out[D_INPUT + CWD] = litter_c[CWD]
    return r1 + r2 + r3 + r4 + r5 + r6 + r7
