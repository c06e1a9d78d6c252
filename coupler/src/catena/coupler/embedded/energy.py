"""Latent and sensible heat: Penman-Monteith with the net radiation of a surface as warm as the air.

The difference between the surface's and the air's temperature drives both sensible heat and the
additional emission (Jones 2014, section 5.1.2), so that the budget closes without iteration.
"""

from __future__ import annotations

from catena.coupler.embedded.jit import compiled


@compiled
def penman_monteith(available, slope, gamma, heat, deficit, g_heat, g_surface):  # type: ignore[no-untyped-def]
    """Latent heat flux, W m-2, never negative.

    Parameters
    ----------
    available : float
        Isothermal net radiation less the heat into the ground, W m-2.
    slope, gamma : float
        Slope of the saturation pressure and psychrometric constant, Pa K-1.
    heat : float
        Density times heat capacity of air, J m-3 K-1.
    deficit : float
        Vapour pressure deficit, Pa.
    g_heat : tuple of float
        Conductance for heat without and with that of radiation, m s-1.
    g_surface : float
        Conductance of the surface for water, m s-1; infinite when wet: pass a negative number.

    Source: Monteith (1965); Jones (2014), equation 5.26.
    """
    air, both = g_heat
    water = air if g_surface < 0.0 else air * g_surface / (air + g_surface + 1e-12)
    if water <= 0.0:
        return 0.0
    flux = (slope * available + heat * both * deficit) / (slope + gamma * both / water)
    return max(flux, 0.0)
