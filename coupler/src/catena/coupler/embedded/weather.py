"""What follows from the weather of a day alone, once per cell and day for all members."""

from __future__ import annotations

import math

import numpy as np

from catena.coupler.embedded.constants import (
    DRY_AIR,
    EMISSIVITY,
    FREEZING,
    GAS,
    HEAT_CAPACITY_AIR,
    MINIMUM_VPD,
    MINIMUM_WIND,
    OXYGEN,
    PAR_PER_WATT,
    SECONDS,
    STEFAN_BOLTZMANN,
    VAPORISATION,
    WATER_TO_AIR,
)
from catena.coupler.embedded.jit import compiled, compiled_loop
from catena.coupler.embedded.sun import (
    G_DAYLENGTH,
    G_EXTRATERRESTRIAL,
    G_LENGTHENING,
    G_RELATIVE,
    G_SINE,
    G_WARMTH,
    GAUSS_W,
)

FORCING = ("tas", "tasmin", "tasmax", "rsds", "rlds", "vp", "ps", "pr", "sfcWind")
"""Columns of the forcing: K, K, K, W m-2, W m-2, Pa, Pa, kg m-2 s-1, m s-1; 24-h means."""
N_FORCING = len(FORCING)
_TAS, _TASMIN, _TASMAX, _RSDS, _RLDS, _VP, _PS, _PR, _WIND = range(N_FORCING)

(
    W_AIR,
    W_RAIN,
    W_SNOW,
    W_RSDS,
    W_LONGWAVE,
    W_EMITTED,
    W_WIND,
    W_HEAT,
    W_SLOPE,
    W_GAMMA,
    W_VPD,
    W_VPD_DAY,
    W_DAY_FRACTION,
    W_DAYLENGTH,
    W_DAY_FACTOR,
    W_LENGTHENING,
    W_CO2,
    W_PER_MOLE,
    W_MELT,
    W_NDEP,
) = range(20)
"""Air temperature (degC), rain, snowfall (kg m-2 d-1), shortwave, net longwave of a surface as
warm as the air, 4 e s T^3 (W m-2 K-1), wind (m s-1), density x heat capacity of air (J m-3 K-1),
slope of the saturation pressure (Pa K-1), psychrometric constant (Pa K-1), vapour pressure deficit
of the whole day and of the light hours (Pa), light fraction of the day, day length (s), squared
relative day length, whether days lengthen, CO2 (Pa), gas constant x temperature (J mol-1), degrees
above freezing (K), nitrogen deposition (gN m-2 d-1)."""
W_POINTS = 20
X_BEAM, X_DIFFUSE, X_EXTINCTION, X_VCMAX, X_JMAX, X_KM, X_GAMMA, X_ROOT_D = range(8)
N_POINT = 8
"""For each of three times: beam and diffuse light (umol m-2 s-1), extinction of the beam, factors
of Vcmax and Jmax, Michaelis constant, compensation point (Pa), sqrt of the vapour pressure deficit
in kPa."""
N_WEATHER = W_POINTS + 3 * N_POINT


@compiled
def saturation_pressure(celsius):  # type: ignore[no-untyped-def]
    """Saturation vapour pressure over water, Pa (Tetens; Allen et al. 1998, equation 11)."""
    return 610.8 * math.exp(17.27 * celsius / (celsius + 237.3))


@compiled
def diffuse_fraction(transmissivity):  # type: ignore[no-untyped-def]
    """Diffuse share of the daily sunlight (Spitters et al. 1986, equation 2a to 2d)."""
    if transmissivity < 0.07:
        return 1.0
    if transmissivity < 0.35:
        return 1.0 - 2.3 * (transmissivity - 0.07) ** 2
    if transmissivity < 0.75:
        return 1.33 - 1.46 * transmissivity
    return 0.23


@compiled
def arrhenius(activation, kelvin):  # type: ignore[no-untyped-def]
    """Factor relative to 25 degC (Bernacchi et al. 2001, equation 1), activation in J mol-1."""
    return math.exp(activation * (kelvin - 298.15) / (298.15 * GAS * kelvin))


@compiled
def kinetics(kelvin, row):  # type: ignore[no-untyped-def]
    """Rubisco's kinetics at a temperature (Bernacchi et al. 2001, table 1; Jmax: 2003).

    Vcmax falls around 43 degC, which Bernacchi's fit to 10 to 40 degC does not cover.

    Parameters
    ----------
    kelvin : float
    row : float64 (5,)
        Filled: factors of Vcmax and Jmax, Michaelis constant and compensation point (mol mol-1),
        saturation pressure (Pa).
    """
    heat = 1.0 / (1.0 + math.exp(0.3 * (kelvin - FREEZING - 43.0)))
    row[0] = arrhenius(65330.0, kelvin) * heat
    row[1] = arrhenius(43540.0, kelvin) * heat
    oxygenation = 278.4e-3 * arrhenius(36380.0, kelvin)
    row[2] = 404.9e-6 * arrhenius(79430.0, kelvin) * (1.0 + OXYGEN / oxygenation)
    row[3] = 42.75e-6 * arrhenius(37830.0, kelvin)
    row[4] = saturation_pressure(kelvin - FREEZING)


COLDEST, STEPS_PER_KELVIN, N_WARMTHS = 193.15, 8.0, 1200
"""The table of kinetics: from -80 to 70 degC; linear between its nodes, within 3e-5."""


@compiled_loop
def kinetics_table():  # type: ignore[no-untyped-def]
    """:func:`kinetics` on a grid of temperatures, float64 (N_WARMTHS + 1, 5)."""
    table = np.empty((N_WARMTHS + 1, 5))
    for node in range(N_WARMTHS + 1):
        kinetics(COLDEST + node / STEPS_PER_KELVIN, table[node])
    return table


@compiled
def derive(row, co2, ndep, sun, warmths, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (N_WEATHER,) from a day's forcing.

    Parameters
    ----------
    row : float64 (N_FORCING,)
    co2 : float
        ppm.
    ndep : float
        gN m-2 yr-1.
    sun : float64 (N_SUN,)
        The day's row of :func:`catena.coupler.embedded.sun.sun_table`.
    warmths : float64 (N_WARMTHS + 1, 5)
        :func:`kinetics_table`.
    """
    kelvin, pressure, vapour = row[_TAS], row[_PS], row[_VP]
    celsius = kelvin - FREEZING
    out[W_AIR] = celsius
    water = row[_PR] * SECONDS
    # Rain turns to snow between 2 and 0 degC (Oleson et al. 2013, section 7.2 for CLM's forcing).
    frozen = min(max(1.0 - 0.5 * celsius, 0.0), 1.0)
    out[W_SNOW] = water * frozen
    out[W_RAIN] = water - out[W_SNOW]
    out[W_RSDS] = row[_RSDS]
    cube = EMISSIVITY * STEFAN_BOLTZMANN * kelvin**3
    out[W_LONGWAVE] = EMISSIVITY * row[_RLDS] - cube * kelvin
    out[W_EMITTED] = 4.0 * cube
    out[W_WIND] = max(row[_WIND], MINIMUM_WIND)
    out[W_HEAT] = HEAT_CAPACITY_AIR * (pressure - 0.378 * vapour) / (DRY_AIR * kelvin)
    saturated = saturation_pressure(celsius)
    out[W_SLOPE] = saturated * 4098.17 / (celsius + 237.3) ** 2
    out[W_GAMMA] = HEAT_CAPACITY_AIR * pressure / (WATER_TO_AIR * VAPORISATION)
    warmest = saturation_pressure(row[_TASMAX] - FREEZING)
    coldest = saturation_pressure(row[_TASMIN] - FREEZING)
    # Mean of the saturation pressure over the day, from its extremes (Allen et al. 1998).
    out[W_VPD] = max(0.5 * (warmest + coldest) - vapour, MINIMUM_VPD)
    out[W_DAYLENGTH] = sun[G_DAYLENGTH]
    out[W_DAY_FRACTION] = sun[G_DAYLENGTH] / SECONDS
    out[W_DAY_FACTOR] = min(max(sun[G_RELATIVE] ** 2, 0.01), 1.0)
    out[W_LENGTHENING] = sun[G_LENGTHENING]
    out[W_CO2] = co2 * 1e-6 * pressure
    out[W_PER_MOLE] = GAS * kelvin
    out[W_MELT] = max(celsius, 0.0)
    out[W_NDEP] = ndep / 365.0

    shape = 0.0
    for i in range(3):
        shape += GAUSS_W[i] * sun[G_SINE + i]
    light = 0.0
    diffuse = 1.0
    if shape > 1e-6 and sun[G_DAYLENGTH] > 0.0:
        light = PAR_PER_WATT * row[_RSDS] * SECONDS / sun[G_DAYLENGTH] / shape
        diffuse = diffuse_fraction(row[_RSDS] / max(sun[G_EXTRATERRESTRIAL], 1e-6))
    middle = 0.5 * (row[_TASMAX] + row[_TASMIN])
    half_range = 0.5 * (row[_TASMAX] - row[_TASMIN])
    deficit = 0.0
    for i in range(3):
        point = out[W_POINTS + i * N_POINT : W_POINTS + (i + 1) * N_POINT]
        sine = sun[G_SINE + i]
        now = middle + half_range * sun[G_WARMTH + i]
        point[X_BEAM] = light * sine * (1.0 - diffuse)
        point[X_DIFFUSE] = light * sine * diffuse
        point[X_EXTINCTION] = 0.5 / max(sine, 0.1)
        place = min(max((now - COLDEST) * STEPS_PER_KELVIN, 0.0), N_WARMTHS - 1e-9)
        node = int(place)
        way = place - node
        point[X_VCMAX] = warmths[node, 0] + way * (warmths[node + 1, 0] - warmths[node, 0])
        point[X_JMAX] = warmths[node, 1] + way * (warmths[node + 1, 1] - warmths[node, 1])
        km = warmths[node, 2] + way * (warmths[node + 1, 2] - warmths[node, 2])
        gamma = warmths[node, 3] + way * (warmths[node + 1, 3] - warmths[node, 3])
        saturated = warmths[node, 4] + way * (warmths[node + 1, 4] - warmths[node, 4])
        point[X_KM] = pressure * km
        point[X_GAMMA] = pressure * gamma
        d = max(saturated - vapour, MINIMUM_VPD)
        deficit += GAUSS_W[i] * d
        point[X_ROOT_D] = math.sqrt(d * 1e-3)
    out[W_VPD_DAY] = deficit
