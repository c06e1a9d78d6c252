"""What goes into a submission file: a site's variables, and the spread of the posterior."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.callmip.observations import Observations
from catena.coupler.callmip.protocol import OPTIMISED, POST_UNC, SubmissionName
from catena.coupler.callmip.submission import Submission
from catena.coupler.forcing.calendar import dates
from catena.ensemble_runner.daily_series import SUBMITTED, dates_of, submitted
from catena.ensemble_runner.submission_scores import LATENT_HEAT

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

HISTORY = "history_daily.zarr"
"""Where a case has its daily outputs."""


def submission_days(prior: xr.Dataset, seen: Observations | None) -> Days:
    """Days of a site's files: those of its observations, else all of the run, leap days included.

    Parameters
    ----------
    prior : xarray.Dataset
        Daily history of a case.
    seen : Observations or None
    """
    if seen is not None:
        return seen.dates()
    there = dates_of(prior)
    return dates(there[0].item(), int((there[-1] - there[0]).astype(int)) + 1, "standard")


def after_variables(draws: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Spread and mean of the draws.

    Parameters
    ----------
    draws : mapping of str to array (draw, day)
        The model's outputs, of at least 2 draws.

    Returns
    -------
    spread : dict of str to array (day,)
        Standard deviation of what scenario 1 optimises, with the protocol's suffix.
    mean : dict of str to array (day,)
        Of the model's outputs. Means keep the budgets: nep is gpp - reco.
    """
    spread = {}
    for name in OPTIMISED[1]:
        source = SUBMITTED[name]
        total = np.sum([draws[each].astype(np.float64) for each in source.outputs], axis=0)
        spread[f"{name}{POST_UNC}"] = (total * source.factor).std(axis=0, ddof=1)
    mean = {name: values.mean(axis=0, dtype=np.float64) for name, values in draws.items()}
    return spread, mean


def submission_of(
    name: SubmissionName,
    place: tuple[float, float],
    days: Days,
    series: Mapping[str, Array],
    spread: Mapping[str, Array] | None,
) -> Submission:
    """A submission from the model's outputs.

    Parameters
    ----------
    name : SubmissionName
    place : (lat, lon)
        Degrees.
    days : array of datetime64[D] (day,)
    series : mapping of str to array (day,)
        The model's outputs.
    spread : mapping of str to array (day,), optional
        Uncertainties of a posterior, by their names in the file.
    """
    plain = {key: np.asarray(values, dtype=np.float64) for key, values in series.items()}
    return Submission(
        name, place[0], place[1], days[0].item(), {**submitted(plain), **(spread or {})}
    )


def monthly_series(series: Mapping[str, Array]) -> dict[str, Array]:
    """Daily `gpp`, `nee` (gC m-2 s-1) and `evspsbl` (kg m-2 s-1) of the model's outputs."""
    return {
        "gpp": np.asarray(series["GPP"], dtype=np.float64),
        "nee": np.asarray(series["NEE"], dtype=np.float64),
        "evspsbl": np.asarray(series["EFLX_LH_TOT"], dtype=np.float64) / LATENT_HEAT,
    }
