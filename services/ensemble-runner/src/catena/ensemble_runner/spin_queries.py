"""Requests about spin-ups: one by a method, several side by side.

Each has the fields of the protobuf message of its name in
``catena/api/ensemble_runner/v1/ensemble_runner.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from catena.ensemble_runner.vocabulary import (
    MOST_CELLS,
    Forcing,
    ModelName,
    ModelVersion,
    ParameterDesign,
    ParameterDraws,
    ParameterTable,
    ParameterValue,
    Seed,
    SetupMembers,
    Surface,
    SurfaceMap,
    Words,
    one_land,
    repeated,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query, QueryModel, RefQuery, kind_is

SpinUpKind = Literal["native", "emulator", "sasu", "anderson", "analogue", "trees"]
SHOWN: tuple[SpinUpKind, ...] = ("analogue", "trees")
"""Those that learn from a native spin-up itself, whenever they are used."""
LEARNED: tuple[SpinUpKind, ...] = ("emulator", *SHOWN)

EmulatorRef = Annotated[RefQuery, kind_is("spin_up_emulator")]
SpinUpRef = Annotated[RefQuery, kind_is("spin_up")]
Years = Annotated[int, Field(ge=0, le=20_000)]


class SpinUpSetup(QueryModel):
    """All that the sites of a spin-up have in common."""

    forcing: Forcing | None = None
    surfaces: Annotated[tuple[Surface, ...], Field(max_length=MOST_CELLS)] = ()
    surface_map: SurfaceMap | None = None
    fixed: Annotated[tuple[ParameterValue, ...], Field(max_length=500)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Each parameter once; one kind of land; the air of one year, over and over."""
        yield from repeated("fixed", self.fixed)
        yield from one_land(self)
        if self.forcing is not None and self.forcing.co2 is not None:
            yield FieldViolation(
                "forcing.co2", "is a table of years; a spin-up has one CO2: give co2_ppm instead"
            )


class SpinUpMethod(QueryModel):
    """How to spin up."""

    kind: SpinUpKind = "native"
    ad_years: Years | None = None
    final_years: Years | None = None
    emulator: EmulatorRef | None = None
    training: SpinUpRef | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """What a method needs is there, and nothing that belongs to another one."""
        needs = {"emulator": self.kind == "emulator", "training": self.kind in SHOWN}
        for name, wanted in needs.items():
            if wanted and getattr(self, name) is None:
                what = "a trained emulator" if name == "emulator" else "a native spin-up"
                yield FieldViolation(name, f"is missing; {self.kind} needs {what}")
            if not wanted and getattr(self, name) is not None:
                yield FieldViolation(name, f"is given, but the kind is {self.kind}; leave it out")
        if self.ad_years is not None and self.kind in LEARNED:
            yield FieldViolation(
                "ad_years",
                f"is given, but {self.kind} reads the years that it learned; leave it out",
            )
        if self.final_years is not None and self.kind != "native":
            yield FieldViolation(
                "final_years", f"is given, but the kind is {self.kind}; leave it out"
            )
        if self.kind == "native" and self.ad_years == 0 and self.final_years == 0:
            yield FieldViolation("final_years", "got 0 years in all; wanted some")


class SiteSample(QueryModel):
    """Some of the sites, in whole blocks."""

    sites: Annotated[int, Field(ge=0, le=1 << 20)] = 0
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    seed: Seed = 0
    block_deg: Annotated[float, Field(gt=0, le=90)] = 5.0

    def violations(self) -> Iterator[FieldViolation]:
        """A number or a share."""
        if bool(self.sites) == bool(self.share):
            yield FieldViolation("sites", "wanted one of sites (how many) and share; give one")


class SpinUpLessons(QueryModel):
    """What can be learned from a native spin-up."""

    ad_years: Annotated[int, Field(ge=0, le=1_000)] = 20
    block_deg: Annotated[float, Field(ge=0, le=90)] = 0.0
    seed: Seed = 0


class SpinUpCheck(QueryModel):
    """How each site is checked, and what is done where it fails."""

    settle_cycles: Annotated[int, Field(ge=0, le=100)] | None = None
    limit: Annotated[float, Field(gt=0, le=1_000)] | None = None
    fallback_years: Years | None = None
    no_fallback: bool = False
    drift: Annotated[float, Field(gt=0, le=1_000)] | None = None
    no_polish: bool = False

    def violations(self) -> Iterator[FieldViolation]:
        """Years for a fallback that is not wanted."""
        if self.no_fallback and self.fallback_years is not None:
            yield FieldViolation("fallback_years", "is given beside no_fallback; give one")


class _Sites(Query):
    """Sites of a request: cells x parameter sets."""

    model: ModelName = "embedded"
    setup: SpinUpSetup
    draw: ParameterDesign | None = None
    table: ParameterTable | None = None
    draws: ParameterDraws | None = None
    own_parameters: bool = False
    sample: SiteSample | None = None
    check: SpinUpCheck = SpinUpCheck()
    title: Words = ""
    model_version: ModelVersion = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Members from one place or none; what varies is not fixed as well."""
        yield from SetupMembers(self.draw, self.table, self.draws, self.setup.fixed).violations(
            needed=False
        )
        if self.own_parameters and self.draw is None:
            yield FieldViolation(
                "own_parameters", "is set, but sets are drawn for each cell only by draw; give it"
            )

    @property
    def seed(self) -> int | None:
        """Seed of the design, for the lineage."""
        return self.draw.seed if self.draw is not None else None


class SpinUpQuery(_Sites):
    """Bring sites to equilibrium by one method."""

    method: SpinUpMethod = SpinUpMethod()
    lessons: SpinUpLessons | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Only the model itself can be learned from."""
        yield from super().violations()
        if self.lessons is not None and self.method.kind != "native":
            yield FieldViolation(
                "lessons", f"is given, but the method is {self.method.kind}; learn from native"
            )


class CompareSpinUpsQuery(_Sites):
    """The same sites by several methods."""

    methods: Annotated[tuple[SpinUpMethod, ...], Field(max_length=12)] = ()
    reference: SpinUpMethod = SpinUpMethod()
    free_cycles: Annotated[int, Field(ge=2, le=200)] = 2

    def violations(self) -> Iterator[FieldViolation]:
        """Methods that can be told apart; the truth is what the model itself does."""
        yield from super().violations()
        if not self.methods:
            yield FieldViolation("methods", "is missing; give at least one")
        for i, method in enumerate(self.methods):
            if method in self.methods[:i]:
                yield FieldViolation(f"methods[{i}]", "is there twice; give each method once")
        if self.reference.kind != "native":
            yield FieldViolation(
                "reference.kind",
                f"got {self.reference.kind}; only a native spin-up counts as the truth",
            )
