"""Forecast weather as a process model should see it: as much of it as is worth believing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.shared.errors import InvalidData


def denoised(weather: ArrayLike, noise: ArrayLike, climate: ArrayLike) -> NDArray[np.float32]:
    """Expected weather, given a forecast and its noise.

    A process model that is driven with noisy weather forecasts floods of another year's rain; one
    driven with expected weather loses the detail with the lead, and ends as a forecast from the
    climate of the day. What a network, or a linear correction, then has to learn is small.

    Parameters
    ----------
    weather : array_like, (..., H, F)
        Forecast weather; NaN where there is none.
    noise : array_like, (..., H)
        Share of other weather in each lead, in [0, 1], as in
        :class:`catena.models.forecast_inputs.ForecastInputs`.
    climate : array_like, (..., H, F)
        Mean weather of each day of the year, of training days; in the units of `weather`.

    Returns
    -------
    (..., H, F) float32 array
        The climate where there is no forecast. Amounts of rain can fall a little below zero where
        the forecast has less than the climate: cut them off.

    Raises
    ------
    InvalidData
        When a noise lies outside [0, 1].

    Notes
    -----
    With ``x_fc = w x + (1 - w) d``, where `d` is independent of `x` and varies as much about the
    same climate, the regression of `x` on `x_fc` has the slope ``w / (w^2 + (1 - w)^2)``: 1 for a
    perfect forecast, above 1 for a good one (a mean of two weathers varies less than one), and 0
    for pure noise. Perfect weather passes unchanged.
    """
    level = np.asarray(noise, np.float64)
    if not bool(((level >= 0) & (level <= 1)).all()):
        raise InvalidData(f"noise from {level.min():g} to {level.max():g} came; 0 to 1 "
                          "wanted, 1 where there is no forecast")  # fmt: skip
    forecast, mean = np.asarray(weather, np.float64), np.asarray(climate, np.float64)
    kept = 1.0 - level
    slope = (kept / (kept**2 + level**2))[..., None]
    expected = mean + slope * np.where(np.isnan(forecast), 0.0, forecast - mean)
    return np.asarray(expected, np.float32)
