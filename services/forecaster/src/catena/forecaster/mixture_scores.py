"""Scores of forecasts that are mixtures of normal or asymmetric Laplace laws, in closed form.

Single forecasts: everything keeps the shape of the observations, with the components on one more
axis at the end of the parameters. A missing observation or parameter gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel, ndtr

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]


def crps_normal_mixture(
    weight: ArrayLike, mean: ArrayLike, deviation: ArrayLike, observed: ArrayLike
) -> Array:
    """CRPS of mixtures of normal laws.

    Grimit et al. (2006, Q. J. R. Meteorol. Soc. 132, 2925-2942, eq. 5).

    Parameters
    ----------
    weight, mean, deviation : array_like, (..., component)
        Weights sum to 1; deviations are positive.
    observed : array_like, (...)
    """
    w, m, s, y = _components(weight, mean, deviation, observed)

    def apart(shift: Array, spread: Array) -> Array:
        """Mean distance of a normal law with this mean and deviation from zero."""
        z = shift / spread
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return np.asarray(shift * (2.0 * ndtr(z) - 1.0) + 2.0 * spread * density)

    own = (w * apart(y[..., None] - m, s)).sum(-1)
    between = _pairwise(
        w, lambda i, j: apart(m[..., i] - m[..., j], np.hypot(s[..., i], s[..., j]))
    )
    return np.asarray(own - 0.5 * between)


def crps_laplace_mixture(
    weight: ArrayLike,
    location: ArrayLike,
    scale: ArrayLike,
    asymmetry: ArrayLike,
    observed: ArrayLike,
) -> Array:
    """CRPS of mixtures of asymmetric Laplace laws (CMAL; Klotz et al. 2022, HESS 26, 1673, eq. 5).

    A component with location m, scale s and asymmetry t has the density ``t (1 - t) / s
    exp(-rho_t(x - m) / s)``, with the quantile loss rho_t; m is its quantile of level t. The score
    is ``E|X - y| - E|X - X'| / 2``, both expectations in closed form.

    Parameters
    ----------
    weight, location, scale, asymmetry : array_like, (..., component)
        Weights sum to 1, scales are positive, asymmetries between 0 and 1.
    observed : array_like, (...)
    """
    w, m, s, y = _components(weight, location, scale, observed)
    t = _asymmetries(asymmetry, w)
    below, above = (1.0 - t) / s, t / s  # rates of the two tails
    mean = m + (1.0 - t) / above - t / below
    left = np.minimum(y[..., None] - m, 0.0)
    right = np.maximum(y[..., None] - m, 0.0)
    own = np.where(
        y[..., None] <= m,
        mean - y[..., None] + 2.0 * t / below * np.exp(below * left),
        y[..., None] - mean + 2.0 * (1.0 - t) / above * np.exp(-above * right),
    )

    def apart(i: int, j: int) -> Array:
        """Mean distance of draws of two components, ``E[J - I] + 2 int (1 - F_I) F_J``."""
        swap = m[..., i] > m[..., j]

        def ordered(x: Array) -> tuple[Array, Array]:
            one, other = x[..., i], x[..., j]
            return np.where(swap, other, one), np.where(swap, one, other)

        (low, high), (ti, tj) = ordered(m), ordered(t)
        (bi, bj), (ai, aj), (mi, mj) = ordered(below), ordered(above), ordered(mean)
        d = high - low
        before = tj * np.exp(-bj * d) * (1.0 / bj - ti / (bi + bj))
        slower, apart_rates = np.minimum(ai, bj), np.abs(ai - bj)
        between = (1.0 - ti) * tj * d * np.exp(-slower * d) * exprel(-apart_rates * d)
        after = (1.0 - ti) * np.exp(-ai * d) * (1.0 / ai - (1.0 - tj) / (ai + aj))
        return np.asarray(mj - mi + 2.0 * (before + between + after))

    return np.asarray((w * own).sum(-1) - 0.5 * _pairwise(w, apart))


def _pairwise(weight: Array, apart: Callable[[int, int], Array]) -> Array:
    """Weighted sum over pairs of components; the distance is symmetric."""
    total = np.zeros(weight.shape[:-1])
    for i in range(weight.shape[-1]):
        for j in range(i, weight.shape[-1]):
            both = (1.0 if i == j else 2.0) * weight[..., i] * weight[..., j]
            total += both * apart(i, j)
    return total


def pit_normal_mixture(
    weight: ArrayLike, mean: ArrayLike, deviation: ArrayLike, observed: ArrayLike
) -> Array:
    """Distribution function of a mixture of normal laws at the observation."""
    w, m, s, y = _components(weight, mean, deviation, observed)
    return np.asarray((w * ndtr((y[..., None] - m) / s)).sum(-1))


def pit_laplace_mixture(
    weight: ArrayLike,
    location: ArrayLike,
    scale: ArrayLike,
    asymmetry: ArrayLike,
    observed: ArrayLike,
) -> Array:
    """Distribution function of a mixture of asymmetric Laplace laws at the observation."""
    w, m, s, y = _components(weight, location, scale, observed)
    t = _asymmetries(asymmetry, w)
    z = (y[..., None] - m) / s
    low = t * np.exp((1.0 - t) * np.minimum(z, 0.0))
    high = 1.0 - (1.0 - t) * np.exp(-t * np.maximum(z, 0.0))
    return np.asarray((w * np.where(z <= 0.0, low, high)).sum(-1))


def with_last_axis(values: ArrayLike, observed: ArrayLike, what: str) -> tuple[Array, Array]:
    """Values with one more axis than the observations, at the end.

    Raises
    ------
    InvalidData
        Other shapes.
    """
    f, y = np.asarray(values, float), np.asarray(observed, float)
    if f.shape[:-1] != y.shape or f.ndim != y.ndim + 1 or not f.shape[-1]:
        raise InvalidData(
            f"{what} have shape {f.shape}, observations {y.shape}; want that of the observations "
            "and one more axis at the end"
        )
    return f, y


def _components(
    weight: ArrayLike, location: ArrayLike, scale: ArrayLike, observed: ArrayLike
) -> tuple[Array, Array, Array, Array]:
    """Checked weights, locations, scales and observations; NaN passes through."""
    m, y = with_last_axis(location, observed, "locations of components")
    w, s = (np.broadcast_to(np.asarray(x, float), m.shape) for x in (weight, scale))
    if (s <= 0.0).any() or (w < 0.0).any() or (np.abs(w.sum(-1) - 1.0) > 1e-4).any():
        raise InvalidData(
            f"weights from {np.nanmin(w):g}, sums of them {np.nanmin(w.sum(-1)):g} to "
            f"{np.nanmax(w.sum(-1)):g}, scales from {np.nanmin(s):g} came; want weights that are "
            "not negative and sum to 1, and scales above 0"
        )
    return w, m, s, y


def _asymmetries(asymmetry: ArrayLike, weight: Array) -> Array:
    t = np.broadcast_to(np.asarray(asymmetry, float), weight.shape)
    if (t <= 0.0).any() or (t >= 1.0).any():
        raise InvalidData(
            f"asymmetries from {np.nanmin(t):g} to {np.nanmax(t):g} came; want all between 0 and 1"
        )
    return t
