"""Jobs about flux sites: statistics for a calibration, and submission files of CalLMIP."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import xarray as xr

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.coupler.callmip.checks import check_submission
from catena.coupler.callmip.protocol import CALIBRATION_SITES, SubmissionName
from catena.coupler.callmip.submission import write_submission as write_file
from catena.coupler.forcing.calendar import dates
from catena.ensemble_runner import submission_scores as scoring
from catena.ensemble_runner.daily_series import dates_of, fluxes, series_on
from catena.ensemble_runner.inputs import field
from catena.ensemble_runner.models import Column, open_model
from catena.ensemble_runner.storage import RUNS, SERVICE
from catena.ensemble_runner.submission_report import Parameter, Submitted, summary, write_page
from catena.ensemble_runner.submitted import (
    HISTORY,
    SITE_OUTPUTS,
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


@job(service=SERVICE, method="SummariseFluxes", query=SummariseFluxesQuery)
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


@job(service=SERVICE, method="WriteSubmission", query=WriteSubmissionQuery)
def write_submission(query: WriteSubmissionQuery, ctx: JobContext) -> ArtifactRef:
    """Runs before and after a calibration to submission files and a report."""
    runs: list[scoring.SiteRuns] = []
    monthly: list[scoring.MonthlyScore] = []
    files: list[tuple[str, int, int]] = []
    notes: list[str] = []
    synthetic = False
    for i, site in enumerate(query.sites):
        ctx.progress(0.9 * i / len(query.sites), f"writing the files of {site.site}")
        with field(f"sites[{i}]"):
            made, scores, drawn = _write_site(query.model, site, ctx, files)
        monthly += scores
        synthetic = synthetic or drawn
        if made is not None:
            runs.append(made)
            notes += [f"{made.observed.site}: {note}." for note in made.observed.notes]
    ctx.progress(0.9, "writing the report")
    found = _submitted(query, ctx, runs, monthly, files, notes, synthetic)
    ctx.writer.write_json("submission.json", summary(found))
    ctx.writer.write_bytes("report.html", write_page(found).encode())
    return ctx.commit(kind="submission", title=found.title, timed_files=("report.html",))


def _write_site(
    model: str, site: SubmittedSite, ctx: JobContext, files: list[tuple[str, int, int]]
) -> tuple[scoring.SiteRuns | None, list[scoring.MonthlyScore], bool]:
    """Both files of a site; its runs on the days of its tower, and its months."""
    prior = ctx.open(site.prior).open_dataset(HISTORY)
    posterior = ctx.open(site.posterior).open_dataset(RUNS)
    posterior = posterior.isel(member=np.flatnonzero(posterior["ok"].to_numpy()))
    seen, drawn = read_tower(site.tower, ctx.open) if site.tower is not None else (None, False)
    if seen is not None and seen.site != site.site:
        raise InvalidData(f"found the tower of {seen.site}, wanted that of {site.site}")
    days = submission_days(prior, seen)
    purpose = "Cal" if site.site in CALIBRATION_SITES else "Val"
    before = series_on(prior, SITE_OUTPUTS, days)
    draws = series_on(posterior, SITE_OUTPUTS, days)
    variables, after = after_variables(draws)
    place = (float(prior["lat"][0]), float(prior["lon"][0]))
    for stage, series in (("Prior", None), ("Posterior", variables)):
        name = SubmissionName(model, 1, site.site, purpose, stage)  # type: ignore[arg-type]
        made = submission_of(name, place, days, before if series is None else after, series)
        with tempfile.TemporaryDirectory(prefix="catena-") as folder:
            path = write_file(folder, made, observations=seen)
            report = check_submission(path, observations=seen)
            files.append((path.name, len(report.of("passed")), len(report.failed)))
            ctx.writer.write_bytes(path.name, path.read_bytes())
    scores = []
    if site.monthly is not None:
        observed = read_monthly(site.monthly, site.monthly_key, site.site, ctx.open)
        stages = {"before": monthly_series(before), "after": monthly_series(after)}
        scores = scoring.monthly_scores(site.site, observed, days, stages)
    if seen is None:
        return None, scores, False
    runs = scoring.SiteRuns(
        seen,
        fluxes(prior, seen.dates()),
        fluxes(posterior, seen.dates()),
    )
    return runs, scores, drawn


def _submitted(
    query: WriteSubmissionQuery,
    ctx: JobContext,
    runs: list[scoring.SiteRuns],
    monthly: list[scoring.MonthlyScore],
    files: list[tuple[str, int, int]],
    notes: list[str],
    synthetic: bool,
) -> Submitted:
    statistics = ctx.open(query.statistics)
    about = statistics.read_json(SUMMARY)
    held_back = query.held_back_years
    if about["held_back_years"] != held_back:
        raise InvalidData(
            f"held_back_years: found {held_back}, but {about['held_back_years']} were held back in "
            "the statistics; give the same number"
        )
    draws = ctx.open(query.draws)
    return Submitted(
        title=query.title or f"CalLMIP Phase 1: {query.model}",
        model=query.model,
        source=about["model"],
        runs=runs,
        changes=[each for one in runs for each in scoring.changes(one, held_back)],
        coverages=[each for one in runs for each in scoring.coverages(one, held_back)],
        monthly=monthly,
        files=files,
        parameters=_parameters(
            about["model"].partition(" ")[0],
            statistics.open_dataset(STATISTICS),
            draws.open_dataset(f"{draws.kind}.zarr"),
        ),
        notes=list(dict.fromkeys(notes)),
        costs=_costs(query, ctx),
        synthetic=synthetic or bool(about["synthetic"]),
        generated_weather=_generated(query, ctx),
        statistics=len(about["statistics"]),
    )


def _parameters(model: str, statistics: xr.Dataset, draws: xr.Dataset) -> list[Parameter]:
    known = {parameter.name: parameter for parameter in open_model(model).parameters}
    pfts = list(open_model(model).pfts)
    rows = draws["parameters"].to_numpy().reshape(-1, draws.sizes["parameter"])
    names = [str(name) for name in draws["parameter"].to_numpy()]
    made = []
    for i, label in enumerate(statistics["parameter"].to_numpy()):
        column = Column.from_label(str(label))
        defaults = known[column.name].defaults
        after = np.quantile(rows[:, names.index(str(label))], (0.05, 0.5, 0.95))
        made.append(
            Parameter(
                str(label),
                str(statistics["parameter_units"].to_numpy()[i]),
                defaults[pfts.index(column.pft)] if column.pft else defaults[0],
                float(statistics["parameter_low"][i]),
                float(statistics["parameter_high"][i]),
                (float(after[0]), float(after[1]), float(after[2])),
            )
        )
    return made


def _costs(query: WriteSubmissionQuery, ctx: JobContext) -> list[tuple[str, float]]:
    """Wall-clock seconds of the steps that this submission names."""
    steps: list[tuple[str, Any]] = [
        ("Statistics of the ensemble", query.statistics),
        ("Sampling of the posterior", query.draws),
    ]
    for site in query.sites:
        steps += [
            (f"Default run at {site.site}", site.prior),
            (f"Runs of the posterior at {site.site}", site.posterior),
        ]
    known = [(step, ctx.open(ref).manifest.costs.get("wall_s")) for step, ref in steps]
    return [(step, float(seconds)) for step, seconds in known if seconds is not None]


def _generated(query: WriteSubmissionQuery, ctx: JobContext) -> bool:
    """Whether a generator made the weather of one of the sites."""
    for site in query.sites:
        for item in ctx.open(site.prior).manifest.lineage.inputs:
            if (
                item.kind == "dataset"
                and ctx.store.open(item).read_json("ingest.json")["generated"]
            ):
                return True
    return False
