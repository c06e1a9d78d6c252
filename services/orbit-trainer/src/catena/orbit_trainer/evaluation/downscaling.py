"""Scores of downscaled fields: the table of ORBIT-2, and the bicubic reference.

Every cell of every time counts alike, as in the published tables; there is no weighting by area.
Precipitation is usually scored as ``log(1 + x)`` with x in mm a day: transform before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from catena.models.orbit_grids import upsampled
from catena.orbit_trainer.evaluation.scores import known_mean
from catena.shared.errors import InvalidData

__all__ = ["QUANTILES", "DownscalingScores", "bicubic", "downscaling_scores", "ssim"]

Array = NDArray[np.float64]
Fields = NDArray[Any]

QUANTILES = (0.68, 0.95, 0.997, 0.9999)
"""Of the truth: one, two and three standard deviations of a normal distribution, and extremes."""

_RADIUS, _SIGMA, _K1, _K2 = 5, 1.5, 0.01, 0.03
_WINDOW = 2 * _RADIUS + 1


@dataclass(frozen=True, eq=False)
class DownscalingScores:
    """Scores of one way to downscale, a number for each variable.

    Parameters
    ----------
    correlation, rmse, bias, ssim : Array, (V,)
        SSIM is NaN on grids that are smaller than its window.
    levels : tuple of float
    above : Array, (levels, V)
        RMSE of the cells where the truth exceeds its quantile.
    cells : Array, (levels, V)
        How many these are.
    """

    correlation: Array
    rmse: Array
    bias: Array
    ssim: Array
    levels: tuple[float, ...]
    above: Array
    cells: Array


def downscaling_scores(
    predicted: Fields, truth: Fields, levels: Sequence[float] = QUANTILES
) -> DownscalingScores:
    """Correlation, RMSE, bias, RMSE of high values and SSIM over all cells and times.

    Parameters
    ----------
    predicted, truth : array, (N, V, H, W)
        NaN cells of either do not count.
    levels : sequence of float
        Quantiles of the truth, taken over all its cells and times.

    Raises
    ------
    InvalidData
        When shapes differ.
    """
    if predicted.shape != truth.shape or truth.ndim != 4:
        raise InvalidData(
            f"downscaled fields {predicted.shape} and truth {truth.shape}; wanted (N, V, H, W) "
            "twice"
        )
    variables = truth.shape[1]
    scores = np.full((4 + 2 * len(levels), variables), np.nan)
    for v in range(variables):
        known = np.isfinite(predicted[:, v]) & np.isfinite(truth[:, v])
        p, t = (a[:, v][known].astype(np.float64) for a in (predicted, truth))
        if not t.size:
            scores[-len(levels) :, v] = 0.0
            continue
        square = (p - t) ** 2
        varies = min(np.ptp(p), np.ptp(t)) > 0
        scores[0, v] = np.corrcoef(p, t)[0, 1] if varies else np.nan
        scores[1, v] = np.sqrt(square.mean())
        scores[2, v] = (p - t).mean()
        if min(truth.shape[-2:]) >= _WINDOW:
            scores[3, v] = known_mean(ssim(predicted[:, v], truth[:, v], np.ptp(t)))
        for place, limit in enumerate(np.quantile(t, levels)):
            high = t > limit
            if high.any():
                scores[4 + place, v] = np.sqrt(square[high].mean())
            scores[4 + len(levels) + place, v] = high.sum()
    above, cells = scores[4 : 4 + len(levels)], scores[4 + len(levels) :]
    correlation, rmse, bias, similar = scores[:4]
    return DownscalingScores(correlation, rmse, bias, similar, tuple(levels), above, cells)


def ssim(a: Fields, b: Fields, data_range: float) -> Array:
    """Structural similarity of images, 1 where they are equal.

    Wang et al. 2004 (IEEE Trans. Image Process. 13, 600-612): a Gaussian window of 11 x 11 with a
    standard deviation of 1.5 cells, K1 = 0.01, K2 = 0.03; the mean over all windows that lie
    inside the image and hold no missing value.

    Parameters
    ----------
    a, b : array, (..., H, W)
    data_range : float
        Greatest minus least value of the data, L of the paper.

    Returns
    -------
    Array, (...)
        NaN where no window is complete, or nothing varies.

    Raises
    ------
    InvalidData
        When the image is smaller than the window.
    """
    if min(a.shape[-2:]) < _WINDOW:
        raise InvalidData(
            f"SSIM of images of {a.shape[-2:]} cells; wanted {_WINDOW} x {_WINDOW} or more"
        )
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    if not data_range > 0:
        return np.full(a.shape[:-2], np.nan)
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    window = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    window /= window.sum()

    def blurred(image: Array) -> Array:
        for axis in (-2, -1):
            image = correlate1d(image, window, axis=axis)
        return np.asarray(image[..., _RADIUS:-_RADIUS, _RADIUS:-_RADIUS])

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    both = blurred(a * b) - mean_a * mean_b
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    similar = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    similar /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return known_mean(similar, axis=(-2, -1))


def bicubic(coarse: Fields, factor: int, *, periodic: bool = False) -> NDArray[np.float32]:
    """Coarse fields on a grid that is finer by a factor: the reference that needs no learning.

    Cubic convolution (Keys 1981, a = -0.75) between the centres of cells; at edges the outermost
    row is repeated, along longitude the other side where it is periodic.

    Parameters
    ----------
    coarse : array, (..., H, W)
    factor : int
    periodic : bool
        Whether longitudes go round the globe.

    Returns
    -------
    array of float32, (..., H * factor, W * factor)
        NaN near missing values.
    """
    images = torch.from_numpy(np.ascontiguousarray(coarse, np.float32))
    images = images.reshape(-1, 1, *coarse.shape[-2:])
    fine = upsampled(images, factor, "bicubic", periodic)
    return np.asarray(fine.numpy().reshape(*coarse.shape[:-2], *fine.shape[-2:]))
