"""Calibrate one site: runs, surrogate, posterior, check, chains, spin-up, predictive runs, report.

A task is one rpc. Whatever was made before is found by its name and not made again, so a run that
broke off is simply run once more.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow, task

from catena.flows.model_runs import (
    INGEST,
    RUNNER,
    draw_posterior,
    forcing_request,
    observed_request,
    predictive_request,
    read_request,
    runs_request,
)
from catena.flows.rpc import REPORTS, Ref, Section, ask_job, export_file, say
from catena.flows.site import Site
from catena.flows.site_spin_up import (
    begun_request,
    emulator_request,
    sample_request,
    spin_up_request,
)
from catena.flows.spin_up_steps import TRAINER
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
    read_observation,
    report_request,
    surrogate_request,
)
from catena.flows.tasks import RPC, publish, scheduled_day


@task(name="forcing", **RPC)
def ingest_forcing(site: Site, as_of: str) -> Ref | None:
    """The weather; None where it is a file of the user's."""
    request = forcing_request(site, as_of)
    return None if request is None else ask_job(INGEST, "forcing", "IngestDataset", request)


@task(name="runs", **RPC)
def run_ensemble(site: Site, forcing: Ref | None) -> Ref:
    """Members of the land model."""
    return ask_job(RUNNER, "runs", "RunEnsemble", runs_request(site, forcing))


@task(name="ensemble", **RPC)
def import_ensemble(site: Site, runs: Ref | None) -> Ref:
    """The model's runs, the user's, or generated ones, as an ensemble."""
    return ask_job(SERVICE, "ensemble", "ImportEnsemble", ensemble_request(site, runs))


@task(name="observation", **RPC)
def make_observation(site: Site, ensemble: Ref) -> Section:
    """Observation out of one run plus noise."""
    return draw_observation(observation_request(site, ensemble))


@task(name="observed", **RPC)
def ingest_observed(site: Site, as_of: str) -> Ref:
    """The dataset that the observation is in."""
    return ask_job(INGEST, "observed", "IngestDataset", observed_request(site, as_of))


@task(name="observation", **RPC)
def cut_observation(site: Site, ensemble: Ref, dataset: Ref) -> tuple[Section, Section | None]:
    """Observation out of a dataset: what is used, and what is held back."""
    return read_observation(read_request(site, ensemble, dataset))


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


@task(name="draws", **RPC)
def sample_posterior(
    site: Site, posterior: Ref, observation: Section
) -> tuple[list[str], list[float]]:
    """Draws of the posterior."""
    return draw_posterior(site, posterior, observation)


@task(name="predictive", **RPC)
def run_predictive(site: Site, forcing: Ref | None, draws: tuple[list[str], list[float]]) -> Ref:
    """The land model itself with draws of the posterior."""
    request = predictive_request(site, runs_request(site, forcing), *draws)
    return ask_job(RUNNER, "predictive", "RunEnsemble", request)


@task(name="sample", **RPC)
def spin_up_sample(site: Site, forcing: Ref | None) -> Ref:
    """Native spin-ups at the site, for the emulator to learn from."""
    return ask_job(RUNNER, "sample", "SpinUp", sample_request(site, forcing))


@task(name="emulator", **RPC)
def train_emulator(site: Site, sample: Ref) -> Ref:
    """The emulator of the site's equilibrium under any parameters."""
    return ask_job(TRAINER, "emulator", "FineTune", emulator_request(site, sample))


@task(name="spin-up", **RPC)
def emulate(
    site: Site, forcing: Ref | None, emulator: Ref, draws: tuple[list[str], list[float]]
) -> Ref:
    """Draws of the posterior at their equilibrium, checked; natively where the emulator fails."""
    request = spin_up_request(site, forcing, emulator, *draws)
    return ask_job(RUNNER, "spin-up", "SpinUp", request)


@task(name="predictive", **RPC)
def run_begun(
    site: Site, forcing: Ref | None, states: Ref, draws: tuple[list[str], list[float]]
) -> Ref:
    """The land model itself with draws of the posterior, each from its own equilibrium."""
    request = begun_request(site, forcing, states, *draws)
    return ask_job(RUNNER, "predictive", "RunEnsemble", request)


@task(name="report", **RPC)
def write_report(
    site: Site, made: dict[str, Ref], observation: Section, withheld: Section | None
) -> Ref:
    """Report of the calibration."""
    request = report_request(site, made, observation, withheld)
    return ask_job(SERVICE, "report", "WriteReport", request)


@flow(
    name="calibrate_site", persist_result=False, timeout_seconds=timedelta(hours=12).total_seconds()
)
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
    as_of = scheduled_day()
    check_sections(site, as_of)
    forcing = runs = None
    if site.ensemble.run is not None:
        forcing = ingest_forcing(site, as_of)
        runs = run_ensemble(site, forcing)
    ensemble = import_ensemble(site, runs)
    observation, withheld = _observe(site, ensemble, as_of)
    surrogate = train_surrogate(site, ensemble)
    posterior = train_posterior(site, ensemble, surrogate)
    made = {
        "ensemble": ensemble,
        "surrogate": surrogate,
        "posterior": posterior,
        "check": check_calibration(site, ensemble, posterior, observation),
        "chains": run_mcmc(site, surrogate, observation),
    }
    if runs is not None:
        draws = sample_posterior(site, posterior, observation)
        made |= _predict(site, forcing, draws)
    report = write_report(site, made, observation, withheld)
    path = export_file(report, "report.html", REPORTS / f"{site.site}.html")
    if runs is not None:
        made = {"runs": runs, **made}
    publish(site.site, site.title, "calibration", path, {**made, "report": report})
    if "spin_up" in made:
        beside = REPORTS / f"{site.site}-spin-up.html"
        say(f"spin-up      {export_file(made['spin_up'], 'report.html', beside)}")
    say(f"report       {path}")
    return str(path)


def _predict(
    site: Site, forcing: Ref | None, draws: tuple[list[str], list[float]]
) -> dict[str, Ref]:
    """Runs of the model with draws of the posterior, and what they began from."""
    if site.spin_up is None:
        return {"predictive": run_predictive(site, forcing, draws)}
    emulator = train_emulator(site, spin_up_sample(site, forcing))
    states = emulate(site, forcing, emulator, draws)
    return {"spin_up": states, "predictive": run_begun(site, forcing, states, draws)}


def _observe(site: Site, ensemble: Ref, as_of: str) -> tuple[Section, Section | None]:
    """The observation, and what of it is held back."""
    if site.observation.data is not None:
        return cut_observation(site, ensemble, ingest_observed(site, as_of))
    if site.observation.synthetic is not None:
        return make_observation(site, ensemble), None
    return observation_message(site), None
