"""Forecast weather for training and testing: perfect, noised, cut short, archived, or none.

Each sample's weather follows a scenario; a mixture of scenarios trains one model for all of them.
How noised weather is made: :mod:`catena.forecaster.data.donors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np

from catena.forecaster.data.donors import Donors, ForecastNoise
from catena.forecaster.data.records import Array32, BasinRecords, Index, Mask
from catena.shared.errors import InvalidData
from catena.shared.shuffle import hashed

Quality = Literal["perfect", "noised", "archived"]

_DRAW = 1  # what a random number is for


@dataclass(frozen=True)
class Scenario:
    """One way in which the forecast weather of a sample comes.

    Parameters
    ----------
    name : str
        For reports, and to find the process model's flow that belongs to it.
    quality : {"perfect", "noised", "archived"}
        The observed weather itself; the noised one; or what an archive of forecasts holds.
    reach : int, optional
        Leads that have a forecast; 0: none; all of them if left out.
    member : int, optional
        Which of the possible donors (or members of an archived ensemble) is taken; another one in
        each epoch if None.
    """

    name: str
    quality: Quality = "noised"
    reach: int | None = None
    member: int | None = 0

    def __post_init__(self) -> None:
        if self.quality not in get_args(Quality) or (self.reach or 0) < 0:
            raise InvalidData(
                f"scenario '{self.name}' of quality '{self.quality}' with a reach of {self.reach} "
                f"leads came; one of {', '.join(get_args(Quality))} and no negative reach wanted"
            )


PERFECT = Scenario("perfect", "perfect")
NOISED = Scenario("noised")
ARCHIVED = Scenario("archived", "archived")
NO_FORECAST = Scenario("none", "perfect", reach=0)


@dataclass(frozen=True)
class Mixture:
    """Scenarios with the share of samples that gets each.

    Parameters
    ----------
    scenarios : tuple of Scenario
        Of different names.
    shares : tuple of float
        Positive; they are divided by their sum.
    """

    scenarios: tuple[Scenario, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        names = [scenario.name for scenario in self.scenarios]
        if not names or len(self.shares) != len(names) or len(set(names)) < len(names):
            raise InvalidData(
                f"scenarios {', '.join(names) or 'none'} with the shares {list(self.shares)} came; "
                "one share for each of at least one scenario, of different names, wanted"
            )
        if not all(share > 0 for share in self.shares):
            raise InvalidData(f"shares {list(self.shares)} came; numbers above 0 wanted")

    @classmethod
    def only(cls, scenario: Scenario) -> Mixture:
        """The same scenario for all samples."""
        return cls((scenario,), (1.0,))

    def draw(self, samples: Index, *, seed: int, epoch: int) -> Index:
        """Place of each sample's scenario, (B,); depends on sample, seed and epoch only."""
        if len(self.scenarios) == 1:
            return np.zeros(len(samples), np.int64)
        edges = np.cumsum(self.shares) / np.sum(self.shares)
        drawn = (hashed(samples, seed, epoch, _DRAW) >> np.uint64(11)) * 2.0**-53
        return np.searchsorted(edges[:-1], drawn, side="right").astype(np.int64)


TRAINING_MIXTURE = Mixture(
    (
        PERFECT,
        Scenario("noised", member=None),
        Scenario("noised to 15 d", reach=15, member=None),
        Scenario("noised to 7 d", reach=7, member=None),
        NO_FORECAST,
    ),
    (0.25, 0.40, 0.1, 0.1, 0.15),
)
"""One checkpoint for perfect, noised, partial and no forecast."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How the forecast weather of `B` samples is put together.

    Parameters
    ----------
    scenario : (B,) array of int
        Place in the mixture.
    weight : (B, H) float32 array
        Of the truth; the rest is the donor's.
    donor : (B,) array of int
        First donor day; 0 where the weight is 1 anyway.
    reach : (B,) array of int
        Leads that have a forecast.
    archived : (B,) boolean array
        Read from the archive instead.
    member : (B,) array of int
        Of the archived ensemble, before the number of members is known.
    """

    scenario: Index
    weight: Array32
    donor: Index
    reach: Index
    archived: Mask
    member: Index


class Archive(Protocol):
    """Forecasts as they were issued; see :mod:`catena.forecaster.data.store`."""

    def read(self, basins: Index, issues: Index, members: Index) -> Array32:
        """Weather (B, H, F) in the units of the records; NaN where there is none."""
        ...


@runtime_checkable
class GroupedArchive(Archive, Protocol):
    """An archive that is larger than memory: it is read group by group."""

    def groups(self, basins: Index, issues: Index, *, seed: int, epoch: int) -> Index:
        """Number of the group of each sample; a group fits into memory."""
        ...


class ForecastWeather:
    """What forecast weather samples get.

    Parameters
    ----------
    mixture : Mixture or Scenario
    donors : Donors, optional
        Needed by noised scenarios.
    noise : ForecastNoise, optional
    seed : int
        Of the draws of scenarios.
    issued : (T,) boolean array, optional
        Days on which the archive has a forecast. On others archived scenarios of a mixture give way
        to its other ones; left out: they are taken as they come.

    Raises
    ------
    InvalidData
        When a noised scenario has no donors.
    """

    def __init__(
        self,
        mixture: Mixture | Scenario = NO_FORECAST,
        *,
        donors: Donors | None = None,
        noise: ForecastNoise | None = None,
        seed: int = 0,
        issued: Mask | None = None,
    ) -> None:
        self.mixture = mixture if isinstance(mixture, Mixture) else Mixture.only(mixture)
        self.donors, self.noise, self.seed = donors, noise or ForecastNoise(), seed
        scenarios = self.mixture.scenarios
        self._noised = np.array([each.quality == "noised" for each in scenarios])
        self._archived = np.array([each.quality == "archived" for each in scenarios])
        # -1: another member in each epoch.
        self._member = np.array([-1 if s.member is None else s.member for s in scenarios])
        if donors is None and self._noised.any():
            raise InvalidData("noised forecasts need donors; give the days that may lend weather")
        self._issued = issued
        self._others = np.flatnonzero(~self._archived)
        self._instead: Mixture | None = None
        if issued is not None and len(self._others):
            kept = [(scenarios[i], self.mixture.shares[i]) for i in self._others]
            self._instead = Mixture(*(tuple(each) for each in zip(*kept, strict=True)))

    @property
    def archived(self) -> bool:
        """Whether a scenario reads an archive."""
        return bool(self._archived.any())

    def plan(self, samples: Index, issues: Index, leads: int, *, epoch: int = 0) -> Plan:
        """How the weather of samples is put together.

        Parameters
        ----------
        samples : (B,) array of int
            A number of each sample that stays the same whatever it is batched with.
        issues : (B,) array of int
            Places of the issue times.
        leads : int
        epoch : int
            Scenarios are drawn anew in each epoch.
        """
        size = len(samples)
        drawn = self.mixture.draw(samples, seed=self.seed, epoch=epoch)
        if self._issued is not None and self._instead is not None:
            gone = np.flatnonzero(self._archived[drawn] & ~self._issued[issues])
            # Another seed: these samples' numbers are all those that led to the archive.
            other = self._instead.draw(samples[gone], seed=self.seed ^ 1, epoch=epoch)
            drawn[gone] = self._others[other]
        weight = np.ones((size, leads), np.float32)
        donor = np.zeros(size, np.int64)
        reaches = [leads if s.reach is None else s.reach for s in self.mixture.scenarios]
        member = self._member[drawn]
        if (member < 0).any():
            # Far from the members that scenarios ask for by number.
            member = np.where(member < 0, 1_000_000 + epoch, member)
        noised = np.flatnonzero(self._noised[drawn]) if self._noised.any() else ()
        if len(noised):
            assert self.donors is not None
            weight[noised] = self.noise.weights(leads)
            donor[noised] = self.donors.starts(issues[noised], member[noised])
        return Plan(
            drawn, weight, donor, np.minimum(reaches, leads)[drawn], self._archived[drawn], member
        )


def forecast_weather(
    records: BasinRecords,
    issues: Index | Sequence[int],
    leads: int,
    forecasts: ForecastWeather,
    *,
    archive: Archive | None = None,
) -> Array32:
    """The forecast weather of one scenario for all basins: what a process model is driven with.

    It is the weather that :class:`~catena.forecaster.data.windows.Windows` with the same
    `forecasts` give to a model in epoch 0.

    Parameters
    ----------
    records : BasinRecords
    issues : (I,) array of int
        Places of the issue times.
    leads : int
    forecasts : ForecastWeather
        With one scenario.
    archive : Archive, optional
        Where that scenario is an archived one.

    Returns
    -------
    (N, I, H, F) float32 array, in the units of the records
        NaN where there is no forecast.
    """
    if len(forecasts.mixture.scenarios) != 1:
        raise InvalidData("a mixture of scenarios came; one scenario wanted: ask for one by one")
    issues = np.asarray(issues, np.int64)
    plan = forecasts.plan(np.zeros(len(issues), np.int64), issues, leads)
    ahead = np.arange(leads)
    if forecasts.archived:
        if archive is None:
            raise InvalidData("archived forecasts were asked for and no archive given")
        shape = (len(records), len(issues))
        rows = np.repeat(np.arange(len(records)), len(issues))
        values = archive.read(rows, np.tile(issues, len(records)), np.tile(plan.member, shape[0]))
        made = values.reshape(*shape, *values.shape[1:])
    else:
        truth = issues[:, None] + 1 + ahead
        there = truth < len(records.days)
        made = records.weather[:, np.where(there, truth, 0)]
        made[:, ~there] = np.nan
        weight = plan.weight[:, :, None]
        if (weight < 1).any():
            made = weight * made + (1 - weight) * records.weather[:, plan.donor[:, None] + ahead]
    made[:, ahead >= plan.reach[:, None]] = np.nan
    return made
