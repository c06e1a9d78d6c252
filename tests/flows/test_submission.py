"""CalLMIP submissions: what of the file goes into which request; the chain on generated data."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from catena.flows import submission_steps as steps
from catena.flows.submission import Submission
from catena.shared.client import ArtifactRef, FieldViolation, InvalidRequest
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
DAY = "2026-02-03"


def ref(kind: str, digit: str = "2") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": f"sha256:{digit * 64}", "kind": kind}


SETUP: dict[str, Any] = {
    "forcing": {"path": "US-X.nc4", "co2_path": "co2.txt", "fill_gaps": True},
    "stages": [{"kind": "transient"}],
}
GENERATED = {"forcing": {"ingest": {"source": "generated_weather", "weather": {"sites": 1}}}}
GIVEN: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "model": "m.1",
    "held_back_years": 2,
    "draw": {"members": 40, "parameters": [{"name": "flnr"}]},
    "sites": [
        {"site": "US-MMS", "setup": SETUP, "tower": {"path": "tower.nc", "as_published": True}},
        {"site": "US-Ha1", "setup": GENERATED,
         "monthly": {"ingest": {"source": "flux", "location": "/m"}, "key": "k"}},
    ],
    "statistics": {"least_days": 7},
    "draws": 20,
}  # fmt: skip


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Files that were put into the store."""
    files: dict[str, Path] = {}

    def put_files(given: dict[str, Path], title: str) -> ArtifactRef:
        files.update(given)
        return ArtifactRef(uri="imports/x", digest="sha256:" + "1" * 64, kind="files")

    monkeypatch.setattr(steps, "put_files", put_files)
    return files


def config_of(folder: Path, **changes: Any) -> Submission:
    for name in ("US-X.nc4", "co2.txt", "tower.nc"):
        (folder / name).touch()
    path = folder / "submission.yaml"
    path.write_text(yaml.safe_dump(GIVEN | changes))
    return Submission.from_file(path)


def test_all_runs_of_a_site_see_the_same_weather(tmp_path: Path, put: dict[str, Path]) -> None:
    config = config_of(tmp_path)
    site = config.sites[0]
    chains = ref("chains")

    def runs(request: dict[str, Any]) -> Any:
        return request_from_dict("ensemble-runner", "RunEnsemble", request)

    ensemble = runs(steps.runs_request(config, site, None))
    more = runs(steps.round_request(config, site, None, chains))
    after = runs(steps.posterior_request(config, site, None, chains))
    request = steps.prior_request(config, site, None)
    prior = request_from_dict("ensemble-runner", "RunCase", request)
    assert ensemble.setup == more.setup == prior.setup == after.setup
    assert (ensemble.setup.forcing.file, ensemble.setup.forcing.co2_file) == ("US-X.nc4", "co2.txt")
    assert ensemble.setup.forcing.fill_gaps and set(put) == {"US-X.nc4", "co2.txt"}
    assert ensemble.draw.members == 40 and list(ensemble.outputs) == ["NEE", "EFLX_LH_TOT", "FSH"]
    assert more.draws.draws.uri == "jobs/chains" and more.draws.members == config.round_members
    assert after.draws.members == 20 and list(after.outputs) == list(prior.outputs)
    assert set(ensemble.outputs) < set(after.outputs)


def test_the_outputs_are_those_that_files_are_made_of() -> None:
    """The service refuses runs without them; the flow cannot import its list."""
    from catena.ensemble_runner.daily_series import SUBMITTED_OUTPUTS
    from catena.ensemble_runner.tower_statistics import MODEL_FLUXES

    assert set(steps.OUTPUTS) == set(SUBMITTED_OUTPUTS)
    assert set(steps.FLUXES) == set(MODEL_FLUXES.values())


def test_towers_and_rounds_reach_the_statistics(tmp_path: Path, put: dict[str, Path]) -> None:
    config = config_of(tmp_path)
    towers = {"US-MMS": steps.tower_message(config.sites[0], None)}
    runs = {"US-MMS": [ref("runs"), ref("runs", "3")]}
    message = request_from_dict(
        "ensemble-runner", "SummariseFluxes", steps.statistics_request(config, runs, towers)
    )
    assert (message.held_back_years, message.least_days) == (2, 7)
    assert len(message.sites) == 1 and len(message.sites[0].runs) == 2
    assert message.sites[0].tower.as_published and message.sites[0].tower.site == "US-MMS"
    assert message.sites[0].tower.file == "tower.nc" and "tower.nc" in put


def test_a_submission_has_all_sites(tmp_path: Path, put: dict[str, Path]) -> None:
    config = config_of(tmp_path)
    pair = {"prior": ref("case"), "posterior": ref("runs")}
    made = {"US-MMS": pair, "US-Ha1": {**pair, "monthly": ref("dataset")}}
    towers = {"US-MMS": steps.tower_message(config.sites[0], None)}
    request = steps.submission_request(config, made, towers, ref("statistics"), ref("chains"))
    message = request_from_dict("ensemble-runner", "WriteSubmission", request)
    assert [one.site for one in message.sites] == ["US-MMS", "US-Ha1"]
    assert message.sites[0].HasField("tower") and not message.sites[1].HasField("tower")
    assert message.sites[1].monthly.uri == "jobs/dataset" and message.sites[1].monthly_key == "k"
    assert message.model == "m.1" and message.held_back_years == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sites": [GIVEN["sites"][1]]}, "no site has a tower"),
        ({"sites": [GIVEN["sites"][0]] * 2}, "US-MMS is there twice"),
        ({"sites": [{**GIVEN["sites"][0], "tower": {}}]}, "wanted one of path"),
        ({"sites": [{**GIVEN["sites"][0], "tower": {"path": "none.nc"}}]}, "no file"),
        ({"rounds": 0}, "rounds"),
        ({"model": None}, "model"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, changes: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        config_of(tmp_path, **changes)
    assert said in str(caught.value)


def test_faults_of_all_services_come_at_once(
    tmp_path: Path, put: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    errors = {
        "RunCase": [FieldViolation("setup.stages[0].kind", "got x")],
        "RunEnsemble": [FieldViolation("setup.stages[0].kind", "got x")],
        "IngestDataset": [FieldViolation("source", "unknown")],
        "RunMcmc": [FieldViolation("chains", "got 1")],
        "WriteSubmission": [FieldViolation("model", "no version")],
    }

    class Service:
        def validate(self, method: str, request: dict[str, Any]) -> None:
            asked.append(method)
            if method in errors:
                raise InvalidRequest("x", violations=errors[method])

    monkeypatch.setattr(steps, "connect", lambda service: contextlib.nullcontext(Service()))
    with pytest.raises(InvalidRequest) as caught:
        steps.check_submission(config_of(tmp_path), DAY)
    assert sorted(each.field for each in caught.value.violations) == [
        "mcmc.chains",
        "model",
        "sites[0].setup.stages[0].kind",
        "sites[1].monthly.ingest.source",
        "sites[1].setup.forcing.ingest.source",
        "sites[1].setup.stages[0].kind",
    ]
    assert asked.count("RunCase") == 2 and asked.count("RunEnsemble") == 1


@pytest.mark.parametrize("name", ["phase1", "generated"])
def test_files_of_this_repository_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda path: True)  # the data may not be here
    monkeypatch.setenv("CATENA_DATA", "/data")
    config = Submission.from_file(ROOT / "deploy" / "callmip" / f"{name}.yaml")
    assert config.calibrated and config.name == name
