from __future__ import annotations

import math

import pytest
import torch

from catena.forecaster.training.losses import LOSSES, PINBALL_LEVELS, SD_FLOOR, loss_sum
from catena.models.distributions import Quantiles

LEVELS = torch.tensor([0.1, 0.5, 0.9])


def forecast(seed: int = 0) -> tuple[Quantiles, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(4, 3, 3, generator=generator).cumsum(-1).requires_grad_()
    return Quantiles(values, LEVELS), values


@pytest.mark.parametrize("name", [*LOSSES, "nse+crps"])
def test_missing_targets_count_for_nothing(name: str) -> None:
    full, _ = forecast()
    targets = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    holes = targets.clone()
    holes[1, 2] = holes[3, 0] = math.nan
    total, count = loss_sum(name, full, targets)
    kept, fewer = loss_sum(name, full, holes)
    alone = sum(
        loss_sum(name, full, torch.where(torch.arange(12).view(4, 3) == i, targets, math.nan))[0]
        for i in (5, 9)
    )
    assert (int(count), int(fewer)) == (12, 10)
    torch.testing.assert_close(total - kept, alone)


@pytest.mark.parametrize("name", [*LOSSES, "nse+crps"])
def test_gradients_of_missing_targets_are_zero_not_nan(name: str) -> None:
    full, values = forecast()
    targets = torch.zeros(4, 3)
    targets[2] = math.nan
    loss_sum(name, full, targets)[0].backward()
    assert values.grad is not None and values.grad.isfinite().all()
    assert not values.grad[2].any() and values.grad[0].any()


def test_without_any_target_the_sum_is_zero() -> None:
    total, count = loss_sum("crps", forecast()[0], torch.full((4, 3), math.nan))
    assert total.item() == 0.0 and count.item() == 0


def test_losses_are_what_their_names_say() -> None:
    full, _ = forecast()
    targets, sd = torch.ones(4, 3), torch.tensor([1.0, 2.0, 3.0, 0.0])
    scale = (sd + SD_FLOOR)[:, None]
    expected = {
        "nse": ((full.mean() - 1) / scale) ** 2,
        "crps": full.crps(targets) / scale,
        "pinball": full.pinball(targets, PINBALL_LEVELS) / scale,
    }
    for name, value in expected.items():
        torch.testing.assert_close(loss_sum(name, full, targets, sd)[0], value.sum())
    both = loss_sum("nse+crps", full, targets, sd)[0]
    torch.testing.assert_close(both, expected["nse"].sum() + expected["crps"].sum())
