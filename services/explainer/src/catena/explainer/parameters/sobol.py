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

Most of a smooth function is a polynomial, whose shares are known exactly. One is fitted to points
of its own, and only what it leaves of each expectation above is sampled: unbiased however rough the
polynomial is (:mod:`catena.explainer.parameters.chaos`).

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

from catena.explainer.parameters.chaos import Chaos, fit_chaos
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Model = Callable[[Array], Array]
Progress = Callable[[float, str], None]

SEQUENCES = 8
"""Independent scrambled sequences; more give steadier intervals, fewer a faster convergence."""
PILOT = 2048
"""Points that the polynomials are fitted to."""
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
        Base points to begin with and at most; doubled in between. Each costs 2d + 2 evaluations;
        the polynomials cost :data:`PILOT`. Rounded up to a power of two.
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
    each, done = 1 << (-(-samples // SEQUENCES) - 1).bit_length(), 0
    pilot = qmc.Sobol(parameters, scramble=True, rng=np.random.default_rng([seed, SEQUENCES]))
    points = pilot.random(PILOT)
    chaos = fit_chaos(points, _outputs(model, points))
    sums = _Sums.empty(parameters, chaos.coefficients.shape[1], second_order)
    while True:
        for number, engine in enumerate(engines):
            _add(sums, number, engine.random(each - done), model, chaos)
        done = each
        found = _indices(sums, chaos, done, confidence, tolerance)
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


def _add(sums: _Sums, number: int, points: Array, model: Model, chaos: Chaos) -> None:
    """Add points (n, 2d) of one sequence: the model's products less those of the polynomials."""
    d, k = points.shape[1] // 2, len(sums.size)
    rows = max(1, NUMBERS // ((2 * d + 2) * max(k, len(chaos.terms))))
    for start in range(0, len(points), rows):
        mixed = _mixed(points[start : start + rows])
        outputs = _outputs(model, mixed)
        _add_products(sums, number, outputs.reshape(2, d + 1, -1, k), 1.0)
        _add_products(sums, number, chaos(mixed).reshape(2, d + 1, -1, k), -1.0)
        sums.values[number] += outputs.reshape(2, d + 1, -1, k)[:, d].sum((0, 1)) / 2.0
        sums.size = np.maximum(sums.size, np.abs(outputs).max(0))


def _add_products(sums: _Sums, number: int, outputs: Array, sign: float) -> None:
    """Add the table's products of outputs (2, d + 1, n, k), see :func:`_mixed`."""
    (a_b, a), (b_a, b) = ((part[:-1], part[-1]) for part in outputs)
    u, v = a_b - a, b_a - b
    sums.first[number] -= sign * (u * v).sum(1) / 2.0
    sums.total[number] += sign * (u * u + v * v).sum(1) / 4.0
    sums.variance[number] += sign * ((a - b) ** 2 + (a_b - b_a) ** 2).sum(1) / 4.0
    if sums.second is not None:
        # (k, d, n) @ (k, n, d): both orders of a pair are estimates, their mean is kept
        pairs = u.transpose(2, 0, 1) @ v.transpose(2, 1, 0)
        pairs = (pairs + pairs.transpose(0, 2, 1)).transpose(1, 2, 0) / 2.0
        sums.second[number] += sign * pairs


def _mixed(points: Array) -> Array:
    """Points a_b(1..d), a and b_a(1..d), b of a pair (n, 2d), all in rows (2 (d + 1) n, d)."""
    n, d = len(points), points.shape[1] // 2
    a, b = points[:, :d], points[:, d:]
    mixed = np.empty((2, d + 1, n, d))
    mixed[0], mixed[1] = a, b
    for i in range(d):
        mixed[0, i, :, i], mixed[1, i, :, i] = b[:, i], a[:, i]
    return mixed.reshape(-1, d)


def _outputs(model: Model, points: Array) -> Array:
    """Outputs (n, k), if they are fit."""
    outputs = np.asarray(model(points), dtype=np.float64)
    if outputs.ndim != 2 or len(outputs) != len(points):
        raise InvalidData(
            f"the model gave shape {outputs.shape} for {len(points)} points; a row for each is "
            "wanted"
        )
    if not np.isfinite(outputs).all():
        bad = np.flatnonzero(~np.isfinite(outputs).all(0))[:8]
        raise InvalidData(
            f"the model gave NaN or infinity in outputs {', '.join(map(str, bad))} (from 0); leave "
            "them out, or train the surrogate again"
        )
    return outputs


def _indices(
    sums: _Sums, chaos: Chaos, each: int, confidence: float, tolerance: float
) -> SobolIndices:
    """Indices from the sums of what polynomials leave, and their own shares."""
    d = chaos.parameters
    own_first, own_total, own_pairs, own_variance = (each * part for part in chaos.shares())
    mean = sums.values.sum(0) / (each * SEQUENCES)
    below = sums.variance + own_variance
    variance = below.mean((0, 1)) / each
    still = np.sqrt(np.maximum(variance, 0.0)) <= STILL * sums.size
    variance = np.where(still, 0.0, variance)
    below = np.where(still, np.nan, below)
    first, first_error = _ratio(sums.first + own_first, below, confidence)
    total, total_error = _ratio(sums.total + own_total, below, confidence)
    second = second_error = None
    if sums.second is not None:
        both = (below[:, :, None] + below[:, None]) / 2.0
        second, second_error = _ratio(sums.second + own_pairs, both, confidence)
        own = np.arange(d)
        second[own, own] = second_error[own, own] = np.nan
    error = 0.0
    if not still.all():
        error = float(max(np.nanmax(first_error), np.nanmax(total_error)))
    samples = each * SEQUENCES
    return SobolIndices(
        first, first_error, total, total_error, second, second_error, mean, variance, confidence,
        samples, samples * (2 * d + 2) + PILOT, error, error <= tolerance,
    )  # fmt: skip


def _ratio(above: Array, below: Array, confidence: float) -> tuple[Array, Array]:
    """Ratio of sums over sequences (axis 0), and its half width by a delete-one jackknife."""
    sums = len(above)
    whole = above.sum(0) / below.sum(0)
    without = (above.sum(0) - above) / (below.sum(0) - below)
    error = np.sqrt((sums - 1) / sums * ((without - without.mean(0)) ** 2).sum(0))
    return whole, error * float(t.ppf(0.5 + confidence / 2.0, sums - 1))
