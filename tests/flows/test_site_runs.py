"""Sites whose ensemble is run: what of the file goes into which request."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from catena.flows import model_runs, steps
from catena.flows.model_runs import predictive_request, runs_request
from catena.flows.site import Site
from catena.flows.steps import check_sections, ensemble_request, report_request
from catena.shared.cli import app
from catena.shared.client import ArtifactRef, FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

DAY = "2026-02-03"
FILES = ArtifactRef(uri="imports/" + "1" * 64, digest="sha256:" + "1" * 64, kind="files")
RUNS = {"uri": "jobs/runs", "digest": "sha256:" + "2" * 64, "kind": "runs"}
WEATHER = {"uri": "jobs/w", "digest": "sha256:" + "3" * 64, "kind": "dataset"}
RUN: dict[str, Any] = {
    "setup": {
        "forcing": {"ingest": {"source": "generated_weather", "weather": {"sites": 1}}, "key": "a"},
        "stages": [{"kind": "transient"}],
    },
    "draw": {"members": 40, "parameters": [{"name": "flnr"}, {"name": "slatop"}]},
    "frequency": "monthly",
}
GIVEN: dict[str, Any] = {
    "site": "X-1",
    "title": "X",
    "ensemble": {
        "run": RUN,
        "variables": [{"name": "GPP"}, {"name": "NEE", "aggregation": "yearly"}],
        "start": "2001-01-01",
        "held_out_runs": 5,
    },
    "observation": {"synthetic": {"run": 3}},
}
DATA = {
    "data": {
        "ingest": {"source": "flux", "location": "/towers"},
        "site": "X-1",
        "variables": [{"name": "GPP", "absolute_sd": 1.0}],
        "end": "2003-12-31",
    }
}


def site_of(folder: Path, **changes: Any) -> Site:
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(GIVEN | changes))
    return Site.from_file(path)


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        site_of(folder, **changes)
    return str(caught.value)


def forced(**forcing: Any) -> dict[str, Any]:
    setup = {**RUN["setup"], "forcing": forcing}
    return {**GIVEN["ensemble"], "run": {**RUN, "setup": setup}}


def test_the_runs_give_what_is_calibrated_on(tmp_path: Path) -> None:
    request = runs_request(site_of(tmp_path), WEATHER)
    message = request_from_dict("ensemble-runner", "RunEnsemble", request)
    assert list(message.outputs) == ["GPP", "NEE"]
    assert message.setup.forcing.dataset.uri == "jobs/w"
    assert message.setup.forcing.key == "a"
    assert message.draw.members == 40


def test_more_outputs_may_be_asked_for(tmp_path: Path) -> None:
    ensemble = {**GIVEN["ensemble"], "run": {**RUN, "outputs": ["GPP", "NEE", "TLAI"]}}
    assert runs_request(site_of(tmp_path, ensemble=ensemble), WEATHER)["outputs"][-1] == "TLAI"


def test_a_driver_file_goes_into_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "US-X.nc4").write_bytes(b"x")
    put: dict[str, Path] = {}
    monkeypatch.setattr(model_runs, "put_files", lambda files, title: put.update(files) or FILES)
    site = site_of(tmp_path, ensemble=forced(path="US-X.nc4", fill_gaps=True))
    message = request_from_dict("ensemble-runner", "RunEnsemble", runs_request(site, None))
    assert put == {"US-X.nc4": (tmp_path / "US-X.nc4").resolve()}
    assert message.setup.forcing.file == "US-X.nc4"
    assert message.setup.forcing.files.uri == FILES.uri
    assert message.setup.forcing.fill_gaps


def test_periods_and_variables_belong_to_the_runs(tmp_path: Path) -> None:
    request = ensemble_request(site_of(tmp_path), RUNS)
    message = request_from_dict("calibrator", "ImportEnsemble", request)
    assert message.WhichOneof("source") == "runs"
    assert message.runs.start == "2001-01-01"
    assert [one.name for one in message.runs.variables] == ["GPP", "NEE"]
    assert message.held_out_runs == 5


def test_draws_are_run_like_the_ensemble(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    runs = runs_request(site, WEATHER)
    request = predictive_request(site, runs, ["flnr", "slatop.c4_grass"], [0.1, 0.01, 0.2, 0.02])
    message = request_from_dict("ensemble-runner", "RunEnsemble", request)
    assert message.WhichOneof("members") == "table"
    columns = [(column.name, column.pft) for column in message.table.columns]
    assert columns == [("flnr", ""), ("slatop", "c4_grass")]
    assert list(message.table.values) == [0.1, 0.01, 0.2, 0.02]
    same = request_from_dict("ensemble-runner", "RunEnsemble", runs)
    assert message.setup == same.setup and list(message.outputs) == list(same.outputs)


def test_what_was_held_back_reaches_the_report_alone(tmp_path: Path) -> None:
    values = {"values": [1.0, 2.0], "error_sd": [1.0, 1.0]}
    used, held = {**values, "observed": [True, False]}, {**values, "observed": [False, True]}
    request = report_request(site_of(tmp_path), {"predictive": RUNS}, used, held)
    message = request_from_dict("calibrator", "WriteReport", request)
    assert list(message.withheld.observed) == [False, True]
    assert message.predictive.uri == RUNS["uri"]
    assert "withheld" not in report_request(site_of(tmp_path), {}, used)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"ensemble": forced(key="a")}, "ensemble.run.setup.forcing", "path"),
        ({"ensemble": forced(path="none.nc")}, "ensemble.run.setup.forcing.path", "no file"),
        ({"ensemble": {**GIVEN["ensemble"], "run": {}}}, "ensemble.run.setup", "missing"),
        ({"ensemble": {"generated": {"runs": 50}, "start": "2001-01-01"}}, "ensemble", "run"),
        ({"observation": {**DATA, "synthetic": {"run": 1}}}, "observation", "one of them"),
        ({"observation": {"data": {"site": "X-1"}}}, "observation.data.ingest", "missing"),
        ({"predictive": {"draws": 1}}, "predictive.draws", "2"),
    ],
)
def test_a_wrong_section_is_named(
    tmp_path: Path, changes: dict[str, Any], field: str, said: str
) -> None:
    message = refused(tmp_path, **changes)
    assert f"  {field}: " in message and said in message, message


def test_an_ensemble_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "ensembles").mkdir()
    (tmp_path / "ensembles" / "in.csv").touch()
    files = {"parameters_file": "in.csv", "outputs_file": "in.csv"}
    other = {"ensemble": {"files": files}, "observation": {"synthetic": {"run": 9}}}
    (tmp_path / "ensembles" / "mine.yaml").write_text(yaml.safe_dump(other))
    path = tmp_path / "sites" / "site.yaml"
    path.write_text(yaml.safe_dump(GIVEN))
    chosen = Site.from_file(path, "mine")
    assert chosen.ensemble.files is not None
    assert chosen.ensemble.files.outputs_file == tmp_path / "ensembles" / "in.csv"
    assert chosen.observation.synthetic is not None and chosen.observation.synthetic.run == 9
    assert chosen.title == "X", "what the ensemble's file does not hold is the site's"
    path.write_text(yaml.safe_dump(GIVEN | {"ensemble": "mine"}))
    assert Site.from_file(path) == chosen
    with pytest.raises(NotFound, match=r"ensembles/none\.yaml"):
        Site.from_file(path, "none")


class Service:
    """Answers validation with what it was told to."""

    def __init__(self, errors: dict[str, Exception], asked: list[str]) -> None:
        self.errors, self.asked = errors, asked

    def validate(self, method: str, request: dict[str, Any]) -> None:
        self.asked.append(method)
        if method in self.errors:
            raise self.errors[method]

    call = validate


def test_every_service_checks_its_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = "sha256:" + "0" * 64
    errors: dict[str, Exception] = {
        "RunEnsemble": InvalidRequest(
            "x", violations=[FieldViolation("setup.stages[0].kind", "got x")]
        ),
        "ImportEnsemble": InvalidRequest(
            "x", violations=[FieldViolation("runs.variables[1].name", "twice")]
        ),
        "ReadObservation": InvalidRequest(
            "x", violations=[FieldViolation("variables[0].absolute_sd", "is missing")]
        ),
        "IngestDataset": InvalidRequest("x", violations=[FieldViolation("source", "unknown")]),
        "WriteReport": NotFound("x", violations=[FieldViolation("predictive", f"no {later}")]),
    }
    asked: list[str] = []
    connect = lambda service: contextlib.nullcontext(Service(errors, asked))  # noqa: E731
    monkeypatch.setattr(steps, "connect", connect)
    with pytest.raises(InvalidRequest) as caught:
        check_sections(site_of(tmp_path, observation=DATA), DAY)
    assert sorted(item.field for item in caught.value.violations) == [
        "ensemble.run.setup.forcing.ingest.source",
        "ensemble.run.setup.stages[0].kind",
        "ensemble.variables[1].name",
        "observation.data.ingest.source",
        "observation.data.variables[0].absolute_sd",
    ]
    assert asked.count("IngestDataset") == 2


def test_data_without_runs_have_no_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = lambda service: contextlib.nullcontext(Service({}, []))  # noqa: E731
    monkeypatch.setattr(steps, "connect", connect)
    site = site_of(tmp_path, ensemble={"generated": {"runs": 50}}, observation=DATA)
    with pytest.raises(InvalidRequest, match=r"observation\.data"):
        check_sections(site, DAY)


def flow_command(*words: str) -> Any:
    return CliRunner().invoke(app, ["flow", "run", *words])


def test_options_of_a_flow_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").touch()
    got: list[Any] = []

    def calibrate_site(config: Path, ensemble: str = "") -> None:
        got.append((config, ensemble))

    class Entry:
        name = "calibrate_site"

        def load(self) -> Any:
            return calibrate_site

    monkeypatch.setattr("catena.shared.cli.flow._flows", lambda: [Entry()])
    monkeypatch.setattr("catena.shared.cli.flow.require_system", lambda settings, service: None)
    given = ["calibrate_site", "--config", str(tmp_path / "a.yaml")]
    for words in (["--ensemble", "elm"], ["--ensemble=elm"]):
        assert flow_command(*given, *words).exit_code == 0
    assert got == [(tmp_path / "a.yaml", "elm")] * 2
    for words, said in (
        (["--ensmble", "elm"], "has no option --ensmble; its own options: --ensemble"),
        (["--ensemble"], "wants a value"),
    ):
        done = flow_command(*given, *words)
        assert done.exit_code == 2 and said in done.output, done.output
    assert len(got) == 2
