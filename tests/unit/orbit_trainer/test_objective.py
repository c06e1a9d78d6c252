"""The loss of pre-training."""

from __future__ import annotations

import math

import pytest
import torch

from catena.orbit_trainer.training.objective import latitude_loss, latitude_weights

LATITUDES = torch.linspace(-78.75, 78.75, 8)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rows_weigh_by_their_area_and_by_one_on_average() -> None:
    weights = latitude_weights(LATITUDES)
    assert weights.mean().item() == pytest.approx(1.0, abs=1e-6)
    assert (weights[4] / weights[7]).item() == pytest.approx(
        math.cos(math.radians(11.25)) / math.cos(math.radians(78.75)), rel=1e-5
    )
    assert (latitude_weights(torch.tensor([-90.0, 0.0, 90.0])) >= 0).all(), "poles are not negative"


def test_the_loss_is_the_sum_over_every_element() -> None:
    predicted, targets = drawn(2, 3, 8, 4), drawn(2, 3, 8, 4, seed=1)
    targets[0, 1, 2:4] = math.nan
    weights = latitude_weights(LATITUDES)
    total = 0.0
    for place in torch.cartesian_prod(*map(torch.arange, targets.shape)).tolist():
        b, v, h, w = place
        if not math.isnan(targets[b, v, h, w]):
            error = predicted[b, v, h, w].item() - targets[b, v, h, w].item()
            total += weights[h].item() * error**2
    assert latitude_loss(predicted, targets, weights).item() == pytest.approx(
        total / targets.numel(), rel=1e-6
    )


def test_an_unknown_target_has_no_gradient_and_spoils_none() -> None:
    predicted, targets = drawn(1, 1, 8, 4).requires_grad_(), drawn(1, 1, 8, 4, seed=1)
    targets[..., 3, :] = math.nan
    latitude_loss(predicted, targets, latitude_weights(LATITUDES)).backward()
    gradient = predicted.grad
    assert gradient is not None and gradient.isfinite().all()
    assert (gradient[..., 3, :] == 0).all() and (gradient[..., 2, :] != 0).all()


def test_the_mean_over_equal_parts_is_the_loss_of_the_whole_whatever_is_unknown() -> None:
    predicted, targets = drawn(8, 2, 8, 4).double(), drawn(8, 2, 8, 4, seed=1).double()
    targets[0] = math.nan  # all that one part lacks is in no other
    weights = latitude_weights(LATITUDES)
    whole = latitude_loss(predicted, targets, weights)
    for parts in (2, 4, 8):
        losses = [
            latitude_loss(predicted[k::parts], targets[k::parts], weights) for k in range(parts)
        ]
        assert torch.stack(losses).mean().item() == pytest.approx(whole.item(), rel=1e-12)


def test_half_precision_is_compared_in_single() -> None:
    targets = torch.full((1, 1, 8, 4), 256.0)
    loss = latitude_loss((targets + 2.0).bfloat16(), targets, torch.ones(8))
    assert loss.dtype == torch.float32 and loss.item() == 4.0


def test_shapes_that_would_be_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted \(2, 1, 8, 4\), targets \(2, 3, 8, 4\)"):
        latitude_loss(drawn(2, 1, 8, 4), drawn(2, 3, 8, 4), torch.ones(8))
    with pytest.raises(ValueError, match=r"\(4,\) rows"):
        latitude_loss(drawn(2, 3, 8, 4), drawn(2, 3, 8, 4), torch.ones(4))
