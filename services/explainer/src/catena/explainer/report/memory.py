"""How an input counts: how fast it fades, which way it pushes, in which season."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_POINTS = 4
"""A decay with a floor has three unknowns."""
TRIALS = 121
"""Decay times that are tried, evenly on a logarithmic axis: 6 % apart for 90 days."""


def efolding(profile: Array, days: NDArray[np.int64]) -> float:
    """Days in which a profile falls to 1/e, above what it does not fall below.

    ``a exp(-d / k) + b`` with a, b >= 0 is fitted by least squares. For each of many k the best a
    and b are known in closed form, so that the best k cannot be missed. The floor b takes what
    noise leaves in all days alike: a line through logarithms would be bent by it.

    Parameters
    ----------
    profile : (n,) array
        Not negative; NaN is left out.
    days : (n,) array of int

    Returns
    -------
    float
        From a quarter of a day to 4 times the span, which also stands for profiles that do not
        fall; NaN where fewer than 4 points are there or all are 0.
    """
    there = np.isfinite(profile)
    profile = profile[there]
    if len(profile) < LEAST_POINTS or not profile.max() > 0:
        return float("nan")
    since = days[there].astype(np.float64) - days[there].min()
    trials = np.geomspace(0.25, 4.0 * since.max(), TRIALS)
    curves = np.exp(-since / trials[:, None])
    centred = curves - curves.mean(-1, keepdims=True)
    a = (centred @ (profile - profile.mean())) / np.square(centred).sum(-1)
    b = profile.mean() - a * curves.mean(-1)
    # where the best floor is below 0 it is 0
    below = b < 0
    a = np.where(below, (curves @ profile) / np.square(curves).sum(-1), a)
    b = np.where(below, 0.0, b)
    if not (a > 0).any():
        return float(trials[-1])
    error = np.square(a[:, None] * curves + b[:, None] - profile).sum(-1)
    error[a <= 0] = np.inf
    return float(trials[int(error.argmin())])


def direction(contribution: Array, value: Array) -> float:
    """Whether more of an input gives more flow: 1 where always, -1 where always less.

    The mean contribution cannot tell: it is near 0 where baselines are of the same climate as the
    samples. So contributions are held against inputs, each less its mean over samples: a
    covariance over the sum of its absolute terms, which is exactly 1 or -1 where the model is
    linear.

    Parameters
    ----------
    contribution : (N, ...) array, mm d-1
        NaN where there is no such input.
    value : array that broadcasts to the same shape, (N, ...)
        Scaled inputs.

    Returns
    -------
    float
        In [-1, 1]; NaN where nothing contributes.
    """
    value = np.broadcast_to(value, contribution.shape)
    there = np.isfinite(contribution) & np.isfinite(value)
    product = _centred(contribution, there) * _centred(value, there)
    whole = float(np.abs(product).sum())
    return float(product.sum()) / whole if whole > 0 else float("nan")


def _centred(values: Array, there: NDArray[np.bool_]) -> Array:
    """Values less their mean over samples; 0 where one is missing."""
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / count
    return np.where(there, values - mean, 0.0)


def season_month(days: NDArray[np.datetime64], latitude: float) -> NDArray[np.int64]:
    """Month, 1 to 12; south of the equator shifted by half a year, so that 1 is in winter."""
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray((month + (6 if latitude < 0 else 0)) % 12 + 1)


def shortest_span(profile: Array, share: float = 0.5) -> tuple[int, int] | None:
    """Places of the first and last day of the shortest run that holds a share of a profile.

    Parameters
    ----------
    profile : (n,) array
        Not negative; NaN counts as 0.
    share : float

    Returns
    -------
    (int, int) or None
        None where the profile is 0 everywhere. Of runs of the same length the richest one.
    """
    values = np.nan_to_num(profile, nan=0.0)
    whole = values.sum()
    if not whole > 0:
        return None
    total = np.concatenate([[0.0], np.cumsum(values)])
    for length in range(1, len(values) + 1):
        held = total[length:] - total[:-length]
        best = int(held.argmax())
        if held[best] >= share * whole * (1 - 1e-12):
            return best, best + length - 1
    return 0, len(values) - 1
