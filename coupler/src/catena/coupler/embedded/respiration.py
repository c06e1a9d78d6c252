"""Autotrophic respiration."""

from __future__ import annotations

import math

from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.state import FROOT, LEAF, LIVECROOT, LIVESTEM
from catena.coupler.embedded.traits import R_LN_Q10_MR, R_MAINTENANCE, T_NC


@compiled
def maintenance_respiration(plant, traits, rates, air, soil):  # type: ignore[no-untyped-def]
    """Maintenance of living tissue by its nitrogen, gC m-2 d-1.

    Leaves and live stems are as warm as the air, roots as the soil (degC).
    Source: Oleson et al. (2013), equations 17.1 to 17.4.
    """
    above = plant[LEAF] * traits[T_NC + LEAF] + plant[LIVESTEM] * traits[T_NC + LIVESTEM]
    below = plant[FROOT] * traits[T_NC + FROOT] + plant[LIVECROOT] * traits[T_NC + LIVECROOT]
    warm_air = math.exp(rates[R_LN_Q10_MR] * 0.1 * (air - 20.0))
    warm_soil = math.exp(rates[R_LN_Q10_MR] * 0.1 * (soil - 20.0))
    return rates[R_MAINTENANCE] * (above * warm_air + below * warm_soil)
