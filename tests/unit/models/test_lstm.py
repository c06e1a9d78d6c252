from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from support.forecast_batches import SIZES, forecast_inputs, with_gaps

from catena.models.flow_models import new_flow_model
from catena.models.lstm import LSTMState, fused_lstm


def by_hand(lstm: torch.nn.LSTM, x: np.ndarray) -> np.ndarray:
    """The equations, one day after the other (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    def sigmoid(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    w, u, b, c = (p.detach().numpy() for p in lstm.parameters())
    hidden = cell = np.zeros((len(x), lstm.hidden_size))
    out = []
    for day in range(x.shape[1]):
        gates = x[:, day] @ w.T + hidden @ u.T + b + c
        enter, forget, candidate, leave = np.split(gates, 4, axis=1)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        out.append(hidden)
    return np.stack(out, 1)


def test_the_fused_layer_follows_the_equations() -> None:
    torch.manual_seed(0)
    lstm, x = fused_lstm(3, 5), torch.randn(4, 20, 3)
    np.testing.assert_allclose(lstm(x)[0].detach().numpy(), by_hand(lstm, x.numpy()), atol=1e-5)


def test_forget_gates_start_open_and_keep_a_year() -> None:
    lstm = fused_lstm(2, 6)
    gates = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert gates[6:12].tolist() == [3.0] * 6
    assert not gates[:6].any() and not gates[12:].any()
    x = torch.zeros(1, 90, 2, requires_grad=True)
    lstm(x)[0][:, -1].sum().backward()
    assert x.grad is not None and x.grad[0, 0].abs().max() > 1e-6


@pytest.mark.parametrize("name", ["lstm", "lstm_ed"])
@pytest.mark.parametrize("cut", [1, 13, 39])
def test_a_hot_start_gives_the_forecast_of_the_whole_past(name: str, cut: int) -> None:
    net, whole = new_flow_model(name, SIZES, 2), with_gaps(forecast_inputs(past=40))
    whole.past_flow[:, cut:] = torch.nan  # the last flow is in the state alone
    first = replace(
        whole, past_weather=whole.past_weather[:, :cut], past_flow=whole.past_flow[:, :cut]
    )
    rest = replace(
        whole, past_weather=whole.past_weather[:, cut:], past_flow=whole.past_flow[:, cut:]
    )
    kept = LSTMState.from_tensors(load(save(net.warm_up(first).tensors())))
    torch.testing.assert_close(net(rest, kept).mean(), net(whole).mean(), rtol=1e-4, atol=1e-5)
    assert (net(rest).mean() - net(whole).mean()).abs().max() > 1e-3


def test_the_decoder_of_the_encoder_decoder_has_weights_of_its_own() -> None:
    plain, pair = (new_flow_model(name, SIZES, 0).state() for name in ("lstm", "lstm_ed"))
    assert set(pair) - set(plain) == {
        "hidden_bridge.weight", "hidden_bridge.bias", "cell_bridge.weight", "cell_bridge.bias",
        "decoder.weight_ih_l0", "decoder.weight_hh_l0", "decoder.bias_ih_l0", "decoder.bias_hh_l0",
    }  # fmt: skip
