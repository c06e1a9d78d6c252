"""Parts of the trainer's requests: periods, shapes of models, settings of training.

Each has the fields of the protobuf message of its name in
``catena/api/orbit_trainer/v1/orbit_trainer.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AllowInfNan, Field, StringConstraints

from catena.models.orbit_config import SIZES, OrbitConfig
from catena.orbit_trainer.parallel.mesh import MeshShape
from catena.orbit_trainer.plan.cluster import Cluster
from catena.orbit_trainer.training.settings import TrainingSettings
from catena.shared.errors import FieldViolation, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period as Stretch
from catena.shared.query import QueryModel, RefQuery, kind_is

MOST_CHANNELS = 500
MOST_LEADS = 60
MOST_MEMBERS = 20
MOST_PROCESSES = 65_536

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.+\-]*$", max_length=64)]
"""Channel: a canonical name, with its level where it has one, e.g. ``ta_85000``."""

Labels = Annotated[tuple[Label, ...], Field(max_length=MOST_CHANNELS)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Lead = Annotated[float, Field(gt=0, le=24 * 366)]
Leads = Annotated[tuple[Lead, ...], Field(max_length=MOST_LEADS)]
Stride = Annotated[int, Field(ge=1, le=10_000)]
PageToken = Annotated[str, StringConstraints(max_length=500)]

CacheRef = Annotated[RefQuery, kind_is("hot_cache")]
CheckpointRef = Annotated[RefQuery, kind_is("checkpoint")]
FilesRef = Annotated[RefQuery, kind_is("files", "spin_up")]

SizeName = Literal["8m", "115m", "1b", "10b", "113b"]
TaskName = Literal["forecast", "downscale", "spin_up"]
AdapterName = Literal["all", "frozen", "lora"]

DEFAULT_LEADS_H = (6.0, 12.0, 24.0)


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
        """A period does not end before it begins."""
        if self.end < self.start:
            yield FieldViolation("end", f"got {self.start} to {self.end}; wanted start <= end")

    def overlaps(self, other: Period) -> bool:
        """Whether a day is in both."""
        return self.start <= other.end and other.start <= self.end

    def stretch(self) -> Stretch:
        """As batches take it, in whatever calendar."""
        return Stretch(self.start, f"{self.end}T23:59:59")

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


class Shape(QueryModel):
    """Shape of a model; None is that of the size."""

    size: SizeName = "8m"
    patch: Annotated[int, Field(ge=1, le=64)] = 4
    width: Annotated[int, Field(ge=4, le=65_536)] | None = None
    depth: Annotated[int, Field(ge=1, le=1000)] | None = None
    heads: Annotated[int, Field(ge=1, le=1024)] | None = None
    decoder_depth: Annotated[int, Field(ge=1, le=16)] = 2
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def violations(self) -> Iterator[FieldViolation]:
        """The width is divided by the heads."""
        published = SIZES[self.size.upper()]
        width, heads = self.width or published["width"], self.heads or published["heads"]
        if width % heads or width % 4:
            yield FieldViolation(
                "width" if self.width else "heads",
                f"makes a width of {width} with {heads} heads; wanted a multiple of the heads and "
                "of 4",
            )

    def config(
        self, variables: Sequence[str], outputs: Sequence[str], grid: tuple[int, int]
    ) -> OrbitConfig:
        """Model for these fields; ValueError where the patch does not divide the grid."""
        given = self.model_dump(exclude_none=True, exclude={"size"})
        return OrbitConfig.of_size(self.size.upper(), variables, outputs, grid, **given)


_Ranks = Annotated[int, Field(ge=1, le=MOST_PROCESSES)]


class Mesh(QueryModel):
    """Processes along each axis of parallelism."""

    pp: _Ranks = 1
    ddp: _Ranks = 1
    fsdp: _Ranks = 1
    sp: _Ranks = 1
    tp: _Ranks = 1

    def violations(self) -> Iterator[FieldViolation]:
        """No more processes than any machine has."""
        size = math.prod((self.pp, self.ddp, self.fsdp, self.sp, self.tp))
        if size > MOST_PROCESSES:
            yield FieldViolation("", f"makes {size} processes; wanted at most {MOST_PROCESSES}")

    def shape(self) -> MeshShape:
        """As the trainer takes it."""
        return MeshShape(**self.model_dump())


class Training(QueryModel):
    """How a model is trained; None is the default of :class:`TrainingSettings`."""

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    batch: Annotated[int, Field(ge=1, le=65_536)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    clip: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    nan: Literal["skip", "stop"] = "skip"
    checkpoint_every: Annotated[int, Field(ge=1)] | None = None
    validate_every: Annotated[int, Field(ge=1)] | None = None
    mesh: Mesh = Mesh()
    engine: Literal["torch", "deepspeed"] = "torch"
    zero_stage: Annotated[int, Field(ge=0, le=3)] = 0
    offload: bool = False
    microbatches: Annotated[int, Field(ge=1, le=4096)] = 1
    recompute: bool = False
    compile: bool = False

    def violations(self) -> Iterable[FieldViolation]:
        """What makes no training, as the trainer sees it."""
        try:
            self.settings(0)
        except InvalidRequest as error:
            return error.violations
        return ()

    def settings(self, seed: int) -> TrainingSettings:
        """As the trainer takes it."""
        given: dict[str, Any] = self.model_dump(exclude_none=True, exclude={"mesh"})
        return TrainingSettings(**given, mesh=self.mesh.shape(), seed=seed)


FileName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*\.safetensors$", max_length=100)
]


class SpinUpSites(QueryModel):
    """Sites with the pools of their equilibrium, of an ensemble or in a file of the user's."""

    files: FilesRef
    file: FileName
    pools: Labels = ()
    linear: bool = False
    members: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] = 1

    def violations(self) -> Iterable[FieldViolation]:
        """Each pool once."""
        return once("pools", self.pools)


_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(gt=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]


class ClusterFields(QueryModel):
    """A cluster; None is that of the preset. The message ``Cluster``."""

    preset: Literal["frontier", "h200"] | None = None
    name: Words | None = None
    gpus: Annotated[int, Field(ge=1)] | None = None
    gpus_per_node: Annotated[int, Field(ge=1)] | None = None
    peak_flops: _Positive | None = None
    attainable: _Share | None = None
    memory: _Positive | None = None
    gpu_bandwidth: _Positive | None = None
    node_bandwidth: _Positive | None = None
    gpu_latency_s: _NotNegative | None = None
    node_latency_s: _NotNegative | None = None
    watts: _Positive | None = None
    fp32_share: _Share | None = None
    rings: bool | None = None
    collective_overhead_s: _NotNegative | None = None
    step_overhead_s: _NotNegative | None = None
    straggler_spread: _NotNegative | None = None

    def violations(self) -> Iterable[FieldViolation]:
        """Without a preset all that a plan needs is given."""
        try:
            self.cluster()
        except InvalidRequest as error:
            return error.violations
        return ()

    def cluster(self) -> Cluster:
        """As the planner takes it."""
        return Cluster.from_dict(self.model_dump(exclude_none=True))


_Any = Annotated[float, AllowInfNan(True)]

MOST_INLINE = 120_000
"""Numbers of one inline request or reply: 8 bytes each stay under 1 MiB. More goes by reference."""


class FieldValues(QueryModel):
    """One field on a grid, row by row; the message ``Field``."""

    name: Label
    units: Words = ""
    values: Annotated[tuple[_Any, ...], Field(min_length=1, max_length=MOST_INLINE)]

    def violations(self) -> Iterator[FieldViolation]:
        """NaN is a missing value, infinity is none."""
        for i, value in enumerate(self.values):
            if math.isinf(value):
                yield FieldViolation(
                    f"values[{i}]", f"got {value}; wanted a number, or NaN where it is missing"
                )
                return  # the first one says it


def step_at(cache: HotCache, time: str) -> int:
    """Number of a cache's step at a time, ISO 8601; InvalidRequest where it has none then."""
    after = datetime.fromisoformat(time) + timedelta(seconds=1)
    return Stretch(time, after.isoformat()).steps(cache)[0]


def once(field: str, names: Sequence[Any]) -> Iterable[FieldViolation]:
    """Violations for what came before."""
    seen: set[Any] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield FieldViolation(f"{field}[{i}]", f"got {name!r} twice; give each once")
        seen.add(name)
