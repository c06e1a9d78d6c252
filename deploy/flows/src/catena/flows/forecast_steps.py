"""The rpcs of streamflow forecasts: their requests, and how they are checked beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from catena.flows.forecasts import Forecasting
from catena.flows.rpc import Check, Ref, Section, faults, later
from catena.shared.client import FieldViolation, InvalidRequest, connect

SERVICE = "forecaster"
INGEST = "data-ingest"
WITHOUT_WEATHER = ("persistence", "climatology")
"""Models that look at no weather."""


# ------------------------------------------------------------------ requests


def data_request(config: Forecasting, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest; None where basins are generated."""
    ingest = config.basins.ingest
    return None if ingest is None else ingest.request(as_of)


def basins_message(config: Forecasting, data: Ref | None) -> Section:
    """Fields of the message Basins; `data` is what was ingested, if anything was."""
    basins = dict(config.basins.request)
    if data is not None:
        keys = {"key": config.basins.key, "attributes_key": config.basins.attributes_key}
        basins["dataset"] = {"dataset": data, **{name: key for name, key in keys.items() if key}}
    return basins


def forecasts_request(config: Forecasting, as_of: str) -> Section | None:
    """Fields of IngestDatasetRequest for forecast weather; None where none is ingested."""
    archive = config.archive
    return None if archive is None or archive.ingest is None else archive.ingest.request(as_of)


def archive_request(config: Forecasting, data: Ref | None, forecasts: Ref | None) -> Section:
    """Fields of ArchiveWeatherRequest; `forecasts` is what was ingested, if anything was."""
    archive = config.archive
    if archive is None:
        raise InvalidRequest("this file asks for no archive of forecast weather")
    request = {"title": f"forecast weather of {config.title or config.name}", **archive.request}
    if forecasts is None:
        made = {**(archive.generated or {}), "basins": basins_message(config, data)}
        return {**request, "generated": made}
    names = config.basins.request.get("names")
    more = {"key": archive.key, "names": names}
    chosen = {"dataset": forecasts, **{name: value for name, value in more.items() if value}}
    return {**request, "dataset": chosen}


def _with(archive: Ref | None, request: Section) -> Section:
    return request if archive is None else {**request, "archive": archive}


def train_request(
    config: Forecasting,
    name: str,
    data: Ref | None,
    process: Ref | None,
    archive: Ref | None = None,
) -> Section:
    """Fields of TrainForecasterRequest for one model."""
    request = {
        "title": f"{name} of {config.title or config.name}",
        "training_days": config.training_days,
        "validation_days": config.validation_days,
        **config.models[name].request,
        "basins": basins_message(config, data),
    }
    if request.get("model") in WITHOUT_WEATHER:
        archive = None
    return _with(archive, request if process is None else {**request, "process": process})


def intervals_request(
    config: Forecasting, data: Ref | None, forecaster: Ref, archive: Ref | None = None
) -> Section:
    """Fields of FitIntervalsRequest."""
    basins = basins_message(config, data)
    return _with(archive, {**config.intervals, "forecaster": forecaster, "basins": basins})


def update_request(
    config: Forecasting,
    data: Ref | None,
    forecaster: Ref,
    intervals: Ref,
    issue: str,
    archive: Ref | None = None,
) -> Section:
    """Fields of UpdateIntervalsRequest: all that was observed up to the day of issue."""
    request = {
        "intervals": intervals,
        "forecaster": forecaster,
        "basins": basins_message(config, data),
        "end": issue,
    }
    return _with(archive, request)


def issue_request(
    config: Forecasting,
    data: Ref | None,
    forecaster: Ref,
    intervals: Ref,
    issue: str,
    archive: Ref | None = None,
) -> Section:
    """Fields of IssueForecastsRequest for one day."""
    request = {
        "title": config.title or config.name,
        **config.forecasts,
        "forecaster": forecaster,
        "intervals": intervals,
        "basins": basins_message(config, data),
        "issues": {"start": issue, "end": issue},
    }
    return _with(archive, request)


def evaluation_request(
    config: Forecasting,
    data: Ref | None,
    models: Mapping[str, Ref],
    intervals: Ref,
    archive: Ref | None = None,
) -> Section:
    """Fields of EvaluateForecastsRequest: the forecaster first, the other models beside it."""
    others = [ref for name, ref in models.items() if name != config.forecaster]
    request = {
        "title": config.title or config.name,
        "days": config.test_days,
        **config.evaluation,
        "forecasters": [models[config.forecaster], *others],
        "intervals": intervals,
        "basins": basins_message(config, data),
    }
    return _with(archive, request)


# ------------------------------------------------------------------ checking before anything runs


def check_forecasting(config: Forecasting, as_of: str) -> None:
    """Have every request checked by the services, before anything runs.

    Raises
    ------
    InvalidRequest
        With every field of every section at fault, e.g. ``models.tst.training.window``.
    """
    refuse(config, forecasting_faults(config, as_of))


def forecasting_faults(config: Forecasting, as_of: str) -> list[FieldViolation]:
    """What the services find wrong, under the names of the file."""
    found: list[FieldViolation] = []
    day = config.trained_as_of or as_of
    ingested = {
        "basins.ingest": data_request(config, day),
        "archive.ingest": forecasts_request(config, day),
    }
    for section, asked in ingested.items():
        if asked is not None:
            with connect(INGEST) as client:
                found += faults(client, section, "IngestDataset", lambda one=asked: one)  # type: ignore[misc]
    with connect(SERVICE) as client:
        for section, method, make in _requests(config, as_of):
            found += [
                FieldViolation(_own_section(section, item.field), item.description)
                for item in faults(client, section, method, make)
            ]
    return found


def refuse(config: Forecasting, found: list[FieldViolation]) -> None:
    """Raise what was found, if anything was.

    Raises
    ------
    InvalidRequest
        With each of `found` once.
    """
    found = list(dict.fromkeys(found))  # basins are part of every request
    if found:
        noun = "field is" if len(found) == 1 else "fields are"
        raise InvalidRequest(f"{config.name}: {len(found)} {noun} not as wanted", violations=found)


def _requests(config: Forecasting, as_of: str) -> Iterator[Check]:
    data = None if config.basins.ingest is None else later("dataset")
    forecaster, intervals = later("forecaster"), later("intervals")
    archive = None
    if config.archive is not None:
        archive = later("weather_archive")
        forecasts = None if config.archive.ingest is None else later("dataset")
        yield "archive", "ArchiveWeather", lambda: archive_request(config, data, forecasts)
    for name, model in config.models.items():
        process = forecaster if model.process else None
        yield (
            f"models.{name}",
            "TrainForecaster",
            lambda one=name, ref=process: train_request(config, one, data, ref, archive),  # type: ignore[misc]
        )
    issue = config.issue_day(as_of)
    yield "intervals", "FitIntervals", lambda: intervals_request(config, data, forecaster, archive)
    yield (
        "issue",
        "UpdateIntervals",
        lambda: update_request(config, data, forecaster, intervals, issue, archive),
    )
    yield (
        "forecasts",
        "IssueForecasts",
        lambda: issue_request(config, data, forecaster, intervals, issue, archive),
    )
    models = {name: {**forecaster, "digest": _numbered(i)} for i, name in enumerate(config.models)}
    yield (
        "evaluation",
        "EvaluateForecasts",
        lambda: evaluation_request(config, data, models, intervals, archive),
    )


def _numbered(number: int) -> str:
    # Each forecaster is another one; the zeros still say that it is made later.
    return f"sha256:{number:064d}"


_SHARED = ("basins", "training_days", "validation_days")


def _own_section(section: str, field: str) -> str:
    """Where a field of a request stands in the file."""
    rest = field.removeprefix(f"{section}.")
    first = rest.partition(".")[0].partition("[")[0]
    if first in _SHARED:
        return rest
    if section == "evaluation" and first == "days":
        return f"test_{rest}"
    if (section, first) in (("issue", "end"), ("forecasts", "issues")):
        return "issue"
    return field
