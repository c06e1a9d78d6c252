"""Parts of the forecaster's requests: basins, periods, records, settings of training.

Each has the fields of the protobuf message of its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, AllowInfNan, Field, StringConstraints

from catena.shared.errors import FieldViolation
from catena.shared.query import QueryModel, RefQuery, kind_is

MOST_LEADS = 60
MOST_BASINS = 2000
MOST_DAYS = 4000
"""Days of one record in a request: more travels as a dataset."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=64)]
"""Name of a basin: letters, digits and ``_ . -``."""

Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Level = Annotated[float, Field(gt=0, lt=1)]
Leads = Annotated[int, Field(ge=1, le=MOST_LEADS)]
Levels = Annotated[tuple[Level, ...], Field(max_length=20)]
Stride = Annotated[int, Field(ge=1, le=366)]

DatasetRef = Annotated[RefQuery, kind_is("dataset")]
ForecasterRef = Annotated[RefQuery, kind_is("forecaster")]
IntervalsRef = Annotated[RefQuery, kind_is("intervals")]
ForecastsRef = Annotated[RefQuery, kind_is("forecasts")]
WeatherArchiveRef = Annotated[RefQuery, kind_is("weather_archive")]

ModelName = Literal[
    "persistence",
    "climatology",
    "gr4j",
    "lstm",
    "lstm_ed",
    "interpretable_lstm",
    "channel_tst",
    "tst",
]
NETWORKS = ("lstm", "lstm_ed", "interpretable_lstm", "channel_tst", "tst")
"""Models that are trained by gradients: they have settings, a search and workers."""

IntervalMethod = Literal[
    "cross_fitted", "pi3nn", "cqr", "cmal", "deep_ensemble", "mc_dropout", "laplace", "gp"
]

DEFAULT_LEVELS = (0.5, 0.9)


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("wanted a day as YYYY-MM-DD") from None


Day = Annotated[str, StringConstraints(max_length=10), AfterValidator(_day)]
"""A day in ISO 8601."""

_Any = Annotated[float, AllowInfNan(True)]
_Series = Annotated[tuple[_Any, ...], Field(max_length=MOST_DAYS)]


class Period(QueryModel):
    """Days, both included."""

    start: Day
    end: Day

    def violations(self) -> Iterator[FieldViolation]:
        """A period does not end before it begins."""
        if self.end < self.start:
            yield FieldViolation("end", f"got {self.start} to {self.end}; wanted start <= end")

    @property
    def days(self) -> int:
        """Number of days."""
        return (date.fromisoformat(self.end) - date.fromisoformat(self.start)).days + 1

    def overlaps(self, other: Period) -> bool:
        """Whether a day is in both."""
        return self.start <= other.end and other.start <= self.end

    def arrays(self) -> tuple[np.datetime64, np.datetime64]:
        """First and last day as numpy days."""
        return np.datetime64(self.start, "D"), np.datetime64(self.end, "D")


class BasinDataset(QueryModel):
    """Records of basins in a dataset of data-ingest."""

    dataset: DatasetRef
    key: Words = ""
    attributes_key: Words = ""


class GeneratedBasins(QueryModel):
    """Basins made by a formula, called generated wherever they appear."""

    basins: Annotated[int, Field(ge=1, le=500)]
    years: Annotated[int, Field(ge=3, le=60)]
    seed: Seed = 0
    first_year: Annotated[int, Field(ge=1900, le=2100)] = 2001


class Basins(QueryModel):
    """Where records come from, and of which basins."""

    dataset: BasinDataset | None = None
    generated: GeneratedBasins | None = None
    names: Annotated[tuple[Name, ...], Field(max_length=MOST_BASINS)] = ()
    spread: Annotated[int, Field(ge=1, le=MOST_BASINS)] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """One source, one way to choose, each basin once."""
        if (self.dataset is None) == (self.generated is None):
            yield FieldViolation(
                "source",
                "wanted one of dataset (of data-ingest) and generated (made by a formula); give "
                "one",
            )
        if self.names and self.spread is not None:
            yield FieldViolation("spread", "is given beside names; choose in one of the two ways")
        yield from once("names", self.names)


class ForecastDataset(QueryModel):
    """Forecast weather in a dataset of data-ingest."""

    dataset: DatasetRef
    key: Words = ""
    names: Annotated[tuple[Name, ...], Field(max_length=MOST_BASINS)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Each basin once."""
        yield from once("names", self.names)


class GeneratedForecasts(QueryModel):
    """Forecast weather made of observed weather, called generated wherever it appears."""

    basins: Basins
    members: Annotated[int, Field(ge=0, le=100)] = 0
    stride: Stride = 1
    seed: Seed = 0


class Training(QueryModel):
    """How a network is built and trained; None leaves it to the model."""

    window: Annotated[int, Field(ge=16, le=730)] | None = None
    width: Annotated[int, Field(ge=8, le=512)] | None = None
    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    batch: Annotated[int, Field(ge=8, le=8192)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None

    def given(self) -> dict[str, Any]:
        """Only what was asked for."""
        return self.model_dump(exclude_none=True)


class BasinRecord(QueryModel):
    """What a user knows of one basin up to an issue time, and the forecast weather."""

    basin: Name
    start: Day
    precipitation: Annotated[_Series, Field(min_length=1)]
    temperature: Annotated[_Series, Field(min_length=1)]
    streamflow: _Series = ()
    forecast_precipitation: Annotated[tuple[_Any, ...], Field(max_length=MOST_LEADS)] = ()
    forecast_temperature: Annotated[tuple[_Any, ...], Field(max_length=MOST_LEADS)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """One value a day in each series; finite or NaN; no negative amounts."""
        days = len(self.precipitation)
        for name in ("temperature", "streamflow"):
            length = len(getattr(self, name))
            if length != days and not (name == "streamflow" and length == 0):
                yield FieldViolation(
                    name, f"got {length} values for {days} of precipitation; wanted one a day"
                )
        if len(self.forecast_precipitation) != len(self.forecast_temperature):
            yield FieldViolation(
                "forecast_temperature",
                f"got {len(self.forecast_temperature)} values for "
                f"{len(self.forecast_precipitation)} of forecast_precipitation; wanted one each a "
                "lead",
            )
        for name in ("precipitation", "streamflow", "forecast_precipitation"):
            yield from _amounts(name, getattr(self, name))
        for name in ("temperature", "forecast_temperature"):
            yield from _within(name, getattr(self, name), -100.0, 70.0, "degC")

    @property
    def issue(self) -> str:
        """Last day of the record."""
        last = date.fromisoformat(self.start) + timedelta(days=len(self.precipitation) - 1)
        return last.isoformat()

    def series(self, name: str, length: int) -> NDArray[np.float64]:
        """One of the series as an array, NaN where it is not given."""
        values = np.full(length, np.nan)
        given = getattr(self, name)[:length]
        values[: len(given)] = given
        return values


def _amounts(name: str, values: Sequence[float]) -> Iterator[FieldViolation]:
    yield from _within(name, values, 0.0, 2000.0, "mm d-1")


def _within(
    name: str, values: Sequence[float], low: float, high: float, units: str
) -> Iterator[FieldViolation]:
    for i, value in enumerate(values):
        if not (math.isnan(value) or low <= value <= high):
            yield FieldViolation(
                f"{name}[{i}]",
                f"got {value:g} {units}; wanted {low:g} to {high:g}, or NaN where it is missing",
            )
            return  # the first one says it: a record in other units has thousands


def once(field: str, names: Sequence[Any]) -> Iterable[FieldViolation]:
    """Violations for what came before."""
    seen: set[Any] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield FieldViolation(f"{field}[{i}]", f"got {name!r} twice; give each once")
        seen.add(name)
