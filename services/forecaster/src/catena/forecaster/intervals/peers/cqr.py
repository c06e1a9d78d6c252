"""Conformalised quantile regression.

Romano, Patterson & Candes (2019), NeurIPS, algorithm 1: quantile networks on one part of the rows,
one correction per level from the other part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.forecaster.intervals.model import IntervalModel, check_training
from catena.forecaster.intervals.networks import (
    NetworkConfig,
    child_seed,
    evaluate,
    masked_mean,
    new_networks,
    train_networks,
)
from catena.forecaster.intervals.peers.deep_ensemble import scaled_networks, scaled_networks_from
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99])
"""Levels whose quantiles the network gives; others lie between."""
TAUS = np.concatenate([(1.0 - LEVELS[::-1]) / 2.0, [0.5], (1.0 + LEVELS) / 2.0])
CALIBRATION = 0.3
LEAST_ROWS = 10


class CQR(IntervalModel):
    """Fitted by :func:`fit_cqr`.

    Parameters
    ----------
    scaler, targets : Scaler
    networks : MLPEnsemble
        One network, quantiles of k targets at :data:`TAUS`.
    quantiles : ndarray, (c, k, taus)
        Of the calibration rows, standard scores.
    observed : ndarray, (c, k)
        Their targets, standard scores.
    """

    method = "cqr"

    def __init__(
        self,
        scaler: Scaler,
        targets: Scaler,
        networks: MLPEnsemble,
        quantiles: np.ndarray,
        observed: np.ndarray,
    ) -> None:
        self.inputs, self.outputs = len(scaler.center), len(targets.center)
        self.scaler = scaler
        self.targets = targets
        self.networks = networks
        self.quantiles = quantiles
        self.observed = observed

    def centre(self, x: np.ndarray) -> np.ndarray:
        """The median, (n, outputs)."""
        quantiles = _quantiles(self.networks, self.scaler.encode(self._checked(x)), self.outputs)
        return self.targets.decode(quantiles[..., len(LEVELS)])

    def needed(self, level: float) -> int:
        """Calibration rows that a finite bound takes."""
        return int(np.ceil(np.round(level / (1.0 - level), 9)))

    def rows(self) -> np.ndarray:
        """Calibration rows with a target, (outputs,)."""
        return np.asarray(np.isfinite(self.observed).sum(axis=0))

    def corrections(self, levels: np.ndarray) -> np.ndarray:
        """What is added on both sides at each level, standard scores, (outputs, levels)."""
        lower, upper = _between(self.quantiles, levels)
        y = self.observed[..., None]
        conformity = np.maximum(lower - y, y - upper)
        found = np.full((self.outputs, len(levels)), np.inf)
        for j in range(self.outputs):
            there = np.isfinite(self.observed[:, j])
            n = int(there.sum())
            ranks = np.ceil(np.round((n + 1) * levels, 9)).astype(int)
            ordered = np.sort(conformity[there, j], axis=0)
            for i in np.flatnonzero(ranks <= n):
                found[j, i] = ordered[ranks[i] - 1, i]
        return found

    def _bounds(self, x: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        every = np.unique(np.concatenate([LEVELS, levels]))
        asked = np.searchsorted(every, levels)
        quantiles = _quantiles(self.networks, self.scaler.encode(x), self.outputs)
        lower, upper = _between(quantiles, every)
        correction = self.corrections(every)
        # corrections of their own can cross levels; a wider one counts for all above it
        middle = quantiles[..., len(LEVELS), None]
        below = np.maximum.accumulate(np.maximum(middle - lower + correction, 0.0), axis=-1)
        above = np.maximum.accumulate(np.maximum(upper - middle + correction, 0.0), axis=-1)
        spread, center = self.targets.spread[:, None], self.targets.center[:, None]
        middle = middle * spread + center
        return (middle - below * spread)[..., asked], (middle + above * spread)[..., asked]

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = scaled_networks(self.scaler, self.targets, self.networks)
        return arrays | {"quantiles": self.quantiles, "observed": self.observed}, meta

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> CQR:
        """Inverse of the saved state."""
        networks = scaled_networks_from(arrays, meta)
        return cls(*networks, np.asarray(arrays["quantiles"]), np.asarray(arrays["observed"]))


def fit_cqr(
    x: np.ndarray, y: np.ndarray, *, config: NetworkConfig | None = None, seed: int = 0
) -> CQR:
    """Quantile network on 70 % of the rows, corrections from 30 %.

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
    config = config or NetworkConfig(depth=2, steps=2000)
    x, y = check_training(x, y, LEAST_ROWS)
    scaler, targets = Scaler.of(x), Scaler.of(y)
    order = np.random.default_rng(child_seed(seed, 71)).permutation(len(x))
    cut = round((1.0 - CALIBRATION) * len(x))
    train, calibration = order[:cut], order[cut:]
    scores, wanted = scaler.encode(x), targets.encode(y)
    networks = new_networks(x.shape[1], y.shape[1] * len(TAUS), 1, config, child_seed(seed, 72))
    networks = train_networks(
        networks,
        scores[train],
        wanted[train],
        np.isfinite(wanted[train]).any(axis=1)[None],
        pinball,
        config,
        child_seed(seed, 73),
    )
    quantiles = _quantiles(networks, scores[calibration], y.shape[1])
    fitted = CQR(scaler, targets, networks, quantiles, wanted[calibration])
    fitted._remember_training(x)
    return fitted


def pinball(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean quantile loss over :data:`TAUS`; `predicted` is (m, b, k taus)."""
    taus = torch.as_tensor(TAUS, dtype=predicted.dtype)
    quantiles = predicted.reshape(*target.shape, -1)
    error = torch.nan_to_num(target)[..., None] - quantiles
    return masked_mean(torch.maximum(taus * error, (taus - 1.0) * error).mean(-1), target)


def _quantiles(networks: MLPEnsemble, scores: np.ndarray, outputs: int) -> np.ndarray:
    """Quantiles in ascending order (rearranged where they cross), (n, outputs, taus)."""
    every = evaluate(networks, scores)[0]
    return np.sort(every.reshape(len(scores), outputs, len(TAUS)), axis=-1)


def _between(quantiles: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper quantile of any level, linear between neighbours, (..., levels)."""
    sides = []
    for tau in ((1.0 - levels) / 2.0, (1.0 + levels) / 2.0):
        at = np.interp(tau, TAUS, np.arange(len(TAUS)))
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, len(TAUS) - 1)
        share = at - low
        sides.append(quantiles[..., low] * (1.0 - share) + quantiles[..., high] * share)
    return sides[0], sides[1]
