"""Parts of the explainer's requests. Each has the fields of the protobuf message of its name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from catena.shared.errors import FieldViolation
from catena.shared.query import QueryModel, RefQuery, kind_is

MOST_LEADS = 60
MOST_TARGETS = 20

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
VariableName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-360, le=360)]

ForecasterRef = Annotated[RefQuery, kind_is("forecaster")]
SamplesRef = Annotated[RefQuery, kind_is("flow_samples")]
CheckpointRef = Annotated[RefQuery, kind_is("checkpoint")]
CacheRef = Annotated[RefQuery, kind_is("hot_cache")]
SurrogateRef = Annotated[RefQuery, kind_is("surrogate")]

Method = Literal[
    "expected_gradients",
    "integrated_gradients",
    "integrated_hessians",
    "kernel_shap",
    "permutation_shap",
    "gradient_shap",
    "attention",
    "importance",
    "permutation",
]
ParameterMethod = Literal["sobol", "pawn", "shap"]

DEFAULT_METHODS: tuple[Method, ...] = (
    "expected_gradients",
    "integrated_hessians",
    "attention",
    "importance",
    "permutation",
)


def _day(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("wanted a day as YYYY-MM-DD") from None


Day = Annotated[str, StringConstraints(max_length=10), AfterValidator(_day)]
"""A day in ISO 8601."""


class Period(QueryModel):
    """Days, both included."""

    start: Day
    end: Day

    def violations(self) -> Iterator[FieldViolation]:
        """In order."""
        if self.end < self.start:
            yield FieldViolation("end", f"got {self.end}, before the start {self.start}")


class FlowForecasts(QueryModel):
    """Forecasts of streamflow by a network."""

    forecaster: ForecasterRef
    samples: SamplesRef
    leads: Annotated[
        tuple[Annotated[int, Field(ge=1, le=MOST_LEADS)], ...], Field(max_length=MOST_LEADS)
    ] = (1, 7, 30)
    dear_samples: Annotated[int, Field(ge=1, le=1000)] = 12
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Each lead once, in order."""
        if list(self.leads) != sorted(set(self.leads)):
            yield FieldViolation("leads", f"got {list(self.leads)}, wanted each once, in order")


class FieldTarget(QueryModel):
    """Mean of a field over a box of the globe."""

    variable: VariableName
    south: Latitude = -90.0
    north: Latitude = 90.0
    west: Longitude = 0.0
    east: Longitude = 360.0

    def violations(self) -> Iterator[FieldViolation]:
        """South lies below north."""
        if not self.south <= self.north:
            yield FieldViolation(
                "north", f"got {self.north:g}, which lies south of {self.south:g}; swap the two"
            )


class FieldForecasts(QueryModel):
    """Forecasts of fields by a foundation model."""

    checkpoint: CheckpointRef
    cache: CacheRef
    days: Period
    count: Annotated[int, Field(ge=1, le=200)] = 8
    background: Period | None = None
    leads_h: Annotated[
        tuple[Annotated[float, Field(gt=0, le=24 * 366)], ...], Field(max_length=20)
    ] = ()
    targets: Annotated[tuple[FieldTarget, ...], Field(max_length=MOST_TARGETS)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Something to explain; each lead once, in order."""
        if not self.targets:
            yield FieldViolation("targets", "is empty; say which field is explained, and where")
        if list(self.leads_h) != sorted(set(self.leads_h)):
            yield FieldViolation("leads_h", f"got {list(self.leads_h)}, wanted each once, in order")
