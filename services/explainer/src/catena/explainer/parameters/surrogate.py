"""The calibrator's surrogate as a function of parameters, rebuilt from its artifact alone.

An artifact of kind ``surrogate`` holds ``surrogate.json`` (names, ranges, architecture, skill in
cross-validation) and ``surrogate.safetensors`` (weights, or the training runs of a Gaussian
process). Only the mean is read here: a sensitivity is one of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catena.models.gp import GaussianProcess, covariance
from catena.models.mlp import MLPEnsemble
from catena.models.svd import LinearReduction
from catena.shared.errors import FieldViolation, InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts import Artifact

Array = NDArray[np.float64]

KIND = "surrogate"
NUMBERS = 1 << 18
"""Numbers of the largest array of one pass: what stays in a processor's cache is twice as fast."""


@dataclass(frozen=True)
class Named:
    """Names, units and long names of parameters or of outputs."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    long_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: Sequence[int]) -> Named:
        """Some of them."""
        return Named(*(tuple(part[i] for i in rows) for part in vars(self).values()))


@dataclass(frozen=True, eq=False)
class ParameterModel:
    """A model's outputs as a function of its d parameters, fast enough to be asked a million times.

    Parameters
    ----------
    parameters, outputs : Named
        Of the d parameters and the k outputs.
    low, high : (d,) arrays
        The box in which the parameters are uniform and independent, physical units.
    r2 : (k,) array
        Share of each output's variance that the surrogate gives on runs it has not seen.
    emulator : MLPEnsemble or GaussianProcess
        From parameters scaled to [-1, 1] to scores.
    reduction : LinearReduction
        From scores to outputs, physical units.
    about : dict
        Title, method and number of runs; JSON-able.
    """

    parameters: Named
    outputs: Named
    low: Array
    high: Array
    r2: Array
    emulator: MLPEnsemble | GaussianProcess
    reduction: LinearReduction
    about: dict[str, Any]

    def physical(self, unit: Array) -> Array:
        """Unit cube (..., d) to physical units."""
        return np.asarray(self.low + np.asarray(unit, dtype=np.float64) * (self.high - self.low))

    def predict(self, unit: Array) -> Array:
        """Mean of the outputs.

        Parameters
        ----------
        unit : (n, d) array
            Parameters in the unit cube.

        Returns
        -------
        (n, k) array
            Physical units.

        Raises
        ------
        InvalidData
            Wrong shape, or numbers that are not finite or outside the cube.
        """
        unit = np.asarray(unit, dtype=np.float64)
        d = len(self.parameters)
        if unit.ndim != 2 or unit.shape[1] != d:
            raise InvalidData(
                f"parameters of shape {unit.shape}; give (n, {d}), one column each of "
                f"{', '.join(self.parameters.names)}"
            )
        if not ((unit >= 0.0) & (unit <= 1.0)).all():
            raise InvalidData("parameters outside the unit cube; give numbers from 0 to 1")
        rows = max(1, NUMBERS // self._width())
        predicted = np.empty((len(unit), len(self.outputs)))
        for start in range(0, len(unit), rows):
            scores = self._scores(torch.as_tensor(2.0 * unit[start : start + rows] - 1.0))
            part = self.reduction.decode(scores.numpy().astype(np.float64))
            predicted[start : start + rows] = part
        return predicted

    @torch.no_grad()
    def _scores(self, scaled: Tensor) -> Tensor:
        if isinstance(self.emulator, GaussianProcess):
            # the mean alone: the variance would cost a triangular solve with every run
            gp = self.emulator
            return (covariance(scaled, gp.inputs, gp.hyper) @ gp.alpha[:, :, None])[:, :, 0].T
        return self.emulator.mean_and_spread(scaled.float())[0]

    def _width(self) -> int:
        """Numbers that one row needs at most."""
        config = self.emulator.config()
        if isinstance(self.emulator, GaussianProcess):
            return max(config["runs"] * config["outputs"], len(self.outputs))
        return max(config["members"] * config["width"], len(self.outputs))

    def select(self, outputs: Sequence[int]) -> ParameterModel:
        """The same model with some of its outputs, which are all that it computes."""
        rows = list(outputs)
        whole = self.reduction
        basis = None if whole.basis is None else whole.basis[:, rows]
        emulator = self.emulator
        if basis is None:  # every output is its own score: leave the others' columns out
            basis = np.zeros((len(whole.offset), len(rows)))
            basis[rows, np.arange(len(rows))] = 1.0
            if isinstance(emulator, GaussianProcess):
                emulator, basis = _of_scores(emulator, rows), None
        return replace(
            self,
            outputs=self.outputs.take(rows),
            r2=self.r2[rows],
            emulator=emulator,
            reduction=LinearReduction(
                whole.offset[rows], whole.scale[rows], basis, whole.truncation[rows]
            ),
        )


def _of_scores(gp: GaussianProcess, rows: list[int]) -> GaussianProcess:
    """Some of the independent processes."""
    state = {
        name: value if name == "inputs" else value[:, rows] if name == "targets" else value[rows]
        for name, value in gp.state().items()
    }
    return GaussianProcess.from_state(gp.config() | {"outputs": len(rows)}, state)


def read_surrogate(artifact: Artifact) -> ParameterModel:
    """Rebuild a surrogate of the calibrator.

    Parameters
    ----------
    artifact : Artifact
        Of kind ``surrogate``.

    Raises
    ------
    InvalidData
        Another kind of artifact, or one whose parts do not fit together.
    """
    if artifact.kind != KIND:
        text = f"an artifact of kind {artifact.kind!r}; give one of kind {KIND!r} (TrainSurrogate)"
        raise InvalidData("no surrogate", violations=[FieldViolation("surrogate", text)])
    plain = artifact.read_json("surrogate.json")
    arrays = artifact.read_arrays("surrogate.safetensors")
    try:
        return _rebuilt(plain["about"], plain["surrogate"], arrays)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidData(
            f"the surrogate cannot be rebuilt ({type(error).__name__}: {error}); train it again "
            "with TrainSurrogate"
        ) from error


def _rebuilt(
    about: dict[str, Any], meta: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> ParameterModel:
    def group(name: str) -> dict[str, np.ndarray]:
        start = name + "."
        return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}

    kinds: dict[str, type[GaussianProcess] | type[MLPEnsemble]] = {
        "gp": GaussianProcess,
        "mlp": MLPEnsemble,
    }
    kind = kinds[meta["method"]]
    state = {name: torch.as_tensor(np.array(value)) for name, value in group("emulator").items()}
    prior, outputs, data = about["prior"], about["outputs"], about["data"]
    report = meta["report"]
    names = tuple(prior["names"])
    model = ParameterModel(
        Named(names, tuple(prior["units"]), tuple(about["parameter_long_names"]) or names),
        Named(tuple(outputs["names"]), tuple(outputs["units"]), tuple(outputs["long_names"])),
        np.asarray(prior["low"], dtype=np.float64),
        np.asarray(prior["high"], dtype=np.float64),
        np.asarray(report["r2"], dtype=np.float64),
        kind.from_state(meta["emulator"], state),
        LinearReduction.from_state(group("reduction")),
        {
            "title": data.get("title", ""),
            "source_note": data.get("source_note", ""),
            "generated": bool(data.get("generated", False)),
            "generated_weather": bool(data.get("generated_weather", False)),
            "model": data.get("model", ""),
            "method": meta["method"],
            "runs": int(report["runs"]),
            "mean_r2": float(report["mean_r2"]),
        },
    )
    k = len(model.outputs)
    sizes = {len(model.r2), len(model.reduction.offset), len(model.reduction.scale)}
    if sizes != {k} or meta["emulator"]["inputs"] != len(names):
        raise ValueError(
            f"{len(names)} parameters and {k} outputs are named, the emulator takes "
            f"{meta['emulator']['inputs']} and gives {sorted(sizes)}"
        )
    return model
