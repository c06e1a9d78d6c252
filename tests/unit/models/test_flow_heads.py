from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.forecast_batches import SIZES, forecast_inputs

from catena.models.flow_heads import make_head
from catena.models.flow_model import HeadConfig
from catena.models.flow_models import new_flow_model

WIDTH = 5
HEADS = {kind: make_head(HeadConfig(kind=kind), WIDTH) for kind in ("quantiles", "cmal")}
with torch.no_grad():
    for head in HEADS.values():
        head.out.weight.normal_(generator=torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(
    features=arrays("float32", (2, 3, WIDTH), elements=st.floats(-1e4, 1e4, width=32)),
    levels=st.lists(st.floats(1e-5, 1 - 1e-5), min_size=2, max_size=9),
    kind=st.sampled_from(["quantiles", "cmal"]),
)
def test_quantiles_never_cross(features: Any, levels: list[float], kind: str) -> None:
    forecast = HEADS[kind](torch.as_tensor(features), forecast_inputs(2, 4, 3))
    quantiles = forecast.quantile(sorted(levels))
    scale = quantiles.abs().max().clamp(min=1)
    assert (quantiles.diff(dim=-1) >= -1e-5 * scale).all()


@pytest.mark.parametrize("name", ["lstm", "lstm_ed", "channel_tst", "tst"])
def test_lead_1_of_a_fresh_network_is_persistence(name: str) -> None:
    net = new_flow_model(name, SIZES, 3)
    torch.nn.init.zeros_(net.head.out.weight)
    inputs = forecast_inputs(process=False)
    median = net(inputs).median()
    torch.testing.assert_close(median[:, 0], inputs.past_flow[:, -1])
    # and fades toward the mean, 0
    assert (median.abs().diff(dim=1) < 0).all()


def test_a_missing_last_flow_is_the_older_one_faded() -> None:
    net = new_flow_model("tst", SIZES, 3)
    torch.nn.init.zeros_(net.head.out.weight)
    inputs = forecast_inputs(process=False)
    inputs.past_flow[:, -3:] = torch.nan
    torch.testing.assert_close(
        net(inputs).median()[:, 0], inputs.past_flow[:, -4] * torch.tensor(-0.3).exp()
    )


def test_a_fresh_network_passes_a_process_forecast_on() -> None:
    net = new_flow_model("tst", SIZES, 3)
    torch.nn.init.zeros_(net.head.out.weight)
    inputs = forecast_inputs()
    inputs.noise[:] = 0.0
    assert inputs.process_flow is not None
    torch.testing.assert_close(net(inputs).median(), inputs.process_flow)
    flow = inputs.process_flow.clone()
    flow[:, 3] = torch.nan
    mixed = net(replace(inputs, process_flow=flow)).median()
    torch.testing.assert_close(mixed[:, :3], flow[:, :3])
    without = net(replace(inputs, process_flow=None)).median()
    torch.testing.assert_close(mixed[:, 3], without[:, 3])


def test_the_noisier_the_weather_the_less_a_process_forecast_counts() -> None:
    net = new_flow_model("tst", SIZES, 3)
    torch.nn.init.zeros_(net.head.out.weight)
    inputs = forecast_inputs()
    assert inputs.process_flow is not None
    faded = net(replace(inputs, process_flow=None)).median()
    for noise in (0.3, 1.0):
        inputs.noise[:] = noise
        doubt = 0.3 * noise**2
        expected = (1 - doubt) * inputs.process_flow + doubt * faded
        torch.testing.assert_close(net(inputs).median(), expected)


def test_without_a_skip_a_fresh_network_forecasts_the_mean() -> None:
    net = new_flow_model("tst", {**SIZES, "head": {"skip": False}}, 3)
    torch.nn.init.zeros_(net.head.out.weight)
    torch.testing.assert_close(net(forecast_inputs()).median(), torch.zeros(6, 9))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "gauss"}, "no head 'gauss'; there are quantiles, cmal"),
        ({"levels": (0.5, 0.4, 0.9)}, "rising"),
        ({"levels": (0.1, 0.9)}, "three or more"),
        ({"levels": (0.0, 0.5, 0.9)}, "between 0 and 1"),
        ({"kind": "cmal", "components": 0}, "one component or more"),
    ],
)
def test_heads_that_make_no_sense_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_head(HeadConfig(**config), WIDTH)
