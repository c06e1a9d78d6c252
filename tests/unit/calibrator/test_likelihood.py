from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from support.linear_model import linear_surrogate

from catena.calibrator.likelihood import (
    LogLikelihood,
    check_observations,
    gaussian_log_likelihood,
)
from catena.calibrator.prior import Prior
from catena.shared.errors import InvalidData

SLOPE = np.array([[1.0, 0.0, 0.5], [0.2, 1.0, 0.0], [0.0, 0.3, 1.0]])
CENTER, SPREAD = np.array([10.0, -1.0, 0.0]), np.array([2.0, 1.0, 4.0])


def test_equals_the_sum_of_normal_densities() -> None:
    rng = np.random.default_rng(0)
    mean, variance = rng.standard_normal((5, 3)), rng.random((5, 3))
    y, error = rng.standard_normal(3), np.array([0.1, 0.5, 2.0])
    mask = np.array([True, False, True])
    ours = gaussian_log_likelihood(*map(torch.as_tensor, (mean, variance, y, error, mask)))
    wanted = norm.logpdf(y, mean, np.sqrt(error**2 + variance))[:, mask].sum(1)
    np.testing.assert_allclose(ours, wanted, atol=1e-12)


@given(st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -3.0]))
def test_what_lies_under_the_mask_is_ignored(junk: float) -> None:
    mask = np.array([True, False, True])
    values, error = np.array([10.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0])
    plain = check_observations(values, error, mask, CENTER, SPREAD)
    values[1], error[1] = junk, junk
    dirty = check_observations(values, error, mask, CENTER, SPREAD)
    for name in ("values", "error_sd", "observed"):
        assert np.array_equal(getattr(plain, name), getattr(dirty, name))


def test_observations_are_standardised() -> None:
    sites = check_observations([12.0, 0.0, 8.0], [1.0, 0.5, 2.0], None, CENTER, SPREAD)
    np.testing.assert_allclose(sites.values, [[1.0, 1.0, 2.0]])
    np.testing.assert_allclose(sites.error_sd, [[0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("values", "error", "mask", "said"),
    [
        ([1.0, np.nan, 0.0], 1.0, None, r"observations\[0\]\.values\[1\]: nan"),
        ([1.0, 2.0, 0.0], [1.0, 0.0, 1.0], None, r"observations\[0\]\.error_sd\[1\]: 0; want"),
        ([1.0, 2.0, 0.0], [1.0, -2.0, 1.0], None, r"error_sd\[1\]: -2"),
        ([1.0, 2.0, 0.0], np.inf, None, r"error_sd\[0\]: inf"),
        ([1.0, 2.0, 0.0], 1.0, [False] * 3, r"observations\[0\]\.observed: nothing"),
        ([1.0, 2.0], 1.0, None, r"have shape \(2,\); want \(sites, 3\)"),
        ([1.0, 2.0, 0.0], [1.0, 1.0], None, "same shape for all three"),
    ],
)
def test_observations_that_cannot_be_used_are_named(
    values: list[float], error: object, mask: object, said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        check_observations(values, error, mask, CENTER, SPREAD)


def test_the_target_of_chains_is_differentiable_and_ends_at_the_box(prior: Prior) -> None:
    target = LogLikelihood(linear_surrogate(prior, SLOPE, 0.01), [0.1, 0.2, 0.3], [0.2] * 3)
    unit = torch.full((1, 3), 0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(target.unit, (unit,), eps=1e-3, atol=1e-2)
    x = prior.from_unit(np.array([[0.4, 0.4, 0.4]]))
    assert target(x) == pytest.approx(target.unit(unit).item(), abs=1e-9)
    assert target(prior.high[None] * 1.0001) == -np.inf
