"""Forecasts of a trained network for many samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from catena.forecaster.training.samples import Samples
from catena.models.flow_model import FlowModel


def predict(
    model: FlowModel[Any],
    samples: Samples,
    *,
    rows: ArrayLike | None = None,
    levels: Sequence[float] = (),
    batch: int = 512,
    epoch: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and quantiles, in scaled flow.

    Parameters
    ----------
    model : FlowModel
    samples : Samples
    rows : (n,) array of int, optional
        All of them if left out.
    levels : sequence of float
        Of quantiles.
    batch : int
        Forecasts per pass.
    epoch : int
        Of the forecast weather, see the samples.

    Returns
    -------
    mean : (n, H) array
    quantiles : (n, H, Q) array
    """
    rows = np.arange(len(samples)) if rows is None else np.asarray(rows, np.int64)
    means, quantiles = [], []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            inputs, _ = samples.batch(rows[start : start + batch], epoch=epoch)
            forecast = model(inputs)
            means.append(forecast.mean().numpy())
            quantiles.append(
                forecast.quantile(levels).numpy()
                if len(levels)
                else np.empty((*means[-1].shape, 0), np.float32)
            )
    return np.concatenate(means), np.concatenate(quantiles)
