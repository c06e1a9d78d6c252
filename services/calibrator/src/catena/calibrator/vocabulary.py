"""Parts of the calibrator's requests: parameters, outputs, observations.

Each has the fields of the protobuf message of its name. Whatever two callers may write differently
and mean alike (a masked value, an explicit mask of all ones) is brought to one form here, so that
the same meaning is the same request.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, AllowInfNan, Field, StringConstraints, model_validator

from catena.shared.errors import FieldViolation
from catena.shared.query import QueryModel, RefQuery, kind_is

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]*$", max_length=64)]
"""Name of a parameter, output or site's column: a letter, then letters, digits and ``_ . -``."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Units = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
FileName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\- ]*$", max_length=200)
]

FilesRef = Annotated[RefQuery, kind_is("files")]
RunsRef = Annotated[RefQuery, kind_is("runs")]
SpinUpRef = Annotated[RefQuery, kind_is("spin_up")]
StatisticsRef = Annotated[RefQuery, kind_is("statistics")]
DatasetRef = Annotated[RefQuery, kind_is("dataset")]
EnsembleRef = Annotated[RefQuery, kind_is("ensemble")]
SurrogateRef = Annotated[RefQuery, kind_is("surrogate")]
PosteriorRef = Annotated[RefQuery, kind_is("posterior")]
CheckRef = Annotated[RefQuery, kind_is("check")]
ChainsRef = Annotated[RefQuery, kind_is("chains")]

SurrogateMethod = Literal["auto", "mlp", "gp"]
PosteriorMethod = Literal["auto", "sir", "generator", "generator_reweighted", "faithful"]
McmcMethod = Literal["ensemble", "nuts"]

MAX_OUTPUTS = 60_000
"""Outputs of one model: an observation of so many still fits into a request."""

MAX_PARAMETERS = 200

Aggregation = Literal["as_stored", "monthly", "yearly", "seasonal_cycle"]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=40)]
"""A variable of a model or of the lexicon."""


def _day(value: str) -> str:
    if value:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError("wanted a day as YYYY-MM-DD") from None
    return value


Day = Annotated[str, StringConstraints(max_length=10), AfterValidator(_day)]
"""A day in ISO 8601, or empty."""

_Any = Annotated[float, AllowInfNan(True)]


class Parameter(QueryModel):
    """A calibrated parameter with its uniform prior [low, high], in physical units."""

    name: Name
    units: Units = ""
    low: float = 0.0
    high: float = 0.0
    long_name: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """The range must have a width."""
        if not self.low < self.high:
            yield FieldViolation(
                "high",
                f"got low = {self.low:g} and high = {self.high:g}; wanted low < high, "
                "the range of the uniform prior",
            )
        elif not math.isfinite(self.high - self.low):
            yield FieldViolation("high", "the range is too wide for floating point; narrow it")


class Output(QueryModel):
    """One number that the model gives and somebody may have observed."""

    name: Name
    units: Units = ""
    long_name: Words = ""


class Observation(QueryModel):
    """What was observed at one site.

    Masked entries are set to 0 and a mask that masks nothing is dropped, so that the digest of a
    request does not depend on what stood under the mask.
    """

    values: Annotated[tuple[_Any, ...], Field(min_length=1, max_length=MAX_OUTPUTS)]
    error_sd: Annotated[tuple[_Any, ...], Field(min_length=1, max_length=MAX_OUTPUTS)]
    observed: tuple[bool, ...] = ()
    site: Words = ""
    synthetic: bool = False
    source: Words = ""
    run: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        mask = data.get("observed") or ()
        if not isinstance(mask, (list, tuple)) or not all(isinstance(m, bool) for m in mask):
            return data  # pydantic says what is wrong with it
        data = dict(data)
        for name in ("values", "error_sd"):
            numbers = data.get(name)
            if mask and isinstance(numbers, (list, tuple)) and len(numbers) == len(mask):
                data[name] = [x if seen else 0.0 for x, seen in zip(numbers, mask, strict=True)]
        if mask and all(mask) and len(mask) == len(data.get("values") or ()):
            del data["observed"]
        return data

    def violations(self) -> Iterator[FieldViolation]:
        """Lengths, the mask, finite values, positive errors."""
        n = len(self.values)
        if len(self.error_sd) != n:
            yield FieldViolation(
                "error_sd",
                f"got {len(self.error_sd)} errors for {n} values; wanted one standard deviation "
                "per value",
            )
        if self.observed and len(self.observed) != n:
            yield FieldViolation(
                "observed",
                f"got {len(self.observed)} flags for {n} values; wanted one per value, or none "
                "when all were observed",
            )
            return
        mask = self.observed or (True,) * n
        if not any(mask):
            yield FieldViolation(
                "observed", "nothing was observed; at least one value must be, or the prior stands"
            )
        for i, (value, seen) in enumerate(zip(self.values, mask, strict=True)):
            if seen and not math.isfinite(value):
                yield FieldViolation(
                    f"values[{i}]",
                    f"got {value}, wanted a finite number; set observed[{i}] to false to mask it",
                )
        for i, (sd, seen) in enumerate(zip(self.error_sd, mask, strict=False)):
            if seen and not (math.isfinite(sd) and sd > 0):
                yield FieldViolation(
                    f"error_sd[{i}]",
                    f"got {sd:g}, wanted a finite standard deviation > 0 in the output's units",
                )

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Values (k,), error standard deviations (k,) and mask (k,) for the science.

        Masked errors are given as 1, so that nothing divides by zero.
        """
        values = np.array(self.values)
        mask = np.array(self.observed) if self.observed else np.ones(len(values), bool)
        return values, np.where(mask, self.error_sd, 1.0), mask


def days_in_order(start: str, end: str) -> Iterator[FieldViolation]:
    """Violation where a period ends before it begins."""
    if start and end and end < start:
        yield FieldViolation("end", f"got {start} to {end}; wanted start <= end")


_Named = TypeVar("_Named", Parameter, Output)


def duplicate_names(field: str, items: Sequence[_Named]) -> Iterable[FieldViolation]:
    """Names that came before, one violation each."""
    seen: dict[str, int] = {}
    for i, item in enumerate(items):
        if item.name in seen:
            yield FieldViolation(
                f"{field}[{i}].name",
                f"got {item.name!r}, which {field}[{seen[item.name]}] is called already; "
                "names must be unique",
            )
        seen.setdefault(item.name, i)
