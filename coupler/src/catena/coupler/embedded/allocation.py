"""Where carbon goes: reserve, new tissue, growth respiration, and what nitrogen allows of it."""

from __future__ import annotations

import math

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.constants import NITROGEN_STORE_DAYS, RESERVE_DAYS
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.state import N_TISSUES, P_ANNSUM_NPP, P_CPOOL, P_NPOOL, STORAGE
from catena.coupler.embedded.traits import T_NC

(
    A_GPP,
    A_MR,
    A_FOR_GROWTH,
    A_NITROGEN,
    A_FROM_STORE,
    A_FROM_SOIL,
    A_GROWTH,
    A_GR,
    A_UPTAKE,
) = range(9)
"""Potential and then actual gross production, maintenance respiration, carbon for growth (growth
respiration included), nitrogen that it needs, of which from the plant's store and from the soil;
new tissue, growth respiration, nitrogen taken up. gC or gN m-2 d-1."""
A_PARTS = 9
"""Fractions of new tissue in the six tissues."""
N_ALLOCATION = A_PARTS + N_TISSUES


@compiled
def stem_to_leaf(stem_leaf, annual_npp):  # type: ignore[no-untyped-def]
    """New stem per new leaf; rises with production for trees (Oleson et al. 2013, eq. 19.10).

    ELM scales the PFT's own value when it is negative.
    """
    if stem_leaf >= 0.0:
        return stem_leaf
    rising = -stem_leaf * 2.7 / (1.0 + math.exp(-0.004 * (annual_npp - 300.0))) - 0.4
    return max(rising, 0.2)


@compiled
def growth_fractions(pft, annual_npp, parts):  # type: ignore[no-untyped-def]
    """Fill ``parts`` (tissue,) with the fractions of new tissue; they sum to 1.

    Source: Oleson et al. (2013), section 19.3.
    """
    stem = stem_to_leaf(pft[i.STEM_LEAF], annual_npp) if pft[i.WOODY] > 0.5 else 0.0
    coarse = pft[i.CROOT_STEM] * stem
    live = pft[i.FLIVEWD]
    whole = 1.0 + pft[i.FROOT_LEAF] + stem + coarse
    parts[0] = 1.0 / whole
    parts[1] = pft[i.FROOT_LEAF] / whole
    parts[2] = live * stem / whole
    parts[3] = (1.0 - live) * stem / whole
    parts[4] = live * coarse / whole
    parts[5] = (1.0 - live) * coarse / whole


@compiled
def demand(plant, pft, traits, flux):  # type: ignore[no-untyped-def]
    """Carbon for growth after maintenance and reserve, and the nitrogen that it needs.

    A deficit of carbon is taken from ``cpool``, which may become negative (ELM's ``xsmrpool``), and
    is paid back within 30 days.
    """
    left = flux[A_GPP] - flux[A_MR]
    if left < 0.0:
        plant[P_CPOOL] += left
        left = 0.0
    else:
        repaid = min(left, max(-plant[P_CPOOL], 0.0) / RESERVE_DAYS)
        plant[P_CPOOL] += repaid
        left -= repaid
    flux[A_FOR_GROWTH] = left
    parts = flux[A_PARTS:]
    growth_fractions(pft, plant[P_ANNSUM_NPP], parts)
    per_carbon = 0.0
    for tissue in range(N_TISSUES):
        per_carbon += parts[tissue] * traits[T_NC + tissue]
    flux[A_NITROGEN] = left / (1.0 + pft[i.GRPERC]) * per_carbon
    flux[A_FROM_STORE] = min(flux[A_NITROGEN], plant[P_NPOOL] / NITROGEN_STORE_DAYS)
    flux[A_FROM_SOIL] = flux[A_NITROGEN] - flux[A_FROM_STORE]


@compiled
def allocate(plant, pft, flux, fpg):  # type: ignore[no-untyped-def]
    """Grow as far as nitrogen allows; carbon beyond that is not assimilated.

    Parameters
    ----------
    fpg : float
        Share of the plants' demand on the soil that it meets.

    Source: Oleson et al. (2013), equations 19.13 to 19.16.
    """
    growth = flux[A_FOR_GROWTH]
    flux[A_UPTAKE] = flux[A_FROM_SOIL] * fpg
    if flux[A_NITROGEN] > 0.0:
        growth *= (flux[A_FROM_STORE] + flux[A_UPTAKE]) / flux[A_NITROGEN]
        flux[A_GPP] -= flux[A_FOR_GROWTH] - growth
    plant[P_NPOOL] -= flux[A_FROM_STORE]
    tissue_growth = growth / (1.0 + pft[i.GRPERC])
    flux[A_GROWTH] = tissue_growth
    flux[A_GR] = growth - tissue_growth
    now = pft[i.FCUR]
    for tissue in range(N_TISSUES):
        part = tissue_growth * flux[A_PARTS + tissue]
        plant[tissue] += now * part
        plant[STORAGE + tissue] += (1.0 - now) * part
