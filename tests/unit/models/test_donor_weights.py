from __future__ import annotations

import numpy as np
import torch

from catena.models.donor_weights import DonorPairs, DonorWeights


def pairs() -> DonorPairs:
    """Three basins beside four donors that are known by two attributes."""
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    barred = np.zeros((3, 4), bool)
    barred[1, 2] = barred[2, :3] = True
    values = ours, (ours[:, None] - theirs) ** 2, rng.random((3, 4)), rng.random(4), barred
    return DonorPairs(*map(torch.from_numpy, values))


def test_weights_follow_the_equations_donor_by_donor() -> None:
    model, seen = DonorWeights(2).double(), pairs()
    with torch.no_grad():
        model.importance.copy_(torch.tensor([0.7, -0.4]))
        model.place.fill_(-0.3)
        model.volume.weight.copy_(torch.tensor([[0.2, -0.5]]))
        model.volume.bias.fill_(0.1)
    sharpness, skill = float(model.sharpness.detach().exp()), float(model.skill.detach())
    wanted = np.zeros((3, 4))
    for b in range(3):
        for d in range(4):
            if not seen.barred[b, d]:
                squares = seen.apart[b, d].numpy() * np.exp([0.7, -0.4])
                unlike = np.sqrt(squares.mean()) + np.exp(-0.3) * float(seen.distance[b, d])
                wanted[b, d] = np.exp(-sharpness * unlike - skill * float(seen.misfit[d]))
        volume = float(seen.attributes[b] @ torch.tensor([0.2, -0.5], dtype=torch.float64)) + 0.1
        wanted[b] *= np.exp(0.5 * np.tanh(volume / 0.5)) / wanted[b].sum()
    np.testing.assert_allclose(model(seen).detach().numpy(), wanted, rtol=1e-6)
    assert wanted[1, 2] == 0 and np.count_nonzero(wanted[2]) == 1


def test_a_donor_of_the_same_attributes_does_not_break_the_slope() -> None:
    model, seen = DonorWeights(2).double(), pairs()
    seen.apart[0, 0] = 0.0
    model(seen).square().sum().backward()
    slopes = [p.grad for p in model.parameters()]
    assert all(slope is not None and bool(slope.isfinite().all()) for slope in slopes)
