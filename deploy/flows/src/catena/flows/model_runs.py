"""Runs of the land model: their forcing, their members, and the members of the posterior."""

from __future__ import annotations

from collections.abc import Sequence

from catena.flows.rpc import Ref, Section, plain_ref
from catena.flows.site import Forcing, Site
from catena.shared.client import InvalidRequest, connect, put_files

RUNNER = "ensemble-runner"
INGEST = "data-ingest"
CALIBRATOR = "calibrator"


def forcing_request(site: Site, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest for the forcing; None where it is not ingested."""
    ingest = _forcing(site).ingest
    return None if ingest is None else ingest.request(as_of)


def observed_request(site: Site, as_of: str) -> Section:
    """Fields of IngestDatasetRequest for the observation."""
    if site.observation.data is None:
        raise InvalidRequest("this site's observation comes from no archive")
    return site.observation.data.ingest.request(as_of)


def runs_request(site: Site, forcing: Ref | None) -> Section:
    """Fields of RunEnsembleRequest; a driver file goes into the store here.

    Parameters
    ----------
    site : Site
    forcing : Ref or None
        What was ingested for it.
    """
    assert site.ensemble.run is not None
    run = site.ensemble.run
    asked = dict(run.request)
    if "outputs" not in asked:
        asked["outputs"] = [one["name"] for one in site.ensemble.request.get("variables", ())]
    setup = {**run.setup.request, "forcing": forcing_message(run.setup.forcing, forcing)}
    return {**asked, "setup": setup}


def predictive_request(
    site: Site, runs: Section, names: Sequence[str], rows: Sequence[float]
) -> Section:
    """Fields of RunEnsembleRequest for draws of the posterior.

    Parameters
    ----------
    site : Site
    runs : dict
        Request of the ensemble: all but its members stays as it was.
    names : sequence of str
        Of the parameters: ``name`` or ``name.pft``.
    rows : sequence of float
        Row-major, draws x parameters.
    """
    columns = []
    for name in names:
        parameter, _, pft = name.partition(".")
        columns.append({"name": parameter, "pft": pft} if pft else {"name": parameter})
    common = {key: value for key, value in runs.items() if key not in ("draw", "table", "draws")}
    title = f"{site.site}: the model with draws of the posterior"
    return {**common, "title": title, "table": {"columns": columns, "values": list(rows)}}


def draw_posterior(
    site: Site, posterior: Ref, observation: Section
) -> tuple[list[str], list[float]]:
    """Names of the parameters, and draws for the site's observation, row-major."""
    request = {
        "posterior": posterior,
        "observations": [observation],
        "draws": site.predictive.draws,
        "seed": site.predictive.seed,
    }
    with connect(CALIBRATOR) as client:
        (draws,) = client.call("SamplePosterior", request).draws
    return list(draws.parameters), list(draws.values)


def import_request(site: Site, runs: Ref) -> Section:
    """The source ``runs`` of ImportEnsembleRequest, and the fields that stay outside of it."""
    asked = dict(site.ensemble.request)
    inside = {name: asked.pop(name) for name in site.ensemble.of_runs if name in asked}
    return {**asked, "runs": {**inside, "runs": runs}}


def read_request(site: Site, ensemble: Ref, dataset: Ref) -> Section:
    """Fields of ReadObservationRequest."""
    assert site.observation.data is not None
    return {**site.observation.data.request, "ensemble": ensemble, "dataset": dataset}


def _forcing(site: Site) -> Forcing:
    if site.ensemble.run is None:
        raise InvalidRequest("this site's ensemble is not run")
    return site.ensemble.run.setup.forcing


def forcing_message(forcing: Forcing, ingested: Ref | None) -> Section:
    """Fields of the message Forcing; a driver file goes into the store here."""
    if forcing.path is not None:
        # Resolved: data are often links to another disk; they keep the link's name.
        put = put_files({forcing.path.name: forcing.path.resolve()}, title="forcing of a site")
        return {**forcing.request, "files": plain_ref(put), "file": forcing.path.name}
    if ingested is not None:
        return {**forcing.request, "dataset": ingested}
    return forcing.request
