"""Jobs about flux sites: statistics for a calibration, and submission files of CalLMIP."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.protocol import CALIBRATION_SITES, Purpose, Stage, SubmissionName
from catena.coupler.callmip.submission import write_submission as write_file
from catena.coupler.forcing.calendar import dates
from catena.ensemble_runner import submission_scores as scoring
from catena.ensemble_runner.daily_series import (
    SUBMITTED_OUTPUTS,
    dates_of,
    fluxes,
    series_on,
)
from catena.ensemble_runner.inputs import field
from catena.ensemble_runner.storage import RUNS, SERVICE
from catena.ensemble_runner.submission_facts import (
    check_members,
    fixed_notes,
    made_from,
    read_chains,
    read_costs,
    read_parameters,
    weather_generated,
    weather_notes,
)
from catena.ensemble_runner.submission_report import summary, write_page
from catena.ensemble_runner.submission_result import Chains, SiteResult, Submitted
from catena.ensemble_runner.submitted import (
    HISTORY,
    after_variables,
    monthly_series,
    submission_days,
    submission_of,
)
from catena.ensemble_runner.tower_files import file_name, noisy, write_tower_file
from catena.ensemble_runner.tower_inputs import (
    DRAWN,
    STATISTICS,
    SUMMARY,
    read_monthly,
    read_tower,
    read_towers,
    statistics_dataset,
    statistics_summary,
)
from catena.ensemble_runner.tower_queries import (
    DrawFluxesQuery,
    SubmittedSite,
    SummariseFluxesQuery,
    WriteSubmissionQuery,
)
from catena.ensemble_runner.tower_statistics import summarise
from catena.shared.errors import InvalidData
from catena.shared.jobs import JobContext, job


@job(service=SERVICE, method="SummariseFluxes", query=SummariseFluxesQuery, version=2)
def summarise_fluxes(query: SummariseFluxesQuery, ctx: JobContext) -> ArtifactRef:
    """Daily runs and towers' fluxes to one table of statistics."""
    ctx.progress(0.0, "reading runs and towers")
    sites, members, synthetic = read_towers(query.sites, ctx.open)
    ctx.progress(0.7, "averaging")
    found = summarise(sites, held_back=query.held_back_years, least_days=query.least_days)
    about = [ctx.open(ref).read_json("runs.json") for site in query.sites for ref in site.runs]
    models = sorted({f"{each['model']} {each['model_version']}" for each in about})
    if len(models) > 1:
        raise InvalidData(f"the sites were run by {' and '.join(models)}; run all with one model")
    dataset = statistics_dataset(found, members)
    ctx.writer.write_dataset(STATISTICS, dataset)
    names = ", ".join(site.observed.site for site in sites)
    title = query.title or f"monthly statistics of daily fluxes at {names}"
    known = {
        "title": title,
        "model": models[0],
        "synthetic": synthetic,
        "held_back_years": query.held_back_years,
        "least_days": query.least_days,
    }
    ctx.writer.write_json(SUMMARY, statistics_summary(found, sites, **known))
    units = dict(
        zip(
            dataset["parameter"].to_numpy().tolist(),
            dataset["parameter_units"].to_numpy().tolist(),
            strict=True,
        )
    )
    units |= {label.name: label.units for label in found.labels}
    return ctx.commit(kind="statistics", units=units, title=title)


@job(service=SERVICE, method="DrawFluxes", query=DrawFluxesQuery)
def draw_fluxes(query: DrawFluxesQuery, ctx: JobContext) -> ArtifactRef:
    """One member of daily runs plus noise to a tower's file; it is called synthetic."""
    dataset = ctx.open(query.runs).open_dataset(RUNS)
    with field("runs"):
        days = dates_of(dataset)
        whole = dates(days[0].item(), int((days[-1] - days[0]).astype(int)) + 1, "standard")
        if query.member >= dataset.sizes["member"]:
            raise InvalidData(f"found {dataset.sizes['member']} members, wanted {query.member + 1}")
        truth = {
            name: series[0]
            for name, series in fluxes(dataset.isel(member=[query.member]), whole).items()
        }
    if not all(np.isfinite(series).all() for series in truth.values()):
        raise InvalidData(f"member {query.member} failed; take another one")
    values, uncertainty = noisy(
        truth, error_fraction=query.error_fraction, missing=query.missing, seed=query.seed
    )
    source = (
        f"synthetic: member {query.member} of the model's runs plus noise of "
        f"{query.error_fraction:g} standard deviations (seed {query.seed})"
    )
    first, last = whole[0].item(), whole[-1].item()
    name = file_name(query.site, first.year, last.year)
    with ctx.writer.local_file(name) as path:
        place = (float(dataset["lat"][0]), float(dataset["lon"][0]))
        write_tower_file(path, place, first, values, uncertainty, source)
    parameters = dataset["parameters"].isel(member=query.member).to_numpy().tolist()
    ctx.writer.write_json(
        DRAWN, {"source": source, "file": name, "member": query.member, "parameters": parameters}
    )
    return ctx.commit(kind="files", title=f"{query.site}: {source}")


@job(service=SERVICE, method="WriteSubmission", query=WriteSubmissionQuery, version=2)
def write_submission(query: WriteSubmissionQuery, ctx: JobContext) -> ArtifactRef:
    """Runs before and after a calibration to submission files and a report."""
    draws = ctx.open(query.draws)
    dataset = draws.open_dataset(f"{draws.kind}.zarr")
    sites: list[SiteResult] = []
    for i, site in enumerate(query.sites):
        ctx.progress(0.9 * i / len(query.sites), f"writing the files of {site.site}")
        with field(f"sites[{i}]"):
            sites.append(_write_site(query.model, site, dataset, ctx))
    ctx.progress(0.9, "writing the report")
    found = _submitted(query, ctx, sites, dataset, read_chains(draws))
    ctx.writer.write_json("submission.json", summary(found))
    ctx.writer.write_bytes("report.html", write_page(found).encode())
    return ctx.commit(kind="submission", title=found.title, timed_files=("report.html",))


def _write_site(model: str, site: SubmittedSite, draws: xr.Dataset, ctx: JobContext) -> SiteResult:
    """Both files of a site; its runs on the days of its tower, and its months."""
    case = ctx.open(site.prior)
    prior = case.open_dataset(HISTORY)
    posterior = ctx.open(site.posterior).open_dataset(RUNS)
    check_members(posterior, draws)
    asked = posterior.sizes["member"]
    posterior = posterior.isel(member=np.flatnonzero(posterior["ok"].to_numpy()))
    seen, drawn = read_tower(site.tower, ctx.open) if site.tower is not None else (None, False)
    if seen is not None and seen.site != site.site:
        raise InvalidData(f"found the tower of {seen.site}, wanted that of {site.site}")
    days = submission_days(prior, seen)
    before = series_on(prior, SUBMITTED_OUTPUTS, days)
    variables, after = after_variables(series_on(posterior, SUBMITTED_OUTPUTS, days))
    purpose: Purpose = "Cal" if site.site in CALIBRATION_SITES else "Val"
    place = (float(prior["lat"][0]), float(prior["lon"][0]))
    stages: tuple[tuple[Stage, dict[str, Any], dict[str, Any] | None], ...] = (
        ("Prior", before, None),
        ("Posterior", after, variables),
    )
    files = []
    for stage, series, spread in stages:
        name = SubmissionName(model, 1, site.site, purpose, stage)
        made = submission_of(name, place, days, series, spread)
        with tempfile.TemporaryDirectory(prefix="catena-") as folder:
            path = write_file(folder, made, observations=seen)
            report = check_submission(path, observations=seen)
            files.append((path.name, len(report.of("passed")), len(report.failed)))
            ctx.writer.write_bytes(path.name, path.read_bytes())
    scores: list[scoring.MonthlyScore] = []
    if site.monthly is not None:
        observed = read_monthly(site.monthly, site.monthly_key, site.site, ctx.open)
        both = {"before": monthly_series(before), "after": monthly_series(after)}
        scores = scoring.monthly_scores(site.site, observed, days, both)
    runs, notes = None, fixed_notes(site.site, case)
    if seen is not None:
        runs = scoring.SiteRuns(seen, fluxes(prior, seen.dates()), fluxes(posterior, seen.dates()))
        notes += [f"{site.site}: {note}." for note in seen.notes]
    return SiteResult(
        site=site.site,
        runs=runs,
        monthly=tuple(scores),
        files=tuple(files),
        draws=(posterior.sizes["member"], asked),
        weather=weather_notes(case),
        notes=tuple(notes),
        synthetic=drawn,
    )


def _submitted(
    query: WriteSubmissionQuery,
    ctx: JobContext,
    sites: list[SiteResult],
    draws: xr.Dataset,
    chains: Chains | None,
) -> Submitted:
    statistics = ctx.open(query.statistics)
    table, about = statistics.open_dataset(STATISTICS), statistics.read_json(SUMMARY)
    runs = [site.runs for site in sites if site.runs is not None]
    good = np.isfinite(table["simulated"].to_numpy()).all(axis=1)
    named = [ref for site in query.sites for ref in (site.prior, site.posterior)]
    before = made_from(ctx.store, [query.statistics, query.draws, *named])
    return Submitted(
        title=query.title or f"CalLMIP Phase 1: {query.model}",
        model=query.model,
        source=about["model"],
        sites=sites,
        changes=[each for one in runs for each in scoring.changes(one, query.held_back_years)],
        coverages=[each for one in runs for each in scoring.coverages(one, query.held_back_years)],
        parameters=read_parameters(about["model"].partition(" ")[0], table, draws),
        chains=chains,
        members=(int(good.sum()), good.size),
        costs=read_costs(before),
        synthetic=bool(about["synthetic"]) or any(site.synthetic for site in sites),
        generated_weather=weather_generated(before),
        statistics=len(about["statistics"]),
        held_back_years=query.held_back_years,
    )
