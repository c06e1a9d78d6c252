"""A fast substitute of the model, with a variance that can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from catena.calibrator.prior import Prior
from catena.calibrator.variance import VarianceModel
from catena.models.gp import GaussianProcess
from catena.models.mlp import MLPEnsemble
from catena.models.svd import LinearReduction
from catena.shared.errors import InvalidData

Emulator = MLPEnsemble | GaussianProcess
# rows per call: bounds memory (a process keeps outputs x runs x rows numbers)
ROWS = {MLPEnsemble: 4096, GaussianProcess: 1024}
# a point farther from all runs than the loneliest run is from the others, times this, is
# extrapolation
SLACK = 1.1


class Surrogate:
    """Predicts outputs and their variance from parameters; made by :func:`fit_surrogate`.

    Parameters
    ----------
    prior : Prior
        Names, bounds and units of the parameters.
    emulator : MLPEnsemble or GaussianProcess
        From parameters scaled to [-1, 1] to latent outputs.
    reduction : LinearReduction
        From latent outputs to physical ones.
    variance : VarianceModel
        Calibrated variance of latent outputs.
    inflation : ndarray, (k,)
        Factor on each output's variance that makes it match cross-validation residuals.
    center, spread : ndarray, (k,)
        Mean and standard deviation of each output over the training runs, physical units.
    runs : ndarray, (n, d)
        Parameters of the training runs, physical units.
    report : dict
        How it was chosen and how good it is; JSON-able.
    """

    def __init__(
        self,
        prior: Prior,
        emulator: Emulator,
        reduction: LinearReduction,
        variance: VarianceModel,
        inflation: np.ndarray,
        center: np.ndarray,
        spread: np.ndarray,
        runs: np.ndarray,
        report: dict[str, Any],
    ) -> None:
        self.prior = prior
        self.emulator = emulator
        self.reduction = reduction
        self.variance = variance
        self.inflation = inflation
        self.center = center
        self.spread = spread
        self.runs = runs
        self.report = report
        self._tree = cKDTree(prior.to_unit(runs))
        self._reach = SLACK * float(self._tree.query(self._tree.data, k=2)[0][:, 1].max())
        self._constants: dict[torch.dtype, tuple[Tensor, ...]] = {}

    @property
    def outputs(self) -> int:
        """Number of outputs k."""
        return len(self.center)

    @property
    def method(self) -> str:
        """``"mlp"`` or ``"gp"``."""
        return "gp" if isinstance(self.emulator, GaussianProcess) else "mlp"

    @property
    def r2(self) -> np.ndarray:
        """Share of variance of each output explained in cross-validation, (k,)."""
        return np.asarray(self.report["r2"])

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the outputs.

        Parameters
        ----------
        x : array_like, (n, d)
            Parameters in physical units.

        Returns
        -------
        mean, sd : ndarray, (n, k)
            Physical units.

        Raises
        ------
        InvalidData
            Wrong shape, or numbers that are not finite.
        """
        x = self._checked(x)
        means, variances = [], []
        rows = ROWS[type(self.emulator)]
        unit = torch.as_tensor(self.prior.to_unit(x), dtype=torch.float64)
        for start in range(0, len(x), rows):
            latent, own = self._latent(unit[start : start + rows])
            mean = latent.numpy().astype(np.float64)
            variance = self.variance(own.numpy().astype(np.float64))
            means.append(self.reduction.decode(mean))
            variances.append(self.reduction.decode_variance(variance) * self.inflation)
        if not means:
            return np.empty((0, self.outputs)), np.empty((0, self.outputs))
        return np.concatenate(means), np.sqrt(np.concatenate(variances))

    @torch.no_grad()
    def _latent(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        return self._emulate(unit)

    def _emulate(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        scaled = 2.0 * unit - 1.0
        if isinstance(self.emulator, GaussianProcess):
            return self.emulator.predict(scaled)
        return self.emulator.mean_and_spread(scaled.float())

    def standard_moments(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of standardised outputs; differentiable, in one piece.

        Parameters
        ----------
        unit : Tensor, (n, d)
            Parameters in the unit cube.

        Returns
        -------
        mean, variance : Tensor, (n, k), dtype of `unit`
            Of ``(output - center) / spread``.
        """
        mean, own = (value.to(unit.dtype) for value in self._emulate(unit))
        constant, slope, shift, factor, floor, basis, inflation = self._torch_constants(unit.dtype)
        variance = constant + slope * own
        if basis.numel():
            mean, variance = mean @ basis, variance @ (basis * basis)
        return shift + mean * factor, inflation * factor * factor * (variance + floor)

    def _torch_constants(self, dtype: torch.dtype) -> tuple[Tensor, ...]:
        if dtype not in self._constants:
            reduction = self.reduction
            self._constants[dtype] = tuple(
                torch.as_tensor(np.asarray(value), dtype=dtype)
                for value in (
                    self.variance.constant,
                    self.variance.slope,
                    (reduction.offset - self.center) / self.spread,
                    reduction.scale / self.spread,
                    reduction.truncation,
                    np.empty(0) if reduction.basis is None else reduction.basis,
                    self.inflation,
                )
            )
        return self._constants[dtype]

    @torch.no_grad()
    def standard_table(self, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`standard_moments` of many rows in chunks, float32 in and out."""
        rows = ROWS[type(self.emulator)]
        tables = [
            self.standard_moments(torch.as_tensor(unit[i : i + rows], dtype=torch.float32))
            for i in range(0, len(unit), rows)
        ]
        return (
            torch.cat([mean for mean, _ in tables]).numpy(),
            torch.cat([variance for _, variance in tables]).numpy(),
        )

    def extrapolates(self, x: np.ndarray) -> np.ndarray:
        """Whether each row of `x` (n, d) lies outside what the training runs cover.

        True outside the prior, and where the nearest run is farther (in the unit cube) than the
        loneliest training run is from its own nearest neighbour.
        """
        x = self._checked(x)
        distance = self._tree.query(self.prior.to_unit(x), k=1)[0]
        return np.asarray(~self.prior.contains(x) | (distance > self._reach))

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.prior.size or not np.isfinite(x).all():
            raise InvalidData(
                f"parameters have shape {x.shape}; want finite numbers of shape (n, "
                f"{self.prior.size}), one column each of {', '.join(self.prior.names)}"
            )
        return x

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything needed to rebuild it: arrays for safetensors, architecture for JSON."""
        arrays = {
            **{f"emulator.{k}": v.numpy() for k, v in self.emulator.state().items()},
            **{f"reduction.{k}": np.asarray(v) for k, v in self.reduction.state().items()},
            "variance.constant": self.variance.constant,
            "variance.slope": self.variance.slope,
            "inflation": self.inflation,
            "center": self.center,
            "spread": self.spread,
            "runs": self.runs,
        }
        meta = {
            "method": self.method,
            "emulator": self.emulator.config(),
            "prior": self.prior.to_dict(),
            "report": self.report,
        }
        return {k: np.ascontiguousarray(v) for k, v in arrays.items()}, meta

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Surrogate:
        """Inverse of :meth:`to_arrays`."""

        def group(name: str) -> dict[str, np.ndarray]:
            start = name + "."
            return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}

        kind: type[Emulator] = GaussianProcess if meta["method"] == "gp" else MLPEnsemble
        state = {k: torch.as_tensor(np.array(v)) for k, v in group("emulator").items()}
        return cls(
            Prior.from_dict(meta["prior"]),
            kind.from_state(meta["emulator"], state),
            LinearReduction.from_state(group("reduction")),
            VarianceModel(arrays["variance.constant"], arrays["variance.slope"]),
            arrays["inflation"],
            arrays["center"],
            arrays["spread"],
            arrays["runs"],
            meta["report"],
        )
