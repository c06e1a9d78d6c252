"""A surrogate that is a straight line, so that posteriors are known in closed form."""

from __future__ import annotations

import numpy as np
import torch

from catena.calibrator.prior import Prior
from catena.calibrator.surrogate import Surrogate
from catena.calibrator.variance import VarianceModel
from catena.models.mlp import MLPConfig, MLPEnsemble
from catena.models.svd import LinearReduction


def linear_surrogate(prior: Prior, slope: np.ndarray, variance: float) -> Surrogate:
    """Outputs ``slope @ (2 unit - 1)`` with the same variance everywhere."""
    k, d = slope.shape
    net = MLPEnsemble(MLPConfig(d, k, members=1, width=1, depth=0))
    with torch.no_grad():
        net.weights[0][0] = torch.as_tensor(slope.T, dtype=torch.float32)
        net.biases[0].zero_()
    one, zero = np.ones(k), np.zeros(k)
    return Surrogate(
        prior,
        net,
        LinearReduction(zero, one, None, zero),
        VarianceModel(np.full(k, variance), zero),
        one,
        zero,
        one,
        prior.from_unit(prior.sobol_unit(64, 0)),
        {"r2": [1.0] * k},
    )


def exact_posterior(
    slope: np.ndarray, values: np.ndarray, total_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance over the unit cube, where the box does not cut anything off."""
    design = 2.0 * slope
    precision = design.T @ np.diag(1.0 / total_variance) @ design
    covariance = np.linalg.inv(precision)
    shifted = values + slope.sum(1)
    return covariance @ design.T @ (shifted / total_variance), covariance
