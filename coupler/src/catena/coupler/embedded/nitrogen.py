"""Mineral nitrogen of a column: supply, competition by relative demand, losses."""

from __future__ import annotations

import math

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.constants import DAYS_PER_YEAR, FIXATION_MAX, FIXATION_RATE
from catena.coupler.embedded.jit import compiled

M_FPI, M_FPG, M_FIXED, M_DENITRIFIED, M_LEACHED, M_SUPPLEMENT = range(6)
"""Shares of immobilisation and of plant demand that are met; fixation, denitrification, leaching,
supplement, gN m-2 d-1."""
N_MINERAL = 6


@compiled
def fixation(annual_npp):  # type: ignore[no-untyped-def]
    """Biological fixation, gN m-2 d-1 (Cleveland et al. 1999; Oleson et al. 2013, eq. 16.1)."""
    if annual_npp <= 0.0:
        return 0.0
    return FIXATION_MAX * (1.0 - math.exp(-FIXATION_RATE * annual_npp)) / DAYS_PER_YEAR


@compiled
def compete(mineral, immobilised, mineralised, plants, fixed, ndep, washed, supplied, scalars, out):  # type: ignore[no-untyped-def]
    """Share mineral nitrogen by relative demand and lose some; what is left in the soil.

    Parameters
    ----------
    mineral : float
        gN m-2.
    immobilised, mineralised, plants : float
        Potential immobilisation, gross mineralisation, the plants' demand on the soil, gN m-2 d-1.
    fixed, ndep : float
        gN m-2 d-1.
    washed : float
        Share of the soil's water that drains today.
    supplied : int
        1 where a shortage is made up from nothing (and counted), as in the first years of ELM's
        spin-up.
    out : float64 (N_MINERAL,)

    Source: Oleson et al. (2013), sections 15.4, 16.4 and 16.6.
    """
    # All of the mineralised nitrogen of a day can be used on that day: daily steps would otherwise
    # let plants and microbes wait for it.
    from_air = scalars[i.DNP] * mineralised
    supply = mineral + fixed + ndep + mineralised - from_air
    wanted = immobilised + plants
    out[M_FIXED] = fixed
    out[M_SUPPLEMENT] = 0.0
    share = 1.0
    if wanted > supply:
        if supplied == 1:
            out[M_SUPPLEMENT] = wanted - supply
            supply = wanted
        else:
            share = supply / wanted
    out[M_FPI] = share
    out[M_FPG] = share
    left = max(supply - share * wanted, 0.0)
    denitrified = scalars[i.EXCESS_N_LOSS] * left
    leached = scalars[i.SF_MINN] * washed * (left - denitrified)
    out[M_DENITRIFIED] = from_air + denitrified
    out[M_LEACHED] = leached
    return left - denitrified - leached
