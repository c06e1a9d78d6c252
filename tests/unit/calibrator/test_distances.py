"""Distances between two sets of draws, against laws that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from catena.calibrator.distances import c2st, sliced_wasserstein, unit_cube
from catena.shared.errors import InvalidData


def normal(n: int, d: int = 4, *, sites: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((sites, n, d))


def test_sliced_wasserstein_of_a_shift_is_its_mean_projection():
    a = normal(500)
    shift = np.array([0.3, 0.0, -0.4, 0.0])  # length 0.5
    # every projection moves by |shift . direction|: 0.4244 |shift| on average in four dimensions
    distance = sliced_wasserstein(a, a + shift, projections=4000)
    assert distance == pytest.approx(np.full(3, 0.5 * 0.4244), rel=0.03)


def test_sliced_wasserstein_of_a_permutation_is_zero_and_of_two_samples_small():
    a = normal(500)
    assert sliced_wasserstein(a, a[:, ::-1]) == pytest.approx(np.zeros(3), abs=1e-12)
    assert 0.01 < sliced_wasserstein(a, normal(500, seed=1)).mean() < 0.12


def test_c2st_is_one_half_for_two_samples_of_one_law():
    a, b = normal(1000, 8, sites=8), normal(1000, 8, sites=8, seed=1)
    assert c2st(a, b).mean() == pytest.approx(0.5, abs=0.02)


def test_c2st_of_a_shift_is_the_best_possible_accuracy():
    a, b = normal(4000, 3), normal(4000, 3, seed=1)
    b[:, :, 0] += 1.0
    # two unit normals one apart: Phi(1/2) = 0.6915
    assert c2st(a, b) == pytest.approx(np.full(3, 0.6915), abs=0.02)


def test_c2st_sees_spread_and_correlation_not_only_means():
    a, wide = normal(2000), normal(2000, seed=1)
    wide[:, :, 1] *= 2.0
    assert c2st(a, wide).min() > 0.62
    tied = normal(2000, seed=2)
    tied[:, :, 1] = 0.9 * tied[:, :, 0] + np.sqrt(1 - 0.81) * tied[:, :, 1]
    assert c2st(a, tied).min() > 0.62


def test_c2st_is_not_fooled_by_duplicates():
    # resampled draws of the same law: every one a copy of one of 300
    a, few = normal(1000), normal(300, seed=1)
    copies = few[:, np.random.default_rng(0).integers(300, size=1000)]
    assert c2st(a, copies).mean() < 0.56


def test_c2st_of_disjoint_sets_is_one_and_a_constant_column_does_no_harm():
    a, b = normal(200), normal(200, seed=1) + 50.0
    a[:, :, 2] = b[:, :, 2] = 7.0
    assert c2st(a, b) == pytest.approx(np.ones(3))


def test_unit_cube_maps_bounds_to_zero_and_one():
    low, high = np.array([1.0, 1e-6]), np.array([3.0, 4e-6])
    assert unit_cube(np.stack([low, high]), low, high) == pytest.approx(
        np.array([[0.0, 0.0], [1.0, 1.0]])
    )


def test_distances_refuse_what_does_not_fit():
    with pytest.raises(InvalidData, match="same number"):
        sliced_wasserstein(normal(10), normal(11))
    with pytest.raises(InvalidData, match="equal sites"):
        c2st(normal(20), normal(20, sites=2))
    with pytest.raises(InvalidData, match="folds"):
        c2st(normal(5), normal(50))
    bad = normal(20)
    bad[0, 0, 0] = np.inf
    with pytest.raises(InvalidData, match="second"):
        c2st(normal(20), bad)
