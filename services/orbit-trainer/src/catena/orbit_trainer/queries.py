"""The trainer's requests, one model per rpc.

Field names are those of the protobuf messages in
``catena/api/orbit_trainer/v1/orbit_trainer.proto``. What can be said about a request without
opening an artifact is said here; what needs the artifacts is in
:mod:`catena.orbit_trainer.preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from catena.models.orbit_config import OrbitConfig
from catena.orbit_trainer.vocabulary import (
    DEFAULT_LEADS_H,
    MOST_CHANNELS,
    MOST_INLINE,
    MOST_PROCESSES,
    AdapterName,
    CacheRef,
    CheckpointRef,
    ClusterFields,
    FieldValues,
    Labels,
    Leads,
    PageToken,
    Period,
    Seed,
    Shape,
    SpinUpSites,
    Stride,
    TaskName,
    Training,
    Words,
    once,
)
from catena.shared.errors import FieldViolation
from catena.shared.query import Query

MOST_CACHES = 100
MOST_COMPARED = 40
MOST_USED = 49_152
"""GPUs of a plan that does not say how many: those of the published run."""
GPUS_A_SAMPLE = 8
MOST_ROLL_OUT = 60
"""Steps of an inline roll-out: more are the work of a job."""


class ListCheckpointsQuery(Query):
    """One page of the store's checkpoints."""

    page_size: Annotated[int, Field(ge=1, le=1000)] = 50
    page_token: PageToken = ""


def _time(value: str) -> str:
    try:
        return datetime.fromisoformat(value).replace(tzinfo=None).isoformat()
    except ValueError:
        raise ValueError("wanted a time as YYYY-MM-DDTHH:MM:SS") from None


class PredictQuery(Query):
    """Predicted fields, inline."""

    checkpoint: CheckpointRef
    fields: Annotated[tuple[FieldValues, ...], Field(max_length=MOST_CHANNELS)] = ()
    cache: CacheRef | None = None
    time: Annotated[str, StringConstraints(max_length=40), AfterValidator(_time)] | None = None
    lead_h: Annotated[float, Field(ge=0, le=24 * 366)] = 0.0
    steps: Annotated[int, Field(ge=1, le=MOST_ROLL_OUT)] = 1
    outputs: Labels = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Fields of the user's, or those of a cache at a time."""
        yield from once("fields", [field.name for field in self.fields])
        yield from once("outputs", self.outputs)
        if bool(self.fields) == (self.cache is not None):
            yield FieldViolation(
                "fields", "wanted one of fields (yours) and cache (with a time); give one"
            )
        if (self.cache is None) != (self.time is None):
            yield FieldViolation("time", "and cache belong together; give both or neither")
        numbers = sum(len(field.values) for field in self.fields)
        if numbers > MOST_INLINE:
            yield FieldViolation(
                "fields",
                f"hold {numbers} numbers; wanted at most {MOST_INLINE} in one request; give a "
                "cache and a time",
            )
        sizes = {len(field.values) for field in self.fields}
        if len(sizes) > 1:
            yield FieldViolation(
                "fields", f"have {sorted(sizes)} values; wanted as many in each: one grid"
            )


class PretrainQuery(Query):
    """Train a model from random weights."""

    caches: Annotated[tuple[CacheRef, ...], Field(min_length=1, max_length=MOST_CACHES)]
    variables: Labels = ()
    outputs: Labels = ()
    leads_h: Annotated[Leads, Field(min_length=1)] = DEFAULT_LEADS_H
    training_days: Period | None = None
    validation_days: Period | None = None
    shape: Shape = Shape()
    training: Training = Training()
    seed: Seed = 0
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """Each cache, channel and lead once; what is predicted is known; no day twice."""
        yield from once("caches", [ref.digest for ref in self.caches])
        yield from once("variables", self.variables)
        yield from once("outputs", self.outputs)
        yield from once("leads_h", self.leads_h)
        if self.variables:
            yield from _among("outputs", self.outputs, self.variables)
        yield from _apart(self.training_days, self.validation_days)


class FineTuneQuery(Query):
    """Make a model fit for a task."""

    checkpoint: CheckpointRef | None = None
    task: TaskName
    cache: CacheRef | None = None
    sites: SpinUpSites | None = None
    variables: Labels = ()
    outputs: Labels = ()
    leads_h: Leads = ()
    factor: Annotated[int, Field(ge=2, le=16)] = 4
    training_days: Period | None = None
    validation_days: Period | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    adapter: AdapterName = "all"
    rank: Annotated[int, Field(ge=1, le=256)] = 8
    training: Training = Training()
    seed: Seed = 0
    title: Words = ""
    shape: Shape | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """What belongs to another task, or to another beginning, is left out."""
        yield from once("variables", self.variables)
        yield from once("outputs", self.outputs)
        if self.variables:
            yield from _among("outputs", self.outputs, self.variables)
        yield from once("leads_h", self.leads_h)
        yield from _apart(self.training_days, self.validation_days)
        if self.checkpoint is not None and self.shape is not None:
            yield FieldViolation(
                "shape", "is given, but a checkpoint has a shape of its own; leave one out"
            )
        if self.checkpoint is None and self.adapter != "all":
            yield FieldViolation(
                "adapter",
                f"is {self.adapter}, but random weights learn nothing when they stay; give a "
                "checkpoint, or leave it out",
            )
        # A request is stored with its defaults and read again, so "was it set" is not asked.
        if self.adapter != "lora" and self.rank != self._default("rank"):
            yield FieldViolation("rank", "is given, but the adapter is not lora; leave it out")
        source = "sites" if self.task == "spin_up" else "cache"
        if getattr(self, source) is None:
            yield FieldViolation(source, f"is missing; {self.task} learns from it")
        for field in _NOT_FOR[self.task]:
            if getattr(self, field) != self._default(field):
                yield FieldViolation(field, f"is given, but has no part in {self.task}; leave it")
        if self.task == "spin_up" and self.training.mesh.shape().size > 1:
            yield FieldViolation(
                "training.mesh", "got several processes; sites are few, one is enough"
            )
        if self.task == "spin_up" and self.training.engine != "torch":
            yield FieldViolation(
                "training.engine",
                f"got {self.training.engine}; spin_up learns with torch: leave it",
            )

    def _default(self, field: str) -> object:
        return type(self).model_fields[field].default


_FIELDS = ("cache", "variables", "outputs", "training_days", "validation_days", "samples")
_NOT_FOR: dict[str, tuple[str, ...]] = {
    "forecast": ("factor", "sites"),
    "downscale": ("leads_h", "sites"),
    "spin_up": ("factor", "leads_h", *_FIELDS),
}


class EvaluateCheckpointQuery(Query):
    """Score a checkpoint on days that it has not seen."""

    checkpoint: CheckpointRef
    cache: CacheRef
    days: Period
    leads_h: Leads = ()
    stride: Stride = 1
    roll_out: bool = False
    members: Annotated[int, Field(ge=0, le=100)] = 0
    seed: Seed = 0
    title: Words = ""
    compared: Annotated[tuple[CheckpointRef, ...], Field(max_length=MOST_COMPARED)] = ()

    def violations(self) -> Iterator[FieldViolation]:
        """Each lead and checkpoint once; members in pairs."""
        yield from once("leads_h", self.leads_h)
        yield from once("compared", [ref.digest for ref in self.compared])
        if self.members % 2:
            yield FieldViolation(
                "members",
                f"got {self.members}; wanted an even number: each change comes with its negative",
            )


class PlanTrainingQuery(Query):
    """Say what a training would need on a cluster."""

    shape: Shape = Shape(size="113b")
    variables: Annotated[int, Field(ge=1, le=MOST_CHANNELS)] = 91
    rows: Annotated[int, Field(ge=1, le=20_000)] = 128
    columns: Annotated[int, Field(ge=1, le=40_000)] = 256
    cluster: ClusterFields = ClusterFields(preset="frontier")
    gpus: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] | None = None
    batch: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    samples: Annotated[int, Field(ge=1)] = 1_200_000
    bytes_per_sample: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["fp32", "bf16"] = "bf16"
    trace: bool = False
    title: Words = ""

    def violations(self) -> Iterator[FieldViolation]:
        """The patch divides the grid; the cluster has so many GPUs."""
        try:
            self.config()
        except ValueError as error:
            yield FieldViolation("shape.patch", str(error))
        there = self.cluster.cluster().gpus
        if self.gpus is not None and self.gpus > there:
            yield FieldViolation("gpus", f"got {self.gpus:,}; the cluster has {there:,}")

    def config(self) -> OrbitConfig:
        """The model: its channels have numbers for names."""
        names = [f"channel_{number}" for number in range(self.variables)]
        return self.shape.config(names, names, (self.rows, self.columns))

    @property
    def used(self) -> int:
        """GPUs that are used."""
        return self.gpus or min(MOST_USED, self.cluster.cluster().gpus)

    @property
    def samples_a_step(self) -> int:
        """Samples of a step, over all GPUs."""
        return self.batch or max(self.used // GPUS_A_SAMPLE, 1)


def _among(field: str, names: Labels, known: Labels) -> Iterator[FieldViolation]:
    for i, name in enumerate(names):
        if name not in known:
            yield FieldViolation(
                f"{field}[{i}]", f"got {name!r}; wanted one of variables: {', '.join(known[:8])}"
            )


def _apart(training: Period | None, validation: Period | None) -> Iterator[FieldViolation]:
    if validation is None:
        return
    if training is None:
        yield FieldViolation(
            "training_days", "is missing; with validation_days say which days are trained on"
        )
    elif validation.overlaps(training):
        yield FieldViolation(
            "validation_days.start",
            "overlaps training_days; errors on days that were learned are smaller than others",
        )
