"""Small streamflow networks whose weights all matter, and samples for them with gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.models.flow_model import FlowModel
from catena.models.flow_models import new_flow_model
from catena.models.flow_samples import FlowSamples
from catena.models.forecast_inputs import ForecastInputs

WEATHER = ("pr", "tas", "rsds")
STATICS = ("elevation", "aridity")
SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"width": 6, "embedding": 4},
    "lstm_ed": {"width": 6, "embedding": 4},
    "interpretable_lstm": {"width": 3},
    "channel_tst": {"width": 8, "heads": 2, "layers": 2, "window": 20, "max_leads": 6},
    "tst": {"width": 8, "heads": 2, "patch": 8, "stride": 4, "past_layers": 2},
}
"""Sizes of each network."""


def small_network(name: str, seed: int = 1, **head: Any) -> FlowModel[Any]:
    """A small network of random weights; the zeros of fresh heads are replaced."""
    columns = len(WEATHER) + 2
    sizes = {"past_variables": columns, "future_variables": columns, "statics": len(STATICS)}
    net = new_flow_model(name, {**sizes, **SMALL[name], "head": head}, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return net.eval()


def flow_samples(
    rows: int = 4,
    past: int = 20,
    leads: int = 6,
    *,
    process: bool = True,
    gaps: float = 0.2,
    basins: int = 1,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> FlowSamples:
    """Random forecasts, with a share of gaps anywhere but in the season."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        values = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return values.masked_fill(torch.rand(shape, generator=generator) < gaps, torch.nan)

    issue = 40 + 97 * torch.arange(rows, dtype=torch.float64)

    def weather(first: int, days: int) -> Tensor:
        angle = (issue[:, None] + torch.arange(first, first + days)) * 2 * torch.pi / 365.2425
        season = torch.stack([angle.sin(), angle.cos()], -1)
        return torch.cat([draw(rows, days, len(WEATHER)), season], -1)

    inputs = ForecastInputs(
        past_weather=weather(1 - past, past),
        past_flow=draw(rows, past),
        future_weather=weather(1, leads),
        noise=torch.rand(rows, leads, generator=generator, dtype=torch.float64),
        statics=draw(rows, len(STATICS)),
        process_flow=draw(rows, leads) if process else None,
    )
    values = (None if value is None else value.to(dtype) for value in inputs._values())
    place = np.arange(rows) % basins
    rng = np.random.default_rng(seed)
    observed = rng.gamma(2.0, 1.0, (rows, leads))
    observed[rng.random((rows, leads)) < 0.2] = np.nan
    return FlowSamples(
        inputs=ForecastInputs(*values),  # type: ignore[arg-type]
        basins=tuple(f"basin-{number}" for number in place),
        issues=np.datetime64("2001-01-01") + issue.numpy().astype(int),
        weather=WEATHER,
        statics=STATICS,
        flow_mean=1.5 + place,
        flow_scale=2.0 + 0.5 * place,
        observed=observed,
    )
