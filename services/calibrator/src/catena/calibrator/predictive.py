"""What the model itself gives before and after calibration, and how well that fits.

Members of the ensemble are draws of the prior; runs with draws of the posterior are the posterior
predictive without any surrogate. Both are judged at what the calibration used and at what was held
back, with the error model of the observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from catena.calibrator.steps import Step
from catena.calibrator.surrogate import Surrogate

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BAND = (0.05, 0.5, 0.95)
"""Quantiles that bands are drawn of: 90 % and the median."""


@dataclass(frozen=True)
class Skill:
    """How well one ensemble of runs fits one variable.

    Parameters
    ----------
    variable : str
    used : bool
        At what the calibration used; else at what was held back.
    after : bool
        Runs of the posterior; else of the prior.
    count : int
        Values compared.
    rmse, bias : float
        Of the median over the runs, in the outputs' units; bias is run minus observation.
    correlation : float
        Pearson's, over the values; NaN where it is not defined.
    coverage90 : float
        Part of the values inside the central 90 % of what runs and error model predict.
    """

    variable: str
    used: bool
    after: bool
    count: int
    rmse: float
    bias: float
    correlation: float
    coverage90: float


@dataclass(frozen=True, eq=False)
class ModelPredictive:
    """Runs of the model before and after calibration.

    Parameters
    ----------
    steps : tuple of Step
        What the k outputs are of.
    prior, posterior : (n, k), (m, k) arrays
        Runs that ended well.
    failed : int
        Runs of the posterior that did not.
    values, error_sd : (k,) arrays
        The observation.
    used, withheld : (k,) bool arrays
    surrogate : dict
        How the surrogate did at these draws, see :func:`surrogate_at`.
    """

    steps: tuple[Step, ...]
    prior: Array
    posterior: Array
    failed: int
    values: Array
    error_sd: Array
    used: Mask
    withheld: Mask
    surrogate: dict[str, float]

    def skills(self) -> list[Skill]:
        """Skill of each variable, where it was used and where it was not, before and after."""
        return [
            _skill(variable, runs, self.values, self.error_sd, mask, used=used, after=after)
            for variable in self.variables()
            for used, part in ((True, self.used), (False, self.withheld))
            if (mask := part & self.of(variable)).any()
            for after, runs in ((False, self.prior), (True, self.posterior))
        ]

    def variables(self) -> list[str]:
        """Variables of the model, in order."""
        return list(dict.fromkeys(step.variable for step in self.steps))

    def of(self, variable: str) -> Mask:
        """Which outputs are of a variable, (k,)."""
        return np.array([step.variable == variable for step in self.steps])


def _skill(
    variable: str,
    runs: Array,
    values: Array,
    error_sd: Array,
    mask: Mask,
    *,
    used: bool,
    after: bool,
) -> Skill:
    observed, predicted = values[mask], np.median(runs[:, mask], axis=0)
    misfit = predicted - observed
    correlation = np.nan
    if len(observed) > 2 and np.ptp(observed) > 0 and np.ptp(predicted) > 0:
        correlation = float(np.corrcoef(observed, predicted)[0, 1])
    return Skill(
        variable,
        used,
        after,
        int(mask.sum()),
        float(np.sqrt(np.mean(misfit**2))),
        float(misfit.mean()),
        correlation,
        float(covered(runs[:, mask], observed, error_sd[mask]).mean()),
    )


def covered(runs: Array, observed: Array, error_sd: Array, level: float = 0.9) -> Mask:
    """Which observed values lie in the central interval of what is predicted, (k,).

    The prediction is the mixture over the runs of normal laws with the error's standard deviation;
    its distribution function at the observation is ``mean_i Phi((y - m_i) / sd)``.

    Parameters
    ----------
    runs : (n, k) array
    observed, error_sd : (k,) arrays
    level : float
    """
    place = norm.cdf((observed - runs) / error_sd).mean(axis=0)
    return np.asarray(np.abs(place - 0.5) <= level / 2)


def bands(runs: Array) -> Array:
    """Quantiles :data:`BAND` over the runs, (3, k)."""
    return np.asarray(np.quantile(runs, BAND, axis=0))


def surrogate_at(
    surrogate: Surrogate, parameters: Array, outputs: Array, error_sd: Array, used: Mask
) -> dict[str, float]:
    """How far the surrogate is off where the posterior lies.

    Parameters
    ----------
    surrogate : Surrogate
    parameters, outputs : (m, d), (m, k) arrays
        Runs of the posterior.
    error_sd : (k,) array
        Of the observation.
    used : (k,) bool array
        Outputs that are looked at.

    Returns
    -------
    dict
        ``misfit_sd``: root mean square of its error in standard deviations of the observation's
        error; ``coverage90``: part of the runs inside its own 90 % intervals.
    """
    mean, sd = surrogate.predict(parameters)
    error = (outputs - mean)[:, used]
    return {
        "misfit_sd": float(np.sqrt(np.mean((error / error_sd[used]) ** 2))),
        "coverage90": float(np.mean(np.abs(error) <= norm.ppf(0.95) * sd[:, used])),
    }


def skill_rows(skills: Sequence[Skill]) -> list[dict[str, Any]]:
    """Skills as JSON; a correlation that is not defined is None."""
    return [
        {
            "variable": one.variable,
            "used": one.used,
            "after": one.after,
            "count": one.count,
            "rmse": one.rmse,
            "bias": one.bias,
            "correlation": None if np.isnan(one.correlation) else one.correlation,
            "coverage90": one.coverage90,
        }
        for one in skills
    ]
