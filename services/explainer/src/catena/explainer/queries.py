"""The explainer's requests, one model per rpc.

Field names are those of the protobuf messages in ``catena/api/explainer/v1/explainer.proto``. What
can be said about a request without opening an artifact is said here; what needs the artifacts is in
:mod:`catena.explainer.preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from catena.explainer.vocabulary import (
    DEFAULT_METHODS,
    FieldForecasts,
    FlowForecasts,
    Method,
    ParameterMethod,
    Seed,
    SurrogateRef,
    VariableName,
    Words,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query

OF_FLOW_ONLY = ("integrated_hessians", "importance")
"""Methods that a foundation model of fields has nothing for."""


class ExplainForecastQuery(Query):
    """Explain forecasts of a network."""

    flow: FlowForecasts | None = None
    fields: FieldForecasts | None = None
    methods: Annotated[tuple[Method, ...], Field(max_length=9)] = ()
    baselines: Annotated[int, Field(ge=1, le=1000)] = 8
    steps: Annotated[int, Field(ge=2, le=2000)] = 16
    seed: Seed = 0
    title: Words = ""

    @property
    def asked(self) -> tuple[Method, ...]:
        """Methods, the defaults of the kind of model where none was named."""
        if self.methods:
            return self.methods
        if self.fields is not None:
            left_out = OF_FLOW_ONLY if self.fields.count > 1 else (*OF_FLOW_ONLY, "permutation")
            return tuple(name for name in DEFAULT_METHODS if name not in left_out)
        return DEFAULT_METHODS

    def violations(self) -> Iterator[FieldViolation]:
        """One model; each method once, and one that the model has."""
        if (self.flow is None) == (self.fields is None):
            yield FieldViolation(
                "model", "wanted one of flow (streamflow) and fields (a foundation model)"
            )
        for i, name in enumerate(self.methods):
            field = f"methods[{i}]"
            if name in self.methods[:i]:
                yield FieldViolation(field, f"got {name} twice; name each once")
            if self.fields is not None and name in OF_FLOW_ONLY:
                yield FieldViolation(
                    field, f"got {name}, which is for forecasts of streamflow; leave it out"
                )
            if self.fields is not None and self.fields.count < 2 and name == "permutation":
                yield FieldViolation(
                    field, "permutation takes fields from another forecast; raise fields.count to 2"
                )


class ExplainParametersQuery(Query):
    """Explain which parameters drive a surrogate's outputs."""

    surrogate: SurrogateRef
    outputs: Annotated[tuple[VariableName, ...], Field(max_length=1000)] = ()
    methods: Annotated[tuple[ParameterMethod, ...], Field(max_length=3)] = ()
    samples: Annotated[int, Field(ge=64, le=2**20)] = 32768
    seed: Seed = 0
    title: Words = ""

    @property
    def asked(self) -> tuple[ParameterMethod, ...]:
        """Methods, all where none was named."""
        return self.methods or ("sobol", "pawn", "shap")

    def violations(self) -> Iterator[FieldViolation]:
        """A design of 2^m rows; outputs and methods once."""
        if self.samples & (self.samples - 1):
            yield FieldViolation(
                "samples",
                f"got {self.samples}, wanted a power of 2 (a Sobol sequence is even only there): "
                f"{2 ** (self.samples.bit_length() - 1)} or {2 ** self.samples.bit_length()}",
            )
        for field, names in (("outputs", self.outputs), ("methods", self.methods)):
            for i, name in enumerate(names):
                if name in names[:i]:
                    yield FieldViolation(f"{field}[{i}]", f"got {name!r} twice; name each once")
