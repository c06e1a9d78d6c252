"""PI3NN as published: three networks, three trainings, two order statistics.

Liu, Zhang, Lu & Stoyanov (2022), "PI3NN: out-of-distribution-aware prediction intervals from three
neural networks", ICLR; section 3.1 (intervals), section 3.3 (out of distribution).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.forecaster.intervals.means import (
    MeanModel,
    NetworkMean,
    RegressorMean,
    as_mean,
    networks_from,
    saved_mean,
)
from catena.forecaster.intervals.model import check_training
from catena.forecaster.intervals.networks import (
    NetworkConfig,
    child_seed,
    evaluate,
    masked_mean,
    new_networks,
    train_networks,
)
from catena.forecaster.intervals.order_statistics import OrderStatistics
from catena.forecaster.intervals.scaled import Parts, ScaledIntervals, statistics_from
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble

LEAST_ROWS = 4


@dataclass(frozen=True)
class PI3NNConfig:
    """Settings of PI3NN.

    Parameters
    ----------
    mean, size : NetworkConfig
        Training of f, and of u and v.
    bias : float
        The constant c: after a first training of u and v their output bias is set to c times their
        mean output, and they are trained again; far from the data widths then stay large. 0: one
        training, no such bias.
    """

    mean: NetworkConfig = field(default_factory=lambda: NetworkConfig(depth=2, steps=2000))
    size: NetworkConfig = field(default_factory=lambda: NetworkConfig(depth=2, steps=1000))
    bias: float = 0.0


class PI3NNIntervals(ScaledIntervals):
    """Fitted by :func:`fit_pi3nn`."""

    method = "pi3nn"

    def __init__(
        self,
        inputs: int,
        mean: MeanModel,
        shift: np.ndarray,
        scaler: Scaler,
        typical: np.ndarray,
        networks: MLPEnsemble,
        statistics: list[OrderStatistics],
    ) -> None:
        super().__init__(inputs, statistics)
        self.mean = mean
        self.shift = shift
        self.scaler = scaler
        self.typical = typical
        self.networks = networks

    def parts(self, x: np.ndarray) -> Parts:
        """f + nu, u and v."""
        up, down = _sizes(self.networks, self.scaler.encode(self.mean.features(x)), self.typical)
        return Parts(self.mean.predict(x) + self.shift, up, down)

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = self._score_arrays()
        arrays |= {f"networks.{k}": v.numpy() for k, v in self.networks.state().items()}
        arrays |= {"shift": self.shift, "typical": self.typical}
        arrays |= self.scaler.to_arrays("scaler")
        meta["networks"] = self.networks.config()
        if isinstance(self.mean, NetworkMean):
            mean_arrays, meta["mean"] = self.mean.to_arrays()
            arrays |= {f"mean.{k}": v for k, v in mean_arrays.items()}
        return arrays, meta

    @classmethod
    def from_state(
        cls, arrays: dict[str, np.ndarray], meta: dict[str, Any], mean: MeanModel | None
    ) -> PI3NNIntervals:
        """Rebuild; a wrapped mean model is passed again."""
        return cls(
            int(meta["inputs"]),
            saved_mean(arrays, meta, mean),
            np.asarray(arrays["shift"]),
            Scaler.from_arrays(arrays, "scaler"),
            np.asarray(arrays["typical"]),
            networks_from(arrays, "networks", meta["networks"]),
            statistics_from(arrays, meta),
        )


def fit_pi3nn(
    x: np.ndarray,
    y: np.ndarray,
    *,
    model: Any = None,
    config: PI3NNConfig | None = None,
    seed: int = 0,
) -> PI3NNIntervals:
    """Intervals of PI3NN.

    Parameters
    ----------
    x : ndarray, (n, d)
        Inputs.
    y : ndarray, (n,) or (n, k)
        Targets; NaN is skipped.
    model : optional
        What gives f and the features of u and v; own networks and the inputs if left out. A
        scikit-learn regressor is fitted to all rows; a torch module is used as it is.
    config, seed
        Settings; the same seed gives the same numbers.

    Returns
    -------
    PI3NNIntervals

    Raises
    ------
    InvalidData
        Data that cannot be fitted, or a model that cannot be wrapped.

    Notes
    -----
    alpha is the root of ``#{y > f + nu + alpha u} = ceil(N (1 - level) / 2)`` over the training
    rows, beta likewise: order statistics of ``r / u``. They are found from rows that the networks
    were trained on: expect less coverage elsewhere than asked for. That is the published method;
    :func:`catena.forecaster.intervals.crossfit.fit_crossfit` cures it.
    """
    config = config or PI3NNConfig()
    x, y = check_training(x, y, LEAST_ROWS)
    mean = _fit_mean(model, x, y, config, seed)
    residuals = y - mean.predict(x)
    shift = np.nanmedian(residuals, axis=0)
    residuals = residuals - shift
    features = mean.features(x)
    scaler = Scaler.of(features)
    scores = scaler.encode(features)
    targets = np.stack(
        [np.where(residuals >= 0, residuals, np.nan), np.where(residuals < 0, -residuals, np.nan)]
    )
    typical = _typical(targets)
    targets = targets / typical[:, None, :]
    rows = np.isfinite(targets).any(axis=2)
    # a side without any error (a constant target) has nothing to learn: its size stays near 1
    targets[~rows.any(axis=1)] = 1.0
    rows[~rows.any(axis=1)] = True
    networks = new_networks(scores.shape[1], y.shape[1], 2, config.size, child_seed(seed, 22))
    for bias in (0.0, config.bias) if config.bias else (0.0,):
        if bias:
            _raise_bias(networks, scores, rows, bias)
        networks = train_networks(
            networks, scores, targets, rows, positive_error, config.size, child_seed(seed, 23)
        )
    up, down = _sizes(networks, scores, typical)
    statistics = [
        OrderStatistics.of(residuals[:, j], up[:, j], down[:, j], conformal=False)
        for j in range(y.shape[1])
    ]
    fitted = PI3NNIntervals(x.shape[1], mean, shift, scaler, typical, networks, statistics)
    fitted._remember_training(x)
    return fitted


def positive_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared error of ``|predicted|``: positive, with no floor.

    Far from the data a network goes off along a line, up or down: with the absolute value widths
    grow either way, with an exponential or its like they would vanish half the time.
    """
    return masked_mean((predicted.abs() - torch.nan_to_num(target)).square(), target)


def _fit_mean(
    model: Any, x: np.ndarray, y: np.ndarray, config: PI3NNConfig, seed: int
) -> MeanModel:
    whole = np.zeros(len(x), dtype=int)
    if model is None:
        return NetworkMean.fit(x, y, whole[None], config.mean, child_seed(seed, 21))[0]
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        return RegressorMean.fit(model, x, y, whole)[0]
    return as_mean(model)


def _typical(targets: np.ndarray) -> np.ndarray:
    """Mean size of each side and output, (2, k); 1 where there are no errors."""
    there = np.isfinite(targets)
    total = np.where(there, targets, 0.0).sum(axis=1)
    mean = total / np.maximum(there.sum(axis=1), 1)
    return np.where(mean > 0.0, mean, 1.0)


def _sizes(
    networks: MLPEnsemble, scores: np.ndarray, typical: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    z = evaluate(networks, scores)
    # a score is divided by it
    size = np.maximum(np.abs(z), 1e-30) * typical[:, None, :]
    return size[0], size[1]


@torch.no_grad()
def _raise_bias(networks: MLPEnsemble, scores: np.ndarray, rows: np.ndarray, c: float) -> None:
    """Set each output's bias to c times the mean output over its own rows."""
    size = np.abs(evaluate(networks, scores))
    for side in range(2):
        mean = size[side][rows[side]].mean(axis=0)
        networks.biases[-1][side, 0] = torch.as_tensor(c * mean, dtype=torch.float32)
