from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forecast_batches import forecast_inputs, with_gaps

from catena.models import flow_features
from catena.models.flow_features import NEVER, LastFlow, carried_forward

NAN = math.nan


def slowly(flow: list[float], value: float = 0.0, age: float = NEVER) -> list[tuple[float, float]]:
    out = []
    for q in flow:
        value, age = (value, min(age + 1, NEVER)) if math.isnan(q) else (q, 0.0)
        out.append((value, age))
    return out


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.floats(-3, 3, width=32)), min_size=1, max_size=12))
def test_flow_is_carried_forward_as_a_loop_would(flow: list[float]) -> None:
    value, age = carried_forward(torch.tensor([flow]))
    expected = torch.tensor(slowly(flow))
    torch.testing.assert_close(value[0], expected[:, 0])
    torch.testing.assert_close(age[0], expected[:, 1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(NAN), st.floats(-3, 3, width=32)), min_size=2, max_size=12),
    st.integers(1, 11),
)
def test_a_past_in_two_parts_is_the_whole_past(flow: list[float], cut: int) -> None:
    cut = min(cut, len(flow) - 1)
    value, age = carried_forward(torch.tensor([flow]))
    first = carried_forward(torch.tensor([flow[:cut]]))
    rest = carried_forward(torch.tensor([flow[cut:]]), LastFlow(first[0][:, -1], first[1][:, -1]))
    torch.testing.assert_close(torch.cat([first[0], rest[0]], 1), value)
    torch.testing.assert_close(torch.cat([first[1], rest[1]], 1), age)


def test_every_missing_value_is_flagged_and_none_is_left() -> None:
    inputs = with_gaps(forecast_inputs())
    for part in (
        flow_features.past_weather(inputs),
        flow_features.past_flow(inputs),
        flow_features.future(inputs, True),
        flow_features.statics(inputs),
    ):
        assert part.isfinite().all()
    flags = flow_features.past_weather(inputs)[..., 5:]
    torch.testing.assert_close(flags.bool(), ~inputs.past_weather[..., :3].isnan())
    observed = flow_features.past_flow(inputs)[..., 1]
    torch.testing.assert_close(observed.bool(), ~inputs.past_flow.isnan())


def test_the_noise_of_a_lead_without_weather_is_one() -> None:
    inputs = flow_features.without_forecast(forecast_inputs(leads=5), known_leads=2)
    inputs.noise[:] = 0.3
    noise = flow_features.future(inputs, False)[..., -1]
    torch.testing.assert_close(noise[:, :2], torch.full_like(noise[:, :2], 0.3))
    assert (noise[:, 2:] == 1).all()
