"""Calibrate one site: ensemble, surrogate, posterior, check, Markov chains, report.

A task is one rpc. Whatever was made before is found by its name and not made again, so a run that
broke off is simply run once more.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows.rpc import REPORTS, Ref, Section, ask_job, export_file, say
from catena.flows.site import Site
from catena.flows.steps import (
    SERVICE,
    check_request,
    check_sections,
    draw_observation,
    ensemble_request,
    mcmc_request,
    observation_message,
    observation_request,
    posterior_request,
    report_request,
    surrogate_request,
)
from catena.flows.tasks import RPC, publish


@task(name="ensemble", **RPC)
def import_ensemble(site: Site) -> Ref:
    """The user's runs, or generated ones, as an ensemble."""
    return ask_job(SERVICE, "ensemble", "ImportEnsemble", ensemble_request(site))


@task(name="observation", **RPC)
def make_observation(site: Site, ensemble: Ref) -> Section:
    """Observation out of one run plus noise."""
    return draw_observation(observation_request(site, ensemble))


@task(name="surrogate", **RPC)
def train_surrogate(site: Site, ensemble: Ref) -> Ref:
    """Fast substitute of the model."""
    return ask_job(SERVICE, "surrogate", "TrainSurrogate", surrogate_request(site, ensemble))


@task(name="posterior", **RPC)
def train_posterior(site: Site, ensemble: Ref, surrogate: Ref) -> Ref:
    """Amortised posterior."""
    request = posterior_request(site, ensemble, surrogate)
    return ask_job(SERVICE, "posterior", "TrainPosterior", request)


@task(name="check", **RPC)
def check_calibration(site: Site, ensemble: Ref, posterior: Ref, observation: Section) -> Ref:
    """Can the posterior be believed?"""
    request = check_request(site, ensemble, posterior, observation)
    return ask_job(SERVICE, "check", "CheckCalibration", request)


@task(name="mcmc", **RPC)
def run_mcmc(site: Site, surrogate: Ref, observation: Section) -> Ref:
    """Markov chains on the same likelihood: the yardstick."""
    return ask_job(SERVICE, "mcmc", "RunMcmc", mcmc_request(site, surrogate, observation))


@task(name="report", **RPC)
def write_report(site: Site, made: dict[str, Ref], observation: Section) -> Ref:
    """Report of the calibration."""
    return ask_job(SERVICE, "report", "WriteReport", report_request(site, made, observation))


@flow(name="calibrate_site", persist_result=False, timeout_seconds=timedelta(hours=12).seconds)
def calibrate_site(site: Site | Path) -> str:
    """Calibrate a site and write its report.

    Parameters
    ----------
    site : Site or Path
        The site, or its YAML file.

    Returns
    -------
    str
        Path of the report, ``reports/<site>.html`` under the current folder.

    Raises
    ------
    InvalidRequest
        With every field of the site at fault, before anything runs.
    JobFailed
        When a step fails.
    """
    if isinstance(site, Path):
        site = Site.from_file(site)
    check_sections(site)
    ensemble = import_ensemble(site)
    if site.observation.synthetic is None:
        observation = observation_message(site)
    else:
        observation = make_observation(site, ensemble)
    surrogate = train_surrogate(site, ensemble)
    posterior = train_posterior(site, ensemble, surrogate)
    check = check_calibration(site, ensemble, posterior, observation)
    chains = run_mcmc(site, surrogate, observation)
    made = {
        "ensemble": ensemble,
        "surrogate": surrogate,
        "posterior": posterior,
        "check": check,
        "chains": chains,
    }
    report = write_report(site, made, observation)
    path = export_file(report, "report.html", REPORTS / f"{site.site}.html")
    publish(site.site, site.title, "calibration", path, {**made, "report": report})
    say(f"report       {path}")
    return str(path)
