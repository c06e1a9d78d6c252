"""The YAML file of streamflow forecasts: what of it goes into which request, on which day."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows import forecast_steps as steps
from catena.flows.forecasts import Forecasting
from catena.shared.client import FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
DATA = {"uri": "jobs/d", "digest": "sha256:" + "1" * 64, "kind": "dataset"}
GIVEN: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "basins": {
        "ingest": {"source": "camels", "location": "/archive/camels"},
        "key": "caravan",
        "spread": 12,
    },
    "training_days": {"start": "1981-10-01", "end": "2003-09-30"},
    "validation_days": {"start": "2003-10-01", "end": "2007-09-30"},
    "test_days": {"start": "2007-10-01", "end": "2009-09-30"},
    "models": {
        "hybrid": {"model": "tst", "process": "gr4j", "training": {"window": 60}},
        "gr4j": {"model": "gr4j"},
    },
    "forecaster": "hybrid",
    "evaluation": {"stride": 7, "track": True},
}


def read(**changes: Any) -> Forecasting:
    return Forecasting.from_plain(GIVEN | changes, Path("/"))


def refused(**changes: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    return str(caught.value)


def made(kind: str, digit: str = "2") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": "sha256:" + digit * 64, "kind": kind}


def test_what_was_ingested_becomes_the_source_of_every_request() -> None:
    config = read()
    train = request_from_dict(
        "forecaster",
        "TrainForecaster",
        steps.train_request(config, "hybrid", DATA, made("forecaster")),
    )
    assert train.basins.dataset.dataset.uri == "jobs/d"
    assert train.basins.dataset.key == "caravan"
    assert train.basins.spread == 12
    assert train.training.window == 60
    assert train.process.kind == "forecaster"
    assert train.validation_days.end == "2007-09-30"
    requests = {
        "FitIntervals": steps.intervals_request(config, DATA, made("forecaster")),
        "UpdateIntervals": steps.update_request(
            config, DATA, made("forecaster"), made("intervals"), "2008-01-01"
        ),
        "IssueForecasts": steps.issue_request(
            config, DATA, made("forecaster"), made("intervals"), "2008-01-01"
        ),
    }
    for method, request in requests.items():
        message = request_from_dict("forecaster", method, request)
        assert message.basins == train.basins, method


ARCHIVE = made("weather_archive", "5")


def test_forecast_weather_of_an_archive_goes_into_every_request() -> None:
    config = read(archive={"ingest": {"source": "forecast", "location": "/a"}, "leads": 15})
    asked = steps.forecasts_request(config, "2026-01-01")
    assert asked == {"source": "forecast", "location": "/a", "as_of": "2026-01-01"}
    archive = request_from_dict(
        "forecaster", "ArchiveWeather", steps.archive_request(config, DATA, made("dataset"))
    )
    assert archive.leads == 15 and archive.dataset.dataset.uri == "jobs/dataset"
    fitted, models = made("forecaster"), {"hybrid": made("forecaster")}
    intervals, day = made("intervals"), "2008-01-01"
    for method, request in (
        ("TrainForecaster", steps.train_request(config, "hybrid", DATA, fitted, ARCHIVE)),
        ("FitIntervals", steps.intervals_request(config, DATA, fitted, ARCHIVE)),
        ("UpdateIntervals", steps.update_request(config, DATA, fitted, intervals, day, ARCHIVE)),
        ("IssueForecasts", steps.issue_request(config, DATA, fitted, intervals, day, ARCHIVE)),
        ("EvaluateForecasts", steps.evaluation_request(config, DATA, models, intervals, ARCHIVE)),
    ):
        message = request_from_dict("forecaster", method, request)
        assert message.archive.kind == "weather_archive", method
    plain = read(models={"old": {"model": "persistence"}}, forecaster="old")
    assert "archive" not in steps.train_request(plain, "old", DATA, None, ARCHIVE)


def test_generated_forecasts_are_made_of_the_weather_of_the_basins() -> None:
    basins = {"generated": {"basins": 3, "years": 10}}
    config = read(basins=basins, archive={"generated": {"stride": 3}})
    assert steps.forecasts_request(config, "2026-01-01") is None
    request = request_from_dict(
        "forecaster", "ArchiveWeather", steps.archive_request(config, None, None)
    )
    assert request.generated.stride == 3
    assert request.generated.basins.generated.years == 10


def test_generated_basins_need_no_archive() -> None:
    config = read(basins={"generated": {"basins": 3, "years": 10}})
    assert steps.data_request(config, "2026-01-01") is None
    message = request_from_dict(
        "forecaster", "TrainForecaster", steps.train_request(config, "gr4j", None, None)
    )
    assert message.basins.generated.basins == 3
    assert not message.HasField("process")


def test_the_one_that_forecasts_is_judged_first() -> None:
    models = {"gr4j": made("forecaster", "3"), "hybrid": made("forecaster", "4")}
    request = steps.evaluation_request(read(), DATA, models, made("intervals"))
    message = request_from_dict("forecaster", "EvaluateForecasts", request)
    assert [ref.digest[-1] for ref in message.forecasters] == ["4", "3"]
    assert message.days.start == "2007-10-01"
    assert message.track and message.stride == 7


def test_models_that_are_inputs_come_first() -> None:
    assert read().order == ["gr4j", "hybrid"]


@pytest.mark.parametrize(
    ("days", "scheduled", "issue"),
    [
        ({}, "2026-03-01", "2026-02-28"),
        ({"behind": 5}, "2026-01-03", "2025-12-29"),
        ({"years_back": 12, "behind": 0}, "2026-11-29", "2014-11-29"),
        ({"years_back": 1, "behind": 0}, "2028-02-29", "2027-02-28"),
    ],
)
def test_the_day_of_issue_follows_the_schedule(
    days: dict[str, int], scheduled: str, issue: str
) -> None:
    assert read(days=days).issue_day(scheduled) == issue


def test_a_fixed_day_of_issue_stays() -> None:
    assert read(issue="2008-05-01").issue_day("2026-01-01") == "2008-05-01"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"forecaster": "tst"}, ("'tst'", "hybrid, gr4j")),
        ({"basins": {"spread": 3}}, ("basins", "ingest")),
        ({"basins": {**GIVEN["basins"], "generated": {"basins": 1}}}, ("basins", "one of")),
        ({"models": {"a": {"process": "b"}}, "forecaster": "a"}, ("models.a.process", "'b'")),
        ({"models": {"a": {"process": "a"}}, "forecaster": "a"}, ("models.a.process", "another")),
        ({"models": {"data": {}}, "forecaster": "data"}, ("'data'", "another name")),
        ({"days": {"behind": -1}}, ("days.behind", "0")),
        ({"isue": "2008-01-01"}, ("isue", "spelling")),
        ({"archive": {"leads": 3}}, ("archive", "one of ingest")),
    ],
)
def test_a_wrong_file_is_refused(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    message = refused(**changes)
    assert all(word in message for word in words), message


class Service:
    """Answers validation with what it was told to."""

    def __init__(self, errors: dict[str, Exception], asked: list[tuple[str, Any]]) -> None:
        self.errors, self.asked = errors, asked

    def validate(self, method: str, request: dict[str, Any]) -> None:
        self.asked.append((method, request))
        if method in self.errors:
            raise self.errors[method]


def test_every_section_is_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    later = "sha256:" + "0" * 64

    def fault(field: str, text: str) -> InvalidRequest:
        return InvalidRequest("x", violations=[FieldViolation(field, text)])

    errors: dict[str, Exception] = {
        "IngestDataset": fault("source", "unknown"),
        "TrainForecaster": fault("training.window", "too short"),
        "FitIntervals": fault("basins.names[0]", "twice"),
        "UpdateIntervals": fault("end", "no day"),
        "IssueForecasts": NotFound("x", violations=[FieldViolation("forecaster", f"no {later}")]),
        "EvaluateForecasts": fault("days.start", "no day"),
    }
    asked: list[tuple[str, Any]] = []
    connect = lambda service: contextlib.nullcontext(Service(errors, asked))  # noqa: E731
    monkeypatch.setattr(steps, "connect", connect)
    with pytest.raises(InvalidRequest) as caught:
        steps.check_forecasting(read(trained_as_of="2020-01-01"), "2026-01-01")
    assert sorted(item.field for item in caught.value.violations) == [
        "basins.ingest.source",
        "basins.names[0]",
        "issue",
        "models.gr4j.training.window",
        "models.hybrid.training.window",
        "test_days.start",
    ]
    assert dict(asked)["IngestDataset"]["as_of"] == "2020-01-01"


@pytest.mark.parametrize("name", ["camels", "generated"])
def test_the_files_that_are_shipped_make_sound_requests(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catena.forecaster import queries

    monkeypatch.setenv("CATENA_DATA", "/data")
    config = Forecasting.from_file(ROOT / "deploy" / "forecast" / f"{name}.yaml")
    data = DATA if config.basins.ingest is not None else None
    if config.archive is not None:
        check(queries, "ArchiveWeather", steps.archive_request(config, data, None))
    models = {one: made("forecaster", format(i, "x")) for i, one in enumerate(config.models)}
    forecaster, intervals = models[config.forecaster], made("intervals")
    for one in config.models:
        process = models["gr4j"] if config.models[one].process else None
        check(queries, "TrainForecaster", steps.train_request(config, one, data, process))
    check(queries, "FitIntervals", steps.intervals_request(config, data, forecaster))
    check(queries, "EvaluateForecasts", steps.evaluation_request(config, data, models, intervals))
    day = config.issue_day("2026-11-29")
    for method, request in (
        ("UpdateIntervals", steps.update_request(config, data, forecaster, intervals, day)),
        ("IssueForecasts", steps.issue_request(config, data, forecaster, intervals, day)),
    ):
        check(queries, method, request)


def check(queries: Any, method: str, request: dict[str, Any]) -> None:
    getattr(queries, f"{method}Query").from_message(
        request_from_dict("forecaster", method, request)
    )


def test_the_daily_deployment_runs_after_the_nightly_ingest() -> None:
    project = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
    by_name = {one["name"]: one for one in project["deployments"]}
    hours = [
        int(by_name[name]["schedules"][0]["cron"].split()[1]) for name in ("samples", "streamflow")
    ]
    assert hours[0] < hours[1]
    assert by_name["streamflow"]["schedules"][0]["cron"].endswith("* * *"), "every day"
    path, _, function = by_name["streamflow"]["entrypoint"].partition(":")
    assert (ROOT / path).is_file() and function == "forecast_basins"
    assert (ROOT / by_name["streamflow"]["parameters"]["config"]).is_file()
