"""The rpcs of explanations: their requests, and how they are checked beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from catena.flows import forecast_steps
from catena.flows.explanations import Explanations
from catena.flows.forecasts import Forecasting
from catena.flows.rpc import Check, Ref, Section, faults, later
from catena.shared.client import FieldViolation, InvalidRequest, connect

SERVICE = "explainer"


def asked(config: Forecasting) -> Explanations:
    """What the file wants explained.

    Raises
    ------
    InvalidRequest
        When it does not say.
    """
    if config.explain is None:
        raise InvalidRequest(
            f"{config.name}: nothing is to be explained",
            violations=[FieldViolation("explain", "is missing; wanted models, basins, ...")],
        )
    return config.explain


def samples_request(
    config: Forecasting, name: str, data: Ref | None, forecaster: Ref, archive: Ref | None = None
) -> Section:
    """Fields of DrawSamplesRequest for the model `name`."""
    explain = asked(config)
    basins = forecast_steps.basins_message(config, data)
    if explain.basins:
        basins = {**basins, "names": explain.basins}
        basins.pop("spread", None)
    request = {
        "title": f"{name} of {config.title or config.name}",
        "issues": explain.days or config.validation_days,
        **explain.samples,
        "forecaster": forecaster,
        "basins": basins,
    }
    return request if archive is None else {**request, "archive": archive}


def explain_request(config: Forecasting, name: str, forecaster: Ref, samples: Ref) -> Section:
    """Fields of ExplainForecastRequest for the model `name`."""
    explain = asked(config)
    own = explain.models[name]
    return {
        "title": f"{name} of {config.title or config.name}",
        **explain.request,
        **own,
        "flow": {
            **explain.flow,
            **own.get("flow", {}),
            "forecaster": forecaster,
            "samples": samples,
        },
    }


# ------------------------------------------------------------------ checking before anything runs


def check_explanations(config: Forecasting, as_of: str) -> None:
    """Have every request of the file checked by the services, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``explain.samples.count``.
    """
    asked(config)
    found = forecast_steps.forecasting_faults(config, as_of)
    for service, (section, method, make) in _requests(config):
        with connect(service) as client:
            found += [
                FieldViolation(_own_section(config, item.field), item.description)
                for item in faults(client, section, method, make)
            ]
    forecast_steps.refuse(config, found)


def _requests(config: Forecasting) -> Iterator[tuple[str, Check]]:
    data = None if config.basins.ingest is None else later("dataset")
    archive = None if config.archive is None else later("weather_archive")
    forecaster, samples = later("forecaster"), later("flow_samples")
    for name in asked(config).models:
        draw = samples_request(config, name, data, forecaster, archive)
        explain = explain_request(config, name, forecaster, samples)
        yield (
            forecast_steps.SERVICE,
            ("explain.samples", "DrawSamples", lambda request=draw: request),  # type: ignore[misc]
        )
        yield (
            SERVICE,
            (f"explain.models.{name}", "ExplainForecast", lambda request=explain: request),  # type: ignore[misc]
        )


def _own_section(config: Forecasting, field: str) -> str:
    """Where a field of a request stands in the file."""
    explain = asked(config)
    for name, own in explain.models.items():
        rest = field.removeprefix(f"explain.models.{name}.")
        if rest != field and not _in(own, rest):
            return f"explain.{rest}"
    moved = {
        "explain.samples.basins.names": "explain.basins" if explain.basins else "basins.names",
        "explain.samples.basins": "basins",
        "explain.samples.issues": "explain.days" if explain.days else "validation_days",
    }
    for theirs, ours in moved.items():
        if field == theirs or field.startswith((f"{theirs}.", f"{theirs}[")):
            return ours + field.removeprefix(theirs)
    return field


def _in(own: Section, field: str) -> bool:
    """Whether a model's own fields hold this one, e.g. ``flow.leads[1]``."""
    first, _, rest = field.partition(".")
    first = first.partition("[")[0]
    inside = own.get(first)
    return first in own and (not rest or not isinstance(inside, dict) or _in(inside, rest))
