"""Monte-Carlo dropout: units are left out in prediction as they were in training.

Gal & Ghahramani (2016), ICML, section 3 (equation 8: variance over passes plus noise).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import silu

from catena.forecaster.intervals.model import check_training
from catena.forecaster.intervals.networks import (
    ROWS,
    NetworkConfig,
    child_seed,
    squared_error,
    train_networks,
)
from catena.forecaster.intervals.peers.deep_ensemble import (
    LEAST_ROWS,
    scaled_networks,
    scaled_networks_from,
)
from catena.forecaster.intervals.peers.normal import NormalIntervals
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPConfig, MLPEnsemble

RATE = 0.1
PASSES = 100


class DropoutNetwork(MLPEnsemble):
    """One network whose hidden units are dropped by a generator of its own."""

    generator: torch.Generator
    rate: float

    def forward(self, x: Tensor) -> Tensor:
        """Outputs with another mask for each row, (1, n, outputs)."""
        return _with_masks(self, x.expand(1, *x.shape[-2:]), self.rate, self.generator, x.shape[-2])


class MCDropout(NormalIntervals):
    """Fitted by :func:`fit_mc_dropout`; 100 passes, the same for every call."""

    method = "mc_dropout"

    def __init__(
        self,
        scaler: Scaler,
        targets: Scaler,
        networks: MLPEnsemble,
        noise: np.ndarray,
        rate: float,
        seed: int,
    ) -> None:
        self.inputs, self.outputs = len(scaler.center), len(targets.center)
        self.scaler = scaler
        self.targets = targets
        self.networks = networks
        self.noise = noise
        self.rate = rate
        self.seed = seed

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over passes; variance over passes plus that of the noise."""
        passes = self._passes(self.scaler.encode(x))
        sd = np.sqrt(passes.var(axis=0) + self.noise)
        return self.targets.decode(passes.mean(axis=0)), sd * self.targets.spread

    @torch.no_grad()
    def _passes(self, scores: np.ndarray) -> np.ndarray:
        inputs = torch.as_tensor(scores, dtype=torch.float32)
        parts = []
        for start in range(0, len(inputs), ROWS // 8):
            # one mask per pass for all rows: a prediction does not depend on its neighbours
            generator = torch.Generator().manual_seed(self.seed)
            rows = inputs[start : start + ROWS // 8].expand(PASSES, -1, -1)
            parts.append(_with_masks(self.networks, rows, self.rate, generator, 1).numpy())
        if not parts:
            return np.zeros((PASSES, 0, self.outputs))
        return np.concatenate(parts, axis=1).astype(np.float64)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = scaled_networks(self.scaler, self.targets, self.networks)
        return arrays | {"noise": self.noise}, meta | {"rate": self.rate, "seed": self.seed}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> MCDropout:
        """Inverse of the saved state."""
        networks = scaled_networks_from(arrays, meta)
        return cls(*networks, np.asarray(arrays["noise"]), float(meta["rate"]), int(meta["seed"]))


def fit_mc_dropout(
    x: np.ndarray,
    y: np.ndarray,
    *,
    rate: float = RATE,
    config: NetworkConfig | None = None,
    seed: int = 0,
) -> MCDropout:
    """Train one network with dropout.

    Parameters
    ----------
    x, y : ndarray, (n, d), (n,) or (n, k)
        Targets that are NaN are skipped.
    rate : float
        Share of hidden units that are dropped.
    config, seed
        Training; the seed.

    Raises
    ------
    InvalidData
        Data that cannot be fitted.
    """
    config = config or NetworkConfig(width=64, depth=2, steps=2000)
    x, y = check_training(x, y, LEAST_ROWS)
    scaler, targets = Scaler.of(x), Scaler.of(y)
    seeds = [child_seed(seed, 40 + i) for i in range(4)]
    network = DropoutNetwork(
        MLPConfig(x.shape[1], y.shape[1], 1, config.width, config.depth),
        torch.Generator().manual_seed(seeds[0]),
    )
    network.generator, network.rate = torch.Generator().manual_seed(seeds[1]), rate
    wanted = targets.encode(y)
    rows = np.isfinite(y).any(axis=1)[None]
    scores = scaler.encode(x)
    trained = train_networks(network, scores, wanted, rows, squared_error, config, seeds[2])
    fitted = MCDropout(scaler, targets, trained, np.zeros(y.shape[1]), rate, seeds[3] % 2**62)
    error = fitted._passes(scores).mean(axis=0) - wanted
    fitted.noise = np.maximum(np.nanmean(error**2, axis=0), 1e-12)
    fitted._remember_training(x)
    return fitted


def _with_masks(
    networks: MLPEnsemble, x: Tensor, rate: float, generator: torch.Generator, rows: int
) -> Tensor:
    """The forward pass with hidden units dropped; `rows` masks for each pass in `x` (p, n, d)."""
    last = len(networks.weights) - 1
    hidden = x
    for layer, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        hidden = torch.matmul(hidden, weight) + bias
        if layer < last:
            shape = (len(x), rows, hidden.shape[-1])
            keep = torch.rand(shape, generator=generator) >= rate
            hidden = silu(hidden) * keep / (1.0 - rate)
    return hidden
