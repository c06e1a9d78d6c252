"""Cross-fitted PI3NN: sizes and scores come from rows that no network has seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from catena.forecaster.intervals.averaging import Noise, averaged_scores
from catena.forecaster.intervals.means import (
    MeanModel,
    NetworkMean,
    RegressorMean,
    as_mean,
    saved_mean,
)
from catena.forecaster.intervals.model import check_training, group
from catena.forecaster.intervals.neighbours import Neighbours
from catena.forecaster.intervals.networks import NetworkConfig, child_seed
from catena.forecaster.intervals.order_statistics import OrderStatistics
from catena.forecaster.intervals.scaled import Parts, ScaledIntervals, statistics_from
from catena.forecaster.intervals.sizes import SizeModel
from catena.shared.errors import InvalidData

LEAST_ROWS = 10


@dataclass(frozen=True)
class CrossFitConfig:
    """Settings of the cross-fitted PI3NN; one set of defaults for all data.

    Parameters
    ----------
    folds : int
        Folds of the rows.
    members : int
        Mean networks in a fold.
    size_members : int
        Size networks in a fold.
    mean, size : NetworkConfig
        Training of the mean networks and of the size networks.
    kappa : float
        Growth of the width outside the data, per usual distance.
    reach : float
        Quantile of the training rows' own distances where that growth begins.
    """

    folds: int = 5
    members: int = 4
    size_members: int = 2
    mean: NetworkConfig = field(default_factory=NetworkConfig)
    size: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(width=32, depth=2, learning_rate=3e-3, steps=1600)
    )
    kappa: float = 8.0
    reach: float = 0.95


class CrossFitIntervals(ScaledIntervals):
    """Fitted by :func:`fit_crossfit`."""

    method = "crossfit"

    def __init__(
        self,
        inputs: int,
        mean: MeanModel,
        shift: np.ndarray,
        sizes: SizeModel,
        neighbours: Neighbours,
        statistics: list[OrderStatistics],
    ) -> None:
        super().__init__(inputs, statistics)
        self.mean = mean
        self.shift = shift
        self.sizes = sizes
        self.neighbours = neighbours

    def parts(self, x: np.ndarray) -> Parts:
        """Centre and sizes, which grow with the distance from the training data."""
        features = self.mean.features(x)
        if isinstance(self.mean, NetworkMean):
            of_fold, spread = self.mean.by_fold(x)
            mean = of_fold.mean(axis=0)
            up, down = self.sizes(features, of_fold, spread)
        else:
            mean = self.mean.predict(x)
            up, down = self.sizes(features, mean, self.mean.spread(x))
        growth = self.neighbours.inflation(self.neighbours.distance(features))[:, None]
        return Parts(mean + self.shift, up * growth, down * growth)

    def novelty(self, x: np.ndarray) -> np.ndarray:
        """Distance from the training data, in usual distances, (n,)."""
        return self.neighbours.distance(self.mean.features(self._checked(x)))

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, meta = self._score_arrays()
        arrays |= {"shift": self.shift} | self.neighbours.to_arrays("neighbours")
        size_arrays, meta["sizes"] = self.sizes.to_arrays()
        arrays |= {f"sizes.{k}": v for k, v in size_arrays.items()}
        if isinstance(self.mean, NetworkMean):
            mean_arrays, meta["mean"] = self.mean.to_arrays()
            arrays |= {f"mean.{k}": v for k, v in mean_arrays.items()}
        return arrays, meta

    @classmethod
    def from_state(
        cls, arrays: dict[str, np.ndarray], meta: dict[str, Any], mean: MeanModel | None
    ) -> CrossFitIntervals:
        """Rebuild; a wrapped mean model is passed again."""
        return cls(
            int(meta["inputs"]),
            saved_mean(arrays, meta, mean),
            np.asarray(arrays["shift"]),
            SizeModel.from_arrays(group(arrays, "sizes"), meta["sizes"]),
            Neighbours.from_arrays(arrays, "neighbours"),
            statistics_from(arrays, meta),
        )


def fit_crossfit(
    x: np.ndarray,
    y: np.ndarray,
    *,
    model: Any = None,
    folds: np.ndarray | None = None,
    out_of_fold: np.ndarray | None = None,
    config: CrossFitConfig | None = None,
    seed: int = 0,
) -> CrossFitIntervals:
    """Intervals from out-of-fold residuals, with ranks corrected for finite samples.

    Parameters
    ----------
    x : ndarray, (n, d)
        Inputs.
    y : ndarray, (n,) or (n, k)
        Targets; NaN is skipped.
    model : optional
        Nothing: own networks. A scikit-learn regressor: clones of it are fitted to the folds. A
        torch module, or anything with ``predict``, ``features`` and ``spread``
        (:class:`catena.forecaster.intervals.means.MeanModel`): used as it is.
    folds : ndarray of int, (n,), optional
        Fold of each row, e.g. blocks of years; random folds if left out.
    out_of_fold : ndarray, (n,) or (n, k), optional
        For a model that is used as it is: predictions of each row by models that have not seen it.
        If left out the rows must be ones that the model was not trained on.
    config, seed
        Settings; the same seed gives the same numbers.

    Returns
    -------
    CrossFitIntervals

    Raises
    ------
    InvalidData
        Data that cannot be fitted, or a model that cannot be wrapped.

    Notes
    -----
    Residuals and sizes of a row come from the networks of its fold, predictions from those of all
    folds. Averaging takes away noise, which is known from what networks differ by; without
    :func:`catena.forecaster.intervals.averaging.averaged_scores` intervals would cover too often,
    most where the target has no noise of its own.

    What is lost by that: an uncorrected score and that of a new row, by the networks of one fold,
    have the same law, and corrected ranks keep the level but for what folds share (proven is about
    2 level - 1: Barber et al. 2021, theorem 4, for CV+). Scores without the noise are
    estimates: intervals hold their level as far as the noise is Gaussian and independent between
    networks. Around a model of yours nothing is corrected.
    """
    config = config or CrossFitConfig()
    x, y = check_training(x, y, LEAST_ROWS)
    fold = _folds(folds, len(x), config, seed)
    mean, predicted, spread = _mean_model(model, x, y, fold, out_of_fold, config, seed)
    residuals = y - predicted
    shift = np.nanmedian(residuals, axis=0)
    residuals = residuals - shift
    features = mean.features(x)
    sizes, (up, down) = SizeModel.fit(
        features,
        predicted,
        spread,
        residuals,
        fold[0],
        config.size_members,
        config.size,
        child_seed(seed, 11),
    )
    neighbours, distance = Neighbours.fit(
        features, config.kappa, config.reach, child_seed(seed, 12)
    )
    growth = neighbours.inflation(distance)[:, None]
    if isinstance(mean, NetworkMean) and spread is not None:
        noise = _noise(mean, sizes, x, spread)
        statistics = averaged_scores(
            residuals, up * growth, down * growth, noise, child_seed(seed, 14)
        )
    else:
        statistics = [
            OrderStatistics.of(*columns)
            for columns in zip(residuals.T, (up * growth).T, (down * growth).T, strict=True)
        ]
    fitted = CrossFitIntervals(x.shape[1], mean, shift, sizes, neighbours, statistics)
    alpha, beta = fitted.factors(np.array([0.9]))
    finite = np.isfinite(alpha) & np.isfinite(beta)
    width = up * np.where(finite, alpha, 1.0)[:, 0] + down * np.where(finite, beta, 1.0)[:, 0]
    fitted._reference = (width * growth).mean(axis=0)
    fitted._limit = float(np.quantile(distance, 0.99))
    return fitted


def _folds(folds: np.ndarray | None, n: int, config: CrossFitConfig, seed: int) -> np.ndarray:
    """Fold numbers 0, 1, ... of the rows, for each member, (members, n)."""
    if folds is None:
        rng = np.random.default_rng(child_seed(seed, 10))
        of_row = np.arange(n) % config.folds
        return np.stack([rng.permutation(of_row) for _ in range(config.members)])
    folds = np.asarray(folds)
    names, fold = np.unique(folds, return_inverse=True)
    if folds.shape != (n,) or len(names) < 2:
        raise InvalidData(
            f"folds of shape {folds.shape} with {len(names)} values; want ({n},) and at least 2"
        )
    return np.tile(fold, (config.members, 1))


def _mean_model(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    fold: np.ndarray,
    out_of_fold: np.ndarray | None,
    config: CrossFitConfig,
    seed: int,
) -> tuple[MeanModel, np.ndarray, np.ndarray | None]:
    """Mean model, out-of-fold mean and spread."""
    if model is None:
        return NetworkMean.fit(x, y, fold, config.mean, child_seed(seed, 13))
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        regressors, predicted = RegressorMean.fit(model, x, y, fold[0])
        return regressors, predicted, None
    wrapped = as_mean(model)
    predicted = wrapped.predict(x) if out_of_fold is None else np.asarray(out_of_fold, float)
    predicted = predicted.reshape(len(x), -1)
    if predicted.shape != y.shape:
        raise InvalidData(f"predictions of shape {predicted.shape} for targets {y.shape}")
    return wrapped, predicted, wrapped.spread(x)


def _noise(mean: NetworkMean, sizes: SizeModel, x: np.ndarray, spread: np.ndarray) -> Noise:
    """What residuals and log sizes of one fold's networks lose when all folds are averaged."""
    of_fold, deviation = mean.by_fold(x)
    folds = len(of_fold)
    members = mean.networks.config()["members"] // folds
    lost = np.sqrt(1.0 - 1.0 / folds)
    up, down = sizes.noise(mean.features(x), of_fold, deviation)
    return Noise(spread * lost / np.sqrt(members), up * lost, down * lost)
