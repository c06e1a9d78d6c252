"""Methods of intervals by the names that requests have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.intervals.crossfit import CrossFitConfig, fit_crossfit
from catena.forecaster.intervals.model import IntervalModel
from catena.forecaster.intervals.peers.cmal import fit_cmal
from catena.forecaster.intervals.peers.cqr import fit_cqr
from catena.forecaster.intervals.peers.deep_ensemble import fit_deep_ensemble
from catena.forecaster.intervals.peers.gp import fit_gp
from catena.forecaster.intervals.peers.laplace import fit_laplace
from catena.forecaster.intervals.peers.mc_dropout import fit_mc_dropout
from catena.forecaster.intervals.pi3nn import fit_pi3nn
from catena.forecaster.intervals.storage import from_arrays

Array = NDArray[np.float64]

PEERS: dict[str, Callable[..., IntervalModel]] = {
    "cqr": fit_cqr,
    "cmal": fit_cmal,
    "deep_ensemble": fit_deep_ensemble,
    "mc_dropout": fit_mc_dropout,
    "laplace": fit_laplace,
    "gp": fit_gp,
}
"""Methods with networks of their own, which have the forecast among their inputs."""
CROSS_FIT = CrossFitConfig(reach=0.999)
"""Floods lie at the edge of what was seen, and forecasts of them say that they are unsure: widths
grow beyond that edge only."""
METHODS = ("cross_fitted", "pi3nn", *PEERS)


def fit_intervals(
    method: str,
    x: Array,
    y: Array,
    mean: Any,
    *,
    folds: NDArray[np.int64] | None,
    seed: int,
) -> IntervalModel:
    """Fit the intervals of a method.

    Parameters
    ----------
    method : str
        One of :data:`METHODS`.
    x, y : (n, d), (n, k) arrays
    mean : MeanModel
        The forecaster.
    folds : (n,) array of int, optional
        Blocks of years.
    seed : int
    """
    if method == "cross_fitted":
        return fit_crossfit(x, y, model=mean, folds=folds, config=CROSS_FIT, seed=seed)
    if method == "pi3nn":
        return fit_pi3nn(x, y, model=mean, seed=seed)
    return PEERS[method](x, y, seed=seed)


def intervals_from(
    arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], mean: Any
) -> IntervalModel:
    """Intervals from what their ``to_arrays`` gave, around the mean model they were fitted to."""
    return from_arrays(dict(arrays), dict(meta), mean=mean)
