"""Mean models that intervals stand on: own networks, any torch module, any regressor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from catena.forecaster.intervals.model import group
from catena.forecaster.intervals.networks import (
    ROWS,
    NetworkConfig,
    child_seed,
    evaluate,
    new_networks,
    squared_error,
    train_networks,
)
from catena.forecaster.intervals.scaling import Scaler
from catena.models.mlp import MLPEnsemble
from catena.shared.errors import InvalidData


class MeanModel(Protocol):
    """What intervals need of a fitted model."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Mean of each output, (n, k)."""

    def features(self, x: np.ndarray) -> np.ndarray:
        """What the widths are a function of, (n, d)."""

    def spread(self, x: np.ndarray) -> np.ndarray | None:
        """Standard deviation between members, (n, k), where there are members."""


class NetworkMean:
    """Mean of small networks, `members` of each fold.

    Parameters
    ----------
    inputs, targets : Scaler
        Of the training rows.
    networks : MLPEnsemble
        Folds times members.
    folds : int
        Groups of members that were trained on the same rows.
    """

    def __init__(self, inputs: Scaler, targets: Scaler, networks: MLPEnsemble, folds: int) -> None:
        self.inputs = inputs
        self.targets = targets
        self.networks = networks
        self.folds = folds

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        fold: np.ndarray,
        config: NetworkConfig,
        seed: int,
    ) -> tuple[NetworkMean, np.ndarray, np.ndarray]:
        """Train a group of members for each fold, on the other folds, all in one pass.

        Parameters
        ----------
        x, y : ndarray, (n, d), (n, k)
            Targets may be NaN.
        fold : ndarray of int, (members, n)
            Fold of each row, for each member of a group: members that partition the rows
            differently also tell how much depends on which rows were seen. All 0: one group that
            sees every row, and stops after all steps.
        config, seed
            Training; the seed.

        Returns
        -------
        NetworkMean
        mean, spread : ndarray, (n, k)
            Of each row by the members that have not seen it (those of its fold).
        """
        inputs, targets = Scaler.of(x), Scaler.of(y)
        scores, wanted = inputs.encode(x), targets.encode(y)
        folds, members = int(fold.max()) + 1, len(fold)
        there = np.isfinite(y).any(axis=1)
        seen = np.concatenate([there & ((fold != f) | (folds == 1)) for f in range(folds)])
        networks = new_networks(
            x.shape[1], y.shape[1], folds * members, config, child_seed(seed, 1)
        )
        own = _Own(scores, fold, folds)

        def error(candidate: MLPEnsemble) -> float:
            return float(np.nanmean((own(candidate)[0] - wanted) ** 2))

        networks = train_networks(
            networks,
            scores,
            wanted,
            seen,
            squared_error,
            config,
            child_seed(seed, 2),
            error if folds > 1 else None,
        )
        mean, spread = own(networks)
        return (
            cls(inputs, targets, networks, folds),
            targets.decode(mean),
            spread * targets.spread,
        )

    def by_fold(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the members of each fold, their standard deviation, (folds, n, k) each."""
        members = evaluate(self.networks, self.inputs.encode(x))
        members = members.reshape(self.folds, -1, *members.shape[1:])
        deviation = members.std(axis=1, ddof=_ddof(members)) * self.targets.spread
        return self.targets.decode(members.mean(axis=1)), deviation

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Mean over all members, (n, k)."""
        return np.asarray(self.by_fold(x)[0].mean(axis=0))

    def features(self, x: np.ndarray) -> np.ndarray:
        """The inputs themselves."""
        return x

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation between members of one fold, its square averaged over folds."""
        return np.asarray(np.sqrt(np.square(self.by_fold(x)[1]).mean(axis=0)))

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Weights and scalers, architecture."""
        arrays = {f"networks.{k}": v.numpy() for k, v in self.networks.state().items()}
        arrays |= self.inputs.to_arrays("inputs") | self.targets.to_arrays("targets")
        return arrays, {"networks": self.networks.config(), "folds": self.folds}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> NetworkMean:
        """Inverse of :meth:`to_arrays`."""
        return cls(
            Scaler.from_arrays(arrays, "inputs"),
            Scaler.from_arrays(arrays, "targets"),
            networks_from(arrays, "networks", meta["networks"]),
            int(meta["folds"]),
        )


class TorchMean:
    """A trained torch module that exposes features, e.g. the last hidden vector of an LSTM.

    Parameters
    ----------
    module : torch.nn.Module
        ``module(x)`` gives the outputs, (n,) or (n, k), for inputs (n, d) float32.
    features : callable, optional
        ``features(x)`` gives (n, q); the module's own method ``features`` if left out.

    Notes
    -----
    The module is not part of the state that is saved: it is passed again when the intervals are
    rebuilt. Rows that it was trained on have residuals that are too small: fit on others, or give
    out-of-fold predictions.
    """

    def __init__(
        self, module: nn.Module, features: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> None:
        exposed = features or getattr(module, "features", None)
        if not callable(exposed):
            raise InvalidData(
                f"{type(module).__name__} has no method features(x); pass one as `features`"
            )
        self.module = module
        self._features = exposed

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The module's outputs, (n, k)."""
        return _columns(self._run(self.module, x))

    def features(self, x: np.ndarray) -> np.ndarray:
        """Its features, (n, q)."""
        return self._run(self._features, x)

    def spread(self, x: np.ndarray) -> None:
        """None: one module."""

    @torch.no_grad()
    def _run(self, function: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray) -> np.ndarray:
        training = self.module.training
        self.module.eval()
        inputs = torch.as_tensor(x, dtype=torch.float32)
        parts = [function(inputs[i : i + ROWS]).numpy() for i in range(0, len(x), ROWS)]
        self.module.train(training)
        return np.concatenate(parts).astype(np.float64)


class RegressorMean:
    """Fitted scikit-learn regressors, averaged.

    Parameters
    ----------
    regressors : list
        One or more, with ``predict``; features are the inputs. Not part of the saved state.
    """

    def __init__(self, regressors: list[Any]) -> None:
        self.regressors = regressors

    @classmethod
    def fit(
        cls, regressor: Any, x: np.ndarray, y: np.ndarray, fold: np.ndarray
    ) -> tuple[RegressorMean, np.ndarray]:
        """Fit clones without each fold; returns their average and out-of-fold predictions.

        Targets that are missing in any output leave the row out of the fit.
        """
        from sklearn.base import clone

        whole = np.isfinite(y).all(axis=1)
        fitted, mean = [], np.empty_like(y)
        for f in range(int(fold.max()) + 1):
            use = whole & ((fold != f) | (fold.max() == 0))
            target = y[use] if y.shape[1] > 1 else y[use, 0]
            fitted.append(clone(regressor).fit(x[use], target))
            mean[fold == f] = _columns(fitted[-1].predict(x[fold == f]))
        return cls(fitted), mean

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Average of the regressors, (n, k)."""
        every = [_columns(np.asarray(r.predict(x), dtype=np.float64)) for r in self.regressors]
        return np.asarray(np.mean(every, axis=0))

    def features(self, x: np.ndarray) -> np.ndarray:
        """The inputs themselves."""
        return x

    def spread(self, x: np.ndarray) -> None:
        """None: clones differ by their folds, which is no measure of one fold's uncertainty."""


def as_mean(model: Any) -> MeanModel:
    """A torch module or a fitted regressor wrapped, or a mean model as it is.

    Raises
    ------
    InvalidData
        It is none of them.
    """
    if isinstance(model, nn.Module) and not isinstance(model, MLPEnsemble):
        return TorchMean(model)
    if all(callable(getattr(model, name, None)) for name in ("predict", "features", "spread")):
        found: MeanModel = model
        return found
    if callable(getattr(model, "predict", None)):
        return RegressorMean([model])
    raise InvalidData(
        f"a {type(model).__name__} cannot be wrapped; want a scikit-learn regressor, "
        "a torch module with features(x), or an object with predict, features and spread"
    )


def saved_mean(
    arrays: dict[str, np.ndarray], meta: dict[str, Any], mean: MeanModel | None
) -> MeanModel:
    """The mean model of saved intervals: the one that is passed, or the networks saved with them.

    Raises
    ------
    InvalidData
        Neither is there.
    """
    if mean is not None:
        return as_mean(mean)
    if "mean" not in meta:
        raise InvalidData(
            "these intervals were fitted around a model of yours, which is not saved with them: "
            "pass it as `mean`"
        )
    return NetworkMean.from_arrays(group(arrays, "mean"), meta["mean"])


class _Own:
    """Predictions of each row by the members of its own folds, which have not seen it."""

    def __init__(self, x: np.ndarray, fold: np.ndarray, folds: int) -> None:
        self.x = x
        self.fold = fold
        self.folds = folds

    def __call__(self, networks: MLPEnsemble) -> tuple[np.ndarray, np.ndarray]:
        members = evaluate(networks, self.x)
        members = members.reshape(self.folds, len(self.fold), *members.shape[1:])
        own = members[self.fold, np.arange(len(self.fold))[:, None], np.arange(len(self.x))]
        return own.mean(axis=0), own.std(axis=0, ddof=_ddof(members))


def networks_from(arrays: dict[str, np.ndarray], name: str, config: dict[str, int]) -> MLPEnsemble:
    """Networks whose weights were saved under ``name.``."""
    state = {k: torch.as_tensor(np.array(v)) for k, v in group(arrays, name).items()}
    return MLPEnsemble.from_state(config, state)


def _ddof(members: np.ndarray) -> int:
    """Members lie in axis 1."""
    return 1 if members.shape[1] > 1 else 0


def _columns(values: np.ndarray) -> np.ndarray:
    return values[:, None] if values.ndim == 1 else values
