from __future__ import annotations

from dataclasses import replace

import torch
from support.forecast_batches import SIZES, forecast_inputs

from catena.models.flow_models import new_flow_model
from catena.models.interpretable_lstm import InterpretableLSTM, VariableLSTM
from catena.models.lstm_layer import LSTMLayer


def model() -> InterpretableLSTM:
    net = new_flow_model("interpretable_lstm", {**SIZES, "width": 6}, 0)
    assert isinstance(net, InterpretableLSTM)
    return net


def test_each_variable_has_an_lstm_of_its_own() -> None:
    torch.manual_seed(0)
    batched, days = VariableLSTM(3, 4), torch.randn(5, 12, 3, 2)
    states = batched(days)
    for n in range(3):
        single = LSTMLayer(2, 4)
        with torch.no_grad():
            single.weight_ih_l0.copy_(batched.of_input[n].T)
            single.weight_hh_l0.copy_(batched.of_hidden[n].T)
            single.bias_ih_l0.copy_(batched.bias[n, 0])
            single.bias_hh_l0.zero_()
        torch.testing.assert_close(states[n], single(days[:, :, n])[0], rtol=1e-4, atol=1e-5)


def test_importances_are_shares_of_variables_and_days() -> None:
    net, inputs = model(), forecast_inputs(past=20, leads=7)
    shown = net.explain(inputs)
    past, ahead = 5, 5  # 3 weather, season, flow; 2 weather, season, noise, process flow
    assert shown["variable_importance"].shape == (6, 7, past + ahead + 1)
    assert shown["past_importance"].shape == (6, 7, past, 20)
    assert shown["future_importance"].shape == (6, 7, ahead, 7)
    later = torch.ones(7, 7).triu(1).bool()
    assert (shown["future_importance"].transpose(1, 2)[..., later] == 0).all()


def test_a_process_forecast_that_is_not_there_has_no_weight() -> None:
    net, inputs = model(), forecast_inputs()
    weight = net.explain(replace(inputs, process_flow=None))["variable_importance"]
    assert (weight[..., -2] == 0).all()
    assert (net.explain(inputs)["variable_importance"][..., -2] > 0).all()


def test_posterior_importance_finds_the_variable_that_was_right() -> None:
    net, inputs = model(), forecast_inputs()
    mixture = net(inputs)
    right = 2
    posterior = net.importance(inputs, mixture.location[..., right].detach())
    prior = mixture.weight.mean((0, 1))
    assert posterior.sum().item() == torch.tensor(1.0)
    assert posterior[right] > prior[right]
    gaps = mixture.location[..., right].detach().clone()
    gaps[0] = torch.nan
    assert net.importance(inputs, gaps).isfinite().all()


def test_past_flow_starts_from_the_last_flow_and_the_process_model_from_its_forecast() -> None:
    net, inputs = model(), forecast_inputs()
    torch.nn.init.zeros_(net.head.out)
    location = net(inputs).location
    torch.testing.assert_close(location[..., 4], inputs.past_flow[:, -1:].expand(-1, 9))
    torch.testing.assert_close(location[..., -2], inputs.process_flow)
    assert not location[..., :4].any()
