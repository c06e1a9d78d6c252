"""Forecast weather of a request: issued by somebody, made of observed weather, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from catena.forecaster.data.records import Array32, BasinRecords, Index, Mask, refuse
from catena.forecaster.data.store import ForecastArchive

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
    generated : bool
        Whether the archive's forecasts were made by a formula.
    """

    forecasts: ForecastWeather
    archive: Archive | None = None
    archive_noise: NDArray[Any] | None = None
    generated: bool = False

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
        return replace(self, forecasts=forecasts)

    def of(self, records: BasinRecords) -> Weather:
        """The same for records of other basins, or of other days."""
        if not isinstance(self.archive, ForecastArchive):
            return self
        return replace(self, archive=self.archive.of(records))

    def issued(self, issues: Index) -> Index:
        """Those issue times on which the archive has a forecast; all where there is no archive."""
        if not isinstance(self.archive, ForecastArchive):
            return issues
        return issues[np.isin(issues, self.archive.issued())]

    @property
    def words(self) -> str:
        """What pages say of it."""
        if self.scenario.quality == "archived":
            if self.generated:
                return "generated forecasts from an archive, as if they had been issued"
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


ARCHIVED_SHARE = 0.4
"""Part of the training that sees archived forecasts on days on which one was issued."""


def training_weather(
    records: BasinRecords,
    lend: Mask,
    leads: int,
    *,
    seed: int,
    mixture: Mixture,
    archive: ForecastArchive | None = None,
    noise: Sequence[float] | None = None,
) -> Weather:
    """Weather of a training: a mixture, and archived forecasts where there are some.

    Parameters
    ----------
    records, lend, leads, seed, mixture
        As in :func:`noised_weather`.
    archive : ForecastArchive, optional
        `ARCHIVED_SHARE` of the samples on its issue days get its forecasts: one member for all
        epochs where all others of the mixture are fixed, else another one in each epoch.
    noise : sequence of float, optional
        Its noise by lead.
    """
    if archive is None:
        return noised_weather(records, lend, leads, seed=seed, mixture=mixture)
    fixed = all(scenario.member is not None for scenario in mixture.scenarios)
    share = ARCHIVED_SHARE / (1.0 - ARCHIVED_SHARE) * sum(mixture.shares)
    archived = replace(ARCHIVED, member=0 if fixed else None)
    issued = np.zeros(len(records.days), bool)
    issued[archive.issued()] = True
    forecasts = ForecastWeather(
        Mixture((*mixture.scenarios, archived), (*mixture.shares, share)),
        donors=Donors(records.days, lend, leads, seed=seed),
        seed=seed,
        issued=issued,
    )
    return Weather(forecasts, archive, np.asarray(noise, np.float32))


def archived_weather(
    archive: ForecastArchive, noise: Sequence[float] | NDArray[Any] | None, *, generated: bool
) -> Weather:
    """Forecasts as they were issued; none on days on which none was.

    Parameters
    ----------
    archive : ForecastArchive
    noise : sequence of float, optional
        By lead; what :class:`ForecastNoise` says where it is not known.
    generated : bool
        Whether they were made by a formula.
    """
    level = 1.0 - ForecastNoise().weights(archive.leads) if noise is None else noise
    forecasts = ForecastWeather(ARCHIVED)
    return Weather(forecasts, archive, np.asarray(level, np.float32), generated)


def whole_archive(archive: ForecastArchive) -> ForecastArchive:
    """The archive, if it has forecasts for all basins of the records.

    Raises
    ------
    InvalidData
        With the names of those that it lacks.
    """
    refuse(
        dict.fromkeys(archive.lacking(), "has no forecasts"),
        "basins are not in the archive; archive their forecasts too, or leave them out by `names`",
    )
    return archive


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
