"""The explainer's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, calls the science and commits. Raise a job's `version` when its science
changes: results of the old version are then not reused.
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.explainer.explain import explain_flow
from catena.explainer.flow.basin import FlowSettings
from catena.explainer.flow.loading import read_network, read_samples
from catena.explainer.orbit.explain import explain_fields
from catena.explainer.orbit.loading import (
    open_cache,
    read_ahead,
    read_checkpoint,
    read_fields,
    spread_steps,
    training_period,
)
from catena.explainer.orbit.page import page as fields_page
from catena.explainer.orbit.prediction import Target
from catena.explainer.parameters import (
    ParameterSettings,
    explain_parameters,
    parameters_page,
    read_surrogate,
)
from catena.explainer.queries import ExplainForecastQuery, ExplainParametersQuery
from catena.explainer.report.page import explanation_page
from catena.explainer.storage import REPORT, write_result
from catena.explainer.vocabulary import FieldForecasts, FlowForecasts, Period
from catena.shared import hot_cache_period
from catena.shared.jobs import JobContext, job

SERVICE = "explainer"


@job(service=SERVICE, method="ExplainForecast", query=ExplainForecastQuery)
def explain_forecast(query: ExplainForecastQuery, ctx: JobContext) -> ArtifactRef:
    """A network and its samples, or a checkpoint and its fields, to an explanation."""
    if query.flow is not None:
        return _explain_flow(query, query.flow, ctx)
    assert query.fields is not None
    return _explain_fields(query, query.fields, ctx)


def _explain_flow(query: ExplainForecastQuery, flow: FlowForecasts, ctx: JobContext) -> ArtifactRef:
    ctx.progress(0.0, "reading the network and its samples")
    forecaster = ctx.open(flow.forecaster)
    settings = FlowSettings(
        methods=query.asked,
        baselines=query.baselines,
        steps=query.steps,
        leads=flow.leads,
        dear_samples=flow.dear_samples,
        quantile=flow.quantile,
        seed=query.seed,
    )
    made = explain_flow(
        read_network(forecaster),
        read_samples(ctx.open(flow.samples), forecaster),
        settings,
        title=query.title,
        progress=ctx.progress,
    )
    ctx.progress(0.95, "drawing the page")
    page = explanation_page(made.dataset, made.about)
    flow_in = ("prediction", "contribution", "interaction")
    units = {name: "mm d-1" for name in flow_in if name in made.dataset}
    return _commit(ctx, "explanation", made.dataset, made.about, page, units)


def _explain_fields(
    query: ExplainForecastQuery, fields: FieldForecasts, ctx: JobContext
) -> ArtifactRef:
    ctx.progress(0.0, "reading the model and its fields")
    forecast, artifact = read_checkpoint(ctx.open(fields.checkpoint)), ctx.open(fields.cache)
    cache = open_cache(artifact)
    leads = fields.leads_h or forecast.about.leads_h
    steps = spread_steps(cache, _period(fields.days), fields.count, max(leads))
    usual = (
        training_period(forecast.about, artifact.manifest.digest)
        if fields.background is None
        else _period(fields.background)
    )
    made = explain_fields(
        forecast,
        [Target(**target.model_dump()) for target in fields.targets],
        read_fields(forecast, cache, steps),
        read_fields(forecast, cache, spread_steps(cache, usual, query.baselines)),
        leads_h=leads,
        ahead=read_ahead(forecast, cache, steps, leads),
        methods=query.asked,
        steps=query.steps,
        seed=query.seed,
        title=query.title,
        generated=cache.metadata.generated,
        progress=lambda share, message: ctx.progress(0.02 + 0.9 * share, message),
    )
    ctx.progress(0.95, "drawing the page")
    dataset, about = made.to_dataset(), made.about()
    units = {name: forecast.units[name] for name in {target.variable for target in fields.targets}}
    return _commit(ctx, "explanation", dataset, about, fields_page(made), units)


def _period(days: Period) -> hot_cache_period.Period:
    """Days of a request, the last one included."""
    return hot_cache_period.Period(days.start, f"{days.end}T23:59:59")


@job(service=SERVICE, method="ExplainParameters", query=ExplainParametersQuery)
def explain_parameters_of(query: ExplainParametersQuery, ctx: JobContext) -> ArtifactRef:
    """A surrogate to the sensitivities of its outputs."""
    ctx.progress(0.0, "reading the surrogate")
    settings = ParameterSettings(
        methods=query.asked, outputs=query.outputs, samples=query.samples, seed=query.seed
    )
    found = explain_parameters(
        read_surrogate(ctx.open(query.surrogate)),
        settings,
        title=query.title,
        progress=lambda share, message: ctx.progress(0.02 + 0.9 * share, message),
    )
    ctx.progress(0.95, "drawing the page")
    dataset, about = found.to_dataset(), found.about()
    return _commit(ctx, "sensitivity", dataset, about, parameters_page(found), {})


def _commit(
    ctx: JobContext,
    kind: str,
    dataset: xr.Dataset,
    about: dict[str, Any],
    page: str,
    units: dict[str, str],
) -> ArtifactRef:
    """What was found to an artifact; times stand in the page and beside the numbers."""
    write_result(ctx.writer, kind, dataset, about, page)
    timed = (REPORT, f"{kind}.json")
    return ctx.commit(kind=kind, units=units, title=str(about["title"]), timed_files=timed)
