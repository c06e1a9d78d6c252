"""Exact Gaussian-process regression with one ARD kernel per output; prediction only.

Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, chapter 2 (equations 2.25,
2.26) and chapter 4 (equation 4.17, Matern 5/2). Hyperparameters are found elsewhere, by whoever
trains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

SQRT5 = math.sqrt(5.0)


@dataclass(frozen=True)
class GPHyperparameters:
    """Kernel of each of k outputs over d inputs, all as logarithms.

    ``kernel(a, b) = amplitude * matern52(|a - b| / lengthscale) + linear * a.b + noise * [a is b]``

    Parameters
    ----------
    log_lengthscale : Tensor, (k, d)
        Lengthscales, in units of the inputs.
    log_amplitude : Tensor, (k,)
        Variance of the stationary part, in squared units of the output.
    log_linear : Tensor, (k,)
        Variance of a slope per unit of input; ``-inf`` switches the linear part off.
    log_noise : Tensor, (k,)
        Variance of the noise (nugget), squared units of the output.
    """

    log_lengthscale: Tensor
    log_amplitude: Tensor
    log_linear: Tensor
    log_noise: Tensor


def matern52(a: Tensor, b: Tensor, lengthscale: Tensor) -> Tensor:
    """Matern 5/2 correlation between rows; (..., n, d), (..., m, d), (..., d) -> (..., n, m)."""
    a = a / lengthscale[..., None, :]
    b = b / lengthscale[..., None, :]
    square = (
        (a * a).sum(-1)[..., :, None]
        + (b * b).sum(-1)[..., None, :]
        - 2.0 * a @ b.transpose(-1, -2)
    )
    # the floor keeps the square root differentiable where two points coincide
    r = SQRT5 * square.clamp_min(1e-20).sqrt()
    return (1.0 + r + r * r / 3.0) * torch.exp(-r)


def covariance(a: Tensor, b: Tensor, hyper: GPHyperparameters) -> Tensor:
    """Prior covariance of the k latent functions (no noise): (n, d), (m, d) -> (k, n, m)."""
    stationary = matern52(a, b, hyper.log_lengthscale.exp())
    linear = hyper.log_linear.exp()[:, None, None] * (a @ b.T)
    return hyper.log_amplitude.exp()[:, None, None] * stationary + linear


class GaussianProcess:
    """Independent Gaussian processes that share their inputs; zero prior mean, double precision.

    Parameters
    ----------
    inputs : Tensor, (n, d)
        Training inputs, scaled to about [-1, 1].
    targets : Tensor, (n, k)
        Training targets with their mean removed.
    hyper : GPHyperparameters
        Kernel parameters.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, hyper: GPHyperparameters) -> None:
        self.inputs = inputs.double()
        self.targets = targets.double()
        self.hyper = GPHyperparameters(*(value.detach().double() for value in vars(hyper).values()))
        n = len(self.inputs)
        noise = self.hyper.log_noise.exp()[:, None, None] * torch.eye(n, dtype=torch.float64)
        self.factor = torch.linalg.cholesky(
            covariance(self.inputs, self.inputs, self.hyper) + noise
        )
        self.alpha = torch.cholesky_solve(self.targets.T[:, :, None], self.factor)[:, :, 0]

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the latent functions; differentiable in `x`.

        Parameters
        ----------
        x : Tensor, (m, d)

        Returns
        -------
        mean, variance : Tensor, (m, k)
            Without the noise; the variance is never below zero.
        """
        x = x.double()
        cross = covariance(x, self.inputs, self.hyper)
        mean = (cross @ self.alpha[:, :, None])[:, :, 0]
        half = torch.linalg.solve_triangular(self.factor, cross.transpose(-1, -2), upper=False)
        prior = self.hyper.log_amplitude.exp()[:, None] + self.hyper.log_linear.exp()[:, None] * (
            x * x
        ).sum(-1)
        variance = (prior - (half * half).sum(-2)).clamp_min(0.0)
        return mean.T, variance.T

    def inverse_covariance(self) -> Tensor:
        """Inverse of the noisy training covariance, (k, n, n); cross-validation needs it."""
        return torch.cholesky_inverse(self.factor)

    def config(self) -> dict[str, int]:
        """Sizes as JSON-able numbers."""
        return {
            "runs": len(self.inputs),
            "inputs": self.inputs.shape[1],
            "outputs": self.targets.shape[1],
        }

    def state(self) -> dict[str, Tensor]:
        """Training data and kernel parameters; the factors would be n^2 numbers."""
        return {"inputs": self.inputs, "targets": self.targets, **vars(self.hyper)}

    @classmethod
    def from_state(cls, config: Mapping[str, int], state: Mapping[str, Tensor]) -> GaussianProcess:
        """Rebuild from :meth:`config` and :meth:`state`.

        Raises
        ------
        KeyError
            When a tensor is missing.
        ValueError
            When shapes and configuration disagree.
        """
        tensors = {name: torch.as_tensor(value) for name, value in state.items()}
        inputs, targets = tensors.pop("inputs"), tensors.pop("targets")
        if (
            tuple(inputs.shape) != (config["runs"], config["inputs"])
            or targets.shape[1] != config["outputs"]
        ):
            raise ValueError(
                f"Gaussian process: inputs {tuple(inputs.shape)} and targets "
                f"{tuple(targets.shape)} do not fit the configuration {dict(config)}"
            )
        return cls(inputs, targets, GPHyperparameters(**tensors))
