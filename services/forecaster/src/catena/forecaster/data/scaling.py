"""Scales of inputs and targets, learned from training days of training basins only.

Weather, attributes and sums of rain are scaled for all basins alike, so that a model can compare
basins; flow is scaled per basin (specs: streamflow, sections 2 and 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.memory import MEMORY_DAYS, rain_means
from catena.forecaster.data.records import Array64, BasinRecords, Mask, refuse, unusable
from catena.shared.errors import InvalidData

FlowScale = Literal["flow", "precipitation"]

_ARRAYS = (
    "weather_mean", "weather_scale", "attribute_mean", "attribute_scale", "memory_mean",
    "memory_scale", "flow_mean", "flow_scale", "flow_sd",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scalers:
    """``scaled = (value - mean) / scale``, invertible.

    Parameters
    ----------
    basins : tuple of str
        Whose flow can be scaled.
    weather_names, attribute_names : tuple of str
    memory_days : tuple of int
        Lengths of the sums of rain.
    flow_by : {"flow", "precipitation"}
        What the flow of a basin is scaled by: mean and standard deviation of its own flow, or its
        mean precipitation (for basins without flow).
    weather_mean, weather_scale : (F,) arrays
    attribute_mean, attribute_scale : (S,) arrays
    memory_mean, memory_scale : (K,) arrays
    flow_mean, flow_scale : (N,) arrays, mm d-1
    flow_sd : (N,) array, mm d-1
        Standard deviation of the flow on training days; NaN for basins that were not trained on.
    """

    basins: tuple[str, ...]
    weather_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    memory_days: tuple[int, ...]
    flow_by: FlowScale
    weather_mean: Array64
    weather_scale: Array64
    attribute_mean: Array64
    attribute_scale: Array64
    memory_mean: Array64
    memory_scale: Array64
    flow_mean: Array64
    flow_scale: Array64
    flow_sd: Array64

    @classmethod
    def fit(
        cls,
        records: BasinRecords,
        days: Mask,
        *,
        basins: Sequence[str] | None = None,
        flow_by: FlowScale = "flow",
        memory_days: Sequence[int] = MEMORY_DAYS,
    ) -> Scalers:
        """Learn the scales.

        Parameters
        ----------
        records : BasinRecords
        days : (T,) boolean array
            Training days; nothing else is looked at.
        basins : sequence of str, optional
            Training basins; all of them if left out. With ``flow_by="precipitation"`` the flow of
            the other basins gets a scale too, from their own rain on the training days.
        flow_by : {"flow", "precipitation"}
        memory_days : sequence of int
            Lengths of the sums of rain, days.

        Raises
        ------
        InvalidData
            When there are no training days, or a training basin has no flow, zero flow or constant
            flow on them (all of these by name).
        """
        days = np.asarray(days, dtype=bool)
        if days.shape != records.days.shape or not days.any():
            raise InvalidData(
                f"training days of shape {days.shape} with {int(days.sum())} set came; "
                f"{records.days.shape} with at least one wanted"
            )
        trained = records if basins is None else records.select(basins)
        if flow_by == "flow":
            refuse(unusable(trained, days=days), "basins have no flow to scale by")
        weather = moments(trained.weather[:, days])
        attributes = moments(trained.attributes)
        # A copy that ends with the last training day and is NaN on all others: sums of training
        # days must not hold rain of other days.
        rain = np.where(days, trained.weather[:, :, trained.column("pr")], np.nan)
        memory = moments(rain_means(rain, memory_days)[:, days])
        mean, sd = _per_row(trained.flow[:, days])
        if flow_by == "flow":
            scaled, centre, scale, spread = trained.basins, mean, sd, sd
        else:
            scaled = records.basins
            rain = records.weather[:, :, records.column("pr")][:, days]
            scale, _ = _per_row(rain)
            refuse(
                {
                    basin: "no precipitation on the training days"
                    for basin, value in zip(records.basins, scale, strict=True)
                    if not value > 0
                },
                "basins have no rain to scale by",
            )
            centre = np.zeros(len(records))
            spread = np.full(len(records), np.nan)
            spread[records.rows(trained.basins)] = sd
        return cls(
            scaled, records.weather_names, records.attribute_names, tuple(memory_days), flow_by,
            *weather, *attributes, *memory, centre, scale, spread,
        )  # fmt: skip

    def rows(self, basins: Sequence[str]) -> NDArray[np.int64]:
        """Places of basins in the arrays of flow; InvalidData with the names of unknown ones."""
        places = {basin: row for row, basin in enumerate(self.basins)}
        refuse(
            {basin: "has no scale of flow" for basin in basins if basin not in places},
            "basins were not there when scales were learned; learn them by precipitation",
        )
        return np.array([places[basin] for basin in basins], dtype=np.int64)

    def check(self, records: BasinRecords) -> None:
        """Refuse records of other weather or other attributes, or in another order."""
        for what, mine, theirs in (
            ("weather", self.weather_names, records.weather_names),
            ("attributes", self.attribute_names, records.attribute_names),
        ):
            if mine != theirs:
                raise InvalidData(
                    f"records with the {what} {', '.join(theirs) or 'none'} came; scales were "
                    f"learned for {', '.join(mine) or 'none'}, in this order"
                )

    def weather(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Scaled weather (..., F)."""
        return ((values - self.weather_mean) / self.weather_scale).astype(np.float32)

    def attributes(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Scaled attributes (..., S)."""
        return ((values - self.attribute_mean) / self.attribute_scale).astype(np.float32)

    def memory(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Scaled means of rain (..., K)."""
        return ((values - self.memory_mean) / self.memory_scale).astype(np.float32)

    def flow(self, values: NDArray[Any], basins: Sequence[str]) -> NDArray[np.float32]:
        """Scaled flow (n, ...) of n basins, one row each."""
        mean, scale = self._flow(basins, np.ndim(values))
        return ((values - mean) / scale).astype(np.float32)

    def unscaled_flow(self, values: NDArray[Any], basins: Sequence[str]) -> NDArray[np.float64]:
        """Flow (n, ...) in mm d-1 of scaled flow."""
        mean, scale = self._flow(basins, np.ndim(values))
        return np.asarray(values, np.float64) * scale + mean

    def _flow(self, basins: Sequence[str], ndim: int) -> tuple[Array64, Array64]:
        rows = self.rows(basins)
        shape = (-1, *[1] * (ndim - 1))
        return self.flow_mean[rows].reshape(shape), self.flow_scale[rows].reshape(shape)

    def arrays(self) -> dict[str, Array64]:
        """The numbers, for safetensors; with :meth:`about` they make the scalers again."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def about(self) -> dict[str, Any]:
        """The names, for JSON."""
        return {
            "basins": list(self.basins),
            "weather": list(self.weather_names),
            "attributes": list(self.attribute_names),
            "memory_days": list(self.memory_days),
            "flow_by": self.flow_by,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Scalers:
        """Scalers from :meth:`arrays` and :meth:`about`.

        Raises
        ------
        InvalidData
            When something is missing or numbers do not fit the names.
        """
        try:
            parts = [np.asarray(arrays[name], np.float64) for name in _ARRAYS]
            basins, weather, attributes = (
                tuple(map(str, about[key])) for key in ("basins", "weather", "attributes")
            )
            days, flow_by = tuple(map(int, about["memory_days"])), about["flow_by"]
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData(f"saved scales are incomplete: {error}") from None
        columns = (weather, weather, attributes, attributes, days, days, basins, basins, basins)
        lengths = list(map(len, columns))
        shapes = [part.shape for part in parts]
        if shapes != [(length,) for length in lengths] or flow_by not in get_args(FlowScale):
            raise InvalidData(
                f"saved scales of shapes {shapes} and flow scaled by '{flow_by}' came; lengths "
                f"{lengths} and one of {', '.join(get_args(FlowScale))} wanted"
            )
        return cls(basins, weather, attributes, days, flow_by, *parts)


def moments(values: NDArray[Any]) -> tuple[Array64, Array64]:
    """Mean and standard deviation of the last axis's columns, NaN left out.

    A column without values gets (0, 1), a constant one the scale 1: it becomes zero.
    """
    # not -1: there may be no columns
    rows = int(np.prod(values.shape[:-1]))
    flat = values.reshape(rows, values.shape[-1]).astype(np.float64)
    seen = ~np.isnan(flat)
    count = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, flat, 0.0).sum(axis=0) / count
    variance = (np.where(seen, flat - mean, 0.0) ** 2).sum(axis=0) / count
    return mean, _positive(np.sqrt(variance), mean)


def _per_row(values: NDArray[Any]) -> tuple[Array64, Array64]:
    """Mean and standard deviation of each row, NaN left out; NaN where nothing is seen."""
    seen = ~np.isnan(values)
    count = seen.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(seen, values, 0.0).sum(axis=1, dtype=np.float64) / count
        squares = np.where(seen, values - mean[:, None], 0.0).astype(np.float64) ** 2
        return mean, np.sqrt(squares.sum(axis=1) / count)


def _positive(scale: Array64, mean: Array64) -> Array64:
    # Rounding makes a constant column vary by some 1e-16 of its size.
    return np.where(scale > 1e-9 * np.maximum(np.abs(mean), 1e-9), scale, 1.0)
