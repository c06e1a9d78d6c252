"""Daily fluxes of a tower and of an ensemble, brought to the few numbers that are calibrated on.

A statistic is the mean of one flux at one site in one month of the year, over all days of the
calibration years on which the tower measured it; the ensemble is averaged over the same days. So a
tower whose good days of July are few and sunny is compared with the model's same few sunny days,
and each month of the year counts alike, however many of its days were measured.

The error of a statistic has three parts (one standard deviation each, added in squares):

- measurement: ``sqrt(sum u_i^2) / n``, of the days' own uncertainties;
- sampling: what the weather of single days, which a model may miss, leaves in a mean of few days:
  the spread of the best members' daily residuals, over the root of the number of independent days;
- structure of the model: the root mean square, over a flux's months, of the residuals of the best
  members. It is what no parameters of the prior mend; only the calibration years go into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES, UNITS, Observations
from catena.coupler.callmip.skill import split_years
from catena.coupler.forcing.calendar import month_day
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

MODEL_FLUXES = {"nee": "NEE", "hfls": "EFLX_LH_TOT", "hfss": "FSH"}
"""What the model calls the fluxes."""
FACTORS = {"nee": 86400.0, "hfls": 1.0, "hfss": 1.0}
"""From the model's units to those of the observations."""
LONG_NAMES = {
    "nee": "net ecosystem exchange of carbon",
    "hfls": "latent heat flux",
    "hfss": "sensible heat flux",
}
INDEPENDENT_DAYS = 5.0
"""Days after which the weather's residuals count as new: synoptic systems pass in about that."""
BEST_PART = 0.05
"""Part of the members that count as the best."""
BEST_AT_LEAST = 5


@dataclass(frozen=True, eq=False)
class SiteFluxes:
    """What a tower measured and what members of an ensemble gave on the same days.

    Parameters
    ----------
    observed : Observations
    simulated : mapping of str to array (member, day)
        On the days of `observed`, for each of
        :data:`catena.coupler.callmip.observations.FLUXES`, in its units; NaN for members that
        failed.
    """

    observed: Observations
    simulated: Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Label:
    """What a statistic is of; `days` is the number of days in it."""

    site: str
    flux: str
    month: int
    days: int

    @property
    def name(self) -> str:
        """E.g. ``NEE_US-MMS_07``."""
        return f"{MODEL_FLUXES[self.flux]}_{self.site}_{self.month:02d}"

    @property
    def units(self) -> str:
        """Of the flux."""
        return UNITS[self.flux]

    @property
    def long_name(self) -> str:
        """In words."""
        return f"{LONG_NAMES[self.flux]} at {self.site}, month {self.month} ({self.days} days)"


@dataclass(frozen=True, eq=False)
class Statistics:
    """All statistics of all sites.

    Parameters
    ----------
    labels : tuple of Label
        What the k statistics are of.
    simulated : array (member, k)
    observed : array (k,)
    measurement_sd, sampling_sd, model_sd : array (k,)
        Parts of the error.
    best : int array
        The members that the errors were estimated from.
    """

    labels: tuple[Label, ...]
    simulated: Array
    observed: Array
    measurement_sd: Array
    sampling_sd: Array
    model_sd: Array
    best: NDArray[np.int64]

    @property
    def error_sd(self) -> Array:
        """All parts together, (k,)."""
        parts = np.stack([self.measurement_sd, self.sampling_sd, self.model_sd])
        total: Array = np.sqrt(np.square(parts).sum(axis=0))
        return total


def summarise(sites: Sequence[SiteFluxes], *, held_back: int, least_days: int = 5) -> Statistics:
    """Statistics of several sites with their errors.

    Parameters
    ----------
    sites : sequence of SiteFluxes
        All with the same members.
    held_back : int
        Last calendar years of each record, which are not looked at.
    least_days : int
        Fewest observed days of a statistic.

    Raises
    ------
    InvalidData
        When sites differ in their members, all members failed, or nothing was observed.
    InvalidRequest
        When no calibration year is left.
    """
    counts = {len(site.simulated[flux]) for site in sites for flux in FLUXES}
    if len(counts) != 1:
        raise InvalidData(
            f"found {' and '.join(map(str, sorted(counts)))} members at the sites, wanted the "
            "same members everywhere: run all sites with the same draw"
        )
    cut = [_Cut.of(site, held_back, least_days) for site in sites]
    labels = tuple(label for one in cut for label in one.labels)
    if not labels:
        raise InvalidData(
            f"found no month with {least_days} observed days in the calibration years; wanted some"
        )
    simulated = np.concatenate([one.simulated for one in cut], axis=1)
    observed = np.concatenate([one.observed for one in cut])
    best = best_members(simulated, observed, labels)
    residual = np.sqrt(np.square(simulated[best] - observed).mean(axis=0))
    return Statistics(
        labels,
        simulated,
        observed,
        np.concatenate([one.measurement_sd for one in cut]),
        np.concatenate([one.sampling_sd(best) for one in cut]),
        _by_flux(residual, labels),
        best,
    )


def best_members(simulated: Array, observed: Array, labels: Sequence[Label]) -> NDArray[np.int64]:
    """The members that agree best with all statistics, in the order of their numbers.

    Each site's flux counts alike: its mean square residual is divided by the ensemble's median.

    Raises
    ------
    InvalidData
        When all members failed.
    """
    square = np.square(simulated - observed)
    misfit = np.zeros(len(simulated))
    for columns in _groups(labels).values():
        mean = square[:, columns].mean(axis=1)
        misfit += mean / np.nanmedian(mean) if np.isfinite(mean).any() else np.nan
    fine = np.flatnonzero(np.isfinite(misfit))
    if not fine.size:
        raise InvalidData(f"all {len(misfit)} members failed at one of the sites; wanted some")
    count = min(max(BEST_AT_LEAST, round(BEST_PART * fine.size)), fine.size)
    return np.sort(fine[np.argsort(misfit[fine], kind="stable")[:count]])


@dataclass(frozen=True, eq=False)
class _Cut:
    """Statistics of one site; `daily` are the residuals (member, day) of each."""

    labels: tuple[Label, ...]
    simulated: Array
    observed: Array
    measurement_sd: Array
    daily: tuple[NDArray[np.floating], ...]

    @classmethod
    def of(cls, site: SiteFluxes, held_back: int, least_days: int) -> _Cut:
        seen = site.observed
        dates = seen.dates()
        first, last = split_years(seen, held_back)["calibration"]
        inside = (dates >= np.datetime64(first, "D")) & (dates <= np.datetime64(last, "D"))
        month = month_day(dates) // 100
        labels, simulated, observed, measurement, daily = [], [], [], [], []
        for flux in FLUXES:
            values, sd = seen.values[flux], seen.uncertainty[flux]
            for number in range(1, 13):
                days = np.flatnonzero(inside & (month == number) & np.isfinite(values))
                if days.size < max(least_days, 1):
                    continue
                labels.append(Label(seen.site, flux, number, int(days.size)))
                series = site.simulated[flux][:, days]
                simulated.append(series.mean(axis=1, dtype=np.float64))
                observed.append(values[days].mean())
                # A day whose uncertainty nobody gave has that of the others.
                known = sd[days][np.isfinite(sd[days])]
                square = np.square(known).mean() if known.size else 0.0
                measurement.append(np.sqrt(square / days.size))
                daily.append(series - values[days])
        return cls(
            tuple(labels),
            np.array(simulated).T.reshape(len(site.simulated[FLUXES[0]]), -1),
            np.array(observed),
            np.array(measurement),
            tuple(daily),
        )

    def sampling_sd(self, best: NDArray[np.int64]) -> Array:
        spread = [
            float(residual[best].std(axis=1, dtype=np.float64).mean())
            / np.sqrt(max(residual.shape[1] / INDEPENDENT_DAYS, 1.0))
            for residual in self.daily
        ]
        return np.array(spread)


def _groups(labels: Sequence[Label]) -> dict[tuple[str, str], list[int]]:
    """Places of the statistics of each site's flux."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, label in enumerate(labels):
        found.setdefault((label.site, label.flux), []).append(place)
    return found


def _by_flux(residual: Array, labels: Sequence[Label]) -> Array:
    """Root mean square over the months of each site's flux, for each statistic."""
    made = np.zeros(len(labels))
    for columns in _groups(labels).values():
        made[columns] = np.sqrt(np.square(residual[columns]).mean())
    return made
