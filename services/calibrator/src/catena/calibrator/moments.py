"""Mean and covariance of weighted members of a bank: the Gaussian part of a posterior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# posteriors narrower than this (variance in probit space, where the prior has 1) are not told apart
LEAST_VARIANCE = 1e-4
# moments rest on at least so many members; weights are tempered until they do
LEAST_MEMBERS = 200.0
BISECTIONS = 14


@dataclass(frozen=True, eq=False)
class Moments:
    """First two moments of c posteriors in probit space.

    Parameters
    ----------
    centre : Tensor, (c, d)
    axes : Tensor, (c, d, d)
        Principal axes, in columns.
    variance : Tensor, (c, d)
        Variance along each axis, at least LEAST_VARIANCE.
    """

    centre: Tensor
    axes: Tensor
    variance: Tensor

    @property
    def root(self) -> Tensor:
        """Symmetric square root of the covariance, (c, d, d)."""
        return (self.axes * self.variance.sqrt()[:, None, :]) @ self.axes.transpose(1, 2)

    @property
    def log_det_root(self) -> Tensor:
        """Log determinant of :attr:`root`, (c,)."""
        return 0.5 * self.variance.log().sum(1)

    def whiten(self, x: Tensor) -> Tensor:
        """``covariance^(-1/2) (x - centre)`` of (c, r, d)."""
        inverse = (self.axes / self.variance.sqrt()[:, None, :]) @ self.axes.transpose(1, 2)
        return (x - self.centre[:, None, :]) @ inverse


def products(probit: Tensor) -> Tensor:
    """Coordinates and their pairwise products, (n, d + d(d+1)/2): what the moments are sums of."""
    d = probit.shape[1]
    i, j = torch.triu_indices(d, d)
    return torch.cat([probit, probit[:, i] * probit[:, j]], dim=1)


def weighted_moments(weight: Tensor, table: Tensor, d: int) -> Moments:
    """Moments of members under weights, by one matrix product.

    Parameters
    ----------
    weight : Tensor, (c, n)
        Not normalised.
    table : Tensor, (n, d + d(d+1)/2)
        Of :func:`products`.
    d : int
    """
    moment = (weight @ table) / weight.sum(1, keepdim=True)
    centre = moment[:, :d]
    covariance = torch.empty(len(weight), d, d)
    i, j = torch.triu_indices(d, d)
    covariance[:, i, j] = moment[:, d:]
    covariance[:, j, i] = moment[:, d:]
    covariance -= centre[:, :, None] * centre[:, None, :]
    variance, axes = torch.linalg.eigh(covariance)
    return Moments(centre, axes, variance.clamp_min(LEAST_VARIANCE))


def temper(weight: Tensor, effective: Tensor, least: float = LEAST_MEMBERS) -> Tensor:
    """Raise weights to the largest power at most 1 that leaves `least` effective members.

    Parameters
    ----------
    weight : Tensor, (c, n)
        Largest 1 in each row.
    effective : Tensor, (c,)
        Effective size of each row.
    least : float

    Returns
    -------
    Tensor, (c, n)
        The same rows where they suffice.
    """
    poor = torch.nonzero(effective < least)[:, 0]
    if not len(poor):
        return weight
    logs = weight[poor].clamp_min(1e-37).log()
    low, high = torch.zeros(len(poor), 1), torch.ones(len(poor), 1)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        tried = (middle * logs).exp()
        enough = tried.sum(1, keepdim=True) ** 2 >= least * tried.square().sum(1, keepdim=True)
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    weight = weight.clone()
    weight[poor] = (low * logs).exp()
    return weight
