"""Polynomials whose Sobol indices are known: what sampling then has to find is what they leave.

A polynomial chaos expansion (Sudret 2008, Reliab. Eng. Syst. Saf. 93:964) in Legendre polynomials
that are orthonormal over the unit interval: variances are sums of squared coefficients. As a
control variate (Fox & Okten 2021, SIAM J. Sci. Comput. 43:A2268) it may be as rough as it likes: it
is fitted to points of its own, its exact indices are taken, and sampling adds the difference
between the function's and its own. The smoother the function, the less is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREE = 10
"""Of polynomials of one parameter."""
PAIR_DEGREE = 12
"""Largest sum of the degrees of a pair; lowered until there are few enough terms."""
POINTS_PER_TERM = 4
"""Fewer points let the fit follow chance."""
SMALL = 1e-6
"""Share of an output's variance under which a term is left out: most terms of pairs are."""
WORTH = 0.5
"""Share of the variance of unseen points that a polynomial must give to be used."""


@dataclass(frozen=True, eq=False)
class Chaos:
    """Sum of polynomials of one and of two parameters, for k outputs.

    Parameters
    ----------
    parameters : int
        d.
    terms : (p, 4) array of int
        Parameter, its degree, other parameter, its degree; a degree 0 of the other: one alone.
    coefficients : (p, k) array
        In the outputs' units; all 0 for an output that polynomials do not follow.
    """

    parameters: int
    terms: NDArray[np.int64]
    coefficients: Array

    def __call__(self, points: Array) -> Array:
        """Outputs less their mean, (n, k), at points (n, d) of the unit cube."""
        if not len(self.terms):
            return np.zeros((len(points), self.coefficients.shape[1]))
        return _design(points, self.terms) @ self.coefficients

    def shares(self) -> tuple[Array, Array, Array, Array]:
        """Variances: first order (d, k), total (d, k), of pairs (d, d, k), and all (k,)."""
        square = self.coefficients**2
        d, k = self.parameters, square.shape[1]
        first, pairs = np.zeros((d, k)), np.zeros((d, d, k))
        i, other, alone = self.terms[:, 0], self.terms[:, 2], self.terms[:, 3] == 0
        np.add.at(first, i[alone], square[alone])
        np.add.at(pairs, (i[~alone], other[~alone]), square[~alone])
        pairs = pairs + pairs.transpose(1, 0, 2)
        return first, first + pairs.sum(1), pairs, square.sum(0)


def fit_chaos(points: Array, outputs: Array) -> Chaos:
    """Fit by least squares.

    Parameters
    ----------
    points : (n, d) array
        Of the unit cube, evenly spread.
    outputs : (n, k) array
    """
    n, d = points.shape
    terms = _terms(d, n // POINTS_PER_TERM)
    design = _design(points, terms)
    centred = outputs - outputs.mean(0)
    size = centred.std(0)
    scaled = centred / np.where(size > 0.0, size, 1.0)
    # Judged on points left out: a polynomial that does not help would add its own noise. Halves of
    # a Sobol sequence are each even; every other point of it is not.
    seen, unseen = slice(0, n // 2), slice(n // 2, n)
    left = scaled[unseen] - design[unseen] @ _solved(design[seen], scaled[seen])
    useful = (left**2).mean(0) < 1.0 - WORTH
    coefficients = _solved(design, scaled)
    # what terms too small to matter leave is sampled with the rest
    coefficients = np.where(useful & (coefficients**2 > SMALL), coefficients, 0.0)
    kept = coefficients.any(1)
    return Chaos(d, terms[kept], coefficients[kept] * size)


def _solved(design: Array, outputs: Array) -> Array:
    """Least squares with a constant, by normal equations.

    Terms are orthonormal over the box and points even, so the matrix is near the identity.
    """
    centred = design - design.mean(0)
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += 1e-12 * len(design)
    return np.asarray(np.linalg.solve(gram, centred.T @ outputs))


def _terms(d: int, most: int) -> NDArray[np.int64]:
    """Terms of one parameter, then of pairs, of as high a degree as `most` terms allow."""
    degree = max(1, min(DEGREE, most // d))
    alone = [(i, a, i, 0) for i in range(d) for a in range(1, degree + 1)]
    pairs: list[tuple[int, int, int, int]] = []
    for total in range(2, PAIR_DEGREE + 1):
        more = [
            (i, a, j, b)
            for i, j in combinations(range(d), 2)
            for a in range(1, total)
            for b in [total - a]
        ]
        if len(alone) + len(pairs) + len(more) > most:
            break
        pairs += more
    return np.array(alone + pairs, dtype=np.int64).reshape(-1, 4)


def _design(points: Array, terms: NDArray[np.int64]) -> Array:
    """Terms (n, p) at points: products of orthonormal Legendre polynomials."""
    top = int(max(terms[:, 1].max(), terms[:, 3].max()))
    x = 2.0 * points - 1.0
    values = np.empty((top + 1, *points.shape))
    values[0], values[1] = 1.0, x
    for m in range(1, top):
        values[m + 1] = ((2 * m + 1) * x * values[m] - m * values[m - 1]) / (m + 1)
    values *= np.sqrt(2.0 * np.arange(top + 1) + 1.0)[:, None, None]
    # rows of (degree, parameter) side by side: a term is one product of two of them
    flat = values.transpose(0, 2, 1).reshape(-1, len(points))
    d = points.shape[1]
    product = flat[terms[:, 1] * d + terms[:, 0]] * flat[terms[:, 3] * d + terms[:, 2]]
    return np.asarray(product.T)
