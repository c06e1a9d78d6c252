"""Checks of a request against the artifacts that it names, before a job is made of it.

What a job would find out minutes later, on all its processes, is said at once. Only small JSON
files are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from catena.models.orbit_checkpoint import About
from catena.models.orbit_config import OrbitConfig
from catena.models.orbit_downscale import DownscaleConfig
from catena.orbit_trainer import storage
from catena.orbit_trainer.compared import PRETRAINED, SCRATCH, beginning
from catena.orbit_trainer.evaluation.spectra import is_periodic
from catena.orbit_trainer.queries import (
    EvaluateCheckpointQuery,
    FineTuneQuery,
    PredictQuery,
    PretrainQuery,
)
from catena.orbit_trainer.report_text import words
from catena.orbit_trainer.sources import sources_of
from catena.orbit_trainer.spin_up_sites import read_facts
from catena.orbit_trainer.tasks.downscale import coarse_config
from catena.orbit_trainer.vocabulary import (
    DEFAULT_LEADS_H,
    MOST_INLINE,
    Period,
    Shape,
    SpinUpSites,
    Training,
    step_at,
)
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.errors import FieldViolation, InvalidData, InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_format import Metadata
from catena.shared.hot_cache_period import HOUR_S
from catena.shared.hot_cache_period import Period as Stretch
from catena.shared.query import Query


def check_against_artifacts(query: Query, store: ArtifactStore) -> None:
    """Raise what is wrong with `query`, given what its references hold.

    Raises
    ------
    InvalidRequest
        With every field at fault.
    NotFound, FailedPrecondition, ArtifactCorrupt
        When a reference does not lead to the artifact that it says.
    """
    opened = {field: store.open(ref) for field, ref in query.refs()}
    found = list(_violations(query, opened))
    if found:
        raise InvalidRequest("the request does not fit the artifacts it names", violations=found)


def fine_tuned_config(
    query: FineTuneQuery, metadata: Metadata, before: OrbitConfig | None
) -> OrbitConfig | DownscaleConfig:
    """Shape of the model of a fine-tuning; what a request leaves open is as it was before.

    Parameters
    ----------
    query : FineTuneQuery
    metadata : Metadata
        Of the cache.
    before : OrbitConfig, optional
        Of the checkpoint; without one the request has a shape.

    Raises
    ------
    ValueError, InvalidRequest
        When the patch or the factor does not divide the grid.
    """
    there = [channel.label for channel in metadata.channels]
    variables, outputs = query.variables, query.outputs
    if not variables:
        wanted = there if before is None else before.variables
        variables = tuple(name for name in wanted if name in there)
    if not outputs:
        wanted = variables if before is None else before.outputs
        outputs = tuple(name for name in wanted if name in variables)
    grid = (len(metadata.lat), len(metadata.lon))
    if before is None:
        base = (query.shape or Shape()).config(variables, outputs, grid)
    else:
        base = replace(before, variables=variables, outputs=outputs)
    if query.task == "forecast":
        return replace(base, grid=grid)
    coarse = coarse_config(base, variables, outputs, grid, query.factor)
    return DownscaleConfig(coarse, query.factor, periodic=is_periodic(np.array(metadata.lon)))


def fine_tuned_leads(query: FineTuneQuery, before: About | None) -> tuple[float, ...]:
    """Leads of a fine-tuning, hours; what a request leaves open is as it was before."""
    if query.leads_h or query.task != "forecast":
        return query.leads_h
    return DEFAULT_LEADS_H if before is None else before.leads_h


def _violations(query: Query, opened: dict[str, Artifact]) -> Iterable[FieldViolation]:
    if isinstance(query, PretrainQuery):
        return _pretrain(query, opened)
    if isinstance(query, FineTuneQuery):
        return _fine_tune(query, opened)
    if isinstance(query, EvaluateCheckpointQuery):
        return _evaluate(query, opened)
    if isinstance(query, PredictQuery):
        return _predict(query, opened)
    return ()


# ------------------------------------------------------------------ the rpcs


def _pretrain(query: PretrainQuery, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    caches = [storage.cache_metadata(opened[f"caches[{i}]"]) for i in range(len(query.caches))]
    known = list(dict.fromkeys(channel.label for one in caches for channel in one.channels))
    try:
        sources_of([HotCache(Path(), one) for one in caches], known)
    except InvalidData as error:
        yield FieldViolation("caches", error.message)
        return
    variables = query.variables or tuple(known)
    yield from _unknown("variables", query.variables, known, "the caches have")
    yield from _unknown("outputs", query.outputs, variables, "the model knows")
    for i, metadata in enumerate(caches):
        field = "caches" if len(caches) == 1 else f"caches[{i}]"
        yield from _in_time(query.training_days, query.validation_days, metadata, field)
        yield from _whole_steps(query.leads_h, metadata)
        yield from _enough(query, query.leads_h, metadata, field)
    grid = caches[0].sample_shape[1:]
    yield from _shape(query.shape, query.training, variables, grid)


def _fine_tune(query: FineTuneQuery, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    if query.sites is not None:
        yield from _sites(query.sites, opened["sites.files"])
        return
    metadata = storage.cache_metadata(opened["cache"])
    yield from _in_time(query.training_days, query.validation_days, metadata, "cache")
    yield from _whole_steps(query.leads_h, metadata)
    labels = [channel.label for channel in metadata.channels]
    yield from _unknown("variables", query.variables, labels, "the cache has")
    before, about = None, None
    if query.checkpoint is not None:
        about = storage.read_about(opened["checkpoint"])
        if about.task == "downscale":
            yield FieldViolation(
                "checkpoint", "downscales; give one that forecasts, or was pre-trained"
            )
            return
        before = about.fields
        if not set(query.variables or before.variables) & set(labels):
            yield _lacking("cache", before.variables, labels)
            return
        if query.validation_days is not None:
            yield from _seen("validation_days", query.validation_days, about, opened["cache"])
    yield from _enough(query, fine_tuned_leads(query, about), metadata, "cache")
    wanted = query.outputs or (labels if before is None else before.outputs)
    if not set(wanted) & set(query.variables or labels):
        yield _lacking("outputs", wanted, query.variables or labels)
        return
    yield from _unknown("outputs", query.outputs, query.variables or labels, "inputs are")
    try:
        config = fine_tuned_config(query, metadata, before)
    except (ValueError, InvalidRequest) as error:
        field = "factor" if query.task == "downscale" else "cache" if before else "shape.patch"
        yield FieldViolation(field, getattr(error, "message", str(error)))
        return
    own = config.coarse if isinstance(config, DownscaleConfig) else config
    yield from _mesh(query.training, own)
    if query.training.mesh.pp > 1 and query.task == "downscale":
        yield FieldViolation(
            "training.mesh.pp", "got more than 1; stages are made of forecasting models only"
        )


def _sites(sites: SpinUpSites, artifact: Artifact) -> Iterator[FieldViolation]:
    if sites.file not in artifact.names:
        yield FieldViolation("sites.file", f"is not there; there are {words(artifact.names)}")
    try:
        read_facts(sites, artifact)
    except InvalidData as error:
        yield FieldViolation("sites.pools", error.message)


def _evaluate(
    query: EvaluateCheckpointQuery, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    metadata = storage.cache_metadata(opened["cache"])
    about = storage.read_about(opened["checkpoint"])
    yield from _in_time(query.days, None, metadata, "cache", "days")
    yield from _seen("days", query.days, about, opened["cache"])
    yield from _same_grid(about, metadata)
    labels = [channel.label for channel in metadata.channels]
    if missing := [name for name in about.fields.variables if name not in labels]:
        yield FieldViolation("cache", f"has no {', '.join(missing[:8])}, which the model takes in")
    if about.task == "downscale":
        for field in ("leads_h", "roll_out", "members", "compared"):
            if getattr(query, field):
                yield FieldViolation(field, "is given, but the checkpoint downscales; leave it out")
        return
    yield from _whole_steps(query.leads_h, metadata)
    shortest = min(about.leads_h)
    for i, lead in enumerate(query.leads_h):
        if lead in about.leads_h:
            continue
        if not query.roll_out or lead % shortest:
            yield FieldViolation(
                f"leads_h[{i}]",
                f"got {lead:g} h; the checkpoint was trained on "
                f"{', '.join(f'{one:g}' for one in about.leads_h)} h: choose of these, or "
                f"roll_out to a multiple of {shortest:g} h",
            )
    yield from _compared(query, about, metadata, opened)


def _compared(
    query: EvaluateCheckpointQuery, about: About, metadata: Metadata, opened: dict[str, Artifact]
) -> Iterator[FieldViolation]:
    """Checkpoints whose skill is drawn by the number of their samples."""
    seen: dict[tuple[str, int], int] = {}
    for i in range(len(query.compared)):
        field = f"compared[{i}]"
        other = storage.read_about(opened[field])
        samples = other.record.get("samples")
        if other.task != "forecast" or samples is None:
            yield FieldViolation(
                field, "is no fine-tuning for forecasts with a number of samples; give one"
            )
            continue
        wanted, leads = about.fields.outputs, query.leads_h or about.leads_h
        if other.fields.outputs != wanted or not set(leads) <= set(other.leads_h):
            yield FieldViolation(
                field,
                f"predicts {', '.join(other.fields.outputs[:8])} at "
                f"{', '.join(f'{one:g}' for one in other.leads_h)} h; wanted "
                f"{', '.join(wanted[:8])} at {', '.join(f'{one:g}' for one in leads)} h, as the "
                "checkpoint",
            )
        labels = [channel.label for channel in metadata.channels]
        if missing := [name for name in other.fields.variables if name not in labels]:
            yield FieldViolation(field, f"takes in {', '.join(missing[:8])}; the cache has none")
        for item in (
            *_same_grid(other, metadata),
            *_seen("days", query.days, other, opened["cache"]),
        ):
            yield FieldViolation(field, f"{item.field}: {item.description}")
        key = (beginning(other), samples)
        if key in seen:
            yield FieldViolation(
                field, f"is {key[0]} with {samples} samples, as compared[{seen[key]}]; give one"
            )
        seen[key] = i
    if query.compared and {name for name, _ in seen} != {PRETRAINED, SCRATCH}:
        yield FieldViolation(
            "compared", f"wanted some that are {PRETRAINED}, and some {SCRATCH}; give both"
        )


def _predict(query: PredictQuery, opened: dict[str, Artifact]) -> Iterator[FieldViolation]:
    about = storage.read_about(opened["checkpoint"])
    rows, columns = about.fields.grid
    known, made = about.fields.variables, query.outputs or about.fields.outputs
    yield from _unknown("outputs", query.outputs, about.fields.outputs, "the checkpoint predicts")
    for i, field in enumerate(query.fields):
        yield from _unknown(f"fields[{i}].name", (field.name,), known, "the checkpoint knows", "")
        if len(field.values) != rows * columns:
            yield FieldViolation(
                f"fields[{i}].values",
                f"got {len(field.values)} values; wanted {rows} x {columns}, row by row",
            )
    numbers = len(made) * about.grid[0] * about.grid[1]
    if numbers > MOST_INLINE:
        yield FieldViolation(
            "outputs",
            f"makes {numbers} numbers; wanted at most {MOST_INLINE} in one reply; ask for fewer "
            "channels, or use EvaluateCheckpoint, which answers with an artifact",
        )
    if query.cache is not None and query.time is not None:
        metadata = storage.cache_metadata(opened["cache"])
        if metadata.sample_shape[1:] != (rows, columns):
            found = " x ".join(map(str, metadata.sample_shape[1:]))
            yield FieldViolation(
                "cache", f"has a grid of {found}; the checkpoint takes {rows} x {columns}"
            )
        there = [channel.label for channel in metadata.channels]
        if not set(known) & set(there):
            yield _lacking("cache", known, there)
        try:
            step_at(HotCache(Path(), metadata), query.time)
        except InvalidRequest as error:
            yield FieldViolation("time", error.message)
    if about.task == "downscale":
        for name in ("lead_h", "steps"):
            if getattr(query, name) != type(query).model_fields[name].default:
                yield FieldViolation(name, "is given, but the checkpoint downscales; leave it out")
    elif query.lead_h not in about.leads_h:
        yield FieldViolation(
            "lead_h",
            f"got {query.lead_h:g} h; the checkpoint was trained on "
            f"{', '.join(f'{one:g}' for one in about.leads_h)} h: choose of these, with steps for "
            "a roll-out",
        )
    elif query.steps > 1 and set(about.fields.outputs) != set(known):
        yield FieldViolation(
            "steps",
            f"got {query.steps}, but the checkpoint does not predict all that it takes in; "
            "predict directly",
        )


# ------------------------------------------------------------------ what they share


def _unknown(
    field: str, names: Sequence[str], known: Sequence[str], who: str, place: str = "[{}]"
) -> Iterator[FieldViolation]:
    for i, name in enumerate(names):
        if name not in known:
            more = ", ..." if len(known) > 8 else ""
            yield FieldViolation(
                field + place.format(i), f"got {name!r}; {who} {', '.join(known[:8])}{more}"
            )


def _lacking(field: str, wanted: Sequence[str], there: Sequence[str]) -> FieldViolation:
    return FieldViolation(
        field,
        f"none of {', '.join(wanted[:6])} is among {', '.join(there[:6])}: wanted some that are",
    )


def _whole_steps(leads_h: Sequence[float], metadata: Metadata) -> Iterator[FieldViolation]:
    for i, lead in enumerate(leads_h):
        if round(lead * 3600, 6) % metadata.step_s:
            yield FieldViolation(
                f"leads_h[{i}]",
                f"got {lead:g} h; the cache has fields every {metadata.step_s / 3600:g} h, wanted "
                "a multiple of it",
            )


def _in_time(
    days: Period | None,
    validation: Period | None,
    metadata: Metadata,
    cache: str,
    field: str = "training_days",
) -> Iterator[FieldViolation]:
    """Periods of which the cache has fields."""
    there = HotCache(Path(), metadata)
    for name, period in ((field, days), ("validation_days", validation)):
        if period is None:
            continue
        try:
            period.stretch().steps(there)
        except InvalidRequest as error:
            yield FieldViolation(name, f"{error.message} ({cache})")


def _enough(
    query: PretrainQuery | FineTuneQuery, leads_h: Sequence[float], metadata: Metadata, cache: str
) -> Iterator[FieldViolation]:
    """Periods have fields a lead apart, and as many as are asked for."""
    there, longest = HotCache(Path(), metadata), max(leads_h, default=0.0)
    if list(_whole_steps((longest,), metadata)):
        return  # said before
    wanted = [("training_days", query.training_days)]
    wanted += [("validation_days", query.validation_days)] if query.validation_days else []
    for name, days in wanted:
        try:
            steps = (Stretch() if days is None else days.stretch()).steps(there)
        except InvalidRequest:
            continue  # said before
        found = len(there.pairs(round(longest * HOUR_S), *steps))
        if not found:
            yield FieldViolation(
                name,
                f"no two fields {longest:g} h apart lie in {days or 'all days'} ({cache}); give "
                "more days, or shorter leads",
            )
        samples = getattr(query, "samples", None)
        if name == "training_days" and samples is not None and 0 < found < samples:
            yield FieldViolation(
                "samples", f"got {samples}; {days or 'all days'} ({cache}) has {found}"
            )


def _shape(
    shape: Shape, training: Training, variables: Sequence[str], grid: Sequence[int]
) -> Iterator[FieldViolation]:
    try:
        config = shape.config(variables, variables, (grid[0], grid[1]))
    except ValueError as error:
        yield FieldViolation("shape.patch", str(error))
        return
    yield from _mesh(training, config)


def _mesh(training: Training, config: OrbitConfig) -> Iterator[FieldViolation]:
    mesh = training.mesh.shape()
    try:
        mesh.check(config, mesh.size)
    except InvalidRequest as error:
        for item in error.violations:
            yield FieldViolation(f"training.{item.field}", item.description)


def _same_grid(about: About, metadata: Metadata) -> Iterator[FieldViolation]:
    same = metadata.sample_shape[1:] == about.grid
    if not (
        same
        and np.allclose(metadata.lat, about.lat, atol=1e-4)
        and np.allclose(metadata.lon, about.lon, atol=1e-4)
    ):
        rows, columns = metadata.sample_shape[1:]
        yield FieldViolation(
            "cache",
            f"has a grid of {rows} x {columns}, the checkpoint {about.grid[0]} x "
            f"{about.grid[1]}{' with other coordinates' if same else ''}; regrid the fields",
        )


def _seen(field: str, days: Period, about: About, cache: Artifact) -> Iterator[FieldViolation]:
    """Days that are judged were not trained on."""
    for digest, start, end in about.seen:
        learned = Period(start=start or "0001-01-01", end=end or "9999-12-31")
        if digest == cache.manifest.digest and days.overlaps(learned):
            yield FieldViolation(
                f"{field}.start",
                f"got {days}, but the checkpoint was trained on "
                f"{learned if start else 'all days'} of the same cache: its errors there are "
                "smaller than those of new days; give other days",
            )
