"""The forecaster's requests, one model per rpc.

Field names are those of the protobuf messages in ``catena/api/forecaster/v1/forecaster.proto``.
What can be said about a request without opening an artifact is said here; what needs the artifacts
is in :mod:`catena.forecaster.preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from catena.forecaster.vocabulary import (
    DEFAULT_LEVELS,
    NETWORKS,
    BasinRecord,
    Basins,
    Day,
    ForecastDataset,
    ForecasterRef,
    ForecastsRef,
    GeneratedForecasts,
    IntervalMethod,
    IntervalsRef,
    Leads,
    Levels,
    ModelName,
    Period,
    Seed,
    Stride,
    Training,
    WeatherArchiveRef,
    Words,
    once,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query, RefQuery

INLINE_NUMBERS = 120_000
"""Numbers in one reply: 8 bytes each stay under 1 MiB. More travels by reference."""

MOST_ISSUES = 20_000
"""Issue times of one request: 50 years of days."""

MOST_INLINE = 100
"""Basins of one inline forecast: records of more take too long to read while a call waits."""

A_BASIN = 60
"""Forecasts of each basin that are explained, unless told otherwise."""
MOST_SAMPLES = 20_000
"""Forecasts that are explained together: some hundred megabytes of inputs."""
MOST_BACKGROUND = 1000

MOST_STREAMED = 20_000
"""Forecasts (basins times issue times) of one stream: minutes of one processor."""


class ArchiveWeatherQuery(Query):
    """Put forecast weather into an archive."""

    dataset: ForecastDataset | None = None
    generated: GeneratedForecasts | None = None
    leads: Leads = 30
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """One source."""
        if (self.dataset is None) == (self.generated is None):
            yield FieldViolation(
                "source",
                "wanted one of dataset (of data-ingest) and generated (made of observed weather); "
                "give one",
            )

    @property
    def seed(self) -> int:
        """Seed of generated forecasts, for the lineage."""
        return 0 if self.generated is None else self.generated.seed


class TrainForecasterQuery(Query):
    """Fit a model to records of basins."""

    basins: Basins
    model: ModelName = "tst"
    training_days: Period
    validation_days: Period | None = None
    leads: Leads = 30
    training: Training = Training()
    seed: Seed = 0
    process: ForecasterRef | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    tune: bool = False
    tune_trials: Annotated[int, Field(ge=2, le=100)] = 8
    title: Words = ""
    archive: WeatherArchiveRef | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """What belongs to networks is not asked of other models; no day is in both periods."""
        network = self.model in NETWORKS
        if network and self.validation_days is None:
            yield FieldViolation(
                "validation_days", f"is missing; {self.model} stops early by its error on them"
            )
        if not network:
            yield from self._only_networks()
        if self.archive is not None and self.model in ("persistence", "climatology"):
            yield FieldViolation(
                "archive", f"is given, but {self.model} looks at no weather; leave it out"
            )
        if self.training_days.days < 365:
            yield FieldViolation(
                "training_days.end",
                f"got {self.training_days.days} days; wanted a year at least, or no season is "
                "seen whole",
            )
        if self.validation_days and self.validation_days.overlaps(self.training_days):
            yield FieldViolation(
                "validation_days.start",
                "overlaps training_days; a model that stops by days it has learned stops too late",
            )
        # A request is stored with its defaults and read again, so "was it set" is not asked.
        if self.tune_trials != type(self).model_fields["tune_trials"].default and not self.tune:
            yield FieldViolation(
                "tune_trials",
                f"got {self.tune_trials} trials, but tune is not set; set it or leave this out",
            )
        if self.tune and self.workers > 1:
            yield FieldViolation(
                "workers", "is given with tune: trials run side by side already; leave it out"
            )

    def _only_networks(self) -> Iterator[FieldViolation]:
        words = f"is given, but {self.model} is no network; leave it out"
        asked = {
            "training": bool(self.training.given()),
            "process": self.process is not None,
            "workers": self.workers > 1,
            "tune": self.tune,
        }
        for field, given in asked.items():
            if given:
                yield FieldViolation(field, words)


class FitIntervalsQuery(Query):
    """Fit intervals around a forecaster."""

    forecaster: ForecasterRef
    basins: Basins
    days: Period | None = None
    method: IntervalMethod = "cross_fitted"
    stride: Stride = 3
    seed: Seed = 0
    archive: WeatherArchiveRef | None = None


class UpdateIntervalsQuery(Query):
    """Make new intervals out of old ones and what was observed since."""

    intervals: IntervalsRef
    forecaster: ForecasterRef
    basins: Basins
    end: Day
    archive: WeatherArchiveRef | None = None


class IssueForecastsQuery(Query):
    """Issue forecasts into an archive by issue time and lead."""

    forecaster: ForecasterRef
    intervals: IntervalsRef | None = None
    basins: Basins
    issues: Period
    levels: Levels = DEFAULT_LEVELS
    states: ForecastsRef | None = None
    without_weather: bool = False
    title: Words = ""
    archive: WeatherArchiveRef | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Each level once; a period that can be held; weather or none."""
        yield from once("levels", self.levels)
        yield from issue_times("issues", self.issues, 1)
        yield from one_weather(self.archive, self.without_weather)


class EvaluateForecastsQuery(Query):
    """Score forecasters side by side on years that none has seen."""

    forecasters: Annotated[tuple[ForecasterRef, ...], Field(min_length=1, max_length=12)]
    intervals: IntervalsRef | None = None
    basins: Basins
    days: Period
    stride: Stride = 1
    levels: Levels = DEFAULT_LEVELS
    track: bool = False
    title: Words = ""
    archive: WeatherArchiveRef | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Each forecaster and level once; tracking needs intervals that can be tracked."""
        yield from once("forecasters", [ref.digest for ref in self.forecasters])
        yield from once("levels", self.levels)
        yield from issue_times("days", self.days, self.stride)
        if self.track and self.intervals is None:
            yield FieldViolation("track", "is set, but no intervals are given that could learn")


class DrawSamplesQuery(Query):
    """Draw what a network sees of some forecasts, for whoever explains it."""

    forecaster: ForecasterRef
    basins: Basins
    issues: Period
    stride: Stride = 1
    count: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = None
    background: Annotated[int, Field(ge=1, le=MOST_BACKGROUND)] = 32
    archive: WeatherArchiveRef | None = None
    without_weather: bool = False
    seed: Seed = 0
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """A period that can be held; weather or none."""
        yield from issue_times("issues", self.issues, self.stride)
        yield from one_weather(self.archive, self.without_weather)


class ForecastQuery(Query):
    """Forecasts of a few basins at one issue time, inline."""

    forecaster: ForecasterRef
    intervals: IntervalsRef | None = None
    records: Annotated[tuple[BasinRecord, ...], Field(max_length=100)] = ()
    basins: Basins | None = None
    issue: Day | None = None
    levels: Levels = DEFAULT_LEVELS
    states: ForecastsRef | None = None
    without_weather: bool = False

    def violations(self) -> Iterator[FieldViolation]:
        """Records of the user's, or basins of a dataset with a day of issue."""
        yield from once("levels", self.levels)
        yield from once("records", [record.basin for record in self.records])
        if bool(self.records) == (self.basins is not None):
            yield FieldViolation(
                "records", "wanted one of records (yours) and basins (of a dataset); give one"
            )
        if self.basins is not None and self.issue is None:
            yield FieldViolation("issue", "is missing; say at which day the forecast is issued")
        if self.records and self.issue is not None:
            yield FieldViolation("issue", "is given, but a record ends at its issue time; leave it")


class StreamForecastsQuery(Query):
    """Forecasts of many issue times, one message each."""

    forecaster: ForecasterRef
    intervals: IntervalsRef | None = None
    basins: Basins
    issues: Period
    stride: Stride = 1
    levels: Levels = DEFAULT_LEVELS
    without_weather: bool = False

    def violations(self) -> Iterator[FieldViolation]:
        """Each level once; a period that can be held."""
        yield from once("levels", self.levels)
        yield from issue_times("issues", self.issues, self.stride)


def one_weather(archive: RefQuery | None, without: bool) -> Iterator[FieldViolation]:
    """Violation when forecast weather is given and refused at once."""
    if without and archive is not None:
        yield FieldViolation(
            "archive", "is given, but without_weather is set; leave one of the two out"
        )


def issue_times(field: str, period: Period, stride: int) -> Iterator[FieldViolation]:
    """Violation when a period has more issue times than one request may ask for."""
    count = -(-period.days // stride)
    if count > MOST_ISSUES:
        yield FieldViolation(
            f"{field}.end", f"makes {count} issue times; wanted at most {MOST_ISSUES} at once"
        )


def wrong_count(basins: int, count: int | None) -> FieldViolation | None:
    """Violation when samples do not go round the basins, or are more than can be explained."""
    if count is not None and count < basins:
        return FieldViolation(
            "count", f"got {count} forecasts for {basins} basins; wanted one for each at least"
        )
    if count is None and basins * A_BASIN > MOST_SAMPLES:
        return FieldViolation(
            "count",
            f"is missing, and {A_BASIN} forecasts of each of {basins} basins are more than "
            f"{MOST_SAMPLES}; say how many, or name fewer basins",
        )
    return None


def too_many_numbers(basins: int, leads: int, levels: int) -> FieldViolation | None:
    """Violation when an inline reply would pass 1 MiB, else None."""
    numbers = basins * leads * (2 + 2 * levels)
    if numbers <= INLINE_NUMBERS:
        return None
    return FieldViolation(
        "basins",
        f"makes {basins} basins x {leads} leads x {levels} levels; wanted at most {INLINE_NUMBERS} "
        "numbers in one reply; use StreamForecasts, or the job IssueForecasts, which answers with "
        "an artifact",
    )


def too_many_basins(basins: int) -> FieldViolation | None:
    """Violation when an inline forecast is of more basins than a call waits for, else None."""
    if basins <= MOST_INLINE:
        return None
    return FieldViolation(
        "basins.names",
        f"makes {basins} basins; wanted at most {MOST_INLINE} in one reply; use the job "
        "IssueForecasts, which answers with an artifact",
    )


def too_many_forecasts(basins: int, period: Period, stride: int) -> FieldViolation | None:
    """Violation when a stream would compute longer than a server should, else None."""
    issues = -(-period.days // stride)
    if basins * issues <= MOST_STREAMED:
        return None
    return FieldViolation(
        "issues.end",
        f"makes {basins} basins x {issues} issue times; wanted at most {MOST_STREAMED} forecasts "
        "in one stream; use the job IssueForecasts, which answers with an artifact",
    )
