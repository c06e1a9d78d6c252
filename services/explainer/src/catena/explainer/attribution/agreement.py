"""Agreement between methods: do they rank the groups of columns alike?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from torch import Tensor

from catena.shared.errors import InvalidData

Array = NDArray[np.float64]

FEWEST = 3
"""Two ranks always agree or disagree in full; from three on a correlation tells something."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Spearman rank correlations between the importances of methods.

    Parameters
    ----------
    methods : tuple of str, (n,)
        Names of the methods.
    spearman : ndarray, (n, n)
        Symmetric, -1 to 1. NaN where there is nothing to rank: a method that finds all groups
        equally important, or fewer than 3 groups that both methods looked at.
    """

    methods: tuple[str, ...]
    spearman: Array

    def between(self, first: str, second: str) -> float:
        """The correlation of two methods.

        Raises
        ------
        InvalidData
            When a method is unknown.
        """
        for name in (first, second):
            if name not in self.methods:
                raise InvalidData(f"no method {name!r}; there are {', '.join(self.methods)}")
        return float(self.spearman[self.methods.index(first), self.methods.index(second)])


def mean_importance(values: Tensor) -> Array:
    """Mean absolute contribution (G,) of groups, over samples and outputs.

    Parameters
    ----------
    values : Tensor, (N, K, G)
        Contributions.
    """
    mean: Array = values.detach().double().abs().flatten(0, -2).mean(0).cpu().numpy()
    return mean


def rank_agreement(importances: Mapping[str, ArrayLike]) -> Agreement:
    """Spearman's rank correlations (1904, Am. J. Psychol. 15:72) between methods.

    Equal importances share the mean of their ranks. Groups that are NaN in a method are left out
    of its comparisons.

    Parameters
    ----------
    importances : mapping of str to array, (G,)
        Importances of the same groups by each method, in any unit.

    Raises
    ------
    InvalidData
        When there is no method, or importances are of different lengths.
    """
    methods = tuple(importances)
    rows = [np.asarray(values, dtype=np.float64) for values in importances.values()]
    if not rows or any(row.ndim != 1 or row.shape != rows[0].shape for row in rows):
        shapes = ", ".join(f"{name} {row.shape}" for name, row in zip(methods, rows, strict=True))
        raise InvalidData(
            "importances are one number per group, the same groups for each method; got "
            f"{shapes or 'no method'}"
        )
    spearman = np.array([[_spearman(first, second) for second in rows] for first in rows])
    return Agreement(methods, spearman)


def _spearman(first: Array, second: Array) -> float:
    """Correlation of the ranks, NaN where one does not vary."""
    both = ~(np.isnan(first) | np.isnan(second))
    if both.sum() < FEWEST:
        return float("nan")
    ranks = [rankdata(values[both]) for values in (first, second)]
    centred = [values - values.mean() for values in ranks]
    norm = np.sqrt(np.dot(centred[0], centred[0]) * np.dot(centred[1], centred[1]))
    return float(np.dot(*centred) / norm) if norm > 0 else float("nan")
