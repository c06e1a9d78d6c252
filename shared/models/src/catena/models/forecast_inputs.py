"""What a streamflow model sees: one batch of forecasts, each at one basin and issue time."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class ForecastInputs:
    """Inputs of `B` forecasts, in scaled units; what is missing is NaN.

    An issue time is the end of the last day of the past: `past_flow[:, -1]` is the last flow that
    may be known, lead 1 the day after it (specs: streamflow, section 2).

    Parameters
    ----------
    past_weather : Tensor, (B, L, Fp)
        Observed weather of the `L` days before the issue time, with the day of the year as sine
        and cosine in its last two columns.
    past_flow : Tensor, (B, L)
        Observed flow; NaN where it is missing, all NaN for an ungauged basin.
    future_weather : Tensor, (B, H, Ff)
        Forecast weather by lead, with the day of the year in its last two columns. The weather of
        leads without a forecast is NaN.
    noise : Tensor, (B, H)
        How far the forecast weather of a lead can be off: 0 (perfect) to 1 (no better than
        climatology). 1 where there is no forecast.
    statics : Tensor, (B, S)
        Attributes of the basin, and sums of rain over long times up to the issue time.
    process_flow : Tensor, (B, H) or None
        Flow forecast by a process model from the same weather, scaled like the flow.
    """

    past_weather: Tensor
    past_flow: Tensor
    future_weather: Tensor
    noise: Tensor
    statics: Tensor
    process_flow: Tensor | None = None

    def __len__(self) -> int:
        return len(self.past_flow)

    @property
    def leads(self) -> int:
        """Days ahead, `H`."""
        return self.future_weather.shape[1]

    def __getitem__(self, rows: Tensor | slice) -> ForecastInputs:
        """Some of the forecasts."""
        return ForecastInputs(
            *(None if value is None else value[rows] for value in self._values())  # type: ignore[arg-type]
        )

    def to(self, device: torch.device | str) -> ForecastInputs:
        """The same forecasts on another device."""
        return ForecastInputs(
            *(None if value is None else value.to(device) for value in self._values())  # type: ignore[arg-type]
        )

    def _values(self) -> list[Tensor | None]:
        return [getattr(self, field.name) for field in fields(self)]
