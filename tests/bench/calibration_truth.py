"""The yardstick of the calibration benchmark: data, reference posterior, and scores against it.

The reference posterior knows more than any contender: a Gaussian process on all 900 runs (the
contenders see 800) and 400,000 weighted draws of the prior. It is written independently of the
package on purpose, so that a defect there cannot hide in its own yardstick.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from catena.calibrator import checks, generated

Array = NDArray[np.float64]

TRAINING_RUNS = 800
DRAWS = 1000
BANK = 400_000
JUDGED = 250  # draws per site that the predictive check looks at: the judge is the dear part


@dataclass(frozen=True)
class Data:
    """Runs of a model, split as the protocol says."""

    title: str
    generated: bool
    parameters: Array
    outputs: Array
    low: Array
    high: Array

    @property
    def training(self) -> tuple[Array, Array]:
        return self.parameters[:TRAINING_RUNS], self.outputs[:TRAINING_RUNS]

    @property
    def test(self) -> tuple[Array, Array]:
        return self.parameters[TRAINING_RUNS:], self.outputs[TRAINING_RUNS:]

    @property
    def spread(self) -> Array:
        """Standard deviation of each output over the training runs, the unit "sd" below."""
        return self.outputs[:TRAINING_RUNS].std(axis=0)


def load_data() -> Data:
    """The 900 real runs in CATENA_DATA/elm_calibration; without them 900 generated ones."""
    folder = Path(os.environ.get("CATENA_DATA", "")) / "elm_calibration"
    if os.environ.get("CATENA_DATA") and folder.is_dir():
        return Data(
            "900 ELM runs at Missouri Ozark, annual latent heat 2006-2010",
            False,
            np.load(folder / "InputPara.npy", allow_pickle=False),
            np.load(folder / "Observations.npy", allow_pickle=False),
            generated.LOW,
            generated.HIGH,
        )
    parameters, outputs = generated.generated_ensemble(900, seed=2024)
    return Data(generated.TITLE, True, parameters, outputs, generated.LOW, generated.HIGH)


def observe(data: Data, fraction: float, *, seed: int) -> tuple[Array, Array]:
    """Test outputs plus Gaussian noise of `fraction` spreads: (values (s, k), error_sd (k,))."""
    error_sd = fraction * data.spread
    noise = np.random.default_rng(seed).standard_normal(data.test[1].shape)
    return data.test[1] + noise * error_sd, error_sd


class GaussianProcess:
    """One exact Gaussian process per output: Matern 5/2 (a length per parameter) plus a line.

    Hyperparameters maximise the marginal likelihood on half the runs; the process is then
    conditioned on all of them. Rasmussen and Williams (2006), chapters 2 and 5.
    """

    def __init__(self, unit: Array, outputs: Array, *, seed: int = 0) -> None:
        self.x = torch.as_tensor(unit, dtype=torch.float64)
        self.mean, self.spread = outputs.mean(axis=0), outputs.std(axis=0)
        z = torch.as_tensor((outputs - self.mean) / self.spread)
        half = torch.as_tensor(np.random.default_rng(seed).permutation(len(unit))[: len(unit) // 2])
        self.theta, self.whitener, self.alpha = [], [], []
        self.leave_one_out_r2 = np.empty(outputs.shape[1])
        for j in range(outputs.shape[1]):
            theta = self._hyperparameters(self.x[half], z[half, j])
            factor = torch.linalg.cholesky(self._covariance(self.x, theta))
            inverse = torch.cholesky_inverse(factor)
            alpha = inverse @ z[:, j]
            residual = alpha / inverse.diag()
            self.leave_one_out_r2[j] = 1 - float((residual**2).mean())
            identity = torch.eye(len(unit), dtype=torch.float64)
            self.theta.append(theta)
            self.alpha.append(alpha)
            self.whitener.append(torch.linalg.solve_triangular(factor, identity, upper=False))

    @staticmethod
    def _kernel(a: torch.Tensor, b: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        length, amplitude, linear = theta[:-3].exp(), theta[-3].exp(), theta[-2].exp()
        p, q = a / length, b / length
        square = (p * p).sum(1)[:, None] + (q * q).sum(1) - 2 * p @ q.T
        r = (5 * square.clamp_min(1e-12)).sqrt()
        return amplitude * (1 + r + r * r / 3) * (-r).exp() + linear * (1 + a @ b.T)

    def _covariance(self, x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        noise = theta[-1].exp() + 1e-6
        return self._kernel(x, x, theta) + noise * torch.eye(len(x), dtype=x.dtype)

    def _hyperparameters(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        def loss(values: Array) -> tuple[float, Array]:
            theta = torch.tensor(values, requires_grad=True)
            factor = torch.linalg.cholesky(self._covariance(x, theta))
            alpha = torch.cholesky_solve(y[:, None], factor)[:, 0]
            value = 0.5 * y @ alpha + factor.diag().log().sum()
            value.backward()
            assert theta.grad is not None
            return value.item(), theta.grad.numpy()

        d = x.shape[1]
        start = np.concatenate([np.zeros(d + 2), [np.log(0.02)]])
        bounds = [(-3.0, 5.0)] * d + [(-6.0, 6.0), (-10.0, 5.0), (-12.0, 1.0)]
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}
        )
        return torch.as_tensor(found.x)

    def predict(self, unit: Array, *, variance: bool = True) -> tuple[Array, Array]:
        """Mean and predictive standard deviation (n, k), units of the outputs."""
        mean = np.empty((len(unit), len(self.theta)))
        sd = np.zeros_like(mean)
        points = torch.as_tensor(unit, dtype=torch.float64)
        for j, theta in enumerate(self.theta):
            own = (
                theta[-3].exp() + theta[-2].exp() * (1 + (points * points).sum(1)) + theta[-1].exp()
            )
            for i in range(0, len(points), 1000):
                k = self._kernel(points[i : i + 1000], self.x, theta)
                mean[i : i + 1000, j] = (k @ self.alpha[j]).numpy()
                if variance:
                    gain = (k @ self.whitener[j].T).square().sum(1)
                    sd[i : i + 1000, j] = (own[i : i + 1000] - gain).clamp_min(1e-10).sqrt().numpy()
        return self.mean + mean * self.spread, sd * self.spread


class Reference:
    """Posterior by importance weights on prior draws, through a Gaussian process on all runs."""

    def __init__(self, data: Data, *, bank: int = BANK, seed: int = 7) -> None:
        self.low, self.high = data.low, data.high
        everything = checks.unit_cube(data.parameters, data.low, data.high)
        self.process = GaussianProcess(everything, data.outputs, seed=seed)
        self.unit = np.random.default_rng(seed).uniform(size=(bank, len(data.low)))
        self.mean, self.sd = self.process.predict(self.unit)

    def posterior(
        self,
        values: Array,
        error_sd: Array,
        observed: NDArray[np.bool_] | None = None,
        *,
        draws: int = DRAWS,
        seed: int,
    ) -> tuple[Array, Array]:
        """Draws (s, draws, d) in physical units and effective sizes (s,) of their weights.

        Ask for twice the draws and halve them to get two independent sets at one price.

        The likelihood is Gaussian; its variance is that of the observation error plus that of the
        process's own prediction.
        """
        rng = np.random.default_rng(seed)
        mask = np.broadcast_to(True if observed is None else observed, values.shape)
        mean = np.ascontiguousarray(self.mean.T)
        chosen = np.empty((len(values), draws, len(self.low)))
        size = np.empty(len(values))
        variance = np.ascontiguousarray((self.sd**2 + np.asarray(error_sd) ** 2).T)
        half_log, half_precision = 0.5 * np.log(variance), 0.5 / variance
        for i in range(len(values)):
            log_weight = np.zeros(len(self.unit))
            for j in np.flatnonzero(mask[i]):
                log_weight -= (values[i, j] - mean[j]) ** 2 * half_precision[j] + half_log[j]
            weight = np.exp(log_weight - log_weight.max())
            weight /= weight.sum()
            size[i] = 1.0 / (weight**2).sum()
            picked = np.searchsorted(np.cumsum(weight), rng.uniform(size=draws))
            chosen[i] = self.unit[np.minimum(picked, len(weight) - 1)]
        return self.low + chosen * (self.high - self.low), size

    def predict(self, draws: Array) -> Array:
        """Outputs (s, n, k) at draws (s, n, d): the judge of every contender's predictive check."""
        unit = checks.unit_cube(draws, self.low, self.high)
        mean, _ = self.process.predict(unit.reshape(-1, unit.shape[-1]), variance=False)
        return mean.reshape(*draws.shape[:2], -1)


@dataclass(frozen=True)
class Setting:
    """Observations of one kind, with the reference's draws (twice: the second set is the floor)."""

    values: Array
    error_sd: Array
    observed: NDArray[np.bool_] | None
    draws: Array
    again: Array
    reference_size: Array
    floor: float
    reference_rmse: float


def prepare(
    data: Data,
    reference: Reference,
    fraction: float,
    *,
    observed: NDArray[np.bool_] | None = None,
    seed: int = 11,
) -> Setting:
    """Make observations of the test runs at one noise level and mask, and sample the reference."""
    values, error_sd = observe(data, fraction, seed=seed)
    both, size = reference.posterior(values, error_sd, observed, draws=2 * DRAWS, seed=seed + 1)
    draws, again = both[:, :DRAWS], both[:, DRAWS:]
    floor = sliced(data, draws, again)
    mask = None if observed is None else np.broadcast_to(observed, values.shape)
    rmse = checks.posterior_predictive(
        reference.predict(again[:, :JUDGED]), values, error_sd, mask
    ).rmse
    return Setting(values, error_sd, mask, draws, again, size, floor, rmse)


def sliced(data: Data, a: Array, b: Array) -> float:
    """Sliced Wasserstein distance of two sets of draws (s, n, d), unit cube, mean over sites."""
    distance = checks.sliced_wasserstein(
        checks.unit_cube(a, data.low, data.high), checks.unit_cube(b, data.low, data.high)
    )
    return float(distance.mean())


def score(data: Data, reference: Reference, setting: Setting, draws: Array) -> dict[str, float]:
    """Every quality figure of one contender's draws (s, n, d) in one setting."""
    truth = data.test[0]
    predicted = reference.predict(draws[:, :JUDGED])
    rmse = checks.posterior_predictive(
        predicted, setting.values, setting.error_sd, setting.observed
    ).rmse
    unit = checks.unit_cube(draws, data.low, data.high)
    target = checks.unit_cube(setting.draws, data.low, data.high)
    distance = sliced(data, draws, setting.draws)
    true_unit = checks.unit_cube(truth, data.low, data.high)
    outside = (draws < data.low) | (draws > data.high)
    return {
        "sliced_w": distance,
        "sliced_w_over_floor": distance / setting.floor,
        "ppc_rmse": rmse,
        "ppc_over_reference": rmse / setting.reference_rmse,
        "cover90": float(checks.interval_coverage(draws, truth).mean()),
        "sbc_ks": float(checks.sbc_ks(checks.sbc_ranks(draws, truth)).max()),
        "tarp": checks.tarp(unit, true_unit).deviation,
        "c2st": float(checks.c2st(unit, target).mean()),
        "outside_box": float(outside.any(axis=2).mean()),
    }
