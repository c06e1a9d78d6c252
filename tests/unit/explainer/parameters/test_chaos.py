from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc
from support.analytic_sensitivity import ishigami, ishigami_indices

from catena.explainer.parameters.chaos import _design, _terms, fit_chaos


def spread(n: int, d: int, seed: int = 0) -> np.ndarray:
    return qmc.Sobol(d, scramble=True, rng=np.random.default_rng(seed)).random(n)


def test_terms_are_orthonormal() -> None:
    # Gauss-Legendre with 12 points is exact to degree 23: products of two terms of degree <= 11
    nodes, weights = np.polynomial.legendre.leggauss(12)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / 4.0
    terms = _terms(2, 60)
    design = _design((grid + 1.0) / 2.0, terms)
    assert len({tuple(row) for row in terms}) == len(terms) <= 60
    assert np.allclose(design.T @ (weight[:, None] * design), np.eye(len(terms)), atol=1e-10)
    assert np.allclose(weight @ design, 0.0, atol=1e-12)


def test_a_polynomial_is_fitted_exactly_and_its_shares_are_those_worked_out() -> None:
    # variances over [0, 1]: of 2 u, 4/12; of 6 (v - 1/2)(w - 1/2), 36/144
    points = spread(512, 4)
    y = 7.0 + 2.0 * points[:, 0] + 6.0 * (points[:, 1] - 0.5) * (points[:, 2] - 0.5)
    chaos = fit_chaos(points, y[:, None])
    new = spread(64, 4, seed=9)
    wanted = 2.0 * (new[:, 0] - 0.5) + 6.0 * (new[:, 1] - 0.5) * (new[:, 2] - 0.5)
    assert np.allclose(chaos(new)[:, 0], wanted, atol=1e-9)
    first, total, pairs, variance = chaos.shares()
    assert np.allclose(first[:, 0], [1 / 3, 0.0, 0.0, 0.0], atol=1e-9)
    assert np.allclose(total[:, 0], [1 / 3, 1 / 4, 1 / 4, 0.0], atol=1e-9)
    assert pairs[1, 2, 0] == pytest.approx(1 / 4, abs=1e-9) == pairs[2, 1, 0]
    assert variance[0] == pytest.approx(1 / 3 + 1 / 4, abs=1e-9)


def test_a_smooth_function_is_nearly_a_polynomial() -> None:
    points = spread(1024, 3)
    chaos = fit_chaos(points, ishigami(points))
    first, total, _, variance = chaos.shares()
    wanted = ishigami_indices()
    assert np.allclose(first[:, 0] / variance, wanted[0], atol=0.01)
    assert np.allclose(total[:, 0] / variance, wanted[1], atol=0.01)


def test_what_is_no_polynomial_is_left_to_sampling() -> None:
    points = spread(512, 3)
    noise = np.random.default_rng(1).standard_normal(512)
    chaos = fit_chaos(points, np.stack([noise, points[:, 0], np.ones(512)], axis=1))
    assert np.array_equal(chaos.coefficients[:, [0, 2]], 0.0 * chaos.coefficients[:, [0, 2]])
    assert chaos.shares()[3][1] == pytest.approx(1 / 12, rel=1e-6)
    nothing = fit_chaos(points, noise[:, None])
    assert np.array_equal(nothing(points), np.zeros((512, 1)))
    assert all((part == 0.0).all() for part in nothing.shares())


@pytest.mark.parametrize("parameters", [1, 2, 8, 60])
def test_terms_stay_few(parameters: int) -> None:
    terms = _terms(parameters, 256)
    assert parameters <= len(terms) <= 256
