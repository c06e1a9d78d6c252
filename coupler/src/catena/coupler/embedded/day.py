"""One day of one column: the order of the processes."""

from __future__ import annotations

from catena.coupler.embedded import indices as i
from catena.coupler.embedded import outputs as o
from catena.coupler.embedded.allocation import (
    A_FROM_SOIL,
    A_GPP,
    A_GR,
    A_MR,
    A_UPTAKE,
    allocate,
    demand,
)
from catena.coupler.embedded.budgets import (
    B_CARBON,
    B_ENERGY,
    B_NITROGEN,
    B_WATER,
    column_totals,
    gap,
    plant_totals,
)
from catena.coupler.embedded.constants import FREEZING, FUSION, SECONDS, VAPORISATION
from catena.coupler.embedded.decomposition import (
    D_INPUT,
    D_LOSS,
    decompose,
    potential_decomposition,
)
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.nitrogen import (
    M_DENITRIFIED,
    M_FIXED,
    M_FPG,
    M_FPI,
    M_LEACHED,
    M_SUPPLEMENT,
    compete,
    fixation,
)
from catena.coupler.embedded.phenology import evergreen, seasonal, stressed
from catena.coupler.embedded.respiration import maintenance_respiration
from catena.coupler.embedded.state import (
    AD_MORTALITY,
    DEADSTEM,
    LEAF,
    LIVESTEM,
    N_POOLS,
    N_TISSUES,
    P_ANNSUM_NPP,
    P_CPOOL,
    P_NPOOL,
    P_TEMPSUM_NPP,
    S_C,
    S_N,
    S_SMINN,
    S_SNOW,
    S_TSOIL,
    STORAGE,
    XFER,
)
from catena.coupler.embedded.status import NEGATIVE_POOL, NOT_FINITE, OK
from catena.coupler.embedded.surface import (
    F_ALBEDO,
    F_ALLOCATION,
    F_ASKED,
    F_BTRAN,
    F_COVER,
    F_G_BOTH,
    F_LAI,
    F_SHARE,
    ground_evaporation,
    leaves,
    soil_state,
    transpiration,
    warm_soil,
    wet_canopy,
)
from catena.coupler.embedded.traits import T_GROWS
from catena.coupler.embedded.turnover import turn_over
from catena.coupler.embedded.water import infiltrate, melt, take
from catena.coupler.embedded.weather import (
    W_AIR,
    W_DAYLENGTH,
    W_EMITTED,
    W_HEAT,
    W_LENGTHENING,
    W_LONGWAVE,
    W_MELT,
    W_NDEP,
    W_RAIN,
    W_RSDS,
    W_SNOW,
    W_WIND,
)

STRESS_LAYER = 3
"""Layer at .12 m, whose potential stress-deciduous plants feel."""
BARE_CONDUCTANCE = 0.0034
"""Aerodynamic conductance of bare ground per wind speed: roughness .01 m, 10 m above."""
MPA_PER_METRE = 9.80665e-3
SMALLEST = -1e-9
"""What rounding may leave of an empty pool."""


@compiled
def water_and_energy(  # type: ignore[no-untyped-def]
    weather,
    column,
    plants,
    pfts,
    traits,
    weights,
    soil,
    flux,
    potential,
    ground_share,
    accelerated,
    out,
):
    """Radiation, heat and water of a column and the potential production of its plants.

    Returns
    -------
    moisture : float
        Factor of decomposition.
    washed : float
        Share of the soil's water that drained.
    """
    tables, porous, per_porous, layer_weights = soil
    whole_wood = AD_MORTALITY if accelerated == 1 else 1.0
    into_ground = warm_soil(column, weather[W_AIR])
    celsius = column[S_TSOIL] - FREEZING
    frost = min(max(0.5 * (celsius + 2.0), 0.0), 1.0)
    moisture = soil_state(column, tables, per_porous, layer_weights, potential)

    evaporated, rain, net, open_ground, to_ground = 0.0, 0.0, 0.0, 0.0, 0.0
    leaf_area, btran, g_both, emitted = 0.0, 0.0, 0.0, 0.0
    for k in range(plants.shape[0]):
        leaves(
            plants[k],
            pfts[k],
            traits[k],
            weather,
            potential,
            frost,
            column[S_SNOW],
            whole_wood,
            flux[k],
        )
        wet, used, through = wet_canopy(plants[k], weather, flux[k])
        evaporated += weights[k] * wet
        rain += weights[k] * through
        mine = (1.0 - flux[k, F_ALBEDO]) * weather[W_RSDS] + weather[W_LONGWAVE]
        net += weights[k] * mine
        to_ground += weights[k] * mine * (1.0 - flux[k, F_COVER])
        open_ground += weights[k] * (1.0 - flux[k, F_COVER])
        leaf_area += weights[k] * flux[k, F_LAI]
        btran += weights[k] * flux[k, F_BTRAN]
        g_both += weights[k] * flux[k, F_G_BOTH]
        emitted += weights[k] * weather[W_EMITTED]
        # Leaves that are wet do not transpire.
        flux[k, F_ASKED] = (1.0 - used) * transpiration(weather, flux[k], into_ground)

    column[S_SNOW] += weather[W_SNOW]
    melted = melt(column[S_SNOW], weather[W_MELT])
    column[S_SNOW] -= melted
    before = 0.0
    for layer in range(N_LAYERS):
        before += column[layer]
    runoff, drained = infiltrate(column[:N_LAYERS], rain + melted, tables, porous, per_porous)

    transpired = 0.0
    for k in range(plants.shape[0]):
        asked = weights[k] * flux[k, F_ASKED]
        if asked > 0.0:
            share = flux[k, F_SHARE:F_ALLOCATION]
            transpired += take(column[:N_LAYERS], porous, share, asked)
    from_ground = ground_evaporation(
        weather,
        to_ground - into_ground * open_ground,
        column[S_SNOW],
        column[0] * per_porous[0],
        open_ground,
        BARE_CONDUCTANCE * weather[W_WIND],
    )
    if column[S_SNOW] > 0.0:
        from_ground = min(from_ground, column[S_SNOW])
        column[S_SNOW] -= from_ground
    else:
        from_ground = take(column[:N_LAYERS], porous, ground_share, from_ground)

    latent = (evaporated + transpired + from_ground) * VAPORISATION / SECONDS
    melting = melted * FUSION / SECONDS
    warmth = (net - into_ground - melting - latent) / (weather[W_HEAT] * g_both)
    sensible = warmth * (weather[W_HEAT] * g_both - emitted)
    out[o.O_TLAI] = leaf_area
    out[o.O_BTRAN] = btran
    out[o.O_LH] = latent
    out[o.O_FSH] = sensible
    out[o.O_FGR] = into_ground
    out[o.O_FSM] = melting
    out[o.O_RNET] = net - emitted * warmth
    out[o.O_TSKIN] = weather[W_AIR] + FREEZING + warmth
    out[o.O_TSOI] = column[S_TSOIL]
    out[o.O_QVEGT] = transpired
    out[o.O_QVEGE] = evaporated
    out[o.O_QSOIL] = from_ground
    out[o.O_QOVER] = runoff
    out[o.O_QDRAI] = drained
    out[o.O_RAIN] = weather[W_RAIN]
    out[o.O_SNOW] = weather[W_SNOW]
    return moisture, drained / (before + rain + melted + 1e-6)


@compiled
def triggers(plants, pfts, traits, scalars, weather, celsius, potential):  # type: ignore[no-untyped-def]
    """Let the plants look at the season."""
    for k in range(plants.shape[0]):
        if traits[k, T_GROWS] < 0.5:
            continue
        if pfts[k, i.EVERGREEN] > 0.5:
            evergreen(plants[k])
        elif pfts[k, i.SEASON_DECID] > 0.5:
            seasonal(plants[k], scalars, celsius, weather[W_DAYLENGTH], weather[W_LENGTHENING])
        elif pfts[k, i.STRESS_DECID] > 0.5:
            stressed(
                plants[k],
                scalars,
                celsius,
                potential[STRESS_LAYER] * MPA_PER_METRE,
                weather[W_DAYLENGTH],
            )


@compiled
def carbon_and_nitrogen(  # type: ignore[no-untyped-def]
    weather,
    column,
    plants,
    pfts,
    traits,
    weights,
    scalars,
    rates,
    moisture,
    washed,
    modes,
    year_ends,
    flux,
    litter,
    cascade,
    mineral,
    out,
):
    """Growth, respiration, litter and decomposition of a column, sharing its mineral nitrogen."""
    accelerated, supplied = modes
    celsius = column[S_TSOIL] - FREEZING
    asked, annual = 0.0, 0.0
    for k in range(plants.shape[0]):
        if traits[k, T_GROWS] < 0.5:
            continue
        plant, parts = plants[k], flux[k, F_ALLOCATION:]
        annual += weights[k] * plant[P_ANNSUM_NPP]
        parts[A_MR] = maintenance_respiration(plant, traits[k], rates, weather[W_AIR], celsius)
        demand(plant, pfts[k], traits[k], parts)
        asked += weights[k] * parts[A_FROM_SOIL]
    carbon, nitrogen = column[S_C : S_C + N_POOLS], column[S_N : S_N + N_POOLS]
    immobilised, mineralised = potential_decomposition(
        carbon, nitrogen, celsius, moisture, rates, accelerated, cascade
    )
    column[S_SMINN] = compete(
        column[S_SMINN],
        immobilised,
        mineralised,
        asked,
        fixation(annual),
        weather[W_NDEP],
        washed,
        supplied,
        scalars,
        mineral,
    )
    litter[:] = 0.0
    gpp, mr, gr, uptake = 0.0, 0.0, 0.0, 0.0
    for k in range(plants.shape[0]):
        if traits[k, T_GROWS] < 0.5:
            continue
        plant, parts = plants[k], flux[k, F_ALLOCATION:]
        allocate(plant, pfts[k], parts, mineral[M_FPG])
        plant[P_TEMPSUM_NPP] += parts[A_GPP] - parts[A_MR] - parts[A_GR]
        if year_ends == 1:
            # At the end of the year as in ELM, so that a restart of 1 January holds the year's sum.
            plant[P_ANNSUM_NPP] = plant[P_TEMPSUM_NPP]
            plant[P_TEMPSUM_NPP] = 0.0
        gpp += weights[k] * parts[A_GPP]
        mr += weights[k] * parts[A_MR]
        gr += weights[k] * parts[A_GR]
        uptake += weights[k] * parts[A_UPTAKE]
        turn_over(
            plant,
            pfts[k],
            traits[k],
            rates,
            scalars[i.NDAYS_OFF],
            accelerated,
            weights[k],
            litter[0],
            litter[1],
        )
    respired = decompose(
        carbon,
        nitrogen,
        litter[0],
        litter[1],
        mineral[M_FPI],
        scalars[i.CWD_FCEL],
        rates,
        cascade,
    )
    out[o.O_GPP] = gpp
    out[o.O_MR] = mr
    out[o.O_GR] = gr
    out[o.O_AR] = mr + gr
    out[o.O_NPP] = gpp - mr - gr
    out[o.O_HR] = respired
    out[o.O_NEE] = respired + mr + gr - gpp
    out[o.O_FPG] = mineral[M_FPG]
    out[o.O_FPI] = mineral[M_FPI]
    out[o.O_NFIX] = mineral[M_FIXED]
    out[o.O_NDEP] = weather[W_NDEP]
    out[o.O_SUPPLEMENT] = mineral[M_SUPPLEMENT]
    out[o.O_DENIT] = mineral[M_DENITRIFIED]
    out[o.O_LEACHED] = mineral[M_LEACHED]
    out[o.O_UPTAKE] = uptake
    for pool in range(N_POOLS):
        out[o.O_LOSS + pool] = cascade[D_LOSS + pool]
        out[o.O_INPUT + pool] = cascade[D_INPUT + pool]


@compiled
def describe(column, plants, weights, out):  # type: ignore[no-untyped-def]
    """Pools at the end of the day."""
    for tissue in range(N_TISSUES):
        out[o.O_TISSUES + tissue] = 0.0
    vegetation, above, reserve, store = 0.0, 0.0, 0.0, 0.0
    for k in range(plants.shape[0]):
        plant, weight = plants[k], weights[k]
        whole = plant[P_CPOOL]
        for tissue in range(N_TISSUES):
            out[o.O_TISSUES + tissue] += weight * plant[tissue]
            whole += plant[tissue] + plant[STORAGE + tissue] + plant[XFER + tissue]
        vegetation += weight * whole
        above += weight * (plant[LEAF] + plant[LIVESTEM] + plant[DEADSTEM])
        reserve += weight * plant[P_CPOOL]
        store += weight * plant[P_NPOOL]
    litter, som = 0.0, 0.0
    for pool in range(N_POOLS):
        out[o.O_POOLS + pool] = column[S_C + pool]
        if pool < 3:
            litter += column[S_C + pool]
        elif pool > 3:
            som += column[S_C + pool]
    out[o.O_TOTVEGC] = vegetation
    out[o.O_TOTVEGC_ABG] = above
    out[o.O_TOTLITC] = litter
    out[o.O_TOTSOMC] = som
    out[o.O_TOTECOSYSC] = vegetation + litter + som + column[S_C + 3]
    out[o.O_CPOOL] = reserve
    out[o.O_NPOOL] = store
    out[o.O_SMINN] = column[S_SMINN]
    out[o.O_H2OSNO] = column[S_SNOW]
    water = 0.0
    for layer in range(N_LAYERS):
        water += column[layer]
    out[o.O_SOILWATER] = water
    # .1 m ends within the fourth layer.
    out[o.O_SOILWATER_10CM] = column[0] + column[1] + column[2] + 0.1259 * column[3]


@compiled
def check(column, plants, traits, weights, out, before, after, worst):  # type: ignore[no-untyped-def]
    """Close the day's budgets; a status of :mod:`catena.coupler.embedded.status`.

    Parameters
    ----------
    before, after : float64 (3,)
        Carbon, nitrogen and water of the column yesterday and today; ``after`` is filled.
    worst : float64 (4,)
        Largest relative failure so far; updated.
    """
    lowest = plant_totals(plants, traits, weights, after)
    lowest = min(lowest, column_totals(column, after))
    net = -out[o.O_NEE]
    worst[B_CARBON] = max(
        worst[B_CARBON], gap(before[B_CARBON], after[B_CARBON], net, out[o.O_GPP])
    )
    net = out[o.O_NFIX] + out[o.O_NDEP] + out[o.O_SUPPLEMENT] - out[o.O_DENIT] - out[o.O_LEACHED]
    worst[B_NITROGEN] = max(
        worst[B_NITROGEN], gap(before[B_NITROGEN], after[B_NITROGEN], net, out[o.O_UPTAKE])
    )
    lost = out[o.O_QVEGT] + out[o.O_QVEGE] + out[o.O_QSOIL] + out[o.O_QOVER] + out[o.O_QDRAI]
    net = out[o.O_RAIN] + out[o.O_SNOW] - lost
    worst[B_WATER] = max(worst[B_WATER], gap(before[B_WATER], after[B_WATER], net, lost))
    used = out[o.O_LH] + out[o.O_FSH] + out[o.O_FGR] + out[o.O_FSM]
    worst[B_ENERGY] = max(worst[B_ENERGY], gap(out[o.O_RNET], used, 0.0, 1.0))
    total = after[B_CARBON] + after[B_NITROGEN] + after[B_WATER] + out[o.O_TSKIN]
    if not abs(total) < 1e12:
        return NOT_FINITE
    if lowest < SMALLEST:
        return NEGATIVE_POOL
    return OK
