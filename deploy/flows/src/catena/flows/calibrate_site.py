"""Calibrate one site: ensemble, surrogate, posterior, check, Markov chains, report.

A task is one rpc. Whatever was made before is found by its name and not made again, so a run that
broke off is simply run once more.
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from catena.flows.site import Site
from catena.flows.steps import (
    Ref,
    Section,
    ask_job,
    check_request,
    check_sections,
    draw_observation,
    ensemble_request,
    mcmc_request,
    observation_message,
    observation_request,
    posterior_request,
    report_request,
    say,
    surrogate_request,
)
from catena.shared.client import JobInterrupted, Unavailable, open_store

REPORTS = Path("reports")


async def _again(task: Any, run: Any, state: Any) -> bool:
    # Only what passes by itself: the server or the Ray cluster was away for longer than the
    # client's own patience. A wrong request or a failed job would fail again.
    try:
        await state.aresult(raise_on_failure=True)
    except (JobInterrupted, Unavailable):
        return True
    except Exception:
        return False
    return False


# The store caches results, under names that know the content; Prefect must not do it as well.
_RPC: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_condition_fn": _again,
}


@task(name="ensemble", **_RPC)
def import_ensemble(site: Site) -> Ref:
    """The user's runs, or generated ones, as an ensemble."""
    return ask_job("ensemble", "ImportEnsemble", ensemble_request(site))


@task(name="observation", **_RPC)
def make_observation(site: Site, ensemble: Ref) -> Section:
    """Observation out of one run plus noise."""
    return draw_observation(observation_request(site, ensemble))


@task(name="surrogate", **_RPC)
def train_surrogate(site: Site, ensemble: Ref) -> Ref:
    """Fast substitute of the model."""
    return ask_job("surrogate", "TrainSurrogate", surrogate_request(site, ensemble))


@task(name="posterior", **_RPC)
def train_posterior(site: Site, ensemble: Ref, surrogate: Ref) -> Ref:
    """Amortised posterior."""
    request = posterior_request(site, ensemble, surrogate)
    return ask_job("posterior", "TrainPosterior", request)


@task(name="check", **_RPC)
def check_calibration(site: Site, ensemble: Ref, posterior: Ref, observation: Section) -> Ref:
    """Can the posterior be believed?"""
    request = check_request(site, ensemble, posterior, observation)
    return ask_job("check", "CheckCalibration", request)


@task(name="mcmc", **_RPC)
def run_mcmc(site: Site, surrogate: Ref, observation: Section) -> Ref:
    """Markov chains on the same likelihood: the yardstick."""
    return ask_job("mcmc", "RunMcmc", mcmc_request(site, surrogate, observation))


@task(name="report", **_RPC)
def write_report(site: Site, made: dict[str, Ref], observation: Section) -> Ref:
    """Report of the calibration."""
    return ask_job("report", "WriteReport", report_request(site, made, observation))


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
    path = export_report(site, report)
    _publish(site, path, {**made, "report": report})
    say(f"report       {path}")
    return str(path)


def export_report(site: Site, report: Ref) -> Path:
    """Copy the page out of the store to where the user looks for it."""
    page = open_store().open(report["uri"]).read_bytes("report.html")
    path = (REPORTS / f"{site.site}.html").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".html")
    with os.fdopen(handle, "wb") as file:
        file.write(page)
    Path(name).chmod(0o644)
    Path(name).replace(path)
    return path


def _publish(site: Site, path: Path, made: dict[str, Ref]) -> None:
    # Keys of Prefect's artifacts have lower-case letters, digits and dashes only.
    key = "".join(c if c.isalnum() else "-" for c in site.site.lower())
    create_link_artifact(link=path.as_uri(), link_text=path.name, key=f"report-{key}")
    rows = "\n".join(f"| {step} | `{ref['uri']}` |" for step, ref in made.items())
    create_markdown_artifact(
        f"# {site.title or site.site}\n\nReport: [{path}]({path.as_uri()})\n\n"
        f"| step | artifact |\n|---|---|\n{rows}\n",
        key=f"calibration-{key}",
    )
