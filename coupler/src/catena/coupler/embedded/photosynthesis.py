"""Photosynthesis of sunlit and shaded leaves and the conductance of their stomata."""

from __future__ import annotations

import math

from catena.coupler.embedded.constants import (
    C4_QUANTUM_YIELD,
    DARK_RESPIRATION,
    DIFFUSE_EXTINCTION,
    JMAX_PER_VCMAX,
    LEAF_ABSORPTANCE,
    NITROGEN_SCALING,
    QUANTUM_YIELD,
    SECONDS,
    THETA_CJ,
    THETA_LIGHT,
)
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.sun import GAUSS_W
from catena.coupler.embedded.weather import (
    N_POINT,
    W_CO2,
    W_DAY_FRACTION,
    W_POINTS,
    X_BEAM,
    X_DIFFUSE,
    X_EXTINCTION,
    X_GAMMA,
    X_JMAX,
    X_KM,
    X_ROOT_D,
    X_VCMAX,
)

CARBON = 12.011e-6
"""gC per umol."""


@compiled
def smaller_root(theta, x, y):  # type: ignore[no-untyped-def]
    """Smooth minimum of x and y: smaller root of theta z^2 - (x + y) z + x y = 0."""
    total = x + y
    return (total - math.sqrt(max(total * total - 4.0 * theta * x * y, 0.0))) / (2.0 * theta)


@compiled
def electron_transport(absorbed, jmax):  # type: ignore[no-untyped-def]
    """Electron transport, umol m-2 s-1 (Farquhar et al. 1980; Oleson et al. 2013, eq. 8.10)."""
    return smaller_root(THETA_LIGHT, QUANTUM_YIELD * absorbed, jmax)


@compiled
def internal_co2(co2, root_d, slope):  # type: ignore[no-untyped-def]
    """CO2 inside the leaf, Pa, which Medlyn et al. (2011, equation 13) imply."""
    return co2 * slope / (slope + root_d)


@compiled
def assimilation_c3(vcmax, electrons, ci, km, gamma):  # type: ignore[no-untyped-def]
    """Gross assimilation, umol m-2 s-1: Farquhar et al. 1980, co-limited (Collatz et al. 1991)."""
    excess = max(ci - gamma, 0.0)
    rubisco = vcmax * excess / (ci + km)
    light = electrons * excess / (4.0 * ci + 8.0 * gamma)
    return smaller_root(THETA_CJ, rubisco, light)


@compiled
def assimilation_c4(vcmax, absorbed, ci, pressure_scale):  # type: ignore[no-untyped-def]
    """Gross assimilation of C4 leaves, umol m-2 s-1 (Collatz et al. 1992).

    Parameters
    ----------
    pressure_scale : float
        Factor from Pa to the mole fraction that the PEP carboxylase feels, Pa-1.
    """
    both = smaller_root(0.8, vcmax, C4_QUANTUM_YIELD * absorbed)
    return smaller_root(0.95, both, 20000.0 * vcmax * ci * pressure_scale)


@compiled
def photosynthesis(weather, leaf_area, vcmax_top, slope, c3):  # type: ignore[no-untyped-def]
    """Carbon of a day and the conductance of the canopy in its light hours.

    Parameters
    ----------
    weather : float64 (N_WEATHER,)
    leaf_area : float
        m2 m-2.
    vcmax_top : float
        At 25 degC at the top of the canopy, water, day length and frost included, umol m-2 s-1.
    slope : float
        g1, kPa^.5.
    c3 : float
        1 for C3, 0 for C4.

    Returns
    -------
    assimilation : float
        Gross, gC m-2 d-1.
    conductance : float
        For water vapour, mol m-2 s-1 Pa-1: 1.6 (1 + g1/sqrt D) A/ca (Medlyn et al. 2011, eq. 11),
        A net of respiration in the light.
    """
    if leaf_area <= 0.0 or vcmax_top <= 0.0:
        return 0.0, 0.0
    co2 = weather[W_CO2]
    nitrogen = math.exp(-NITROGEN_SCALING * leaf_area)
    all_leaves = (1.0 - nitrogen) / NITROGEN_SCALING
    dark = math.exp(-DIFFUSE_EXTINCTION * leaf_area)
    assimilation = 0.0
    conductance = 0.0
    for i in range(3):
        first = W_POINTS + i * N_POINT
        beam, diffuse = weather[first + X_BEAM], weather[first + X_DIFFUSE]
        extinction = weather[first + X_EXTINCTION]
        root_d = weather[first + X_ROOT_D]
        unlit = math.exp(-extinction * leaf_area)
        both = DIFFUSE_EXTINCTION + extinction
        diffuse_sun = diffuse * DIFFUSE_EXTINCTION / both * (1.0 - dark * unlit)
        absorbed_sun = LEAF_ABSORPTANCE * (beam * (1.0 - unlit) + diffuse_sun)
        absorbed_shade = LEAF_ABSORPTANCE * (diffuse * (1.0 - dark) - diffuse_sun)
        leaves_sun = (1.0 - nitrogen * unlit) / (NITROGEN_SCALING + extinction)
        leaves_shade = max(all_leaves - leaves_sun, 0.0)
        vcmax = vcmax_top * weather[first + X_VCMAX]
        ci = internal_co2(co2, root_d, slope)
        if c3 > 0.5:
            jmax = JMAX_PER_VCMAX * vcmax_top * weather[first + X_JMAX]
            km, gamma = weather[first + X_KM], weather[first + X_GAMMA]
            now = assimilation_c3(
                vcmax * leaves_sun,
                electron_transport(absorbed_sun, jmax * leaves_sun),
                ci,
                km,
                gamma,
            ) + assimilation_c3(
                vcmax * leaves_shade,
                electron_transport(max(absorbed_shade, 0.0), jmax * leaves_shade),
                ci,
                km,
                gamma,
            )
        else:
            scale = 1e-5
            now = assimilation_c4(vcmax * leaves_sun, absorbed_sun, ci, scale) + assimilation_c4(
                vcmax * leaves_shade, max(absorbed_shade, 0.0), ci, scale
            )
        assimilation += GAUSS_W[i] * now
        # Stomata follow net assimilation; leaf respiration itself is that of its nitrogen.
        net = max(now - DARK_RESPIRATION * vcmax * all_leaves, 0.0)
        conductance += GAUSS_W[i] * net * (1.0 + slope / root_d)
    day = weather[W_DAY_FRACTION] * SECONDS
    # Over CO2 in Pa, not in mol mol-1: the pressure cancels when RT/p makes it a velocity.
    return assimilation * CARBON * day, 1.6 * conductance * 1e-6 / co2
