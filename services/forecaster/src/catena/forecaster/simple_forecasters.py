"""Forecasters without networks behind the service's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.forecasters import (
    About,
    Arrays,
    Forecaster,
    Forecasts,
    flow_scale,
    in_period,
)
from catena.forecaster.process import baselines
from catena.forecaster.scenarios import Weather


class SimpleForecaster(Forecaster):
    """A forecaster that knows how much the flow of each basin varies.

    Parameters
    ----------
    about : About
    scale : (N,) array, mm d-1
        Standard deviation of each basin's flow on training days.
    """

    def __init__(self, about: About, scale: NDArray[np.float64]) -> None:
        self.about, self.scale = about, scale

    def arrays(self) -> Arrays:
        """The scale."""
        return {"scale": self.scale}

    def meta(self) -> dict[str, Any]:
        """Nothing more."""
        return {}


class Persistence(SimpleForecaster):
    """The newest flow that is known, for all leads."""

    @classmethod
    def fit(cls, about: About, records: BasinRecords) -> Self:
        """Only the scale is learned."""
        return cls(about, flow_scale(records, in_period(records, about.training_days)))

    def forecast(
        self, records: BasinRecords, issues: Index, weather: Weather, states: Arrays | None = None
    ) -> Forecasts:
        """See :class:`catena.forecaster.process.baselines.Persistence`."""
        self.check(records)
        return Forecasts(baselines.Persistence().forecast(records, issues, self.about.leads))

    @classmethod
    def from_arrays(
        cls, about: About, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Self:
        """Inverse of :meth:`arrays`."""
        return cls(about, np.asarray(arrays["scale"]))


class Climatology(SimpleForecaster):
    """Mean flow of the day of the year.

    Parameters
    ----------
    about : About
    scale : (N,) array, mm d-1
    inner : catena.forecaster.process.baselines.Climatology
    """

    def __init__(
        self, about: About, scale: NDArray[np.float64], inner: baselines.Climatology
    ) -> None:
        super().__init__(about, scale)
        self.inner = inner

    @classmethod
    def fit(cls, about: About, records: BasinRecords) -> Self:
        """From the flow of training days.

        Raises
        ------
        InvalidData
            Names basins without any.
        """
        days = in_period(records, about.training_days)
        inner = baselines.Climatology.fit(records, days)
        return cls(about, flow_scale(records, days), inner)

    def forecast(
        self, records: BasinRecords, issues: Index, weather: Weather, states: Arrays | None = None
    ) -> Forecasts:
        """The mean of the day that is forecast."""
        self.check(records)
        return Forecasts(self.inner.forecast(records, issues, self.about.leads))

    def arrays(self) -> Arrays:
        """Scale, means and quantiles."""
        return {
            "scale": self.scale,
            "mean": self.inner.mean,
            "levels": self.inner.levels,
            "quantiles": self.inner.quantiles_by_day,
        }

    @classmethod
    def from_arrays(
        cls, about: About, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Self:
        """Inverse of :meth:`arrays`."""
        mean, levels, quantiles = (arrays[name] for name in ("mean", "levels", "quantiles"))
        inner = baselines.Climatology(about.basins, mean, levels, quantiles)
        return cls(about, np.asarray(arrays["scale"]), inner)
