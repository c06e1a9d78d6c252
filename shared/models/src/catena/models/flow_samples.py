"""Forecasts to be explained: what a streamflow network sees of each, with names, days and units.

Written by the service that trains the networks, read by whoever explains them; neither needs the
other's code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from catena.models.flow_features import SEASON
from catena.models.forecast_inputs import ForecastInputs
from catena.shared.errors import InvalidData

SEASON_NAMES = ("day_of_year_sine", "day_of_year_cosine")
"""Names of the last two columns of the weather."""

_SCALED = {"units": "1", "comment": "scaled as the network takes it"}
_DIMS = {
    "past_weather": ("sample", "lag", "weather"),
    "past_flow": ("sample", "lag"),
    "future_weather": ("sample", "lead", "weather"),
    "noise": ("sample", "lead"),
    "statics": ("sample", "static"),
    "process_flow": ("sample", "lead"),
}
_FLOW_DIMS = {
    "flow_mean": ("sample",),
    "flow_scale": ("sample",),
    "observed": ("sample", "lead"),
}


@dataclass(frozen=True, eq=False)
class FlowSamples:
    """Inputs of `B` forecasts of streamflow, and what they are about.

    Parameters
    ----------
    inputs : ForecastInputs
        `B` rows in scaled units; NaN is missing. Past and forecast weather have the columns
        `weather`, then the two of the season.
    basins : tuple of str
        Of each forecast.
    issues : (B,) array of datetime64[D]
        Days of issue; lead 1 is the day after.
    weather : tuple of str
        Names of the weather variables, without those of the season.
    statics : tuple of str
        Names of the attributes and of the long means of rain.
    flow_mean, flow_scale : (B,) float64 arrays, mm d-1
        Of each forecast's basin: ``flow = scaled * scale + mean``.
    observed : (B, H) float64 array, mm d-1
        NaN where the flow was not observed.

    Raises
    ------
    InvalidData
        When there is no forecast, shapes do not fit, a name comes twice, or a scale is not
        positive.
    """

    inputs: ForecastInputs
    basins: tuple[str, ...]
    issues: NDArray[np.datetime64]
    weather: tuple[str, ...]
    statics: tuple[str, ...]
    flow_mean: NDArray[np.float64]
    flow_scale: NDArray[np.float64]
    observed: NDArray[np.float64]

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("basins", "weather", "statics"):
            put(self, name, tuple(map(str, getattr(self, name))))
        put(self, "issues", np.asarray(self.issues, "datetime64[D]"))
        for name in ("flow_mean", "flow_scale", "observed"):
            put(self, name, np.asarray(getattr(self, name), np.float64))
        if not self.basins:
            raise InvalidData("no forecast came; at least one wanted")
        wrong = [
            f"{name} of shape {came}, wanted {wanted}"
            for name, came, wanted in self._shapes()
            if came != wanted
        ]
        if wrong:
            raise InvalidData(
                f"samples of {len(self)} forecasts do not fit together: {'; '.join(wrong)}"
            )
        self._check_values()

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Name, shape that came and shape that was wanted of each part."""
        inputs = self.inputs
        past = inputs.past_flow.shape[-1]
        sizes = {
            "sample": len(self.basins),
            "lag": past,
            "lead": inputs.future_weather.shape[1] if inputs.future_weather.ndim > 1 else 0,
            "weather": len(self.weather) + SEASON,
            "static": len(self.statics),
        }
        for name, dims in _DIMS.items():
            value = getattr(inputs, name)
            if value is not None:
                yield f"inputs.{name}", tuple(value.shape), tuple(sizes[dim] for dim in dims)
        for name in ("issues", "flow_mean", "flow_scale"):
            yield name, getattr(self, name).shape, (sizes["sample"],)
        yield "observed", self.observed.shape, (sizes["sample"], sizes["lead"])

    def _check_values(self) -> None:
        names = [*self.weather, *SEASON_NAMES]
        for what, given in (("weather", names), ("statics", list(self.statics))):
            twice = sorted({name for name in given if given.count(name) > 1})
            if twice:
                raise InvalidData(f"{what}: {', '.join(twice)} came twice; wanted each name once")
        if np.isnat(self.issues).any():
            raise InvalidData("a day of issue is missing; wanted a day for every forecast")
        good = np.isfinite(self.flow_mean) & np.isfinite(self.flow_scale) & (self.flow_scale > 0)
        if not good.all():
            row = int(np.argmin(good))
            raise InvalidData(
                f"flow of {self.basins[row]} has mean {self.flow_mean[row]:g} and scale "
                f"{self.flow_scale[row]:g} mm d-1; wanted a finite mean and a scale above 0"
            )

    def __len__(self) -> int:
        return len(self.basins)

    @property
    def past(self) -> int:
        """Days `L` that the network looks back on, the day of issue included."""
        return self.inputs.past_flow.shape[1]

    @property
    def leads(self) -> int:
        """Days ahead, `H`."""
        return self.inputs.leads

    def __getitem__(self, rows: NDArray[Any] | slice) -> FlowSamples:
        """Some of the forecasts, by places, a mask or a slice."""
        places = np.arange(len(self))[rows]
        return replace(
            self,
            inputs=self.inputs[torch.from_numpy(places)],
            basins=tuple(self.basins[place] for place in places),
            **{
                name: getattr(self, name)[places]
                for name in ("issues", "flow_mean", "flow_scale", "observed")
            },
        )

    def unscaled(self, flow: NDArray[Any]) -> NDArray[np.float64]:
        """Flow in mm d-1 of scaled flow, (B, ...)."""
        values = np.asarray(flow, np.float64)
        shape = (-1, *[1] * (values.ndim - 1))
        return np.asarray(values * self.flow_scale.reshape(shape) + self.flow_mean.reshape(shape))

    def to_dataset(self) -> xr.Dataset:
        """As a dataset with names, days and units; :meth:`from_dataset` is the inverse.

        Returns
        -------
        xarray.Dataset
            Dimensions ``sample``, ``lag`` (days before the day of issue, falling to 0), ``lead``
            (1 to `H`), ``weather`` and ``static``; NaN is kept.
        """
        flow = {"units": "mm d-1"}
        made = xr.Dataset(
            {name: (dims, getattr(self, name), flow) for name, dims in _FLOW_DIMS.items()},
            coords={
                "basin": ("sample", np.array(self.basins)),
                "issue": (
                    "sample",
                    self.issues.astype("datetime64[ns]"),
                    {"standard_name": "forecast_reference_time", "long_name": "day of issue"},
                ),
                "lag": (
                    "lag",
                    np.arange(self.past, dtype=np.int32)[::-1],
                    {"long_name": "days before the day of issue", "units": "days"},
                ),
                "lead": (
                    "lead",
                    np.arange(1, self.leads + 1, dtype=np.int32),
                    {"long_name": "days after the day of issue", "units": "days"},
                ),
                "weather": ("weather", np.array([*self.weather, *SEASON_NAMES])),
                # Without attributes too: an empty list would have no type.
                "static": ("static", np.array(self.statics, dtype=np.str_)),
            },
        )
        for name, dims in _DIMS.items():
            value = getattr(self.inputs, name)
            if value is not None:
                made[name] = (dims, value.detach().cpu().numpy(), _SCALED)
        return made

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Inverse of :meth:`to_dataset`.

        Raises
        ------
        InvalidData
            When something is missing, or parts do not fit together.
        """
        optional = {"process_flow"}
        wanted = {*_DIMS, *_FLOW_DIMS, "basin", "issue", "weather"}
        missing = sorted(wanted - optional - set(dataset.variables))
        if missing:
            raise InvalidData(
                f"no samples of forecasts: {', '.join(missing)} missing; wanted a dataset as "
                "FlowSamples.to_dataset makes it"
            )
        weather = tuple(map(str, dataset["weather"].values))
        if weather[-SEASON:] != SEASON_NAMES:
            raise InvalidData(
                f"weather ends with {', '.join(weather[-SEASON:])}; wanted the columns of the "
                f"season, {' and '.join(SEASON_NAMES)}"
            )
        statics = dataset["static"].values if "static" in dataset.coords else ()
        return cls(
            inputs=ForecastInputs(
                **{
                    # A copy: arrays of a store may be read-only, which torch warns of.
                    name: torch.from_numpy(_values(dataset, name, dims).copy())
                    for name, dims in _DIMS.items()
                    if name in dataset
                }
            ),
            basins=tuple(map(str, dataset["basin"].values)),
            issues=dataset["issue"].values.astype("datetime64[D]"),
            weather=weather[:-SEASON],
            statics=tuple(map(str, statics)),
            **{name: _values(dataset, name, dims) for name, dims in _FLOW_DIMS.items()},
        )


def _values(dataset: xr.Dataset, name: str, dims: tuple[str, ...]) -> NDArray[Any]:
    """One variable, its dimensions in this order."""
    if set(dataset[name].dims) != set(dims):
        raise InvalidData(
            f"{name} has the dimensions {', '.join(map(str, dataset[name].dims))}; "
            f"wanted {', '.join(dims)}"
        )
    return np.asarray(dataset[name].transpose(*dims).values)
