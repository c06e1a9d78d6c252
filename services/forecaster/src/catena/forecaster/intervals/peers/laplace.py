"""Bayesian last layer: linear regression on a network's last hidden vector.

MacKay (1992), Neural Computation 4:448 (evidence); Daxberger et al. (2021), "Laplace redux",
section 3, last-layer form. For a squared error the Laplace approximation of the last layer is
exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import silu

from catena.forecaster.intervals.means import NetworkMean, networks_from
from catena.forecaster.intervals.model import check_training
from catena.forecaster.intervals.networks import ROWS, NetworkConfig, child_seed
from catena.forecaster.intervals.peers.deep_ensemble import LEAST_ROWS, scaled_networks
from catena.forecaster.intervals.peers.normal import NormalIntervals
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

ROUNDS = 100


class LastLayerLaplace(NormalIntervals):
    """Fitted by :func:`fit_laplace`.

    Parameters
    ----------
    scaler, targets : Scaler
    networks : MLPEnsemble
        One network, whose last layer is not used.
    weights : ndarray, (q, k)
        Posterior mean of the last layer.
    covariance : ndarray, (k, q, q)
        Its posterior covariance.
    noise : ndarray, (k,)
        Variance of the noise, standard scores.
    """

    method = "laplace"

    def __init__(
        self,
        scaler: Scaler,
        targets: Scaler,
        networks: MLPEnsemble,
        weights: np.ndarray,
        covariance: np.ndarray,
        noise: np.ndarray,
    ) -> None:
        self.inputs, self.outputs = len(scaler.center), len(targets.center)
        self.scaler = scaler
        self.targets = targets
        self.networks = networks
        self.weights = weights
        self.covariance = covariance
        self.noise = noise

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior predictive mean and standard deviation."""
        phi = _hidden(self.networks, self.scaler.encode(x))
        variance = np.einsum("nq,kqr,nr->nk", phi, self.covariance, phi, optimize=True)
        sd = np.sqrt(np.maximum(variance, 0.0) + self.noise)
        return self.targets.decode(phi @ self.weights), sd * self.targets.spread

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = scaled_networks(self.scaler, self.targets, self.networks)
        mine = {"weights": self.weights, "covariance": self.covariance, "noise": self.noise}
        return arrays | mine, meta

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> LastLayerLaplace:
        """Inverse of the saved state."""
        return cls(
            Scaler.from_arrays(arrays, "scaler"),
            Scaler.from_arrays(arrays, "targets"),
            networks_from(arrays, "networks", meta["networks"]),
            *(np.asarray(arrays[name]) for name in ("weights", "covariance", "noise")),
        )


def fit_laplace(
    x: np.ndarray, y: np.ndarray, *, config: NetworkConfig | None = None, seed: int = 0
) -> LastLayerLaplace:
    """Train one network, then the posterior of its last layer.

    Parameters
    ----------
    x, y : ndarray, (n, d), (n,) or (n, k)
        Targets that are NaN are skipped.
    config, seed
        Training; the seed.

    Raises
    ------
    InvalidData
        Data that cannot be fitted.
    """
    config = config or NetworkConfig(depth=2, steps=1500)
    x, y = check_training(x, y, LEAST_ROWS)
    whole = np.zeros((1, len(x)), dtype=int)
    mean = NetworkMean.fit(x, y, whole, config, child_seed(seed, 51))[0]
    phi = _hidden(mean.networks, mean.inputs.encode(x))
    wanted = mean.targets.encode(y)
    fits = []
    for j in range(y.shape[1]):
        there = np.isfinite(wanted[:, j])
        fits.append(evidence(phi[there], wanted[there, j]))
    fitted = LastLayerLaplace(
        mean.inputs,
        mean.targets,
        mean.networks,
        np.stack([w for w, _, _ in fits], axis=1),
        np.stack([c for _, c, _ in fits]),
        np.array([s for _, _, s in fits]),
    )
    fitted._remember_training(x)
    return fitted


def evidence(phi: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Bayesian linear regression with noise and prior from the evidence.

    Parameters
    ----------
    phi : ndarray, (n, q)
    y : ndarray, (n,)

    Returns
    -------
    weights : ndarray, (q,)
    covariance : ndarray, (q, q)
    noise : float
        Variance.

    Notes
    -----
    MacKay's fixed point: gamma effective parameters, ``precision = gamma / |w|^2``,
    ``noise = |y - phi w|^2 / (n - gamma)``.
    """
    n = len(phi)
    values, basis = np.linalg.eigh(phi.T @ phi)
    values = np.maximum(values, 0.0)
    projected = basis.T @ (phi.T @ y)
    precision, noise = 1.0, max(float(y.var()) * 0.1, 1e-12)
    for _ in range(ROUNDS):
        w = projected / (values + precision * noise)
        gamma = float((values / (values + precision * noise)).sum())
        error = float(((y - phi @ (basis @ w)) ** 2).sum())
        precision = min(gamma / max(float(w @ w), 1e-12), 1e12)
        noise = max(error / max(n - gamma, 1.0), 1e-12)
    # the last round's weights belong to the last round's precision and noise
    w = projected / (values + precision * noise)
    covariance = (basis * (noise / (values + precision * noise))) @ basis.T
    return basis @ w, covariance, noise


@torch.no_grad()
def _hidden(networks: MLPEnsemble, scores: np.ndarray) -> np.ndarray:
    """Last hidden vector of the first network, with a one at its end, (n, q)."""
    parts = [np.empty((0, networks.weights[-1].shape[1]))]
    for start in range(0, len(scores), ROWS):
        hidden = torch.as_tensor(scores[start : start + ROWS], dtype=torch.float32)
        for weight, bias in zip(networks.weights[:-1], networks.biases[:-1], strict=True):
            hidden = silu(hidden @ weight[0] + bias[0])
        parts.append(hidden.numpy().astype(np.float64))
    phi = np.concatenate(parts)
    return np.concatenate([phi, np.ones((len(phi), 1))], axis=1)
