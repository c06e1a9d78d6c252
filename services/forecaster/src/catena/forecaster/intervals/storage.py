"""Rebuilds fitted intervals from arrays and numbers: no pickle."""

from __future__ import annotations

from typing import Any

import numpy as np

from catena.forecaster.intervals.crossfit import CrossFitIntervals
from catena.forecaster.intervals.model import IntervalModel
from catena.forecaster.intervals.peers.cmal import CMAL
from catena.forecaster.intervals.peers.cqr import CQR
from catena.forecaster.intervals.peers.deep_ensemble import DeepEnsemble
from catena.forecaster.intervals.peers.gp import GaussianProcessIntervals
from catena.forecaster.intervals.peers.laplace import LastLayerLaplace
from catena.forecaster.intervals.peers.mc_dropout import MCDropout
from catena.forecaster.intervals.pi3nn import PI3NNIntervals
from catena.shared.errors import InvalidData

AROUND_A_MODEL = (PI3NNIntervals, CrossFitIntervals)
ALONE = (CQR, DeepEnsemble, MCDropout, LastLayerLaplace, GaussianProcessIntervals, CMAL)


def from_arrays(
    arrays: dict[str, np.ndarray], meta: dict[str, Any], *, mean: Any = None
) -> IntervalModel:
    """Inverse of :meth:`catena.forecaster.intervals.model.IntervalModel.to_arrays`.

    Parameters
    ----------
    arrays, meta
        What ``to_arrays`` gave, e.g. read from safetensors and JSON.
    mean : optional
        The model of yours that the intervals were fitted around, if there was one.

    Returns
    -------
    IntervalModel
        Predicts the same numbers.

    Raises
    ------
    InvalidData
        A method that is not known, a model that is missing, or arrays that do not fit together.
    """
    method = meta.get("method")
    names = [kind.method for kind in (*AROUND_A_MODEL, *ALONE)]
    fitted: IntervalModel
    try:
        for kind in AROUND_A_MODEL:
            if kind.method == method:
                fitted = kind.from_state(arrays, meta, mean)
                break
        else:
            if method not in names:
                raise InvalidData(f"intervals by {method!r}; known are {', '.join(names)}")
            [alone] = [kind for kind in ALONE if kind.method == method]
            fitted = alone.from_state(arrays, meta)
        fitted._restore(arrays, meta)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise InvalidData(f"saved intervals do not fit together: {error}") from error
    return fitted
