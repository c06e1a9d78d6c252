"""Forecast weather of a request: issued by somebody, made of observed weather, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.donors import Donors, ForecastNoise
from catena.forecaster.data.noise import (
    ARCHIVED,
    NO_FORECAST,
    NOISED,
    PERFECT,
    Archive,
    ForecastWeather,
    Mixture,
    Scenario,
)
from catena.forecaster.data.records import Array32, BasinRecords, Index, Mask

HYBRID_MIXTURE = Mixture(
    (
        PERFECT,
        Scenario("noised 1", member=1),
        Scenario("noised 2", member=2),
        Scenario("noised to 15 d", reach=15, member=3),
        Scenario("noised to 7 d", reach=7, member=4),
        NO_FORECAST,
    ),
    (0.25, 0.2, 0.2, 0.1, 0.1, 0.15),
)
"""Weather of a hybrid's training: of fixed members, so that the process model can be run with it.
Member 0 is kept for forecasts that are judged."""


@dataclass(frozen=True, eq=False)
class Weather:
    """Forecast weather of one kind.

    Parameters
    ----------
    forecasts : ForecastWeather
        With one scenario, or a mixture for training.
    archive : Archive, optional
        Where issued forecasts are read from.
    archive_noise : (H,) array, optional
        Their noise by lead.
    """

    forecasts: ForecastWeather
    archive: Archive | None = None
    archive_noise: NDArray[Any] | None = None

    @property
    def scenario(self) -> Scenario:
        """The first scenario: the only one, but in training."""
        return self.forecasts.mixture.scenarios[0]

    def only(self, scenario: Scenario) -> Weather:
        """The same with another scenario."""
        forecasts = ForecastWeather(
            scenario,
            donors=self.forecasts.donors,
            noise=self.forecasts.noise,
            seed=self.forecasts.seed,
        )
        return Weather(forecasts, self.archive, self.archive_noise)

    @property
    def words(self) -> str:
        """What pages say of it."""
        if self.scenario.quality == "archived":
            return "forecasts as they were issued"
        if self.scenario.reach == 0:
            return "no forecast weather"
        if self.scenario.quality == "perfect":
            return "the observed weather itself"
        return "observed weather, noised more with each lead"


def no_weather() -> Weather:
    """No forecast weather at all."""
    return Weather(ForecastWeather(NO_FORECAST))


def noised_weather(
    records: BasinRecords, lend: Mask, leads: int, *, seed: int, mixture: Mixture | None = None
) -> Weather:
    """Observed weather that loses more of the truth with each lead.

    Parameters
    ----------
    records : BasinRecords
    lend : (T,) boolean array
        Days whose weather may stand in for the truth: those of training.
    leads : int
    seed : int
    mixture : Mixture, optional
        For training; all noised if left out.
    """
    donors = Donors(records.days, lend, leads, seed=seed)
    return Weather(ForecastWeather(mixture or NOISED, donors=donors, seed=seed))


class GivenForecasts:
    """Forecast weather that a request brings: one issue time.

    Parameters
    ----------
    values : (N, H, F) float32 array
        In the units of the records; NaN where there is none.
    """

    def __init__(self, values: Array32) -> None:
        self._values = values

    def read(self, basins: Index, issues: Index, members: Index) -> Array32:
        """Weather (B, H, F), whatever the issue time and the member."""
        return self._values[basins]


def given_weather(values: Array32) -> Weather:
    """Forecast weather that a request brings, believed as much as the noise of training says."""
    noise = 1.0 - ForecastNoise().weights(values.shape[1])
    forecasts = ForecastWeather(ARCHIVED)
    return Weather(forecasts, GivenForecasts(values), np.asarray(noise, np.float32))
