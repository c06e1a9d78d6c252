"""Integrated gradients: complete, exact where a closed form is known, else refused in words."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from catena.explainer.attribution.differentiation import without_denormals
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.paths import TOLERANCE
from catena.explainer.attribution.quadrature import gauss_legendre, midpoint
from catena.shared.errors import InvalidData

NAN = float("nan")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(rows: Tensor) -> Tensor:
    """Three outputs of four columns."""
    a, b, c, d = rows.unbind(1)
    return torch.stack([a * b + c**3, torch.sin(a * c) * d.exp(), b.tanh() + d], 1)


def network(seed: int, inputs: int, outputs: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs)).double()
    return layers.requires_grad_(False)


def test_a_polynomial_has_its_contributions_in_closed_form() -> None:
    # along the way from 0, x y gives half to each, x^3 all to x
    rows = draw(5, 2)
    made = IntegratedGradients(lambda r: r[:, :1] * r[:, 1:] + r[:, :1] ** 3, steps=2).attribute(
        rows, torch.zeros(1, 2, dtype=torch.float64)
    )
    x, y = rows.unbind(1)
    wanted = torch.stack([x * y / 2 + x**3, x * y / 2], 1)
    torch.testing.assert_close(made.values[:, 0], wanted)


@given(
    seed=st.integers(0, 2**31), inputs=st.integers(1, 6), outputs=st.integers(1, 4),
    samples=st.integers(1, 5), baselines=st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=25)
def test_contributions_of_any_small_network_sum_to_the_change_of_its_prediction(
    seed: int, inputs: int, outputs: int, samples: int, baselines: int
) -> None:
    made = IntegratedGradients(network(seed, inputs, outputs)).attribute(
        draw(samples, inputs, seed=seed), draw(baselines, inputs, seed=seed + 1)
    )
    assert made.completeness <= TOLERANCE
    change = made.prediction - made.reference
    torch.testing.assert_close(made.values.sum(-1) - change, made.delta)


@given(seed=st.integers(0, 2**31), steps=st.integers(1, 4))
@settings(max_examples=25)
def test_a_linear_model_gives_each_input_its_weight_times_its_change(seed: int, steps: int) -> None:
    weight, rows, base = draw(3, 5, seed=seed), draw(4, 5, seed=seed + 1), draw(2, 5, seed=seed + 2)
    made = IntegratedGradients(lambda r: r @ weight.T, steps=steps).attribute(rows, base)
    wanted = weight * (rows - base.mean(0))[:, None]
    torch.testing.assert_close(made.values, wanted, rtol=1e-9, atol=1e-9)


def test_several_baselines_are_the_mean_over_them() -> None:
    rows, base = draw(4, 4), draw(3, 4, seed=1)
    method = IntegratedGradients(smooth, tolerance=1e-8)
    whole = method.attribute(rows, base)
    single = [method.attribute(rows, one[None]) for one in base]
    torch.testing.assert_close(whole.values, torch.stack([s.values for s in single]).mean(0))
    torch.testing.assert_close(whole.reference, torch.stack([s.reference for s in single]).mean(0))


@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
def test_it_is_the_sum_over_nodes_that_is_written_in_the_paper(rule: str) -> None:
    rows, base, steps = draw(3, 4), draw(2, 4, seed=1), 6
    made = IntegratedGradients(smooth, steps=steps, rule=rule, most_steps=steps, cuts=0).attribute(
        rows, base
    )
    nodes, weights = {"gauss_legendre": gauss_legendre, "midpoint": midpoint}[rule](steps)
    for n, row in enumerate(rows):
        for k in range(3):
            total = torch.zeros(4, dtype=torch.float64)
            for start in base:
                for node, weight in zip(nodes, weights, strict=True):
                    point = (start + node * (row - start)).requires_grad_()
                    [slope] = torch.autograd.grad(smooth(point[None])[0, k], point)
                    total += weight * slope * (row - start) / len(base)
            torch.testing.assert_close(made.values[n, k], total)


def test_the_midpoint_rule_converges_to_the_same() -> None:
    rows, base = draw(3, 4), draw(2, 4, seed=1)
    coarse = IntegratedGradients(smooth, rule="midpoint", tolerance=1e-7, most_steps=4096, cuts=0)
    fine = IntegratedGradients(smooth, tolerance=1e-9)
    a, b = (method.attribute(rows, base) for method in (coarse, fine))
    torch.testing.assert_close(a.values, b.values, rtol=0, atol=1e-6 * float(a.span.max()))
    assert a.evaluations > b.evaluations


def test_only_paths_that_are_not_complete_get_more_nodes() -> None:
    def steep(rows: Tensor) -> Tensor:
        return torch.tanh(40 * (rows - 0.37))

    base = torch.zeros(1, 1, dtype=torch.float64)
    rows = torch.tensor([[0.01], [0.02], [1.0]], dtype=torch.float64)
    made = IntegratedGradients(steep, steps=4).attribute(rows, base)
    assert made.completeness <= TOLERANCE
    easy = IntegratedGradients(steep, steps=4).attribute(rows[:2] / 40, base)
    assert easy.evaluations == 8 and made.evaluations > 8 + 4 + 8
    few = IntegratedGradients(steep, steps=4, most_steps=4, cuts=0).attribute(rows, base)
    assert few.evaluations == 12 and few.completeness > TOLERANCE  # told, not hidden


def test_a_switch_on_the_way_is_cut_out_and_costs_little() -> None:
    """A step as steep as this wants some ten thousand nodes of one rule over the whole path."""

    def switch(rows: Tensor) -> Tensor:
        return (torch.tanh(3000 * (rows[:, :1] - 0.37)) + 1) * rows[:, 1:] ** 2

    rows = torch.tensor([[1.0, 2.0], [0.3, 2.0]], dtype=torch.float64)
    made = IntegratedGradients(switch, rule="gauss_legendre").attribute(rows, rows[:1] * 0)
    assert made.completeness <= TOLERANCE and made.evaluations < 1000
    # what comes before the switch is nothing, after it 2 y^2; the step itself is x's
    of_x = 2 * (0.37 * 2.0) ** 2
    torch.testing.assert_close(
        made.values[0, 0], torch.tensor([of_x, 8.0 - of_x], dtype=torch.float64), rtol=1e-3, atol=0
    )


def test_small_passes_give_the_same_as_one_large_one() -> None:
    rows, base = draw(5, 4), draw(3, 4, seed=1)
    large, small = (
        IntegratedGradients(smooth, rows=size).attribute(rows, base) for size in (10_000, 1)
    )
    torch.testing.assert_close(small.values, large.values)


class Together:
    """A prediction whose gradients are asked for in one call."""

    gradients_together = True

    def __call__(self, rows: Tensor) -> Tensor:
        return smooth(rows.nan_to_num(nan=0.0))


def test_gradients_in_one_call_are_those_of_one_output_after_the_other() -> None:
    rows, base = draw(5, 4), draw(3, 4, seed=1)
    rows[2, 1] = NAN
    many, one = Together(), Together()
    one.gradients_together = False
    together, apart = (IntegratedGradients(each).attribute(rows, base) for each in (many, one))
    torch.testing.assert_close(together.values, apart.values)


def test_some_outputs_are_those_of_all() -> None:
    rows, base = draw(5, 4), draw(3, 4, seed=1)
    whole = IntegratedGradients(smooth, tolerance=1e-9).attribute(rows, base)
    some = IntegratedGradients(smooth, tolerance=1e-9).attribute(rows, base, outputs=[2, 0])
    torch.testing.assert_close(some.values, whole.values[:, [2, 0]])
    assert torch.equal(some.prediction, whole.prediction[:, [2, 0]])


def test_what_is_missing_contributes_exactly_nothing() -> None:
    rows, base = draw(4, 3), draw(2, 3, seed=1)
    rows[1, 0] = rows[3, 2] = NAN
    base[0, 1] = NAN

    def filled(r: Tensor) -> Tensor:
        return (r.nan_to_num(nan=0.5).sin().cumsum(1).square() + r.isnan()).sum(1, keepdim=True)

    made = IntegratedGradients(filled).attribute(rows, base)
    assert made.completeness <= TOLERANCE
    assert torch.equal(made.values[:, 0] == 0, rows.isnan())


def test_the_same_twice_to_the_bit() -> None:
    rows, base = draw(5, 4).float(), draw(3, 4, seed=1).float()
    first, second = (IntegratedGradients(smooth).attribute(rows, base) for _ in range(2))
    assert torch.equal(first.values, second.values)


@pytest.mark.parametrize("flush", [True, False])
def test_settings_of_torch_are_left_as_found(flush: bool) -> None:
    def flushed() -> bool:
        return float(torch.full((1,), torch.finfo(torch.float32).tiny) * 0.5) == 0

    seen = []
    torch.set_flush_denormal(flush)
    try:
        with without_denormals():
            seen.append(flushed())
        with pytest.raises(ZeroDivisionError), without_denormals():
            raise ZeroDivisionError
        seen.append(flushed())
    finally:
        torch.set_flush_denormal(False)
    assert seen == [True, flush]


def test_a_model_that_cannot_be_explained_is_refused_in_words() -> None:
    rows, base = draw(3, 2), draw(2, 2, seed=1)
    cases = {
        "NaN or infinite": lambda r: r.log(),
        "there is nothing to explain": lambda r: r[:, :1] * 0 + 3,
        "has no gradient": lambda r: r.detach() + 0,
        "its gradient is not": lambda r: (r[:, :1] * 0).sqrt() + r[:, :1],
    }
    for words, predict in cases.items():
        with pytest.raises(InvalidData, match=words):
            IntegratedGradients(predict).attribute(rows, base)


def test_wrong_settings_and_shapes_are_refused() -> None:
    rows, base = draw(3, 4), draw(2, 4, seed=1)
    with pytest.raises(InvalidData, match="no rule 'simpson' of 8 steps; there are gauss_legendre"):
        IntegratedGradients(smooth, rule="simpson")
    with pytest.raises(InvalidData, match="of 0 steps"):
        IntegratedGradients(smooth, steps=0)
    with pytest.raises(InvalidData, match="positive tolerance"):
        IntegratedGradients(smooth, tolerance=0.0).attribute(rows, base)
    with pytest.raises(InvalidData, match="one row or more"):
        IntegratedGradients(smooth, rows=0).attribute(rows, base)
    with pytest.raises(InvalidData, match="baselines of 3 columns do not fit samples of 4"):
        IntegratedGradients(smooth).attribute(rows, base[:, :3])
    with pytest.raises(InvalidData, match="the prediction has 3: 0 to 2"):
        IntegratedGradients(smooth).attribute(rows, base, outputs=[3])
