"""The rpcs of a region's spin-ups: their requests, and how they are checked beforehand."""

from __future__ import annotations

from typing import Any

from catena.flows.model_runs import INGEST, RUNNER, forcing_message
from catena.flows.rpc import Check, Ref, Section, faults, later, plain_ref
from catena.flows.spin_ups import LEARNED, SpinUpRegion
from catena.shared.client import FieldViolation, InvalidRequest, connect, put_files

TRAINER = "orbit-trainer"
SITES = "sites.safetensors"
"""Where a spin-up keeps what can be learned from it."""


# ------------------------------------------------------------------ requests


def weather_request(config: SpinUpRegion, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest for the weather; None where it is not ingested."""
    ingest = config.sites.setup.forcing.ingest
    return None if ingest is None else ingest.request(as_of)


def map_files(config: SpinUpRegion) -> Ref | None:
    """Puts the map of plants into the store; None where there is none."""
    found = config.sites.setup.surface_map
    if found is None or found.path is None:
        return None
    # Resolved: data are often links to another disk; they keep the link's name.
    put = put_files({found.path.name: found.path.resolve()}, title="map of plants")
    return plain_ref(put)


def sites_fields(config: SpinUpRegion, weather: Ref | None, plants: Ref | None) -> Section:
    """Fields that all requests about the region's sites share."""
    setup = config.sites.setup
    message = {**setup.request, "forcing": forcing_message(setup.forcing, weather)}
    if setup.surface_map is not None:
        message["surface_map"] = dict(setup.surface_map.request)
        if plants is not None and setup.surface_map.path is not None:
            message["surface_map"] |= {"files": plants, "file": setup.surface_map.path.name}
    return {**config.sites.request, "setup": message}


def learning_request(config: SpinUpRegion, sites: Section) -> Section:
    """Fields of SpinUpRequest for the native sample."""
    title = f"{config.title or config.name}: native sample"
    method = {"kind": "native", **config.learning.request.get("method", {})}
    own = {
        "title": title,
        **config.learning.request,
        "sample": config.learning.sample,
        "lessons": config.learning.lessons,
    }
    return {**sites, **own, "method": method}


def emulator_request(config: SpinUpRegion, sample: Ref) -> Section:
    """Fields of FineTuneRequest for the emulator."""
    return emulator_fields(config.title or config.name, config.emulator, sample)


def emulator_fields(title: str, own: Section, sample: Ref) -> Section:
    """Fields of FineTuneRequest for an emulator of a region or of a site.

    Parameters
    ----------
    title : str
    own : dict
        Fields of its section.
    sample : Ref
        The native spin-up that is learned from.
    """
    own = dict(own)
    sites = {"files": sample, "file": SITES, **own.pop("sites", {})}
    return {"title": f"{title}: emulator", **own, "task": "spin_up", "sites": sites}


def spin_up_request(config: SpinUpRegion, sites: Section, emulator: Ref) -> Section:
    """Fields of SpinUpRequest for all sites by the emulator."""
    method = {"kind": "emulator", "emulator": emulator}
    title = f"{config.title or config.name}: spun up by the emulator"
    return {**sites, "title": title, **config.spin_up, "method": method}


def comparison_request(config: SpinUpRegion, sites: Section, emulator: Ref, sample: Ref) -> Section:
    """Fields of CompareSpinUpsRequest."""
    methods = []
    for method in config.comparison.methods:
        kind = kind_of(method, "spin_up_kind_")
        if kind == "emulator":
            method = {**method, "emulator": emulator}
        elif kind in LEARNED:
            method = {**method, "training": sample}
        methods.append(method)
    title = config.title or config.name
    return {**sites, "title": title, **config.comparison.request, "methods": methods}


def kind_of(section: Section, prefix: str) -> str:
    """Kind of a method or stage as requests take it: SASU, sasu and SPIN_UP_KIND_SASU are the same.

    Parameters
    ----------
    section : dict
    prefix : str
        Of the enum's values, in small letters.
    """
    return str(section.get("kind", "")).lower().replace("-", "_").removeprefix(prefix)


# ------------------------------------------------------------------ checking before anything runs


def check_region(config: SpinUpRegion, as_of: str) -> None:
    """Have every request checked by the services, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``learning.sample.share``.
    """
    found: list[FieldViolation] = []
    weather = weather_request(config, as_of)
    if weather is not None:
        with connect(INGEST) as client:
            where = "sites.setup.forcing.ingest"
            found += faults(client, where, "IngestDataset", lambda: weather)
    for service, requests in _requests(config, weather is not None).items():
        with connect(service) as client:
            for section, method, make in requests:
                found += [
                    FieldViolation(_own_section(section, item.field, config), item.description)
                    for item in faults(client, section, method, make)
                ]
    found = list(dict.fromkeys(found))  # the sites are part of several requests
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{config.name}: {len(found)} {noun} not as wanted", violations=found)


def _requests(config: SpinUpRegion, ingested: bool) -> dict[str, list[Check]]:
    """Section, rpc and request of every step, by service."""
    weather = later("dataset") if ingested else None
    sample, emulator = later("spin_up"), later("spin_up_emulator")
    plants = config.sites.setup.surface_map
    files = later("files") if plants is not None and plants.path is not None else None
    sites = sites_fields(config, weather, files)
    return {
        RUNNER: [
            ("learning", "SpinUp", lambda: learning_request(config, sites)),
            ("spin_up", "SpinUp", lambda: spin_up_request(config, sites, emulator)),
            (
                "comparison",
                "CompareSpinUps",
                lambda: comparison_request(config, sites, emulator, sample),
            ),
        ],
        TRAINER: [("emulator", "FineTune", lambda: emulator_request(config, sample))],
    }


def _own_section(section: str, field: str, config: SpinUpRegion) -> str:
    """Where a field of a request stands in the file."""
    rest = field.removeprefix(f"{section}.")
    first = rest.partition(".")[0].partition("[")[0]
    own: dict[str, Any] = {
        "learning": {**config.learning.request, "sample": 1, "lessons": 1},
        "spin_up": config.spin_up,
        "comparison": {**config.comparison.request, "methods": 1},
        "emulator": config.emulator,
    }[section]
    if first not in own and section != "emulator" and first in {"setup", *config.sites.request}:
        return f"sites.{rest}"
    return field
