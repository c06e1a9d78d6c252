from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from catena.models.distributions import Quantiles

LEVELS = torch.tensor([0.05, 0.2, 0.5, 0.8, 0.95], dtype=torch.float64)


def planted(seed: int = 0, b: int = 3, h: int = 4) -> Quantiles:
    generator = torch.Generator().manual_seed(seed)
    steps = torch.rand(b, h, 5, generator=generator, dtype=torch.float64) + 0.05
    return Quantiles(steps.cumsum(-1) - 1.0, LEVELS)


def grid(n: int = 20_001) -> torch.Tensor:
    """Midpoints of (0, 1): the plain way to integrate a quantile function."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def test_knots_are_hit() -> None:
    q = planted()
    torch.testing.assert_close(q.quantile(LEVELS), q.values)


def test_mean_is_the_integral_of_the_quantile_function() -> None:
    q = planted()
    torch.testing.assert_close(q.mean(), q.quantile(grid()).mean(-1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("y", [-9.0, -0.8, -0.2, 0.4, 1.1, 2.0, 30.0])
def test_crps_is_twice_the_integral_of_the_pinball_loss(y: float) -> None:
    q = planted()
    observed = torch.full((3, 4), y, dtype=torch.float64)
    plain = 2 * q.pinball(observed, grid())
    torch.testing.assert_close(q.crps(observed), plain, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("y", [-9.0, -0.8, 0.4, 2.0, 30.0])
def test_cdf_inverts_the_quantile_function(y: float) -> None:
    q = planted()
    share = (q.quantile(grid()) <= y).double().mean(-1)
    torch.testing.assert_close(
        q.cdf(torch.full((3, 4), y, dtype=torch.float64)), share, atol=1e-4, rtol=0
    )


def test_many_quantiles_of_a_normal_distribution_give_its_mean_and_crps() -> None:
    levels = torch.linspace(0.005, 0.995, 199, dtype=torch.float64)
    q = Quantiles(torch.as_tensor(norm(2, 3).ppf(levels))[None, None], levels)
    y = 4.0
    z = (y - 2) / 3
    crps = 3 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert q.mean().item() == pytest.approx(2, abs=1e-6)
    assert q.crps(torch.tensor([[y]], dtype=torch.float64)).item() == pytest.approx(crps, abs=2e-3)


def test_the_density_is_continuous_where_the_tail_begins() -> None:
    q, d = planted(), 1e-6
    for knot in (0.05, 0.95):
        below, at, above = q.quantile([knot - d, knot, knot + d]).unbind(-1)
        torch.testing.assert_close(at - below, above - at, rtol=1e-3, atol=0)


def test_draws_follow_the_distribution() -> None:
    q = planted(b=1, h=2)
    draws = q.sample(20_000, torch.Generator().manual_seed(3))
    assert draws.shape == (20_000, 1, 2)
    share = (draws <= q.quantile([0.2])[..., 0]).double().mean(0)
    assert (share - 0.2).abs().max() < 4 * np.sqrt(0.2 * 0.8 / 20_000)
    assert torch.equal(draws, q.sample(20_000, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("levels", [[0.0], [0.5, 1.0], [-0.1]])
def test_levels_outside_are_refused(levels: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        planted().quantile(levels)


def test_gradients_are_finite_with_ties_and_far_observations() -> None:
    values = torch.zeros(1, 3, 5, dtype=torch.float64, requires_grad=True)
    q = Quantiles(values, LEVELS)
    observed = torch.tensor([[-50.0, 0.0, 50.0]], dtype=torch.float64)
    (q.crps(observed) + q.mean() + q.pinball(observed, [0.1, 0.9])).sum().backward()
    assert values.grad is not None and values.grad.isfinite().all()
    torch.testing.assert_close(q.crps(observed), observed.abs())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 5), min_size=4, max_size=4),
    st.floats(-50, 50),
)
def test_crps_is_never_negative_and_least_for_a_point_at_the_observation(
    steps: list[float], y: float
) -> None:
    values = torch.tensor([0.0, *steps], dtype=torch.float64).cumsum(0)[None, None]
    observed = torch.tensor([[y]], dtype=torch.float64)
    assert Quantiles(values, LEVELS).crps(observed).item() >= -1e-9
    point = Quantiles(torch.full_like(values, y), LEVELS)
    assert point.crps(observed).item() == pytest.approx(0, abs=1e-9)
