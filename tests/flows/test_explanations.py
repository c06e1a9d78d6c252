"""The section ``explain`` of a file of streamflow forecasts: what of it goes into which request."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows import explain_steps as steps
from catena.flows import forecast_steps
from catena.flows.forecasts import Forecasting
from catena.shared.client import FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "deploy" / "explain").glob("*.yaml"))
LATER = "sha256:" + "0" * 64
GIVEN: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "basins": {
        "ingest": {"source": "camels", "location": "/archive/camels"},
        "key": "caravan",
        "names": ["a", "b", "c"],
    },
    "training_days": {"start": "1981-10-01", "end": "2003-09-30"},
    "validation_days": {"start": "2003-10-01", "end": "2007-09-30"},
    "test_days": {"start": "2007-10-01", "end": "2009-09-30"},
    "models": {
        "hybrid": {"model": "tst", "process": "gr4j"},
        "plain": {"model": "lstm"},
        "gr4j": {"model": "gr4j"},
    },
    "forecaster": "hybrid",
    "explain": {
        "models": ["hybrid"],
        "basins": ["c", "a"],
        "samples": {"count": 20, "background": 16},
        "methods": ["expected_gradients", "kernel-shap"],
        "steps": 8,
        "flow": {"leads": [1, 5]},
    },
}


def read(explain: dict[str, Any] | None = None, **changes: Any) -> Forecasting:
    section = GIVEN["explain"] | (explain or {})
    return Forecasting.from_plain(GIVEN | {"explain": section} | changes, Path("/"))


def made(kind: str, digit: str = "2") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": "sha256:" + digit * 64, "kind": kind}


DATA = made("dataset", "1")


def drawn(config: Forecasting, archive: dict[str, str] | None = None) -> Any:
    data = None if config.basins.ingest is None else DATA
    request = steps.samples_request(config, "hybrid", data, made("forecaster"), archive)
    return request_from_dict("forecaster", "DrawSamples", request)


def test_samples_are_of_the_basins_to_explain_on_days_of_validation() -> None:
    message = drawn(read())
    assert list(message.basins.names) == ["c", "a"]
    assert message.basins.dataset.dataset.uri == "jobs/dataset"
    assert message.basins.dataset.key == "caravan"
    assert message.forecaster.digest == made("forecaster")["digest"]
    assert (message.issues.start, message.issues.end) == ("2003-10-01", "2007-09-30")
    assert (message.count, message.background) == (20, 16)
    assert not message.HasField("archive")


def test_days_may_be_others_and_forecast_weather_comes_from_the_archive() -> None:
    config = read({"days": {"start": "2005-04-01", "end": "2005-06-30"}})
    message = drawn(config, made("weather_archive", "5"))
    assert (message.issues.start, message.issues.end) == ("2005-04-01", "2005-06-30")
    assert message.archive.kind == "weather_archive"


def test_without_names_all_basins_of_the_file_are_explained() -> None:
    spread = {"generated": {"basins": 9, "years": 10}, "spread": 4}
    message = drawn(read({"basins": []}, basins=spread))
    assert message.basins.spread == 4 and not message.basins.names
    named = drawn(read({"basins": ["generated-001"]}, basins=spread))
    assert list(named.basins.names) == ["generated-001"]
    assert named.basins.spread == 0, "names and spread are two ways to choose"


def test_the_explanation_is_of_this_model_and_its_samples() -> None:
    request = steps.explain_request(
        read(), "hybrid", made("forecaster", "3"), made("flow_samples", "4")
    )
    message = request_from_dict("explainer", "ExplainForecast", request)
    assert message.flow.forecaster.digest[-1] == "3"
    assert message.flow.samples.digest[-1] == "4"
    assert list(message.flow.leads) == [1, 5]
    assert len(message.methods) == 2 and message.steps == 8
    assert message.title == "hybrid of Mine"


def test_a_model_may_differ_from_the_others() -> None:
    own = {"methods": ["permutation"], "flow": {"dear_samples": 2}}
    config = read({"models": {"hybrid": None, "plain": own}})
    requests = [
        request_from_dict(
            "explainer",
            "ExplainForecast",
            steps.explain_request(config, name, made("forecaster"), made("flow_samples")),
        )
        for name in ("hybrid", "plain")
    ]
    assert [len(one.methods) for one in requests] == [2, 1]
    assert [one.flow.dear_samples for one in requests] == [0, 2]
    assert [list(one.flow.leads) for one in requests] == [[1, 5], [1, 5]]
    assert [one.steps for one in requests] == [8, 8]


def test_faults_stand_where_the_field_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"methods": ["permutation"], "flow": {"dear_samples": 2}}
    config = read({"models": {"plain": own}})
    wrong = fault("methods[0]", "steps", "flow.dear_samples", "flow.leads[1]")
    fields, _ = checked(monkeypatch, config, {"ExplainForecast": wrong})
    assert fields == [
        "explain.flow.leads[1]",
        "explain.models.plain.flow.dear_samples",
        "explain.models.plain.methods[0]",
        "explain.steps",
    ]


def test_only_what_is_explained_is_trained_and_what_it_is_made_with() -> None:
    config = read()
    assert config.needed(["hybrid"]) == ["gr4j", "hybrid"]
    assert config.needed(["plain"]) == ["plain"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": []}, ("explain.models",)),
        ({"models": ["tst"]}, ("explain.models", "'tst'", "hybrid, plain, gr4j")),
        ({"models": ["gr4j"]}, ("explain.models", "gr4j", "without a network")),
        ({"models": ["plain", "plain"]}, ("explain", "'plain' twice")),
        ({"basins": ["d"]}, ("explain.basins", "'d'", "basins.names")),
        ({"basins": ["a", "a"]}, ("explain", "'a' twice")),
    ],
)
def test_a_wrong_section_is_refused(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_file_that_explains_nothing_is_refused() -> None:
    config = Forecasting.from_plain({k: v for k, v in GIVEN.items() if k != "explain"}, Path("/"))
    with pytest.raises(InvalidRequest, match="nothing is to be explained"):
        steps.check_explanations(config, "2026-01-01")


class Service:
    """Answers validation with what it was told to."""

    def __init__(self, errors: dict[str, Exception], asked: list[str]) -> None:
        self.errors, self.asked = errors, asked

    def validate(self, method: str, request: dict[str, Any]) -> None:
        self.asked.append(method)
        if method in self.errors:
            raise self.errors[method]


def checked(
    monkeypatch: pytest.MonkeyPatch, config: Forecasting, errors: dict[str, Exception]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Fields at fault, and which service was asked what."""
    asked: dict[str, list[str]] = {}
    connect = lambda name: contextlib.nullcontext(  # noqa: E731
        Service(errors, asked.setdefault(name, []))
    )
    monkeypatch.setattr(steps, "connect", connect)
    monkeypatch.setattr(forecast_steps, "connect", connect)
    fields: list[str] = []
    try:
        steps.check_explanations(config, "2026-01-01")
    except InvalidRequest as error:
        fields = sorted(item.field for item in error.violations)
    return fields, [(name, method) for name, methods in asked.items() for method in methods]


def fault(*fields: str) -> InvalidRequest:
    return InvalidRequest("x", violations=[FieldViolation(field, "wrong") for field in fields])


def test_the_whole_file_is_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: dict[str, Exception] = {
        "TrainForecaster": fault("training.window"),
        "DrawSamples": fault("count", "basins.names[0]", "issues.end", "basins.dataset.key"),
        "ExplainForecast": fault("methods[1]", "flow.leads"),
    }
    fields, asked = checked(monkeypatch, read(), errors)
    assert fields == [
        "basins.dataset.key",
        "explain.basins[0]",
        "explain.flow.leads",
        "explain.methods[1]",
        "explain.samples.count",
        "models.gr4j.training.window",
        "models.hybrid.training.window",
        "models.plain.training.window",
        "validation_days.end",
    ]
    assert ("forecaster", "DrawSamples") in asked
    assert ("explainer", "ExplainForecast") in asked


def test_what_is_made_later_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = NotFound(
        "x", violations=[FieldViolation("flow.samples", f"there is no artifact {LATER}")]
    )
    gone = NotFound("x", violations=[FieldViolation("archive", "there is no artifact abc")])
    fields, _ = checked(monkeypatch, read(), {"ExplainForecast": missing, "DrawSamples": gone})
    assert fields == ["explain.samples.archive"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_that_are_shipped_make_sound_requests(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENA_DATA", "/data")
    config = Forecasting.from_file(ROOT / "deploy" / "explain" / f"{name}.yaml")
    data = DATA if config.basins.ingest is not None else None
    for model in steps.asked(config).models:
        forecaster, samples = made("forecaster"), made("flow_samples")
        for service, method, request in (
            ("forecaster", "TrainForecaster",
             forecast_steps.train_request(config, model, data, None)),
            ("forecaster", "DrawSamples", steps.samples_request(config, model, data, forecaster)),
            ("explainer", "ExplainForecast",
             steps.explain_request(config, model, forecaster, samples)),
        ):  # fmt: skip
            queries = importlib.import_module(f"catena.{service}.queries")
            message = request_from_dict(service, method, request)
            getattr(queries, f"{method}Query").from_message(message)


def test_days_that_are_explained_are_neither_trained_on_nor_tested_on() -> None:
    for name in SHIPPED:
        plain = yaml.safe_load((ROOT / "deploy" / "explain" / f"{name}.yaml").read_text())
        days = plain["explain"].get("days") or plain["validation_days"]
        assert plain["training_days"]["end"] < days["start"]
        assert days["end"] < plain["test_days"]["start"]


def test_the_deployment_is_of_this_flow() -> None:
    project = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
    [deployment] = [one for one in project["deployments"] if one["name"] == "explained"]
    path, _, function = deployment["entrypoint"].partition(":")
    assert (ROOT / path).is_file() and function == "explain_basins"
    assert (ROOT / deployment["parameters"]["config"]).is_file()
    assert deployment["schedules"] and deployment["concurrency_limit"]["limit"] == 1
