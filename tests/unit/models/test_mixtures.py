from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import laplace_asymmetric, norm

from catena.models.mixtures import AsymmetricLaplaceMixture, Mixture, NormalMixture


def draw(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def cmal(b: int = 2, h: int = 3, k: int = 3) -> AsymmetricLaplaceMixture:
    weight = draw(b, h, k, seed=1)
    return AsymmetricLaplaceMixture(
        weight / weight.sum(-1, keepdim=True),
        4 * draw(b, h, k, seed=2) - 2,
        draw(b, h, k, seed=3) + 0.1,
        0.05 + 0.9 * draw(b, h, k, seed=4),
    )


def normals(b: int = 2, h: int = 3, k: int = 4) -> NormalMixture:
    weight = draw(b, h, k, seed=5)
    return NormalMixture(
        weight / weight.sum(-1, keepdim=True),
        4 * draw(b, h, k, seed=6) - 2,
        draw(b, h, k, seed=7) + 0.1,
    )


def reference(mixture: Mixture, at: tuple[int, int]) -> list[tuple[float, object]]:
    """Weights and scipy distributions of one forecast."""
    parts = []
    for k in range(mixture.weight.shape[-1]):
        weight, location, scale = (
            x[(*at, k)].item() for x in (mixture.weight, mixture.location, mixture.scale)
        )
        if isinstance(mixture, AsymmetricLaplaceMixture):
            tau = mixture.asymmetry[(*at, k)].item()
            # scipy's rates are kappa / s above and 1 / (kappa s) below
            kappa = np.sqrt(tau / (1 - tau))
            s = scale / np.sqrt(tau * (1 - tau))
            parts.append((weight, laplace_asymmetric(kappa, location, s)))
        else:
            parts.append((weight, norm(location, scale)))
    return parts


@pytest.mark.parametrize("mixture", [cmal(), normals()], ids=["cmal", "normal"])
@pytest.mark.parametrize("y", [-6.0, -0.3, 0.2, 1.4, 9.0])
def test_crps_cdf_and_mean_against_numeric_integration(mixture: Mixture, y: float) -> None:
    crps = mixture.crps(torch.full((2, 3), y, dtype=torch.float64))
    cdf = mixture.cdf(torch.full((2, 3), y, dtype=torch.float64))
    for at in ((0, 0), (1, 2)):
        parts = reference(mixture, at)

        def probability(x: float, parts: list = parts) -> float:  # type: ignore[type-arg]
            return sum(w * d.cdf(x) for w, d in parts)

        points = sorted([y, *(mixture.location[at].tolist())])
        edges = [-60.0, *points, 60.0]
        numeric = sum(
            quad(lambda x, p=probability: (p(x) - (x >= y)) ** 2, a, b, limit=200)[0]
            for a, b in pairwise(edges)
        )
        assert crps[at].item() == pytest.approx(numeric, abs=1e-6)
        assert cdf[at].item() == pytest.approx(probability(y), abs=1e-9)
        mean = sum(w * d.mean() for w, d in parts)
        assert mixture.mean()[at].item() == pytest.approx(mean, abs=1e-9)


def test_components_with_equal_rates_and_places_have_a_finite_score_and_gradient() -> None:
    location = torch.zeros(1, 1, 2, dtype=torch.float64, requires_grad=True)
    scale = torch.ones(1, 1, 2, dtype=torch.float64, requires_grad=True)
    half = torch.full((1, 1, 2), 0.5, dtype=torch.float64)
    two = AsymmetricLaplaceMixture(half, location, scale, half)
    one = AsymmetricLaplaceMixture(
        half[..., :1] * 2, location[..., :1], scale[..., :1], half[..., :1]
    )
    y = torch.tensor([[0.7]], dtype=torch.float64)
    torch.testing.assert_close(two.crps(y), one.crps(y))
    two.crps(y).sum().backward()
    assert location.grad is not None and location.grad.isfinite().all()
    assert scale.grad is not None and scale.grad.isfinite().all()


def test_the_gradient_of_the_score_is_right() -> None:
    def score(location: torch.Tensor, scale: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        weight = torch.full_like(location, 1 / 3)
        return AsymmetricLaplaceMixture(weight, location, scale, tau).crps(y)

    y = torch.tensor([[0.3, -2.0]], dtype=torch.float64)
    arguments = (
        draw(1, 2, 3, seed=1).requires_grad_(),
        (draw(1, 2, 3, seed=2) + 0.2).requires_grad_(),
        (0.1 + 0.8 * draw(1, 2, 3, seed=3)).requires_grad_(),
    )
    assert torch.autograd.gradcheck(score, arguments)


@pytest.mark.parametrize("mixture", [cmal(), normals()], ids=["cmal", "normal"])
def test_quantiles_invert_the_distribution_function_far_into_the_tails(mixture: Mixture) -> None:
    levels = [1e-6, 0.01, 0.5, 0.99, 1 - 1e-6]
    quantiles = mixture.quantile(levels)
    assert (quantiles.diff(dim=-1) > 0).all()
    for i, level in enumerate(levels):
        probability = mixture.cdf(quantiles[..., i])
        torch.testing.assert_close(
            probability, torch.full_like(probability, level), atol=1e-9, rtol=1e-6
        )


@pytest.mark.parametrize("mixture", [cmal(1, 1), normals(1, 1)], ids=["cmal", "normal"])
def test_draws_have_the_mean_and_the_score_of_the_closed_form(mixture: Mixture) -> None:
    draws = mixture.sample(4000, torch.Generator().manual_seed(0))[:, 0, 0]
    error = draws.std() / np.sqrt(len(draws))
    assert (draws.mean() - mixture.mean()[0, 0]).abs() < 4 * error
    y = torch.tensor([[0.5]], dtype=torch.float64)
    spread = (draws[:, None] - draws[None]).abs().mean()
    assert mixture.crps(y).item() == pytest.approx(
        ((draws - 0.5).abs().mean() - spread / 2).item(), rel=0.1
    )
