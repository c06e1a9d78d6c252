"""Scores of forecasts of fields, as WeatherBench 2 defines them (Rasp et al. 2024, section 4).

Fields are (..., H, W), ensembles (M, ..., H, W), climatologies and truths broadcast against them.
Scores of single fields keep every axis but H and W; means over times are the caller's, so that a
long period can be scored piece by piece. RMSE is the root of the mean over times, not the mean of
roots: :func:`mean_square_error`, mean over times, root.

A missing value of forecast or truth takes its cell out of both, and no other one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "activity",
    "anomaly_correlation",
    "area_mean",
    "crps",
    "ensemble_variance",
    "mean_error",
    "mean_square_error",
    "rmse",
]

Array = NDArray[np.float64]
Fields = NDArray[Any]


def area_mean(values: Fields, weights: Array) -> Array:
    """Weighted mean over the cells that are known.

    Parameters
    ----------
    values : array, (..., H, W)
    weights : Array, (H,)

    Returns
    -------
    Array, (...)
        NaN where no cell is known.
    """
    known = np.isfinite(values)
    if known.all():
        return np.asarray(values.mean(axis=-1, dtype=np.float64) @ (weights / weights.sum()))
    total = np.where(known, values, 0.0).sum(axis=-1, dtype=np.float64) @ weights
    weight = known.sum(axis=-1) @ weights
    return _ratio(total, weight)


def mean_square_error(forecast: Fields, truth: Fields, weights: Array) -> Array:
    """Mean square error in space, (...), in squared units.

    Parameters
    ----------
    forecast, truth : array, (..., H, W)
    weights : Array, (H,)
        From :func:`catena.shared.latitudes.latitude_weights`.
    """
    return area_mean((forecast - truth) ** 2, weights)


def rmse(forecast: Fields, truth: Fields, weights: Array, over: int = 0) -> Array:
    """Root mean square error over space and the times on axis `over`.

    Times without any known cell do not count.
    """
    return np.sqrt(known_mean(mean_square_error(forecast, truth, weights), over))


def mean_error(forecast: Fields, truth: Fields, weights: Array) -> Array:
    """Bias in space, (...), forecast minus truth."""
    return area_mean(forecast - truth, weights)


def anomaly_correlation(
    forecast: Fields, truth: Fields, climatology: Fields, weights: Array
) -> Array:
    """Anomaly correlation coefficient of each field, (...) (not centred).

    ``<f' t'> / sqrt(<f'^2> <t'^2>)`` with anomalies against the climatology of the valid time, and
    ``<.>`` the weighted mean over the cells that both know. The score of a period is the mean over
    its times.

    Returns
    -------
    Array, (...)
        NaN where forecast or truth are the climatology itself.
    """
    f, t = forecast - climatology, truth - climatology
    gone = ~np.isfinite(f + t)
    if gone.any():
        f, t = np.where(gone, np.nan, f), np.where(gone, np.nan, t)
    size = area_mean(f * f, weights) * area_mean(t * t, weights)
    return _ratio(area_mean(f * t, weights), np.sqrt(size))


def activity(fields: Fields, climatology: Fields, weights: Array) -> Array:
    """Standard deviation in space of the anomalies, (...) (ECMWF's and WMO's measure).

    A forecast that is smoother than the truth has less: a lower error is then no better forecast.
    """
    anomaly = fields - climatology
    centred = anomaly - area_mean(anomaly, weights)[..., None, None]
    return np.sqrt(area_mean(centred * centred, weights))


def crps(members: Fields, truth: Fields, *, fair: bool = False) -> Array:
    """Continuous ranked probability score of each cell, in the units of the truth.

    ``E|X - y| - E|X - X'| / 2``; the second mean is over all pairs of the M members (plain: the
    score of the ensemble as it is), or over pairs of different ones (fair: of an infinite one, as
    WeatherBench 2; Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917-1923). Sorting gives all
    pairs at once: ``sum_{i<j} (x_j - x_i) = sum_i (2 i - M - 1) x_i`` (Hersbach 2000).

    Parameters
    ----------
    members : array, (M, ...)
    truth : array, (...)
    fair : bool

    Returns
    -------
    Array, (...)
        With one member the absolute error; NaN when `fair`. NaN where a member or the truth is.
    """
    count = len(members)
    if count == 1:
        error = np.abs(np.subtract(members[0], truth, dtype=np.float64))
        return np.full(error.shape, np.nan) if fair else error
    ordered = np.sort(np.asarray(members, np.float64), axis=0)
    places = 2.0 * np.arange(1, count + 1) - count - 1.0
    pairs = np.tensordot(places, ordered, axes=1)
    error = np.abs(ordered - truth).mean(axis=0)
    return np.asarray(error - pairs / (count * (count - 1 if fair else count)))


def ensemble_variance(members: Fields) -> Array:
    """Variance of the members in each cell, (...), without bias; zero with one member.

    Spread is the root of its mean over space and times, and the ratio of spread to the RMSE of the
    ensemble mean is 1 for a reliable, large ensemble; with M members it is
    ``sqrt(M / (M + 1))`` (Fortin et al. 2014, J. Hydrometeorol. 15, 1708-1713).
    """
    values = np.asarray(members, np.float64)
    if len(values) == 1:
        return np.where(np.isnan(values[0]), np.nan, 0.0)
    return np.asarray(values.var(axis=0, ddof=1))


def known_mean(values: Array, axis: int | tuple[int, ...] = 0) -> Array:
    """Mean of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis))


def _ratio(above: Fields, below: Fields) -> Array:
    out = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out
