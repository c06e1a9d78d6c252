"""Gaussian likelihood of observations; the surrogate's variance adds to the error's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.surrogate import Surrogate
from catena.shared.errors import FieldViolation, InvalidData

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class Observations:
    """Checked observations of s sites, standardised by the training runs.

    Parameters
    ----------
    values : ndarray, (s, k)
        ``(value - center) / spread``; zero where not observed.
    error_sd : ndarray, (s, k)
        ``error_sd / spread``; one where not observed.
    observed : ndarray of bool, (s, k)
    """

    values: np.ndarray
    error_sd: np.ndarray
    observed: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, keep: np.ndarray | slice) -> Observations:
        """Some of the sites."""
        return Observations(self.values[keep], self.error_sd[keep], self.observed[keep])


def check_observations(
    values: np.ndarray,
    error_sd: np.ndarray,
    observed: np.ndarray | None,
    center: np.ndarray,
    spread: np.ndarray,
) -> Observations:
    """Check and standardise observations.

    Parameters
    ----------
    values : array_like, (s, k) or (k,)
        Observed outputs, physical units; anything (NaN too) where not observed.
    error_sd : array_like, (s, k) or (k,)
        Standard deviation of the observation error, physical units, > 0 where observed.
    observed : array_like of bool, (s, k) or (k,), optional
        All, if left out.
    center, spread : ndarray, (k,)
        Of the surrogate.

    Raises
    ------
    InvalidData
        Wrong shapes; NaN where observed; errors that are not positive; a site without observations.
    """
    k = len(center)
    y = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if y.ndim != 2 or y.shape[1] != k:
        raise InvalidData(
            f"observation values have shape {np.shape(values)}; want (sites, {k}), one per output"
        )
    try:
        error = np.broadcast_to(np.asarray(error_sd, dtype=np.float64), y.shape)
        mask = np.broadcast_to(
            np.asarray(True if observed is None else observed, dtype=bool), y.shape
        )
    except ValueError as error_of_shape:
        raise InvalidData(
            f"values have shape {y.shape}, error_sd {np.shape(error_sd)}, observed "
            f"{None if observed is None else np.shape(observed)}; want the same shape for all three"
        ) from error_of_shape
    wrong = []
    for what, bad, want in (
        ("values", mask & ~np.isfinite(y), "a finite number, or observed = false"),
        ("error_sd", mask & ~(np.isfinite(error) & (error > 0.0)), "a finite number above zero"),
    ):
        table = y if what == "values" else error
        wrong += [
            FieldViolation(f"observations[{s}].{what}[{j}]", f"{table[s, j]:g}; want {want}")
            for s, j in np.argwhere(bad)[:20]
        ]
    wrong += [
        FieldViolation(
            f"observations[{s}].observed", "nothing was observed; want one output or more"
        )
        for s in np.flatnonzero(~mask.any(1))[:20]
    ]
    if wrong:
        raise InvalidData("the observations cannot be used", violations=wrong)
    return Observations(
        np.where(mask, (np.where(mask, y, 0.0) - center) / spread, 0.0),
        np.where(mask, np.where(mask, error, 1.0) / spread, 1.0),
        mask.copy(),
    )


def gaussian_log_likelihood(
    mean: Tensor, variance: Tensor, values: Tensor, error_sd: Tensor, observed: Tensor
) -> Tensor:
    """Log density of observed outputs, summed over outputs.

    ``-1/2 sum_k [(y_k - m_k)^2 / (s_k^2 + v_k) + log(2 pi (s_k^2 + v_k))]`` over observed k.

    Parameters
    ----------
    mean, variance : Tensor, (..., k)
        The surrogate's prediction.
    values, error_sd, observed : Tensor, broadcastable to (..., k)
        Observation in the same units; whatever lies where not observed is ignored.

    Returns
    -------
    Tensor, (...)
    """
    total = torch.where(observed, error_sd, 1.0) ** 2 + variance
    misfit = torch.where(observed, values, 0.0) - mean
    terms = misfit * misfit / total + torch.log(total) + LOG_2PI
    return -0.5 * (terms * observed).sum(-1)


class LogLikelihood:
    """Log likelihood of one site's parameters; the target of Markov chains.

    Parameters
    ----------
    surrogate : Surrogate
    values, error_sd : array_like, (k,)
        Observation and its error, physical units.
    observed : array_like of bool, (k,), optional
        All, if left out.

    Raises
    ------
    InvalidData
        As :func:`check_observations`.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        values: np.ndarray,
        error_sd: np.ndarray,
        observed: np.ndarray | None = None,
    ) -> None:
        site = check_observations(values, error_sd, observed, surrogate.center, surrogate.spread)
        self.surrogate = surrogate
        self._values = torch.as_tensor(site.values[0])
        self._error = torch.as_tensor(site.error_sd[0])
        self._observed = torch.as_tensor(site.observed[0])

    def unit(self, unit: Tensor) -> Tensor:
        """Log likelihood at points of the unit cube, (n, d) -> (n,); differentiable."""
        mean, variance = self.surrogate.standard_moments(unit)
        return gaussian_log_likelihood(
            mean,
            variance,
            self._values.to(unit.dtype),
            self._error.to(unit.dtype),
            self._observed,
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Log likelihood in physical units, (n, d) -> (n,); -inf outside the prior."""
        x = np.asarray(x, dtype=np.float64)
        unit = torch.as_tensor(self.surrogate.prior.to_unit(x), dtype=torch.float64)
        with torch.no_grad():
            value = self.unit(unit).numpy()
        return np.where(self.surrogate.prior.contains(x), value, -np.inf)
