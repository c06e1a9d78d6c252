"""Leaf area, cover and the water stress of a plant."""

from __future__ import annotations

import math

from catena.coupler.embedded.constants import SHADING, STEM_AREA_HALF, STEM_AREA_WOODY
from catena.coupler.embedded.grid import N_LAYERS
from catena.coupler.embedded.jit import compiled
from catena.coupler.embedded.traits import T_CLOSED, T_OPEN, T_ROOTS


@compiled
def leaf_area_index(leafc, slatop, dsladlai):  # type: ignore[no-untyped-def]
    """Leaf area, m2 m-2, where thinner leaves lie deeper (Thornton and Zimmermann 2007, eq. 3)."""
    if dsladlai > 0.0:
        return slatop * (math.exp(leafc * dsladlai) - 1.0) / dsladlai
    return slatop * leafc


@compiled
def stem_area_index(deadstemc, woody):  # type: ignore[no-untyped-def]
    """Stem area, m2 m-2: grows with the wood up to that of a grown stand."""
    if woody < 0.5:
        return 0.0
    return STEM_AREA_WOODY * deadstemc / (deadstemc + STEM_AREA_HALF)


@compiled
def cover(plant_area):  # type: ignore[no-untyped-def]
    """Fraction of the net radiation that the canopy takes."""
    return 1.0 - math.exp(-SHADING * plant_area)


@compiled
def water_stress(potential, frost, traits, share):  # type: ignore[no-untyped-def]
    """btran: 1 where roots find water, 0 where stomata are closed.

    Parameters
    ----------
    potential : float64 (layer,)
        Soil water potential, m.
    frost : float
        Factor of frozen soil, 1 where it is warm.
    traits : float64 (N_TRAITS,)
    share : float64 (layer,)
        Filled with each layer's part of the uptake; sums to 1 where there is any.

    Source: Oleson et al. (2013), equations 8.18 to 8.21.
    """
    width = 1.0 / (traits[T_CLOSED] - traits[T_OPEN])
    total = 0.0
    for layer in range(N_LAYERS):
        open_ = (traits[T_CLOSED] - potential[layer]) * width
        part = traits[T_ROOTS + layer] * min(max(open_, 0.0), 1.0)
        share[layer] = part
        total += part
    if total > 0.0:
        per_total = 1.0 / total
        for layer in range(N_LAYERS):
            share[layer] *= per_total
    return total * frost
