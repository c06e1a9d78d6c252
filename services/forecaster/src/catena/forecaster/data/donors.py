"""Noise of forecast weather, and whose weather takes the truth's place.

Where no archive of real forecasts is at hand, a forecast is made of the observed weather: right at
first, and more and more the weather of another year (specs: streamflow, section 2)::

    x_fc(h) = w_h x(t + h) + (1 - w_h) x_donor(doy(t + h)),    w_h = .95 exp(-(h - 1) / 6)

One donor serves a whole forecast, all basins and all variables, so that a forecast is one
consistent piece of weather. Donors are days that the caller allows: training days, never those of
the test, and they begin in another year than the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import Array32, Days, Index, Mask
from catena.forecaster.data.splits import year_of
from catena.shared.errors import InvalidData
from catena.shared.shuffle import hashed

_DONOR = 2  # what a random number is for


@dataclass(frozen=True)
class ForecastNoise:
    """How fast forecasts lose the truth.

    Parameters
    ----------
    first : float
        Weight of the truth at lead 1, in [0, 1].
    decay_days : float
        Leads over which the weight falls by e, > 0.
    """

    first: float = 0.95
    decay_days: float = 6.0

    def __post_init__(self) -> None:
        if not (0 <= self.first <= 1 and self.decay_days > 0):
            raise InvalidData(
                f"noise with first={self.first:g} and decay_days={self.decay_days:g} came; a "
                "weight in [0, 1] and days above 0 wanted"
            )

    def weights(self, leads: int) -> Array32:
        """`w_h` for h = 1 ... leads, (leads,)."""
        return (self.first * np.exp(-np.arange(leads) / self.decay_days)).astype(np.float32)


class Donors:
    """Which days lend their weather to noised forecasts.

    Parameters
    ----------
    days : (T,) array of datetime64[D]
        Consecutive.
    lend : (T,) boolean array
        Days that may lend weather: the training days.
    leads : int
    seed : int

    Notes
    -----
    A donor is a run of `leads` days that starts on the same day of the year as the forecast, in
    another year, all inside `lend`. Behind a 29 February one of the two is a day late.
    """

    def __init__(self, days: Days, lend: Mask, leads: int, *, seed: int = 0) -> None:
        if np.shape(lend) != days.shape:
            raise InvalidData(f"donor days of shape {np.shape(lend)} came; {days.shape} wanted")
        self.leads, self.seed = leads, seed
        self._days = days
        inside = np.concatenate([[0], np.cumsum(lend)])
        first = days + 1  # the first day of the forecast issued on each day
        of_year = (first - first.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
        years = np.unique(year_of(days))
        start_of, end_of = (
            (each - 1970).astype("datetime64[Y]").astype("datetime64[D]")
            for each in (years, years + 1)
        )
        length = (end_of - start_of).astype(int)
        same_day = np.minimum(of_year[:, None], length - 1)  # day 366 becomes 365
        start = (start_of - days[0]).astype(int) + same_day  # (T, years)
        end = start + leads
        able = (start >= 0) & (end <= len(days)) & (years != year_of(first)[:, None])
        lent = inside[np.clip(end, 0, len(days))] - inside[np.clip(start, 0, len(days))]
        able &= lent == leads
        self._count = able.sum(axis=1)
        # The able ones first, in the order of years.
        order = np.argsort(~able, axis=1, kind="stable")
        self._starts = np.take_along_axis(start, order, axis=1)

    def starts(self, issues: Index, member: int | NDArray[np.int64] = 0) -> Index:
        """First day of the donor of each issue time, (B,); the same for all basins.

        Parameters
        ----------
        issues : (B,) array of int
            Places of the issue times.
        member : int or (B,) array of int
            Which donor; different numbers give different draws.

        Raises
        ------
        InvalidData
            When no other year can lend.
        """
        count = self._count[issues]
        if not count.all():
            day = self._days[issues[np.argmin(count)]]
            raise InvalidData(
                f"no other year may lend the {self.leads} days of weather after {day}; wanted at "
                "least two years of training days with that season"
            )
        words = np.asarray(member, np.uint64) << np.uint64(32)
        drawn = hashed(np.asarray(issues, np.uint64) + words, self.seed, _DONOR)
        place = (drawn % count.astype(np.uint64)).astype(np.int64)
        return np.asarray(self._starts[issues, place], np.int64)


def noise_level(forecast: NDArray[np.float32], truth: NDArray[np.float32]) -> Array32:
    """Noise level of archived forecasts by lead: the share of other weather that explains them.

    A forecast ``w x + (1 - w) d`` with a `d` that knows nothing of `x` and varies as much has the
    correlation ``r = w / sqrt(w^2 + (1 - w)^2)`` with `x`; that is solved for ``1 - w``.

    Parameters
    ----------
    forecast, truth : (M, H, F) arrays
        Anomalies from the climatology of the day of the year, of training days; NaN is left out.

    Returns
    -------
    (H,) float32 array
        0 (perfect) to 1 (no better than climatology), mean over variables.
    """
    seen = ~(np.isnan(forecast) | np.isnan(truth))
    count = np.maximum(seen.sum(axis=0), 1)

    def centred(values: NDArray[np.float32]) -> NDArray[np.float64]:
        known = np.where(seen, values, 0.0).astype(np.float64)
        return np.where(seen, known - known.sum(axis=0) / count, 0.0)

    a, b = centred(forecast), centred(truth)
    scale = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    r = np.where(scale > 0, (a * b).sum(axis=0) / np.where(scale > 0, scale, 1.0), 0.0)
    r = np.clip(r, 0.0, 1.0)
    weight = r / (r + np.sqrt(1.0 - r * r))
    return np.asarray(1.0 - weight.mean(axis=1), np.float32)
