"""Daily fluxes of a tower and of an ensemble, brought to the few numbers that are calibrated on.

Two kinds of statistics, both over the days of the calibration years that the tower measured, the
ensemble on the same days. So a tower whose good days of July are few and sunny is compared with the
model's same few sunny days, and each month and season counts alike, however many of its days were
measured.

- Means of one flux in one month of the year.
- Scatter: the root mean square of what is left of one season's daily residuals when the mean
  residual of each month is taken off. A perfect model has none: 0 is what is "observed".

The error of a mean has three parts (one standard deviation each, added in squares):

- measurement: ``sqrt(sum u_i^2) / n``, of the days' own uncertainties;
- sampling: what the weather of single days, which a model may miss, leaves in a mean of few days:
  the spread of the best members' daily residuals, over the root of the number of independent days;
- structure of the model: the root mean square, over a season's months, of the residuals of the
  members that are best in this flux at this site: what no parameters of the prior mend. Only the
  calibration years go into it.

With a scatter q and the error ``q_best / sqrt(m)`` the Gaussian likelihood of q given 0 is that of
``m`` independent daily residuals whose standard deviation is that of the best members. A season has
hundreds of days, and their residuals are alike for days: `m` is far below their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES, SEASONS, UNITS, Observations
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
SCATTER_RESIDUALS = 40.0
"""Independent daily residuals that a season's scatter stands for, at most."""
BEST_PART = 0.05
"""Part of the members that count as the best."""
BEST_AT_LEAST = 5
RIGHT = 1e-12
"""Mean square residual below which there is none but rounding."""


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
    """What a statistic is of.

    Parameters
    ----------
    site, flux : str
    when : str
        Month of the year (``07``) of a mean, season (``JJA``) of a scatter.
    days : int
        Observed days in it.
    """

    site: str
    flux: str
    when: str
    days: int

    @property
    def scatter(self) -> bool:
        """Whether it is the scatter of a season."""
        return self.when in SEASONS

    @property
    def season(self) -> str:
        """``DJF``, ``MAM``, ``JJA`` or ``SON``."""
        return self.when if self.scatter else season_of(int(self.when))

    @property
    def name(self) -> str:
        """E.g. ``NEE_US-MMS_07``, ``NEE_US-MMS_JJA``."""
        return f"{MODEL_FLUXES[self.flux]}_{self.site}_{self.when}"

    @property
    def units(self) -> str:
        """Of the flux."""
        return UNITS[self.flux]

    @property
    def long_name(self) -> str:
        """In words."""
        what = "scatter of daily residuals in" if self.scatter else "mean of month"
        return f"{LONG_NAMES[self.flux]} at {self.site}, {what} {self.when} ({self.days} days)"


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
        The members that agree best with all of them.
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
        When a site is there twice, sites differ in their members, all members failed, or nothing
        was observed.
    InvalidRequest
        When no calibration year is left.
    """
    codes = [site.observed.site for site in sites]
    if twice := [code for i, code in enumerate(codes) if code in codes[:i]]:
        raise InvalidData(
            f"found the site {twice[0]} twice, wanted each once: its fluxes would count double; "
            "give ensembles of one site together"
        )
    counts = {len(site.simulated[flux]) for site in sites for flux in FLUXES}
    if len(counts) != 1:
        raise InvalidData(
            f"found {' and '.join(map(str, sorted(counts)))} members at the sites, wanted the "
            "same members everywhere: run all sites with the same draw"
        )
    parts = [part for site in sites for part in _site_parts(site, held_back, least_days)]
    if not parts:
        raise InvalidData(
            f"found no month with {least_days} observed days in the calibration years; wanted some"
        )
    labels = tuple(part.label for part in parts)
    simulated = np.stack([part.simulated for part in parts], axis=1)
    observed = np.array([part.observed for part in parts])
    sampling, model = np.zeros(len(parts)), np.zeros(len(parts))
    for columns in _places(labels, lambda label: (label.site, label.flux)):
        own = tuple(labels[column] for column in columns)
        best = best_members(simulated[:, columns], observed[columns], own)
        sampling[columns] = [parts[column].sampling_sd(best) for column in columns]
        model[columns] = _model_sd(simulated[best][:, columns] - observed[columns], own)
    return Statistics(
        labels,
        simulated,
        observed,
        np.array([part.measurement_sd for part in parts]),
        sampling,
        model,
        best_members(simulated, observed, labels),
    )


def best_members(simulated: Array, observed: Array, labels: Sequence[Label]) -> NDArray[np.int64]:
    """The members that agree best with all these statistics, in the order of their numbers.

    Means and scatters of each site's flux count alike: their mean square residual is divided by the
    ensemble's median.

    Raises
    ------
    InvalidData
        When all members failed.
    """
    square = np.square(simulated - observed)
    misfit = np.zeros(len(simulated))
    for columns in _places(labels, lambda label: (label.site, label.flux, label.scatter)):
        mean = square[:, columns].mean(axis=1)
        known = mean[np.isfinite(mean)]
        scale = float(np.median(known)) if known.size else 0.0
        # What all members have right tells none from the others, but for those that failed.
        misfit += mean / scale if scale > RIGHT else 0.0 * mean
    fine = np.flatnonzero(np.isfinite(misfit))
    if not fine.size:
        raise InvalidData(f"all {len(misfit)} members failed at one of the sites; wanted some")
    count = min(max(BEST_AT_LEAST, round(BEST_PART * fine.size)), fine.size)
    return np.sort(fine[np.argsort(misfit[fine], kind="stable")[:count]])


@dataclass(frozen=True, eq=False)
class _Part:
    """One statistic; `spread` (member,) is the standard deviation of its daily residuals."""

    label: Label
    simulated: Array
    observed: float
    measurement_sd: float
    spread: Array

    def sampling_sd(self, best: NDArray[np.int64]) -> float:
        if self.label.scatter:
            return 0.0
        return float(self.spread[best].mean() / np.sqrt(independent_days(self.label.days)))


def season_of(month: int) -> str:
    """Name of a month's season, of :data:`catena.coupler.callmip.observations.SEASONS`."""
    return next(name for name, months in SEASONS.items() if month in months)


def independent_days(days: int) -> float:
    """How many of so many observed days are independent, at least one."""
    return max(days / INDEPENDENT_DAYS, 1.0)


def _site_parts(site: SiteFluxes, held_back: int, least_days: int) -> Iterator[_Part]:
    """Means and scatters of one site."""
    seen = site.observed
    dates = seen.dates()
    first, last = split_years(seen, held_back)["calibration"]
    inside = (dates >= np.datetime64(first, "D")) & (dates <= np.datetime64(last, "D"))
    month = month_day(dates) // 100
    for flux in FLUXES:
        values = seen.values[flux]
        scatter: dict[str, list[tuple[int, Array]]] = {}
        for number in range(1, 13):
            days = np.flatnonzero(inside & (month == number) & np.isfinite(values))
            if days.size < max(least_days, 1):
                continue
            series = site.simulated[flux][:, days]
            spread = (series - values[days]).std(axis=1, dtype=np.float64)
            # A day whose uncertainty nobody gave has that of the others.
            sd = seen.uncertainty[flux][days]
            square = np.square(sd[np.isfinite(sd)]).mean() if np.isfinite(sd).any() else 0.0
            yield _Part(
                Label(seen.site, flux, f"{number:02d}", int(days.size)),
                series.mean(axis=1, dtype=np.float64),
                float(values[days].mean()),
                float(np.sqrt(square / days.size)),
                spread,
            )
            scatter.setdefault(season_of(number), []).append((days.size, spread))
        for season, months in scatter.items():
            count = sum(each for each, _ in months)
            total = np.sum([each * np.square(spread) for each, spread in months], axis=0)
            root: Array = np.sqrt(total / count)
            yield _Part(Label(seen.site, flux, season, count), root, 0.0, 0.0, root)


def _places(labels: Sequence[Label], key: Callable[[Label], object]) -> list[list[int]]:
    """Places of the labels that have a key in common."""
    found: dict[object, list[int]] = {}
    for place, label in enumerate(labels):
        found.setdefault(key(label), []).append(place)
    return list(found.values())


def _model_sd(residual: Array, labels: Sequence[Label]) -> Array:
    """Error of the model's structure, (k,), from residuals (member, k) of the best members."""
    made = np.zeros(len(labels))
    for columns in _places(labels, lambda label: (label.season, label.scatter)):
        root = np.sqrt(np.square(residual[:, columns]).mean())
        if labels[columns[0]].scatter:
            (column,) = columns
            root /= np.sqrt(min(SCATTER_RESIDUALS, independent_days(labels[column].days)))
        made[columns] = root
    return made
