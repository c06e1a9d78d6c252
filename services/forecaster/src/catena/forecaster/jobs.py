"""The forecaster's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, calls the science and commits. Raise a job's `version` when its science
changes: results of the old version are then not reused.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.forecaster import storage
from catena.forecaster.basins import FORECAST, forecast_row, ingested, read_basins
from catena.forecaster.data.canonical import record_units
from catena.forecaster.data.records import BasinRecords, refuse, unusable
from catena.forecaster.data.reforecasts import append_generated, archive_noise, forecast_store
from catena.forecaster.data.signatures import signatures
from catena.forecaster.data.splits import issues_within
from catena.forecaster.data.store import ForecastArchive, ForecastStore
from catena.forecaster.evaluation import evaluate, refuse_trained
from catena.forecaster.forecast_intervals import ForecastIntervals
from catena.forecaster.forecasters import About, Forecaster, flow_scale, in_period
from catena.forecaster.issue import days_of_issue, issue, weather_of
from catena.forecaster.network_forecaster import NetworkForecaster, Settings
from catena.forecaster.process_forecaster import Gr4j
from catena.forecaster.queries import (
    A_BASIN,
    ArchiveWeatherQuery,
    DrawSamplesQuery,
    EvaluateForecastsQuery,
    FitIntervalsQuery,
    IssueForecastsQuery,
    TrainForecasterQuery,
    UpdateIntervalsQuery,
)
from catena.forecaster.report_evaluation import evaluation_page
from catena.forecaster.report_issue import issue_page
from catena.forecaster.samples import draw
from catena.forecaster.scenarios import Weather, whole_archive
from catena.forecaster.simple_forecasters import Climatology, Persistence
from catena.forecaster.training.checkpoint import Part
from catena.forecaster.vocabulary import Basins
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext, job

SERVICE = "forecaster"


# ------------------------------------------------------------------ forecast weather


@job(service=SERVICE, method="ArchiveWeather", query=ArchiveWeatherQuery)
def archive_weather(query: ArchiveWeatherQuery, ctx: JobContext) -> ArtifactRef:
    """Forecasts of a dataset, or generated ones, to an archive that is read sample by sample."""
    with tempfile.TemporaryDirectory(prefix="catena-archive-") as folder:
        if query.generated is not None:
            made = query.generated
            ctx.progress(0.0, "reading the records")
            records = read_basins(made.basins, ctx.open)
            store = ForecastStore.create(
                folder,
                basins=records.basins,
                names=records.weather_names,
                leads=query.leads,
                members=made.members,
                units=[record_units(name) for name in records.weather_names],
            )
            ctx.progress(0.1, f"making forecasts of {len(records)} basins")
            store = append_generated(store, records, stride=made.stride, seed=made.seed)
            generated = True
        else:
            assert query.dataset is not None
            artifact = ctx.open(query.dataset.dataset)
            row = forecast_row(ingested(artifact), query.dataset.key)
            dataset = artifact.open_dataset(row["name"])
            ctx.progress(0.1, f"reading the forecasts of {row['key']}")
            store = forecast_store(folder, dataset, query.dataset.names, query.leads, FORECAST)
            generated = bool(row["generated"]) or "generated" in dataset.attrs
        ctx.progress(0.8, f"keeping {len(store.issue_days)} issue times")
        storage.write_archive(ctx.writer, store, generated=generated)
        what = "generated forecasts" if generated else "archived forecasts"
        title = query.title or f"{what} of weather, {len(store.basins)} basins"
    units = {name: record_units(name) for name in store.names}
    return ctx.commit(kind="weather_archive", units=units, title=title)


def _archive(
    ref: Any, records: BasinRecords, leads: int, ctx: JobContext
) -> tuple[ForecastArchive | None, bool]:
    """An archive for records, and whether its forecasts are generated; None where none is given."""
    if ref is None:
        return None, False
    source = storage.ArchivedForecasts(ctx.open(ref))
    return whole_archive(ForecastArchive(source, records, leads)), source.generated


def _weather(
    ref: Any, forecaster: Forecaster, records: BasinRecords, ctx: JobContext, without: bool = False
) -> Weather:
    archive, generated = _archive(ref, records, forecaster.about.leads, ctx)
    return weather_of(forecaster, records, without=without, archive=archive, generated=generated)


# ------------------------------------------------------------------ training


@job(service=SERVICE, method="TrainForecaster", query=TrainForecasterQuery, version=2)
def train_forecaster(query: TrainForecasterQuery, ctx: JobContext) -> ArtifactRef:
    """Records to a fitted model, in the job's own process."""
    records, about, archive = _start(query, ctx)
    made: Forecaster
    if query.model == "gr4j":
        made = Gr4j.fit(
            about, records, archive=archive, progress=ctx.progress, checkpoint=ctx.checkpoint
        )
    elif query.model in ("persistence", "climatology"):
        simple = Persistence if query.model == "persistence" else Climatology
        made = simple.fit(about, records)
    else:
        made = NetworkForecaster.fit(
            about,
            records,
            Settings(**query.training.given()),
            process=_process(query, ctx),
            archive=archive,
            progress=ctx.progress,
            checkpoint=ctx.checkpoint,
        )
    return _commit(made, ctx)


@job(service=SERVICE, method="TrainForecaster", query=TrainForecasterQuery, version=2, cpus=0)
def train_together(query: TrainForecasterQuery, ctx: JobContext) -> ArtifactRef:
    """The same with several processes, through Ray Train."""
    from catena.forecaster.together import fit_together

    records, about, archive = _start(query, ctx)
    made = fit_together(
        about,
        records,
        Settings(**query.training.given()),
        _process(query, ctx),
        archive=archive,
        workers=query.workers,
        context=ctx,
    )
    return _commit(made, ctx)


@job(service=SERVICE, method="TrainForecaster", query=TrainForecasterQuery, version=2, cpus=0)
def tune_forecaster(query: TrainForecasterQuery, ctx: JobContext) -> ArtifactRef:
    """A search for settings on Ray first, then the training with the best of them."""
    from catena.forecaster.tune import search

    records, about, archive = _start(query, ctx)
    process = _process(query, ctx)
    settings = search(
        about,
        records,
        Settings(**query.training.given()),
        process,
        archive=archive,
        trials=query.tune_trials,
        progress=lambda fraction, message: ctx.progress(0.7 * fraction, message),
        checkpoint=Part(ctx.checkpoint, "search"),
    )
    made = NetworkForecaster.fit(
        about,
        records,
        settings,
        process=process,
        archive=archive,
        progress=lambda fraction, message: ctx.progress(0.7 + 0.3 * fraction, message),
        checkpoint=Part(ctx.checkpoint, "training"),
    )
    return _commit(made, ctx)


def _start(
    query: TrainForecasterQuery, ctx: JobContext
) -> tuple[BasinRecords, About, ForecastArchive | None]:
    """Records that something can be learned from, what the forecaster will be, the archive."""
    ctx.progress(0.0, "reading the records")
    records = read_basins(query.basins, ctx.open)
    training = (query.training_days.start, query.training_days.end)
    days = in_period(records, training)
    if not days.any():
        raise InvalidData(
            f"the records are of {records.days[0]} to {records.days[-1]}, training_days of "
            f"{' to '.join(training)}; give days that are there"
        )
    refuse(
        unusable(records, days=days, shortest=query.leads + 1),
        "basins cannot be learned; leave them out by `names`",
    )
    validation = query.validation_days
    about = About.of(
        records,
        model=query.model,
        title=query.title,
        leads=query.leads,
        training_days=training,
        validation_days=None if validation is None else (validation.start, validation.end),
        seed=query.seed,
        hybrid=query.process is not None,
    )
    archive, _ = _archive(query.archive, records, query.leads, ctx)
    if archive is not None:
        noise = archive_noise(archive, records, days, seed=query.seed)
        about = replace(about, archive_noise=tuple(map(float, noise)))
    return records, about, archive


def _process(query: TrainForecasterQuery, ctx: JobContext) -> Gr4j | None:
    if query.process is None:
        return None
    made = storage.read_forecaster(ctx.open(query.process))
    assert isinstance(made, Gr4j)  # checked before the job was made
    return made


def _commit(made: Forecaster, ctx: JobContext) -> ArtifactRef:
    storage.write_forecaster(ctx.writer, made)
    about = made.about
    title = about.title or f"{about.name} of {len(about.basins)} basins"
    return ctx.commit(kind="forecaster", units=storage.UNITS, title=title)


# ------------------------------------------------------------------ intervals


@job(service=SERVICE, method="FitIntervals", query=FitIntervalsQuery, version=2)
def fit_intervals(query: FitIntervalsQuery, ctx: JobContext) -> ArtifactRef:
    """A forecaster and held-out days to intervals."""
    forecaster, records = _opened(query.forecaster, query.basins, ctx)
    about = forecaster.about
    period = about.validation_days or about.training_days
    if query.days is not None:
        period = (query.days.start, query.days.end)
        refuse_trained([(about.name, forecaster)], period)
    issues = issues_within(in_period(records, period), leads=about.leads)
    weather = _weather(query.archive, forecaster, records, ctx)
    issues = weather.issued(issues[issues >= forecaster.past - 1])[:: query.stride]
    if not issues.size:
        raise InvalidData(
            f"{' to '.join(period)} holds no forecast of {about.leads} days; give other days"
        )
    ctx.progress(0.1, f"forecasting {len(issues)} days of {len(records)} basins")
    forecasts = forecaster.forecast(records, issues, weather)
    ctx.progress(0.4, "fitting the intervals")
    scale = flow_scale(records, in_period(records, about.training_days))
    made = ForecastIntervals.fit(query.method, records, issues, forecasts, scale, seed=query.seed)
    storage.write_intervals(ctx.writer, made, query.forecaster.digest)
    title = f"intervals ({query.method}) of {about.title or about.name}"
    return ctx.commit(kind="intervals", units=storage.UNITS, title=title)


@job(service=SERVICE, method="UpdateIntervals", query=UpdateIntervalsQuery, version=2)
def update_intervals(query: UpdateIntervalsQuery, ctx: JobContext) -> ArtifactRef:
    """Intervals and what was observed since to new intervals."""
    forecaster, records = _opened(query.forecaster, query.basins, ctx)
    intervals = storage.read_intervals(ctx.open(query.intervals))
    end, until = np.datetime64(query.end, "D"), np.datetime64(intervals.until, "D")
    if end > records.days[-1]:
        raise InvalidData(f"end is {end}, but the records end on {records.days[-1]}")
    issues = np.empty(0, np.int64)
    if end > until:
        # Issue times of the forecasts that the new observations belong to.
        first = records.day(max(until + 1 - intervals.leads, records.days[0]))
        issues = np.arange(max(first, forecaster.past - 1), records.day(end), dtype=np.int64)
    if issues.size:
        ctx.progress(0.1, f"learning the days up to {end}")
        weather = _weather(query.archive, forecaster, records, ctx)
        forecasts = forecaster.forecast(records, issues, weather)
        intervals = intervals.update(records, issues, forecasts, end)
    storage.write_intervals(ctx.writer, intervals, query.forecaster.digest)
    about = forecaster.about
    title = f"intervals of {about.title or about.name}, up to {intervals.until}"
    return ctx.commit(kind="intervals", units=storage.UNITS, title=title)


def _opened(ref: Any, basins: Basins, ctx: JobContext) -> tuple[Forecaster, BasinRecords]:
    """A forecaster, and records of its basins; a choice is made among these alone."""
    ctx.progress(0.0, "reading the records")
    forecaster = storage.read_forecaster(ctx.open(ref))
    return forecaster, known_basins(basins, forecaster.about, ctx.open)


def known_basins(basins: Basins, about: About, open_: Any) -> BasinRecords:
    """Records of a forecaster's basins: those that a request names, or all."""
    names = basins.names or about.basins
    return read_basins(replace_choice(basins, names), open_)


def replace_choice(basins: Basins, names: tuple[str, ...]) -> Basins:
    """The same source with basins by name."""
    return basins.model_copy(update={"names": tuple(names), "spread": None})


# ------------------------------------------------------------------ forecasts


@job(service=SERVICE, method="IssueForecasts", query=IssueForecastsQuery, version=2)
def issue_forecasts(query: IssueForecastsQuery, ctx: JobContext) -> ArtifactRef:
    """Forecasts into an archive, with states and a page."""
    forecaster, records = _opened(query.forecaster, query.basins, ctx)
    intervals = None
    if query.intervals is not None:
        intervals = storage.read_intervals(ctx.open(query.intervals))
    issues = days_of_issue(records, query.issues.start, query.issues.end)
    states = None
    if query.states is not None:
        states = storage.read_states(ctx.open(query.states), records.days[issues[0]])
    weather = _weather(query.archive, forecaster, records, ctx, query.without_weather)
    ctx.progress(0.2, f"forecasting {len(issues)} days of {len(records)} basins")
    levels = query.levels if intervals is not None else ()
    made = issue(
        forecaster, records, issues, weather, intervals=intervals, levels=levels, states=states
    )
    title = query.title or f"forecasts of {forecaster.about.title or forecaster.about.name}"
    dataset = storage.forecasts_dataset(records, issues, made.forecasts, made.bounds, levels, title)
    ctx.writer.write_dataset(storage.DATASET, dataset)
    ctx.progress(0.7, "keeping the states")
    kept, of = forecaster.states(records, issues, states)
    if kept:
        ctx.writer.write_arrays(storage.STATES, kept)
    ctx.writer.write_json(
        "forecasts.json",
        {
            "about": replace(forecaster.about, attributes=()).to_dict(),
            "weather": weather.words,
            "levels": list(levels),
            "notes": made.notes,
            "states": {"of": of, "days": storage.state_days(kept)},
        },
    )
    page = issue_page(title, forecaster.about, weather.words, made, levels, intervals)
    ctx.writer.write_bytes("report.html", page.encode())
    return ctx.commit(kind="forecasts", units=storage.UNITS, title=title)


@job(service=SERVICE, method="EvaluateForecasts", query=EvaluateForecastsQuery, version=2)
def evaluate_forecasts(query: EvaluateForecastsQuery, ctx: JobContext) -> ArtifactRef:
    """Forecasters and held-out days to scores and a page."""
    ctx.progress(0.0, "reading the records")
    opened = [storage.read_forecaster(ctx.open(ref)) for ref in query.forecasters]
    about = opened[0].about
    records = known_basins(query.basins, about, ctx.open)
    intervals = None
    if query.intervals is not None:
        intervals = storage.read_intervals(ctx.open(query.intervals))
    climatology = Climatology.fit(about, records)
    compared = _named([*opened, Persistence.fit(about, records), climatology])
    weather = _weather(query.archive, opened[0], records, ctx)
    found = evaluate(
        compared,
        records,
        (query.days.start, query.days.end),
        weather,
        climatology,
        intervals=intervals,
        levels=query.levels,
        stride=query.stride,
        track=query.track,
        progress=ctx.progress,
    )
    ctx.progress(0.9, "drawing the page")
    title = query.title or f"Skill of {about.title or about.name}"
    page, summary = evaluation_page(query, title, about, weather.words, found, intervals)
    ctx.writer.write_dataset("skill.zarr", found.to_xarray())
    ctx.writer.write_json("evaluation.json", summary)
    ctx.writer.write_bytes("report.html", page.encode())
    return ctx.commit(kind="evaluation", units=storage.UNITS, title=title)


def _named(forecasters: list[Forecaster]) -> list[tuple[str, Forecaster]]:
    """Forecasters with names that differ; baselines that were asked for by hand come once."""
    named: dict[str, Forecaster] = {}
    for one in forecasters:
        baseline = isinstance(one, (Persistence, Climatology))
        name = type(one).__name__.lower() if baseline else one.about.name
        if baseline and name in named:
            continue
        number = sum(known == name or known.startswith(f"{name} (") for known in named)
        named[f"{name} ({number + 1})" if number else name] = one
    return list(named.items())


# ------------------------------------------------------------------ for the explainer


@job(service=SERVICE, method="DrawSamples", query=DrawSamplesQuery)
def draw_samples(query: DrawSamplesQuery, ctx: JobContext) -> ArtifactRef:
    """What a network sees of some forecasts and of its training, and what the basins are like."""
    forecaster, records = _opened(query.forecaster, query.basins, ctx)
    if not isinstance(forecaster, NetworkForecaster):
        raise InvalidData(f"{forecaster.about.name} is no network; give a forecaster that is one")
    weather = _weather(query.archive, forecaster, records, ctx, query.without_weather)
    issues = days_of_issue(records, query.issues.start, query.issues.end, query.stride)
    ctx.progress(0.2, f"drawing from {len(issues)} days of {len(records)} basins")
    drawn = draw(
        forecaster,
        records,
        issues,
        weather,
        count=query.count or A_BASIN * len(records),
        background=query.background,
        seed=query.seed,
    )
    ctx.progress(0.7, "finding out what the basins are like")
    about = forecaster.about
    found = signatures(records, in_period(records, about.training_days))
    title = query.title or f"samples of {about.title or about.name}"
    storage.write_samples(
        ctx.writer,
        drawn,
        ctx.open(query.forecaster),
        dict(zip(records.basins, found, strict=True)),
        title,
    )
    return ctx.commit(kind="flow_samples", units=storage.UNITS, title=title)
