"""Shapley values of parameters: how far each moved an output of one point from the average.

A coalition of parameters is worth the mean output when its members are those of the point and the
others are drawn from the box (interventional values; for independent parameters they are the
conditional ones too: Lundberg & Lee 2017, NeurIPS 30, section 4). With few parameters all 2^d
coalitions are tried and the values are exact for the background drawn; with more, random orders of
the parameters are (:func:`catena.explainer.attribution.shapley.permutation_shap`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from catena.explainer.attribution.prediction import Groups
from catena.explainer.attribution.shapley import permutation_shap
from catena.explainer.parameters.sobol import Model, Progress
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

EXACT = 9
"""Most parameters whose coalitions are all tried: 512 of them."""
ADDITIVITY = 1e-4
"""Share of an output's range by which exact contributions may miss their sum; rounding, that is."""


@dataclass(frozen=True, eq=False)
class ParameterShap:
    """Contributions of d parameters to k outputs at n points of the box, in the outputs' units.

    Parameters
    ----------
    values : (n, k, d) array
        They sum to ``prediction - reference``.
    unit : (n, d) array
        The points, unit cube.
    prediction, reference : (n, k) and (k,) arrays
        Outputs there, and their mean over the background.
    additivity : float
        Largest error of a sum, as a share of the output's range.
    method : str
        ``"exact"`` or ``"permutation"``.
    evaluations : int
        Of the model.
    """

    values: Array
    unit: Array
    prediction: Array
    reference: Array
    additivity: float
    method: str
    evaluations: int

    @property
    def importance(self) -> Array:
        """Mean size of the contributions, (d, k), in the outputs' units."""
        return np.asarray(np.abs(self.values).mean(0).T)


def parameter_shap(
    model: Model,
    parameters: int,
    *,
    points: int = 128,
    background: int = 32,
    orders: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> ParameterShap:
    """Shapley values at points spread evenly over the box.

    Parameters
    ----------
    model : callable
        (n, d) points of the unit cube to (n, k) outputs.
    parameters : int
        d; all coalitions are tried up to :data:`EXACT`.
    points, background : int
        Points explained, and points that stand for the box; powers of two are best.
    orders : int
        Random orders for each point, with more parameters than :data:`EXACT`.
    seed : int
    progress : callable, optional

    Raises
    ------
    InvalidData
        No parameter, no point, outputs that are not finite or none that varies, or contributions
        that miss their sum.
    """
    if parameters < 1 or points < 2 or background < 1:
        raise InvalidData(
            f"{parameters} parameters, {points} points and a background of {background}; give at "
            "least 1, 2 and 1"
        )
    unit, base = (_spread(n, parameters, seed, part) for part, n in enumerate((points, background)))
    if parameters > EXACT:
        return _by_orders(model, unit, base, orders, seed)
    return _exact(model, unit, base, progress or (lambda fraction, message: None))


def _spread(n: int, d: int, seed: int, part: int) -> Array:
    rng = np.random.default_rng([seed, 2, part])
    points = qmc.Sobol(d, scramble=True, rng=rng).random_base2(max(n - 1, 1).bit_length())
    return np.asarray(points[:n])


def _exact(model: Model, unit: Array, base: Array, report: Progress) -> ParameterShap:
    n, d = unit.shape
    prediction = _checked(model(unit))
    values = np.zeros((n, prediction.shape[1], d))
    reference = np.zeros(prediction.shape[1])
    evaluations = n
    for number in range(1 << d):
        inside = (number >> np.arange(d)) & 1 == 1
        worth, asked = _worth(model, unit, base, inside)
        evaluations += asked
        if not inside.any():
            reference = worth[0]
        values += worth[..., None] * _weights(inside)
        if number % 32 == 31:
            report((number + 1) / (1 << d), f"Shapley values: {number + 1} of {1 << d} coalitions")
    span = np.ptp(prediction, axis=0)
    errors = np.abs(values.sum(2) - (prediction - reference)).max(0)
    # an output that does not vary is measured by its size: a sum of zeros has no other scale
    scale = np.maximum(span, 1e-9 * np.abs(prediction).max(0))
    additivity = float((errors[scale > 0] / scale[scale > 0]).max(initial=0.0))
    if additivity > ADDITIVITY:
        raise InvalidData(
            f"contributions miss their sum by {100 * additivity:.2g} % of an output's range: the "
            "model gives other outputs for the same parameters; a surrogate must not"
        )
    return ParameterShap(values, unit, prediction, reference, additivity, "exact", evaluations)


def _worth(model: Model, unit: Array, base: Array, inside: NDArray[np.bool_]) -> tuple[Array, int]:
    """What a coalition is worth at each point, (n, k), and evaluations."""
    if inside.all():
        return _checked(model(unit)), len(unit)
    if not inside.any():  # the same for all points
        worth = _checked(model(base)).mean(0)
        return np.broadcast_to(worth, (len(unit), len(worth))), len(base)
    mixed = np.where(inside, unit[:, None], base)
    outputs = _checked(model(mixed.reshape(-1, unit.shape[1])))
    return outputs.reshape(len(unit), len(base), -1).mean(1), len(outputs)


def _weights(inside: NDArray[np.bool_]) -> Array:
    """Weight of a coalition's worth in the value of each parameter (Shapley 1953, theorem)."""
    d, size = len(inside), int(inside.sum())
    joins = 1.0 / (d * comb(d - 1, size - 1)) if size else 0.0
    stays = -1.0 / (d * comb(d - 1, size)) if size < d else 0.0
    return np.where(inside, joins, stays)


def _by_orders(model: Model, unit: Array, base: Array, orders: int, seed: int) -> ParameterShap:
    def predict(rows: Tensor) -> Tensor:
        return torch.as_tensor(_checked(model(rows.numpy())))

    groups = Groups.of(range(unit.shape[1]))
    found = permutation_shap(
        predict, torch.as_tensor(unit), torch.as_tensor(base), groups, orders=orders, seed=seed,
        rows=4096,
    )  # fmt: skip
    return ParameterShap(
        found.values.numpy(),
        unit,
        found.prediction.numpy(),
        found.reference[0].numpy(),
        found.additivity,
        "permutation",
        found.evaluations,
    )


def _checked(outputs: Array) -> Array:
    outputs = np.asarray(outputs, dtype=np.float64)
    if not np.isfinite(outputs).all():
        raise InvalidData("the model gave NaN or infinity; train the surrogate again")
    return outputs
