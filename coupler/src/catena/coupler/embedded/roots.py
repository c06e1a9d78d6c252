"""Where the roots are (Zeng 2001)."""

from __future__ import annotations

import math

from catena.coupler.embedded.jit import compiled


@compiled
def root_fractions(a, b, edge, out):  # type: ignore[no-untyped-def]
    """Fraction of the roots in each layer; the last one takes the remainder.

    Parameters
    ----------
    a, b : float
        ``roota_par`` and ``rootb_par``, m-1.
    edge : float64 (layer + 1,)
        Depths of the edges, m.
    out : float64 (layer,)
        Filled; sums to 1.

    Source: Zeng (2001), equation 2.
    """
    above = 1.0
    for layer in range(out.shape[0] - 1):
        below = 0.5 * (math.exp(-a * edge[layer + 1]) + math.exp(-b * edge[layer + 1]))
        out[layer] = above - below
        above = below
    out[out.shape[0] - 1] = above
