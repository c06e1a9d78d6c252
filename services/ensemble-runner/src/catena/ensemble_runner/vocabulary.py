"""Parts of the ensemble runner's requests: forcing, surfaces, stages, members.

Each has the fields of the protobuf message of its name in
``catena/api/ensemble_runner/v1/ensemble_runner.proto``. What only the model knows (its parameters,
their ranges, its plant functional types) is checked in :mod:`catena.ensemble_runner.preflight`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, Protocol

from pydantic import AllowInfNan, Field, StringConstraints

from catena.shared.errors import FieldViolation
from catena.shared.query import QueryModel, RefQuery, kind_is

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
PftName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]*$", max_length=64)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]*$", max_length=64)]
ModelVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.\-]*$", max_length=64)]
Key = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.\-]*)?$", max_length=200)]
FileName = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.\- ]*)?$", max_length=200)
]
Year = Annotated[int, Field(ge=0, le=9999)]
"""A year; 0 where none is given."""

DatasetRef = Annotated[RefQuery, kind_is("dataset")]
FilesRef = Annotated[RefQuery, kind_is("files")]
DrawsRef = Annotated[RefQuery, kind_is("draws", "chains")]
StateRef = Annotated[RefQuery, kind_is("case", "files", "spin_up")]
CaseRef = Annotated[RefQuery, kind_is("case")]
RunsRef = Annotated[RefQuery, kind_is("runs")]
StatisticsRef = Annotated[RefQuery, kind_is("statistics")]

DesignName = Literal["sobol", "latin_hypercube"]
StageKind = Literal["ad_spinup", "final", "transient"]
Frequency = Literal["daily", "monthly", "yearly"]
RestartMode = Literal["hotstart", "resume"]

INLINE_NUMBERS = 120_000
"""Numbers in one message: 8 bytes each stay under 1 MiB. More travels by reference."""

MOST_CELLS = 5_000
MOST_COLUMNS = 200

Members = Annotated[int, Field(ge=1, le=1 << 20)]
_Any = Annotated[float, AllowInfNan(True)]


def label(name: str, pft: str) -> str:
    """Name of a column in tables and files: ``flnr``, or ``flnr.c4_grass`` for one PFT."""
    return f"{name}.{pft}" if pft else name


def needed(model: QueryModel, *fields: str) -> Iterator[FieldViolation]:
    """Lists that must not be empty. (As a bound of the field, it would count bad items as none.)"""
    for name in fields:
        if not getattr(model, name):
            yield FieldViolation(name, "is missing; give at least one")


class ParameterRange(QueryModel):
    """A parameter, of one PFT or of all, and where it may lie; without bounds, the model's."""

    name: Name
    pft: PftName = ""
    low: float | None = None
    high: float | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Both bounds or none; the range has a width."""
        if (self.low is None) != (self.high is None):
            yield FieldViolation(
                "low" if self.low is None else "high",
                "is missing; give both bounds, or none for the model's own range",
            )
        elif self.low is not None and self.high is not None:
            if not self.low < self.high:
                yield FieldViolation(
                    "high", f"got low = {self.low:g} and high = {self.high:g}; wanted low < high"
                )
            elif not math.isfinite(self.high - self.low):
                yield FieldViolation("high", "the range is too wide for floating point; narrow it")


class ParameterValue(QueryModel):
    """A value for a parameter, of one PFT or of all."""

    name: Name
    pft: PftName = ""
    value: float = 0.0


class ParameterColumn(QueryModel):
    """A column of a table of parameters."""

    name: Name
    pft: PftName = ""


_Labelled = ParameterRange | ParameterValue | ParameterColumn


def repeated(field: str, items: Sequence[_Labelled]) -> Iterator[FieldViolation]:
    """Parameters that came before, or that an earlier item covers or is covered by."""
    for i, item in enumerate(items):
        for j, other in enumerate(items[:i]):
            if item.name == other.name and (item.pft in (other.pft, "") or not other.pft):
                yield FieldViolation(
                    f"{field}[{i}]",
                    f"got {label(item.name, item.pft)}, but {field}[{j}] is "
                    f"{label(other.name, other.pft)}; without a PFT all are meant: name each once",
                )
                break


class ParameterDesign(QueryModel):
    """Members drawn from ranges."""

    design: DesignName = "sobol"
    members: Members
    seed: Seed = 0
    parameters: Annotated[tuple[ParameterRange, ...], Field(max_length=MOST_COLUMNS)]
    first_size: Annotated[int, Field(ge=0, le=1 << 20)] = 0

    def violations(self) -> Iterator[FieldViolation]:
        """Each parameter once; an extension is larger than what it extends."""
        yield from needed(self, "parameters")
        yield from repeated("parameters", self.parameters)
        if self.first_size and self.design == "sobol":
            yield FieldViolation(
                "first_size",
                "is given, but a Sobol sequence extends by itself; leave it out",
            )
        if self.first_size > self.members:
            yield FieldViolation(
                "first_size",
                f"got {self.first_size} for {self.members} members; wanted the size of the "
                "smaller ensemble that this one extends",
            )


class ParameterTable(QueryModel):
    """Members as they are, one row each."""

    columns: Annotated[tuple[ParameterColumn, ...], Field(max_length=MOST_COLUMNS)]
    values: Annotated[tuple[_Any, ...], Field(min_length=1, max_length=INLINE_NUMBERS)]

    def violations(self) -> Iterator[FieldViolation]:
        """Whole rows of finite numbers, each column once."""
        yield from needed(self, "columns")
        yield from repeated("columns", self.columns)
        if self.columns and len(self.values) % len(self.columns):
            yield FieldViolation(
                "values",
                f"got {len(self.values)} values for {len(self.columns)} columns; wanted whole rows",
            )
        for i, value in enumerate(self.values):
            if not math.isfinite(value):
                yield FieldViolation(f"values[{i}]", f"got {value}, wanted a finite number")


class ParameterDraws(QueryModel):
    """Draws of a calibration."""

    draws: DrawsRef
    site: Words = ""
    members: Annotated[int, Field(ge=0, le=1 << 20)] = 0


class Forcing(QueryModel):
    """The weather: a canonical dataset, or a site's driver file."""

    dataset: DatasetRef | None = None
    key: Key = ""
    files: FilesRef | None = None
    file: FileName = ""
    site: Key = ""
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] | None = None
    fill_gaps: bool = False
    first_year: Year = 0
    last_year: Year = 0
    co2_ppm: Annotated[float, Field(gt=0, le=5_000)] | None = None
    co2: FilesRef | None = None
    co2_file: FileName = ""
    n_deposition: Annotated[float, Field(ge=0, le=100)] | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """One source with what belongs to it; the years in order."""
        if (self.dataset is None) == (self.files is None):
            yield FieldViolation(
                "dataset",
                "wanted one of dataset (made by data-ingest) and files (a site's driver file, "
                "imported); give one",
            )
        if self.files is None and self.file:
            yield FieldViolation("file", "is given without files; leave it out")
        if self.files is not None and not self.file:
            yield FieldViolation("file", "is missing; name one of the files of the artifact")
        if self.dataset is None and self.key:
            yield FieldViolation("key", "is given without dataset; leave it out")
        if self.files is None and self.site:
            yield FieldViolation("site", "is given without files; leave it out")
        if (self.co2 is None) == bool(self.co2_file):
            yield FieldViolation("co2_file", "co2 and co2_file go together; give both or neither")
        if self.co2 is not None and self.co2_ppm is not None:
            yield FieldViolation("co2_ppm", "is given beside co2, a table of years; give one")
        if self.last_year and self.last_year < self.first_year:
            yield FieldViolation(
                "last_year",
                f"got {self.first_year} to {self.last_year}; wanted first_year <= last_year",
            )


class PftFraction(QueryModel):
    """Part of a cell's vegetated area that a PFT covers."""

    name: Annotated[PftName, StringConstraints(min_length=1)]
    fraction: Annotated[float, Field(gt=0, le=1)]


class SoilLayer(QueryModel):
    """A layer of soil, down to `bottom_m`."""

    bottom_m: Annotated[float, Field(gt=0, le=100)]
    sand_percent: Annotated[float, Field(ge=0, le=100)] = 0.0
    clay_percent: Annotated[float, Field(ge=0, le=100)] = 0.0

    def violations(self) -> Iterator[FieldViolation]:
        """Sand and clay are parts of one whole."""
        if self.sand_percent + self.clay_percent > 100:
            yield FieldViolation(
                "clay_percent",
                f"got {self.sand_percent:g} % sand and {self.clay_percent:g} % clay; wanted at "
                "most 100 % together",
            )


class Surface(QueryModel):
    """What the land is like."""

    pfts: Annotated[tuple[PftFraction, ...], Field(max_length=32)]
    soil: Annotated[tuple[SoilLayer, ...], Field(max_length=32)]

    def violations(self) -> Iterator[FieldViolation]:
        """PFTs once each and adding up to 1; layers from the top down."""
        yield from needed(self, "pfts", "soil")
        names = [pft.name for pft in self.pfts]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield FieldViolation(f"pfts[{i}].name", f"got {name!r} twice; name each PFT once")
        total = math.fsum(pft.fraction for pft in self.pfts)
        if self.pfts and abs(total - 1) > 1e-6:
            yield FieldViolation(
                "pfts", f"got fractions that add up to {total:g}; wanted 1, of the vegetated area"
            )
        bottoms = [layer.bottom_m for layer in self.soil]
        for i, (upper, lower) in enumerate(pairwise(bottoms)):
            if not upper < lower:
                yield FieldViolation(
                    f"soil[{i + 1}].bottom_m",
                    f"got {lower:g} m below {upper:g} m; wanted layers from the top down",
                )


class SurfaceMap(QueryModel):
    """Plants of a map where the forcing's cells lie, and sampled soils."""

    files: FilesRef | None = None
    file: FileName = ""
    plants: Annotated[int, Field(ge=1, le=14)] = 1
    seed: Seed = 0
    trees: bool = False
    cells: Annotated[int, Field(ge=0, le=MOST_CELLS)] = 0

    def violations(self) -> Iterator[FieldViolation]:
        """A file belongs to its artifact."""
        if (self.files is None) == bool(self.file):
            yield FieldViolation("file", "files and file go together; give both or neither")


class HasLand(Protocol):
    """A setup, of whatever is run."""

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """One by one."""

    @property
    def surface_map(self) -> SurfaceMap | None:
        """By a map."""


def one_land(setup: HasLand) -> Iterator[FieldViolation]:
    """Violation where land is given twice."""
    if setup.surfaces and setup.surface_map is not None:
        yield FieldViolation("surface_map", "is given beside surfaces; give one of both")


class Stage(QueryModel):
    """One stretch of a run."""

    kind: StageKind
    years: Annotated[int, Field(ge=0, le=20_000)] = 0
    co2_ppm: Annotated[float, Field(ge=0, le=5_000)] = 0.0
    n_deposition: Annotated[float, Field(ge=0, le=100)] | None = None
    first_year: Year = 0


class Restart(QueryModel):
    """State to begin from."""

    artifact: StateRef
    file: FileName = "restart.nc"
    mode: RestartMode = "hotstart"


class Setup(QueryModel):
    """All that the members of an ensemble have in common."""

    forcing: Forcing | None = None
    surfaces: Annotated[tuple[Surface, ...], Field(max_length=MOST_CELLS)] = ()
    stages: Annotated[tuple[Stage, ...], Field(max_length=20)]
    restart: Restart | None = None
    fixed: Annotated[tuple[ParameterValue, ...], Field(max_length=500)] = ()
    surface_map: SurfaceMap | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Stages in the order in which a model can go through them; each parameter once."""
        yield from needed(self, "stages")
        yield from one_land(self)
        order = ("ad_spinup", "final", "transient")
        kinds = [stage.kind for stage in self.stages]
        for i, (before, after) in enumerate(pairwise(kinds)):
            if order.index(after) < order.index(before):
                yield FieldViolation(
                    f"stages[{i + 1}].kind",
                    f"got {after} after {before}; wanted ad_spinup, then final, then transient",
                )
        yield from repeated("fixed", self.fixed)


MEMBERS = ("draw", "table", "draws")


class SetupMembers(NamedTuple):
    """Where a request's members come from, beside what is fixed for all of them."""

    draw: ParameterDesign | None
    table: ParameterTable | None
    draws: ParameterDraws | None
    fixed: tuple[ParameterValue, ...]

    def violations(self, *, needed: bool = True) -> Iterator[FieldViolation]:
        """Members from one place (or none); what varies is not fixed as well."""
        given = [name for name in MEMBERS if getattr(self, name) is not None]
        if len(given) > 1 or (needed and not given):
            yield FieldViolation(
                "members",
                f"got {' and '.join(given) or 'none'}; wanted one of draw (from ranges), table "
                "(as they are) and draws (of a calibration)",
            )
        fixed = {label(item.name, item.pft) for item in self.fixed}
        varied: list[tuple[str, str]] = []
        if self.draw is not None:
            names = [label(item.name, item.pft) for item in self.draw.parameters]
            varied += [(f"draw.parameters[{i}]", name) for i, name in enumerate(names)]
        if self.table is not None:
            names = [label(item.name, item.pft) for item in self.table.columns]
            varied += [(f"table.columns[{i}]", name) for i, name in enumerate(names)]
        for field, name in varied:
            if name in fixed:
                yield FieldViolation(
                    field, f"{name} is fixed by setup.fixed; it cannot vary as well"
                )
