"""Forecast weather as a process model should see it: what came, on average, after such forecasts.

A process model that is driven with weather forecasts as they come floods of rain that will not
fall; one that is driven with expected weather loses the detail with the lead, and ends as a
forecast from the climate of the day. What a network, or a linear correction, then has to learn is
small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

LEVELS = np.concatenate([np.linspace(0.0, 0.9, 31), 1.0 - 0.1 * 0.5 ** np.arange(1, 9), [1.0]])
"""Quantiles between which forecast rain is one class: narrow ones where it is heavy."""
LEAST_RAIN = 0.1
"""mm d-1 that the climate of a day has at least, where rain is counted in it."""
LEAST_OF_CLASS = 20
"""Forecasts in a class of heavy rain."""
LEAST = 200
"""Forecasts that were observed, below which nothing is learned: forecasts are then taken as the
climate."""


@dataclass(frozen=True, eq=False)
class ExpectedWeather:
    """Expected precipitation and temperature of each lead, given their forecast.

    Precipitation: a rising curve, both in units of the climate of the day and place; a straight
    line through zero would take a dry forecast and a heavy one for as much worth. Temperature: the
    part of its departure from the climate that is to be believed.

    Parameters
    ----------
    forecast, expected : (H, K) arrays
        Nodes of the curve, both over the climate.
    belief : (H,) array
        Slope of temperature's departures.
    """

    forecast: Array
    expected: Array
    belief: Array

    @classmethod
    def fit(cls, forecast: Array, observed: Array, climate: Array) -> ExpectedWeather:
        """Learn from past forecasts of many basins together.

        Parameters
        ----------
        forecast, observed, climate : (N, I, H, 2) arrays
            Precipitation, mm d-1, and temperature, degC; what is NaN counts for nothing.

        Raises
        ------
        InvalidData
            When the shapes differ.
        """
        if not forecast.shape == observed.shape == climate.shape or forecast.shape[-1:] != (2,):
            raise InvalidData(
                f"forecasts {forecast.shape}, observations {observed.shape} and climate "
                f"{climate.shape} came; (basin, issue, lead, 2) wanted for each"
            )
        at, to, belief = [], [], []
        for lead in range(forecast.shape[2]):
            said, came, usual = (each[:, :, lead] for each in (forecast, observed, climate))
            unit = np.maximum(usual[..., 0], LEAST_RAIN)
            nodes = _curve(said[..., 0] / unit, came[..., 0] / unit)
            at.append(nodes[0])
            to.append(nodes[1])
            belief.append(_slope(said[..., 1] - usual[..., 1], came[..., 1] - usual[..., 1]))
        return cls(np.array(at), np.array(to), np.array(belief))

    def __call__(self, forecast: Array, climate: Array) -> Array:
        """Expected weather (N, I, H, 2); the climate where there is no forecast."""
        made = climate.copy()
        for lead in range(forecast.shape[2]):
            said, usual = forecast[:, :, lead], climate[:, :, lead]
            unit = np.maximum(usual[..., 0], LEAST_RAIN)
            rain = self._rain(lead, said[..., 0] / unit) * unit
            warmth = usual[..., 1] + self.belief[lead] * (said[..., 1] - usual[..., 1])
            for number, value in enumerate((rain, warmth)):
                known = np.isfinite(said[..., number])
                made[:, :, lead, number] = np.where(known, value, usual[..., number])
        return made

    def _rain(self, lead: int, said: Array) -> Array:
        at, to = self.forecast[lead], self.expected[lead]
        # heavier than any that was seen: believed in the same proportion as the heaviest
        beyond = said * (to[-1] / at[-1])
        return np.asarray(np.where(said > at[-1], beyond, np.interp(said, at, to)))

    def state(self) -> dict[str, Array]:
        """Arrays, for safetensors."""
        return {"forecast": self.forecast, "expected": self.expected, "belief": self.belief}

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> ExpectedWeather:
        """Inverse of :meth:`state`."""
        return cls(state["forecast"], state["expected"], state["belief"])


def _curve(said: Array, came: Array) -> tuple[Array, Array]:
    """Nodes of the rising curve that is nearest to what came; always as many."""
    known = np.isfinite(said) & np.isfinite(came)
    x, y = said[known], came[known]
    count = len(LEVELS) - 1
    if len(x) < LEAST:
        return np.arange(count, dtype=np.float64), np.ones(count)
    few = (LEVELS < 1.0) & ((1.0 - LEVELS) * len(x) < LEAST_OF_CLASS)
    edges = np.unique(np.quantile(x, LEVELS[~few]))
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
    number = np.bincount(place)
    used = number > 0
    at, to = (np.bincount(place, each)[used] / number[used] for each in (x, y))
    to = isotonic_regression(to, weights=number[used]).x
    # few forecasts, or many dry ones, leave fewer classes: on in the same proportion
    more = np.arange(1, count - len(at) + 1)
    if at[-1] > 0.0:
        return np.append(at, at[-1] * (1 + more)), np.append(to, to[-1] * (1 + more))
    return np.append(at, more), np.append(to, np.repeat(to[-1], len(more)))


def _slope(said: Array, came: Array) -> float:
    known = np.isfinite(said) & np.isfinite(came)
    square = float((said[known] ** 2).sum())
    if known.sum() < LEAST or square == 0.0:
        return 0.0
    return float((said[known] * came[known]).sum() / square)
