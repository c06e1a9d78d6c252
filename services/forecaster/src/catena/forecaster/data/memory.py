"""What a window of 90 days does not hold: means of rain over long times up to the issue time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

MEMORY_DAYS = (30, 120, 365)
"""Lengths of the sums of rain, days (specs: streamflow, section 2)."""


def rain_means(rain: NDArray[Any], lengths: Sequence[int] = MEMORY_DAYS) -> NDArray[np.float32]:
    """Mean rain over the last `k` days, the day itself included, for each length `k`.

    A sum would depend on how many days are missing; a mean over the days that are there does not.

    Parameters
    ----------
    rain : (N, T) array, mm d-1
        NaN where it is missing.
    lengths : sequence of int
        Days, each >= 1.

    Returns
    -------
    (N, T, K) float32 array, mm d-1
        NaN where none of the days is there.

    Raises
    ------
    InvalidData
        When a length is below 1.
    """
    if any(length < 1 for length in lengths):
        raise InvalidData(f"rain over {list(lengths)} days was asked for; at least 1 day wanted")
    n, t = rain.shape
    seen = ~np.isnan(rain)
    total = np.zeros((n, t + 1))
    count = np.zeros((n, t + 1))
    np.cumsum(np.where(seen, rain, 0.0), axis=1, out=total[:, 1:], dtype=np.float64)
    np.cumsum(seen, axis=1, out=count[:, 1:])
    means = np.full((n, t, len(lengths)), np.nan, np.float32)
    end = np.arange(1, t + 1)
    for place, length in enumerate(lengths):
        start = np.maximum(end - length, 0)
        days = count[:, end] - count[:, start]
        # Differences of large sums are off by rounding; rain is not negative.
        sums = np.maximum(total[:, end] - total[:, start], 0.0)
        np.divide(sums, days, out=means[..., place], where=days > 0, casting="same_kind")
    return means
