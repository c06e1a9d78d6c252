"""PAWN: how far fixing a parameter moves the whole distribution of an output.

Pianosi & Wagener 2015, Environ. Model. Softw. 67:1; 2018, 108:33 for samples that were drawn for
any purpose: the sample is cut into slices of about equal size along one parameter; the
Kolmogorov-Smirnov distance is that between the outputs of a slice and all outputs; the index is the
median over slices. It needs no variance, so skewed outputs and those with long tails are judged
fairly, where Sobol's indices follow the tail.

An index is never 0: a slice is a small sample. What a parameter that does nothing would get depends
on the sizes alone (ranks of continuous outputs have the same distribution under any model), so a
dummy parameter that cuts at random, many times, gives the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from catena.explainer.parameters.sobol import STILL
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

DUMMIES = 200
"""Random cuts that the threshold is taken from."""


@dataclass(frozen=True, eq=False)
class PawnIndices:
    """PAWN indices of k outputs to d parameters.

    Parameters
    ----------
    median, largest : (d, k) arrays
        Over slices, 0 to 1. NaN for an output that does not vary.
    error : (d, k) array
        Half width of the interval of `confidence` of `median`, from a bootstrap.
    threshold : float
        What a parameter that does nothing exceeds with a chance of ``1 - confidence``.
    confidence : float
    samples, slices : int
    """

    median: Array
    largest: Array
    error: Array
    threshold: float
    confidence: float
    samples: int
    slices: int

    @property
    def matters(self) -> NDArray[np.bool_]:
        """Where an index is above the threshold, (d, k)."""
        return np.asarray(self.median > self.threshold)


def pawn_indices(
    unit: Array,
    outputs: Array,
    *,
    slices: int = 10,
    resamples: int = 30,
    confidence: float = 0.95,
    seed: int = 0,
) -> PawnIndices:
    """PAWN indices from a sample.

    Parameters
    ----------
    unit : (n, d) array
        Parameters; only their order counts.
    outputs : (n, k) array
    slices : int
        Of each parameter; 10 is usual. Each must hold 10 samples.
    resamples : int
        Of the bootstrap.
    confidence : float
    seed : int
        Of the bootstrap and of the dummy.

    Raises
    ------
    InvalidData
        Shapes that do not fit, numbers that are not finite, or too few samples.
    """
    unit, outputs = np.asarray(unit, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
    if unit.ndim != 2 or outputs.ndim != 2 or len(unit) != len(outputs):
        raise InvalidData(
            f"parameters of shape {unit.shape} and outputs of shape {outputs.shape}; want (n, d) "
            "and (n, k)"
        )
    n = len(unit)
    if slices < 2 or n < 10 * slices or resamples < 2:
        raise InvalidData(
            f"{n} samples in {slices} slices, {resamples} resamples; give 2 slices or more of 10 "
            "samples each, and 2 resamples or more"
        )
    if not (np.isfinite(unit).all() and np.isfinite(outputs).all()):
        raise InvalidData("a sample with NaN or infinity; leave such rows out")
    rng = np.random.default_rng(seed)
    order = np.argsort(unit, axis=0, kind="stable")
    upto = rankdata(outputs, "max", axis=0).astype(np.int32)
    under = rankdata(outputs, "min", axis=0).astype(np.int32) - 1
    # outputs first: what is sorted then lies side by side
    upto, under = np.ascontiguousarray(upto.T), np.ascontiguousarray(under.T)
    by_output = np.argsort(outputs, axis=0, kind="stable").T
    distances = np.stack([_distances(row, upto, under, slices) for row in order.T])
    median, largest = np.median(distances, axis=2), distances.max(axis=2)
    drawn = np.empty((resamples, *median.shape))
    for number in range(resamples):
        counts = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.int32)
        # how many of the resample are not above each value, and how many are below it
        steps = np.zeros((outputs.shape[1], n + 1), dtype=np.int32)
        np.cumsum(counts[by_output], axis=1, out=steps[:, 1:])
        new_upto = np.take_along_axis(steps, upto, axis=1)
        new_under = np.take_along_axis(steps, under, axis=1)
        for i, row in enumerate(order.T):
            again = np.repeat(row, counts[row])
            found = _distances(again, new_upto, new_under, slices)
            drawn[number, i] = np.median(found, axis=1)
    factor = float(ndtri(0.5 + confidence / 2.0))
    error = factor * drawn.std(axis=0, ddof=1)
    still = np.ptp(outputs, axis=0) <= STILL * np.abs(outputs).max(axis=0)
    for part in (median, largest, error):
        part[:, still] = np.nan
    threshold = pawn_threshold(n, slices, confidence=confidence, seed=seed)
    return PawnIndices(median, largest, error, threshold, confidence, n, slices)


def pawn_threshold(
    samples: int, slices: int, *, confidence: float = 0.95, seed: int = 0, dummies: int = DUMMIES
) -> float:
    """Quantile of the index of a parameter that does nothing: slices are cut at random."""
    rng = np.random.default_rng([seed, 1])
    rank = np.arange(1, samples + 1, dtype=np.int32)[None]
    found = [
        np.median(_distances(rng.permutation(samples), rank, rank - 1, slices))
        for _ in range(dummies)
    ]
    return float(np.quantile(found, confidence))


def _distances(
    rows: NDArray[np.intp], upto: NDArray[np.int32], under: NDArray[np.int32], slices: int
) -> Array:
    """Kolmogorov-Smirnov distances (k, slices) between slices of rows and all rows.

    `upto` and `under` (k, n) count the outputs that are not above, and that are below, an output.
    Both distribution functions are steps that rise at outputs of the slice, so it is enough to look
    at those, just after and just before them; that is exact, ties included.
    """
    n = len(rows)
    distances = np.empty((len(upto), slices))
    edges = np.linspace(0, n, slices + 1).round().astype(int)
    for s, (first, last) in enumerate(pairwise(edges)):
        own = rows[first:last]
        m = len(own)
        after = np.sort(upto[:, own], axis=1) / n
        before = np.sort(under[:, own], axis=1) / n
        above = (np.arange(1, m + 1) / m - after).max(axis=1)
        below = (before - np.arange(m) / m).max(axis=1)
        distances[:, s] = np.maximum(above, below)
    return distances
