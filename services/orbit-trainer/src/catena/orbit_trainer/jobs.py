"""The trainer's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, calls the science and commits. Raise a job's `version` when its science
changes: results of the old version are then not reused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.models.orbit_checkpoint import About
from catena.models.orbit_downscale import DownscaleConfig
from catena.orbit_trainer import storage
from catena.orbit_trainer.compared import data_efficiency
from catena.orbit_trainer.evaluation.baselines import WINDOW_DAYS, Climatology
from catena.orbit_trainer.evaluation.evaluate import evaluate
from catena.orbit_trainer.evaluation.evaluate_downscaling import evaluate_downscaling
from catena.orbit_trainer.evaluation.forecasters import (
    Direct,
    Ensemble,
    RollOut,
    Trajectory,
    random_field_perturbations,
)
from catena.orbit_trainer.plan.scaling import plan_training as planned
from catena.orbit_trainer.plan_job import page_of
from catena.orbit_trainer.predict import Predictor
from catena.orbit_trainer.preflight import fine_tuned_config, fine_tuned_leads
from catena.orbit_trainer.queries import (
    EvaluateCheckpointQuery,
    FineTuneQuery,
    PlanTrainingQuery,
    PretrainQuery,
)
from catena.orbit_trainer.report_downscaling import downscaling_page
from catena.orbit_trainer.report_evaluation import evaluation_page
from catena.orbit_trainer.spin_up_job import fit_and_commit
from catena.orbit_trainer.statistics import measured
from catena.orbit_trainer.tasks.adapters import Adaptation
from catena.orbit_trainer.tasks.transfer import Pretrained
from catena.orbit_trainer.training_job import train_and_commit
from catena.orbit_trainer.trainings import Training, run
from catena.orbit_trainer.vocabulary import Period
from catena.shared.artifacts import Artifact
from catena.shared.errors import InvalidRequest
from catena.shared.hot_cache import HotCache
from catena.shared.hot_cache_period import Period as Stretch
from catena.shared.jobs import JobContext, job

SERVICE = "orbit-trainer"


# ------------------------------------------------------------------ training


@job(service=SERVICE, method="Pretrain", query=PretrainQuery, version=2)
def pretrain(query: PretrainQuery, ctx: JobContext) -> ArtifactRef:
    """Random weights to a checkpoint, in the job's own process."""
    training, about, sources = _pretraining(query, ctx)
    return train_and_commit(training, about, sources, ctx, run)


@job(service=SERVICE, method="Pretrain", query=PretrainQuery, cpus=0, version=2)
def pretrain_together(query: PretrainQuery, ctx: JobContext) -> ArtifactRef:
    """The same in the processes of a mesh, through Ray Train."""
    from catena.orbit_trainer.training.launch import train_on_ray

    training, about, sources = _pretraining(query, ctx)
    return train_and_commit(training, about, sources, ctx, train_on_ray)


@job(service=SERVICE, method="FineTune", query=FineTuneQuery, version=3)
def fine_tune(query: FineTuneQuery, ctx: JobContext) -> ArtifactRef:
    """A checkpoint to one for a task, in the job's own process."""
    if query.task == "spin_up":
        return fit_and_commit(query, ctx)
    training, about, sources = _fine_tuning(query, ctx)
    return train_and_commit(training, about, sources, ctx, run)


@job(service=SERVICE, method="FineTune", query=FineTuneQuery, cpus=0, version=3)
def fine_tune_together(query: FineTuneQuery, ctx: JobContext) -> ArtifactRef:
    """The same in the processes of a mesh, through Ray Train."""
    from catena.orbit_trainer.training.launch import train_on_ray

    training, about, sources = _fine_tuning(query, ctx)
    return train_and_commit(training, about, sources, ctx, train_on_ray)


def _pretraining(
    query: PretrainQuery, ctx: JobContext
) -> tuple[Training, About, Sequence[Artifact]]:
    ctx.progress(0.0, "opening the caches")
    sources = [ctx.open(ref) for ref in query.caches]
    caches = [storage.open_cache(source) for source in sources]
    known = list(dict.fromkeys(one.label for cache in caches for one in cache.channels))
    variables = query.variables or tuple(known)
    metadata = caches[0].metadata
    config = query.shape.config(variables, query.outputs or variables, _grid(caches[0]))
    period = _stretch(query.training_days)
    ctx.progress(0.0, "taking statistics of the days of training")
    training = Training(
        folders=tuple(cache.folder for cache in caches),
        config=config,
        statistics=measured(caches, variables, query.leads_h, period),
        settings=query.training.settings(query.seed),
        leads_h=query.leads_h,
        period=period,
        validation=None if query.validation_days is None else query.validation_days.stretch(),
    )
    about = About(
        task="pretrain",
        title=query.title or f"ORBIT, pre-trained on {len(caches)} caches",
        config=config,
        statistics=training.statistics,
        leads_h=tuple(sorted(query.leads_h)),
        residual=True,
        lat=metadata.lat,
        lon=metadata.lon,
        step_s=metadata.step_s,
        seen=tuple(_seen(source, query.training_days) for source in sources),
        generated=any(cache.metadata.generated for cache in caches),
        parameters=0,
    )
    return training, about, sources


def _fine_tuning(
    query: FineTuneQuery, ctx: JobContext
) -> tuple[Training, About, Sequence[Artifact]]:
    assert query.cache is not None  # the query has one for these tasks
    ctx.progress(0.0, "opening the cache")
    source = ctx.open(query.cache)
    cache = storage.open_cache(source)
    metadata = cache.metadata
    before = None
    if query.checkpoint is not None:
        before = storage.read_checkpoint(ctx.open(query.checkpoint))
    config = fine_tuned_config(query, metadata, None if before is None else before.about.fields)
    leads = fine_tuned_leads(query, None if before is None else before.about)
    period = _stretch(query.training_days)
    ctx.progress(0.0, "taking statistics of the days of training")
    known = config.coarse if isinstance(config, DownscaleConfig) else config
    statistics = measured(cache, known.variables, leads, period)
    training = Training(
        folders=(cache.folder,),
        config=config,
        statistics=statistics,
        settings=query.training.settings(query.seed),
        leads_h=leads,
        period=period,
        validation=None if query.validation_days is None else query.validation_days.stretch(),
        samples=query.samples,
        pretrained=None if before is None else Pretrained(before.about.fields, before.weights),
        adaptation=Adaptation(query.adapter, query.rank),
    )
    seen = () if before is None else before.about.seen
    about = About(
        task=query.task,
        title=query.title or f"ORBIT for {query.task}",
        config=config,
        statistics=statistics,
        leads_h=tuple(sorted(leads)),
        residual=query.task == "forecast",
        lat=metadata.lat,
        lon=metadata.lon,
        step_s=metadata.step_s,
        seen=(*seen, _seen(source, query.training_days)),
        generated=metadata.generated or (before is not None and before.about.generated),
        parameters=0,
    )
    return training, about, [source]


def _stretch(days: Period | None) -> Stretch:
    return Stretch() if days is None else days.stretch()


def _seen(source: Artifact, days: Period | None) -> tuple[str, str, str]:
    start, end = ("", "") if days is None else (days.start, days.end)
    return source.manifest.digest, start, end


def _grid(cache: HotCache) -> tuple[int, int]:
    _, rows, columns = cache.metadata.sample_shape
    return rows, columns


# ------------------------------------------------------------------ evaluation


@job(service=SERVICE, method="EvaluateCheckpoint", query=EvaluateCheckpointQuery, version=2)
def evaluate_checkpoint(query: EvaluateCheckpointQuery, ctx: JobContext) -> ArtifactRef:
    """A checkpoint and days that it has not seen to scores, maps and a page."""
    ctx.progress(0.0, "opening the checkpoint")
    predictor = Predictor.read(ctx.open(query.checkpoint))
    source = ctx.open(query.cache)
    cache = storage.open_cache(source)
    title = query.title or f"Skill of {predictor.about.title}"
    if predictor.about.task == "downscale":
        page, summary = _downscaling(query, predictor, cache, title, ctx)
    else:
        page, summary = _forecasts(query, predictor, source, cache, title, ctx)
    ctx.writer.write_json("evaluation.json", summary)
    ctx.writer.write_bytes("report.html", page.encode())
    units = {channel.label: channel.units for channel in cache.channels}
    return ctx.commit(kind="evaluation", units=units, title=title)


def _forecasts(
    query: EvaluateCheckpointQuery,
    predictor: Predictor,
    source: Artifact,
    cache: HotCache,
    title: str,
    ctx: JobContext,
) -> tuple[str, dict[str, Any]]:
    """Scores of forecasts."""
    about, fields = predictor.about, predictor.about.fields
    leads = query.leads_h or about.leads_h
    days = query.days.stretch()
    learned, leaks = _usual_days(about, source, cache, query.days)
    runs: dict[str, Trajectory] = {}
    if set(leads) <= set(about.leads_h):
        runs["ORBIT"] = Direct(predictor.forecaster)
    if query.roll_out:
        places = [fields.variables.index(name) for name in fields.outputs]
        step_h = min(about.leads_h)
        runs["ORBIT, roll-out"] = RollOut(predictor.forecaster, step_h, places)
    if query.members:
        first = next(iter(runs.values()))
        changes = random_field_perturbations(
            cache, fields.variables, learned, pairs=query.members // 2, seed=query.seed
        )
        runs["ORBIT, ensemble"] = Ensemble([first], changes)
    ctx.progress(0.02, "taking the climatology of the days of training")
    climatology = Climatology.fit(cache, fields.outputs, learned, window_days=_window(cache))
    until = 0.45 if query.compared else 0.85
    skill = evaluate(
        runs,
        cache,
        days,
        leads,
        climatology,
        variables=fields.variables,
        outputs=fields.outputs,
        stride=query.stride,
        progress=lambda share, message: ctx.progress(0.05 + until * share, message),
    )
    efficiency = None
    if query.compared:
        efficiency = data_efficiency(
            (Predictor.read(ctx.open(ref)) for ref in query.compared),
            skill,
            cache,
            days,
            climatology,
            stride=query.stride,
            progress=lambda judged: ctx.progress(
                0.5 + 0.4 * judged / len(query.compared),
                f"judged {judged} of {len(query.compared)} checkpoints",
            ),
        )
    ctx.progress(0.9, "drawing the page")
    ctx.writer.write_dataset("skill.zarr", skill.to_xarray())
    page, summary = evaluation_page(
        title,
        skill,
        trained_on=about.days(),
        judged_on=str(query.days),
        shown=_shown(fields.outputs),
        efficiency=efficiency,
        notices=[*_notices(about, cache), *leaks],
    )
    return page, summary


def _downscaling(
    query: EvaluateCheckpointQuery,
    predictor: Predictor,
    cache: HotCache,
    title: str,
    ctx: JobContext,
) -> tuple[str, dict[str, Any]]:
    """Scores of downscaled fields."""
    fields = predictor.about.fields
    skill = evaluate_downscaling(
        "ORBIT",
        predictor.downscaler,
        cache,
        query.days.stretch(),
        predictor.about.grid[0] // fields.grid[0],
        variables=fields.variables,
        outputs=fields.outputs,
        stride=query.stride,
        progress=lambda share, message: ctx.progress(0.9 * share, message),
    )
    return downscaling_page(
        title,
        skill,
        trained_on=predictor.about.days(),
        judged_on=str(query.days),
        notices=_notices(predictor.about, cache),
    )


def _usual_days(
    about: About, source: Artifact, cache: HotCache, judged: Period
) -> tuple[Stretch, list[str]]:
    """Days of which the climatology is, and what a reader must know of them.

    Those of training. Of a cache that the weights have not seen: the longer of what lies before the
    days that are judged and what lies after them; where there is neither, these themselves.
    """
    for digest, start, end in reversed(about.seen):
        if digest == source.manifest.digest and start:
            return Period(start=start, end=end).stretch(), []
    most, found = 0, Stretch()
    for one in (Stretch("", judged.start), Stretch(judged.stretch().stop, "")):
        with contextlib.suppress(InvalidRequest):  # no field lies there
            first, stop = one.steps(cache)
            if stop - first > most:
                most, found = stop - first, one
    if most:
        return found, []
    return found, [
        "The cache holds only the days that are judged, so climatology is their own mean: "
        "harder to beat than that of other days, and no forecast."
    ]


def _window(cache: HotCache) -> float | None:
    """Width of the climatology's window; none on the generated planet, which has no seasons."""
    return None if cache.metadata.generated else WINDOW_DAYS


def _notices(about: About, cache: HotCache) -> list[str]:
    if about.generated and not cache.metadata.generated:
        return ["Weights of this model have seen GENERATED fields, which nobody has observed."]
    return []


def _shown(channels: Sequence[str]) -> list[str]:
    """Channels that a page shows first: one of each variable, at the level in the middle."""
    levels: dict[str, list[str]] = {}
    for channel in channels:
        levels.setdefault(channel.partition("_")[0], []).append(channel)
    return [names[len(names) // 2] for names in levels.values()]


# ------------------------------------------------------------------ plans


@job(service=SERVICE, method="PlanTraining", query=PlanTrainingQuery, version=3)
def plan_training(query: PlanTrainingQuery, ctx: JobContext) -> ArtifactRef:
    """A model and a cluster to a plan and a page."""
    size = query.shape.size.upper()
    cluster = query.cluster.cluster()
    plan = planned(
        query.config(),
        cluster,
        query.used,
        query.samples_a_step,
        query.samples,
        bytes_per_sample=query.bytes_per_sample,
        precision=query.precision,
        trace=query.trace,
        progress=lambda share, message: ctx.progress(0.9 * share, message),
    )
    ctx.progress(0.9, "drawing the page")
    title = query.title or f"ORBIT {size} on {query.used:,} GPUs of {cluster.name}"
    page, summary = page_of(title, size, plan)
    ctx.writer.write_json("plan.json", summary)
    ctx.writer.write_bytes("report.html", page.encode())
    return ctx.commit(kind="plan", title=title)
