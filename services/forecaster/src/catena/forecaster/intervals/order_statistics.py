"""alpha and beta of every level from one sort of the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catena.shared.errors import InvalidData


def check_levels(levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Levels as an array.

    Raises
    ------
    InvalidData
        A level is not a fraction between 0 and 1, both excluded.
    """
    levels = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    if levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all():
        raise InvalidData(
            f"levels {np.array2string(levels, threshold=8)}; want fractions between 0 and 1, "
            "e.g. 0.9"
        )
    return levels


def exceedances(n: int, levels: np.ndarray) -> np.ndarray:
    """Scores that lie beyond one bound: ``ceil(n (1 - level) / 2)`` (PI3NN, section 3.1)."""
    # 40 * (1 - 0.9) / 2 is 1.9999999999999996 or 2.0000000000000004 in floating point
    return np.ceil(np.round(n * (1.0 - levels) / 2.0, 9)).astype(np.int64)


def conformal_rank(n: int, levels: np.ndarray) -> np.ndarray:
    """Rank (1 is the least) of the one-sided bound: ``ceil((n + 1) (1 + level) / 2)``.

    With exchangeable scores a new one lies above it with a probability of at most
    ``(1 - level) / 2`` (Vovk et al. 2005; Lei et al. 2018, equation 5). A rank above `n` does not
    exist: no finite bound is sure enough.
    """
    return np.ceil(np.round((n + 1) * (1.0 + levels) / 2.0, 9)).astype(np.int64)


@dataclass(frozen=True)
class OrderStatistics:
    """Scores of one output, sorted, and the factors that they give.

    Parameters
    ----------
    above, below : ndarray
        Those of ``r / u`` and of ``-r / v`` that are positive, in ascending order. The others
        count, but none becomes a factor.
    rows : int
        Scores of each kind, of whatever sign.
    conformal : bool
        Finite-sample corrected ranks; otherwise as many exceedances as in the paper.
    """

    above: np.ndarray
    below: np.ndarray
    rows: int
    conformal: bool = True

    @classmethod
    def of(
        cls, residuals: np.ndarray, up: np.ndarray, down: np.ndarray, *, conformal: bool = True
    ) -> OrderStatistics:
        """From residuals and sizes (n,); rows with a missing residual are left out."""
        scores = residuals / np.where(residuals > 0, up, down)
        scores.sort()
        # one sort for both sides is three times as fast as picking each with a mask; NaN comes last
        rows = int(np.searchsorted(scores, np.nan))
        zero = np.searchsorted(scores[:rows], 0.0, "left")
        positive = np.searchsorted(scores[:rows], 0.0, "right")
        return cls(scores[positive:rows].copy(), -scores[:zero][::-1], rows, conformal)

    def __len__(self) -> int:
        return self.rows

    def factors(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """alpha and beta of each level, (levels,); infinite where there are too few scores.

        They do not fall as the level rises, so that intervals are nested. None is negative: where
        a side has too few residuals for a narrow level, its bound is the centre.
        """
        n = self.rows
        ranks = conformal_rank(n, levels) if self.conformal else n - exceedances(n, levels)
        return self._at(self.above, ranks), self._at(self.below, ranks)

    def _at(self, positive: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        padded = np.concatenate([[0.0], positive])
        picked = padded[np.clip(ranks - (self.rows - len(positive)), 0, len(positive))]
        return np.where((ranks < 1) | (ranks > self.rows), np.inf, picked)

    def least(self, level: float) -> int:
        """Scores needed for a finite bound at this level."""
        if not self.conformal:
            return 2
        return int(np.ceil(np.round(2.0 / (1.0 - level), 9))) - 1
