"""The YAML file of an ingest: what is accepted, and what is said about everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows import archives
from catena.flows.archives import Archives, catalog_request, check_datasets, selection_request
from catena.shared.client import FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
GIVEN: dict[str, Any] = {
    "name": "mine",
    "datasets": [
        {"name": "cmip6", "source": "cmip6", "location": "/archive/cmip6", "mode": "reference"},
        {"name": "weather", "source": "generated_weather", "weather": {"sites": 2}},
    ],
}


def read(data: dict[str, Any]) -> Archives:
    return Archives.from_plain(data, Path("/"))


def refused(data: dict[str, Any]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(data)
    return str(caught.value)


def test_an_archive_gets_the_day_and_a_generated_source_does_not() -> None:
    models, weather = read(GIVEN).datasets
    assert models.request("2026-02-03") == {
        "source": "cmip6",
        "location": "/archive/cmip6",
        "mode": "reference",
        "as_of": "2026-02-03",
    }
    assert weather.request("2026-02-03") == {
        "source": "generated_weather",
        "weather": {"sites": 2},
    }


def test_a_dataset_may_have_a_day_of_its_own() -> None:
    one = {**GIVEN["datasets"][0], "as_of": "2020-01-01"}
    assert read({**GIVEN, "datasets": [one]}).datasets[0].request("2026-02-03")["as_of"] == (
        "2020-01-01"
    )


def test_a_date_in_yaml_is_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("as_of: 2026-02-03\n" + yaml.safe_dump(GIVEN))
    assert Archives.from_file(path).as_of == "2026-02-03"


def test_dates_without_quotes_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "name: mine\ndatasets:\n"
        "  - {name: a, source: cmip6, location: /archive, as_of: 2026-02-03,\n"
        "     selection: {start: 2001-01-01, end: 2001-02-30}}\n"
    )
    fields = Archives.from_file(path).datasets[0].request("2026-05-05")
    assert fields["as_of"] == "2026-02-03"
    # The service says what is wrong with the second day; the first one is fine.
    assert fields["selection"] == {"start": "2001-01-01", "end": "2001-02-30"}
    request = request_from_dict("data-ingest", "IngestDataset", fields)
    assert request.selection.start == "2001-01-01"


@pytest.mark.parametrize("text", ["name: caf\u00e9", "name: a # \u00fc"])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidRequest, match=r"a\.yaml is not UTF-8 \(byte 0x.. at .*save it"):
        Archives.from_file(path)


def test_variables_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"name": "a", "source": "cmip6", "location": "${CATENA_DATA}/cmip6"}
    monkeypatch.setenv("CATENA_DATA", "/somewhere")
    assert read({**GIVEN, "datasets": [one]}).datasets[0].location == "/somewhere/cmip6"
    monkeypatch.delenv("CATENA_DATA")
    message = refused({**GIVEN, "datasets": [one]})
    assert "CATENA_DATA is not set" in message and "datasets.0.location" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datasets": []}, ("datasets", "at least 1")),
        ({"datasets": [GIVEN["datasets"][0]] * 2}, ("'cmip6'", "own name")),
        ({"datasets": [{**GIVEN["datasets"][0], "name": "models"}]}, ("'models'", "another name")),
        (
            {"datasets": [{**GIVEN["datasets"][0], "name": "catalog"}]},
            ("'catalog'", "another name"),
        ),
        ({"name": "../x"}, ("name", "letters")),
        ({"nmae": "x"}, ("nmae", "spelling")),
        ({"select_models": {"models": "cmip6", "reference": "era"}}, ("'era'", "weather")),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], words: tuple[str, ...]) -> None:
    message = refused({**GIVEN, **change})
    assert all(word in message for word in words), message


def test_requests_of_later_steps_name_what_earlier_ones_made() -> None:
    config = read({**GIVEN, "select_models": {"models": "cmip6", "reference": "weather"}})
    made = {
        name: {"uri": f"jobs/{name}", "digest": "sha256:" + digit * 64, "kind": "dataset"}
        for name, digit in (("cmip6", "1"), ("weather", "2"))
    }
    catalog = request_from_dict("data-ingest", "WriteCatalog", catalog_request(config, made))
    assert [ref.uri for ref in catalog.datasets] == ["jobs/cmip6", "jobs/weather"]
    models = request_from_dict("data-ingest", "SelectModels", selection_request(config, made))
    assert (models.models.uri, models.reference.uri) == ("jobs/cmip6", "jobs/weather")


class Service:
    """Answers validation with what it was told to."""

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.errors = errors

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def validate(self, method: str, request: dict[str, Any]) -> None:
        key = request.get("source", method)
        if key in self.errors:
            raise self.errors[key]


def test_every_fault_is_told_under_the_name_of_its_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    later = "sha256:" + "0" * 64
    errors: dict[str, Exception] = {
        "cmip6": InvalidRequest("x", violations=[FieldViolation("location", "is not allowed")]),
        "generated_weather": InvalidRequest(
            "x", violations=[FieldViolation("weather.sites", "is too large")]
        ),
        # Only what the flow itself will make is missing: no fault.
        "SelectModels": NotFound("x", violations=[FieldViolation("models", f"no {later}")]),
    }
    monkeypatch.setattr(archives, "connect", lambda service: Service(errors))
    config = read({**GIVEN, "select_models": {"models": "cmip6", "reference": "weather"}})
    with pytest.raises(InvalidRequest) as caught:
        check_datasets(config, "2026-02-03")
    assert [item.field for item in caught.value.violations] == [
        "cmip6.location",
        "weather.weather.sites",
    ]


@pytest.mark.parametrize("name", ["samples", "generated"])
def test_the_files_that_come_along_are_sound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENA_DATA", "/data")
    config = Archives.from_file(ROOT / "deploy" / "ingest" / f"{name}.yaml")
    for dataset in config.datasets:
        request_from_dict("data-ingest", "IngestDataset", dataset.request("2026-02-03"))
