"""How far the predictions of an emulator of spin-ups can be trusted, site by site.

Two questions, asked of a trained emulator: how large its errors are likely to be at a site, and how
far a site lies from all those that were learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["COVERAGE", "ErrorSize", "KnownSites", "conformal_factors"]

Array = NDArray[np.float64]

COVERAGE = 0.9
"""Share of new sites whose pool is to lie within its interval."""
FAMILIAR = 0.99
"""Share of held-out sites that count as known."""
PENALTIES = 10.0 ** np.arange(-3, 4)
"""Ridge penalties that are tried, in units of the sites."""
LEAST = 0.05
"""Of the median error: smaller ones are raised to about that, or logarithms would see only them."""
CHUNK = 1024


@dataclass(frozen=True, eq=False)
class ErrorSize:
    """Log of the size of an error as a linear function of what is known of a site.

    Parameters
    ----------
    centre, scale : Array, (D,)
        Of the features.
    weight : Array, (K, D)
    bias, low, high : Array, (K,)
        Log size at the centre, and the least and largest that sites of training have: outside of
        what was learned a line would go on to nothing, or for ever.
    """

    centre: Array
    scale: Array
    weight: Array
    bias: Array
    low: Array
    high: Array

    @classmethod
    def fitted(cls, features: Array, errors: Array) -> Self:
        """Ridge regression of ``log |error|``; the penalty has the least generalised CV error.

        Golub, Heath & Wahba 1979, eq. 1.4. Errors have a part that no feature explains, so their
        logarithms are about 1.1 apart (normal errors) where the size is the same everywhere, and a
        strong penalty wins: a constant.

        Parameters
        ----------
        features : Array, (N, D)
        errors : Array, (N, K)
            NaN where not known.
        """
        centre, scale = features.mean(0), features.std(0)
        varies = scale > 1e-9
        scale = np.where(varies, scale, 1.0)
        table = ((features - centre) / scale)[:, varies]
        weight = np.zeros((errors.shape[1], features.shape[1]))
        bias = np.zeros(errors.shape[1])
        low, high = np.zeros_like(bias), np.zeros_like(bias)
        parts: dict[bytes, _Parts] = {}  # most pools are known at the same sites
        for pool in range(errors.shape[1]):
            known = np.isfinite(errors[:, pool])
            if not known.any():
                continue
            size = np.abs(errors[known, pool])
            told = np.log(size + LEAST * np.median(size) + 1e-12)
            key = known.tobytes()
            if key not in parts:
                parts[key] = _parts(table[known])
            bias[pool], weight[pool, varies] = _ridge(parts[key], told)
            fitted = table[known] @ weight[pool, varies] + bias[pool]
            low[pool], high[pool] = fitted.min(), fitted.max()
        return cls(centre, scale, weight, bias, low, high)

    def at(self, features: Array) -> Array:
        """Size of the error, (N, K), up to a factor for each pool."""
        told = (features - self.centre) / self.scale @ self.weight.T + self.bias
        return np.asarray(np.exp(np.clip(told, self.low, self.high)))

    def arrays(self) -> dict[str, Array]:
        """By name, as an artifact holds them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Of what :meth:`arrays` gave."""
        return cls(*(np.asarray(arrays[one.name], np.float64) for one in fields(cls)))


@dataclass(frozen=True, eq=False)
class KnownSites:
    """Sites of training, to see how far another one is.

    Parameters
    ----------
    places : float32 (sites, D)
        In a space in which all kinds of input count alike.
    edge : float
        Distance to the nearest of them that 99 % of held-out sites have.
    """

    places: NDArray[np.float32]
    edge: float

    @classmethod
    def fitted(cls, places: NDArray[np.float32], held_out: NDArray[np.float32]) -> Self:
        """Of places of sites of training and of those that were held out."""
        nearest = _nearest(held_out, places)
        edge = float(np.quantile(nearest, FAMILIAR)) if nearest.size else 0.0
        # Where held-out sites are copies of known ones, anything else is far.
        return cls(places.astype(np.float32), max(edge, 1e-6))

    def unfamiliar(self, places: NDArray[np.float32]) -> Array:
        """Distance to the nearest known site over that of the edge, (N,)."""
        return _nearest(places, self.places) / self.edge


def conformal_factors(errors: Array, sizes: Array, coverage: float = COVERAGE) -> Array:
    """What sizes of errors are multiplied with, so that a share of errors is smaller, (K,).

    Split conformal prediction with normalised scores: Lei et al. 2018, section 5.2.

    Parameters
    ----------
    errors, sizes : Array, (N, K)
        Of sites that were not trained on; errors are NaN where not known.
    coverage : float
    """
    factors = np.ones(errors.shape[1])
    for pool in range(errors.shape[1]):
        known = np.isfinite(errors[:, pool])
        if known.any():
            scores = np.abs(errors[known, pool]) / sizes[known, pool]
            rank = int(np.ceil(round((scores.size + 1) * coverage, 9)))
            factors[pool] = np.sort(scores)[min(rank, scores.size) - 1]
    # An emulator that makes no error at all still says a width.
    return np.maximum(factors, 1e-6)


_Parts = tuple[Array, Array, Array, Array]


def _parts(table: Array) -> _Parts:
    """Means of the columns, and the singular value decomposition of what is left."""
    mean = table.mean(0)
    left, values, right = np.linalg.svd(table - mean, full_matrices=False)
    return mean, left, values, right


def _ridge(parts: _Parts, told: Array) -> tuple[float, Array]:
    """Constant and weights of a ridge regression whose penalty is chosen by generalised CV."""
    centre, left, values, right = parts
    mean, count = float(told.mean()), told.size
    seen = left.T @ (told - mean)
    best, weights = np.inf, np.zeros(right.shape[1])
    for penalty in PENALTIES * count:
        kept = values**2 / (values**2 + penalty)
        missed = ((told - mean) - left @ (kept * seen)) ** 2
        score = missed.mean() / max(1.0 - (kept.sum() + 1.0) / count, 1e-3) ** 2
        if score < best:
            best, weights = score, right.T @ (values / (values**2 + penalty) * seen)
    return mean - float(centre @ weights), weights


def _nearest(places: NDArray[np.float32], known: NDArray[np.float32]) -> Array:
    if not len(places):
        return np.zeros(0)
    # Differences themselves, not squares of sums: a known site is at 0 exactly.
    mode, rows = "donot_use_mm_for_euclid_dist", torch.from_numpy(known)
    parts = [
        torch.cdist(torch.from_numpy(places[at : at + CHUNK]), rows, compute_mode=mode).amin(1)
        for at in range(0, len(places), CHUNK)
    ]
    return torch.cat(parts).double().numpy()
