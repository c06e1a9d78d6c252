"""Runs before and after a calibration beside what was observed: skill, and honesty of the spread.

The run after the calibration is the mean of the model's runs with draws of the posterior. Its
predictive distribution is normal, with the variance of the draws, of the measurement, and of the
model's structure. The last is what the residuals of the calibration years leave over, season by
season; the years held back play no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.callmip.observations import FLUXES, SEASONS, Observations, season_of
from catena.coupler.callmip.skill import Score, scores, split_years
from catena.shared.lexicon import factor_offset, variable

Array = NDArray[np.float64]

CALIBRATION, VALIDATION = "calibration", "validation"
NOMINAL = 0.9
_HALF_WIDTH = 1.6448536269514722
"""Half of the width of 90 % of a normal distribution, in standard deviations."""
LEAST_DAYS = 5
"""Fewest observed days of a month whose mean is looked at."""
LEAST_RESIDUALS = 6
"""Seasons with fewer residuals have the model error of the whole year."""
LATENT_HEAT = 2.45e6
"""J kg-1 (Allen et al. 1998, FAO 56, eq. 3-1). Networks divide a tower's latent heat by it to give
evapotranspiration; so is the model's, and what is compared is heat with heat."""


@dataclass(frozen=True, eq=False)
class SiteRuns:
    """A site before and after the calibration, on the days of its tower.

    Parameters
    ----------
    observed : Observations
    before : mapping of str to array (day,)
        For each flux, in the units of the observations.
    draws : mapping of str to array (draw, day)
    """

    observed: Observations
    before: Mapping[str, NDArray[np.floating]]
    draws: Mapping[str, NDArray[np.floating]]

    @property
    def after(self) -> dict[str, Array]:
        """Mean of the draws, (day,)."""
        return {
            flux: np.asarray(values.mean(axis=0, dtype=np.float64))
            for flux, values in self.draws.items()
        }


@dataclass(frozen=True)
class Change:
    """Agreement of one flux in one period, before and after."""

    site: str
    before: Score
    after: Score

    @property
    def reduction(self) -> float:
        """Relative reduction of the RMSE; negative where it grew, NaN where nothing is known."""
        return 1.0 - self.after.rmse / self.before.rmse if self.before.rmse else float("nan")


def changes(runs: SiteRuns, held_back: int) -> list[Change]:
    """Agreement in the calibration years and in those held back, by day, weighted by season."""
    periods = split_years(runs.observed, held_back)
    both = [scores(series, runs.observed, periods=periods) for series in (runs.before, runs.after)]
    return [Change(runs.observed.site, *pair) for pair in zip(*both, strict=True)]


@dataclass(frozen=True)
class Coverage:
    """How many observations lie inside the predictive 90 %.

    Parameters
    ----------
    site, flux, steps, period : str
        `steps` is ``day`` or ``month``.
    inside, count : int
    """

    site: str
    flux: str
    steps: str
    period: str
    inside: int
    count: int


def coverages(runs: SiteRuns, held_back: int) -> list[Coverage]:
    """Coverage of each flux, by days and by months, in the calibration years and those held back.

    Model error of the calibration years' residuals r, for each season:
    ``max(mean(r^2) - mean(var of the draws) - mean(var of the measurement), 0)``; bias is in it.
    """
    found = []
    periods = split_years(runs.observed, held_back)
    for flux in FLUXES:
        for steps, least in (("day", 1), ("month", LEAST_DAYS)):
            values, sd, draws, when = _steps(runs, flux, steps, least)
            used = when <= np.datetime64(periods[CALIBRATION][1], "D")
            residual = values - draws.mean(axis=0)
            known = np.square(sd) + draws.var(axis=0)
            season = season_of(when)
            model = _model_variance(np.square(residual) - known, season, used)
            inside = np.abs(residual) <= _HALF_WIDTH * np.sqrt(known + model[season])
            for period, part in ((CALIBRATION, used), (VALIDATION, ~used)):
                found.append(
                    Coverage(runs.observed.site, flux, steps, period,
                             int(inside[part].sum()), int(part.sum()))
                )  # fmt: skip
    return found


def _model_variance(excess: Array, season: NDArray[np.int64], used: NDArray[np.bool_]) -> Array:
    """Variance that measurement and draws do not explain, of each season, (4,)."""
    whole = float(excess[used].mean()) if used.any() else 0.0
    made: Array = np.full(len(SEASONS), whole)
    for number in range(len(SEASONS)):
        part = used & (season == number)
        if part.sum() >= LEAST_RESIDUALS:
            made[number] = excess[part].mean()
    made[made < 0.0] = 0.0
    return made


def _steps(
    runs: SiteRuns, flux: str, steps: str, least: int
) -> tuple[Array, Array, Array, NDArray[np.datetime64]]:
    """Observed values and sd (step,), draws (draw, step), and a day of each step.

    Months are means over their observed days, of observations and draws alike.
    """
    seen = runs.observed
    days = np.flatnonzero(np.isfinite(seen.values[flux]))
    dates = seen.dates()[days]
    values = seen.values[flux][days]
    sd = np.nan_to_num(seen.uncertainty[flux][days])
    draws = np.asarray(runs.draws[flux][:, days], dtype=np.float64)
    if steps == "day":
        return values, sd, draws, dates
    months = dates.astype("datetime64[M]")
    first = np.flatnonzero(np.concatenate([[True], months[1:] != months[:-1]]))
    count = np.diff(np.append(first, days.size))
    kept = count >= least
    means = [
        np.add.reduceat(array, first, axis=-1)[..., kept] / power
        for array, power in ((values, count[kept]), (draws, count[kept]))
    ]
    spread = np.sqrt(np.add.reduceat(np.square(sd), first)[kept]) / count[kept]
    return means[0], spread, means[1], dates[first[kept]]


def coverage90(found: Sequence[Coverage], steps: str, period: str) -> float:
    """Part of the observations of all sites and fluxes inside; NaN where there are none."""
    chosen = [one for one in found if one.steps == steps and one.period == period]
    count = sum(one.count for one in chosen)
    return sum(one.inside for one in chosen) / count if count else float("nan")


# ------------------------------------------------------------------ months of a validation site

MONTHLY = {"gpp": ("GPP", 86400.0), "nee": ("NEE", 86400.0), "evspsbl": ("ET", 86400.0)}
"""In the lexicon; how people call it, and from per second to per day."""
MONTHLY_UNITS = {"gpp": "gC m-2 d-1", "nee": "gC m-2 d-1", "evspsbl": "kg m-2 d-1"}


@dataclass(frozen=True)
class MonthlyScore:
    """Agreement of one flux's months, before or after."""

    site: str
    flux: str
    stage: str
    months: int
    rmse: float
    bias: float
    correlation: float
    units: str


def shrunk(before: MonthlyScore, after: MonthlyScore) -> float:
    """As :attr:`Change.reduction`, of months."""
    return 1.0 - after.rmse / before.rmse if before.rmse else float("nan")


def monthly_scores(
    site: str,
    observed: xr.Dataset,
    days: NDArray[np.datetime64],
    stages: Mapping[str, Mapping[str, Array]],
) -> list[MonthlyScore]:
    """Agreement of monthly GPP, NEE and ET, in the months that the runs have whole.

    Parameters
    ----------
    site : str
    observed : xarray.Dataset
        Canonical, with `time` (starts of months); some of gpp, nee, evspsbl.
    days : array of datetime64[D] (day,)
        Of the runs.
    stages : mapping
        For ``before`` and ``after`` daily `gpp`, `nee` (gC m-2 s-1) and `evspsbl` (kg m-2 s-1).
    """
    when = observed["time"].to_numpy().astype("datetime64[M]")
    months = days.astype("datetime64[M]")
    made = []
    for flux, (_, per_day) in MONTHLY.items():
        if flux not in observed:
            continue
        known = variable(flux)
        substance = known.substance
        factor, _ = factor_offset(known.units, MONTHLY_UNITS[flux], substance=substance)
        theirs = observed[flux].to_numpy().astype(np.float64).reshape(-1) * factor
        pairs = [
            (month, value)
            for month, value in zip(when, theirs, strict=True)
            if np.isfinite(value) and (months == month).sum() == _length(month)
        ]
        if len(pairs) < 3:
            continue
        values = np.array([value for _, value in pairs])
        for stage, series in stages.items():
            ours = np.array([series[flux][months == month].mean() * per_day for month, _ in pairs])
            alive = ours.std() > 0 and values.std() > 0
            made.append(
                MonthlyScore(
                    site, flux, stage, len(pairs),
                    float(np.sqrt(np.square(ours - values).mean())),
                    float((ours - values).mean()),
                    float(np.corrcoef(ours, values)[0, 1]) if alive else float("nan"),
                    MONTHLY_UNITS[flux],
                )
            )  # fmt: skip
    return made


def _length(month: np.datetime64) -> int:
    """Days of a month."""
    first = month.astype("datetime64[D]")
    return int(((month + 1).astype("datetime64[D]") - first).astype(int))
