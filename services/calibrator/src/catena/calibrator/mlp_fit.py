"""Trains an ensemble of networks and, in the same batched products, its cross-validation copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from catena.calibrator.stages import ProgressReport, Stages
from catena.calibrator.training import torch_generator, train
from catena.models.mlp import MLPConfig, MLPEnsemble


@dataclass(frozen=True)
class SurrogateConfig:
    """Hyperparameters of a network surrogate: what a search varies.

    Parameters
    ----------
    width, depth : int
        Units per hidden layer, hidden layers.
    members : int
        Networks that make the prediction.
    fold_members : int
        Networks per fold of the cross-validation.
    weight_decay, learning_rate : float
        Of AdamW.
    epochs : int
        Passes over the runs.
    batch : int
        Runs per step.
    """

    width: int = 48
    depth: int = 3
    members: int = 8
    fold_members: int = 3
    weight_decay: float = 1e-2
    learning_rate: float = 1e-2
    epochs: int = 150
    batch: int = 64


@dataclass(frozen=True)
class Validation:
    """Predictions of each run by a model that has not seen it.

    Parameters
    ----------
    mean : ndarray, (n, r)
        Predicted latent outputs.
    spread : ndarray, (n, r)
        The model's own, uncalibrated variance.
    shrink : ndarray, (r,)
        Factor (at most 1) from the mean squared error seen here to that of the final model: an
        average of more networks than a fold has. 1 where nothing is averaged.
    """

    mean: np.ndarray
    spread: np.ndarray
    shrink: np.ndarray


def fold_of_each_run(n: int, folds: int, seed: int) -> np.ndarray:
    """Fold number of each of `n` runs: balanced and shuffled."""
    return np.random.default_rng([seed % 2**63, 17]).permutation(np.arange(n) % folds)


def fit_mlp(
    inputs: np.ndarray,
    targets: np.ndarray,
    fold: np.ndarray,
    config: SurrogateConfig,
    *,
    seed: int,
    stages: Stages,
    progress: ProgressReport | None = None,
) -> tuple[MLPEnsemble, Validation]:
    """Fit the ensemble on all runs and one small ensemble per fold without that fold.

    Parameters
    ----------
    inputs : ndarray, (n, d)
        Scaled to [-1, 1].
    targets : ndarray, (n, r)
        Centred, of order one.
    fold : ndarray, (n,)
        Fold of each run.
    config, seed, stages, progress
        Hyperparameters; the seed; where to keep states; whom to tell.

    Returns
    -------
    MLPEnsemble, Validation
    """
    n, folds = len(inputs), int(fold.max()) + 1
    total = config.members + folds * config.fold_members
    # which runs each network may see: the first `members` all, then one group per fold
    seen = np.ones((total, n), dtype=bool)
    for f in range(folds):
        start = config.members + f * config.fold_members
        seen[start : start + config.fold_members] = fold != f
    model = MLPEnsemble(
        MLPConfig(inputs.shape[1], targets.shape[1], total, config.width, config.depth),
        torch_generator(seed, 1),
    )
    x = torch.as_tensor(inputs, dtype=torch.float32)
    y = torch.as_tensor(targets, dtype=torch.float32)
    batch = min(config.batch, n)
    per_epoch = -(-n // batch)
    epochs = max(config.epochs, -(-config.epochs * 4 // per_epoch))
    order = _Shuffle(torch.as_tensor(seen), per_epoch * batch, seed)

    def loss(step: int) -> Tensor:
        epoch, b = divmod(step, per_epoch)
        rows = order(epoch)[:, b * batch : (b + 1) * batch]
        error: Tensor = (model(x[rows]) - y[rows]) ** 2
        return error.mean((1, 2)).sum()

    train(
        list(model.parameters()),
        loss,
        steps=epochs * per_epoch,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        stages=stages,
        stage="mlp",
        progress=progress,
        message="training the network ensemble",
    )
    with torch.no_grad():
        predicted = model(x)[config.members :].numpy().astype(np.float64)
    predicted = predicted.reshape(folds, config.fold_members, n, -1)[fold, :, np.arange(n)]
    return model.select(slice(0, config.members)), _validation(predicted, targets, config)


def _validation(predicted: np.ndarray, targets: np.ndarray, config: SurrogateConfig) -> Validation:
    """`predicted` is (n, fold members, r), all by networks that did not see the run."""
    mean, m = predicted.mean(1), config.fold_members
    spread = predicted.var(1, ddof=1) if m > 1 else np.zeros_like(mean)
    # Error of an average of m networks = common part + variance / m; the final one averages more.
    error = ((mean - targets) ** 2).mean(0)
    gain = spread.mean(0) * (1.0 / m - 1.0 / config.members)
    shrink = np.clip(1.0 - gain / np.maximum(error, 1e-30), 0.25, 1.0)
    return Validation(mean, spread, shrink)


class _Shuffle:
    """Order of the runs in each epoch, per network, among those that it may see."""

    def __init__(self, seen: Tensor, length: int, seed: int) -> None:
        self._seen, self._length, self._seed = seen, length, seed
        self._epoch, self._order = -1, torch.empty(0)

    def __call__(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            keys = torch.rand(self._seen.shape, generator=torch_generator(self._seed, 2, epoch))
            # unseen runs sort last; the position wraps around before it reaches them
            ranked = torch.where(self._seen, keys, 2.0).argsort(1)
            position = torch.arange(self._length) % self._seen.sum(1, keepdim=True)
            self._epoch, self._order = epoch, ranked.gather(1, position)
        return self._order
