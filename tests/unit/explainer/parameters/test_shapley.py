from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from support.analytic_sensitivity import ishigami

from catena.explainer.parameters import shapley
from catena.explainer.parameters.shapley import ParameterShap, parameter_shap
from catena.shared.errors import InvalidData


def by_all_orders(found: ParameterShap, base: np.ndarray, row: int) -> np.ndarray:
    """Slow: the mean change as parameters enter, over every order."""
    d = found.unit.shape[1]
    values = np.zeros(d)
    orders = list(permutations(range(d)))
    for order in orders:
        mixed = base.copy()
        before = ishigami(mixed).mean()
        for i in order:
            mixed[:, i] = found.unit[row, i]
            after = ishigami(mixed).mean()
            values[i] += (after - before) / len(orders)
            before = after
    return values


def test_values_are_the_mean_over_all_orders() -> None:
    found = parameter_shap(ishigami, 3, points=8, background=16, seed=3)
    base = shapley._spread(16, 3, 3, 1)
    for row in range(8):
        wanted = by_all_orders(found, base, row)
        assert found.values[row, 0] == pytest.approx(wanted, abs=1e-12)
    assert found.method == "exact" and found.additivity < 1e-12


def test_a_sum_has_the_contributions_of_its_parts() -> None:
    weights = np.array([[3.0, -2.0, 0.0, 1.0], [0.0, 0.0, 5.0, 0.0]])
    found = parameter_shap(lambda u: u @ weights.T, 4, points=64, background=32)
    base = shapley._spread(32, 4, 0, 1)
    wanted = (found.unit - base.mean(0))[:, None] * weights
    assert np.allclose(found.values, wanted, atol=1e-12)
    # the mean distance of a uniform number from its middle is 1/4
    assert np.allclose(found.importance, np.abs(weights.T) / 4.0, rtol=0.05, atol=1e-12)


@pytest.mark.slow  # importing shap takes long
def test_many_parameters_are_ordered_at_random() -> None:
    weights = np.linspace(0.0, 3.0, 12)

    def model(unit: np.ndarray) -> np.ndarray:
        pair = 4.0 * (unit[:, 0] - 0.5) * (unit[:, 1] - 0.5)
        return np.stack([unit @ weights + pair, unit[:, 3]], axis=1)

    found = parameter_shap(model, 12, points=8, background=8)
    assert found.method == "permutation" and found.values.shape == (8, 2, 12)
    assert found.additivity < 1e-9
    base = shapley._spread(8, 12, 0, 1)
    alone = (found.unit - base.mean(0)) * weights
    assert np.allclose(found.values[:, 0, 2:], alone[:, 2:], atol=1e-9)
    assert np.allclose(found.values[:, 1, 4:], 0.0)


def test_outputs_at_once_are_each_alone_and_seeds_count() -> None:
    def both(unit: np.ndarray) -> np.ndarray:
        return np.concatenate([ishigami(unit), unit[:, :1] * unit[:, 1:2]], axis=1)

    whole = parameter_shap(both, 3, points=16, background=8, seed=1)
    alone = parameter_shap(lambda u: both(u)[:, 1:], 3, points=16, background=8, seed=1)
    other = parameter_shap(both, 3, points=16, background=8, seed=2)
    assert np.allclose(whole.values[:, 1], alone.values[:, 0], rtol=0.0, atol=1e-12)
    assert not np.array_equal(whole.values, other.values)


def test_an_output_that_does_not_vary_has_no_contributions() -> None:
    found = parameter_shap(
        lambda u: np.stack([np.full(len(u), 7.0), u[:, 0]], axis=1), 2, points=8, background=8
    )
    assert np.abs(found.values[:, 0]).max() < 1e-12 and found.additivity < 1e-3


def test_a_model_that_is_no_function_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidData, match="miss their sum"):
        parameter_shap(lambda u: u[:, :1] + rng.random((len(u), 1)), 2, points=8, background=8)
    with pytest.raises(InvalidData, match="NaN"):
        parameter_shap(lambda u: u[:, :1] * np.nan, 2, points=8, background=8)
    with pytest.raises(InvalidData, match="points"):
        parameter_shap(ishigami, 3, points=0)
