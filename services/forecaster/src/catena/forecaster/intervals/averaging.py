"""Scores of a mean over all networks, from residuals of the few that have not seen a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from catena.forecaster.intervals.order_statistics import OrderStatistics

COPIES = 16
"""Draws of the noise for each row."""
LEAST = 0.5
"""No score is taken to be smaller than this share of what was measured."""


@dataclass(frozen=True)
class Noise:
    """What averaging over all networks takes away, as standard deviations, (n, k) each.

    Parameters
    ----------
    residual : ndarray
        Of the residuals, in units of the targets.
    up, down : ndarray
        Of the logarithm of the sizes.
    """

    residual: np.ndarray
    up: np.ndarray
    down: np.ndarray


def averaged_scores(
    residuals: np.ndarray, up: np.ndarray, down: np.ndarray, noise: Noise, seed: int
) -> list[OrderStatistics]:
    """Order statistics of scores without the noise.

    Parameters
    ----------
    residuals, up, down : ndarray, (n, k)
        With the noise; NaN is skipped.
    noise : Noise
        Its size at each row.
    seed : int
        Of the draws.

    Returns
    -------
    list of OrderStatistics
        One of each output.

    Notes
    -----
    Simulation and extrapolation (Cook & Stefanski 1994): with as much noise again, a score of rank
    i grows from s to t; without any it would be about s^2 / t. That is exact where scores have a
    power tail and sizes the noise; for a Gaussian error with Gaussian noise of x times its variance
    the result is too large by (1 + x) / sqrt(1 + 2 x), 2 % at x = 1/4.
    """
    rng = np.random.default_rng(seed)
    found = []
    for j in range(residuals.shape[1]):
        r, u, v = residuals[:, j], up[:, j], down[:, j]
        of_mean, of_size = rng.normal(size=(2, COPIES, len(r)))
        plain = OrderStatistics.of(r, u, v)
        noisy = OrderStatistics.of(
            (r + of_mean * noise.residual[:, j]).ravel(),
            (u * np.exp(of_size * noise.up[:, j])).ravel(),
            (v * np.exp(of_size * noise.down[:, j])).ravel(),
        )
        above = _extrapolated(plain.above, noisy.above)
        below = _extrapolated(plain.below, noisy.below)
        found.append(OrderStatistics(above, below, plain.rows))
    return found


def _extrapolated(plain: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """s^2 / t of each rank, at most s; ascending, as both arguments are."""
    # the largest are of one rank: there may be more or fewer that are positive
    kept = noisy[max(len(noisy) - COPIES * len(plain), 0) :]
    padded = np.concatenate([np.zeros(COPIES * len(plain) - len(kept)), kept])
    grown = padded.reshape(len(plain), COPIES).mean(axis=1)
    share = np.divide(plain, grown, out=np.ones(len(plain)), where=grown > plain)
    return np.maximum.accumulate(plain * np.maximum(share, LEAST))
