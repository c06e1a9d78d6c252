"""Forecast distributions: one interface for quantiles and for mixtures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


class Distribution(ABC):
    """Distributions of `B` forecasts at `H` leads, differentiable in their parameters.

    All methods take and give scaled flow; observations that are NaN give NaN scores, which the
    losses mask.
    """

    @abstractmethod
    def mean(self) -> Tensor:
        """Expected value, (B, H)."""

    @abstractmethod
    def quantile(self, levels: Tensor | Sequence[float]) -> Tensor:
        """Quantiles, (B, H, Q), at `Q` levels in (0, 1)."""

    @abstractmethod
    def cdf(self, value: Tensor) -> Tensor:
        """Probability of at most `value` (B, H), (B, H)."""

    @abstractmethod
    def crps(self, observed: Tensor) -> Tensor:
        """Continuous ranked probability score of `observed` (B, H), (B, H).

        In closed form (Gneiting & Raftery 2007, Eq. 20).
        """

    def median(self) -> Tensor:
        """The 50 % quantile, (B, H)."""
        return self.quantile([0.5])[..., 0]

    def sample(self, draws: int, generator: torch.Generator) -> Tensor:
        """Independent draws at each lead, (draws, B, H), by inversion.

        The leads of one draw do not belong together: order them by a template for paths.
        """
        shape = self.mean().shape
        levels = torch.rand(*shape, draws, generator=generator, dtype=self.mean().dtype)
        return self.quantile(levels.clamp(1e-6, 1 - 1e-6)).movedim(-1, 0)

    def pinball(self, observed: Tensor, levels: Tensor | Sequence[float]) -> Tensor:
        """Quantile loss of `observed` (B, H), mean over levels, (B, H)."""
        tau = as_levels(levels, observed)
        error = observed[..., None] - self.quantile(tau)
        return torch.maximum(tau * error, (tau - 1) * error).mean(-1)


def as_levels(levels: Tensor | Sequence[float], like: Tensor) -> Tensor:
    """Levels as a tensor.

    Raises
    ------
    ValueError
        When a level is not inside (0, 1).
    """
    tau = torch.as_tensor(levels, dtype=like.dtype, device=like.device)
    if not bool(((tau > 0) & (tau < 1)).all()):
        raise ValueError(
            f"levels of quantiles lie between 0 and 1, got {tau.min():g} to {tau.max():g}"
        )
    return tau


class Quantiles(Distribution):
    """A quantile function that is linear between knots, with exponential tails.

    Parameters
    ----------
    values : Tensor, (B, H, K)
        Quantiles at the knots, not falling. K is at least 2.
    levels : Tensor, (K,)
        Levels of the knots, rising, in (0, 1).

    Notes
    -----
    The density is continuous at the outermost knots: below the first knot
    ``q(t) = q_1 + b ln(t / t_1)`` with ``b = t_1 (q_2 - q_1) / (t_2 - t_1)``, mirrored above the
    last one (Park et al. 2022, incremental quantile functions, use such tails). Mean and CRPS are
    integrals of this function, in closed form.
    """

    def __init__(self, values: Tensor, levels: Tensor) -> None:
        self.values, self.levels = values, levels.to(values)
        self._width = self.levels.diff()
        self._slope = values.diff(dim=-1) / self._width
        self._low, self._high = self.levels[0], 1 - self.levels[-1]
        self._low_scale = self._low * self._slope[..., 0]
        self._high_scale = self._high * self._slope[..., -1]

    def mean(self) -> Tensor:
        """Integral of the quantile function, (B, H)."""
        inner = ((self.values[..., 1:] + self.values[..., :-1]) / 2 * self._width).sum(-1)
        low = self._low * (self.values[..., 0] - self._low_scale)
        high = self._high * (self.values[..., -1] + self._high_scale)
        return inner + low + high

    def quantile(self, levels: Tensor | Sequence[float]) -> Tensor:
        """Quantiles at `levels`: (Q,), or (B, H, Q) with levels of its own for each forecast."""
        tau = as_levels(levels, self.values)
        if tau.ndim == 1:
            tau = tau.expand(*self.values.shape[:-1], len(tau))
        last = len(self.levels) - 2
        segment = torch.searchsorted(self.levels, tau.contiguous(), right=True) - 1
        segment = segment.clamp(0, last)
        start = self.values.gather(-1, segment)
        inside = tau.clamp(self.levels[0], self.levels[-1])
        value = start + self._slope.gather(-1, segment) * (inside - self.levels[segment])
        low = self._low_scale[..., None] * torch.log((tau / self._low).clamp(max=1.0))
        high = self._high_scale[..., None] * torch.log(((1 - tau) / self._high).clamp(max=1.0))
        return value + low - high

    def cdf(self, value: Tensor) -> Tensor:
        """Inverse of the quantile function at `value` (B, H), (B, H)."""
        y = value[..., None]
        share = (y - self.values[..., :-1]) / self.values.diff(dim=-1).clamp(min=_TINY)
        inner = self.levels[0] + (share.clamp(0, 1) * self._width).sum(-1)
        below = _tail(value - self.values[..., 0], self._low_scale)
        above = _tail(self.values[..., -1] - value, self._high_scale)
        inside = torch.where(value < self.values[..., 0], self._low * below, inner)
        return torch.where(value > self.values[..., -1], 1 - self._high * above, inside)

    def crps(self, observed: Tensor) -> Tensor:
        """Twice the integral of the pinball loss over all levels, (B, H)."""
        y = observed[..., None]
        a, b = self.levels[:-1], self.levels[1:]
        # integral of 2 (1{y <= q} - t) (q - y) dt over each piece; t_y is where q crosses y
        crossing = ((y - self.values[..., :-1]) / self._slope.clamp(min=_TINY)).clamp(min=0)
        crossing = torch.minimum(a + crossing, b)
        offset = self.values[..., :-1] - y - self._slope * a  # q - y = offset + slope t
        inner = _above(offset, self._slope, crossing, b) - _weighted(offset, self._slope, a, b)
        low = _tail_score(observed - self.values[..., 0], self._low_scale, self._low)
        high = _tail_score(self.values[..., -1] - observed, self._high_scale, self._high)
        return 2 * inner.sum(-1) + low + high


_TINY = 1e-12


def _above(offset: Tensor, slope: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Integral of ``offset + slope t`` from `start` to `end`."""
    return (end - start) * (offset + slope * (start + end) / 2)


def _weighted(offset: Tensor, slope: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Integral of ``t (offset + slope t)`` from `start` to `end`."""
    return offset * (end**2 - start**2) / 2 + slope * (end**3 - start**3) / 3


def _tail(beyond: Tensor, scale: Tensor) -> Tensor:
    """Share of a tail further out than `beyond` (negative outside the knots)."""
    return torch.exp(beyond.clamp(max=0) / scale.clamp(min=_TINY))


def _tail_score(inside: Tensor, scale: Tensor, mass: Tensor) -> Tensor:
    """Score of the lower tail for an observation `inside` above the first knot.

    With ``d = q_1 - y`` and ``q - y = d + b ln(t/m)``, the integral over (0, m) of
    ``2 (1{t >= t_y} - t)(q - y)``; the upper tail is its mirror image.
    """
    d = -inside
    share = torch.where(inside < 0, _tail(inside, scale), torch.ones_like(inside))
    # over (t_y, m): d (m - t_y) + b [t ln(t/m) - t]; share = t_y / m
    logs = torch.where(inside < 0, inside / scale.clamp(min=_TINY), torch.zeros_like(inside))
    logs = logs.clamp(min=-80.0)  # share is 0 in float32 long before
    above = mass * (d * (1 - share) + scale * (share - 1 - share * logs))
    weighted = mass**2 * (d / 2 - scale / 4)
    return 2 * (above - weighted)
