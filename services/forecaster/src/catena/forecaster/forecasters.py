"""What every forecaster of the service has, whatever model is inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from catena.forecaster.data.records import BasinRecords, Index
from catena.forecaster.scenarios import Weather
from catena.shared.errors import InvalidData

Arrays = dict[str, NDArray[Any]]
Flow = NDArray[np.float64]


class Checkpoint(Protocol):
    """Where a long fit keeps what it has done; a job's context has one, a notebook needs none."""

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """What was saved last, or None."""

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Replace it."""


@dataclass(frozen=True)
class About:
    """What a forecaster is and what it has seen.

    Parameters
    ----------
    model : str
        Name of the model, as in the request.
    title : str
    leads : int
        Days ahead.
    basins : tuple of str
    latitude, longitude : tuple of float or None
        Degrees, per basin; None where unknown.
    weather_names : tuple of str
        Variables that records must have.
    attribute_names : tuple of str
    attributes : sequence of sequence of float or None
        Of each basin, so that a record in a request need not bring them.
    training_days, validation_days : (str, str) or None
        First and last day, ISO 8601.
    generated : bool
        Whether the records were made by a formula.
    seed : int
        Also of the noise of forecast weather.
    hybrid : bool
        Whether a process model's forecast is an input.
    archive_noise : tuple of float, optional
        By lead, of the archived forecasts that it was trained with.
    """

    model: str
    title: str
    leads: int
    basins: tuple[str, ...]
    latitude: tuple[float | None, ...]
    longitude: tuple[float | None, ...]
    weather_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    attributes: Sequence[Sequence[float | None]]
    training_days: tuple[str, str]
    validation_days: tuple[str, str] | None
    generated: bool
    seed: int
    hybrid: bool = False
    archive_noise: tuple[float, ...] | None = None

    @classmethod
    def of(
        cls,
        records: BasinRecords,
        *,
        model: str,
        title: str,
        leads: int,
        training_days: tuple[str, str],
        validation_days: tuple[str, str] | None,
        seed: int,
        hybrid: bool = False,
    ) -> Self:
        """From the records that it is trained on."""
        return cls(
            model,
            title,
            leads,
            records.basins,
            _or_none(records.latitude),
            _or_none(records.longitude),
            records.weather_names,
            records.attribute_names,
            [_or_none(row) for row in records.attributes],
            training_days,
            validation_days,
            records.generated,
            seed,
            hybrid,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in plain.items()
        }
        return cls(**fields)

    @property
    def units(self) -> dict[str, str]:
        """Units for a manifest."""
        return {"streamflow": "mm d-1"}

    @property
    def name(self) -> str:
        """What pages call it."""
        names = {"tst": "TST", "lstm": "LSTM", "lstm_ed": "LSTM-ED", "gr4j": "GR4J + MOS"}
        names |= {"interpretable_lstm": "interpretable LSTM", "channel_tst": "public TST"}
        own = names.get(self.model, self.model)
        return f"{own} with GR4J" if self.hybrid else own

    def trained_on(self, day: np.datetime64) -> bool:
        """Whether `day` is one of training or validation."""
        periods = [self.training_days, *([self.validation_days] if self.validation_days else [])]
        return any(np.datetime64(start) <= day <= np.datetime64(end) for start, end in periods)


def _or_none(values: NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)


QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
"""Levels of the quantiles that a model may give."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts at `N` basins, `I` issue times and `H` leads.

    Parameters
    ----------
    flow : (N, I, H) array, mm d-1
        NaN where no forecast can be made.
    quantiles : (N, I, H, Q) float32 array, mm d-1, optional
        How unsure the model itself is: its own :data:`QUANTILES`, ascending.
    """

    flow: Flow
    quantiles: NDArray[np.float32] | None = None

    def then(self, later: Forecasts) -> Forecasts:
        """These and those of later issue times, by the same forecaster for the same basins."""
        own = None
        if self.quantiles is not None and later.quantiles is not None:
            own = np.concatenate([self.quantiles, later.quantiles], axis=1)
        return Forecasts(np.concatenate([self.flow, later.flow], axis=1), own)


class Forecaster(ABC):
    """A fitted model with all it needs to forecast from records.

    Attributes
    ----------
    about : About
    past : int
        Days of weather that a forecast looks back on, the day of issue included.
    """

    about: About
    past: int = 1

    @abstractmethod
    def forecast(
        self,
        records: BasinRecords,
        issues: Index,
        weather: Weather,
        states: Arrays | None = None,
    ) -> Forecasts:
        """Forecasts of all basins of `records`.

        Parameters
        ----------
        records : BasinRecords
            Of basins that it was trained on. Flow after an issue time is not looked at.
        issues : (I,) array of int
            Places of the days of issue in ``records.days``, ascending.
        weather : Weather
            The forecast weather.
        states : dict, optional
            What :meth:`states` gave for one day; it is gone on from there.

        Raises
        ------
        InvalidData
            When the records lack what the model needs.
        """

    def states(
        self, records: BasinRecords, issues: Index, states: Arrays | None = None
    ) -> tuple[Arrays, str]:
        """States at the end of days to go on from, and what they are of; empty for most models.

        Parameters
        ----------
        records, issues, states
            As in :meth:`forecast`.

        Returns
        -------
        states : dict of str to array
            Along the first axis the days; one of them is what :meth:`forecast` takes.
        of : str
        """
        return {}, ""

    @abstractmethod
    def arrays(self) -> Arrays:
        """Its numbers, for safetensors."""

    @abstractmethod
    def meta(self) -> dict[str, Any]:
        """All else about it, for JSON; :attr:`about` stands beside it."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls, about: About, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> Self:
        """Inverse of :meth:`arrays` and :meth:`meta`."""

    def check(self, records: BasinRecords) -> None:
        """Refuse records of other basins or other weather.

        Raises
        ------
        InvalidData
            Naming the basins, or the variables.
        """
        strange = [basin for basin in records.basins if basin not in self.about.basins]
        if strange:
            raise InvalidData(
                f"the forecaster was not trained on {len(strange)} of {len(records)} basins: "
                f"{', '.join(strange[:8])}; leave them out, or train with them"
            )
        if records.weather_names != self.about.weather_names:
            raise InvalidData(
                f"records with the weather {', '.join(records.weather_names)} came; the forecaster "
                f"wants {', '.join(self.about.weather_names)}"
            )


def last_flow(records: BasinRecords) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Each day's flow, or the newest one before it, and its age in days.

    Returns
    -------
    flow : (N, T) array
        NaN where none was seen yet.
    age : (N, T) array of int
        Counts from the first day where none was seen.
    """
    seen = ~np.isnan(records.flow)
    day = np.arange(len(records.days))
    newest = np.maximum.accumulate(np.where(seen, day, -1), axis=1)
    flow = np.take_along_axis(records.flow, np.maximum(newest, 0), axis=1)
    return np.where(newest >= 0, flow, np.nan), day - newest


def flow_scale(records: BasinRecords, days: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standard deviation of each basin's flow on `days`, (N,) mm d-1; 1 where it has none."""
    flow = np.where(days, records.flow, np.nan)
    some = np.isfinite(flow).any(axis=1)
    spread = np.ones(len(flow))
    spread[some] = np.nanstd(flow[some], axis=1)
    return np.where(spread > 0, spread, 1.0)


def in_period(records: BasinRecords, period: Sequence[str]) -> NDArray[np.bool_]:
    """(T,) mask of the days from ``period[0]`` to ``period[1]``, both included."""
    start, end = (np.datetime64(day, "D") for day in period)
    return np.asarray((records.days >= start) & (records.days <= end))
