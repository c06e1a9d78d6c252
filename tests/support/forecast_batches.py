"""Hand-made batches for streamflow models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.models.forecast_inputs import ForecastInputs

SIZES: dict[str, Any] = {"past_variables": 5, "future_variables": 4, "statics": 3}


def forecast_inputs(
    batch: int = 6, past: int = 40, leads: int = 9, *, process: bool = True, seed: int = 0
) -> ForecastInputs:
    """Random inputs without a gap, of the sizes above."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return ForecastInputs(
        past_weather=draw(batch, past, 5),
        past_flow=draw(batch, past),
        future_weather=draw(batch, leads, 4),
        noise=torch.rand(batch, leads, generator=generator),
        statics=draw(batch, 3),
        process_flow=draw(batch, leads) if process else None,
    )


def with_gaps(inputs: ForecastInputs, share: float = 0.3, seed: int = 1) -> ForecastInputs:
    """The same with values missing anywhere but in the season."""
    generator = torch.Generator().manual_seed(seed)

    def holes(x: Tensor, kept: int = 0) -> Tensor:
        missing = torch.rand(x.shape, generator=generator) < share
        if kept:
            missing[..., -kept:] = False
        return x.masked_fill(missing, torch.nan)

    flow = inputs.process_flow
    return ForecastInputs(
        holes(inputs.past_weather, 2),
        holes(inputs.past_flow),
        holes(inputs.future_weather, 2),
        holes(inputs.noise),
        holes(inputs.statics),
        None if flow is None else holes(flow),
    )
