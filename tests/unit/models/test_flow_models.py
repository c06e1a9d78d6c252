"""What all streamflow networks keep to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from support.forecast_batches import SIZES, forecast_inputs, with_gaps

from catena.models.flow_features import without_forecast
from catena.models.flow_model import FlowModel
from catena.models.flow_models import FLOW_MODELS, load_flow_model, new_flow_model
from catena.models.forecast_inputs import ForecastInputs

SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"width": 8, "embedding": 5},
    "lstm_ed": {"width": 8, "embedding": 5},
    "interpretable_lstm": {"width": 4},
    "channel_tst": {"width": 8, "heads": 2, "layers": 1, "lead_width": 4},
    "tst": {"width": 8, "heads": 2},
}
CAUSAL = [name for name in SMALL if name != "channel_tst"]


def model(name: str, seed: int = 1, **head: Any) -> FlowModel[Any]:
    """A small network whose weights all matter: zeros of a fresh head are replaced."""
    net = new_flow_model(name, {**SIZES, **SMALL[name], "head": head}, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return net.eval()


def numbers(net: FlowModel[Any], inputs: ForecastInputs) -> torch.Tensor:
    """Mean and some quantiles: (B, H, 4)."""
    with torch.no_grad():
        forecast = net(inputs)
        return torch.cat([forecast.mean()[..., None], forecast.quantile([0.1, 0.5, 0.9])], -1)


def test_there_are_five_of_them() -> None:
    assert set(FLOW_MODELS) == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("past", "leads"), [(1, 1), (7, 30), (90, 3), (400, 12)])
def test_any_past_and_any_leads(name: str, past: int, leads: int) -> None:
    out = numbers(model(name), forecast_inputs(4, past, leads))
    assert out.shape == (4, leads, 4)
    assert out.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", ["quantiles", "cmal"])
def test_gaps_anywhere_give_forecasts_and_gradients(name: str, kind: str) -> None:
    net, inputs = model(name, kind=kind), with_gaps(forecast_inputs(), 0.5)
    net(inputs).crps(torch.zeros(6, 9)).mean().backward()
    assert numbers(net, inputs).isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_nothing_known_at_all_still_gives_a_forecast(name: str) -> None:
    known = forecast_inputs()
    inputs = ForecastInputs(
        *(torch.full_like(value, torch.nan) for value in known._values()[:5]),  # type: ignore[arg-type]
    )
    assert numbers(model(name), inputs).isfinite().all()


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("lead", [2, 6, 9])
def test_weather_of_a_lead_leaves_earlier_leads_alone(name: str, lead: int) -> None:
    net, inputs = model(name), forecast_inputs()
    weather, noise = inputs.future_weather.clone(), inputs.noise.clone()
    assert inputs.process_flow is not None
    flow = inputs.process_flow.clone()
    weather[:, lead - 1] += 2.0
    noise[:, lead - 1] *= 0.5
    flow[:, lead - 1] -= 1.0
    changed = replace(inputs, future_weather=weather, noise=noise, process_flow=flow)
    before, after = numbers(net, inputs), numbers(net, changed)
    torch.testing.assert_close(after[:, : lead - 1], before[:, : lead - 1], rtol=0, atol=1e-6)
    assert (after[:, lead - 1] - before[:, lead - 1]).abs().amin() > 1e-5


@pytest.mark.parametrize("name", CAUSAL)
def test_fewer_leads_are_the_first_of_more(name: str) -> None:
    net, inputs = model(name), forecast_inputs(leads=20)
    assert inputs.process_flow is not None
    few = replace(
        inputs,
        future_weather=inputs.future_weather[:, :4],
        noise=inputs.noise[:, :4],
        process_flow=inputs.process_flow[:, :4],
    )
    torch.testing.assert_close(numbers(net, few), numbers(net, inputs)[:, :4], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_dropped_forecast_is_no_forecast(name: str) -> None:
    net, known = model(name), forecast_inputs()
    weather = torch.full_like(known.future_weather, torch.nan)
    weather[..., -2:] = known.future_weather[..., -2:]
    never = ForecastInputs(
        known.past_weather, known.past_flow, weather, torch.ones(6, 9), known.statics
    )
    expected = numbers(net, never)
    dropped = without_forecast(known)
    assert torch.equal(numbers(net, dropped), expected)
    # whatever noise was claimed for it
    assert torch.equal(numbers(net, replace(dropped, noise=known.noise)), expected)
    assert not torch.equal(numbers(net, known), expected)


@pytest.mark.parametrize("name", SMALL)
def test_every_input_counts(name: str) -> None:
    net, inputs = model(name), forecast_inputs()
    before = numbers(net, inputs)
    for field in ("past_weather", "past_flow", "future_weather", "noise", "statics"):
        other = replace(inputs, **{field: getattr(inputs, field) + 0.5})
        assert (numbers(net, other) - before).abs().max() > 1e-4, field
    assert inputs.process_flow is not None
    other = replace(inputs, process_flow=inputs.process_flow + 0.5)
    assert (numbers(net, other) - before).abs().max() > 1e-4
    without = model(name, process=False)
    assert torch.equal(numbers(without, other), numbers(without, inputs))


@pytest.mark.parametrize("name", SMALL)
def test_a_forecast_does_not_depend_on_its_batch(name: str) -> None:
    net, inputs = model(name), with_gaps(forecast_inputs())
    alone = numbers(net, inputs[2:3])
    torch.testing.assert_close(numbers(net, inputs)[2:3], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_state_survives_json_and_safetensors(name: str) -> None:
    net, inputs = model(name, levels=(0.1, 0.4, 0.9)), forecast_inputs()
    config = json.loads(json.dumps(net.config()))
    again = load_flow_model(name, config, load(save(net.state())))
    assert torch.equal(numbers(net, inputs), numbers(again, inputs))


@pytest.mark.parametrize("name", SMALL)
def test_a_missing_tensor_or_another_architecture_is_refused(name: str) -> None:
    net = model(name)
    state = net.state()
    gone = sorted(state)[0]
    state.pop(gone)
    with pytest.raises(RuntimeError, match=gone):
        load_flow_model(name, net.config(), state)
    with pytest.raises(TypeError, match="unexpected"):
        load_flow_model(name, {**net.config(), "wings": 2}, net.state())


@pytest.mark.parametrize("name", SMALL)
def test_seeds_fix_weights_and_the_global_generator_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    config = {**SIZES, **SMALL[name]}
    a, b, c = (new_flow_model(name, config, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a.state()[key], b.state()[key]) for key in a.state())
    assert any(not torch.equal(a.state()[key], c.state()[key]) for key in a.state())


@pytest.mark.parametrize("name", SMALL)
def test_internals_have_a_row_per_forecast(name: str) -> None:
    internals = model(name).explain(with_gaps(forecast_inputs()))
    assert internals
    for key, value in internals.items():
        assert value.shape[0] == 6, key
        assert value.isfinite().all(), key
        if "attention" in key or "importance" in key:
            torch.testing.assert_close(value.sum(-1), torch.ones(value.shape[:-1]), msg=key)


def test_an_unknown_network_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no streamflow network 'gru'; there are lstm"):
        new_flow_model("gru", SIZES, 0)
