"""Model output statistics: a linear correction of the process model's forecast, lead by lead.

The name and the idea are those of Glahn and Lowry (1972, J. Appl. Meteorol. 11, 1203-1211). What
the model got wrong of late says what it will get wrong next: after one day much, after ten little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Index = NDArray[np.int64]

PREDICTORS = ("forecast", "simulated", "error", "error_before", "mean_error")
"""The forecast for the lead; of the issue day the simulated flow, its error, the error of the day
before, and the error's mean with a memory of `MEMORY` days. All mm d-1.

A second forecast may be added, e.g. one with the mean weather of the season: at long leads it is
the better one."""
MEMORY = 30.0
LEAST = 60
"""Pairs of forecast and observation that a lead of a basin needs; with fewer it stays as it is."""
RIDGE = 1e-3


def at_leads(series: Array, issues: Index, leads: int) -> Array:
    """What forecasts are about, (basin, day) -> (basin, issue, lead); NaN after the record."""
    days = np.asarray(issues)[:, None] + np.arange(1, leads + 1)
    inside = days < series.shape[1]
    return np.where(inside, np.asarray(series, float)[:, np.where(inside, days, 0)], np.nan)


def last_errors(
    error: Array, persistence: Array, start: Array | None = None
) -> tuple[Array, Array]:
    """Errors without gaps, and their exponential mean, from what is known on each day.

    A missing error is what an autoregressive process of first order expects: the day before's times
    `persistence`; before the first one known it is zero.

    Parameters
    ----------
    error : Array, (basin, day)
        Observed minus simulated, NaN where not known.
    persistence : Array, (basin,)
    start : Array, (basin, 2), optional
        Both of the day before the first: what this function gave there, to go on from.

    Returns
    -------
    filled, mean : Array, (basin, day)
    """
    filled, mean = np.empty(error.shape), np.empty(error.shape)
    last, average = np.zeros((len(error), 2)).T if start is None else np.asarray(start, float).T
    known = np.isfinite(error)
    for day in range(error.shape[1]):
        last = np.where(known[:, day], error[:, day], persistence * last)
        average = average + (last - average) / MEMORY
        filled[:, day], mean[:, day] = last, average
    return filled, mean


@dataclass(frozen=True, eq=False)
class Mos:
    """A fitted correction.

    Parameters
    ----------
    persistence : Array, (basin,)
        Of the errors, from day to day; bridges gaps of the observations.
    weights : Array, (basin, lead, 6 or 7)
        Intercept and a weight per predictor of what is added to the forecast; the seventh is that
        of a second forecast.
    """

    persistence: Array
    weights: Array

    @property
    def has_second(self) -> bool:
        """Whether a second forecast is wanted."""
        return int(self.weights.shape[2]) > 1 + len(PREDICTORS)

    def correct(
        self,
        forecast: Array,
        simulated: Array,
        flow: Array,
        issues: Index,
        second: Array | None = None,
        *,
        errors: Array | None = None,
    ) -> Array:
        """Corrected forecasts; only flow up to each issue day is looked at.

        Parameters
        ----------
        forecast : Array, (basin, issue, lead)
            Of the process model; not more leads than were fitted.
        simulated, flow : Array, (basin, day)
            The process model with observed weather, and the observed flow, NaN where missing.
        issues : Index, (issue,)
            Issue days as positions in the record.
        second : Array, (basin, issue, lead), optional
            As in the fit.
        errors : Array, (basin, 2), optional
            Of the day before the record: where :func:`last_errors` goes on from.

        Returns
        -------
        Array, (basin, issue, lead)
            mm d-1, not negative.

        Raises
        ------
        InvalidData
            Other basins or more leads than were fitted, a second forecast too many or too few.
        """
        basins, _, leads = forecast.shape
        if basins != len(self.weights) or leads > self.weights.shape[1]:
            raise InvalidData(
                f"forecasts of {basins} basins and {leads} leads came; the correction was fitted "
                f"for {self.weights.shape[0]} and {self.weights.shape[1]}"
            )
        if self.has_second != (second is not None):
            raise InvalidData(
                f"the correction was fitted {'with' if self.has_second else 'without'} a second "
                "forecast; want the same here"
            )
        at_issue = _at_issue(simulated, flow, issues, self.persistence, errors)
        corrected = np.empty(forecast.shape)
        for b in range(basins):
            w = self.weights[b, :leads]
            x = _predictors(forecast[b], at_issue[b], None if second is None else second[b])
            added = np.einsum("ihk,hk->ih", x, w[:, 1:])
            corrected[b] = forecast[b] + w[:, 0] + added
        return np.maximum(corrected, 0.0)

    def rows(self, basins: Index | slice) -> Mos:
        """Some of the basins."""
        return Mos(self.persistence[basins], self.weights[basins])

    def state(self) -> dict[str, Array]:
        """Arrays, for safetensors."""
        return {"persistence": self.persistence, "weights": self.weights}

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> Mos:
        """The correction whose :meth:`state` this was."""
        return cls(state["persistence"], state["weights"])


def fit_mos(
    forecast: Array,
    simulated: Array,
    flow: Array,
    issues: Index,
    second: Array | None = None,
    *,
    ridge: float = RIDGE,
    persistence: Array | None = None,
) -> Mos:
    """Fit the correction by ridge regression, each basin and lead by itself.

    What is regressed is observed minus forecast, on standardised predictors: with few data or a
    strong ridge the forecast stays as it is.

    Parameters
    ----------
    forecast : Array, (basin, issue, lead)
        Made with weather as good as the forecasts to be corrected will have.
    simulated, flow : Array, (basin, day)
    issues : Index, (issue,)
        Issue days to learn from, ascending: their leads, and the days before, are training days.
    second : Array, (basin, issue, lead), optional
        Another forecast that the correction may lean on.
    ridge : float
        Penalty per pair.
    persistence : Array, (basin,), optional
        Of the errors; found from them if left out.

    Raises
    ------
    InvalidData
        Shapes that do not fit.
    """
    basins, count, leads = forecast.shape
    if simulated.shape != flow.shape or len(flow) != basins or len(issues) != count:
        raise InvalidData(
            f"forecast {forecast.shape}, simulated {simulated.shape}, flow {flow.shape} and "
            f"{len(issues)} issue days do not fit; want (basin, issue, lead) and (basin, day) twice"
        )
    if persistence is None:
        persistence = np.array([_persistence(error, issues) for error in flow - simulated])
    at_issue = _at_issue(simulated, flow, issues, persistence)
    wanted = at_leads(flow, issues, leads) - forecast
    weights = np.empty((basins, leads, 1 + len(PREDICTORS) + (second is not None)))
    for b in range(basins):
        x = _predictors(forecast[b], at_issue[b], None if second is None else second[b])
        weights[b] = _ridge(x, wanted[b], ridge)
    return Mos(persistence, weights)


def _persistence(error: Array, issues: Index) -> float:
    """Weight of an error in the next day's, from issue days."""
    later = issues[issues > 0]
    now, before = error[later], error[later - 1]
    both = np.isfinite(now) & np.isfinite(before)
    square = float((before[both] ** 2).sum())
    if both.sum() < LEAST or square == 0.0:
        return 0.0
    return float(np.clip((now[both] * before[both]).sum() / square, 0.0, 0.99))


def _at_issue(
    simulated: Array,
    flow: Array,
    issues: Index,
    persistence: Array,
    start: Array | None = None,
) -> Array:
    """Predictors that are known on the issue day, (basin, issue, 4)."""
    issues = np.asarray(issues, np.int64)
    end = int(issues.max(initial=-1)) + 1
    error, mean = last_errors((flow - simulated)[:, :end], persistence, start)
    first = 0.0 if start is None else np.asarray(start, float)[:, :1]
    before = np.where(issues > 0, error[:, issues - 1], first)
    return np.stack([simulated[:, issues], error[:, issues], before, mean[:, issues]], axis=-1)


def _predictors(forecast: Array, at_issue: Array, second: Array | None) -> Array:
    """All predictors of one basin, (issue, lead, 5 or 6)."""
    x = np.empty((*forecast.shape, len(PREDICTORS)))
    x[..., 0], x[..., 1:] = forecast, at_issue[:, None]
    return x if second is None else np.concatenate([x, second[..., None]], axis=-1)


def _ridge(x: Array, y: Array, ridge: float) -> Array:
    """Weights of each lead, (issue, lead, k) and (issue, lead) -> (lead, 1 + k)."""
    known = np.isfinite(y)
    count = known.sum(0)
    n = np.maximum(count, 1)[:, None]
    y = np.where(known, y, 0.0)
    centre = np.einsum("ih,ihk->hk", known, x) / n
    shifted = np.where(known[..., None], x - centre, 0.0)
    spread = np.sqrt((shifted**2).sum(0) / n)
    varies = spread > 1e-9 * (1.0 + np.abs(centre))
    scaled = shifted / np.where(varies, spread, np.inf)
    mean = y.sum(0) / n[:, 0]
    gram = np.einsum("ihk,ihl->hkl", scaled, scaled) / n[:, None]
    gram += ridge * np.eye(x.shape[-1])
    cross = np.einsum("ihk,ih->hk", scaled, y - np.where(known, mean, 0.0)) / n
    slope = np.linalg.solve(gram, cross[..., None])[..., 0] / np.where(varies, spread, np.inf)
    weights = np.concatenate([(mean - (slope * centre).sum(1))[:, None], slope], axis=1)
    return np.where((count >= LEAST)[:, None], weights, 0.0)
