"""Makes a surrogate's variance mean what it says: calibrated on residuals of unseen runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

# how strongly the variance may follow the model's own spread; 0 is a constant variance
RATIOS = np.concatenate([[0.0], 2.0 ** np.arange(-4, 7)])
FLOOR = 1e-8


@dataclass(frozen=True, eq=False)
class VarianceModel:
    """Variance of each latent output as ``constant + slope * spread``, both (r,)."""

    constant: np.ndarray
    slope: np.ndarray

    def __call__(self, spread: np.ndarray) -> np.ndarray:
        """Calibrated variance (n, r) from the model's own spread (n, r)."""
        return np.asarray(self.constant + self.slope * spread)


def calibrate(residuals: np.ndarray, spread: np.ndarray, shrink: np.ndarray) -> VarianceModel:
    """Fit the variance model by Gaussian likelihood of residuals, per output.

    Parameters
    ----------
    residuals : ndarray, (n, r)
        Truth minus prediction for runs that the model had not seen.
    spread : ndarray, (n, r)
        The model's own variance there.
    shrink : ndarray, (r,)
        Factor from these squared residuals to those of the final model.

    Notes
    -----
    ``c * (1 + ratio * spread / mean spread)``: for each ratio the best c is a mean in closed form,
    so a search over a few ratios is the whole fit.
    """
    square = residuals**2
    relative = spread / np.maximum(spread.mean(0), 1e-300)
    best = np.full(residuals.shape[1], np.inf)
    constant = np.zeros_like(best)
    slope = np.zeros_like(best)
    for ratio in RATIOS:
        shape = 1.0 + ratio * relative
        c = np.maximum((square / shape).mean(0), FLOOR)
        loss = np.log(c) + np.log(shape).mean(0)
        better = loss < best - 1e-12
        best = np.where(better, loss, best)
        constant = np.where(better, c * shrink, constant)
        per_spread = c * shrink * ratio / np.maximum(spread.mean(0), 1e-300)
        slope = np.where(better, per_spread, slope)
    return VarianceModel(constant, slope)


def gaussian_crps(residuals: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of Gaussian predictions, same units as `residuals`.

    Gneiting & Raftery (2007), J. Am. Stat. Assoc. 102:359, equation 21.
    """
    sd = np.sqrt(variance)
    z = residuals / sd
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(sd * (z * (2.0 * ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi)))
