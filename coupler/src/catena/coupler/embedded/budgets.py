"""What a column holds, and by how much a day's budget fails to close."""

from __future__ import annotations

from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.state import (
    N_POOLS,
    N_TISSUES,
    P_CANOPY_WATER,
    P_CPOOL,
    P_NPOOL,
    S_C,
    S_N,
    S_SMINN,
    S_SNOW,
    STORAGE,
    XFER,
)
from catena.coupler.embedded.traits import T_NC

B_CARBON, B_NITROGEN, B_WATER, B_ENERGY = range(4)
N_BUDGETS = 4


@compiled
def plant_totals(plants, traits, weights, out):  # type: ignore[no-untyped-def]
    """Carbon, nitrogen and canopy water of a column's plants into ``out`` (3,); smallest pool."""
    carbon, nitrogen, water = 0.0, 0.0, 0.0
    lowest = 0.0
    for k in range(plants.shape[0]):
        plant = plants[k]
        c = plant[P_CPOOL]
        n = plant[P_NPOOL]
        lowest = min(lowest, n)
        for tissue in range(N_TISSUES):
            shown, kept, moving = plant[tissue], plant[STORAGE + tissue], plant[XFER + tissue]
            lowest = min(lowest, shown, kept, moving)
            whole = shown + kept + moving
            c += whole
            n += whole * traits[k, T_NC + tissue]
        carbon += weights[k] * c
        nitrogen += weights[k] * n
        water += weights[k] * plant[P_CANOPY_WATER]
    out[B_CARBON] = carbon
    out[B_NITROGEN] = nitrogen
    out[B_WATER] = water
    return lowest


@compiled
def column_totals(column, out):  # type: ignore[no-untyped-def]
    """Add what the soil holds to ``out`` (3,); smallest pool."""
    lowest = min(column[S_SNOW], column[S_SMINN])
    carbon, nitrogen, water = 0.0, column[S_SMINN], column[S_SNOW]
    for pool in range(N_POOLS):
        lowest = min(lowest, column[S_C + pool], column[S_N + pool])
        carbon += column[S_C + pool]
        nitrogen += column[S_N + pool]
    for layer in range(N_LAYERS):
        lowest = min(lowest, column[layer])
        water += column[layer]
    out[B_CARBON] += carbon
    out[B_NITROGEN] += nitrogen
    out[B_WATER] += water
    return lowest


@compiled
def gap(before, after, net, scale):  # type: ignore[no-untyped-def]
    """Relative failure of a budget: change less net input, over what there is and what moved."""
    return abs(after - before - net) / max(abs(after), abs(before), scale, 1e-3)
