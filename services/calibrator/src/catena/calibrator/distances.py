"""How far apart two sets of draws are: sliced Wasserstein distance, classifier two-sample test.

Both work on a stack of sites at once. Draws are given in the unit cube,
``(x - low) / (high - low)``, so that no parameter counts more because of its units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]


def unit_cube(values: Array, low: Array, high: Array) -> Array:
    """Scale physical parameters to [0, 1] by their prior ranges.

    Parameters
    ----------
    values : (..., d) array, physical units.
    low, high : (d,) arrays, physical units.

    Returns
    -------
    (..., d) array, dimensionless.
    """
    return (np.asarray(values, float) - low) / (np.asarray(high, float) - low)


def sliced_wasserstein(a: Array, b: Array, *, projections: int = 64, seed: int = 0) -> Array:
    """Mean 1-Wasserstein distance over random one-dimensional projections, per site.

    Parameters
    ----------
    a, b : (s, n, d) arrays
        Draws of `s` sites; the same number of draws in both (sorted projections are then matched).
    projections : int
        Random directions on the unit sphere, the same for all sites.
    seed : int
        Of the directions.

    Returns
    -------
    (s,) array, in units of the cube's edge.

    Notes
    -----
    Bonneel et al. (2015), J. Math. Imaging Vis. 51:22, section 3.
    """
    a, b = _pair(a, b)
    if a.shape[1] != b.shape[1]:
        raise InvalidData(
            f"{a.shape[1]} draws came with {b.shape[1]}; the two sets must have the same number"
        )
    directions = np.random.default_rng(seed).standard_normal((a.shape[2], projections))
    directions /= np.linalg.norm(directions, axis=0)
    distance = np.empty(len(a))
    for i in range(len(a)):  # site by site: memory stays at one site's projections
        distance[i] = np.abs(
            np.sort(a[i] @ directions, axis=0) - np.sort(b[i] @ directions, axis=0)
        ).mean()
    return distance


def c2st(a: Array, b: Array, *, folds: int = 5, ridge: float = 1.0, seed: int = 0) -> Array:
    """Classifier two-sample test: how well a quadratic logistic regression tells two sets apart.

    0.5 means indistinguishable, 1.0 means disjoint. The classifier sees all monomials up to degree
    two, that is means, spreads and correlations. It is smooth on purpose: trees and nearest
    neighbours find the duplicates that importance resampling leaves, and call them a difference.

    Parameters
    ----------
    a, b : (s, n, d) and (s, m, d) arrays
        Draws of `s` sites.
    folds : int
        Of the cross-validation; every draw is classified once by a model that did not see it.
    ridge : float
        Penalty on the squared coefficients (standardised features), against separable data.
    seed : int
        Of the assignment to folds.

    Returns
    -------
    (s,) array
        Share of draws classified correctly, each set counting one half.

    Notes
    -----
    Lopez-Paz and Oquab (2017), ICLR, section 3. Fitted by iteratively reweighted least squares.
    """
    a, b = _pair(a, b)
    n, m = a.shape[1], b.shape[1]
    if min(n, m) < 2 * folds:
        raise InvalidData(f"{min(n, m)} draws came for {folds} folds; at least {2 * folds} needed")
    rng = np.random.default_rng(seed)
    fold = np.concatenate([rng.permutation(n) % folds, rng.permutation(m) % folds])
    target = np.concatenate([np.zeros(n), np.ones(m)])
    weight = np.where(target == 1, 0.5 / m, 0.5 / n)
    accuracy = np.empty(len(a))
    for i in range(len(a)):
        features = _quadratic_features(np.concatenate([a[i], b[i]]))
        right = np.empty(n + m)
        for k in range(folds):
            test = fold == k
            coefficient = _logistic_fit(features[~test], target[~test], ridge)
            right[test] = (features[test] @ coefficient > 0) == (target[test] == 1)
        accuracy[i] = weight @ right
    return accuracy


def _quadratic_features(x: Array) -> Array:
    """All monomials of degree 0 to 2 of the standardised columns of x (n, d)."""
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([np.ones((len(x), 1)), z, z[:, i] * z[:, j]], axis=1)


def _logistic_fit(x: Array, y: Array, ridge: float, iterations: int = 25) -> Array:
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-9  # the intercept is free
    coefficient = np.zeros(x.shape[1])
    for _ in range(iterations):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ coefficient, -30, 30)))
        gradient = x.T @ (y - p) - penalty * coefficient
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        # a damped Newton step: far from the optimum the full one may overshoot
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        coefficient += step
        if np.abs(step).max() < 1e-4:
            break
    return coefficient


def _pair(a: Array, b: Array) -> tuple[Array, Array]:
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0] or a.shape[2] != b.shape[2]:
        raise InvalidData(
            f"draws of shapes {a.shape} and {b.shape} came; "
            "(sites, draws, parameters) with equal sites and parameters wanted"
        )
    for name, x in (("first", a), ("second", b)):
        if not np.isfinite(x).all():
            raise InvalidData(f"the {name} set of draws has NaN or infinite values; remove them")
    return a, b
