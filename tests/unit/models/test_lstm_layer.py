from __future__ import annotations

import contextlib

import numba
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from catena.models.lstm_kernels import tanh
from catena.models.lstm_layer import LSTMLayer, plain_recurrence, recur


def pair(inputs: int = 3, width: int = 5) -> tuple[LSTMLayer, nn.LSTM]:
    """Ours and torch's, with the same weights in double precision."""
    ours, torchs = LSTMLayer(inputs, width), nn.LSTM(inputs, width, batch_first=True)
    ours.load_state_dict(torchs.state_dict())
    return ours.double(), torchs.double()


def leaves_of(rows: int) -> list[Tensor]:
    """Arguments of a recurrence of 4 sequences of 5 days, with offsets for so many rows."""
    torch.manual_seed(1)
    shapes = [(4, 5, 2), (12, 2), (12, 3), (rows, 12), (4, 3), (4, 3)]
    return [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]


def flat(*leaves: Tensor) -> tuple[Tensor, ...]:
    """All results of a recurrence."""
    states, end = recur(*leaves[:4], (leaves[4], leaves[5]))
    return states, *end


@pytest.mark.parametrize(("batch", "days"), [(1, 1), (1, 9), (6, 1), (7, 40)])
@pytest.mark.parametrize("used", ["all", "states", "hidden", "cell"])
def test_states_and_gradients_are_those_of_torch(batch: int, days: int, used: str) -> None:
    torch.manual_seed(0)
    ours, torchs = pair()
    x, h, c = (torch.randn(s, dtype=torch.float64) for s in ((batch, days, 3), *[(batch, 5)] * 2))
    found = {}
    for layer in (ours, torchs):
        leaves = [each.clone().requires_grad_() for each in (x, h, c)]
        state = (leaves[1], leaves[2])
        if layer is torchs:
            out, (end, cell) = layer(leaves[0], tuple(each[None] for each in state))
            results = {"states": out, "hidden": end[0], "cell": cell[0]}
        else:
            out, (end, cell) = layer(leaves[0], state)
            results = {"states": out, "hidden": end, "cell": cell}
        generator = torch.Generator().manual_seed(1)
        weighed = {
            name: (each * torch.randn(each.shape, generator=generator, dtype=each.dtype)).sum()
            for name, each in results.items()
        }
        total = sum(weighed.values()) if used == "all" else weighed[used]
        asked = [*leaves, *layer.parameters()]
        found[layer] = [*results.values(), *torch.autograd.grad(total, asked)]
    for a, b in zip(found[ours], found[torchs], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 4])
def test_the_gradient_is_that_of_finite_differences(rows: int) -> None:
    assert torch.autograd.gradcheck(flat, leaves_of(rows))


@pytest.mark.parametrize("rows", [1, 4])
def test_the_plain_form_is_the_compiled_one_and_can_be_differentiated_twice(rows: int) -> None:
    leaves = leaves_of(rows)
    found = []
    for context in (contextlib.nullcontext(), plain_recurrence()):
        with context:
            results = flat(*leaves)
            found.append(
                [*results, *torch.autograd.grad(sum(r.sin().sum() for r in results), leaves)]
            )
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
    with plain_recurrence():
        assert torch.autograd.gradgradcheck(lambda *x: sum(r.sin().sum() for r in flat(*x)), leaves)


def test_the_compiled_form_refuses_second_derivatives_and_comes_back_after_the_plain_one() -> None:
    leaves = leaves_of(1)

    def twice() -> None:
        first = torch.autograd.grad(flat(*leaves)[0].sum(), leaves[0], create_graph=True)[0]
        first.square().sum().backward()

    with pytest.raises(ZeroDivisionError), plain_recurrence():
        twice()
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="no second derivative; compute"):
        twice()


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_of_many_results_come_in_one_call(legacy: bool, frozen: bool) -> None:
    leaves = leaves_of(4)
    for weight in leaves[1:3]:
        weight.requires_grad_(not frozen)
    asked = [each for each in leaves if each.requires_grad]
    states = flat(*leaves)[0]
    seeds = torch.randn(7, *states.shape, dtype=states.dtype)

    def back(seed: Tensor, batched: bool = False) -> tuple[Tensor, ...]:
        return torch.autograd.grad(states, asked, seed, retain_graph=True, is_grads_batched=batched)

    together = back(seeds, True) if legacy else torch.func.vmap(back)(seeds)
    for place, seed in enumerate(seeds):
        for many, one in zip(together, back(seed), strict=True):
            torch.testing.assert_close(many[place], one, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", ["rising", "falling", "none"])
def test_gradients_of_single_days_in_one_call_are_those_of_each(order: str) -> None:
    leaves = leaves_of(4)
    for weight in leaves[1:3]:
        weight.requires_grad_(False)
    asked = [each for each in leaves if each.requires_grad]
    states = flat(*leaves)[0]
    days = states.shape[1]
    seeds = torch.zeros(days, *states.shape, dtype=states.dtype)
    if order != "none":
        for day in range(days):
            seeds[day if order == "rising" else days - 1 - day, :, day] = 1.0 + day

    def back(seed: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(states, asked, seed, retain_graph=True)

    for place, many in enumerate(zip(*torch.func.vmap(back)(seeds), strict=True)):
        for together, alone in zip(many, back(seeds[place]), strict=True):
            torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-14)


def test_a_map_of_the_inputs_and_what_is_added_to_them_may_be_folded_in() -> None:
    torch.manual_seed(2)
    layer, through = pair()[0], nn.Linear(4, 3).double()
    days, plus = (torch.randn(s, dtype=torch.float64) for s in ((6, 12, 4), (6, 3)))
    plus.requires_grad_()
    asked = [*layer.parameters(), *through.parameters(), plus]
    plain, folded = (
        [states, *torch.autograd.grad(states.square().sum(), asked)]
        for states in (
            layer(through(days) + plus[:, None])[0],
            layer(days, through=through, plus=plus)[0],
        )
    )
    for a, b in zip(plain, folded, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_single_precision_follows_double_precision_over_a_year() -> None:
    torch.manual_seed(3)
    torchs = pair(8, 64)[1]
    ours = LSTMLayer(8, 64)
    ours.load_state_dict(torchs.state_dict())
    x = torch.randn(5, 365, 8)
    found = []
    for layer, days in ((ours, x), (torchs, x.double())):
        states = layer(days)[0]
        grads = torch.autograd.grad(states[:, -1].sum(), list(layer.parameters()))
        found.append([states, *grads])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(
            a.double(), b, rtol=1e-4, atol=3e-5 * float(b.detach().abs().max())
        )


def test_weights_are_torchs_but_for_the_biases_and_go_both_ways() -> None:
    torch.manual_seed(4)
    ours = LSTMLayer(3, 5)
    torch.manual_seed(4)
    torchs = nn.LSTM(3, 5)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        assert torch.equal(ours.get_parameter(name), torchs.get_parameter(name))
    biases = ours.bias_ih_l0 + ours.bias_hh_l0
    assert biases.tolist() == [0.0] * 5 + [3.0] * 5 + [0.0] * 10
    torchs.load_state_dict(ours.state_dict())
    ours.load_state_dict(torchs.state_dict())


def test_open_forget_gates_keep_a_season() -> None:
    x = torch.zeros(1, 90, 2, requires_grad=True)
    LSTMLayer(2, 6)(x)[0][:, -1].sum().backward()
    assert x.grad is not None and x.grad[0, 0].abs().max() > 1e-6


def test_runs_repeat_to_the_bit_with_and_without_gradients() -> None:
    torch.manual_seed(5)
    layer, x = LSTMLayer(4, 16), torch.randn(9, 30, 4)

    def run() -> list[Tensor]:
        states, (hidden, cell) = layer(x)
        total = states.sum() + cell.sum()
        return [states, hidden, cell, *torch.autograd.grad(total, list(layer.parameters()))]

    first, again = run(), run()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    with torch.no_grad():
        offset = nn.Parameter((layer.bias_ih_l0 + layer.bias_hh_l0)[None])
        states, (hidden, cell) = recur(x, layer.weight_ih_l0, layer.weight_hh_l0, offset)
    assert all(torch.equal(a, b) for a, b in zip(first, (states, hidden, cell), strict=False))


def test_graphs_that_live_together_do_not_share_memory() -> None:
    torch.manual_seed(6)
    layer, xs = LSTMLayer(4, 8), torch.randn(3, 7, 20, 4)
    weights = list(layer.parameters())
    alone = [torch.autograd.grad(layer(x)[0].square().sum(), weights) for x in xs]
    states = [layer(x)[0] for x in xs]
    seen = [each.detach().clone() for each in states]
    together = [torch.autograd.grad(each.square().sum(), weights) for each in states]
    for a, b in zip(alone, together, strict=True):
        assert all(torch.equal(u, v) for u, v in zip(a, b, strict=True))
    layer(xs[0] + 1)  # may take the memory of a graph that is gone, not that of its results
    assert all(torch.equal(a, b) for a, b in zip(seen, states, strict=True))


def test_a_missing_number_is_not_hidden() -> None:
    x = torch.zeros(2, 6, 3)
    x[1, 4, 0] = torch.nan
    states = LSTMLayer(3, 4)(x)[0]
    assert states[0].isfinite().all() and states[1, :4].isfinite().all()
    assert states[1, 4:].isnan().all()


def test_what_does_not_fit_is_refused() -> None:
    layer = LSTMLayer(3, 4)
    for days in (torch.zeros(2, 5, 7), torch.zeros(2, 0, 3)):
        with pytest.raises(ValueError, match="one day or more"):
            layer(days)
    with pytest.raises(ValueError, match=r"\(2, 4\), \(2, 4\)\] wanted"):
        layer(torch.zeros(2, 5, 3), (torch.zeros(1, 4), torch.zeros(1, 4)))


def test_hyperbolic_tangents_are_close() -> None:
    @numba.njit
    def each(values: np.ndarray) -> np.ndarray:
        out = np.empty_like(values)
        for k in range(len(values)):
            out[k] = tanh(values[k])
        return out

    x = np.concatenate([np.linspace(-12, 12, 200_001), [-np.inf, np.inf, 1e-30, 0.0]])
    single = each(x.astype(np.float32))
    np.testing.assert_allclose(single, np.tanh(x.astype(np.float32), dtype=np.float64), atol=5e-7)
    np.testing.assert_allclose(each(x), np.tanh(x), rtol=1e-15)
    assert np.isnan(each(np.array([np.nan], np.float32)))
