"""Sobol indices: how much of an output's variance each parameter makes, alone and with others.

For independent uniform parameters the variance of an output is a sum of shares of single
parameters, of pairs, and so on (Sobol 2001, Math. Comput. Simul. 55:271). The first-order index of
a parameter is its own share; its total index is the share of everything that it takes part in; the
second-order index of a pair is what the two make together beyond each alone.

From two independent points a, b of the cube, and the points a_b(i), b_a(i) in which parameter i is
exchanged (Saltelli et al. 2010, Comput. Phys. Commun. 181:259), everything is made of differences

    u_i = f(a_b(i)) - f(a),    v_i = f(b_a(i)) - f(b)

=============  ============================================  =====================================
first order    V_i = -E[u_i v_i] / 2                         Azzini et al. 2021, J. Comput. Appl.
total          T_i = E[u_i^2 + v_i^2] / 4                    Math.; Jansen 1999 for the total
variance       V = E[(f(a) - f(b))^2                         a variance for each parameter, from
               + (f(a_b(i)) - f(b_a(i)))^2] / 4              the same points
second order   V_ij = E[u_i v_j], i != j                     multiply out: two points that share the
                                                             set s of parameters have the
                                                             expectation V_s + f0^2
=============  ============================================  =====================================

Differences vanish where a parameter does nothing, so that small indices have small errors and a
large mean of an output costs no digits; errors of numerator and denominator that come from the same
points cancel. On Ishigami's function and Sobol's G this halves the error of the usual estimators.
All d parameters and k outputs come from the same 2d + 2 evaluations a point.

Points are several independently scrambled Sobol sequences. Their differences give honest intervals
(delete-one jackknife of ratios, Student's t: L'Ecuyer et al. 2023, Winter Simulation Conference);
a bootstrap of the rows of one sequence would take them for independent and be far too wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc, t

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Model = Callable[[Array], Array]
Progress = Callable[[float, str], None]

SEQUENCES = 8
"""Independent scrambled sequences; more give steadier intervals, fewer a faster convergence."""
NUMBERS = 1 << 22
"""Predicted numbers at a time."""
STILL = 1e-9
"""An output whose spread is less than this share of its size does not vary."""


@dataclass(frozen=True, eq=False)
class SobolIndices:
    """Indices of k outputs to d parameters, with half widths of their intervals.

    Parameters
    ----------
    first, total : (d, k) arrays
        NaN for an output that does not vary.
    first_error, total_error : (d, k) arrays
        Half width of the interval of `confidence`.
    second, second_error : (d, d, k) arrays or None
        Symmetric; NaN on the diagonal.
    mean, variance : (k,) arrays
        Of the outputs over the box, in their units and units squared.
    confidence : float
    samples : int
        Base points, all sequences together.
    evaluations : int
        Of the model.
    error : float
        Largest half width of `first` and `total`.
    converged : bool
        Whether it came within the tolerance.
    """

    first: Array
    first_error: Array
    total: Array
    total_error: Array
    second: Array | None
    second_error: Array | None
    mean: Array
    variance: Array
    confidence: float
    samples: int
    evaluations: int
    error: float
    converged: bool

    @property
    def still(self) -> NDArray[np.bool_]:
        """Outputs that do not vary, (k,)."""
        return np.asarray(self.variance == 0.0)


def sobol_indices(
    model: Model,
    parameters: int,
    *,
    samples: int = 2048,
    most_samples: int = 32768,
    tolerance: float = 0.01,
    confidence: float = 0.95,
    second_order: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> SobolIndices:
    """Estimate Sobol indices, with as many samples as the tolerance takes.

    Parameters
    ----------
    model : callable
        (n, d) points of the unit cube to (n, k) outputs.
    parameters : int
        d.
    samples, most_samples : int
        Base points to begin with and at most; doubled in between. Each costs 2d + 2 evaluations.
        Rounded up to a power of two.
    tolerance : float
        Wanted half width of all intervals of first-order and total indices.
    confidence : float
        Of the intervals.
    second_order : bool
        Whether to give indices of pairs; they cost no evaluation, but d^2 k numbers.
    seed : int
        The same seed gives the same numbers.
    progress : callable, optional

    Raises
    ------
    InvalidData
        No parameter, too few samples, or outputs that are not finite.
    """
    if parameters < 1 or samples < 8 * SEQUENCES or most_samples < samples:
        raise InvalidData(
            f"{parameters} parameters, {samples} to {most_samples} samples; give at least 1 "
            f"parameter and {8 * SEQUENCES} samples, and no fewer at most than to begin with"
        )
    report = progress or (lambda fraction, message: None)
    engines = [
        qmc.Sobol(2 * parameters, scramble=True, rng=np.random.default_rng([seed, number]))
        for number in range(SEQUENCES)
    ]
    sums: _Sums | None = None
    each, done = 1 << (-(-samples // SEQUENCES) - 1).bit_length(), 0
    while True:
        for number, engine in enumerate(engines):
            sums = _add(sums, number, engine.random(each - done), model, second_order)
        assert sums is not None
        done = each
        found = _indices(sums, done, parameters, confidence, tolerance)
        share = min(1.0, done * SEQUENCES / most_samples)
        report(share, f"Sobol indices: {found.samples} samples, ± {found.error:.2g}")
        if found.converged or 2 * done * SEQUENCES > most_samples:
            return found
        each = 2 * done


@dataclass(eq=False)
class _Sums:
    """Sums over the points of each sequence, all with (SEQUENCES, ..., k)."""

    first: Array
    total: Array
    variance: Array
    second: Array | None
    values: Array
    size: Array

    @classmethod
    def empty(cls, d: int, k: int, second_order: bool) -> _Sums:
        def zeros(*shape: int) -> Array:
            return np.zeros((SEQUENCES, *shape, k))

        second = zeros(d, d) if second_order else None
        return cls(zeros(d), zeros(d), zeros(d), second, zeros(), np.zeros(k))


def _add(sums: _Sums | None, number: int, points: Array, model: Model, second_order: bool) -> _Sums:
    """Add points (n, 2d) of one sequence."""
    d = points.shape[1] // 2
    rows = len(points) if sums is None else max(1, NUMBERS // ((2 * d + 2) * sums.values.shape[-1]))
    if sums is None:
        rows = 1  # one point tells how many outputs there are
    start = 0
    while start < len(points):
        part = points[start : start + rows]
        a, b, a_b, b_a = _evaluate(model, part[:, :d], part[:, d:])
        if sums is None:
            sums = _Sums.empty(d, a.shape[1], second_order)
        start += rows
        rows = max(1, NUMBERS // ((2 * d + 2) * a.shape[1]))
        u, v = a_b - a, b_a - b
        sums.first[number] -= (u * v).sum(1) / 2.0
        sums.total[number] += (u * u + v * v).sum(1) / 4.0
        sums.variance[number] += ((a - b) ** 2 + (a_b - b_a) ** 2).sum(1) / 4.0
        if sums.second is not None:
            # (k, d, n) @ (k, n, d): both orders of a pair are estimates, their mean is kept
            pairs = u.transpose(2, 0, 1) @ v.transpose(2, 1, 0)
            sums.second[number] += (pairs + pairs.transpose(0, 2, 1)).transpose(1, 2, 0) / 2.0
        sums.values[number] += (a + b).sum(0) / 2.0
        sums.size = np.maximum(sums.size, np.maximum(np.abs(a).max(0), np.abs(b).max(0)))
    assert sums is not None
    return sums


def _evaluate(model: Model, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Outputs at a, b (n, k) and at the points with one parameter exchanged (d, n, k)."""
    n, d = a.shape
    points = np.empty((2, d + 1, n, d))
    points[0], points[1] = a, b
    for i in range(d):
        points[0, i, :, i], points[1, i, :, i] = b[:, i], a[:, i]
    outputs = np.asarray(model(points.reshape(-1, d)), dtype=np.float64)
    if outputs.ndim != 2 or len(outputs) != points.size // d:
        raise InvalidData(
            f"the model gave shape {outputs.shape} for {points.size // d} points; a row for each "
            "is wanted"
        )
    if not np.isfinite(outputs).all():
        bad = np.flatnonzero(~np.isfinite(outputs).all(0))[:8]
        raise InvalidData(
            f"the model gave NaN or infinity in outputs {', '.join(map(str, bad))} (from 0); leave "
            "them out, or train the surrogate again"
        )
    outputs = outputs.reshape(2, d + 1, n, -1)
    return outputs[0, d], outputs[1, d], outputs[0, :d], outputs[1, :d]


def _indices(
    sums: _Sums, each: int, parameters: int, confidence: float, tolerance: float
) -> SobolIndices:
    mean = sums.values.sum(0) / (each * SEQUENCES)
    variance = sums.variance.mean((0, 1)) / each
    still = np.sqrt(variance) <= STILL * sums.size
    variance = np.where(still, 0.0, variance)
    below = np.where(still, np.nan, sums.variance)
    first, first_error = _ratio(sums.first, below, confidence)
    total, total_error = _ratio(sums.total, below, confidence)
    second = second_error = None
    if sums.second is not None:
        both = (below[:, :, None] + below[:, None]) / 2.0
        second, second_error = _ratio(sums.second, both, confidence)
        own = np.arange(parameters)
        second[own, own] = second_error[own, own] = np.nan
    error = 0.0
    if not still.all():
        error = float(max(np.nanmax(first_error), np.nanmax(total_error)))
    return SobolIndices(
        first, first_error, total, total_error, second, second_error, mean, variance, confidence,
        each * SEQUENCES, each * SEQUENCES * (2 * parameters + 2), error, error <= tolerance,
    )  # fmt: skip


def _ratio(above: Array, below: Array, confidence: float) -> tuple[Array, Array]:
    """Ratio of sums over sequences (axis 0), and its half width by a delete-one jackknife."""
    sums = len(above)
    whole = above.sum(0) / below.sum(0)
    without = (above.sum(0) - above) / (below.sum(0) - below)
    error = np.sqrt((sums - 1) / sums * ((without - without.mean(0)) ** 2).sum(0))
    return whole, error * float(t.ppf(0.5 + confidence / 2.0, sums - 1))
