"""u and v of the cross-fitted PI3NN: mean size of the errors above and below, given x."""

from __future__ import annotations

from typing import Any

import numpy as np

from catena.forecaster.intervals.means import networks_from
from catena.forecaster.intervals.networks import (
    NetworkConfig,
    child_seed,
    evaluate,
    new_networks,
    size_deviance,
    train_networks,
)
from catena.forecaster.intervals.order_statistics import OrderStatistics
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the networks' own opinion among which the data choose."""
LEVELS = np.array([0.8, 0.9, 0.95])
"""Levels whose interval scores choose."""
LARGEST = 4.0
"""Log sizes stay within this of their mean: a factor of fifty."""


class SizeModel:
    """Sizes upwards and downwards of each output.

    Parameters
    ----------
    scaler : Scaler
        Of the networks' inputs: features, mean, log spread.
    networks : MLPEnsemble
        Two outputs (above, below) for each of k targets; log sizes relative to `typical`.
    typical : ndarray, (2, k)
        Mean sizes over the training rows.
    weight, middle : ndarray, (2, k)
        Log sizes are ``weight (z - middle) + middle``.
    """

    def __init__(
        self,
        scaler: Scaler,
        networks: MLPEnsemble,
        typical: np.ndarray,
        weight: np.ndarray,
        middle: np.ndarray,
    ) -> None:
        self.scaler = scaler
        self.networks = networks
        self.typical = typical
        self.weight = weight
        self.middle = middle

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        mean: np.ndarray,
        spread: np.ndarray | None,
        residuals: np.ndarray,
        fold: np.ndarray,
        members: int,
        config: NetworkConfig,
        seed: int,
    ) -> tuple[SizeModel, tuple[np.ndarray, np.ndarray]]:
        """Train on out-of-fold residuals; also each row's sizes by networks that missed it.

        Parameters
        ----------
        features : ndarray, (n, q)
        mean, spread : ndarray, (n, k)
            Out-of-fold mean and spread between members (or None): where the members disagree the
            errors are larger.
        residuals : ndarray, (n, k)
            Out-of-fold, median zero; NaN is skipped.
        fold : ndarray, (n,)
        members, config, seed
            Networks in a fold and their training.

        Returns
        -------
        SizeModel
        up, down : ndarray, (n, k)
            Cross-fitted sizes, with which scores may be made.
        """
        n, k = residuals.shape
        inputs = _inputs(features, mean, spread)
        scaler = Scaler.of(inputs)
        scores = scaler.encode(inputs)
        above = np.where(residuals >= 0, residuals, np.nan)
        below = np.where(residuals < 0, -residuals, np.nan)
        targets = np.concatenate([above, below], axis=1)
        typical = np.array([_mean_size(targets[:, j]) for j in range(2 * k)])
        targets = targets / typical
        folds = int(fold.max()) + 1
        usable = np.isfinite(targets).any(axis=1)
        seen = np.stack([usable & (fold != f) for f in range(folds)])
        networks = new_networks(
            scores.shape[1], 2 * k, folds * members, config, child_seed(seed, 1)
        )

        def own(candidate: MLPEnsemble) -> np.ndarray:
            z = evaluate(candidate, scores).reshape(folds, members, n, 2 * k)
            return np.asarray(z[fold, :, np.arange(n)].mean(axis=1).clip(-LARGEST, LARGEST))

        def deviance(candidate: MLPEnsemble) -> float:
            z = own(candidate)
            return float(np.nanmean(z + targets * np.exp(-z)))

        networks = train_networks(
            networks,
            scores,
            targets,
            np.repeat(seen, members, axis=0),
            size_deviance,
            config,
            child_seed(seed, 2),
            deviance,
        )
        z = own(networks)
        middle = z.mean(axis=0)
        weight = np.empty(2 * k)
        for j in range(k):
            weight[[j, k + j]] = _best_weight(
                residuals[:, j], z[:, [j, k + j]], typical[[j, k + j]]
            )
        model = cls(
            scaler,
            networks,
            typical.reshape(2, k),
            weight.reshape(2, k),
            middle.reshape(2, k),
        )
        return model, model._sizes(z)

    def __call__(
        self, features: np.ndarray, mean: np.ndarray, spread: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sizes upwards and downwards, (n, k) each.

        Parameters
        ----------
        features : ndarray, (n, q)
        mean, spread : ndarray, (n, k) or (folds, n, k)
            Those of each fold's members, where there are such: networks of a fold take what they
            were trained on. The spread over all folds is less noisy than that of one, and larger
            on the log scale; sizes made from it would be too large.
        """
        return self._sizes(self._log_sizes(features, mean, spread).mean(axis=0))

    def noise(
        self, features: np.ndarray, mean: np.ndarray, spread: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviation of log sizes, up and down, between folds, (n, k) each."""
        folds, n, k = mean.shape
        z = self._log_sizes(features, mean, spread).clip(-LARGEST, LARGEST)
        of_fold = z.reshape(folds, -1, n, 2, k).mean(axis=1)
        deviation = self.weight * of_fold.std(axis=0, ddof=1)
        return deviation[:, 0], deviation[:, 1]

    def _log_sizes(
        self, features: np.ndarray, mean: np.ndarray, spread: np.ndarray | None
    ) -> np.ndarray:
        """Of each network, (networks, n, 2 k), relative to `typical`, before the shrinkage."""
        inputs = self.scaler.encode(_inputs(features, mean, spread))
        if inputs.ndim == 3:
            members = self.networks.config()["members"] // len(inputs)
            inputs = np.repeat(inputs, members, axis=0)
        return evaluate(self.networks, inputs)

    def _sizes(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = z.clip(-LARGEST, LARGEST).reshape(len(z), 2, -1)
        size = self.typical * np.exp(self.middle + self.weight * (z - self.middle))
        return size[:, 0], size[:, 1]

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """State and architecture."""
        arrays = {f"networks.{k}": v.numpy() for k, v in self.networks.state().items()}
        arrays |= self.scaler.to_arrays("scaler")
        arrays |= {"typical": self.typical, "weight": self.weight, "middle": self.middle}
        return arrays, self.networks.config()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], config: dict[str, int]) -> SizeModel:
        """Inverse of :meth:`to_arrays`."""
        return cls(
            Scaler.from_arrays(arrays, "scaler"),
            networks_from(arrays, "networks", config),
            *(np.asarray(arrays[name]) for name in ("typical", "weight", "middle")),
        )


def _inputs(features: np.ndarray, mean: np.ndarray, spread: np.ndarray | None) -> np.ndarray:
    """Inputs of the size networks, before scaling; of each fold where the mean is."""
    features = np.broadcast_to(features, (*mean.shape[:-1], features.shape[-1]))
    if spread is None:
        return np.concatenate([features, mean], axis=-1)
    return np.concatenate([features, mean, np.log(spread + 1e-12)], axis=-1)


def _mean_size(sizes: np.ndarray) -> float:
    """Mean size of one side; 1 where it has no errors at all (a constant target)."""
    there = sizes[np.isfinite(sizes)]
    mean = float(there.mean()) if len(there) else 0.0
    return mean if mean > 0.0 else 1.0


def _best_weight(residuals: np.ndarray, z: np.ndarray, typical: np.ndarray) -> float:
    """Shrinkage toward the mean with the least out-of-fold interval score of one output."""
    there = np.isfinite(residuals)
    r, z = residuals[there], z[there]
    middle = z.mean(axis=0)
    scores = []
    for weight in WEIGHTS:
        up, down = (typical * np.exp(middle + weight * (z - middle))).T
        alpha, beta = OrderStatistics.of(r, up, down, conformal=False).factors(LEVELS)
        upper, lower = alpha[:, None] * up, -beta[:, None] * down
        miss = np.maximum(r - upper, 0.0) + np.maximum(lower - r, 0.0)
        score = (upper - lower).mean(axis=1) + 2.0 / (1.0 - LEVELS) * miss.mean(axis=1)
        scores.append(float(score.mean()))
    return WEIGHTS[int(np.argmin(scores))]
