"""The rpcs of a submission: their requests, and how they are checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from catena.flows.model_runs import CALIBRATOR, INGEST, RUNNER
from catena.flows.rpc import Check, Ref, Section, faults, later, plain_ref
from catena.flows.submission import Submission, SubmittedSite
from catena.shared.client import FieldViolation, InvalidRequest, connect, open_store, put_files

FLUXES = ["NEE", "EFLX_LH_TOT", "FSH"]
"""Outputs that towers measure."""
OUTPUTS = [
    "NEE", "EFLX_LH_TOT", "FSH", "GPP", "AR", "HR", "QVEGT", "QSOIL", "FGR", "TSKIN", "TLAI",
    "TOTVEGC_ABG", "TOTSOMC", "TOTSOILLIQ", "SOILWATER_10CM",
]  # fmt: skip
"""Outputs that submission files are made of."""


# ------------------------------------------------------------------ requests


def forcing_request(site: SubmittedSite, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest for the weather; None where it is a file of the user's."""
    ingest = site.setup.forcing.ingest
    return None if ingest is None else ingest.request(as_of)


def monthly_request(site: SubmittedSite, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest for monthly fluxes; None where there are none."""
    return None if site.monthly is None else site.monthly.ingest.request(as_of)


def runs_request(config: Submission, site: SubmittedSite, forcing: Ref | None) -> Section:
    """Fields of RunEnsembleRequest for the ensemble at a site."""
    return {
        **_common(config, site, forcing),
        "draw": config.draw,
        "outputs": FLUXES,
        "frequency": "daily",
        "title": f"{site.site}: ensemble",
    }


def round_request(
    config: Submission, site: SubmittedSite, forcing: Ref | None, chains: Ref
) -> Section:
    """Fields of RunEnsembleRequest: members where the posterior of the round before lies."""
    return {
        **_common(config, site, forcing),
        "draws": {"draws": chains, "members": config.round_members},
        "outputs": FLUXES,
        "frequency": "daily",
        "title": f"{site.site}: members of another round",
    }


def prior_request(config: Submission, site: SubmittedSite, forcing: Ref | None) -> Section:
    """Fields of RunCaseRequest: the default parameters."""
    return {
        **_common(config, site, forcing),
        "outputs": OUTPUTS,
        "frequencies": ["daily"],
        "title": f"{site.site}: default parameters",
    }


def posterior_request(
    config: Submission, site: SubmittedSite, forcing: Ref | None, chains: Ref
) -> Section:
    """Fields of RunEnsembleRequest: draws of the posterior."""
    return {
        **_common(config, site, forcing),
        "draws": {"draws": chains, "members": config.draws},
        "outputs": OUTPUTS,
        "frequency": "daily",
        "title": f"{site.site}: draws of the posterior",
    }


def drawn_request(site: SubmittedSite, runs: Ref) -> Section:
    """Fields of DrawFluxesRequest, for a synthetic tower."""
    if site.tower is None or site.tower.synthetic is None:
        raise InvalidRequest(f"the tower of {site.site} is not synthetic")
    return {**site.tower.synthetic.model_dump(), "runs": runs, "site": site.site}


def tower_message(site: SubmittedSite, drawn: Ref | None) -> Section:
    """Fields of the message TowerFluxes; a file of the user's goes into the store here."""
    assert site.tower is not None
    if drawn is not None:
        files, file = drawn, str(open_store().open(drawn["uri"]).read_json("fluxes.json")["file"])
    else:
        assert site.tower.path is not None
        files, file = _put(site.tower.path, "fluxes of a tower")
    return {"site": site.site, **site.tower.request, "files": files, "file": file}


def statistics_request(
    config: Submission, runs: Mapping[str, Sequence[Ref]], towers: Mapping[str, Section]
) -> Section:
    """Fields of SummariseFluxesRequest; `runs` are the ensembles of all rounds at each site."""
    return {
        **config.statistics,
        "held_back_years": config.held_back_years,
        "sites": [
            {"runs": list(runs[site.site]), "tower": towers[site.site]}
            for site in config.calibrated
        ],
    }


def ensemble_request(config: Submission, statistics: Ref) -> Section:
    """Fields of ImportEnsembleRequest."""
    return {"title": config.title, "statistics": {"statistics": statistics}}


def read_request(ensemble: Ref, statistics: Ref) -> Section:
    """Fields of ReadObservationRequest."""
    return {"ensemble": ensemble, "statistics": statistics}


def surrogate_request(config: Submission, ensemble: Ref) -> Section:
    """Fields of TrainSurrogateRequest."""
    return {**config.surrogate, "ensemble": ensemble}


def mcmc_request(config: Submission, surrogate: Ref, observation: Section) -> Section:
    """Fields of RunMcmcRequest."""
    return {**config.mcmc, "surrogate": surrogate, "observation": observation}


def submission_request(
    config: Submission,
    sites: Mapping[str, Mapping[str, Ref]],
    towers: Mapping[str, Section],
    statistics: Ref,
    chains: Ref,
) -> Section:
    """Fields of WriteSubmissionRequest.

    Parameters
    ----------
    config : Submission
    sites : mapping
        For each site ``prior``, ``posterior`` and perhaps ``monthly``.
    towers : mapping
        Of the sites that were calibrated.
    statistics, chains : Ref
    """
    listed = []
    for site in config.sites:
        one: Section = {"site": site.site, **sites[site.site]}
        if site.site in towers:
            one["tower"] = towers[site.site]
        if site.monthly is not None and site.monthly.key:
            one["monthly_key"] = site.monthly.key
        listed.append(one)
    return {
        "model": config.model,
        "title": config.title,
        "held_back_years": config.held_back_years,
        "sites": listed,
        "statistics": statistics,
        "draws": chains,
    }


def _common(config: Submission, site: SubmittedSite, ingested: Ref | None) -> Section:
    forcing = site.setup.forcing
    message = dict(forcing.request)
    if forcing.path is not None:
        message["files"], message["file"] = _put(forcing.path, "forcing of a site")
    elif ingested is not None:
        message["dataset"] = ingested
    if forcing.co2_path is not None:
        message["co2"], message["co2_file"] = _put(forcing.co2_path, "CO2 year by year")
    return {"model": config.land_model, "setup": {**site.setup.request, "forcing": message}}


def _put(path: Path, title: str) -> tuple[Ref, str]:
    # Resolved: data are often links to another disk; they keep the link's name.
    return plain_ref(put_files({path.name: path.resolve()}, title=title)), path.name


# ------------------------------------------------------------------ checking before anything runs


def check_submission(config: Submission, as_of: str) -> None:
    """Have every request checked by the services, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field at fault, e.g. ``sites[0].setup.stages[1].kind``.
    """
    found: list[FieldViolation] = []
    for service, requests in _requests(config, as_of).items():
        with connect(service) as client:
            for section, method, make in requests:
                # Fields of the submission itself are at the top of the file.
                found += [
                    FieldViolation(each.field.removeprefix("."), each.description)
                    for each in faults(client, section, method, make)
                ]
    found = list(dict.fromkeys(found))  # the setup of a site is part of several requests
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{config.name}: {len(found)} {noun} not as wanted", violations=found)


def _requests(config: Submission, as_of: str) -> dict[str, list[Check]]:
    """Section, rpc and request of every step, by service."""
    checks: dict[str, list[Check]] = {INGEST: [], RUNNER: [], CALIBRATOR: []}
    for i, site in enumerate(config.sites):
        where = f"sites[{i}]"
        checks[INGEST] += _ingests(where, site, as_of)
        checks[RUNNER] += _runs(config, where, site)
    ensemble, surrogate = later("ensemble"), later("surrogate")
    observation: Section = {"values": [1.0], "error_sd": [1.0]}
    checks[CALIBRATOR] = [
        ("surrogate", "TrainSurrogate", lambda: surrogate_request(config, ensemble)),
        ("mcmc", "RunMcmc", lambda: mcmc_request(config, surrogate, observation)),
    ]
    towers = {
        site.site: {"files": later("files"), "file": "x.nc", "site": site.site}
        for site in config.calibrated
    }
    runs = {site.site: [later("runs")] for site in config.calibrated}
    pair = {"prior": later("case"), "posterior": later("runs")}
    both = {site.site: pair for site in config.sites}
    checks[RUNNER] += [
        ("statistics", "SummariseFluxes", lambda: statistics_request(config, runs, towers)),
        ("", "WriteSubmission", lambda: submission_request(
            config, both, towers, later("statistics"), later("chains"))),
    ]  # fmt: skip
    return {service: listed for service, listed in checks.items() if listed}


def _ingests(where: str, site: SubmittedSite, as_of: str) -> Iterator[Check]:
    weather, monthly = forcing_request(site, as_of), monthly_request(site, as_of)
    if weather is not None:
        yield f"{where}.setup.forcing.ingest", "IngestDataset", lambda: weather
    if monthly is not None:
        yield f"{where}.monthly.ingest", "IngestDataset", lambda: monthly


def _runs(config: Submission, where: str, site: SubmittedSite) -> Iterator[Check]:
    forcing = None if site.setup.forcing.ingest is None else later("dataset")
    yield where, "RunCase", lambda: prior_request(config, site, forcing)
    if site.tower is not None:
        yield where, "RunEnsemble", lambda: runs_request(config, site, forcing)
        if site.tower.synthetic is not None:
            make = lambda: drawn_request(site, later("runs"))  # noqa: E731
            yield f"{where}.tower.synthetic", "DrawFluxes", make
