"""Flow in the units of a forecast's own doubt: normal scores.

A forecaster that gives quantiles says how far from its median an observation is, and to which
side, whatever the flow, the season and the lead: the score of an observation is the normal quantile
of its probability. Scores of a forecaster that is right about itself are standard normal; what it
is wrong about is left to intervals. (A conformal method on such scores is "distributional conformal
prediction", Chernozhukov et al. 2021, PNAS 118, e2107794118, on the normal scale.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from catena.forecaster.forecasters import QUANTILES, Forecasts

Array = NDArray[np.float64]

SLOPE = 1e-3
"""Root of scaled flow per score at least: quantiles of a dry stream are all alike."""

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


def root(values: NDArray[Any], scale: Array) -> Array:
    """Root of flow over the scale of its basin, the first axis."""
    return np.asarray(np.sqrt(np.maximum(values, 0.0) / _along_first(scale, values)), np.float64)


def flow(roots: NDArray[Any], scale: Array) -> Array:
    """Inverse of :func:`root`; what lies below zero is zero."""
    return np.asarray(np.square(np.maximum(roots, 0.0)) * _along_first(scale, roots), np.float64)


def _along_first(scale: Array, values: NDArray[Any]) -> Array:
    return scale.reshape(-1, *[1] * (np.ndim(values) - 1))


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Where the quantiles of forecasts lie.

    Between quantiles roots of flow change along straight lines with the score, and outside them as
    steeply as on average over the outer half of their side. Without quantiles the score is the
    error of the root: then all doubt is left to intervals.

    Parameters
    ----------
    knots : (N, I, H, K) array
        Roots of scaled flow, ascending; NaN where there is no forecast.
    at : (K,) array
        Their scores, with 0 in the middle.
    scale : (N,) array, mm d-1
        Of the flow of each basin.
    """

    knots: NDArray[np.float32]
    at: Array
    scale: Array

    @classmethod
    def of(cls, forecasts: Forecasts, scale: Array) -> NormalScores:
        """Of forecasts of basins with this scale of flow."""
        if forecasts.quantiles is None:
            at = np.array([-1.0, 0.0, 1.0])
            knots = root(forecasts.flow, scale)[..., None] + at
        else:
            at = ndtri(np.array(QUANTILES))
            knots = root(forecasts.quantiles, scale) + SLOPE * at
        return cls(knots.astype(np.float32), at, scale)

    def scores(self, values: NDArray[Any]) -> Array:
        """Scores of flow (N, I, H), mm d-1."""
        roots = root(values, self.scale)
        return np.asarray(_scores(self._flat(), self.at, roots.ravel())).reshape(roots.shape)

    def flow(self, scores: Array) -> Array:
        """Flow of scores (N, I, H, L), mm d-1."""
        count = int(np.prod(self.knots.shape[:3]))
        flat = np.ascontiguousarray(scores).reshape(count, scores.shape[-1])
        return flow(_roots(self._flat(), self.at, flat).reshape(scores.shape), self.scale)

    def _flat(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.knots.reshape(-1, self.knots.shape[-1]))


@_compiled
def _outer(knots: Any, at: Any) -> tuple[float, float]:
    """Slopes below and above the outermost knots."""
    last = len(at) - 1
    part = max(1, last // 4)
    below = (knots[part] - knots[0]) / (at[part] - at[0])
    above = (knots[last] - knots[last - part]) / (at[last] - at[last - part])
    return max(below, SLOPE), max(above, SLOPE)


@_compiled
def _scores(knots: Any, at: Any, roots: Any) -> Any:
    """Scores (n,) of roots (n,)."""
    made = np.empty(len(roots))
    last = len(at) - 1
    for i in range(len(roots)):
        own, y = knots[i], roots[i]
        if np.isnan(y) or np.isnan(own[0]):
            made[i] = np.nan
            continue
        below, above = _outer(own, at)
        if y <= own[0]:
            made[i] = at[0] + (y - own[0]) / below
        elif y >= own[last]:
            made[i] = at[last] + (y - own[last]) / above
        else:
            k = np.searchsorted(own, y, side="right") - 1
            made[i] = at[k] + (at[k + 1] - at[k]) * (y - own[k]) / (own[k + 1] - own[k])
    return made


@_compiled
def _roots(knots: Any, at: Any, scores: Any) -> Any:
    """Roots (n, L) of scores (n, L)."""
    made = np.empty(scores.shape)
    last = len(at) - 1
    for i in range(len(scores)):
        own = knots[i]
        below, above = _outer(own, at)
        for level in range(scores.shape[1]):
            z = scores[i, level]
            if np.isnan(own[0]) or np.isnan(z):
                made[i, level] = np.nan
            elif z <= at[0]:
                made[i, level] = own[0] + below * (z - at[0])
            elif z >= at[last]:
                made[i, level] = own[last] + above * (z - at[last])
            else:
                k = np.searchsorted(at, z, side="right") - 1
                share = (z - at[k]) / (at[k + 1] - at[k])
                made[i, level] = own[k] + share * (own[k + 1] - own[k])
    return made
