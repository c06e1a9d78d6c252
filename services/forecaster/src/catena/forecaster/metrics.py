"""Scores of forecasts and of their uncertainty, per lead and basin.

Arrays are (issue, lead) or (basin, issue, lead); whatever comes after (members, quantiles, levels)
is one more axis at the end. Scores of single forecasts (:func:`crps_ensemble` and its like,
:func:`pit_quantiles`) keep the shape of the observations. Scores of many are taken over the axis
`over` of the observations, the issue times, and leave (lead,) or (basin, lead).

A missing forecast or observation takes its pair out, and no other one. Where nothing is left the
score is NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scores.continuous import interval_score as _interval_score
from scores.continuous import kge as _kge
from scores.continuous import nse as _nse
from scores.probability import crps_for_ensemble

from catena.shared.errors import InvalidData

__all__ = [
    "crps_ensemble",
    "crps_quantiles",
    "crpss",
    "kge",
    "mean_score",
    "mpiw",
    "nse",
    "picp",
    "pit_ensemble",
    "pit_quantiles",
    "winkler",
]

Array = NDArray[np.float64]

ISSUE = -2
"""Axis of the issue times."""


# --- of point forecasts


def nse(forecast: ArrayLike, observed: ArrayLike, over: int = ISSUE) -> Array:
    """Efficiency of Nash and Sutcliffe (1970, J. Hydrol. 10, 282-290): 1 is perfect, 0 the mean.

    Parameters
    ----------
    forecast, observed : array_like, (..., issue, lead)
    over : int
        Axis that is summed over.

    Returns
    -------
    Array, (..., lead)
        NaN where the observations do not vary or fewer than two pairs are left.
    """
    return _of_pairs(_nse, forecast, observed, over)


def kge(forecast: ArrayLike, observed: ArrayLike, over: int = ISSUE) -> Array:
    """Efficiency of Gupta, Kling et al. (2009, J. Hydrol. 377, 80-91); as :func:`nse`.

    NaN also where the forecast does not vary: its correlation is not defined.
    """
    value = _of_pairs(_kge, forecast, observed, over)
    paired = np.where(np.isnan(np.asarray(observed, float)), np.nan, np.asarray(forecast, float))
    return np.where(_varies(paired, over), value, np.nan)


def _of_pairs(
    score: Callable[..., Any], forecast: ArrayLike, observed: ArrayLike, over: int
) -> Array:
    f, y = _same_shape(forecast, observed)
    gone = np.isnan(f) | np.isnan(y)
    f, y = np.where(gone, np.nan, f), np.where(gone, np.nan, y)
    varies = _varies(y, over)
    if not varies.any():
        return np.full(varies.shape, np.nan)
    names = [f"axis{a}" for a in range(y.ndim)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of constant observations and of empty slices
        value = score(
            xr.DataArray(f, dims=names), xr.DataArray(y, dims=names), reduce_dims=[names[over]]
        )
    return np.where(varies, np.asarray(value, float), np.nan)


def _varies(values: Array, over: int) -> NDArray[np.bool_]:
    """Whether two values differ; by rounding, squares about a mean do not sum to exactly zero."""
    gone = np.isnan(values)
    highest = np.where(gone, -np.inf, values).max(axis=over, initial=-np.inf)
    lowest = np.where(gone, np.inf, values).min(axis=over, initial=np.inf)
    return np.asarray(highest > lowest)


# --- CRPS of single forecasts (of mixtures: see `catena.models.mixtures`)


def crps_ensemble(members: ArrayLike, observed: ArrayLike, *, fair: bool = False) -> Array:
    """Continuous ranked probability score of ensembles, in the units of the observations.

    Parameters
    ----------
    members : array_like, (..., member)
        NaN members are left out.
    observed : array_like, (...)
    fair : bool
        As if the ensemble were infinite (Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917-1923).

    Returns
    -------
    Array, (...)
    """
    f, y = _with_last_axis(members, observed, "members")
    names = [f"axis{a}" for a in range(y.ndim)]
    with np.errstate(all="ignore"):
        value = crps_for_ensemble(
            xr.DataArray(f, dims=[*names, "member"]),
            xr.DataArray(y, dims=names),
            "member",
            method="fair" if fair else "ecdf",
            preserve_dims="all",
        )
    return np.asarray(value, float)


def crps_quantiles(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike) -> Array:
    """CRPS from quantiles: twice the integral of the quantile score over the levels.

    ``2 int_0^1 rho_p(y - q(p)) dp`` (Gneiting and Ranjan 2011, J. Bus. Econ. Stat. 29, 411-422, eq.
    6). Each level stands for the interval up to the middles between it and its neighbours, the
    outermost for the tails as well; more levels come nearer to the truth.

    Parameters
    ----------
    quantiles : array_like, (..., level)
    levels : array_like, (level,)
        Ascending, between 0 and 1.
    observed : array_like, (...)
    """
    p = _levels(levels)
    q, y = _with_last_axis(quantiles, observed, "quantiles")
    if q.shape[-1] != len(p):
        raise InvalidData(f"{q.shape[-1]} quantiles and {len(p)} levels came; want as many of both")
    edges = np.concatenate([[0.0], 0.5 * (p[1:] + p[:-1]), [1.0]])
    error = y[..., None] - q
    losses = np.maximum(p * error, (p - 1.0) * error)
    return np.asarray(2.0 * (losses * np.diff(edges)).sum(-1))


# --- PIT of single forecasts


def pit_ensemble(members: ArrayLike, observed: ArrayLike) -> Array:
    """Where the observation lies among the members, 0 to 1; ties count half.

    NaN members are left out. Uniform over many forecasts if the ensemble is reliable.
    """
    f, y = _with_last_axis(members, observed, "members")
    count = np.isfinite(f).sum(-1)
    below = (f < y[..., None]).sum(-1) + 0.5 * (f == y[..., None]).sum(-1)
    return np.where((count > 0) & ~np.isnan(y), below / np.maximum(count, 1), np.nan)


def pit_quantiles(quantiles: ArrayLike, levels: ArrayLike, observed: ArrayLike) -> Array:
    """Level of the observation between quantiles, 0 to 1, along straight lines.

    Beyond the outermost quantiles it is the middle of the tail, where nothing more is known. Where
    quantiles coincide with the observation it is the middle of their levels.
    """
    p = _levels(levels)
    q, y = _with_last_axis(quantiles, observed, "quantiles")
    ends = np.concatenate([[0.5 * p[0]], p, [0.5 * (1.0 + p[-1])]])
    first = (q < y[..., None]).sum(-1)  # quantiles below, and below or at the observation
    last = (q <= y[..., None]).sum(-1)
    size = len(p)

    def at(places: NDArray[np.int64]) -> Array:
        return np.take_along_axis(q, np.clip(places, 0, size - 1)[..., None], -1)[..., 0]

    low, high = at(first - 1), at(first)
    inner = (first > 0) & (first < size)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(inner, (y - low) / (high - low), 0.0)
    between = np.where(
        inner,
        ends[first] + part * (ends[np.minimum(first + 1, size + 1)] - ends[first]),
        np.where(first == 0, ends[0], ends[-1]),
    )
    tied = 0.5 * (p[np.clip(first, 0, size - 1)] + p[np.clip(last - 1, 0, size - 1)])
    pit = np.where(last > first, tied, between)
    return np.where(np.isnan(y) | np.isnan(q).any(-1), np.nan, pit)


# --- of intervals, over issue times


def picp(lower: ArrayLike, upper: ArrayLike, observed: ArrayLike, over: int = ISSUE) -> Array:
    """Share of observations inside their intervals (prediction interval coverage probability).

    Parameters
    ----------
    lower, upper : array_like, (..., issue, lead) or (..., issue, lead, level)
    observed : array_like, (..., issue, lead)
    over : int
        Axis of the observations.

    Returns
    -------
    Array, (..., lead) or (..., lead, level)
    """
    low, high, y, axis = _intervals(lower, upper, observed, over)
    inside = ((low <= y) & (y <= high)).astype(float)
    return mean_score(np.where(np.isnan(low + y) | np.isnan(high), np.nan, inside), axis)


def mpiw(lower: ArrayLike, upper: ArrayLike, observed: ArrayLike, over: int = ISSUE) -> Array:
    """Mean width of intervals of pairs with an observation; shapes as of :func:`picp`."""
    low, high, y, axis = _intervals(lower, upper, observed, over)
    return mean_score(np.where(np.isnan(y), np.nan, high - low), axis)


def winkler(
    lower: ArrayLike,
    upper: ArrayLike,
    observed: ArrayLike,
    levels: float | Sequence[float],
    over: int = ISSUE,
) -> Array:
    """Interval score: the width, and 2 / (1 - level) of what lies outside; lower is better.

    Winkler (1972, J. Am. Stat. Assoc. 67, 187); Gneiting and Raftery (2007, 102, 359, eq. 43).

    Parameters
    ----------
    lower, upper, observed, over
        As of :func:`picp`.
    levels : float or sequence of float
        Nominal coverage, e.g. 0.9; one for each level of the last axis.
    """
    low, high, y, axis = _intervals(lower, upper, observed, over)
    several = np.ndim(levels) > 0
    wanted = _levels(np.atleast_1d(np.asarray(levels, float)), ascending=False)
    if not several:
        return mean_score(_interval_scores(low, high, y, float(wanted[0])), axis)
    if low.ndim != np.ndim(observed) + 1 or low.shape[-1] != len(wanted):
        raise InvalidData(
            f"{len(wanted)} levels came for intervals of shape {low.shape}; want them as last axis"
        )
    each = [
        _interval_scores(low[..., k], high[..., k], y[..., 0], float(level))
        for k, level in enumerate(wanted)
    ]
    return mean_score(np.stack(each, axis=-1), axis)


def _interval_scores(low: Array, high: Array, y: Array, level: float) -> Array:
    """Interval score of single forecasts, by `scores`."""
    y = np.broadcast_to(y, low.shape)
    names = [f"axis{a}" for a in range(low.ndim)]
    parts = (xr.DataArray(x, dims=names) for x in (low, high, y))
    score = _interval_score(*parts, interval_range=level, preserve_dims="all")
    return np.asarray(score["total"], float)


# --- means and skill


def mean_score(score: ArrayLike, over: int = ISSUE) -> Array:
    """Mean of single scores over an axis, leaving NaN out; NaN where nothing is left."""
    values = np.asarray(score, float)
    known = ~np.isnan(values)
    count = known.sum(axis=over)
    total = np.where(known, values, 0.0).sum(axis=over)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def crpss(score: ArrayLike, reference: ArrayLike, over: int = ISSUE) -> Array:
    """Skill ``1 - mean CRPS / mean CRPS of the reference``, over pairs that both have.

    Parameters
    ----------
    score, reference : array_like, (..., issue, lead)
        CRPS of single forecasts.

    Returns
    -------
    Array, (..., lead)
        NaN where the reference is perfect or no pair is left.
    """
    ours, theirs = _same_shape(score, reference)
    both = np.where(np.isnan(ours) | np.isnan(theirs), np.nan, 1.0)
    top, bottom = mean_score(ours * both, over), mean_score(theirs * both, over)
    return np.where(bottom > 0.0, 1.0 - top / np.where(bottom > 0.0, bottom, 1.0), np.nan)


# --- shapes


def _same_shape(one: ArrayLike, other: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(one, float), np.asarray(other, float)
    if a.shape != b.shape:
        raise InvalidData(f"shapes {a.shape} and {b.shape} came; want the same for both")
    return a, b


def _with_last_axis(values: ArrayLike, observed: ArrayLike, what: str) -> tuple[Array, Array]:
    """Values with one more axis than the observations, at the end."""
    f, y = np.asarray(values, float), np.asarray(observed, float)
    if f.shape[:-1] != y.shape or f.ndim != y.ndim + 1 or not f.shape[-1]:
        raise InvalidData(
            f"{what} have shape {f.shape}, observations {y.shape}; want that of the observations "
            "and one more axis at the end"
        )
    return f, y


def _levels(levels: ArrayLike, *, ascending: bool = True) -> Array:
    p = np.asarray(levels, float)
    rising = not ascending or (np.diff(p) > 0.0).all()
    if p.ndim != 1 or not len(p) or not ((p > 0.0) & (p < 1.0)).all() or not rising:
        raise InvalidData(
            f"levels {p.tolist()} came; want fractions between 0 and 1, e.g. 0.9"
            + (", ascending" if ascending else "")
        )
    return p


def _intervals(
    lower: ArrayLike, upper: ArrayLike, observed: ArrayLike, over: int
) -> tuple[Array, Array, Array, int]:
    """Bounds, observations with as many axes, and the axis of the issue times, from the front."""
    low, high = _same_shape(lower, upper)
    y = np.asarray(observed, float)
    axis = over % y.ndim
    if low.ndim == y.ndim + 1:
        y = y[..., None]
    wanted = low.shape if low.ndim == np.ndim(observed) else (*low.shape[:-1], 1)
    if y.shape != wanted:
        raise InvalidData(
            f"bounds have shape {low.shape}, observations {np.shape(observed)}; want the same, or "
            "one more axis of levels at the end of the bounds"
        )
    crossed = low > high
    if crossed.any():
        place = np.argwhere(crossed)[0].tolist()
        raise InvalidData(f"lower bounds lie above upper ones, first at {place}; sort them before")
    return low, high, y, axis
