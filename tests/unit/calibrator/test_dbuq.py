from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from catena.calibrator.dbuq import (
    FaithfulConfig,
    FaithfulMap,
    denoiser,
    fit_faithful,
    probability_flow,
)
from catena.calibrator.generator_labels import mixture_flow
from catena.calibrator.likelihood import check_observations
from catena.calibrator.stages import Stages


def slow_flow(
    z: np.ndarray, y: np.ndarray, x_j: np.ndarray, y_j: np.ndarray, steps: int
) -> np.ndarray:
    """The recipe member by member in double precision: written from the paper, shares no code."""
    dt, out = 1.0 / steps, z.copy()
    for m in range(len(z)):
        current = z[m].copy()
        for i in range(steps):
            t = 1.0 - (i + 1) * dt
            alpha, beta2 = 1.0 - (t - dt), t + dt
            logw = np.array(
                [
                    -((current - alpha * a) ** 2).sum() / (2 * beta2) - ((y[m] - b) ** 2).sum() / 2
                    for a, b in zip(x_j, y_j, strict=True)
                ]
            )
            w = np.exp(logw - logw.max())
            w /= w.sum()
            s = sum(wj * -(current - alpha * a) / beta2 for wj, a in zip(w, x_j, strict=True))
            b_t = -1.0 / alpha
            sigma2 = 1.0 - 2.0 * b_t * beta2
            current = current - dt * (b_t * current - 0.5 * sigma2 * s)
        out[m] = current
    return out


def test_labels_in_matrix_form_equal_the_slow_recipe() -> None:
    rng = np.random.default_rng(0)
    x_j, y_j = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    z, y = rng.standard_normal((12, 3)), y_j[:12]
    fast = probability_flow(*(torch.as_tensor(a).float() for a in (z, y, x_j, y_j)), steps=50)
    assert np.abs(fast.numpy() - slow_flow(z, y, x_j, y_j, 50)).max() < 1e-4


def test_chunks_of_the_weight_table_do_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    args = [torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) for n in (30, 30, 50, 50)]
    whole = denoiser(*args, 0.5, 0.01, 1.0)
    monkeypatch.setattr("catena.calibrator.dbuq.ROWS", 7)
    torch.testing.assert_close(denoiser(*args, 0.5, 0.01, 1.0), whole, atol=1e-6, rtol=1e-5)


def test_flow_draws_from_the_posterior_of_a_linear_gaussian_model() -> None:
    """x ~ N(0, 1), y = x seen with error sd 0.5: the posterior of y = 0.8 is N(0.64, 0.2)."""
    x_j = torch.as_tensor(norm.ppf((np.arange(1500) + 0.5) / 1500))[:, None]
    z = torch.as_tensor(norm.ppf((np.arange(200) + 0.5) / 200))[:, None]
    y = torch.full((200, 1), 0.8, dtype=torch.float64)
    x = probability_flow(z, y, x_j, x_j, sigma_y=0.5, steps=200)
    assert x.mean().item() == pytest.approx(0.64, abs=0.01)
    assert x.std().item() == pytest.approx(np.sqrt(0.2), rel=0.03)


def quantile_of_mixture(p: np.ndarray, centres: np.ndarray, sd: float) -> np.ndarray:
    grid = np.linspace(-6, 6, 40_001)
    return np.interp(p, norm.cdf((grid[:, None] - centres) / sd).mean(1), grid)


@pytest.mark.parametrize(("steps", "tolerance"), [(200, 0.004), (12, 0.12)])
def test_mixture_flow_is_the_quantile_map_in_one_dimension(steps: int, tolerance: float) -> None:
    centres, sd = np.array([-1.0, 0.2, 0.8]), 0.4
    p = (np.arange(101) + 0.5) / 101
    variance = sd**2 + (centres**2).mean()
    x = mixture_flow(
        torch.as_tensor(norm.ppf(p))[None, :, None],
        torch.as_tensor(centres)[None, :, None],
        torch.tensor([[variance]], dtype=torch.float64),
        torch.tensor([[sd**2]], dtype=torch.float64),
        steps,
    )
    np.testing.assert_allclose(x[0, :, 0], quantile_of_mixture(p, centres, sd), atol=tolerance)


def test_mixture_flow_of_one_gaussian_is_a_stretch() -> None:
    z = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    variance = torch.tensor([[0.3, 1.0, 0.01], [2.0, 0.5, 0.2]])
    x = mixture_flow(z, torch.zeros(2, 1, 3), variance, variance, 12)
    torch.testing.assert_close(x, z * variance.sqrt()[:, None, :], atol=1e-5, rtol=1e-5)


def test_the_trained_map_follows_the_observation_and_needs_one_site_only() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, (200, 1))
    y = np.concatenate([3 * x + 100, rng.standard_normal((200, 1))], 1)
    config = FaithfulConfig(sigma_y=0.3, steps=40, width=24, epochs=15, batch=256)
    fitted = fit_faithful(x, y, labels=4000, seed=0, stages=Stages(), config=config)
    again = FaithfulMap.from_state(fitted.describe(), fitted.state())
    center, spread = y.mean(0), y.std(0)
    for truth in (3.0, 7.0):
        site = check_observations([3 * truth + 100, 0.0], [1.0, 1.0], None, center, spread)
        draws = again.sample(site, center, spread, 400, torch.Generator().manual_seed(1))
        assert draws.shape == (1, 400, 1)
        assert draws.mean() == pytest.approx(truth, abs=0.6)
        assert 0.2 < draws.std() < 1.5
