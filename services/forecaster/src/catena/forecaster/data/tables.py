"""Records scaled once, laid out so that a window is a run of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import season_code
from catena.forecaster.data.memory import rain_means
from catena.forecaster.data.records import Array32, BasinRecords
from catena.forecaster.data.scaling import Scalers
from catena.shared.errors import InvalidData

HIDDEN: NDArray[Any] = np.empty(0)
"""In place of the flow that models may look back on: none of it."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Everything scaled, ready to be gathered; shared by windows over the same records."""

    weather: Array32
    flow: Array32
    seen: Array32
    statics: Array32
    memory: Array32
    flow_mean: NDArray[np.float64]
    flow_scale: NDArray[np.float64]
    flow_sd: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        records: BasinRecords,
        scalers: Scalers,
        leads: int,
        flow_seen: NDArray[Any] | None,
    ) -> Tables:
        """Scale records.

        Parameters
        ----------
        records : BasinRecords
        scalers : Scalers
        leads : int
            Days behind the last one that forecasts may be about.
        flow_seen : (N, T) array or None
            Flow that models may look back on, mm d-1; None for that of the records,
            :data:`HIDDEN` for none.

        Raises
        ------
        InvalidData
            When `flow_seen` has another shape.
        """
        n, t, f = records.weather.shape
        table = np.full((n, t + leads, f + 2), np.nan, np.float32)
        days = records.days[0] + np.arange(t + leads)
        table[:, :, f:] = season_code(days)
        for row in range(n):  # one by one: the arithmetic is in doubles
            table[row, :t, :f] = scalers.weather(records.weather[row])
        places = {basin: place for place, basin in enumerate(scalers.basins)}
        known = [row for row, basin in enumerate(records.basins) if basin in places]
        at = [places[records.basins[row]] for row in known]
        mean, scale, sd = (np.full(n, np.nan) for _ in range(3))
        mean[known], scale[known] = scalers.flow_mean[at], scalers.flow_scale[at]
        sd[known] = scalers.flow_sd[at]
        flow = _padded((records.flow - mean[:, None]) / scale[:, None], leads)
        if flow_seen is None:
            seen = flow
        elif flow_seen is HIDDEN:
            seen = np.full_like(flow, np.nan)
        elif flow_seen.shape == records.flow.shape:
            seen = _padded((flow_seen - mean[:, None]) / scale[:, None], leads)
        else:
            raise InvalidData(
                f"flow_seen of shape {flow_seen.shape} came; {records.flow.shape} wanted"
            )
        rain = records.weather[:, :, records.column("pr")]
        memory = scalers.memory(rain_means(rain, scalers.memory_days))
        return cls(
            table.reshape(n, -1), flow, seen, scalers.attributes(records.attributes), memory,
            mean, scale, sd,
        )  # fmt: skip


def _padded(values: NDArray[Any], leads: int) -> Array32:
    """With NaN for the days after the last."""
    return np.pad(
        values.astype(np.float32), ((0, 0), (0, leads)), constant_values=np.float32(np.nan)
    )
