"""The calibrator's jobs: one function per long rpc, from a request to an artifact.

Each opens its inputs, calls the science and commits. Raise a job's `version` when its science
changes: results of the old version are then not reused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.calibrator import generated
from catena.calibrator.assessment import assess
from catena.calibrator.ensemble import EnsembleData, OutputTable
from catena.calibrator.ensemble_checks import build_ensemble
from catena.calibrator.mcmc import run_mcmc as sample_chains
from catena.calibrator.mlp_fit import SurrogateConfig
from catena.calibrator.model_runs import read_runs, without_dead
from catena.calibrator.posterior_fit import BANK_SIZE, MOST_BANK_NUMBERS, fit_posterior
from catena.calibrator.prior import Prior
from catena.calibrator.queries import (
    CheckCalibrationQuery,
    ImportEnsembleQuery,
    RunMcmcQuery,
    SampleSitesQuery,
    TrainPosteriorQuery,
    TrainSurrogateQuery,
    WriteReportQuery,
)
from catena.calibrator.report import write_page
from catena.calibrator.sites import sample_table
from catena.calibrator.storage import (
    About,
    read_ensemble,
    read_posterior,
    read_statistics,
    read_surrogate,
    write_chains,
    write_check,
    write_ensemble,
    write_posterior,
    write_surrogate,
)
from catena.calibrator.surrogate_fit import fit_surrogate
from catena.calibrator.tables import read_sites, read_table
from catena.shared.jobs import JobContext, job

SERVICE = "calibrator"


@job(service=SERVICE, method="ImportEnsemble", query=ImportEnsembleQuery, version=3)
def import_ensemble(query: ImportEnsembleQuery, ctx: JobContext) -> ArtifactRef:
    """Users' files, runs of ensemble-runner, or generated ones, to an ensemble."""
    ctx.progress(0.1, "reading the runs")
    if query.files is not None:
        ensemble = _read_tables(query, ctx)
    elif query.runs is not None:
        ensemble = _read_runs(query, ctx)
    elif query.statistics is not None:
        ensemble = _read_statistics(query, ctx)
    else:
        ensemble = _generate_runs(query)
    ctx.progress(0.7, f"{ensemble.n_ok} of {ensemble.n_asked} runs are good")
    write_ensemble(ctx.writer, ensemble)
    return ctx.commit(kind="ensemble", units=About.of(ensemble).units(), title=ensemble.title)


def _read_tables(query: ImportEnsembleQuery, ctx: JobContext) -> EnsembleData:
    assert query.files is not None
    names = [parameter.name for parameter in query.parameters]
    table = OutputTable(
        tuple(output.name for output in query.outputs),
        tuple(output.units for output in query.outputs),
        tuple(output.long_name for output in query.outputs),
    )
    artifact = ctx.open(query.files.files)
    fields = {"parameters": "files.parameters_file", "outputs": "files.outputs_file"}
    parameters = read_table(
        query.files.parameters_file,
        artifact.read_bytes(query.files.parameters_file),
        names,
        field=fields["parameters"],
        kind="parameter",
    )
    outputs = read_table(
        query.files.outputs_file,
        artifact.read_bytes(query.files.outputs_file),
        table.names,
        field=fields["outputs"],
        kind="output",
    )
    return build_ensemble(
        Prior(
            tuple(names),
            np.array([parameter.low for parameter in query.parameters]),
            np.array([parameter.high for parameter in query.parameters]),
            tuple(parameter.units for parameter in query.parameters),
        ),
        parameters,
        outputs,
        table,
        held_out_runs=query.held_out_runs,
        parameter_long_names=[parameter.long_name for parameter in query.parameters],
        title=query.title or "a user's runs",
        source_note=query.source_note,
        parameters_field=fields["parameters"],
        outputs_field=fields["outputs"],
    )


def _read_runs(query: ImportEnsembleQuery, ctx: JobContext) -> EnsembleData:
    assert query.runs is not None
    asked = query.runs
    artifact = ctx.open(asked.runs)
    runs = read_runs(
        artifact,
        ctx.store,
        [(variable.name, variable.aggregation) for variable in asked.variables],
        cells=asked.cells,
        start=asked.start,
        end=asked.end,
    )
    runs, dead = without_dead(runs)
    left_out = f"Left out, as they never change: {', '.join(dead)}." if dead else ""
    ensemble = build_ensemble(
        runs.prior,
        runs.parameters,
        runs.outputs,
        runs.table,
        held_out_runs=query.held_out_runs,
        parameter_long_names=runs.parameter_long_names,
        title=query.title or artifact.manifest.title,
        source_note=" ".join(filter(None, [query.source_note, left_out])),
        parameters_field="runs.runs",
        outputs_field="runs.variables",
    )
    return replace(
        ensemble, steps=runs.steps, model=runs.model, generated_weather=runs.generated_weather
    )


def _read_statistics(query: ImportEnsembleQuery, ctx: JobContext) -> EnsembleData:
    assert query.statistics is not None
    artifact = ctx.open(query.statistics.statistics)
    found = read_statistics(artifact)
    ensemble = build_ensemble(
        found.prior,
        found.parameters,
        found.simulated,
        found.table,
        held_out_runs=query.held_out_runs,
        parameter_long_names=found.parameter_long_names,
        title=query.title or artifact.manifest.title,
        source_note=query.source_note,
        parameters_field="statistics.statistics",
        outputs_field="statistics.statistics",
    )
    return replace(ensemble, model=found.model)


def _generate_runs(query: ImportEnsembleQuery) -> EnsembleData:
    assert query.generated is not None
    parameters, outputs = generated.generated_ensemble(
        query.generated.runs, seed=query.generated.seed
    )
    table = generated.PARAMETERS
    return build_ensemble(
        Prior(
            tuple(parameter.name for parameter in table),
            generated.LOW,
            generated.HIGH,
            tuple(parameter.units for parameter in table),
        ),
        parameters,
        outputs,
        OutputTable(
            generated.OUTPUTS,
            (generated.OUTPUT_UNITS,) * len(generated.OUTPUTS),
            tuple(f"annual mean latent heat flux {year}" for year in generated.YEARS),
        ),
        held_out_runs=query.held_out_runs,
        parameter_long_names=[parameter.long_name for parameter in table],
        generated=True,
        title=query.title or "generated runs (a formula, not a land model)",
        source_note=query.source_note,
    )


@job(service=SERVICE, method="TrainSurrogate", query=TrainSurrogateQuery, version=2)
def train_surrogate(query: TrainSurrogateQuery, ctx: JobContext) -> ArtifactRef:
    """Ensemble to surrogate."""
    return _train_surrogate(query, ctx, None)


@job(service=SERVICE, method="TrainSurrogate", query=TrainSurrogateQuery, version=2, cpus=0)
def tune_surrogate(query: TrainSurrogateQuery, ctx: JobContext) -> ArtifactRef:
    """Ensemble to surrogate, with a search for the networks' settings on Ray first."""
    from catena.calibrator.tune import search

    ensemble = read_ensemble(ctx.open(query.ensemble))
    parameters, outputs = ensemble.training()
    config = search(
        parameters,
        outputs,
        ensemble.prior,
        trials=query.tune_trials,
        folds=query.folds,
        svd_above=query.svd_above_outputs,
        seed=query.seed,
        quantities=ensemble.quantities(),
        progress=lambda fraction, message: ctx.progress(0.7 * fraction, message),
        checkpoint=ctx.checkpoint,
    )
    return _train_surrogate(query, ctx, config)


def _train_surrogate(
    query: TrainSurrogateQuery, ctx: JobContext, config: SurrogateConfig | None
) -> ArtifactRef:
    ensemble = read_ensemble(ctx.open(query.ensemble))
    parameters, outputs = ensemble.training()
    surrogate = fit_surrogate(
        parameters,
        outputs,
        ensemble.prior,
        method=query.method,
        seed=query.seed,
        folds=query.folds,
        svd_above=query.svd_above_outputs,
        quantities=ensemble.quantities(),
        config=config,
        progress=ctx.progress,
        # The search keeps its own results in the job's one checkpoint.
        checkpoint=ctx.checkpoint if config is None else None,
    )
    about = About.of(ensemble)
    write_surrogate(ctx.writer, surrogate, about)
    title = f"surrogate ({surrogate.method}) of {ensemble.title}"
    return ctx.commit(kind="surrogate", units=about.units(), title=title)


@job(service=SERVICE, method="TrainPosterior", query=TrainPosteriorQuery, version=2)
def train_posterior(query: TrainPosteriorQuery, ctx: JobContext) -> ArtifactRef:
    """Surrogate to amortised posterior."""
    surrogate, about = read_surrogate(ctx.open(query.surrogate))
    runs = None
    if query.ensemble is not None:
        runs = read_ensemble(ctx.open(query.ensemble)).training()
    posterior = fit_posterior(
        surrogate,
        method=query.method,
        seed=query.seed,
        bank_size=query.bank_size or _bank_size(surrogate.outputs),
        labels=query.labels,
        min_error_fraction=query.min_error_fraction,
        max_error_fraction=query.max_error_fraction,
        ensemble=runs,
        progress=ctx.progress,
        checkpoint=ctx.checkpoint,
    )
    write_posterior(ctx.writer, posterior, about)
    title = f"posterior of {about.data['title']}"
    return ctx.commit(kind="posterior", units=about.units(), title=title)


def _bank_size(outputs: int) -> int:
    """The usual bank, or the largest power of two that memory allows with so many outputs."""
    most = MOST_BANK_NUMBERS // outputs
    return min(BANK_SIZE, 1 << (max(most, 1).bit_length() - 1))


@job(service=SERVICE, method="SampleSites", query=SampleSitesQuery, version=2)
def sample_sites(query: SampleSitesQuery, ctx: JobContext) -> ArtifactRef:
    """Table of observed sites to draws for each."""
    posterior, about = read_posterior(ctx.open(query.posterior))
    data = ctx.open(query.observations).read_bytes(query.observations_file)
    table = read_sites(
        query.observations_file, data, about.outputs.names, field="observations_file"
    )
    dataset, summary = sample_table(
        posterior,
        about,
        table,
        draws=query.draws,
        seed=query.seed,
        method=query.method,
        progress=ctx.progress,
    )
    ctx.writer.write_dataset("draws.zarr", dataset)
    ctx.writer.write_json("draws.json", {"about": about.to_dict(), **summary})
    title = f"{query.draws} draws for each of {len(table.sites)} sites"
    return ctx.commit(kind="draws", units=about.units(), title=title)


@job(service=SERVICE, method="RunMcmc", query=RunMcmcQuery)
def run_mcmc(query: RunMcmcQuery, ctx: JobContext) -> ArtifactRef:
    """Surrogate and one observation to Markov chains."""
    surrogate, about = read_surrogate(ctx.open(query.surrogate))
    values, error_sd, observed = query.observation.arrays()
    chains = sample_chains(
        surrogate,
        values,
        error_sd,
        observed,
        method=query.method,
        chains=query.chains,
        draws=query.draws,
        warmup=query.warmup,
        seed=query.seed,
        progress=ctx.progress,
        checkpoint=ctx.checkpoint,
    )
    write_chains(ctx.writer, chains, about, query.observation.model_dump())
    return ctx.commit(
        kind="chains",
        units=about.units(),
        title=f"Markov chains ({chains.method}) for {query.observation.site or 'one site'}",
        costs={f"sampling_{name}": float(cost) for name, cost in chains.cost.items()},
    )


@job(service=SERVICE, method="CheckCalibration", query=CheckCalibrationQuery, version=2)
def check_calibration(query: CheckCalibrationQuery, ctx: JobContext) -> ArtifactRef:
    """Posterior and ensemble to the results of all checks."""
    posterior, about = read_posterior(ctx.open(query.posterior))
    ensemble = read_ensemble(ctx.open(query.ensemble))
    figures, arrays = assess(
        posterior,
        ensemble,
        pairs=query.simulated_pairs,
        draws=query.draws,
        noise_fraction=query.noise_fraction,
        seed=query.seed,
        method=query.method,
        observation=None if query.observation is None else query.observation.arrays(),
        progress=ctx.progress,
    )
    write_check(ctx.writer, figures, arrays, about)
    return ctx.commit(kind="check", title=f"checks of the posterior of {about.data['title']}")


@job(service=SERVICE, method="WriteReport", query=WriteReportQuery, version=3)
def write_report(query: WriteReportQuery, ctx: JobContext) -> ArtifactRef:
    """Everything so far to one page."""
    opened: dict[str, Any] = {field: ctx.open(ref) for field, ref in query.refs()}
    page, summary = write_page(query, opened, progress=ctx.progress)
    ctx.writer.write_bytes("report.html", page.encode())
    ctx.writer.write_json("report.json", summary)
    # The page shows how long things took, so it differs from run to run; the summary does not.
    return ctx.commit(kind="report", title=summary["title"], timed_files=("report.html",))
