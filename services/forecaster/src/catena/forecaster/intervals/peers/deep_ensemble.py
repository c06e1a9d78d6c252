"""Deep ensemble: networks that give a mean and a variance, mixed.

Lakshminarayanan, Pritzel & Blundell (2017), NeurIPS, section 2; without adversarial training.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.forecaster.intervals.means import networks_from
from catena.forecaster.intervals.model import check_training
from catena.forecaster.intervals.networks import (
    NetworkConfig,
    child_seed,
    evaluate,
    masked_mean,
    new_networks,
    train_networks,
)
from catena.forecaster.intervals.peers.normal import NormalIntervals
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

MEMBERS = 5
LEAST_ROWS = 4
SMALLEST = -7.0
"""Log variances stay above this: one point alone cannot send the likelihood to infinity."""


class DeepEnsemble(NormalIntervals):
    """Fitted by :func:`fit_deep_ensemble`."""

    method = "deep_ensemble"

    def __init__(self, scaler: Scaler, targets: Scaler, networks: MLPEnsemble) -> None:
        self.inputs, self.outputs = len(scaler.center), len(targets.center)
        self.scaler = scaler
        self.targets = targets
        self.networks = networks

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moments of the mixture of all members."""
        out = evaluate(self.networks, self.scaler.encode(x))
        mean, variance = (
            out[..., : self.outputs],
            np.exp(np.maximum(out[..., self.outputs :], SMALLEST)),
        )
        total = variance.mean(axis=0) + mean.var(axis=0)
        return self.targets.decode(mean.mean(axis=0)), np.sqrt(total) * self.targets.spread

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return scaled_networks(self.scaler, self.targets, self.networks)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> DeepEnsemble:
        """Inverse of the saved state."""
        return cls(*scaled_networks_from(arrays, meta))


def fit_deep_ensemble(
    x: np.ndarray,
    y: np.ndarray,
    *,
    members: int = MEMBERS,
    config: NetworkConfig | None = None,
    seed: int = 0,
) -> DeepEnsemble:
    """Train `members` networks on all rows, each from other weights and in another order.

    Parameters
    ----------
    x, y : ndarray, (n, d), (n,) or (n, k)
        Targets that are NaN are skipped.
    members, config, seed
        Size of the ensemble; training; the seed.

    Raises
    ------
    InvalidData
        Data that cannot be fitted.
    """
    config = config or NetworkConfig(depth=2, steps=1500)
    x, y = check_training(x, y, LEAST_ROWS)
    scaler, targets = Scaler.of(x), Scaler.of(y)
    networks = new_networks(x.shape[1], 2 * y.shape[1], members, config, child_seed(seed, 31))
    networks = train_networks(
        networks,
        scaler.encode(x),
        targets.encode(y),
        np.repeat(np.isfinite(y).any(axis=1)[None], members, axis=0),
        normal_deviance,
        config,
        child_seed(seed, 32),
    )
    fitted = DeepEnsemble(scaler, targets, networks)
    fitted._remember_training(x)
    return fitted


def normal_deviance(predicted: Tensor, target: Tensor) -> Tensor:
    """Half the mean of ``log s2 + (y - m)^2 / s2``; outputs are m of all targets, then log s2."""
    k = target.shape[-1]
    log_variance = predicted[..., k:].clamp_min(SMALLEST)
    error = (predicted[..., :k] - torch.nan_to_num(target)).square()
    return 0.5 * masked_mean(log_variance + error * torch.exp(-log_variance), target)


def scaled_networks(
    scaler: Scaler, targets: Scaler, networks: MLPEnsemble
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """State of networks with their scalers."""
    arrays = {f"networks.{k}": v.numpy() for k, v in networks.state().items()}
    arrays |= scaler.to_arrays("scaler") | targets.to_arrays("targets")
    return arrays, {"networks": networks.config()}


def scaled_networks_from(
    arrays: dict[str, np.ndarray], meta: dict[str, Any]
) -> tuple[Scaler, Scaler, MLPEnsemble]:
    """Inverse of :func:`scaled_networks`."""
    return (
        Scaler.from_arrays(arrays, "scaler"),
        Scaler.from_arrays(arrays, "targets"),
        networks_from(arrays, "networks", meta["networks"]),
    )
