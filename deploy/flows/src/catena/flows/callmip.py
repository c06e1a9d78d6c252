"""CalLMIP Phase 1: ensembles at several towers, one posterior, submission files, report.

A task is one rpc. Whatever was made before is found by its name and not made again, so a run that
broke off is simply run once more.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows import submission_steps as steps
from catena.flows.model_runs import CALIBRATOR, INGEST, RUNNER
from catena.flows.rpc import REPORTS, Ref, Section, ask_job, export_file, say
from catena.flows.steps import read_observation
from catena.flows.submission import Submission, SubmittedSite
from catena.flows.tasks import RPC, publish, scheduled_day
from catena.shared.client import open_store


@task(name="forcing", **RPC)
def ingest_forcing(site: SubmittedSite, as_of: str) -> Ref | None:
    """The weather; None where it is a file of the user's."""
    request = steps.forcing_request(site, as_of)
    return None if request is None else ask_job(INGEST, site.site, "IngestDataset", request)


@task(name="monthly", **RPC)
def ingest_monthly(site: SubmittedSite, as_of: str) -> Ref | None:
    """Monthly fluxes of a validation site; None where there are none."""
    request = steps.monthly_request(site, as_of)
    return None if request is None else ask_job(INGEST, site.site, "IngestDataset", request)


@task(name="runs", **RPC)
def run_ensemble(config: Submission, site: SubmittedSite, forcing: Ref | None) -> Ref:
    """The ensemble at a site."""
    request = steps.runs_request(config, site, forcing)
    return ask_job(RUNNER, f"runs {site.site}", "RunEnsemble", request)


@task(name="round", **RPC)
def run_round(config: Submission, site: SubmittedSite, forcing: Ref | None, chains: Ref) -> Ref:
    """More members, drawn from a posterior."""
    request = steps.round_request(config, site, forcing, chains)
    return ask_job(RUNNER, f"more {site.site}", "RunEnsemble", request)


@task(name="tower", **RPC)
def find_tower(site: SubmittedSite, runs: Ref) -> Section:
    """What the tower measured: the user's file, or one made from a run."""
    drawn = None
    if site.tower is not None and site.tower.synthetic is not None:
        request = steps.drawn_request(site, runs)
        drawn = ask_job(RUNNER, f"tower {site.site}", "DrawFluxes", request)
    return steps.tower_message(site, drawn)


@task(name="statistics", **RPC)
def summarise(config: Submission, runs: dict[str, list[Ref]], towers: dict[str, Section]) -> Ref:
    """Runs and towers as one table."""
    request = steps.statistics_request(config, runs, towers)
    return ask_job(RUNNER, "statistics", "SummariseFluxes", request)


@task(name="ensemble", **RPC)
def import_ensemble(config: Submission, statistics: Ref) -> Ref:
    """The table as an ensemble."""
    request = steps.ensemble_request(config, statistics)
    return ask_job(CALIBRATOR, "ensemble", "ImportEnsemble", request)


@task(name="observation", **RPC)
def observe(ensemble: Ref, statistics: Ref) -> Section:
    """What was observed, with its errors."""
    return read_observation(steps.read_request(ensemble, statistics))[0]


@task(name="surrogate", **RPC)
def train_surrogate(config: Submission, ensemble: Ref) -> Ref:
    """Fast substitute of the model."""
    request = steps.surrogate_request(config, ensemble)
    return ask_job(CALIBRATOR, "surrogate", "TrainSurrogate", request)


@task(name="mcmc", **RPC)
def run_mcmc(config: Submission, surrogate: Ref, observation: Section) -> Ref:
    """The posterior, jointly over the sites."""
    request = steps.mcmc_request(config, surrogate, observation)
    return ask_job(CALIBRATOR, "posterior", "RunMcmc", request)


@task(name="prior", **RPC)
def run_prior(config: Submission, site: SubmittedSite, forcing: Ref | None) -> Ref:
    """The default parameters at a site."""
    request = steps.prior_request(config, site, forcing)
    return ask_job(RUNNER, f"prior {site.site}", "RunCase", request)


@task(name="posterior", **RPC)
def run_posterior(config: Submission, site: SubmittedSite, forcing: Ref | None, chains: Ref) -> Ref:
    """Draws of the posterior at a site."""
    request = steps.posterior_request(config, site, forcing, chains)
    return ask_job(RUNNER, f"draws {site.site}", "RunEnsemble", request)


@task(name="submission", **RPC)
def write_submission(
    config: Submission,
    sites: dict[str, dict[str, Ref]],
    towers: dict[str, Section],
    statistics: Ref,
    chains: Ref,
) -> Ref:
    """Files and report."""
    request = steps.submission_request(config, sites, towers, statistics, chains)
    return ask_job(RUNNER, "submission", "WriteSubmission", request)


@flow(name="callmip", persist_result=False, timeout_seconds=timedelta(hours=12).total_seconds())
def callmip(config: Submission | Path) -> str:
    """Calibrate at several towers and write a submission.

    Parameters
    ----------
    config : Submission or Path
        What is submitted, or its YAML file.

    Returns
    -------
    str
        Path of the report, ``reports/callmip/<name>/report.html`` under the current folder; the
        submission's files lie beside it.

    Raises
    ------
    InvalidRequest
        With every field at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(config, Path):
        config = Submission.from_file(config)
    as_of = scheduled_day()
    steps.check_submission(config, as_of)
    weather = {site.site: ingest_forcing(site, as_of) for site in config.sites}
    runs = {
        site.site: [run_ensemble(config, site, weather[site.site])] for site in config.calibrated
    }
    towers = {site.site: find_tower(site, runs[site.site][0]) for site in config.calibrated}
    statistics, chains = _calibrate(config, runs, towers)
    for _ in range(1, config.rounds):
        for site in config.calibrated:
            runs[site.site].append(run_round(config, site, weather[site.site], chains))
        statistics, chains = _calibrate(config, runs, towers)
    sites = {}
    for site in config.sites:
        forcing = weather[site.site]
        made = {
            "prior": run_prior(config, site, forcing),
            "posterior": run_posterior(config, site, forcing, chains),
            "monthly": ingest_monthly(site, as_of),
        }
        sites[site.site] = {name: ref for name, ref in made.items() if ref is not None}
    submission = write_submission(config, sites, towers, statistics, chains)
    folder = REPORTS / "callmip" / config.name
    for file in open_store().open(submission["uri"]).names:
        export_file(submission, file, folder / file)
    path = (folder / "report.html").absolute()
    publish(
        config.name,
        config.title,
        "callmip",
        path,
        {"statistics": statistics, "chains": chains, "submission": submission},
    )
    say(f"report       {path}")
    return str(path)


def _calibrate(
    config: Submission, runs: dict[str, list[Ref]], towers: dict[str, Section]
) -> tuple[Ref, Ref]:
    """Statistics of the runs, and the posterior that they give."""
    statistics = summarise(config, runs, towers)
    ensemble = import_ensemble(config, statistics)
    observation = observe(ensemble, statistics)
    surrogate = train_surrogate(config, ensemble)
    return statistics, run_mcmc(config, surrogate, observation)
