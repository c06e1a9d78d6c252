"""Whose parameters serve a basin without a gauge: a similarity that is learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SHARPNESS, _SKILL = 0.8, 2.0  # where learning starts
_MOST_VOLUME = 0.5
_FAR = 1e-9  # keeps the root's slope finite between basins of the same attributes


@dataclass(frozen=True)
class DonorPairs:
    """`B` basins beside `D` possible donors.

    Parameters
    ----------
    attributes : Tensor, (B, S)
        Scaled, without gaps.
    apart : Tensor, (B, D, S)
        Squared differences of scaled attributes.
    distance : Tensor, (B, D)
        On the ground, in units of its median between donors.
    misfit : Tensor, (D,)
        Of the donors' own calibrations.
    barred : Tensor, (B, D), bool
        Who must not lend: the basin itself, and basins that were calibrated badly.
    """

    attributes: Tensor
    apart: Tensor
    distance: Tensor
    misfit: Tensor
    barred: Tensor


class DonorWeights(nn.Module):
    """Weights of donors, falling with how unlike they are, and a factor of the volume.

    ::

        unlike = sqrt(mean_s exp(theta_s) (a_s - b_s)^2) + exp(gamma) distance
        w = exp(volume(a)) softmax(-exp(sigma) unlike - mu misfit)

    It starts from the plain distance that gives all attributes and the place the same say. Weights
    are of flows, and do not add up to one: what all donors get wrong in basins like this one is
    taken off by the factor, which is bounded.

    Parameters
    ----------
    attributes : int
        Numbers per basin.
    """

    def __init__(self, attributes: int) -> None:
        super().__init__()
        self.importance = nn.Parameter(torch.zeros(attributes))
        self.place = nn.Parameter(torch.zeros(()))
        self.sharpness = nn.Parameter(torch.tensor(_SHARPNESS))
        self.skill = nn.Parameter(torch.tensor(_SKILL))
        self.volume = nn.Linear(attributes, 1)
        nn.init.zeros_(self.volume.weight)
        nn.init.zeros_(self.volume.bias)

    def forward(self, pairs: DonorPairs) -> Tensor:
        """Weights, (B, D); 0 where barred."""
        squares = (pairs.apart * self.importance.exp()).mean(-1)
        unlike = (squares + _FAR).sqrt() + self.place.exp() * pairs.distance
        score = -self.sharpness.exp() * unlike - self.skill * pairs.misfit
        share = score.masked_fill(pairs.barred, -torch.inf).softmax(-1)
        change = _MOST_VOLUME * (self.volume(pairs.attributes) / _MOST_VOLUME).tanh()
        return share * change.exp()

    def roughness(self) -> Tensor:
        """Mean square of what was learned about single attributes: to be kept small."""
        return self.importance.square().mean() + 3 * self.volume.weight.square().sum()
