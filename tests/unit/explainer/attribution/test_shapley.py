from __future__ import annotations

import functools
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from catena.explainer.attribution.prediction import Groups, Predict
from catena.explainer.attribution.shapley import (
    NO_DEEP,
    SHAP_KINDS,
    GroupAttribution,
    gradient_shap,
    kernel_shap,
    permutation_shap,
    shap_kind,
)
from catena.shared.errors import InvalidData, InvalidRequest

BY_GAMES = [kernel_shap, permutation_shap]
# y_0 = a b + 2 c and y_1 = sin(d) e^f c on columns in four groups
GROUPS = Groups.of(["u", "v", "w", "u", "v", "x"])


def products(rows: Tensor) -> Tensor:
    a, b, c, d, e, f = rows.unbind(1)
    return torch.stack([a * b + 2 * c, torch.sin(d) * e.exp() * c + f], 1)


def network(columns: int, outputs: int, seed: int = 0) -> nn.Module:
    draws = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(columns, 16), nn.Tanh(), nn.Linear(16, outputs)).double()
    with torch.no_grad():
        for weights in net.parameters():
            weights.copy_(torch.randn(weights.shape, generator=draws) / weights.shape[-1] ** 0.5)
    return net


def rows_of(n: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(n, columns, generator=torch.Generator().manual_seed(seed)).double()


def by_enumeration(predict: Predict, x: Tensor, baselines: Tensor, groups: Groups) -> np.ndarray:
    """Shapley (1953): the mean gain of a group over all coalitions that it may join, (K, G)."""
    size = len(groups)

    @functools.cache
    def worth(coalition: tuple[int, ...]) -> np.ndarray:
        total = 0.0
        for baseline in baselines:
            row = [x[c] if int(g) in coalition else baseline[c] for c, g in enumerate(groups.index)]
            total = total + predict(torch.stack(row)[None])[0].detach().numpy()
        return np.asarray(total / len(baselines))

    values = []
    for g in range(size):
        others = [h for h in range(size) if h != g]
        gain = 0.0
        for n in range(size):
            weight = math.factorial(n) * math.factorial(size - n - 1) / math.factorial(size)
            for coalition in itertools.combinations(others, n):
                gain = gain + weight * (worth(tuple(sorted((*coalition, g)))) - worth(coalition))
        values.append(gain)
    return np.array(values).T


@pytest.mark.parametrize("net", [products, network(6, 2)])
def test_kernel_shap_of_all_coalitions_is_exact(net: Predict) -> None:
    x, baselines = rows_of(3, 6), rows_of(4, 6, seed=1)
    found = kernel_shap(net, x, baselines, GROUPS)
    for n in range(3):
        exact = by_enumeration(net, x[n], baselines, GROUPS)
        np.testing.assert_allclose(found.values[n], exact, atol=1e-9)


def test_permutation_shap_tends_to_the_exact_values() -> None:
    net, x, baselines = network(6, 2), rows_of(2, 6), rows_of(3, 6, seed=1)
    exact = np.stack([by_enumeration(net, row, baselines, GROUPS) for row in x])
    few, many = (
        permutation_shap(net, x, baselines, GROUPS, orders=orders).values - exact
        for orders in (3, 300)
    )
    assert many.abs().max() < 0.02 * np.abs(exact).max()
    assert many.square().mean() < 0.2 * few.square().mean()


def test_one_order_is_exact_for_pairs() -> None:
    """Mitchell et al. (2022), section 2.3: forward and backward cancel effects of second order."""

    def pairs(rows: Tensor) -> Tensor:
        return (rows[:, 0] * rows[:, 1] + rows[:, 2] * rows[:, 5] + rows[:, 3])[:, None]

    x, baselines = rows_of(2, 6), rows_of(3, 6, seed=1)
    found = permutation_shap(pairs, x, baselines, GROUPS, orders=1)
    exact = np.stack([by_enumeration(pairs, row, baselines, GROUPS) for row in x])
    np.testing.assert_allclose(found.values, exact, atol=1e-12)


def test_kernel_shap_of_drawn_coalitions_is_near_the_exact_values() -> None:
    groups = Groups.of(range(11))
    net, x, baselines = network(11, 1), rows_of(1, 11), rows_of(1, 11, seed=1)
    exact = by_enumeration(net, x[0], baselines, groups)
    found = kernel_shap(net, x, baselines, groups, coalitions=900).values[0]
    assert np.abs(found - exact).max() < 0.01 * np.abs(exact).max()


@pytest.mark.parametrize("shap_of", list(SHAP_KINDS.values()))
def test_linear_model_in_closed_form(shap_of) -> None:
    """phi_g = sum over its columns of w (x - mean of the baselines), for every kind."""
    weights = rows_of(6, 3, seed=2)
    x, baselines = rows_of(4, 6), rows_of(1, 6, seed=1)
    more = {} if shap_of is not gradient_shap else {"samples": 4}
    found = shap_of(lambda rows: rows @ weights.to(rows) + 5, x, baselines, GROUPS, **more)
    columns = (x - baselines.mean(0))[:, None, :] * weights.T
    np.testing.assert_allclose(found.values, GROUPS.sums(columns), atol=1e-6)


@pytest.mark.parametrize("shap_of", BY_GAMES)
def test_sum_of_contributions_is_prediction_less_reference(shap_of) -> None:
    net, x, baselines = network(40, 5), rows_of(2, 40), rows_of(3, 40, seed=1)
    found = shap_of(net, x, baselines, Groups.of([c // 2 for c in range(40)]))
    np.testing.assert_allclose(found.prediction, net(x).detach())
    np.testing.assert_allclose(found.reference, net(baselines).detach().mean(0).expand(2, 5))
    total = found.prediction - found.reference
    np.testing.assert_allclose(found.values.sum(-1), total, atol=1e-9)
    np.testing.assert_allclose(found.delta, found.values.sum(-1) - total)
    assert found.additivity < 1e-9


def shifted_product(rows: Tensor) -> Tensor:
    return (5 * rows[:, 0] + rows[:, 0] * rows[:, 1])[:, None]


SHIFTED = torch.tensor([[2.0, 1.0]]).double()


def test_gradient_shap_tends_to_integrated_gradients() -> None:
    """The way from 0 shares a product of two groups in halves."""
    found = gradient_shap(shifted_product, SHIFTED, 0 * SHIFTED, Groups.of("ab"), samples=1000)
    assert 0 < found.additivity < 0.01
    np.testing.assert_allclose(found.values[0, 0], [11, 1], atol=0.1)


def test_gradient_shap_that_misses_its_sum_is_refused_with_figure_and_what_to_do() -> None:
    def explain(samples: int) -> GroupAttribution:
        return gradient_shap(
            shifted_product, SHIFTED, 0 * SHIFTED, Groups.of("ab"), samples=samples, seed=1
        )

    with pytest.raises(InvalidData, match=r"by \d+(\.\d+)? % of the range") as refusal:
        explain(10)
    wanted = int(str(refusal.value).split("about ")[1].split(",")[0])
    assert wanted > 10
    assert explain(4 * wanted).additivity < 0.01


@pytest.mark.parametrize("shap_of", BY_GAMES)
def test_planted_product_is_shared_by_its_two_groups_alone(shap_of) -> None:
    """y = P_lag3 T_lag1 + 2 Q_lag1; from baselines of 0 the product is shared in halves."""
    labels = [(v, lag) for v in "PTQ" for lag in range(6)]
    place = {label: c for c, label in enumerate(labels)}

    def planted(rows: Tensor) -> Tensor:
        p, t, q = (rows[:, place[label]] for label in (("P", 3), ("T", 1), ("Q", 1)))
        return torch.stack([p * t + 2 * q], 1)

    x, groups = rows_of(3, 18), Groups.of(labels)
    found = shap_of(planted, x, torch.zeros(1, 18).double(), groups)
    expected = torch.zeros(3, 1, 18).double()
    half = x[:, place["P", 3]] * x[:, place["T", 1]] / 2
    for label, value in ((("P", 3), half), (("T", 1), half), (("Q", 1), 2 * x[:, place["Q", 1]])):
        expected[:, 0, place[label]] = value
    # the regression tries 2084 of 2^18 coalitions
    error = 0.02 if shap_of is kernel_shap else 1e-9
    np.testing.assert_allclose(found.values, expected, atol=error)


@pytest.mark.parametrize("shap_of", BY_GAMES)
def test_group_that_equals_all_baselines_is_exactly_0_and_costs_nothing(shap_of) -> None:
    x, baselines = rows_of(1, 6), rows_of(2, 6, seed=1)
    free = shap_of(products, x, baselines, GROUPS)
    baselines[:, [0, 3]] = x[0, [0, 3]]
    found = shap_of(products, x, baselines, GROUPS)
    assert (found.values[..., GROUPS.names.index("u")] == 0).all()
    assert found.evaluations < free.evaluations
    same = shap_of(products, torch.cat([x, baselines[:1]]), baselines[:1], GROUPS)
    assert (same.values[1] == 0).all()


@pytest.mark.parametrize("shap_of", BY_GAMES)
def test_groups_in_the_same_place_of_the_model_share_alike(shap_of) -> None:
    def symmetric(rows: Tensor) -> Tensor:
        return torch.tanh(rows[:, 0] + rows[:, 1])[:, None] * rows[:, 2:3]

    x = torch.tensor([[0.7, 0.7, -1.3]]).double()
    baselines = torch.tensor([[0.1, 0.1, 0.4], [-0.5, -0.5, 0.2]]).double()
    found = shap_of(symmetric, x, baselines, Groups.of("abc"), **_many(shap_of)).values[0, 0]
    assert float(found[0]) == pytest.approx(float(found[1]), abs=0.02 * float(found.abs().max()))


def _many(shap_of) -> dict[str, int]:
    return {"orders": 200} if shap_of is permutation_shap else {}


@pytest.mark.parametrize("shap_of", [*BY_GAMES, gradient_shap])
def test_missing_values_contribute_nothing_and_are_missing_in_baselines(shap_of) -> None:
    """A model that counts what is missing: the count must be the same all the way."""

    def flagged(rows: Tensor) -> Tensor:
        known = rows.nan_to_num(nan=0.0)
        return (known.sum(1) + 100 * rows.isnan().sum(1))[:, None]

    x = torch.tensor([[1.0, torch.nan, 3.0], [1.0, 2.0, 3.0]]).double()
    baselines = torch.tensor([[0.0, 1.0, torch.nan], [0.5, 1.0, 1.0]]).double()
    # drawn baselines put the sum of the gradients off: many draws keep it within 1 %
    more = {"samples": 1000} if shap_of is gradient_shap else {}
    found = shap_of(flagged, x, baselines, Groups.of("abc"), **more)
    np.testing.assert_allclose(
        found.values[:, 0], [[0.75, 0.0, 2.0], [0.75, 1.0, 2.0]], atol=0.03 if more else 1e-12
    )
    assert found.values[0, 0, 1] == 0
    np.testing.assert_allclose(found.reference[:, 0], [101.25, 2.25])


def test_prediction_that_changes_by_itself_is_refused() -> None:
    calls = itertools.count()

    def drifting(rows: Tensor) -> Tensor:
        return rows[:, :1] + 0.2 * next(calls)

    for shap_of in BY_GAMES:
        with pytest.raises(InvalidData, match="is it training"):
            shap_of(drifting, rows_of(2, 6), rows_of(3, 6, seed=1), GROUPS, rows=16)


def test_gradient_that_is_not_finite_is_refused() -> None:
    def cusp(rows: Tensor) -> Tensor:
        return (rows - rows).sqrt().sum(1, keepdim=True) + rows[:, :1]

    with pytest.raises(InvalidData, match="gradient of the prediction is NaN"):
        gradient_shap(cusp, rows_of(1, 6), rows_of(2, 6, seed=1), GROUPS)


def test_gradient_of_a_prediction_without_one_is_refused() -> None:
    with pytest.raises(InvalidData, match="no gradient with respect to its inputs"):
        gradient_shap(torch.no_grad()(products), rows_of(1, 6), rows_of(2, 6, seed=1), GROUPS)


@pytest.mark.parametrize("shap_of", list(SHAP_KINDS.values()))
def test_models_and_baselines_that_cannot_be_explained(shap_of) -> None:
    x, baselines = rows_of(2, 6), rows_of(3, 6, seed=1)
    with pytest.raises(InvalidData, match="nothing to explain"):
        shap_of(lambda rows: torch.ones_like(rows[:, :2]), x, baselines, GROUPS)
    with pytest.raises(InvalidData, match="NaN or infinite"):
        shap_of(lambda rows: rows[:, :2] * torch.nan, x, baselines, GROUPS)
    with pytest.raises(InvalidData, match="baselines of 5 columns"):
        shap_of(products, x, baselines[:, :5], GROUPS)
    with pytest.raises(InvalidData, match="groups of 4 columns"):
        shap_of(products, x, baselines, Groups.of("abcd"))
    with pytest.raises(InvalidData, match="the prediction has 2: 0 to 1"):
        shap_of(products, x, baselines, GROUPS, outputs=[2])


def test_too_few_draws_are_refused() -> None:
    net, x, baselines = network(30, 1), rows_of(1, 30), rows_of(1, 30, seed=1)
    with pytest.raises(InvalidData, match="237 coalitions are too few for 30 groups: 238"):
        kernel_shap(net, x, baselines, Groups.of(range(30)), coalitions=237)
    kernel_shap(net, x, baselines, Groups.of(range(30)), coalitions=238)
    with pytest.raises(InvalidData, match="0 orders"):
        permutation_shap(net, x, baselines, Groups.of(range(30)), orders=0)
    with pytest.raises(InvalidData, match="0 samples"):
        gradient_shap(net, x, baselines, Groups.of(range(30)), samples=0)


def test_chosen_outputs_are_those_of_all() -> None:
    net, x, baselines = network(6, 4), rows_of(2, 6), rows_of(3, 6, seed=1)
    every = kernel_shap(net, x, baselines, GROUPS)
    some = kernel_shap(net, x, baselines, GROUPS, outputs=[3, 1])
    torch.testing.assert_close(some.values, every.values[:, [3, 1]])


@pytest.mark.parametrize("shap_of", [*BY_GAMES, gradient_shap])
def test_same_seed_same_values_other_seed_others(shap_of) -> None:
    net, x, baselines = network(24, 2), rows_of(2, 24), rows_of(1, 24, seed=1)

    def nearly_linear(rows: Tensor) -> Tensor:
        return rows[:, :2] + 0.01 * net(rows.double())

    more = {"coalitions": 240} if shap_of is kernel_shap else {}
    first, again, other = (
        shap_of(nearly_linear, x, baselines, Groups.of(range(24)), seed=seed, **more).values
        for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shap_of", BY_GAMES)
def test_rows_in_one_pass_are_bounded_and_change_nothing(shap_of) -> None:
    most = 0
    net = network(24, 2)

    def watched(rows: Tensor) -> Tensor:
        nonlocal most
        most = max(most, len(rows))
        return net(rows)

    x, baselines, groups = rows_of(1, 24), rows_of(3, 24, seed=1), Groups.of(range(24))
    narrow = shap_of(watched, x, baselines, groups, rows=7)
    assert most <= 7
    torch.testing.assert_close(narrow.values, shap_of(net, x, baselines, groups).values)


@pytest.mark.parametrize("shap_of", [*BY_GAMES, gradient_shap])
def test_random_generators_stdout_and_the_model_are_left_alone(shap_of, capfd) -> None:
    net = network(6, 2)
    net.train()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    numpys, torchs = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    # a refusal must leave them too
    if shap_of is gradient_shap:
        with pytest.raises(InvalidData):
            shap_of(net, rows_of(2, 6), rows_of(3, 6, seed=1), GROUPS, samples=10)
    else:
        shap_of(net, rows_of(2, 6), rows_of(3, 6, seed=1), GROUPS)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(numpys[1], after[1])
    assert numpys[2:] == after[2:]
    assert torch.equal(torchs, torch.get_rng_state())
    assert net.training
    assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
    assert capfd.readouterr() == ("", "")


class Recurrent(nn.Module):
    """An LSTM over 12 days of 3 variables."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 8, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(self.lstm(rows.view(len(rows), 12, 3))[0][:, -1])


def test_deep_explainer_is_wrong_on_an_lstm_and_ours_are_not() -> None:
    import shap

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Recurrent().eval()
    for weights in net.parameters():
        weights.data *= 3
    x, baselines = rows_of(4, 36).float(), rows_of(8, 36, seed=1).float()
    with pytest.warns(UserWarning, match="unrecognized nn.Module: LSTM"):
        deep = shap.DeepExplainer(net, baselines).shap_values(x, check_additivity=False)
    ours = permutation_shap(net, x, baselines, Groups.of([c // 3 for c in range(36)]))
    error = torch.as_tensor(deep.sum(1)) - (ours.prediction - ours.reference)
    assert (error.abs() / ours.span).max() > 0.1
    assert ours.additivity < 1e-5


@pytest.mark.parametrize("name", ["deep", "DeepExplainer", "SHAP_DEEP"])
def test_a_request_for_deep_explainer_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InvalidRequest, match="LSTM and attention") as refusal:
        shap_kind(name)
    assert str(refusal.value) == NO_DEEP


def test_kinds_are_found_by_name() -> None:
    assert shap_kind("kernel_shap") is kernel_shap
    with pytest.raises(InvalidRequest, match="kernel_shap, permutation_shap, gradient_shap"):
        shap_kind("tree")


def test_shap_is_imported_when_it_is_asked_for() -> None:
    code = "import sys, catena.explainer.attribution.shapley; sys.exit('shap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
