"""The checks pass a right posterior and catch planted faults.

The model behind most tests: x ~ N(0, 1) in each of d parameters, y = x + noise of standard
deviation `SD`; the posterior of x is N(y / (1 + SD^2), SD^2 / (1 + SD^2)).
"""

from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator import checks
from catena.shared.errors import InvalidData

SD = 0.5
SITES, DRAWS, D = 600, 200, 3


def conjugate(*, width: float = 1.0, shift: float = 0.0, seed: int = 0):
    """(draws, truth) of the exact posterior, or of one made too wide or shifted."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((SITES, D))
    y = truth + SD * rng.standard_normal(truth.shape)
    mean = y / (1 + SD**2) + shift
    sd = width * SD / np.sqrt(1 + SD**2)
    return mean[:, None, :] + sd * rng.standard_normal((SITES, DRAWS, D)), truth


# KS distance that chance exceeds once in a thousand times, for one parameter
KS_LIMIT = 1.95 / np.sqrt(SITES)


def box(x: np.ndarray) -> np.ndarray:
    """Real line to (0, 1): TARP draws its reference points in the unit cube."""
    return 1.0 / (1.0 + np.exp(-x))


def test_a_right_posterior_passes_every_check():
    draws, truth = conjugate()
    assert checks.sbc_ks(checks.sbc_ranks(draws, truth)).max() < KS_LIMIT
    assert checks.tarp(box(draws), box(truth)).deviation < KS_LIMIT
    coverage = checks.interval_coverage(draws, truth, level=0.9)
    # binomial: four standard deviations
    assert np.abs(coverage - 0.9).max() < 4 * np.sqrt(0.09 / SITES) + 0.005


@pytest.mark.parametrize("fault", [{"width": 0.5}, {"width": 2.0}, {"shift": 0.3}])
def test_sbc_catches_a_posterior_that_is_too_narrow_too_wide_or_shifted(fault):
    draws, truth = conjugate(**fault)
    assert checks.sbc_ks(checks.sbc_ranks(draws, truth)).min() > 1.3 * KS_LIMIT


@pytest.mark.parametrize("fault", [{"width": 0.5}, {"width": 2.0}])
def test_tarp_catches_a_wrong_width(fault):
    draws, truth = conjugate(**fault)
    assert checks.tarp(box(draws), box(truth)).deviation > 1.5 * KS_LIMIT


def test_tarp_catches_wrong_correlations_that_every_marginal_hides():
    rng = np.random.default_rng(3)
    sites, limit = 6000, 1.95 / np.sqrt(6000)
    along = rng.standard_normal((sites, 1, 1)) + 0.5 * rng.standard_normal((sites, 61, 1))
    # truth and its posterior lie on the diagonal; the draws given are the shuffled marginals
    points = along + 0.02 * rng.standard_normal((sites, 61, 2))
    truth, right = points[:, 0], points[:, 1:]
    shuffled = np.stack([right[:, :, 0], rng.permutation(right[:, :, 1], axis=1)], axis=2)
    assert checks.sbc_ks(checks.sbc_ranks(shuffled, truth)).max() < limit
    assert checks.tarp(box(right), box(truth)).deviation < limit
    assert checks.tarp(box(shuffled), box(truth)).deviation > 1.3 * limit


def test_intervals_half_as_wide_cover_what_the_normal_law_says():
    draws, truth = conjugate(width=0.5)
    expected = 0.589  # P(|z| < 1.645 / 2)
    coverage = checks.interval_coverage(draws, truth, level=0.9)
    assert coverage == pytest.approx(np.full(D, expected), abs=0.08)


def test_ks_of_known_points():
    assert checks.ks_uniform(np.array([0.5])) == pytest.approx(0.5)
    grid = (np.arange(10) + 0.5) / 10
    assert checks.ks_uniform(grid) == pytest.approx(0.05)
    assert checks.ks_uniform(np.stack([grid, grid**4], axis=1))[1] > 0.3


def test_duplicated_draws_do_not_bend_the_ranks():
    # resampling leaves copies; ties are broken at random, so ranks stay uniform
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, size=(SITES, 1)).astype(float)
    draws = rng.integers(0, 5, size=(SITES, DRAWS, 1)).astype(float)
    assert checks.sbc_ks(checks.sbc_ranks(draws, truth)).max() < KS_LIMIT


def test_tarp_in_physical_units_is_tarp_in_the_unit_cube():
    draws, truth = conjugate()
    low, high = np.array([1.0, -5.0, 1e-6]), np.array([3.0, 10.0, 4e-6])
    physical = [low + box(x) * (high - low) for x in (draws, truth)]
    a = checks.tarp(*physical, low=low, high=high, seed=4)
    b = checks.tarp(box(draws), box(truth), seed=4)
    assert a.deviation == pytest.approx(b.deviation, abs=1e-9)
    assert a.coverage[0] == 0.0 and a.coverage[-1] == 1.0
    assert np.all(np.diff(a.coverage) >= 0)


def test_predictive_check_of_known_numbers():
    predicted = np.array([[[1.0, 5.0], [3.0, 5.0]]])  # mean 2, 5; variance 1, 0
    result = checks.posterior_predictive(
        predicted, np.array([[4.0, 6.0]]), np.array([np.sqrt(3.0), 2.0])
    )
    assert result.z == pytest.approx(np.array([[1.0, 0.5]]))
    assert result.rmse_per_output == pytest.approx([np.sqrt(5.0), 1.0])
    assert result.rmse == pytest.approx(np.sqrt(3.0))


def test_predictive_check_ignores_what_was_not_observed():
    predicted = np.array([[[1.0, 5.0], [3.0, 5.0]]])
    result = checks.posterior_predictive(
        predicted, np.array([[4.0, np.nan]]), np.array([1.0, np.nan]), np.array([[True, False]])
    )
    assert result.rmse == pytest.approx(np.sqrt(5.0))
    assert np.isnan(result.z[0, 1]) and np.isnan(result.rmse_per_output[1])


@pytest.mark.parametrize(
    ("values", "sd"), [([[np.nan, 6.0]], [1.0, 1.0]), ([[4.0, 6.0]], [1.0, 0.0])]
)
def test_predictive_check_refuses_nan_and_zero_error(values, sd):
    with pytest.raises(InvalidData, match="mask it"):
        checks.posterior_predictive(np.ones((1, 3, 2)), np.array(values), np.array(sd))


def test_out_of_range_rates():
    rates = checks.out_of_range_rates(
        np.array([True, False, False, False]), np.array([True, True, False])
    )
    assert rates.false_alarms == 0.25
    assert rates.flagged == pytest.approx(2 / 3)
    assert np.isnan(checks.out_of_range_rates(np.array([False])).flagged)


@pytest.mark.parametrize("check", [checks.sbc_ranks, checks.tarp, checks.interval_coverage])
def test_checks_refuse_wrong_shapes_and_nan(check):
    with pytest.raises(InvalidData, match="wanted"):
        check(np.ones((4, 10, 3)), np.ones((4, 2)))
    draws = np.ones((4, 10, 3))
    draws[2, 3, 1] = np.nan
    with pytest.raises(InvalidData, match="NaN"):
        check(draws, np.ones((4, 3)))
