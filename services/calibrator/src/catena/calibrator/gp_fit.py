"""Finds Gaussian-process hyperparameters, and cross-validates in closed form."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from catena.calibrator.mlp_fit import Validation
from catena.calibrator.stages import ProgressReport, Stages, part
from catena.models.gp import GaussianProcess, GPHyperparameters, covariance

# Hyperparameters are learnt from at most this many runs; the prediction uses all of them.
FIT_RUNS = 300
MAX_RUNS = 2000
ITERATIONS = 40

# Weak normal priors of the logarithms: mean and sd. They matter when there are 20 runs.
LENGTHSCALE = (1.0, 1.0)
AMPLITUDE = (0.0, 2.0)
LINEAR = (-2.0, 2.0)
NOISE = (-6.0, 2.0)


def unpack(theta: Tensor, inputs: int) -> GPHyperparameters:
    """One output's vector (d + 3,) as hyperparameters with a leading axis of 1."""
    return GPHyperparameters(
        theta[None, :inputs], theta[None, inputs], theta[None, inputs + 1], theta[None, inputs + 2]
    )


def negative_log_posterior(theta: Tensor, inputs: Tensor, target: Tensor) -> Tensor:
    """Minus log marginal likelihood (Rasmussen & Williams 2006, eq. 5.8) minus the log prior."""
    n, d = inputs.shape
    hyper = unpack(theta, d)
    noise = hyper.log_noise.exp() + 1e-8
    factor = torch.linalg.cholesky(
        covariance(inputs, inputs, hyper)[0] + noise * torch.eye(n, dtype=torch.float64)
    )
    half = torch.linalg.solve_triangular(factor, target[:, None], upper=False)
    fit = 0.5 * (half * half).sum() + factor.diagonal().log().sum()
    prior = ((hyper.log_lengthscale - LENGTHSCALE[0]) / LENGTHSCALE[1]).square().sum()
    for value, (mean, sd) in (
        (hyper.log_amplitude, AMPLITUDE),
        (hyper.log_linear, LINEAR),
        (hyper.log_noise, NOISE),
    ):
        prior = prior + ((value - mean) / sd).square().sum()
    total: Tensor = fit + 0.5 * prior
    return total


def fit_hyperparameters(inputs: Tensor, target: Tensor) -> np.ndarray:
    """Most probable log hyperparameters (d + 3,) of one output, by L-BFGS from one start."""
    d = inputs.shape[1]
    start = np.concatenate([np.full(d, LENGTHSCALE[0]), [AMPLITUDE[0], LINEAR[0], NOISE[0]]])

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.as_tensor(values, dtype=torch.float64).requires_grad_()
        loss = negative_log_posterior(theta, inputs, target)
        (gradient,) = torch.autograd.grad(loss, theta)
        return loss.item(), gradient.numpy()

    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-3.0, 6.0)] * d + [(-8.0, 6.0), (-12.0, 4.0), (-14.0, 2.0)],
        options={"maxiter": ITERATIONS},
    )
    return np.asarray(found.x)


def fit_gp(
    inputs: np.ndarray,
    targets: np.ndarray,
    fold: np.ndarray,
    *,
    seed: int,
    stages: Stages,
    progress: ProgressReport | None = None,
) -> tuple[GaussianProcess, Validation]:
    """Fit one process per output and predict each fold from the others.

    Parameters
    ----------
    inputs : ndarray, (n, d)
        Scaled to [-1, 1].
    targets : ndarray, (n, r)
        Centred; each column is scaled to unit variance inside and back.
    fold : ndarray, (n,)
        Fold of each run.
    seed, stages, progress
        Seed of the subset that hyperparameters are learnt from; where to keep states; whom to tell.

    Returns
    -------
    GaussianProcess, Validation
        Fold predictions keep the hyperparameters, which were found with the fold in sight: at most
        FIT_RUNS runs inform d + 3 numbers, a small optimism.
    """
    report = part(progress, 0.0, 1.0)
    x = torch.as_tensor(inputs, dtype=torch.float64)
    y = torch.as_tensor(targets, dtype=torch.float64)
    n, outputs = y.shape
    scale = y.square().mean(0).sqrt().clamp_min(1e-30)
    rows = np.sort(np.random.default_rng([seed % 2**63, 23]).permutation(n)[:FIT_RUNS])
    saved = stages.get("gp")
    found = list(saved[0]["theta"]) if saved else []
    for k in range(len(found), outputs):
        found.append(fit_hyperparameters(x[rows], y[rows, k] / scale[k]))
        stages.put("gp", {"theta": np.stack(found)}, {})
        report((k + 1) / outputs, f"fitting Gaussian process {k + 1} of {outputs}")
    theta = torch.as_tensor(np.stack(found))
    d = x.shape[1]
    square = 2.0 * scale.log()
    hyper = GPHyperparameters(
        theta[:, :d],
        theta[:, d] + square,
        theta[:, d + 1] + square,
        torch.logaddexp(theta[:, d + 2], torch.tensor(1e-8).log()) + square,
    )
    model = GaussianProcess(x, y, hyper)
    return model, cross_validate(model, fold)


def cross_validate(model: GaussianProcess, fold: np.ndarray) -> Validation:
    """Predictions of each fold from the rest, from one inverse.

    With ``P`` the inverse of the noisy covariance, the residual of fold f is ``P_ff^-1 (P y)_f``
    and its covariance ``P_ff^-1`` (Rasmussen & Williams 2006, eqs. 5.10 to 5.12, for blocks).
    """
    precision = model.inverse_covariance()
    mean = torch.empty_like(model.targets)
    spread = torch.empty_like(model.targets)
    noise = model.hyper.log_noise.exp()
    for f in range(int(fold.max()) + 1):
        rows = torch.as_tensor(np.flatnonzero(fold == f))
        # a Cholesky factor, not `inv`: batched LU fails in some builds of the library under threads
        block = torch.cholesky_inverse(torch.linalg.cholesky(precision[:, rows][:, :, rows]))
        residual = (block @ model.alpha[:, rows, None])[:, :, 0]
        mean[rows] = model.targets[rows] - residual.T
        spread[rows] = (block.diagonal(dim1=1, dim2=2) - noise[:, None]).clamp_min(0.0).T
    return Validation(mean.numpy(), spread.numpy(), np.ones(mean.shape[1]))
