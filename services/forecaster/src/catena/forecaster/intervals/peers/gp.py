"""Gaussian process, for few rows: its cost grows with their cube.

Rasmussen & Williams (2006), chapters 2 and 5; the kernel is that of
:class:`catena.models.gp.GaussianProcess`, its parameters by the marginal likelihood.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch

from catena.forecaster.intervals.model import check_training, group
from catena.forecaster.intervals.networks import child_seed
from catena.forecaster.intervals.peers.normal import NormalIntervals
from catena.forecaster.intervals.scaling import Scaler
from catena.models.gp import GaussianProcess, GPHyperparameters
from catena.shared.errors import InvalidData

MOST_ROWS = 2000
LEAST_ROWS = 4


class GaussianProcessIntervals(NormalIntervals):
    """Fitted by :func:`fit_gp`; one process per output, so that each skips its missing targets."""

    method = "gp"

    def __init__(self, scaler: Scaler, targets: Scaler, processes: list[GaussianProcess]) -> None:
        self.inputs, self.outputs = len(scaler.center), len(processes)
        self.scaler = scaler
        self.targets = targets
        self.processes = processes

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior predictive mean and standard deviation, noise included."""
        scores = torch.as_tensor(self.scaler.encode(x))
        mean, variance = [], []
        for process in self.processes:
            m, v = process.predict(scores)
            mean.append(m.numpy()[:, 0])
            variance.append(v.numpy()[:, 0] + math.exp(float(process.hyper.log_noise[0])))
        sd = np.sqrt(np.stack(variance, axis=1)) * self.targets.spread
        return self.targets.decode(np.stack(mean, axis=1)), sd

    def _state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = self.scaler.to_arrays("scaler") | self.targets.to_arrays("targets")
        for j, process in enumerate(self.processes):
            arrays |= {f"process.{j}.{k}": v.numpy() for k, v in process.state().items()}
        return arrays, {"processes": [process.config() for process in self.processes]}

    @classmethod
    def from_state(
        cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]
    ) -> GaussianProcessIntervals:
        """Inverse of the saved state."""
        processes = []
        for j, config in enumerate(meta["processes"]):
            saved = group(arrays, f"process.{j}")
            state = {k: torch.as_tensor(np.array(v)) for k, v in saved.items()}
            processes.append(GaussianProcess.from_state(config, state))
        return cls(
            Scaler.from_arrays(arrays, "scaler"), Scaler.from_arrays(arrays, "targets"), processes
        )


def fit_gp(x: np.ndarray, y: np.ndarray, *, seed: int = 0) -> GaussianProcessIntervals:
    """Fit a Gaussian process with a Matern 5/2 kernel, one lengthscale per input.

    Parameters
    ----------
    x, y : ndarray, (n, d), (n,) or (n, k)
        At most 2000 rows; targets that are NaN are skipped.
    seed : int
        Of the second start of the search.

    Raises
    ------
    InvalidData
        Data that cannot be fitted, or too many rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    x, y = check_training(x, y, LEAST_ROWS)
    if len(x) > MOST_ROWS:
        raise InvalidData(
            f"a Gaussian process on {len(x)} rows; its cost grows with their cube, at most "
            f"{MOST_ROWS}: take another method or fewer rows"
        )
    scaler, targets = Scaler.of(x), Scaler.of(y)
    scores, wanted = scaler.encode(x), targets.encode(y)
    processes = []
    for j in range(y.shape[1]):
        there = np.isfinite(wanted[:, j])
        kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
            np.full(x.shape[1], 2.0), (0.1, 1e3), nu=2.5
        ) + WhiteKernel(0.1, (1e-6, 2.0))
        search = GaussianProcessRegressor(
            kernel, n_restarts_optimizer=1, random_state=child_seed(seed, 61) % 2**32
        )
        with warnings.catch_warnings():
            # a lengthscale at its bound is an input that does not matter
            warnings.simplefilter("ignore", ConvergenceWarning)
            search.fit(scores[there], wanted[there, j])
        found = search.kernel_
        hyper = GPHyperparameters(
            torch.log(torch.as_tensor(np.atleast_1d(found.k1.k2.length_scale)))[None],
            torch.tensor([math.log(found.k1.k1.constant_value)], dtype=torch.float64),
            torch.tensor([-math.inf], dtype=torch.float64),
            torch.tensor([math.log(found.k2.noise_level)], dtype=torch.float64),
        )
        processes.append(
            GaussianProcess(
                torch.as_tensor(scores[there]), torch.as_tensor(wanted[there, j : j + 1]), hyper
            )
        )
    fitted = GaussianProcessIntervals(scaler, targets, processes)
    fitted._remember_training(x)
    return fitted
