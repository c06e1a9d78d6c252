"""The loop of the window loader: one batch is one pass over tables, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _copy(values: Array, into: Array) -> None:
    # several numbers at once, which the assignment of a slice to another does not manage
    for place in range(len(into)):
        into[place] = values[place]


@_compiled
def gather(
    table: Array,
    seen: Array,
    flow: Array,
    statics: Array,
    memory: Array,
    basin: Array,
    issue: Array,
    weight: Array,
    donor: Array,
    reach: Array,
    past_weather: Array,
    past_flow: Array,
    future: Array,
    noise: Array,
    out_statics: Array,
    targets: Array,
) -> None:
    """Fill the arrays of a batch.

    Parameters
    ----------
    table : (N, (T + H) C) float32 array
        Scaled weather with the two columns of the day of the year, day after day; behind the last
        day the weather is NaN.
    seen, flow : (N, T + H) float32 arrays
        Scaled flow that models may look at, and that they are asked for.
    statics : (N, S) float32 array
    memory : (N, T, K) float32 array
    basin, issue : (B,) arrays of int64
        Rows of `table` and places of the issue times.
    weight, donor, reach
        See :class:`catena.forecaster.data.noise.Plan`.
    past_weather : (B, L C) float32 array, filled
    past_flow : (B, L) float32 array, filled
    future : (B, H, C) float32 array, filled
    noise, targets : (B, H) float32 arrays, filled
    out_statics : (B, S + K) float32 array, filled
    """
    leads, columns = future.shape[1], future.shape[2]
    past = past_flow.shape[1]
    weather = columns - 2
    fixed = statics.shape[1]
    for b in range(len(basin)):
        n, t = basin[b], issue[b]
        first = t - past + 1
        _copy(table[n, first * columns : (t + 1) * columns], past_weather[b])
        _copy(seen[n, first : t + 1], past_flow[b])
        _copy(flow[n, t + 1 : t + 1 + leads], targets[b])
        _copy(statics[n], out_statics[b, :fixed])
        _copy(memory[n, t], out_statics[b, fixed:])
        for h in range(leads):
            at = (t + 1 + h) * columns
            future[b, h, weather] = table[n, at + weather]
            future[b, h, weather + 1] = table[n, at + weather + 1]
            w = weight[b, h]
            other = (donor[b] + h) * columns
            known = False
            for f in range(weather):
                value = np.float32(np.nan)
                if h < reach[b]:
                    value = table[n, at + f]
                    if w < 1.0:
                        value = w * value + (np.float32(1.0) - w) * table[n, other + f]
                future[b, h, f] = value
                known = known or value == value
            noise[b, h] = np.float32(1.0) - w if known else np.float32(1.0)


@_compiled
def place_archived(
    values: Array,
    at: Array,
    reach: Array,
    mean: Array,
    scale: Array,
    level: Array,
    future: Array,
    noise: Array,
) -> None:
    """Put archived forecasts, scaled, into the rows of a batch that get them.

    Parameters
    ----------
    values : (M, H, F) float32 array
        In the units of the records.
    at : (M,) array of int64
        Rows of the batch.
    reach : (B,) array
        Leads that have a forecast.
    mean, scale : (F,) float64 arrays
        Of the weather.
    level : (H,) float32 array
        Noise of archived forecasts.
    future : (B, H, F + 2) float32 array, filled but for the last two columns
    noise : (B, H) float32 array, filled
    """
    for m in range(len(at)):
        b = at[m]
        for h in range(values.shape[1]):
            known = False
            for f in range(values.shape[2]):
                value = np.float32(np.nan)
                if h < reach[b]:
                    value = np.float32((values[m, h, f] - mean[f]) / scale[f])
                future[b, h, f] = value
                known = known or value == value
            noise[b, h] = level[h] if known else np.float32(1.0)
