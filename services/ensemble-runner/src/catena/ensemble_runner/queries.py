"""The ensemble runner's requests, one model per rpc.

Field names are those of the protobuf messages in
``catena/api/ensemble_runner/v1/ensemble_runner.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from catena.ensemble_runner.spin_queries import CompareSpinUpsQuery as CompareSpinUpsQuery
from catena.ensemble_runner.spin_queries import SpinUpQuery as SpinUpQuery
from catena.ensemble_runner.tower_queries import DrawFluxesQuery as DrawFluxesQuery
from catena.ensemble_runner.tower_queries import SummariseFluxesQuery as SummariseFluxesQuery
from catena.ensemble_runner.tower_queries import WriteSubmissionQuery as WriteSubmissionQuery
from catena.ensemble_runner.vocabulary import (
    INLINE_NUMBERS,
    Frequency,
    ModelName,
    ModelVersion,
    Name,
    ParameterDesign,
    ParameterDraws,
    ParameterTable,
    Setup,
    SetupMembers,
    Words,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query

Outputs = Annotated[tuple[Name, ...], Field(max_length=500)]


class DescribeModelQuery(Query):
    """Say what a model has and gives."""

    model: ModelName = "embedded"


class DrawParametersQuery(Query):
    """Draw parameters, inline."""

    model: ModelName = "embedded"
    draw: ParameterDesign

    def violations(self) -> Iterator[FieldViolation]:
        """The reply must fit into a message."""
        columns = len(self.draw.parameters)
        if self.draw.members * columns > INLINE_NUMBERS:
            yield FieldViolation(
                "draw.members",
                f"got {self.draw.members} members x {columns} parameters; wanted at most "
                f"{INLINE_NUMBERS} numbers in one reply ({INLINE_NUMBERS // columns} members); "
                "give the same draw to RunEnsemble, which draws for itself",
            )


class RunCaseQuery(Query):
    """Run one parameter set."""

    model: ModelName = "embedded"
    setup: Setup
    outputs: Outputs = ()
    frequencies: Annotated[tuple[Frequency, ...], Field(min_length=1, max_length=3)] = ("monthly",)
    title: Words = ""
    model_version: ModelVersion = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Each output and each frequency once."""
        yield from _once("outputs", self.outputs)
        yield from _once("frequencies", self.frequencies)


class RunEnsembleQuery(Query):
    """Run many members."""

    model: ModelName = "embedded"
    setup: Setup
    draw: ParameterDesign | None = None
    table: ParameterTable | None = None
    draws: ParameterDraws | None = None
    outputs: Outputs = ()
    frequency: Frequency = "monthly"
    title: Words = ""
    model_version: ModelVersion = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Members from one place; what varies is not fixed as well."""
        yield from SetupMembers(self.draw, self.table, self.draws, self.setup.fixed).violations()
        yield from _once("outputs", self.outputs)

    @property
    def seed(self) -> int | None:
        """Seed of the design, for the lineage."""
        return self.draw.seed if self.draw is not None else None


def _once(field: str, names: Sequence[str]) -> Iterator[FieldViolation]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield FieldViolation(f"{field}[{i}]", f"got {name!r} twice; name each once")
