"""What follows from the parameters of one member and one PFT, once per run."""

from __future__ import annotations

import math

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.constants import DAYS_PER_YEAR, KARMAN, REFERENCE_HEIGHT
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.roots import root_fractions
from catena.coupler.embedded.state import LITR1, N_POOLS, N_TISSUES, SOIL1, SOIL4

(
    T_VCMAX,
    T_AERODYNAMIC,
    T_OPEN,
    T_CLOSED,
    T_LEAF_LITTER_NC,
    T_GROWS,
    T_LEAF_TURNOVER,
    T_FROOT_TURNOVER,
) = range(8)
"""Vcmax at 25 degC at the top of the canopy (umol m-2 s-1), aerodynamic conductance per wind
speed, soil water potentials of open and closed stomata (m), N:C of leaf litter, whether plants
grow (1 or 0), background litterfall of leaves and fine roots (d-1)."""
T_NC = 8
"""N:C of the tissues."""
T_ROOTS = T_NC + N_TISSUES
N_TRAITS = T_ROOTS + N_LAYERS

R_LN_Q10_MR, R_LN_Q10_HR, R_MAINTENANCE, R_MORTALITY, R_LIVEWOOD = range(5)
"""Logarithms of the Q10, maintenance respiration (gC gN-1 d-1), mortality and turnover of live
wood (d-1)."""
R_DECOMPOSITION = 5
"""Decomposition rates at 25 degC and optimal moisture, of the whole column (d-1)."""
R_RESPIRED = R_DECOMPOSITION + N_POOLS
"""Respired fraction of what leaves each pool."""
R_BOUND = R_RESPIRED + N_POOLS
"""Nitrogen that the receiver binds for the carbon that leaves a pool, gN gC-1."""
N_RATES = R_BOUND + N_POOLS


@compiled
def vcmax25(flnr, fnr, act25, slatop, leafcn):  # type: ignore[no-untyped-def]
    """Vcmax at 25 degC per leaf area, umol m-2 s-1 (Oleson et al. 2013, equation 8.17).

    ``act25`` is in umol per mg of Rubisco and minute as in ELM's file: 3.6 are 60 umol per g and s.
    """
    return flnr * fnr * (act25 * 1000.0 / 60.0) / (slatop * leafcn)


@compiled
def aerodynamic(height):  # type: ignore[no-untyped-def]
    """Aerodynamic conductance for heat per wind speed (Monteith and Unsworth 2013, section 16).

    Displacement .67 and roughness .1 of the height, the roughness for heat e^2 times smaller.
    """
    above = REFERENCE_HEIGHT + 0.33 * height
    momentum = math.log(above / (0.1 * height))
    return KARMAN * KARMAN / (momentum * (momentum + 2.0))


@compiled
def inverse(value):  # type: ignore[no-untyped-def]
    """1 / value, 0 for a ratio of tissue that the PFT has not."""
    return 1.0 / value if value > 0.0 else 0.0


@compiled
def fill_traits(pft, scalars, edge, grows, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (N_TRAITS,) from a PFT's parameters."""
    out[T_GROWS] = grows
    out[T_VCMAX] = 0.0
    out[T_LEAF_TURNOVER] = 0.0
    out[T_FROOT_TURNOVER] = 0.0
    if grows > 0.0 and pft[i.SLATOP] > 0.0:
        out[T_VCMAX] = vcmax25(
            pft[i.FLNR], scalars[i.FNR], scalars[i.ACT25], pft[i.SLATOP], pft[i.LEAFCN]
        )
    out[T_AERODYNAMIC] = aerodynamic(pft[i.CANOPY_HEIGHT])
    out[T_OPEN] = pft[i.SMPSO] * 1e-3
    out[T_CLOSED] = pft[i.SMPSC] * 1e-3
    # Litter is never richer in nitrogen than the leaf, dead wood never richer than live wood.
    out[T_LEAF_LITTER_NC] = 1.0 / max(pft[i.LFLITCN], pft[i.LEAFCN])
    if pft[i.LEAF_LONG] > 0.0:
        out[T_LEAF_TURNOVER] = 1.0 / (pft[i.LEAF_LONG] * DAYS_PER_YEAR)
    if pft[i.FROOT_LONG] > 0.0:
        out[T_FROOT_TURNOVER] = 1.0 / (pft[i.FROOT_LONG] * DAYS_PER_YEAR)
    live = inverse(pft[i.LIVEWDCN])
    dead = min(inverse(pft[i.DEADWDCN]), live)
    out[T_NC] = 1.0 / pft[i.LEAFCN]
    out[T_NC + 1] = 1.0 / pft[i.FROOTCN]
    out[T_NC + 2] = live
    out[T_NC + 3] = dead
    out[T_NC + 4] = live
    out[T_NC + 5] = dead
    root_fractions(pft[i.ROOTA_PAR], pft[i.ROOTB_PAR], edge, out[T_ROOTS:])


@compiled
def fill_rates(scalars, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (N_RATES,) from the parameters without PFT."""
    out[R_LN_Q10_MR] = math.log(scalars[i.Q10_MR])
    out[R_LN_Q10_HR] = math.log(scalars[i.Q10_HR])
    out[R_MAINTENANCE] = scalars[i.BR_MR] * 86400.0
    out[R_MORTALITY] = scalars[i.R_MORT] / DAYS_PER_YEAR
    out[R_LIVEWOOD] = scalars[i.LWTOP_ANN] / DAYS_PER_YEAR
    for pool in range(N_POOLS):
        out[R_DECOMPOSITION + pool] = scalars[i.RATES[pool]] * scalars[i.DEPTHS[pool]]
        out[R_RESPIRED + pool] = 0.0
        out[R_BOUND + pool] = 0.0
    for step in range(3):
        # litr1, 2, 3 to soil1, 2, 3; soil1, 2, 3 to soil2, 3, 4.
        litter, soil = scalars[i.RF_LITTER[step]], scalars[i.RF_SOIL[step]]
        out[R_RESPIRED + LITR1 + step] = litter
        out[R_BOUND + LITR1 + step] = (1.0 - litter) / scalars[i.CN_SOIL[step]]
        out[R_RESPIRED + SOIL1 + step] = soil
        out[R_BOUND + SOIL1 + step] = (1.0 - soil) / scalars[i.CN_SOIL[step + 1]]
    out[R_RESPIRED + SOIL4] = 1.0
