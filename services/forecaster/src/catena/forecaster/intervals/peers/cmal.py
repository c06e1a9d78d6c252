"""Countable mixture of asymmetric Laplacians (CMAL).

Klotz et al. (2022), Hydrol. Earth Syst. Sci. 26:1673, section 3.2.3 and appendix B.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from catena.forecaster.intervals.model import IntervalModel, check_training
from catena.forecaster.intervals.networks import (
    NetworkConfig,
    child_seed,
    evaluate,
    masked_mean,
    new_networks,
    train_networks,
)
from catena.forecaster.intervals.peers.deep_ensemble import (
    LEAST_ROWS,
    scaled_networks,
    scaled_networks_from,
)
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

COMPONENTS = 3
NARROWEST = 1e-3
"""Least scale of a component, in standard deviations of the target."""
HALVINGS = 60


class CMAL(IntervalModel):
    """Fitted by :func:`fit_cmal`; bounds are quantiles of the mixture."""

    method = "cmal"

    def __init__(self, scaler: Scaler, targets: Scaler, networks: MLPEnsemble) -> None:
        self.inputs, self.outputs = len(scaler.center), len(targets.center)
        self.scaler = scaler
        self.targets = targets
        self.networks = networks

    def centre(self, x: np.ndarray) -> np.ndarray:
        """The median, (n, outputs)."""
        return self._at(self._checked(x), np.array([0.5]))[..., 0]

    def _bounds(self, x: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taus = np.concatenate([(1.0 - levels) / 2.0, (1.0 + levels) / 2.0])
        quantiles = self._at(x, taus)
        return quantiles[..., : len(levels)], quantiles[..., len(levels) :]

    def _at(self, x: np.ndarray, taus: np.ndarray) -> np.ndarray:
        out = evaluate(self.networks, self.scaler.encode(x))[0]
        raw = torch.as_tensor(out.reshape(len(x), self.outputs, 4, -1))
        location, scale, asymmetry, weight = (p.numpy() for p in mixture_of(raw))
        found = mixture_quantiles(location, scale, asymmetry, weight, taus)
        return np.asarray(found * self.targets.spread[:, None] + self.targets.center[:, None])

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return scaled_networks(self.scaler, self.targets, self.networks)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> CMAL:
        """Inverse of the saved state."""
        return cls(*scaled_networks_from(arrays, meta))


def fit_cmal(
    x: np.ndarray,
    y: np.ndarray,
    *,
    components: int = COMPONENTS,
    config: NetworkConfig | None = None,
    seed: int = 0,
) -> CMAL:
    """Train one network that gives mixtures, by their likelihood.

    Parameters
    ----------
    x, y : ndarray, (n, d), (n,) or (n, k)
        Targets that are NaN are skipped.
    components : int
        Laplacians in a mixture.
    config, seed
        Training; the seed.

    Raises
    ------
    InvalidData
        Data that cannot be fitted.
    """
    config = config or NetworkConfig(depth=2, learning_rate=3e-3, steps=1500)
    x, y = check_training(x, y, LEAST_ROWS)
    scaler, targets = Scaler.of(x), Scaler.of(y)
    networks = new_networks(
        x.shape[1], 4 * components * y.shape[1], 1, config, child_seed(seed, 81)
    )
    networks = train_networks(
        networks,
        scaler.encode(x),
        targets.encode(y),
        np.isfinite(y).any(axis=1)[None],
        mixture_deviance,
        config,
        child_seed(seed, 82),
    )
    fitted = CMAL(scaler, targets, networks)
    fitted._remember_training(x)
    return fitted


def mixture_of(raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Locations, scales, asymmetries in (0, 1) and weights from raw outputs (..., 4, c)."""
    location, scale, asymmetry, weight = raw.unbind(-2)
    return (
        location,
        softplus(scale) + NARROWEST,
        torch.sigmoid(asymmetry),
        torch.softmax(weight, dim=-1),
    )


def mixture_deviance(predicted: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood; a component has density ``t (1 - t) / b exp(-rho_t((y - m) / b))``.

    rho_t is the quantile loss, so that m is the t-quantile of its component.
    """
    raw = predicted.reshape(*target.shape, 4, -1)
    location, scale, _, _ = mixture_of(raw)
    raw_asymmetry, raw_weight = raw[..., 2, :], raw[..., 3, :]
    z = (torch.nan_to_num(target)[..., None] - location) / scale
    tau = torch.sigmoid(raw_asymmetry)
    rho = torch.maximum(tau * z, (tau - 1.0) * z)
    log_density = logsigmoid(raw_asymmetry) + logsigmoid(-raw_asymmetry) - torch.log(scale) - rho
    total = torch.logsumexp(log_density + torch.log_softmax(raw_weight, dim=-1), dim=-1)
    return masked_mean(-total, target)


def mixture_quantiles(
    location: np.ndarray,
    scale: np.ndarray,
    asymmetry: np.ndarray,
    weight: np.ndarray,
    taus: np.ndarray,
) -> np.ndarray:
    """Quantiles of mixtures (..., c) by halving, (..., taus)."""
    b, t = scale[..., None, :], asymmetry[..., None, :]
    m, w = location[..., None, :], weight[..., None, :]
    wanted = taus[:, None]
    # each component's own quantile: the mixture's lies between the least and the greatest
    own = np.where(
        wanted <= t,
        m + b / (1.0 - t) * np.log(wanted / t),
        m - b / t * np.log((1.0 - wanted) / (1.0 - t)),
    )
    low, high = own.min(axis=-1), own.max(axis=-1)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        z = (middle[..., None] - m) / b
        cdf = np.where(
            z <= 0.0,
            t * np.exp(np.minimum((1.0 - t) * z, 0.0)),
            1.0 - (1.0 - t) * np.exp(-np.maximum(t * z, 0.0)),
        )
        short = (w * cdf).sum(axis=-1) < taus
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(0.5 * (low + high))
