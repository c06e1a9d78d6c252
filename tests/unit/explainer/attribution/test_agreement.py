from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from support.planted_series import GROUPS, PLANTED, observed, series, trained_lstm

from catena.explainer.attribution.agreement import mean_importance, rank_agreement
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.permutation import permutation_importance
from catena.explainer.attribution.shapley import permutation_shap
from catena.shared.errors import InvalidData


def test_correlations_are_those_of_scipy_with_ties() -> None:
    draws = np.random.default_rng(0)
    values = {name: draws.integers(0, 6, 20).astype(float) for name in "abc"}
    found = rank_agreement(values)
    expected = spearmanr(np.array(list(values.values())), axis=1).statistic
    np.testing.assert_allclose(found.spearman, expected, atol=1e-12)
    assert found.methods == ("a", "b", "c")
    assert found.between("c", "a") == found.spearman[2, 0]


def test_any_rising_scale_agrees_in_full_and_a_falling_one_not_at_all() -> None:
    x = np.array([0.1, 5.0, 2.0, 3.0])
    found = rank_agreement({"x": x, "exp": np.exp(x), "inverse": 1 / x})
    np.testing.assert_allclose(found.spearman[0], [1, 1, -1])


def test_known_value_by_hand() -> None:
    """1 - 6 sum d^2 / (n (n^2 - 1)) without ties: d = 1, 1, 0, 0."""
    found = rank_agreement({"a": [1, 2, 3, 4], "b": [2, 1, 3, 4]})
    assert found.between("a", "b") == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_constant_importance_has_no_ranks_and_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rank_agreement({"a": [1, 2, 3], "flat": [2, 2, 2]})
    assert found.spearman[0, 0] == 1
    assert np.isnan(found.spearman[[0, 1, 1], [1, 0, 1]]).all()


def test_groups_that_a_method_did_not_look_at_are_left_out() -> None:
    full, part = [1.0, 9.0, 2.0, 3.0, 4.0], [5.0, np.nan, 6.0, 7.0, 8.0]
    assert rank_agreement({"a": full, "b": part}).between("a", "b") == 1
    few = [np.nan, np.nan, np.nan, 1.0, 2.0]
    assert np.isnan(rank_agreement({"a": full, "b": few}).between("a", "b"))


def test_mean_importance_is_the_mean_of_sizes() -> None:
    values = torch.tensor([[[1.0, -2.0], [-3.0, 0.0]], [[1.0, 2.0], [3.0, 0.0]]])
    np.testing.assert_allclose(mean_importance(values), [2.0, 1.0])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"got a \(2,\), b \(3,\)"):
        rank_agreement({"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(InvalidData, match="got no method"):
        rank_agreement({})
    with pytest.raises(InvalidData, match="no method 'c'; there are a, b"):
        rank_agreement({"a": [1, 2, 3], "b": [1, 2, 3]}).between("a", "c")


@pytest.mark.slow
def test_gradients_shap_and_permutation_agree_on_what_a_trained_lstm_leans_on() -> None:
    """y = P_lag3 T_lag1 + 2 Q_lag1 from noisy observations, held against its own predictions."""
    rows = series(4000, 0)
    network = trained_lstm(rows, 0, steps=400)
    fresh = series(1000, 1)
    own = IntegratedGradients(network).attribute(fresh[:300], rows[:30])
    shap = permutation_shap(network, fresh[:20], rows[:10], GROUPS)
    pairs = [(PLANTED[1], PLANTED[2]), (PLANTED[0], PLANTED[1])]
    leans = permutation_importance(network, fresh, network(fresh).detach(), GROUPS, pairs=pairs)
    by = {
        "gradients": mean_importance(own.grouped(GROUPS)),
        "shap": mean_importance(shap.values),
        "permutation": leans.rise[0].numpy(),
    }
    for found in by.values():
        first = np.argsort(found)[::-1][:3]
        assert {GROUPS.names[g] for g in first} == set(PLANTED)
        assert GROUPS.names[first[0]] == PLANTED[0]
    agreement = rank_agreement(by)
    assert agreement.between("gradients", "permutation") >= 0.8
    assert agreement.between("gradients", "shap") >= 0.8
    # the product alone is a pair: 2 - (2 + 2) of its variance of 1
    assert float(leans.joint[0, 0]) == pytest.approx(-2, abs=0.4)
    assert abs(float(leans.joint[0, 1])) < 0.4
    # against fresh observations a group of no use has no rise: the network's error holds its weight
    y = observed(fresh, 2)
    against = permutation_importance(network, fresh, y, GROUPS, repeats=10).rise[0].numpy()
    idle = [g for g, name in enumerate(GROUPS.names) if name not in PLANTED]
    assert np.abs(against[idle]).max() < 0.02 * against.max()
    assert abs(against[idle].mean()) < leans.rise[0, idle].mean()
