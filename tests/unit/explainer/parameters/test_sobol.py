from __future__ import annotations

import numpy as np
import pytest
from support.analytic_sensitivity import (
    ishigami,
    ishigami_indices,
    sobol_g,
    sobol_g_indices,
)

from catena.explainer.parameters import chaos, sobol
from catena.explainer.parameters.sobol import SobolIndices, sobol_indices
from catena.shared.errors import InvalidData

CASES = {
    "ishigami": (ishigami, ishigami_indices(), 3),
    "sobol_g": (sobol_g, sobol_g_indices(), 8),
}


def steps(unit: np.ndarray) -> np.ndarray:
    """Rough and all interaction: polynomials do not follow it."""
    return np.prod(np.where((5.0 * unit).astype(int) % 2, 1.0, -1.0), axis=1)[:, None]


def same(one: SobolIndices, other: SobolIndices) -> bool:
    parts = ("first", "first_error", "total", "total_error", "second", "mean", "variance")
    return all(np.array_equal(getattr(one, p), getattr(other, p), equal_nan=True) for p in parts)


@pytest.mark.parametrize("case", CASES)
def test_indices_are_the_analytic_ones(case: str) -> None:
    function, (first, total, second), d = CASES[case]
    found = sobol_indices(function, d, tolerance=0.01, seed=1)
    assert found.converged and found.error <= 0.01
    assert np.abs(found.first[:, 0] - first).max() < 0.01
    assert np.abs(found.total[:, 0] - total).max() < 0.01
    assert found.second is not None
    off = ~np.eye(d, dtype=bool)
    assert np.abs(found.second[..., 0] - second)[off].max() < 0.015
    assert np.isnan(found.second[~off]).all()
    assert np.array_equal(found.second, found.second.swapaxes(0, 1), equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth_as_often_as_they_say(case: str) -> None:
    function, (first, total, _), d = CASES[case]
    inside = []
    for seed in range(30):
        found = sobol_indices(function, d, samples=512, most_samples=512, seed=seed)
        inside.append(np.abs(found.first[:, 0] - first) <= found.first_error[:, 0])
        inside.append(np.abs(found.total[:, 0] - total) <= found.total_error[:, 0])
    assert 0.90 <= np.mean(inside) <= 0.99


def test_polynomials_change_the_error_and_not_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with_them = sobol_indices(ishigami, 3, samples=1024, most_samples=1024)
    monkeypatch.setattr(chaos, "WORTH", 2.0)  # none is good enough
    without = sobol_indices(ishigami, 3, samples=1024, most_samples=1024)
    assert with_them.error < 0.1 * without.error
    assert (np.abs(with_them.first - without.first) < 1.5 * without.first_error).all()
    assert (np.abs(with_them.total - without.total) < 1.5 * without.total_error).all()


def test_a_product_of_steps_is_all_interaction() -> None:
    # -1 with 3/5, 1 with 2/5: mean -1/5, variance 24/25, each
    found = sobol_indices(steps, 2, most_samples=16384)
    mean, variance = 1 / 25, 24 / 25
    whole = (mean + variance) ** 2 - mean**2
    assert np.allclose(found.first[:, 0], mean * variance / whole, atol=0.01)
    assert np.allclose(found.total[:, 0], (mean * variance + variance**2) / whole, atol=0.01)


def test_a_linear_model_has_no_interactions() -> None:
    weights = np.array([3.0, -2.0, 0.0, 1.0])
    found = sobol_indices(lambda u: (1e6 + u @ weights)[:, None], 4)
    share = weights**2 / (weights**2).sum()
    assert np.abs(found.first[:, 0] - share).max() < 2e-3
    assert np.abs(found.total[:, 0] - share).max() < 2e-3
    assert found.variance[0] == pytest.approx((weights**2).sum() / 12.0, rel=2e-3)
    assert found.mean[0] == pytest.approx(1e6 + 1.0, abs=1e-3)
    # a parameter that does nothing has exactly nothing, and pairs of a sum have nothing
    assert found.first[2, 0] == found.total[2, 0] == 0.0
    assert found.second is not None and np.nanmax(np.abs(found.second)) < 2e-3


def test_all_outputs_at_once_are_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(unit: np.ndarray) -> np.ndarray:
        return np.concatenate([ishigami(unit), 1e-6 * sobol_g(unit, np.array([0.0, 1.0, 9.0]))], 1)

    whole = sobol_indices(both, 3, samples=512, most_samples=512)
    for k in range(2):
        alone = sobol_indices(lambda u, k=k: both(u)[:, [k]], 3, samples=512, most_samples=512)
        assert np.allclose(whole.first[:, k], alone.first[:, 0], rtol=1e-9, atol=1e-12)
        assert np.allclose(whole.total[:, k], alone.total[:, 0], rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(sobol, "NUMBERS", 100)
    assert np.allclose(
        sobol_indices(both, 3, samples=512, most_samples=512).total, whole.total, rtol=1e-9
    )


def test_samples_are_doubled_until_the_intervals_are_narrow() -> None:
    asked: list[int] = []

    def counted(unit: np.ndarray) -> np.ndarray:
        asked.append(len(unit))
        return ishigami(unit)

    rough = sobol_indices(counted, 3, samples=256, tolerance=0.1)
    assert rough.converged and rough.samples == 256
    assert rough.evaluations == sum(asked) == rough.samples * 8 + sobol.PILOT
    fine = sobol_indices(steps, 3, samples=256, tolerance=0.05)
    assert rough.samples < fine.samples and fine.converged and fine.error <= 0.05
    short = sobol_indices(ishigami, 3, samples=256, most_samples=512, tolerance=1e-6)
    assert not short.converged and short.samples == 512 and short.error > 1e-6


def test_doubling_gives_what_the_larger_size_gives_at_once() -> None:
    doubled = sobol_indices(ishigami, 3, samples=256, most_samples=1024, tolerance=1e-9)
    at_once = sobol_indices(ishigami, 3, samples=1024, most_samples=1024)
    assert np.allclose(doubled.first, at_once.first, rtol=1e-10)
    assert np.allclose(doubled.total_error, at_once.total_error, rtol=1e-10)


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, two, other = (sobol_indices(ishigami, 3, samples=256, seed=s) for s in (4, 4, 5))
    assert same(one, two) and not same(one, other)


def test_an_output_that_does_not_vary_has_no_indices() -> None:
    def model(unit: np.ndarray) -> np.ndarray:
        rounding = 1e-12 * np.random.default_rng(1).standard_normal(len(unit))
        return np.stack([np.zeros(len(unit)), unit[:, 0], 3.0 + rounding], axis=1)

    with np.errstate(all="raise"):
        found = sobol_indices(model, 2)
    assert found.still.tolist() == [True, False, True]
    assert np.isnan(found.first[:, found.still]).all() and np.isnan(found.total[:, [0, 2]]).all()
    assert np.abs(found.first[:, 1] - [1.0, 0.0]).max() < 1e-6


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidData, match="outputs 1 "):
        sobol_indices(lambda u: np.stack([u[:, 0], np.where(u[:, 0] < 0.5, np.nan, 1.0)], 1), 2)
    with pytest.raises(InvalidData, match="a row for each"):
        sobol_indices(lambda u: u[:3], 2)
    with pytest.raises(InvalidData, match="samples"):
        sobol_indices(ishigami, 3, samples=8)
