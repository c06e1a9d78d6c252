"""Days of the year, as numbers and as a circle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]

YEAR_DAYS = 365.2425


def day_of_year(days: Days) -> NDArray[np.int64]:
    """1 to 366, the shape of `days`."""
    days = np.asarray(days, "datetime64[D]")
    return np.asarray((days - days.astype("datetime64[Y]")).astype(np.int64) + 1)


def season_code(days: Days) -> NDArray[np.float32]:
    """Sine and cosine of the day of the year, (T, 2)."""
    angle = 2 * np.pi * (day_of_year(days) - 1.0) / YEAR_DAYS
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)
