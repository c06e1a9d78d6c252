"""The soil levels of ELM.

Source: Oleson et al. 2013 (CLM 4.5 technical note), equations 6.5 to 6.7: the depth of node i is
.025 (exp(.5 (i - .5)) - 1) m, and a layer reaches half-way to its neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALE_DEPTH_M = 0.025


def node_depths(count: int = 15) -> NDArray[np.float64]:
    """Depth of the nodes.

    Parameters
    ----------
    count : int
        Number of levels (``levgrnd``).

    Returns
    -------
    array (level,)
        m, positive downwards.
    """
    index = np.arange(1, count + 1)
    depths: NDArray[np.float64] = SCALE_DEPTH_M * (np.exp(0.5 * (index - 0.5)) - 1.0)
    return depths


def layer_thickness(count: int = 15) -> NDArray[np.float64]:
    """Thickness of the layers.

    Parameters
    ----------
    count : int
        Number of levels (``levgrnd``), 2 or more; all of them, for the last layer ends differently.

    Returns
    -------
    array (level,)
        m.
    """
    depths = node_depths(count)
    edges = 0.5 * (depths[1:] + depths[:-1])
    return np.concatenate(([edges[0]], np.diff(edges), [depths[-1] - depths[-2]]))
