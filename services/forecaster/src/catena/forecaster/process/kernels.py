"""GR4J with snow in elevation bands, one day and its loops, compiled.

All compiled functions are in this file: numba's cache on disk notices an edit of the file of a
function only, not of those that it calls. No ``fastmath``, no ``parallel``: a basin alone gives the
same bits as among others, and a run that is cut and resumed the same as one that is not.

Sources: Perrin, Michel and Andreassian (2003), J. Hydrol. 279, 275-289, section 2 (GR4J); Valery,
Andreassian and Perrin (2014), J. Hydrol. 517, 1176-1187 (snow).
"""

from __future__ import annotations

import math

import numba
import numpy as np

BANDS = 5
"""Elevation bands of equal area."""
MAX_UH1, MAX_UH2 = 15, 30
"""Days that the unit hydrographs can last: ceil(x4) and ceil(2 x4) of the largest x4."""
MIXED_RANGE = 2.0
"""Width of the temperatures at which rain and snow fall together, degC."""

# places in a state vector; all in mm but the packs' temperature, degC
PRODUCTION, ROUTING, UH1 = 0, 1, 2
UH2 = UH1 + MAX_UH1
SNOW = UH2 + MAX_UH2
PACK_TEMPERATURE = SNOW + BANDS
N_STATE = PACK_TEMPERATURE + BANDS

# places in a parameter vector
X1, X2, X3, X4, MELT, T_SNOW, COLD, P_FACTOR, E_FACTOR = range(9)

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def unit_hydrographs(x4, ordinates):  # type: ignore[no-untyped-def]
    """Daily ordinates of both unit hydrographs, each summing to 1.

    `ordinates` (MAX_UH1 + MAX_UH2,) receives them one after the other.
    """
    before = 0.0
    for k in range(MAX_UH1):
        t = k + 1.0
        curve = 1.0 if t >= x4 else (t / x4) ** 2.5
        ordinates[k] = curve - before
        before = curve
    before = 0.0
    for k in range(MAX_UH2):
        t = k + 1.0
        if t >= 2.0 * x4:
            curve = 1.0
        elif t > x4:
            curve = 1.0 - 0.5 * (2.0 - t / x4) ** 2.5
        else:
            curve = 0.5 * (t / x4) ** 2.5
        ordinates[MAX_UH1 + k] = curve - before
        before = curve


@_compiled
def snow_day(state, rain_and_snow, temperature, band_warmth, parameters):  # type: ignore[no-untyped-def]
    """Liquid water of one day, mm: rain and melt over all bands (Valery et al. 2014).

    `band_warmth` (BANDS,), degC, is added to the temperature; the last band is the coldest.
    """
    warm = temperature + band_warmth[BANDS - 1] >= parameters[T_SNOW] + 0.5 * MIXED_RANGE
    if warm:
        pack = 0.0
        for b in range(BANDS):
            pack += state[SNOW + b]
        if pack == 0.0:
            return rain_and_snow
    liquid = 0.0
    for b in range(BANDS):
        t = temperature + band_warmth[b]
        solid = min(max((parameters[T_SNOW] - t) / MIXED_RANGE + 0.5, 0.0), 1.0) * rain_and_snow
        pack = state[SNOW + b] + solid
        liquid += rain_and_snow - solid
        cold = 0.0
        if pack > 0.0:
            weight = parameters[COLD]
            cold = min(0.0, weight * state[PACK_TEMPERATURE + b] + (1.0 - weight) * t)
            if cold == 0.0 and t > 0.0:
                melt = min(pack, parameters[MELT] * t)
                pack -= melt
                liquid += melt
        # a pack that is gone keeps no cold: the next one starts afresh
        state[SNOW + b] = pack
        state[PACK_TEMPERATURE + b] = cold if pack > 0.0 else 0.0
    return liquid / BANDS


@_compiled
def gr4j_day(state, water, pet, parameters, ordinates):  # type: ignore[no-untyped-def]
    """One day of GR4J: flow, actual evapotranspiration, exchange, all mm d-1."""
    x1, x2, x3, x4 = parameters[X1], parameters[X2], parameters[X3], parameters[X4]
    # interception, production store
    fill = state[PRODUCTION] / x1
    if water >= pet:
        evaporated = pet
        net = math.tanh((water - pet) / x1)
        stored = x1 * (1.0 - fill * fill) * net / (1.0 + fill * net)
        state[PRODUCTION] += stored
        effective = water - pet - stored
    else:
        net = math.tanh((pet - water) / x1)
        taken = state[PRODUCTION] * (2.0 - fill) * net / (1.0 + (1.0 - fill) * net)
        taken = min(taken, state[PRODUCTION])
        state[PRODUCTION] -= taken
        evaporated = water + taken
        effective = 0.0
    # percolation
    ratio = state[PRODUCTION] / x1 * (4.0 / 9.0)
    ratio *= ratio
    percolation = state[PRODUCTION] * (1.0 - 1.0 / math.sqrt(math.sqrt(1.0 + ratio * ratio)))
    state[PRODUCTION] -= percolation
    effective += percolation
    # unit hydrographs: a queue of what is still to come
    slow, quick = 0.9 * effective, 0.1 * effective
    last1, last2 = math.ceil(x4) - 1, math.ceil(2.0 * x4) - 1
    arriving_slow = state[UH1] + ordinates[0] * slow
    for k in range(last1):
        state[UH1 + k] = state[UH1 + k + 1] + ordinates[k + 1] * slow
    state[UH1 + last1] = 0.0
    arriving_quick = state[UH2] + ordinates[MAX_UH1] * quick
    for k in range(last2):
        state[UH2 + k] = state[UH2 + k + 1] + ordinates[MAX_UH1 + k + 1] * quick
    state[UH2 + last2] = 0.0
    # exchange, limited to the water that is there
    fill = state[ROUTING] / x3
    exchange = x2 * fill * fill * fill * math.sqrt(fill)
    routed = state[ROUTING] + arriving_slow
    into_routing = max(exchange, -routed)
    into_direct = max(exchange, -arriving_quick)
    # routing store and direct branch
    routed += into_routing
    fill = routed / x3
    fill *= fill
    outflow = routed * (1.0 - 1.0 / math.sqrt(math.sqrt(1.0 + fill * fill)))
    state[ROUTING] = routed - outflow
    return outflow + arriving_quick + into_direct, evaporated, into_routing + into_direct


@_compiled
def model_day(state, p, t, pet, parameters, band_warmth, ordinates):  # type: ignore[no-untyped-def]
    """One day of snow and GR4J: flow, actual evapotranspiration, exchange, all mm d-1."""
    water = snow_day(state, parameters[P_FACTOR] * p, t, band_warmth, parameters)
    return gr4j_day(state, water, parameters[E_FACTOR] * pet, parameters, ordinates)


@_compiled
def run(states, p, t, pet, parameters, band_warmth, fluxes, keep, kept):  # type: ignore[no-untyped-def]
    """All basins through all days; `states` (basin, N_STATE) end as the last day's.

    `fluxes` (basin, day, 3) receives flow, evapotranspiration and exchange; `kept` (basin, k,
    N_STATE) the states at the end of the ascending days `keep` (k,).
    """
    basins, days = p.shape
    ordinates = np.empty(MAX_UH1 + MAX_UH2)
    for b in range(basins):
        unit_hydrographs(parameters[b, X4], ordinates)
        state, own, warmth, place = states[b], parameters[b], band_warmth[b], 0
        for d in range(days):
            flow, evaporated, exchange = model_day(
                state, p[b, d], t[b, d], pet[b, d], own, warmth, ordinates
            )
            fluxes[b, d, 0] = flow
            fluxes[b, d, 1] = evaporated
            fluxes[b, d, 2] = exchange
            while place < len(keep) and keep[place] == d:
                kept[b, place] = state
                place += 1


@_compiled
def run_leads(states, p, t, pet, parameters, band_warmth, flow):  # type: ignore[no-untyped-def]
    """From each state, (basin, issue, N_STATE), through its own leads, (basin, issue, lead)."""
    basins, issues, leads = p.shape
    ordinates = np.empty(MAX_UH1 + MAX_UH2)
    state = np.empty(N_STATE)
    for b in range(basins):
        unit_hydrographs(parameters[b, X4], ordinates)
        own, warmth = parameters[b], band_warmth[b]
        for i in range(issues):
            state[:] = states[b, i]
            for h in range(leads):
                flow[b, i, h] = model_day(
                    state, p[b, i, h], t[b, i, h], pet[b, i, h], own, warmth, ordinates
                )[0]


@_compiled
def misfit(start, p, t, pet, observed, root, weights, parameters, band_warmth, bound):  # type: ignore[no-untyped-def]
    """Weighted squares of the errors of flow and of its root, for each member of a population.

    Days whose `observed` flow (day,) is NaN do not count. `root` is the observed root, `weights`
    (2,) multiply the squares. A member whose sum passes its `bound` stops there: it could not win.

    Parameters: start (member, N_STATE), parameters (member, 9), bound (member,). Returns (member,).
    """
    members, days = len(parameters), len(p)
    ordinates = np.empty(MAX_UH1 + MAX_UH2)
    state = np.empty(N_STATE)
    sums = np.zeros(members)
    for m in range(members):
        unit_hydrographs(parameters[m, X4], ordinates)
        state[:] = start[m]
        own, total = parameters[m], 0.0
        for d in range(days):
            flow = model_day(state, p[d], t[d], pet[d], own, band_warmth, ordinates)[0]
            if not math.isnan(observed[d]):
                error = flow - observed[d]
                root_error = math.sqrt(flow) - root[d]
                total += weights[0] * error * error + weights[1] * root_error * root_error
                if total > bound[m]:
                    break
        sums[m] = total
    return sums
