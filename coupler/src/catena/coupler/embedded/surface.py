"""The surface of a column: leaves, wet canopy, transpiration, ground, heat of the soil."""

from __future__ import annotations

import math

from catena.coupler.embedded import indices as i
from catena.coupler.embedded.allocation import A_GPP, N_ALLOCATION
from catena.coupler.embedded.canopy import cover, leaf_area_index, stem_area_index, water_stress
from catena.coupler.embedded.constants import (
    ALBEDO_SNOW,
    ALBEDO_SOIL,
    FREEZING,
    SECONDS,
    SNOW_INSULATION,
    SOIL_HEAT_CAPACITY,
    SOIL_HEAT_DAYS,
    SOIL_HEAT_DEPTH,
    VAPORISATION,
)
from catena.coupler.embedded.energy import penman_monteith
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.hydraulics import N_NODES, T_DECOMPOSITION, T_POTENTIAL
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.lookup import interpolate, place
from catena.coupler.embedded.photosynthesis import photosynthesis
from catena.coupler.embedded.state import DEADSTEM, LEAF, P_CANOPY_WATER, S_SNOW, S_TSOIL
from catena.coupler.embedded.traits import T_AERODYNAMIC, T_VCMAX
from catena.coupler.embedded.water import canopy_water, intercept
from catena.coupler.embedded.weather import (
    W_DAY_FACTOR,
    W_DAY_FRACTION,
    W_EMITTED,
    W_GAMMA,
    W_HEAT,
    W_LONGWAVE,
    W_PER_MOLE,
    W_RAIN,
    W_RSDS,
    W_SLOPE,
    W_VPD,
    W_VPD_DAY,
    W_WIND,
)

(
    F_LAI,
    F_PLANT_AREA,
    F_BTRAN,
    F_CONDUCTANCE,
    F_G_AIR,
    F_G_BOTH,
    F_ALBEDO,
    F_COVER,
    F_ASKED,
) = range(9)
"""Of a PFT on a day: leaf and plant area, water stress, canopy conductance (m s-1), conductance for
heat without and with radiation (m s-1), albedo, share of the net radiation, transpiration that the
air asks for (kg m-2 d-1)."""
F_SHARE = 9
"""Share of each layer in the uptake."""
F_ALLOCATION = F_SHARE + N_LAYERS
N_FLUX = F_ALLOCATION + N_ALLOCATION


@compiled
def soil_state(column, tables, per_porous, weights, potential):  # type: ignore[no-untyped-def]
    """Water potential of each layer (m), and the moisture factor of decomposition."""
    moisture = 0.0
    for layer in range(N_LAYERS):
        node, way = place(column[layer] * per_porous[layer], N_NODES)
        potential[layer] = interpolate(tables[layer, T_POTENTIAL], node, way)
        if weights[layer] > 0.0:
            factor = interpolate(tables[layer, T_DECOMPOSITION], node, way)
            moisture += weights[layer] * factor
    return moisture


@compiled
def warm_soil(column, air):  # type: ignore[no-untyped-def]
    """Let the upper soil follow the air, slower under snow; heat into the soil, W m-2."""
    days = SOIL_HEAT_DAYS * (1.0 + SNOW_INSULATION * column[S_SNOW])
    step = (air + FREEZING - column[S_TSOIL]) / (days + 0.5)
    column[S_TSOIL] += step
    return SOIL_HEAT_CAPACITY * SOIL_HEAT_DEPTH * step / SECONDS


@compiled
def leaves(plant, pft, traits, weather, potential, frost, snow, whole_wood, flux):  # type: ignore[no-untyped-def]
    """Leaf area, water stress, potential production and conductance of one PFT.

    ``whole_wood`` is the factor from dead stem to what stands there: 10 while mortality is
    accelerated, as in ELM, 1 otherwise.
    """
    leaf_area = leaf_area_index(plant[LEAF], pft[i.SLATOP], pft[i.DSLADLAI])
    plant_area = leaf_area + stem_area_index(whole_wood * plant[DEADSTEM], pft[i.WOODY])
    flux[F_LAI] = leaf_area
    flux[F_PLANT_AREA] = plant_area
    flux[F_COVER] = cover(plant_area)
    flux[F_G_AIR] = traits[T_AERODYNAMIC] * weather[W_WIND]
    flux[F_G_BOTH] = flux[F_G_AIR] + weather[W_EMITTED] / weather[W_HEAT]
    white = snow / (snow + 10.0)
    ground = ALBEDO_SOIL + (ALBEDO_SNOW - ALBEDO_SOIL) * white
    covered = pft[i.CANOPY_ALBEDO]
    # Grass is buried by snow, trees stand above it.
    if pft[i.WOODY] < 0.5:
        covered += (ALBEDO_SNOW - covered) * white
    flux[F_ALBEDO] = covered * flux[F_COVER] + ground * (1.0 - flux[F_COVER])
    flux[F_BTRAN] = water_stress(potential, frost, traits, flux[F_SHARE:F_ALLOCATION])
    top = traits[T_VCMAX] * weather[W_DAY_FACTOR] * flux[F_BTRAN]
    carbon, moles = photosynthesis(weather, leaf_area, top, pft[i.MEDLYNSLOPE], pft[i.C3PSN])
    flux[F_ALLOCATION + A_GPP] = carbon
    flux[F_CONDUCTANCE] = moles * weather[W_PER_MOLE]


@compiled
def wet_canopy(plant, weather, flux):  # type: ignore[no-untyped-def]
    """Interception of one PFT: evaporation, its share of the possible, rain that falls through."""
    caught = intercept(weather[W_RAIN], flux[F_PLANT_AREA])
    if plant[P_CANOPY_WATER] + caught <= 0.0:
        return 0.0, 0.0, weather[W_RAIN]
    net = (1.0 - flux[F_ALBEDO]) * weather[W_RSDS] + weather[W_LONGWAVE]
    possible = (
        SECONDS
        / VAPORISATION
        * penman_monteith(
            max(net, 0.0) * flux[F_COVER],
            weather[W_SLOPE],
            weather[W_GAMMA],
            weather[W_HEAT],
            weather[W_VPD],
            (flux[F_G_AIR], flux[F_G_BOTH]),
            -1.0,
        )
    )
    evaporated, dripped, kept = canopy_water(
        plant[P_CANOPY_WATER], caught, possible, flux[F_PLANT_AREA]
    )
    plant[P_CANOPY_WATER] = kept
    used = evaporated / possible if possible > 0.0 else 0.0
    return evaporated, used, weather[W_RAIN] - caught + dripped


@compiled
def transpiration(weather, flux, ground_heat):  # type: ignore[no-untyped-def]
    """Transpiration that the air asks for in the light hours, kg m-2 d-1."""
    light = weather[W_DAY_FRACTION]
    if flux[F_CONDUCTANCE] <= 0.0 or light <= 0.0:
        return 0.0
    net = (1.0 - flux[F_ALBEDO]) * weather[W_RSDS] / light + weather[W_LONGWAVE] - ground_heat
    flow = penman_monteith(
        max(net, 0.0) * flux[F_COVER],
        weather[W_SLOPE],
        weather[W_GAMMA],
        weather[W_HEAT],
        weather[W_VPD_DAY],
        (flux[F_G_AIR], flux[F_G_BOTH]),
        flux[F_CONDUCTANCE],
    )
    return flow * light * SECONDS / VAPORISATION


@compiled
def ground_evaporation(weather, net, snow, saturation, open_ground, g_bare):  # type: ignore[no-untyped-def]
    """Evaporation that the air asks of the ground, kg m-2 d-1.

    Parameters
    ----------
    net : float
        Radiation that reaches the ground, less the heat into it, W m-2.
    snow : float
        kg m-2; snow is wet.
    saturation : float
        Of the top layer.
    open_ground : float
        Fraction of the ground that no canopy shelters from the wind.
    g_bare : float
        Conductance of bare ground for heat, m s-1.

    Source: resistance of dry soil by Sellers et al. (1992), equation 19.
    """
    air = g_bare * (0.3 + 0.7 * open_ground)
    soil = -1.0 if snow > 0.0 else math.exp(4.255 * saturation - 8.206)
    both = air + weather[W_EMITTED] / weather[W_HEAT]
    flow = penman_monteith(
        max(net, 0.0),
        weather[W_SLOPE],
        weather[W_GAMMA],
        weather[W_HEAT],
        # Air below a canopy is as moist as its leaves leave it.
        weather[W_VPD] * (0.3 + 0.7 * open_ground),
        (air, both),
        soil,
    )
    return flow * SECONDS / VAPORISATION
