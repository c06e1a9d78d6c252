"""ELM's soil grid: ten layers down to 3.8 m (Oleson et al. 2013, section 6.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_LAYERS = 10
"""Layers with water and biogeochemistry."""


def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    node = 0.025 * (np.exp(0.5 * (np.arange(N_LAYERS + 1) + 0.5)) - 1.0)
    edge = np.concatenate([[0.0], 0.5 * (node[:-1] + node[1:])])
    return node[:N_LAYERS], np.diff(edge), edge


NODE, THICKNESS, EDGE = _grid()
"""Depths of the nodes (10,), thicknesses (10,) and depths of the edges (11,), m."""

DECOMPOSITION_WEIGHTS = np.where(EDGE[1:] <= 0.5, np.exp(-NODE / 0.33) * THICKNESS, 0.0)
"""Weights of the layers in the moisture that decomposers feel, (10,); they sum to 1."""
DECOMPOSITION_WEIGHTS /= DECOMPOSITION_WEIGHTS.sum()
GROUND_SHARE = np.array([0.5, 0.3, 0.2])
"""Layers from which bare ground evaporates."""
