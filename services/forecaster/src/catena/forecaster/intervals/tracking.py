"""Bounds that follow what is observed: quantile tracking (adaptive conformal inference)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99])
"""Levels that are tracked; others lie between them."""


@dataclass(frozen=True)
class TrackerConfig:
    """How bounds follow observations.

    Parameters
    ----------
    rate : float
        Step of a tracked quantile, in units of the recent size of the scores. A step up after a
        miss is ``rate (1 + level) / 2``, a step down after a hit ``rate (1 - level) / 2``.
    memory : float
        Half-life, in observations, of the mean size of the errors that the scores are relative
        to; infinite: none.
    """

    rate: float = 0.05
    memory: float = 15.0


class QuantileTracker:
    """Factors on the distances of the bounds from the centre, one per output, side and level.

    An observation's score is its distance from the centre over the distance of the fitted bound:
    1 on the bound. A tracked factor q is the quantile of these scores that the level asks for
    (Gibbs & Candes 2021; Angelopoulos et al. 2023, "Conformal PID control", section 2.1):
    ``q += rate scale (1[score > q] - (1 - level) / 2)``. Whatever the scores are, as long as they
    are bounded the share beyond the bounds tends to ``1 - level``.

    Beside it goes a volatility: the recent mean size of the errors in units of the fitted bound.
    Scores are relative to it, so that after a sudden change all levels move together at once.

    Parameters
    ----------
    levels : ndarray, (g,)
        Tracked levels, ascending.
    factor : ndarray, (..., 2, g)
        Tracked factor of the lower and the upper bound.
    size : ndarray, (...)
        Recent mean size of the errors over the fitted half-width of the middle level.
    pace : ndarray, (...)
        Share of the rate that each output moves at.
    config : TrackerConfig
        Rates.
    """

    def __init__(
        self,
        levels: np.ndarray,
        factor: np.ndarray,
        size: np.ndarray,
        pace: np.ndarray,
        config: TrackerConfig,
    ) -> None:
        self.levels = levels
        self.factor = factor
        self.size = size
        self.pace = pace
        self.config = config

    @classmethod
    def start(
        cls,
        shape: int | tuple[int, ...],
        config: TrackerConfig | None = None,
        levels: np.ndarray = GRID,
        pace: np.ndarray | float = 1.0,
    ) -> QuantileTracker:
        """Bounds as fitted, before any observation.

        Parameters
        ----------
        shape : int or tuple of int
            Of what is tracked, e.g. outputs.
        config : TrackerConfig, optional
        levels : ndarray, (g,)
        pace : ndarray, broadcast to `shape`
            Below 1 for outputs whose observations come late and are much alike from one to the
            next: at the full rate bounds would run after each event when it is over.
        """
        shape = (shape,) if isinstance(shape, int) else shape
        return cls(
            levels,
            np.ones((*shape, 2, len(levels))),
            np.full(shape, USUAL_SIZE),
            np.broadcast_to(np.asarray(pace, float), shape).copy(),
            config or TrackerConfig(),
        )

    @property
    def volatility(self) -> np.ndarray:
        """Recent size of the errors over that of a normal error with right bounds, (...)."""
        return np.where(self.size > 0, self.size / USUAL_SIZE, 1.0)

    def factors(self, levels: np.ndarray) -> np.ndarray:
        """Factor at any levels, (..., 2, levels): linear between tracked ones, flat outside."""
        at = np.interp(levels, self.levels, np.arange(len(self.levels)))
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, len(self.levels) - 1)
        share = at - low
        factor = self.factor[..., low] * (1.0 - share) + self.factor[..., high] * share
        return np.asarray(np.maximum(factor, 0.0) * self.volatility[..., None, None])

    def apply(
        self,
        centre: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        levels: np.ndarray,
        grid: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tracked bounds.

        Parameters
        ----------
        centre : ndarray, (..., outputs)
            Of the fitted intervals.
        lower, upper : ndarray, (..., outputs, levels)
            Fitted bounds at the levels asked for.
        levels : ndarray, (levels,)
            Levels asked for.
        grid : pair of ndarray, (..., outputs, g)
            Fitted bounds at the tracked levels, which keep bounds of other levels nested with them.

        Returns
        -------
        lower, upper : ndarray, (..., outputs, levels)
        """
        every = np.concatenate([self.levels, levels])
        order = np.argsort(every, kind="stable")
        asked = np.argsort(order, kind="stable")[len(self.levels) :]
        factor = self.factors(every[order])
        below = centre[..., None] - np.concatenate([grid[0], lower], axis=-1)[..., order]
        above = np.concatenate([grid[1], upper], axis=-1)[..., order] - centre[..., None]
        below = np.maximum.accumulate(_times(factor[..., 0, :], below), axis=-1)[..., asked]
        above = np.maximum.accumulate(_times(factor[..., 1, :], above), axis=-1)[..., asked]
        return centre[..., None] - below, centre[..., None] + above

    def distances(self, distance: np.ndarray) -> np.ndarray:
        """Tracked distances of the bounds at the tracked levels, (..., 2, g); nested."""
        return np.maximum.accumulate(_times(self.factors(self.levels), distance), axis=-1)

    def learn(
        self, y: np.ndarray, centre: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> None:
        """Move the factors after one observation of everything that is tracked.

        Parameters
        ----------
        y : ndarray, (...)
            Observed; what is NaN moves nothing.
        centre : ndarray, (...)
            Of the fitted intervals for it.
        lower, upper : ndarray, (..., g)
            Their bounds at the tracked levels, as fitted; infinite ones stay as they are.
        """
        distance = np.stack([centre[..., None] - lower, upper - centre[..., None]], axis=-2)
        error = np.stack([centre - y, y - centre], axis=-1)
        usable = np.isfinite(error)[..., None] & np.isfinite(distance) & (distance > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(usable, error[..., None] / distance, 0.0)
        score = score / self.volatility[..., None, None]
        self._remember(np.abs(centre - y), distance, usable)
        beyond = score > self.factor
        rate = self.config.rate * self.pace[..., None, None]
        step = rate * np.where(beyond, (1.0 + self.levels) / 2.0, -(1.0 - self.levels) / 2.0)
        self.factor = np.where(usable, self.factor + step, self.factor)

    def _remember(self, error: np.ndarray, distance: np.ndarray, usable: np.ndarray) -> None:
        """Mean size of the errors in units of the fitted half-width at the middle level."""
        if not np.isfinite(self.config.memory):
            return
        middle = len(self.levels) // 2
        half = distance[..., middle].mean(axis=-1)
        known = usable[..., middle].all(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = error / half
        keep = 0.5 ** (1.0 / self.config.memory)
        self.size = np.where(known, self.size * keep + unit * (1.0 - keep), self.size)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """State for safetensors."""
        return {
            "levels": self.levels,
            "factor": self.factor,
            "size": self.size,
            "pace": self.pace,
            "config": np.array([self.config.rate, self.config.memory]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> QuantileTracker:
        """Inverse of :meth:`to_arrays`."""
        rate, memory = (float(v) for v in arrays["config"])
        names = ("levels", "factor", "size", "pace")
        levels, factor, size, pace = (np.array(arrays[name]) for name in names)
        return cls(levels, factor, size, pace, TrackerConfig(rate, memory))


USUAL_SIZE = 0.77
"""Mean absolute normal error (.798 sd) over the half-width of the middle level .7 (1.036 sd)."""


def _times(factor: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Product that keeps infinite distances, also at a factor of nought."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(distance), factor * distance, distance)
