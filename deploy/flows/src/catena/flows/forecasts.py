"""Streamflow forecasts: the YAML file of ``train_forecaster``, ``forecast_basins`` and
``explain_basins``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from catena.flows.archives import OneDataset
from catena.flows.config import ClosedSection, FlowConfig, OpenSection, RunName, StepFields
from catena.flows.explanations import Explanations
from catena.flows.rpc import Section

OWN_RESULTS = frozenset({"data", "archive", "intervals", "updated", "forecasts", "evaluation"})
"""Names of what the flows make beside the models."""


class ForecastBasins(OpenSection):
    """Records of basins: what `ingest` reads, or ``generated`` ones.

    Parameters
    ----------
    ingest : OneDataset, optional
        Fields of IngestDatasetRequest.
    key, attributes_key : str
        As in the message BasinDataset.

    All other fields (names, spread, generated) are those of the message Basins.
    """

    ingest: OneDataset | None = None
    key: str = ""
    attributes_key: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ingest is None) == ("generated" not in self.request):
            raise ValueError(
                "wanted one of ingest (what data-ingest reads) and generated (basins made by a "
                "formula)"
            )
        return self


class ForecastArchive(OpenSection):
    """Forecast weather as it was issued: what `ingest` reads, or ``generated`` forecasts.

    Parameters
    ----------
    ingest : OneDataset, optional
        Fields of IngestDatasetRequest; the source is ``forecast``.
    generated : dict, optional
        Fields of the message GeneratedForecasts; they are made of the weather of the basins.
    key : str
        As in the message ForecastDataset.

    All other fields (leads, title) are those of ArchiveWeatherRequest.
    """

    ingest: OneDataset | None = None
    generated: Section | None = None
    key: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ingest is None) == (self.generated is None):
            raise ValueError(
                "wanted one of ingest (forecasts that data-ingest reads) and generated (made of "
                "observed weather)"
            )
        return self


class ForecastModel(OpenSection):
    """A model; all other fields are those of TrainForecasterRequest.

    Parameters
    ----------
    process : str
        Name of another model of the file whose forecast is its input.
    """

    process: str = ""


class ForecastDays(ClosedSection):
    """Which day is forecast from, where not a fixed one.

    Parameters
    ----------
    behind : int
        Days between the newest day of the archive and the scheduled one.
    years_back : int
        For an archive that has ended: each day is forecast as it was so many years ago.
    """

    behind: int = Field(default=1, ge=0, le=366)
    years_back: int = Field(default=0, ge=0, le=200)


class Forecasting(FlowConfig):
    """Basins, models side by side, and settings for each step.

    The sections intervals, evaluation and forecasts hold the fields of the requests FitIntervals,
    EvaluateForecasts and IssueForecasts; references between them are filled in by the flow.

    Parameters
    ----------
    name : str
        Reports are called after it.
    title : str
        For the reports.
    trained_as_of : str
        Day of which the archive's content is meant for training; left out: the scheduled day. Give
        it where forecasts are scheduled daily, or models are trained anew with each new day.
    basins : ForecastBasins
    archive : ForecastArchive, optional
        Forecast weather for all steps; left out: observed weather, noised.
    training_days, validation_days, test_days : dict
        ``start`` and ``end``.
    models : dict of ForecastModel
    forecaster : str
        The model that intervals are fitted around, and that forecasts daily.
    issue : str
        Day from which ``forecast_basins`` forecasts; left out: as `days` says.
    days : ForecastDays
    explain : Explanations, optional
        What ``explain_basins`` explains.
    """

    wanted: ClassVar[str] = "name, basins, models, forecaster, ..."

    name: RunName
    title: str = ""
    trained_as_of: str = ""
    basins: ForecastBasins
    archive: ForecastArchive | None = None
    training_days: Section
    validation_days: Section
    test_days: Section
    models: dict[str, ForecastModel] = Field(min_length=1)
    forecaster: str
    intervals: StepFields
    evaluation: StepFields
    forecasts: StepFields
    issue: str = ""
    days: ForecastDays = ForecastDays()
    explain: Explanations | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        if taken := OWN_RESULTS & set(self.models):
            raise ValueError(
                f"a model is called {sorted(taken)[0]!r}, as a result of the flow is; give it "
                "another name"
            )
        if self.forecaster not in self.models:
            raise ValueError(
                f"forecaster is {self.forecaster!r}, wanted one of {', '.join(self.models)}"
            )
        for name, model in self.models.items():
            used = model.process
            if used and (used not in self.models or self.models[used].process or used == name):
                raise ValueError(
                    f"models.{name}.process is {used!r}, wanted another model of this file that "
                    "has no process of its own"
                )
        if self.explain is not None:
            self.explain.check_models({name: one.request for name, one in self.models.items()})
            self.explain.check_basins(self.basins.request.get("names") or [])
        return self

    @property
    def order(self) -> list[str]:
        """Names of the models, those that are inputs of others first."""
        return sorted(self.models, key=lambda name: bool(self.models[name].process))

    def needed(self, names: list[str]) -> list[str]:
        """Those of :attr:`order` that `names` are, or are made with."""
        used = {*names, *(self.models[name].process for name in names)}
        return [name for name in self.order if name in used]

    def issue_day(self, as_of: str) -> str:
        """Day from which is forecast in a run that was scheduled for the day `as_of`."""
        if self.issue:
            return self.issue
        day = date.fromisoformat(as_of)
        year = day.year - self.days.years_back
        # 29 February has no counterpart in most years.
        day = date(year, day.month, min(day.day, 28) if day.month == 2 else day.day)
        return (day - timedelta(days=self.days.behind)).isoformat()
