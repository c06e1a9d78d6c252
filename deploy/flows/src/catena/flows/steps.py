"""The rpcs of a calibration: their requests, and how they are checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catena.flows import site_spin_up
from catena.flows.model_runs import (
    CALIBRATOR,
    INGEST,
    RUNNER,
    forcing_request,
    import_request,
    observed_request,
    read_request,
    runs_request,
)
from catena.flows.rpc import Check, Ref, Section, faults, later, plain_ref
from catena.flows.site import Site
from catena.shared.client import FieldViolation, InvalidRequest, connect, put_files

SERVICE = CALIBRATOR


# ------------------------------------------------------------------ requests


def ensemble_request(site: Site, runs: Ref | None = None) -> Section:
    """Fields of ImportEnsembleRequest; the user's files go into the store here.

    Parameters
    ----------
    site : Site
    runs : Ref, optional
        Runs of the land model, where the ensemble is run.
    """
    if runs is not None:
        return import_request(site, runs)
    request = {"title": site.title, **site.ensemble.request}
    files = site.ensemble.files
    if files is not None:
        # Resolved: on clusters, data are often links to another disk; they keep the link's name.
        both = (files.parameters_file, files.outputs_file)
        by_name = {path.name: path.resolve() for path in both}
        if len(by_name) == 1 and files.parameters_file != files.outputs_file:
            raise InvalidRequest(
                "the two files of the ensemble have the same name",
                violations=[FieldViolation("ensemble.files", "rename one of the two files")],
            )
        request["files"] = {
            "files": plain_ref(put_files(by_name, title=f"runs of {site.site}")),
            "parameters_file": files.parameters_file.name,
            "outputs_file": files.outputs_file.name,
        }
    return request


def observation_request(site: Site, ensemble: Ref) -> Section:
    """Fields of DrawObservationRequest, for a synthetic observation."""
    synthetic = site.observation.synthetic
    if synthetic is None:
        raise InvalidRequest("this site has an observation; there is none to draw")
    return {**synthetic.model_dump(), "ensemble": ensemble, "site": site.site}


def observation_message(site: Site) -> Section:
    """Fields of the message Observation, for given values."""
    return {"site": site.site, **site.observation.request}


def surrogate_request(site: Site, ensemble: Ref) -> Section:
    """Fields of TrainSurrogateRequest."""
    return {**site.surrogate, "ensemble": ensemble}


def posterior_request(site: Site, ensemble: Ref, surrogate: Ref) -> Section:
    """Fields of TrainPosteriorRequest."""
    request = {**site.posterior, "surrogate": surrogate}
    if site.posterior.get("method") == "faithful":
        request["ensemble"] = ensemble  # the published method learns from the raw runs
    return request


def check_request(site: Site, ensemble: Ref, posterior: Ref, observation: Section) -> Section:
    """Fields of CheckCalibrationRequest."""
    given = {"ensemble": ensemble, "posterior": posterior, "observation": observation}
    return {**site.check, **given}


def mcmc_request(site: Site, surrogate: Ref, observation: Section) -> Section:
    """Fields of RunMcmcRequest: the same surrogate, hence the same likelihood."""
    return {**site.mcmc, "surrogate": surrogate, "observation": observation}


def report_request(
    site: Site, made: dict[str, Ref], observation: Section, withheld: Section | None = None
) -> Section:
    """Fields of WriteReportRequest."""
    request = {"title": site.title, **site.report, **made, "observation": observation}
    return request if withheld is None else {**request, "withheld": withheld}


# ------------------------------------------------------------------ asking


def draw_observation(request: Section) -> Section:
    """Observation made from a run, as fields of the message."""
    with connect(SERVICE) as client:
        return _fields(client.call("DrawObservation", request).observation)


def read_observation(request: Section) -> tuple[Section, Section | None]:
    """What was observed and is used, and what is held back, as fields of the message."""
    with connect(SERVICE) as client:
        reply = client.call("ReadObservation", request)
    return _fields(reply.observation), _fields(reply.withheld) if reply.HasField(
        "withheld"
    ) else None


def _fields(message: Any) -> Section:
    return {
        descriptor.name: list(value) if descriptor.is_repeated else value
        for descriptor, value in message.ListFields()
    }


# ------------------------------------------------------------------ checking before anything runs


def check_sections(site: Site, as_of: str) -> None:
    """Have every section checked by the services, before anything runs.

    Parameters
    ----------
    site : Site
    as_of : str
        Day of which archives' content is meant.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``mcmc.chains``.
    """
    found = _observation_faults(site)
    for service, requests in _requests(site, as_of).items():
        with connect(service) as client:
            for section, method, make in requests:
                found += [
                    FieldViolation(_own_section(item.field), item.description)
                    for item in faults(client, section, method, make, quick=method in _QUICK)
                ]
    found = list(dict.fromkeys(found))  # the observation is part of several requests
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{site.site}: {len(found)} {noun} not as wanted", violations=found)


_QUICK = frozenset({"ReadObservation"})


def _observation_faults(site: Site) -> list[FieldViolation]:
    # The service can only tell when the surrogate is there; by then minutes have gone.
    if site.observation.data is not None and site.ensemble.run is None:
        text = "is read at the times of ensemble.run, which is missing; give the values instead"
        return [FieldViolation("observation.data", text)]
    values, outputs = site.observation.request.get("values"), site.ensemble.request.get("outputs")
    if not (isinstance(values, list) and isinstance(outputs, list)) or len(values) == len(outputs):
        return []
    return [
        FieldViolation(
            "observation.values",
            f"got {len(values)} values, wanted {len(outputs)}, one per output of the ensemble; "
            "mask what was not observed with `observed`",
        )
    ]


def _requests(site: Site, as_of: str) -> dict[str, list[Check]]:
    """Section, rpc and request of every step, by service."""
    checks: dict[str, list[Check]] = {SERVICE: list(_calibration(site))}
    if site.ensemble.run is not None:
        weather = forcing_request(site, as_of)
        forcing = None if weather is None else later("dataset")
        checks[RUNNER] = [("ensemble.run", "RunEnsemble", lambda: runs_request(site, forcing))]
        if weather is not None:
            where = "ensemble.run.setup.forcing.ingest"
            checks.setdefault(INGEST, []).append((where, "IngestDataset", lambda: weather))
        if site.spin_up is not None:
            for service, check in site_spin_up.checks(site, forcing):
                checks.setdefault(service, []).append(check)
    if site.observation.data is not None:
        checks.setdefault(INGEST, []).append(
            ("observation.data.ingest", "IngestDataset", lambda: observed_request(site, as_of))
        )
    return checks


def _calibration(site: Site) -> Iterator[Check]:
    ensemble, surrogate, posterior, check, chains = map(
        later, ("ensemble", "surrogate", "posterior", "check", "chains")
    )
    runs = None if site.ensemble.run is None else later("runs")
    observation: Section = {"site": site.site, "values": [1.0], "error_sd": [1.0]}
    data = site.observation.data
    if site.observation.synthetic is None and data is None:
        observation = observation_message(site)
    made = {"ensemble": ensemble, "surrogate": surrogate, "posterior": posterior}
    yield "ensemble", "ImportEnsemble", lambda: ensemble_request(site, runs)
    if data is not None and runs is not None:
        dataset = later("dataset")
        yield "observation.data", "ReadObservation", lambda: read_request(site, ensemble, dataset)
    yield "surrogate", "TrainSurrogate", lambda: surrogate_request(site, ensemble)
    yield "posterior", "TrainPosterior", lambda: posterior_request(site, ensemble, surrogate)
    yield "check", "CheckCalibration", lambda: check_request(site, ensemble, posterior, observation)
    yield "mcmc", "RunMcmc", lambda: mcmc_request(site, surrogate, observation)
    made |= {"check": check, "chains": chains}
    if runs is not None:
        made |= {"predictive": runs}
    yield "report", "WriteReport", lambda: report_request(site, made, observation)


def _own_section(field: str) -> str:
    """Where a field of a request stands in the file."""
    if field.startswith("ensemble.runs."):
        return f"ensemble.{field.removeprefix('ensemble.runs.')}"
    if field.startswith("observation."):
        return field
    # The observation is a section of its own in the file, and part of several requests.
    rest = field.partition(".")[2]
    return rest if rest.partition(".")[0].partition("[")[0] == "observation" else field
