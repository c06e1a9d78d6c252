"""How well simulated fluxes agree with the observed ones: bias, RMSE, correlation, per period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catena.coupler.callmip.observations import FLUXES, UNITS, Observations
from catena.shared.errors import InvalidData, InvalidRequest

Array = NDArray[np.float64]
Weights = Literal["season", "equal"]
Period = tuple[dt.date, dt.date]

LEAST_DAYS = 3
"""With fewer days nothing is said."""


@dataclass(frozen=True)
class Score:
    """Agreement in one flux over one period.

    Parameters
    ----------
    flux : str
        `nee`, `hfls` or `hfss`.
    period : str
    days, of : int
        Days with an observation, and days in all.
    rmse, bias : float
        In `units`; bias is simulated minus observed. NaN with fewer than :data:`LEAST_DAYS` days.
    correlation : float
        Pearson's; NaN where one of the two does not vary.
    units : str
    """

    flux: str
    period: str
    days: int
    of: int
    rmse: float
    bias: float
    correlation: float
    units: str


def scores(
    simulated: Mapping[str, ArrayLike],
    observed: Observations,
    *,
    periods: Mapping[str, Period] | None = None,
    weights: Weights = "season",
) -> list[Score]:
    """Agreement of each flux in each period, over the days that were observed.

    Parameters
    ----------
    simulated : mapping of str to array (day,)
        `nee` (gC m-2 d-1), `hfls`, `hfss` (W m-2), on the days of `observed`; some or all.
    observed : Observations
    periods : mapping of str to (first day, last day), optional
        The whole record by default; :func:`split_years` makes two.
    weights : {"season", "equal"}
        ``season``: within each period every season counts by its length, see
        :meth:`Observations.season_weights`. ``equal``: every observed day counts the same, so that
        the season with the fewest gaps counts most.

    Raises
    ------
    InvalidData
        When a simulated series has another length, or a missing value.
    InvalidRequest
        For a flux, a period or weights that there are not.
    """
    if weights not in ("season", "equal"):
        raise InvalidRequest(f"weights: found '{weights}', wanted season or equal")
    dates = observed.dates()
    whole = {"all": (dates[0].item(), dates[-1].item())}
    made = []
    for flux, series in simulated.items():
        values = _checked(flux, series, observed)
        for period, (first, last) in (periods or whole).items():
            inside = (dates >= np.datetime64(first, "D")) & (dates <= np.datetime64(last, "D"))
            if not inside.any():
                raise InvalidRequest(
                    f"period {period}: found {first} to {last}, wanted days of {dates[0]} to "
                    f"{dates[-1]}"
                )
            part = _part(observed, inside)
            weight = (
                part.season_weights(flux)
                if weights == "season"
                else np.isfinite(part.values[flux]).astype(np.float64)
            )
            rmse, bias, correlation = agreement(values[inside], part.values[flux], weight)
            made.append(
                Score(flux, period, int((weight > 0).sum()), int(inside.sum()), rmse, bias,
                      correlation, UNITS[flux])
            )  # fmt: skip
    return made


def agreement(simulated: Array, observed: Array, weights: Array) -> tuple[float, float, float]:
    """Weighted RMSE, bias and correlation over the days with a weight.

    Parameters
    ----------
    simulated, observed, weights : array (day,)
        Where the weight is 0 the observation may be NaN.
    """
    known = weights > 0
    if known.sum() < LEAST_DAYS:
        return np.nan, np.nan, np.nan
    x, y, w = simulated[known], observed[known], weights[known] / weights[known].sum()
    bias = float(w @ (x - y))
    rmse = float(np.sqrt(w @ np.square(x - y)))
    dx, dy = x - w @ x, y - w @ y
    spread = float(np.sqrt((w @ np.square(dx)) * (w @ np.square(dy))))
    return rmse, bias, float(w @ (dx * dy)) / spread if spread > 0 else np.nan


def split_years(observed: Observations, held_back: int) -> dict[str, Period]:
    """Two periods: the last years of the record for validation, those before for calibration.

    Parameters
    ----------
    observed : Observations
    held_back : int
        Calendar years.

    Raises
    ------
    InvalidRequest
        When no year is left for one of the two.
    """
    dates = observed.dates()
    first, last = dates[0].item(), dates[-1].item()
    split = dt.date(last.year - held_back + 1, 1, 1)
    if held_back < 1 or split <= first:
        raise InvalidRequest(
            f"held_back: found {held_back} years, wanted 1 to {last.year - first.year} of the "
            f"record {first} to {last}"
        )
    return {
        "calibration": (first, split - dt.timedelta(days=1)),
        "validation": (split, last),
    }


def _checked(flux: str, series: ArrayLike, observed: Observations) -> Array:
    if flux not in FLUXES:
        raise InvalidRequest(f"flux: found '{flux}', wanted {', '.join(FLUXES)}")
    values = np.asarray(series, dtype=np.float64)
    if values.shape != (observed.days,):
        raise InvalidData(
            f"simulated {flux}: found shape {values.shape}, wanted ({observed.days},), the days of "
            f"the observations of {observed.site}, leap days included"
        )
    if not np.isfinite(values).all():
        day = observed.dates()[int(np.argmin(np.isfinite(values)))]
        raise InvalidData(f"simulated {flux}: found {(~np.isfinite(values)).sum()} missing values, "
                          f"first on {day}; wanted one on every day")  # fmt: skip
    return values


def _part(observed: Observations, inside: NDArray[np.bool_]) -> Observations:
    first: dt.date = observed.dates()[inside][0].item()
    return Observations(
        observed.site,
        observed.lat,
        observed.lon,
        first,
        {name: array[inside] for name, array in observed.values.items()},
        {name: array[inside] for name, array in observed.uncertainty.items()},
        observed.notes,
    )
