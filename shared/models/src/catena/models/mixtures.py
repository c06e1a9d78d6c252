"""Mixtures of asymmetric Laplace (CMAL) and of normal distributions, with CRPS in closed form."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from catena.models.distributions import Distribution, as_levels

BISECTIONS = 60


class Mixture(Distribution):
    """A mixture of `K` components of one family.

    Parameters
    ----------
    weight : Tensor, (B, H, K)
        Not negative, with sum 1.
    location, scale : Tensor, (B, H, K)
        Of the components; the scale is positive.
    """

    def __init__(self, weight: Tensor, location: Tensor, scale: Tensor) -> None:
        self.weight, self.location, self.scale = weight, location, scale

    @abstractmethod
    def component_mean(self) -> Tensor:
        """Means of the components, (B, H, K)."""

    @abstractmethod
    def component_cdf(self, value: Tensor) -> Tensor:
        """Distribution functions of the components at `value` (B, H, Q), (B, H, Q, K)."""

    @abstractmethod
    def component_quantile(self, level: Tensor) -> Tensor:
        """Quantiles of the components at `level` (B, H, Q), (B, H, Q, K)."""

    @abstractmethod
    def distance_to(self, value: Tensor) -> Tensor:
        """``E|X_k - value|`` for `value` (B, H, 1), (B, H, K)."""

    @abstractmethod
    def distances(self) -> Tensor:
        """``E|X_k - X_l|`` for independent draws of the components, (B, H, K, K)."""

    def mean(self) -> Tensor:
        """Weighted mean of the components, (B, H)."""
        return (self.weight * self.component_mean()).sum(-1)

    def cdf(self, value: Tensor) -> Tensor:
        """Weighted sum of the components' functions at `value` (B, H), (B, H)."""
        return (self.weight * self.component_cdf(value[..., None])[..., 0, :]).sum(-1)

    def crps(self, observed: Tensor) -> Tensor:
        """Score of `observed` (B, H), (B, H): Gneiting & Raftery 2007, Eq. 21."""
        # Gneiting & Raftery 2007, Eq. 21: E|X - y| - E|X - X'| / 2
        near = (self.weight * self.distance_to(observed[..., None])).sum(-1)
        pairs = self.weight[..., :, None] * self.weight[..., None, :]
        return near - (pairs * self.distances()).sum((-1, -2)) / 2

    @torch.no_grad()
    def quantile(self, levels: Tensor | Sequence[float]) -> Tensor:
        """Quantiles by bisection between those of the components.

        Without gradients: train mixtures by CRPS.
        """
        tau = as_levels(levels, self.location).expand(*self.location.shape[:-1], -1)
        each = self.component_quantile(tau)
        low, high = each.amin(-1), each.amax(-1)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            under = (self.weight[..., None, :] * self.component_cdf(middle)).sum(-1) < tau
            low, high = torch.where(under, middle, low), torch.where(under, high, middle)
        return (low + high) / 2

    @torch.no_grad()
    def sample(self, draws: int, generator: torch.Generator) -> Tensor:
        """Independent draws at each lead, (draws, B, H): a component, then a value of it."""
        shape = (*self.location.shape[:-1], draws)
        kwargs = {"generator": generator, "dtype": self.location.dtype}
        edges = self.weight.cumsum(-1)[..., :-1].contiguous()
        chosen = torch.searchsorted(edges, torch.rand(shape, **kwargs))  # type: ignore[call-overload]
        levels = torch.rand(shape, **kwargs).clamp(1e-6, 1 - 1e-6)  # type: ignore[call-overload]
        values = self.component_quantile(levels).gather(-1, chosen[..., None])
        return values[..., 0].movedim(-1, 0)


class AsymmetricLaplaceMixture(Mixture):
    """Countable mixture of asymmetric Laplacians (Klotz et al. 2022, HESS 26, Eq. 6).

    Parameters
    ----------
    weight, location, scale : Tensor, (B, H, K)
        As in :class:`Mixture`.
    asymmetry : Tensor, (B, H, K)
        ``tau`` in (0, 1): the probability below the location. The density falls off at the rates
        ``(1 - tau) / scale`` below and ``tau / scale`` above the location.
    """

    def __init__(self, weight: Tensor, location: Tensor, scale: Tensor, asymmetry: Tensor) -> None:
        super().__init__(weight, location, scale)
        self.asymmetry = asymmetry
        self._left = (1 - asymmetry) / scale
        self._right = asymmetry / scale

    def component_mean(self) -> Tensor:
        """Means of the components, (B, H, K)."""
        return self.location + (1 - self.asymmetry) / self._right - self.asymmetry / self._left

    def component_cdf(self, value: Tensor) -> Tensor:
        """Distribution functions of the components, (B, H, Q, K)."""
        d = value[..., None] - self.location[..., None, :]
        tau, left, right = (x[..., None, :] for x in (self.asymmetry, self._left, self._right))
        below = tau * torch.exp(left * d.clamp(max=0))
        above = 1 - (1 - tau) * torch.exp(-right * d.clamp(min=0))
        return torch.where(d < 0, below, above)

    def component_quantile(self, level: Tensor) -> Tensor:
        """Quantiles of the components, (B, H, Q, K)."""
        level = level[..., None]
        tau, left, right = (x[..., None, :] for x in (self.asymmetry, self._left, self._right))
        below = torch.log(level / tau) / left
        above = -torch.log((1 - level) / (1 - tau)) / right
        return self.location[..., None, :] + torch.where(level < tau, below, above)

    def distance_to(self, value: Tensor) -> Tensor:
        """``E|X_k - value|``, (B, H, K)."""
        d = value - self.location
        tau, rest = self.asymmetry, 1 - self.asymmetry
        gap = self.component_mean() - value
        # E|X - y| = E[X - y] + 2 E(y - X)+  =  2 E(X - y)+ - E[X - y]
        below = gap + 2 * tau / self._left * torch.exp(self._left * d.clamp(max=0))
        above = 2 * rest / self._right * torch.exp(-self._right * d.clamp(min=0)) - gap
        return torch.where(d < 0, below, above)

    def distances(self) -> Tensor:
        """``E|X_k - X_l|``, (B, H, K, K)."""
        # the integral of F_i (1 - F_j) + F_j (1 - F_i), with i the component further left
        first = self.location[..., :, None] <= self.location[..., None, :]
        d = (self.location[..., :, None] - self.location[..., None, :]).abs()

        def pair(x: Tensor) -> tuple[Tensor, Tensor]:
            row, column = x[..., :, None], x[..., None, :]
            return torch.where(first, row, column), torch.where(first, column, row)

        tau_i, tau_j = pair(self.asymmetry)
        a_i, a_j = pair(self._left)
        c_i, c_j = pair(self._right)
        rest_i, rest_j = 1 - tau_i, 1 - tau_j
        fall_j, fall_i = torch.exp(-a_j * d), torch.exp(-c_i * d)
        left = tau_i / a_i + tau_j * fall_j / a_j - 2 * tau_i * tau_j * fall_j / (a_i + a_j)
        right = rest_j / c_j + rest_i * fall_i / c_i - 2 * rest_i * rest_j * fall_i / (c_i + c_j)
        # both rates fall over the middle: (e^-cd - e^-ad) / (a - c), smooth where they are equal
        slower, difference = torch.minimum(a_j, c_i), (a_j - c_i).abs()
        product = torch.exp(-slower * d) * d * _relative_fall(difference * d)
        middle = (
            d
            - rest_i * (1 - fall_i) / c_i
            - tau_j * (1 - fall_j) / a_j
            + 2 * rest_i * tau_j * product
        )
        return left + middle + right


class NormalMixture(Mixture):
    """Mixture of normal distributions; `scale` is the standard deviation."""

    def component_mean(self) -> Tensor:
        """Means of the components, (B, H, K)."""
        return self.location

    def component_cdf(self, value: Tensor) -> Tensor:
        """Distribution functions of the components, (B, H, Q, K)."""
        z = (value[..., None] - self.location[..., None, :]) / self.scale[..., None, :]
        return torch.special.ndtr(z)

    def component_quantile(self, level: Tensor) -> Tensor:
        """Quantiles of the components, (B, H, Q, K)."""
        z = torch.special.ndtri(level)[..., None]
        return self.location[..., None, :] + self.scale[..., None, :] * z

    def distance_to(self, value: Tensor) -> Tensor:
        """``E|X_k - value|``, (B, H, K)."""
        return _folded_normal_mean(value - self.location, self.scale)

    def distances(self) -> Tensor:
        """``E|X_k - X_l|``, (B, H, K, K)."""
        gap = self.location[..., :, None] - self.location[..., None, :]
        squares = self.scale.square()
        return _folded_normal_mean(gap, (squares[..., :, None] + squares[..., None, :]).sqrt())


def _folded_normal_mean(mean: Tensor, sd: Tensor) -> Tensor:
    """``E|Z|`` of a normal variable (Grimit et al. 2006, Eq. 5)."""
    z = mean / sd
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return 2 * sd * density + mean * (2 * torch.special.ndtr(z) - 1)


def _relative_fall(x: Tensor) -> Tensor:
    """``(1 - exp(-x)) / x`` for x >= 0, 1 at 0."""
    small = x < 1e-4
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1 - x / 2, -torch.expm1(-safe) / safe)
