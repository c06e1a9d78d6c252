"""Day-of-year climate of any series: smooth means and quantiles from chosen days."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import Days, day_of_year

Array = NDArray[np.float64]

STEP = 5
"""Days between the days of the year at which statistics are taken; between them, straight lines."""
HALF_WINDOW = 15
"""Days on either side whose values count."""
_NODES = np.arange(1, 366, STEP)


def _on_every_day(nodes: Array) -> Array:
    """(..., node) -> (..., 366), around the turn of the year; nodes without data are bridged."""
    flat = nodes.reshape(-1, nodes.shape[-1])
    full = np.full((len(flat), 366), np.nan)
    for row, values in zip(full, flat, strict=True):
        known = np.isfinite(values)
        if known.any():
            row[:] = np.interp(np.arange(1, 367), _NODES[known], values[known], period=365.0)
    return full.reshape(*nodes.shape[:-1], 366)


def _windows(days: Days) -> list[NDArray[np.int64]]:
    """Positions of the days that count for each node."""
    doy = day_of_year(days)
    apart = np.abs(doy[None] - _NODES[:, None])
    near = np.minimum(apart, 365 - apart) <= HALF_WINDOW
    return [np.flatnonzero(row) for row in near]


def yearly_mean(values: Array, days: Days) -> Array:
    """Mean by day of the year, (basin, day) -> (basin, 366); NaN in `values` does not count.

    A basin without any value gets NaN.
    """
    nodes = np.full((len(values), len(_NODES)), np.nan)
    for place, window in enumerate(_windows(days)):
        part = values[:, window]
        known = np.isfinite(part)
        count = known.sum(1)
        total = np.where(known, part, 0.0).sum(1)
        nodes[:, place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return _on_every_day(nodes)


def yearly_quantiles(values: Array, days: Days, levels: Array) -> Array:
    """Quantiles by day of the year, (basin, day) -> (basin, 366, level), as :func:`yearly_mean`."""
    nodes = np.full((len(values), len(levels), len(_NODES)), np.nan)
    for place, window in enumerate(_windows(days)):
        for b, part in enumerate(values[:, window]):
            known = part[np.isfinite(part)]
            if len(known):
                nodes[b, :, place] = np.quantile(known, levels)
    return np.moveaxis(_on_every_day(nodes), 1, 2)


def fill_gaps(values: Array, mean: Array, days: Days) -> Array:
    """Put the day's mean where a value is missing.

    Parameters
    ----------
    values : Array, (basin, ...)
    mean : Array, (basin, 366)
    days : array of datetime64[D], (...)
    """
    return np.where(np.isnan(values), mean[:, day_of_year(days) - 1], values)
