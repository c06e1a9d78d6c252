"""The YAML file of a site: what is accepted, and what is said about everything else."""

from __future__ import annotations

import contextlib
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows.environment import prepare
from catena.flows.site import Site
from catena.flows.steps import _requests, check_sections
from catena.shared.client import ArtifactRef, FieldViolation, InvalidRequest, NotFound, Settings
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]

REF = ArtifactRef(uri="imports/" + "1" * 64, digest="sha256:" + "1" * 64, kind="files")
GIVEN = {
    "site": "X-1",
    "ensemble": {"generated": {"runs": 100}},
    "observation": {"synthetic": {"run": 3}},
}


def write(folder: Path, data: Any) -> Path:
    path = folder / "site.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def refused(path: Path) -> str:
    with pytest.raises(InvalidRequest) as caught:
        Site.from_file(path)
    return str(caught.value)


def test_files_are_found_beside_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    files = {"parameters_file": "in.csv", "outputs_file": "in.csv"}
    site = Site.from_file(write(tmp_path, GIVEN | {"ensemble": {"files": files}}))
    assert site.ensemble.files is not None
    assert site.ensemble.files.outputs_file == tmp_path / "in.csv"


def test_variables_in_paths_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.csv").touch()
    files = {"parameters_file": "${CATENA_DATA}/in.csv", "outputs_file": "$CATENA_DATA/in.csv"}
    path = write(tmp_path, GIVEN | {"ensemble": {"files": files}})
    monkeypatch.setenv("CATENA_DATA", str(tmp_path))
    site = Site.from_file(path)
    assert site.ensemble.files is not None
    assert site.ensemble.files.parameters_file == tmp_path / "in.csv"
    monkeypatch.delenv("CATENA_DATA")
    message = refused(path)
    assert "CATENA_DATA is not set" in message
    assert "ensemble.files.parameters_file" in message


def test_other_fields_of_a_section_go_to_the_service_as_they_are(tmp_path: Path) -> None:
    given = GIVEN | {"mcmc": {"chains": 3}, "check": None}
    site = Site.from_file(write(tmp_path, given))
    assert site.ensemble.request == {"generated": {"runs": 100}}
    assert site.mcmc == {"chains": 3}
    assert site.check == {}, "an empty section takes the defaults"


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"site": "../../etc"}, "site", "letters"),
        ({"site": ""}, "site", "letters"),
        ({"sight": 1}, "sight", "spelling"),
        ({"ensemble": None}, "ensemble", ""),
        ({"observation": {"synthetic": True}}, "observation.synthetic", "error_fraction"),
        ({"observation": {"synthetic": {"run": -1}}}, "observation.synthetic.run", "0"),
        (
            {"observation": {"synthetic": {"run": 1, "error_fraction": 0}}},
            "observation.synthetic.error_fraction",
            "greater than 0",
        ),
        ({"mcmc": [1]}, "mcmc", "dictionary"),
        (
            {"ensemble": {"files": {"parameters_file": "no.csv", "outputs_file": "no.csv"}}},
            "ensemble.files.outputs_file",
            "no file",
        ),
    ],
)
def test_a_wrong_field_is_named(
    tmp_path: Path, change: dict[str, Any], field: str, said: str
) -> None:
    message = refused(write(tmp_path, GIVEN | change))
    assert f"  {field}: " in message
    assert said in message


def test_all_wrong_fields_are_named_at_once(tmp_path: Path) -> None:
    message = refused(write(tmp_path, {"site": "a b", "sight": 1, "mcmc": 3}))
    for field in ("site", "sight", "mcmc", "ensemble", "observation"):
        assert f"  {field}: " in message


@pytest.mark.parametrize("text", ["", "- 1", "just words"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "holds no fields" in refused(write(tmp_path, text))


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    assert "not YAML" in refused(write(tmp_path, "a: [1,"))


def test_yaml_cannot_run_code(tmp_path: Path) -> None:
    text = f"site: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']"
    assert "not YAML" in refused(write(tmp_path, text))
    assert not (tmp_path / "made").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.yaml"):
        Site.from_file(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "sites").glob("*.yaml")), ids=str)
def test_the_sites_that_are_shipped_can_be_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The data need not be there: files of that name are enough here.
    data_of_shipped_files(tmp_path)
    monkeypatch.setenv("CATENA_DATA", str(tmp_path))
    site = Site.from_file(path)
    assert site.title
    # Names of fields are those of the requests.
    monkeypatch.setattr("catena.flows.model_runs.put_files", lambda files, title: REF)
    for service, requests in _requests(site, "2026-02-03").items():
        for _, method, make in requests:
            request_from_dict(service, method, make())


def data_of_shipped_files(folder: Path) -> None:
    for name in ("InputPara.npy", "Observations.npy"):
        (folder / "elm_calibration").mkdir(exist_ok=True)
        (folder / "elm_calibration" / name).touch()
    for site in ("US-MOz", "US-WCr"):
        (folder / "flux_sites" / "drivers").mkdir(parents=True, exist_ok=True)
        (folder / "flux_sites" / "drivers" / f"{site}_forcing.nc4").touch()


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "ensembles").glob("*.yaml")), ids=str)
def test_the_ensembles_that_are_shipped_replace_a_sites_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_of_shipped_files(tmp_path)
    monkeypatch.setenv("CATENA_DATA", str(tmp_path))
    site = Site.from_file(ROOT / "deploy" / "sites" / "us-moz.yaml", path.stem)
    assert site.site == "US-MOz"
    assert site.ensemble.run is None and site.ensemble.files is not None
    assert "ELM" in site.title


def test_values_are_counted_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in the file; the service would tell only when the surrogate is trained."""

    class Content(contextlib.nullcontext[Any]):
        def validate(self, method: str, request: Any) -> None:
            if "observation" in request:
                fault = FieldViolation("observation.error_sd[0]", "got 0, wanted more")
                raise InvalidRequest("no", violations=[fault])

    monkeypatch.setattr("catena.flows.steps.connect", lambda service: Content(Content()))
    outputs = [{"name": "a", "units": "1"}, {"name": "b", "units": "1"}]
    given = {
        "ensemble": {"generated": {"runs": 100}, "outputs": outputs},
        "observation": {"values": [1.0, 2.0, 3.0], "error_sd": [0, 1, 1]},
    }
    with pytest.raises(InvalidRequest) as caught:
        check_sections(Site.from_file(write(tmp_path, GIVEN | given)), "2026-02-03")
    told = [violation.field for violation in caught.value.violations]
    assert told == ["observation.values", "observation.error_sd[0]"], "each once"
    assert "got 3 values, wanted 2" in str(caught.value)


def test_prefect_reaches_its_own_api_whatever_proxy_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"http_proxy": "http://p:1", "NO_PROXY": "lab.example"})
    prepare(Settings(home=tmp_path))
    assert urllib.request.proxy_bypass_environment("127.0.0.1")
    assert urllib.request.proxy_bypass_environment("www.lab.example"), "the user's own stay"
    assert not urllib.request.proxy_bypass_environment("prefect.example")
