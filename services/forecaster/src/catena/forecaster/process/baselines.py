"""Forecasts that need no model: climatology and persistence.

Whatever forecasts flow here has the same call, ``forecast(records, issues, leads, weather)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.calendar import day_of_year
from catena.forecaster.data.records import BasinRecords, refuse
from catena.forecaster.process.climate import yearly_mean, yearly_quantiles
from catena.forecaster.process.model import lead_days

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEVELS = tuple(np.round(np.arange(0.025, 1.0, 0.025), 3).tolist())
"""Quantile levels of probabilistic baselines, unless others are asked for."""


class Forecaster(Protocol):
    """What forecasts flow."""

    def forecast(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Flow, mm d-1, (basin, issue, lead).

        Parameters
        ----------
        records : BasinRecords
            What is known; nothing after an issue day is used for its forecast.
        issues : Index, (issue,)
            Issue days as positions in ``records.days``.
        leads : int
            Days ahead.
        weather : Array, (basin, issue, lead, variable), optional
            Forecast weather in the order of ``records.weather_names``; NaN where there is none.
        """
        ...


@dataclass(frozen=True)
class Persistence:
    """The last flow known stays: flow of the issue day, or of up to `patience` days before.

    Without any the forecast is NaN.
    """

    patience: int = 30

    def forecast(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Flow, mm d-1, (basin, issue, lead); see :class:`Forecaster`."""
        flow = records.flow.astype(float)
        place = np.where(np.isfinite(flow), np.arange(flow.shape[1]), -1)
        place = np.maximum.accumulate(place, axis=1)[:, issues]
        stale = (place < 0) | (np.asarray(issues) - place > self.patience)
        last = np.where(stale, np.nan, np.take_along_axis(flow, np.maximum(place, 0), axis=1))
        return np.repeat(last[:, :, None], leads, axis=2)


@dataclass(frozen=True, eq=False)
class Climatology:
    """Mean and quantiles of flow by the day of the year.

    Parameters
    ----------
    basins : tuple of str
    mean : Array, (basin, 366)
    levels : Array, (level,)
    quantiles_by_day : Array, (basin, 366, level)
    """

    basins: tuple[str, ...]
    mean: Array
    levels: Array
    quantiles_by_day: Array

    @classmethod
    def fit(
        cls, records: BasinRecords, days: Mask, levels: Sequence[float] = LEVELS
    ) -> Climatology:
        """From the flow of training days, `days` (day,).

        Raises
        ------
        InvalidData
            Names basins without any flow on these days.
        """
        flow = records.flow[:, days].astype(float)
        empty = np.isnan(flow).all(axis=1)
        refuse(
            {records.basins[b]: "no flow on the training days" for b in np.flatnonzero(empty)},
            "basins have no climatology",
        )
        known, when = np.asarray(levels, float), records.days[days]
        quantiles = yearly_quantiles(flow, when, known)
        return cls(records.basins, yearly_mean(flow, when), known, quantiles)

    def forecast(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Mean of each day, mm d-1, (basin, issue, lead); see :class:`Forecaster`."""
        return self.mean[self._rows(records)][:, self._days(records, issues, leads)]

    def quantiles(
        self, records: BasinRecords, issues: Index, leads: int, weather: Array | None = None
    ) -> Array:
        """Quantiles of each day at `levels`, mm d-1, (basin, issue, lead, level)."""
        return self.quantiles_by_day[self._rows(records)][:, self._days(records, issues, leads)]

    def _rows(self, records: BasinRecords) -> Index:
        return known_rows(self.basins, records.basins)

    def _days(self, records: BasinRecords, issues: Index, leads: int) -> Index:
        return day_of_year(lead_days(records.days[issues], leads)) - 1


def known_rows(known: Sequence[str], wanted: Sequence[str]) -> Index:
    """Places of basins among those that were fitted.

    Raises
    ------
    InvalidData
        Names those that were not.
    """
    places = {basin: row for row, basin in enumerate(known)}
    refuse({b: "was not among them" for b in wanted if b not in places}, "basins were not fitted")
    return np.array([places[basin] for basin in wanted], np.int64)
