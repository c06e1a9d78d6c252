"""Inputs of streamflow models as numbers that a network can take: NaN filled, and flagged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from catena.models.forecast_inputs import ForecastInputs

SEASON = 2
"""Columns at the end of the weather that hold the day of the year: always known."""


@dataclass(frozen=True)
class LastFlow:
    """The newest flow that is known.

    Parameters
    ----------
    value : Tensor, (B,)
        Scaled flow; 0, the mean, where none is known.
    age : Tensor, (B,)
        Days between it and the issue time; `NEVER` where none is known.
    """

    value: Tensor
    age: Tensor


NEVER = 1e4
"""Age, in days, of a flow that was never seen."""


def filled(values: Tensor) -> tuple[Tensor, Tensor]:
    """Values with 0 in the place of NaN, and a flag that is 1 where there is a value."""
    present = ~values.isnan()
    return values.nan_to_num(nan=0.0), present.to(values.dtype)


def carried_forward(flow: Tensor, before: LastFlow | None = None) -> tuple[Tensor, Tensor]:
    """Each day's flow, or the newest one before it.

    Parameters
    ----------
    flow : Tensor, (B, L)
        NaN where missing.
    before : LastFlow, optional
        The newest flow before the first day; none if left out.

    Returns
    -------
    value, age : Tensor, (B, L)
        As in :class:`LastFlow`, for every day.
    """
    present = ~flow.isnan()
    day = torch.arange(flow.shape[1], device=flow.device)
    newest = torch.where(present, day, -1).cummax(1).values
    value = flow.nan_to_num(nan=0.0).gather(1, newest.clamp(min=0))
    age = (day - newest).to(flow.dtype)
    if before is None:
        start, waited = torch.zeros_like(value), torch.full_like(age, NEVER)
    else:
        start, waited = before.value[:, None].expand_as(value), before.age[:, None] + day + 1
    known = newest >= 0
    return torch.where(known, value, start), torch.where(known, age, waited.clamp(max=NEVER))


def last_flow(inputs: ForecastInputs) -> LastFlow:
    """The newest flow known at the issue time."""
    value, age = carried_forward(inputs.past_flow)
    return LastFlow(value[:, -1], age[:, -1])


def past_weather(inputs: ForecastInputs) -> Tensor:
    """Observed weather, and flags of its columns other than the season: (B, L, 2 Fp - 2)."""
    values, present = filled(inputs.past_weather)
    return torch.cat([values, present[..., :-SEASON]], -1)


def past_flow(inputs: ForecastInputs, before: LastFlow | None = None) -> Tensor:
    """Flow carried forward, and a flag of the days on which it was observed: (B, L, 2).

    As its inverse hyperbolic sine, which is linear for small and logarithmic for large flow: a
    flood of 30 standard deviations does not drown the rest.
    """
    value, age = carried_forward(inputs.past_flow, before)
    return torch.stack([value.asinh(), (age == 0).to(value.dtype)], -1)


def noise_of_leads(inputs: ForecastInputs) -> Tensor:
    """Noise of the forecast weather, (B, H).

    That of a lead without any is 1, whatever was given: a dropped forecast is no forecast.
    """
    none = inputs.future_weather[..., :-SEASON].isnan().all(-1)
    return inputs.noise.nan_to_num(nan=1.0).masked_fill(none, 1.0)


def future(inputs: ForecastInputs, process: bool) -> Tensor:
    """What is known of each lead, (B, H, 2 Ff - 1 or 2 Ff + 1).

    Forecast weather, flags of its columns, its noise, and, if asked for, the process model's flow
    with its flag.
    """
    values, present = filled(inputs.future_weather)
    parts = [values, present[..., :-SEASON], noise_of_leads(inputs)[..., None]]
    if process:
        flow, given = process_flow(inputs).unbind(-1)
        parts += [flow.asinh()[..., None], given[..., None]]
    return torch.cat(parts, -1)


def process_flow(inputs: ForecastInputs) -> Tensor:
    """The process model's forecast, and a flag where there is one: (B, H, 2)."""
    if inputs.process_flow is None:
        return torch.zeros(
            *inputs.noise.shape, 2, dtype=inputs.noise.dtype, device=inputs.noise.device
        )
    return torch.stack(filled(inputs.process_flow), -1)


def statics(inputs: ForecastInputs) -> Tensor:
    """Attributes and long sums, and flags of them: (B, 2 S)."""
    return torch.cat(filled(inputs.statics), -1)


def without_forecast(inputs: ForecastInputs, known_leads: int = 0) -> ForecastInputs:
    """The same forecasts without the weather after lead `known_leads`.

    The process model's flow goes too: it was made from that weather.
    """
    weather, noise = inputs.future_weather.clone(), inputs.noise.clone()
    weather[:, known_leads:, :-SEASON] = torch.nan
    noise[:, known_leads:] = 1.0
    flow = inputs.process_flow
    if flow is not None:
        flow = flow.clone()
        flow[:, known_leads:] = torch.nan
    return replace(inputs, future_weather=weather, noise=noise, process_flow=flow)
