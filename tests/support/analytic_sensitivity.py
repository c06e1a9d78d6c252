"""Functions whose Sobol indices are known in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

G_OF = np.array([0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0])


def ishigami(unit: Array, a: float = 7.0, b: float = 0.1) -> Array:
    """(n, 3) to (n, 1). Ishigami & Homma (1990)."""
    x = np.pi * (2.0 * unit - 1.0)
    y = np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])
    return y[:, None]


def ishigami_indices(a: float = 7.0, b: float = 0.1) -> tuple[Array, Array, Array]:
    """First order (3,), total (3,), second order (3, 3)."""
    one = 0.5 * (1.0 + b * np.pi**4 / 5.0) ** 2
    two = a**2 / 8.0
    pair = b**2 * np.pi**8 * (1.0 / 18.0 - 1.0 / 50.0)
    variance = one + two + pair
    second = np.zeros((3, 3))
    second[0, 2] = second[2, 0] = pair
    return (
        np.array([one, two, 0.0]) / variance,
        np.array([one + pair, two, pair]) / variance,
        second / variance,
    )


def sobol_g(unit: Array, a: Array = G_OF) -> Array:
    """(n, d) to (n, 1). Saltelli & Sobol (1995)."""
    return np.prod((np.abs(4.0 * unit - 2.0) + a) / (1.0 + a), axis=1)[:, None]


def sobol_g_indices(a: Array = G_OF) -> tuple[Array, Array, Array]:
    """First order (d,), total (d,), second order (d, d)."""
    own = 1.0 / (3.0 * (1.0 + a) ** 2)
    variance = np.prod(1.0 + own) - 1.0
    total = own * np.prod(1.0 + own) / (1.0 + own)
    second = np.outer(own, own)
    np.fill_diagonal(second, 0.0)
    return own / variance, total / variance, second / variance
