"""The YAML file of a region's spin-ups: what of it goes into which request."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from catena.flows import model_runs
from catena.flows import spin_up_steps as steps
from catena.flows.spin_ups import SpinUpRegion
from catena.shared.client import FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "deploy" / "spin_up").glob("*.yaml"))
DAY = "2026-11-30"
GIVEN: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "sites": {
        "setup": {
            "forcing": {
                "ingest": {"source": "generated_weather", "weather": {"years": 3}},
                "co2_ppm": 285,
            },
            "surface_map": {"plants": 2, "seed": 4},
        },
        "draw": {"members": 2, "parameters": [{"name": "flnr"}]},
        "own_parameters": True,
    },
    "learning": {
        "sample": {"share": 0.5},
        "draw": {"members": 6, "parameters": [{"name": "flnr"}]},
        "method": {"ad_years": 500},
        "lessons": {"ad_years": 0},
    },
    "emulator": {"training": {"steps": 10}},
    "spin_up": {"check": {"settle_cycles": 1}},
    "comparison": {
        "methods": [{"kind": "emulator"}, {"kind": "SPIN_UP_KIND_TREES"}, {"kind": "sasu"}],
        "free_cycles": 3,
    },
}


def read(**changes: Any) -> SpinUpRegion:
    return SpinUpRegion.from_plain(GIVEN | changes, Path("/"))


def made(kind: str, digit: str = "2") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": "sha256:" + digit * 64, "kind": kind}


def message(method: str, request: dict[str, Any]) -> Any:
    return request_from_dict("ensemble-runner", method, request)


def test_all_steps_are_about_the_same_sites() -> None:
    config = read()
    sites = steps.sites_fields(config, made("dataset"), None)
    sample = message("SpinUp", steps.learning_request(config, sites))
    whole = message("SpinUp", steps.spin_up_request(config, sites, made("spin_up_emulator")))
    compared = message(
        "CompareSpinUps",
        steps.comparison_request(config, sites, made("spin_up_emulator"), made("spin_up", "3")),
    )
    assert sample.setup == whole.setup == compared.setup
    assert whole.setup.forcing.co2_ppm == 285 and whole.setup.surface_map.plants == 2
    assert sample.own_parameters and compared.own_parameters
    assert (sample.draw.members, whole.draw.members, compared.draw.members) == (6, 2, 2)
    assert sample.sample.share == 0.5 and not whole.HasField("sample")


def test_the_sample_is_native_and_the_rest_learns_from_it() -> None:
    config = read()
    sites = steps.sites_fields(config, made("dataset"), None)
    native = message("SpinUp", steps.learning_request(config, sites))
    assert native.method.ad_years == 500 and native.lessons.HasField("ad_years")
    tuned = request_from_dict(
        "orbit-trainer", "FineTune", steps.emulator_request(config, made("spin_up", "3"))
    )
    assert tuned.sites.files.digest[-1] == "3" and tuned.sites.file == steps.SITES
    assert tuned.training.steps == 10
    whole = steps.spin_up_request(config, sites, made("spin_up_emulator", "4"))
    assert whole["method"] == {"kind": "emulator", "emulator": made("spin_up_emulator", "4")}
    asked = steps.comparison_request(
        config, sites, made("spin_up_emulator", "4"), made("spin_up", "3")
    )
    compared = message("CompareSpinUps", asked)
    emulator, trees, sasu = compared.methods
    assert emulator.emulator.digest[-1] == "4"
    assert trees.training.digest[-1] == "3" and not trees.HasField("emulator")
    assert not sasu.HasField("training") and compared.free_cycles == 3


def test_a_map_and_a_driver_file_go_into_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plants.nc", "US-MOz_forcing.nc4"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setenv("MINE", str(tmp_path))
    put: list[str] = []

    def keep(files: dict[str, Path], title: str) -> dict[str, str]:
        put.extend(files)
        return made("files", str(len(put)))

    for module in (steps, model_runs):
        monkeypatch.setattr(module, "put_files", keep)
        monkeypatch.setattr(module, "plain_ref", lambda ref: ref)
    setup = {
        "forcing": {"path": "${MINE}/US-MOz_forcing.nc4"},
        "surface_map": {"path": "${MINE}/plants.nc", "trees": True},
    }
    config = read(sites={"setup": setup})
    assert steps.weather_request(config, DAY) is None
    sites = steps.sites_fields(config, None, steps.map_files(config))
    sent = message("SpinUp", steps.learning_request(config, sites)).setup
    assert put == ["plants.nc", "US-MOz_forcing.nc4"]
    assert sent.forcing.file == "US-MOz_forcing.nc4" and sent.surface_map.file == "plants.nc"
    assert sent.surface_map.trees and sent.surface_map.files.digest[-1] == "1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sites": {"setup": {}}}, ("sites.setup.forcing",)),
        ({"learning": {}}, ("learning.sample",)),
        ({"comparison": {"methods": []}}, ("comparison.methods",)),
        (
            {"comparison": {"methods": [{"kind": "trees", "training": made("spin_up")}]}},
            ("comparison.methods[0].training", "filled in"),
        ),
        ({"emulators": {}}, ("emulators", "spelling")),
        (
            {"sites": {"setup": {"forcing": {"files": 1}, "surface_map": {"path": "/none.nc"}}}},
            ("there is no file",),
        ),
    ],
)
def test_a_wrong_file_is_refused(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)


class Service:
    """Answers validation with what it was told to."""

    def __init__(self, errors: dict[str, Exception], asked: list[str]) -> None:
        self.errors, self.asked = errors, asked

    def validate(self, method: str, request: dict[str, Any]) -> None:
        self.asked.append(method)
        if method in self.errors:
            raise self.errors[method]


def test_every_section_is_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    later = "sha256:" + "0" * 64

    def fault(*fields: str) -> InvalidRequest:
        return InvalidRequest("x", violations=[FieldViolation(field, "wrong") for field in fields])

    errors: dict[str, Exception] = {
        "IngestDataset": fault("source"),
        "SpinUp": fault("setup.fixed[0].name", "sample.share"),
        "FineTune": NotFound("x", violations=[FieldViolation("sites.files", f"no {later}")]),
        "CompareSpinUps": fault("draw.members", "methods[1].final_years"),
    }
    asked: list[str] = []
    connect = lambda service: contextlib.nullcontext(Service(errors, asked))  # noqa: E731
    monkeypatch.setattr(steps, "connect", connect)
    with pytest.raises(InvalidRequest) as caught:
        steps.check_region(read(), DAY)
    assert sorted({item.field for item in caught.value.violations}) == [
        "comparison.methods[1].final_years",
        "learning.sample.share",
        "sites.draw.members",
        "sites.setup.fixed[0].name",
        "sites.setup.forcing.ingest.source",
        "spin_up.sample.share",
    ]
    assert sorted(asked) == ["CompareSpinUps", "FineTune", "IngestDataset", "SpinUp", "SpinUp"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_that_are_shipped_make_sound_requests(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from catena.data_ingest import queries as ingest
    from catena.ensemble_runner import queries as runner
    from catena.orbit_trainer import queries as trainer

    plants = tmp_path / "land_model" / "pft_maps" / "surfdata_360x720_DALEC.nc4"
    plants.parent.mkdir(parents=True)
    plants.write_bytes(b"x")
    monkeypatch.setenv("CATENA_DATA", str(tmp_path))
    config = SpinUpRegion.from_file(ROOT / "deploy" / "spin_up" / f"{name}.yaml")
    weather = steps.weather_request(config, DAY)
    assert weather is not None
    check(ingest, "IngestDataset", weather)
    files = made("files") if name == "region" else None
    sites = steps.sites_fields(config, made("dataset"), files)
    emulator, sample = made("spin_up_emulator"), made("spin_up")
    check(runner, "SpinUp", steps.learning_request(config, sites))
    check(runner, "SpinUp", steps.spin_up_request(config, sites, emulator))
    check(runner, "CompareSpinUps", steps.comparison_request(config, sites, emulator, sample))
    check(trainer, "FineTune", steps.emulator_request(config, sample))


def check(queries: Any, method: str, request: dict[str, Any]) -> None:
    service = queries.__name__.split(".")[1].replace("_", "-")
    getattr(queries, f"{method}Query").from_message(request_from_dict(service, method, request))
