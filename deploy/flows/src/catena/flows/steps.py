"""The rpcs of a calibration: their requests, and how they are checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from catena.flows.rpc import Ref, Section, faults, later, plain_ref
from catena.flows.site import Site
from catena.shared.client import FieldViolation, InvalidRequest, connect, put_files

SERVICE = "calibrator"


# ------------------------------------------------------------------ requests


def ensemble_request(site: Site) -> Section:
    """Fields of ImportEnsembleRequest; the user's files go into the store here."""
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
    return {"site": site.site, **site.observation.message}


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


def report_request(site: Site, made: dict[str, Ref], observation: Section) -> Section:
    """Fields of WriteReportRequest."""
    return {"title": site.title, **site.report, **made, "observation": observation}


# ------------------------------------------------------------------ asking


def draw_observation(request: Section) -> Section:
    """Observation made from a run, as fields of the message."""
    with connect(SERVICE) as client:
        found = client.call("DrawObservation", request).observation
    return {
        descriptor.name: list(value) if descriptor.is_repeated else value
        for descriptor, value in found.ListFields()
    }


# ------------------------------------------------------------------ checking before anything runs


def check_sections(site: Site) -> None:
    """Have every section checked by the service, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``mcmc.chains``.
    """
    found = _observation_faults(site)
    with connect(SERVICE) as client:
        for section, method, make in _requests(site):
            found += [
                FieldViolation(_own_section(item.field), item.description)
                for item in faults(client, section, method, make)
            ]
    found = list(dict.fromkeys(found))  # the observation is part of several requests
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{site.site}: {len(found)} {noun} not as wanted", violations=found)


def _observation_faults(site: Site) -> list[FieldViolation]:
    # The service can only tell when the surrogate is there; by then minutes have gone.
    values, outputs = site.observation.message.get("values"), site.ensemble.request.get("outputs")
    if not (isinstance(values, list) and isinstance(outputs, list)) or len(values) == len(outputs):
        return []
    return [
        FieldViolation(
            "observation.values",
            f"got {len(values)} values, wanted {len(outputs)}, one per output of the ensemble; "
            "mask what was not observed with `observed`",
        )
    ]


def _requests(site: Site) -> Iterator[tuple[str, str, Callable[[], Section]]]:
    ensemble, surrogate, posterior, check, chains = map(
        later, ("ensemble", "surrogate", "posterior", "check", "chains")
    )
    observation: Section = {"site": site.site, "values": [1.0], "error_sd": [1.0]}
    if site.observation.synthetic is None:
        observation = observation_message(site)
    made = {"ensemble": ensemble, "surrogate": surrogate, "posterior": posterior}
    yield "ensemble", "ImportEnsemble", lambda: ensemble_request(site)
    yield "surrogate", "TrainSurrogate", lambda: surrogate_request(site, ensemble)
    yield "posterior", "TrainPosterior", lambda: posterior_request(site, ensemble, surrogate)
    yield "check", "CheckCalibration", lambda: check_request(site, ensemble, posterior, observation)
    yield "mcmc", "RunMcmc", lambda: mcmc_request(site, surrogate, observation)
    made |= {"check": check, "chains": chains}
    yield "report", "WriteReport", lambda: report_request(site, made, observation)


def _own_section(field: str) -> str:
    # The observation is a section of its own in the file, and part of several requests.
    rest = field.partition(".")[2]
    return rest if rest.partition(".")[0].partition("[")[0] == "observation" else field
