from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save
from support.forecast_batches import SIZES, forecast_inputs, with_gaps

from catena.models.flow_models import new_flow_model
from catena.models.lstm import LSTMState


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
