"""From the living to the dead: litterfall, ageing of wood, mortality."""

from __future__ import annotations

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.phenology import background, display, shed_fraction
from catena.coupler.embedded.state import (
    AD_MORTALITY,
    CWD,
    DEADCROOT,
    DEADSTEM,
    FROOT,
    LEAF,
    LITR1,
    LITR2,
    LITR3,
    LIVESTEM,
    N_TISSUES,
    P_NPOOL,
    P_OFFSET_COUNTER,
    STORAGE,
    XFER,
)
from catena.coupler.embedded.traits import (
    R_LIVEWOOD,
    R_MORTALITY,
    T_FROOT_TURNOVER,
    T_LEAF_LITTER_NC,
    T_LEAF_TURNOVER,
    T_NC,
)


@compiled
def add_litter(litter_c, litter_n, carbon, nitrogen, labile, cellulose):  # type: ignore[no-untyped-def]
    """Add litter to labile, cellulose and lignin pools; nitrogen goes the same way."""
    lignin = 1.0 - labile - cellulose
    litter_c[LITR1] += carbon * labile
    litter_c[LITR2] += carbon * cellulose
    litter_c[LITR3] += carbon * lignin
    litter_n[LITR1] += nitrogen * labile
    litter_n[LITR2] += nitrogen * cellulose
    litter_n[LITR3] += nitrogen * lignin


@compiled
def litterfall(plant, pft, traits, days, weight, litter_c, litter_n):  # type: ignore[no-untyped-def]
    """Leaves and fine roots that fall today; leaves give the plant nitrogen back before.

    Parameters
    ----------
    days : float
        ``ndays_off``.
    weight : float
        Share of the PFT in the column.
    litter_c, litter_n : float64 (4,)
        Input to litr1, litr2, litr3 and cwd, gC and gN m-2 of the column; added to.
    """
    shed = shed_fraction(plant, days) if plant[P_OFFSET_COUNTER] > 0.0 else 0.0
    always = background(plant, pft)
    leaf = plant[LEAF] * min(shed + always * traits[T_LEAF_TURNOVER], 1.0)
    froot = plant[FROOT] * min(shed + always * traits[T_FROOT_TURNOVER], 1.0)
    if leaf > 0.0:
        plant[LEAF] -= leaf
        plant[P_NPOOL] += leaf * (traits[T_NC + LEAF] - traits[T_LEAF_LITTER_NC])
        add_litter(
            litter_c,
            litter_n,
            weight * leaf,
            weight * leaf * traits[T_LEAF_LITTER_NC],
            pft[i.LF_FLAB],
            pft[i.LF_FCEL],
        )
    if froot > 0.0:
        plant[FROOT] -= froot
        add_litter(
            litter_c,
            litter_n,
            weight * froot,
            weight * froot * traits[T_NC + FROOT],
            pft[i.FR_FLAB],
            pft[i.FR_FCEL],
        )


@compiled
def background_transfer(plant, pft):  # type: ignore[no-untyped-def]
    """Storage of stress-deciduous plants that never rest is displayed over a year."""
    if pft[i.STRESS_DECID] < 0.5:
        return
    rate = background(plant, pft) / 365.0
    if rate > 0.0:
        for tissue in range(N_TISSUES):
            moved = rate * plant[STORAGE + tissue]
            plant[STORAGE + tissue] -= moved
            plant[tissue] += moved


@compiled
def age_wood(plant, traits, rates):  # type: ignore[no-untyped-def]
    """Live wood becomes dead wood and gives nitrogen back (Oleson et al. 2013, section 20.6)."""
    for pair in range(2):
        live = LIVESTEM + 2 * pair
        aged = rates[R_LIVEWOOD] * plant[live]
        plant[live] -= aged
        plant[live + 1] += aged
        plant[P_NPOOL] += aged * (traits[T_NC + live] - traits[T_NC + live + 1])


@compiled
def mortality(plant, pft, traits, rates, accelerated, weight, litter_c, litter_n):  # type: ignore[no-untyped-def]
    """A fixed share of the plants dies each day: wood to CWD, the rest to litter.

    Parameters
    ----------
    accelerated : int
        1 in accelerated decomposition: dead stem and dead coarse root die ten times faster.

    Source: Oleson et al. (2013), chapter 22; ELM for the acceleration.
    """
    rate = rates[R_MORTALITY]
    leaf, froot = rate * plant[LEAF], rate * plant[FROOT]
    plant[LEAF] -= leaf
    plant[FROOT] -= froot
    add_litter(
        litter_c,
        litter_n,
        weight * leaf,
        weight * leaf * traits[T_NC + LEAF],
        pft[i.LF_FLAB],
        pft[i.LF_FCEL],
    )
    add_litter(
        litter_c,
        litter_n,
        weight * froot,
        weight * froot * traits[T_NC + FROOT],
        pft[i.FR_FLAB],
        pft[i.FR_FCEL],
    )
    dead = min(rate * AD_MORTALITY, 1.0) if accelerated == 1 else rate
    for tissue in range(LIVESTEM, N_TISSUES):
        wood = plant[tissue] * (dead if tissue in (DEADSTEM, DEADCROOT) else rate)
        plant[tissue] -= wood
        litter_c[CWD] += weight * wood
        litter_n[CWD] += weight * wood * traits[T_NC + tissue]
    carbon, nitrogen = 0.0, rate * plant[P_NPOOL]
    plant[P_NPOOL] -= nitrogen
    for tissue in range(N_TISSUES):
        stored = rate * plant[STORAGE + tissue]
        moving = rate * plant[XFER + tissue]
        plant[STORAGE + tissue] -= stored
        plant[XFER + tissue] -= moving
        carbon += stored + moving
        nitrogen += (stored + moving) * traits[T_NC + tissue]
    litter_c[LITR1] += weight * carbon
    litter_n[LITR1] += weight * nitrogen


@compiled
def turn_over(plant, pft, traits, rates, days, accelerated, weight, litter_c, litter_n):  # type: ignore[no-untyped-def]
    """Everything that moves through a plant today besides new growth."""
    display(plant)
    background_transfer(plant, pft)
    litterfall(plant, pft, traits, days, weight, litter_c, litter_n)
    if pft[i.WOODY] > 0.5:
        age_wood(plant, traits, rates)
    mortality(plant, pft, traits, rates, accelerated, weight, litter_c, litter_n)
