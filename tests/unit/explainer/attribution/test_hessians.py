"""Integrated Hessians: symmetric, complete, and those of the double integral of the paper."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from catena.explainer.attribution.hessians import integrated_hessians
from catena.explainer.attribution.integrated import IntegratedGradients
from catena.explainer.attribution.paths import TOLERANCE
from catena.explainer.attribution.prediction import Groups
from catena.explainer.attribution.quadrature import gauss_legendre, gauss_logarithmic
from catena.shared.errors import InvalidData

NAN = float("nan")
EACH = Groups.of("abcd")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(rows: Tensor) -> Tensor:
    """Two outputs of four columns."""
    a, b, c, d = rows.unbind(1)
    return torch.stack([a * b + 2 * c + a**3, torch.sin(a * c) * d.exp()], 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 32])
def test_the_logarithmic_rule_has_the_moments_of_its_weight(steps: int) -> None:
    nodes, weights = gauss_logarithmic(steps)
    assert ((nodes > 0) & (nodes < 1) & (weights > 0)).all()
    for power in range(2 * steps):
        # int_0^1 -ln(u) u^p du = 1 / (p + 1)^2
        assert float((weights * nodes**power).sum()) == pytest.approx((power + 1) ** -2, rel=1e-12)


def test_the_logarithmic_rule_is_the_double_integral_of_a_product() -> None:
    a, w = gauss_legendre(60)
    product = a[:, None] * a
    wanted = float((w[:, None] * w * torch.exp(product).cos()).sum())
    nodes, weights = gauss_logarithmic(10)
    assert float((weights * nodes.exp().cos()).sum()) == pytest.approx(wanted, rel=1e-12)


def test_a_polynomial_has_its_interactions_in_closed_form() -> None:
    rows = draw(6, 4)
    made = integrated_hessians(smooth, rows, torch.zeros(1, 4).double(), EACH, [0])
    a, b, c, _ = rows.unbind(1)
    wanted = torch.zeros(6, 4, 4, dtype=torch.float64)
    # a b: d2f = 1, weight int int st = 1/4; the first-order term gives int int st = 1/4 to each
    wanted[:, 0, 1] = wanted[:, 1, 0] = wanted[:, 1, 1] = a * b / 4
    wanted[:, 0, 0] = a * b / 4 + a**3
    wanted[:, 2, 2] = 2 * c
    torch.testing.assert_close(made.values[:, 0], wanted)


def test_it_is_the_double_integral_of_the_paper_column_by_column() -> None:
    row, start = draw(4) / 2, draw(4, seed=1) / 2
    way = row - start
    made = integrated_hessians(smooth, row[None], start[None], EACH, [1], steps=16)
    nodes, weights = gauss_legendre(12)
    total = torch.zeros(4, 4, dtype=torch.float64)

    def output(point: Tensor) -> Tensor:
        return smooth(point[None])[0, 1]

    for s, of_s in zip(nodes, weights, strict=True):
        for t, of_t in zip(nodes, weights, strict=True):
            point = start + s * t * way
            slope = torch.autograd.functional.jacobian(output, point)
            curve = torch.autograd.functional.hessian(output, point)
            total += of_s * of_t * (s * t * curve * way * way[:, None] + torch.diag(slope * way))
    torch.testing.assert_close(made.values[0, 0], total, rtol=1e-8, atol=1e-9)


def test_rows_of_a_matrix_sum_to_the_integrated_gradients() -> None:
    rows, base = draw(5, 4), draw(3, 4, seed=1)
    groups = Groups.of("xyxz")
    joint = integrated_hessians(smooth, rows, base, groups, tolerance=1e-10)
    alone = IntegratedGradients(smooth, tolerance=1e-10).attribute(rows, base)
    torch.testing.assert_close(
        joint.values.sum(-1), alone.grouped(groups), rtol=1e-6, atol=1e-7 * float(joint.span.max())
    )


def test_groups_are_the_sums_of_their_columns() -> None:
    rows, base = draw(3, 4), draw(2, 4, seed=1)
    groups = Groups.of("xyxz")
    fine = integrated_hessians(smooth, rows, base, EACH, tolerance=1e-10)
    coarse = integrated_hessians(smooth, rows, base, groups, tolerance=1e-10)
    member = groups.membership()
    torch.testing.assert_close(coarse.values, member.T @ fine.values @ member)


@given(seed=st.integers(0, 2**31), samples=st.integers(1, 4), baselines=st.integers(1, 3))
@settings(max_examples=20)
def test_interactions_of_any_small_network_are_symmetric_and_complete(
    seed: int, samples: int, baselines: int
) -> None:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    rows, base = draw(samples, 4, seed=seed), draw(baselines, 4, seed=seed + 1)
    made = integrated_hessians(network, rows, base, EACH)
    assert torch.equal(made.values, made.values.mT)
    assert made.completeness <= TOLERANCE
    torch.testing.assert_close(
        made.values.sum((-1, -2)) - (made.prediction - made.reference), made.delta
    )


def test_a_linear_model_has_no_interaction() -> None:
    weight, rows, base = draw(2, 4), draw(3, 4, seed=1), draw(1, 4, seed=2)
    made = integrated_hessians(lambda r: r @ weight.T, rows, base, EACH)
    wanted = torch.diag_embed(weight * (rows - base)[:, None])
    torch.testing.assert_close(made.values, wanted)


def test_what_is_missing_acts_with_nothing() -> None:
    rows, base = draw(4, 4), draw(2, 4, seed=1)
    rows[1, 0] = NAN
    made = integrated_hessians(lambda r: smooth(r.nan_to_num(nan=0.3)), rows, base, EACH)
    assert made.completeness <= TOLERANCE
    assert (made.values[1, :, 0] == 0).all() and (made.values[1, :, :, 0] == 0).all()


def test_torch_s_lstm_and_attention_are_differentiated_twice() -> None:
    torch.manual_seed(0)
    lstm, query = nn.LSTM(1, 3, batch_first=True), nn.Linear(3, 3)

    def predict(rows: Tensor) -> Tensor:
        states, _ = lstm(rows[..., None])
        mixed = nn.functional.scaled_dot_product_attention(
            query(states)[:, None], states[:, None], states[:, None]
        )
        return mixed[:, 0, -1]

    rows, base = draw(3, 4).float(), draw(2, 4, seed=1).float()
    enabled = torch.backends.mkldnn.enabled
    made = integrated_hessians(predict, rows, base, EACH)
    assert made.completeness <= TOLERANCE
    assert torch.backends.mkldnn.enabled == enabled
    assert torch.backends.cuda.flash_sdp_enabled()


class Once(torch.autograd.Function):
    """The exponential, with a first derivative only."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        ctx.result = x.exp()  # type: ignore[attr-defined]
        return ctx.result  # type: ignore[attr-defined]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad * ctx.result  # type: ignore[attr-defined]


class Refuses(Once):
    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            raise RuntimeError("no second derivative of this")
        return grad * ctx.result  # type: ignore[attr-defined]


def test_a_prediction_without_second_derivatives_is_refused_or_not_complete() -> None:
    rows, base = draw(2, 4), draw(1, 4, seed=1)
    with pytest.raises(InvalidData, match=r"differentiated twice \(no second derivative of this"):
        integrated_hessians(Refuses.apply, rows, base, EACH)
    # torch leaves out what is marked as differentiable once, without a word; the sum tells
    assert integrated_hessians(Once.apply, rows, base, EACH).completeness > 0.01


def test_wrong_groups_and_settings_are_refused() -> None:
    rows, base = draw(3, 4), draw(2, 4, seed=1)
    with pytest.raises(InvalidData, match="groups of 3 columns do not fit inputs of 4"):
        integrated_hessians(smooth, rows, base, Groups.of("abc"))
    with pytest.raises(InvalidData, match="one step or more"):
        integrated_hessians(smooth, rows, base, EACH, steps=0)
    with pytest.raises(InvalidData, match="nothing to explain"):
        integrated_hessians(lambda r: r * 0, rows, base, EACH)
