"""Interception, snow, infiltration, drainage and uptake of water; kg m-2 and kg m-2 d-1."""

from __future__ import annotations

import math

from catena.coupler.embedded.constants import (
    CANOPY_CAPACITY,
    CANOPY_FILLINGS,
    DEGREE_DAY,
    INTERCEPTION,
)
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.hydraulics import DRIEST, N_NODES, T_DRAINED
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.lookup import interpolate


@compiled
def intercept(rain, plant_area):  # type: ignore[no-untyped-def]
    """Rain that the canopy catches (Lawrence et al. 2007, equation 1), a few fillings at most."""
    caught = INTERCEPTION * rain * (1.0 - math.exp(-0.5 * plant_area))
    return min(caught, CANOPY_FILLINGS * CANOPY_CAPACITY * plant_area)


@compiled
def canopy_water(held, caught, potential, plant_area):  # type: ignore[no-untyped-def]
    """Evaporation of intercepted water, what drips, and what stays on the canopy."""
    evaporated = min(held + caught, potential)
    left = held + caught - evaporated
    kept = min(left, CANOPY_CAPACITY * plant_area)
    return evaporated, left - kept, kept


@compiled
def melt(snow, degrees):  # type: ignore[no-untyped-def]
    """Melt by degree-days (Hock 2003)."""
    return min(snow, DEGREE_DAY * degrees)


@compiled
def infiltrate(water, inflow, tables, porous, per_porous):  # type: ignore[no-untyped-def]
    """Let water through the layers: each drains for a day, what is beyond saturation goes on.

    Parameters
    ----------
    water, porous, per_porous : float64 (layer,)
        Held, what fills the layer, and one over that.
    inflow : float
    tables : float64 (layer, N_TABLES, N_NODES)

    Returns
    -------
    runoff, drainage : float
        Out of the top when the column is full, and out of the bottom.
    """
    flow = inflow
    down, beyond = 0.0, 0.0
    for layer in range(N_LAYERS):
        full = porous[layer]
        held = water[layer] + flow
        beyond = max(held - full, 0.0)
        held -= beyond
        # As lookup.place, whose limits hold here: ten layers in a row are the day's longest wait.
        x = held * per_porous[layer] * (N_NODES - 1)
        node = min(int(x), N_NODES - 2)
        down = min(interpolate(tables[layer, T_DRAINED], node, x - node), held)
        water[layer] = held - down
        flow = down + beyond
    # The last layer drains into the ground below, but only what it can conduct.
    drainage = down
    surplus = beyond
    layer = N_LAYERS - 1
    while surplus > 0.0 and layer >= 0:
        fits = min(porous[layer] - water[layer], surplus)
        water[layer] += fits
        surplus -= fits
        layer -= 1
    return surplus, drainage


@compiled
def take(water, porous, share, demand):  # type: ignore[no-untyped-def]
    """Take water from the layers in given shares, as far as there is any; how much was taken."""
    taken = 0.0
    for layer in range(share.shape[0]):
        part = min(demand * share[layer], max(water[layer] - DRIEST * porous[layer], 0.0))
        water[layer] -= part
        taken += part
    return taken
