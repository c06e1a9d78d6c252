"""Soil hydraulics of Clapp and Hornberger (1978) from texture by Cosby et al. (1984).

A power of the saturation per layer and day would cost more than the rest of the model. What is
needed of it depends on the soil alone, so that it lies in tables over the saturation, one set per
cell. Between two of the 513 nodes the tables are linear: the potential is then within 3e-4 of the
formula where plants take up water.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.constants import SECONDS
from catena.coupler.embedded.grid import THICKNESS

N_NODES = 513
"""Nodes of the tables, saturation 0 to 1."""
T_DRAINED, T_POTENTIAL, T_DECOMPOSITION = range(3)
"""Tables: free drainage of one day (kg m-2); water potential (m, negative); the moisture factor of
decomposition."""
N_TABLES = 3
DRIEST = 0.02
"""Saturation below which nothing leaves a layer."""


def cosby(
    sand: NDArray[np.float64], clay: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Porosity, exponent b, potential at saturation and conductivity at saturation.

    Parameters
    ----------
    sand, clay : float64 (...)
        Percent.

    Returns
    -------
    porosity (1), b (1), potential (m, negative), conductivity (kg m-2 d-1).

    Source: Cosby et al. (1984), table 5; Oleson et al. (2013), equations 7.90 to 7.93.
    """
    porosity = 0.489 - 0.00126 * sand
    b = 2.91 + 0.159 * clay
    potential = -0.01 * 10.0 ** (1.88 - 0.0131 * sand)
    conductivity = SECONDS * 0.0070556 * 10.0 ** (-0.884 + 0.0153 * sand)
    return porosity, b, potential, conductivity


def drained(
    saturation: NDArray[np.float64], porous: float, conductivity: float, b: float
) -> NDArray[np.float64]:
    """Saturation after one day of drainage at the conductivity of the layer itself.

    The exact solution of ``porous ds/dt = -conductivity s^m`` with m = 2 b + 3 (Clapp and
    Hornberger 1978): an explicit step would take more water than there is.

    Parameters
    ----------
    saturation : float64 (...)
        1.
    porous : float
        Water that fills the layer, kg m-2.
    conductivity : float
        kg m-2 d-1.
    """
    m = 2.0 * b + 3.0
    s = np.maximum(saturation, 1e-12)
    # s (1 + (m-1) K t s^(m-1) / porous)^(-1/(m-1)): the same, without the overflow of s^(1-m).
    return s * (1.0 + (m - 1.0) * conductivity / porous * s ** (m - 1.0)) ** (-1.0 / (m - 1.0))


def soil_tables(
    sand: NDArray[np.float64], clay: NDArray[np.float64], driest_potential: float = -10.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tables of one column and the water that fills each layer.

    Parameters
    ----------
    sand, clay : float64 (layer,)
        Percent.
    driest_potential : float
        ``minpsi_hr``, MPa: where decomposition stops (Andren and Paustian 1987).

    Returns
    -------
    tables : float64 (layer, N_TABLES, N_NODES)
    porous : float64 (layer,)
        kg m-2.
    """
    porosity, b, potential, conductivity = cosby(sand, clay)
    porous = 1000.0 * porosity * THICKNESS
    s = np.linspace(0.0, 1.0, N_NODES)
    wet = np.maximum(s, DRIEST)
    tables = np.empty((sand.size, N_TABLES, N_NODES))
    wettest = -0.002
    for layer in range(sand.size):
        psi = potential[layer] * wet ** -b[layer]
        left = drained(s, porous[layer], conductivity[layer], b[layer])
        tables[layer, T_DRAINED] = np.where(s > DRIEST, porous[layer] * np.maximum(s - left, 0), 0)
        tables[layer, T_POTENTIAL] = psi
        mpa = np.minimum(psi * 9.80665e-3, wettest)
        factor = np.log(driest_potential / mpa) / np.log(driest_potential / wettest)
        tables[layer, T_DECOMPOSITION] = np.clip(factor, 0.0, 1.0)
    return tables, porous
