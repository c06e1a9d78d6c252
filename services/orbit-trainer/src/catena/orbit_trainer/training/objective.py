"""What pre-training makes small: the squared error, each row of the globe by its area."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["latitude_loss", "latitude_weights"]


def latitude_weights(latitudes: Tensor) -> Tensor:
    """Weight of each row of a grid, cos(latitude) with a mean of 1, float32, shape (H,).

    Rasp et al. 2020 (WeatherBench, eq. 1).

    Parameters
    ----------
    latitudes : Tensor, (H,)
        Degrees north.
    """
    area = torch.deg2rad(torch.as_tensor(latitudes, dtype=torch.float64)).cos().clamp(min=0.0)
    return (area / area.mean()).float()


def latitude_loss(predicted: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Latitude-weighted mean squared error; targets that are not known count as met.

    The divisor is the number of all elements, known or not. So the mean of the losses of equal
    parts of a batch is the loss of the whole: processes may share a batch as they like.

    Parameters
    ----------
    predicted : Tensor, (..., H, W)
        Computed with in float32 at least, whatever the precision of the model.
    targets : Tensor, (..., H, W)
        NaN where unknown.
    weights : Tensor, (H,)
        Of :func:`latitude_weights`.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ValueError
        When the shapes differ: broadcasting would make a number all the same.
    """
    if predicted.shape != targets.shape or weights.shape != targets.shape[-2:-1]:
        raise ValueError(
            f"predicted {tuple(predicted.shape)}, targets {tuple(targets.shape)} and weights of "
            f"{tuple(weights.shape)} rows; wanted (..., H, W) twice, and (H,)"
        )
    precise = torch.promote_types(predicted.dtype, torch.float32)
    known = ~targets.isnan()
    # NaN times 0 is NaN in gradients: a number takes its place before anything is computed
    error = predicted.to(precise) - torch.where(known, targets, 0.0).to(precise)
    squared = torch.where(known, error.square(), 0.0)
    return (squared * weights.to(precise)[:, None]).sum() / targets.numel()
