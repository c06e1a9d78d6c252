"""The YAML file of the foundation model: what of it goes into which request."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from catena.flows import orbit_steps as steps
from catena.flows.orbit import OrbitTraining
from catena.shared.client import FieldViolation, InvalidRequest, NotFound
from catena.shared.requests import request_from_dict

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "deploy" / "orbit").glob("*.yaml"))
GIVEN: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "data": {
        "cmip6": {
            "ingest": {"source": "cmip6", "location": "/archive/cmip6"},
            "leads_s": [21600],
        },
        "era5": {"ingest": {"source": "era5", "location": "/archive/era5"}, "half": True},
    },
    "training_days": {"start": "1981-01-01", "end": "2003-12-31"},
    "test_days": {"start": "2007-01-01", "end": "2009-12-31"},
    "pretrain": {"data": ["cmip6"], "shape": {"size": "115m"}, "training": {"steps": 10}},
    "fine_tunes": {
        "forecast": {"data": "era5", "task": "forecast", "adapter": "lora"},
        "scratch": {"data": "era5", "task": "forecast", "from_scratch": True},
    },
    "evaluation": {"stride": 4},
    "plan": {"shape": {"size": "10b"}},
}


def read(**changes: Any) -> OrbitTraining:
    return OrbitTraining.from_plain(GIVEN | changes, Path("/"))


def made(kind: str, digit: str = "2") -> dict[str, str]:
    return {"uri": f"jobs/{kind}", "digest": "sha256:" + digit * 64, "kind": kind}


def test_data_become_the_caches_of_each_step() -> None:
    config = read()
    assert steps.data_request(config, "era5", "2026-01-01") == {
        "source": "era5",
        "location": "/archive/era5",
        "as_of": "2026-01-01",
    }
    cache = request_from_dict(
        "data-ingest", "BuildCache", steps.cache_request(config, "era5", made("dataset"))
    )
    assert cache.half and cache.dataset.kind == "dataset"
    caches = {"cmip6": made("hot_cache", "1"), "era5": made("hot_cache", "3")}
    pretrain = request_from_dict(
        "orbit-trainer", "Pretrain", steps.pretrain_request(config, caches)
    )
    assert [ref.digest[-1] for ref in pretrain.caches] == ["1"], "those that it names, no others"
    assert pretrain.training_days.end == "2003-12-31"


def test_a_fine_tuning_begins_from_the_checkpoint_or_with_its_shape() -> None:
    config = read()
    cache, checkpoint = made("hot_cache"), made("checkpoint")
    tuned = request_from_dict(
        "orbit-trainer",
        "FineTune",
        steps.fine_tune_request(config, "forecast", cache, checkpoint),
    )
    assert tuned.checkpoint.kind == "checkpoint" and not tuned.HasField("shape")
    scratch = request_from_dict(
        "orbit-trainer", "FineTune", steps.fine_tune_request(config, "scratch", cache, None)
    )
    assert not scratch.HasField("checkpoint")
    assert (
        scratch.shape
        == request_from_dict(
            "orbit-trainer", "Pretrain", steps.pretrain_request(config, {"cmip6": cache})
        ).shape
    ), "the same model, or nothing is compared"


def tuned(**fields: Any) -> dict[str, Any]:
    return {"fine_tunes": {"tuned": fields}}


def test_each_number_of_samples_is_learned_from_both_beginnings() -> None:
    efficiency = {"samples": [64, 16], "scratch": {"training": {"steps": 30}}}
    config = read(
        **tuned(data="era5", task="forecast", adapter="lora", rank=4, efficiency=efficiency)
    )
    cache, checkpoint = made("hot_cache"), made("checkpoint")
    found = {
        name: request_from_dict("orbit-trainer", "FineTune", request)
        for name, request in steps.efficiency_requests(config, "tuned", cache, checkpoint).items()
    }
    assert list(found) == [
        "tuned, 16 samples, pre-trained",
        "tuned, 16 samples, from scratch",
        "tuned, 64 samples, pre-trained",
        "tuned, 64 samples, from scratch",
    ]
    assert [one.samples for one in found.values()] == [16, 16, 64, 64]
    begun, scratch = (
        found["tuned, 64 samples, pre-trained"],
        found["tuned, 64 samples, from scratch"],
    )
    assert begun.checkpoint.kind == "checkpoint" and begun.rank == 4 and not begun.training.steps
    assert not scratch.HasField("checkpoint") and not scratch.rank and scratch.training.steps == 30
    assert scratch.shape.size == 2, "the shape of the pre-trained model"
    assert not steps.efficiency_requests(read(), "forecast", cache, checkpoint)
    request = steps.evaluation_request(
        config, {}, checkpoint, cache, "x", [made("checkpoint", "3")]
    )
    sent = request_from_dict("orbit-trainer", "EvaluateCheckpoint", request)
    assert [ref.digest[-1] for ref in sent.compared] == ["3"]


def test_spin_ups_learn_from_sites_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sites.safetensors").write_bytes(b"x")
    monkeypatch.setenv("SITES", str(tmp_path))
    sites = {"path": "${SITES}/sites.safetensors", "pools": ["wood", "litter"]}
    config = read(**tuned(task="SPIN_UP", sites=sites, training={"steps": 5}))
    request = steps.fine_tune_request(config, "tuned", made("files"), made("checkpoint"))
    sent = request_from_dict("orbit-trainer", "FineTune", request)
    assert sent.sites.file == "sites.safetensors" and list(sent.sites.pools) == ["wood", "litter"]
    assert sent.sites.files.kind == "files" and not sent.HasField("training_days")
    asked = [method for _, method, _ in steps._requests(config)]
    assert asked == ["Pretrain", "EvaluateCheckpoint", "FineTune", "PlanTraining"]
    put: list[dict[str, Path]] = []
    monkeypatch.setattr(steps, "put_files", lambda files, title: put.append(files))
    monkeypatch.setattr(steps, "plain_ref", lambda ref: made("files"))
    assert steps.sites_files(config, "tuned")["kind"] == "files"
    assert put == [{"sites.safetensors": tmp_path / "sites.safetensors"}]
    (tmp_path / "about.json").write_text("{}")
    steps.sites_files(config, "tuned")
    assert put[1] == {**put[0], "about.json": tmp_path / "about.json"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (tuned(task="forecast"), ("wanted data",)),
        (tuned(task="spin_up", data="era5"), ("wants sites",)),
        (tuned(task="spin_up", sites={"path": "/none.safetensors"}), ("there is no file",)),
        (
            tuned(data="era5", task="downscale", efficiency={"samples": [8]}),
            ("efficiency is for the task forecast",),
        ),
        (tuned(data="era5", task="forecast", efficiency={"samples": [8, 8]}), ("number once",)),
        (
            tuned(data="era5", task="forecast", samples=4, efficiency={"samples": [8]}),
            ("leave these out",),
        ),
        ({"pretrain": {"data": ["era6"]}}, ("pretrain.data", "'era6'", "cmip6, era5")),
        ({"pretrain": {"data": []}}, ("pretrain.data",)),
        ({"fine_tunes": {"a": {"data": "b"}}}, ("fine_tunes.a.data", "'b'")),
        ({"fine_tunes": {"era5": {"data": "era5"}}}, ("'era5'", "another name")),
        ({"fine_tunes": {"plan": {"data": "era5"}}}, ("'plan'", "another name")),
        ({"data": {"../x": GIVEN["data"]["era5"]}}, ("letters, digits",)),
        ({"tests": {}}, ("tests", "spelling")),
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

    def fault(field: str) -> InvalidRequest:
        return InvalidRequest("x", violations=[FieldViolation(field, "wrong")])

    errors: dict[str, Exception] = {
        "IngestDataset": fault("source"),
        "BuildCache": NotFound("x", violations=[FieldViolation("dataset", f"no {later}")]),
        "Pretrain": fault("training.batch"),
        "FineTune": fault("training_days.start"),
        "EvaluateCheckpoint": fault("days.start"),
        "PlanTraining": fault("shape.size"),
    }
    asked: list[str] = []
    connect = lambda service: contextlib.nullcontext(Service(errors, asked))  # noqa: E731
    monkeypatch.setattr(steps, "connect", connect)
    with pytest.raises(InvalidRequest) as caught:
        steps.check_orbit(read(), "2026-01-01")
    assert sorted(item.field for item in caught.value.violations) == [
        "data.cmip6.ingest.source",
        "data.era5.ingest.source",
        "plan.shape.size",
        "pretrain.training.batch",
        "test_days.start",
        "training_days.start",
    ]
    assert asked.count("FineTune") == 2 and asked.count("EvaluateCheckpoint") == 3


@pytest.mark.parametrize("name", SHIPPED)
def test_the_files_that_are_shipped_make_sound_requests(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catena.data_ingest import queries as ingest
    from catena.orbit_trainer import queries

    monkeypatch.setenv("CATENA_DATA", "/data")
    config = OrbitTraining.from_file(ROOT / "deploy" / "orbit" / f"{name}.yaml")
    caches = {one: made("hot_cache", format(i, "x")) for i, one in enumerate(config.data)}
    for one in config.data:
        check(ingest, "IngestDataset", steps.data_request(config, one, "2026-11-30"))
        check(ingest, "BuildCache", steps.cache_request(config, one, made("dataset")))
    check(queries, "Pretrain", steps.pretrain_request(config, caches))
    sections = [(config.pretrain.data[0], config.evaluation)]
    for name_, one_tune in config.fine_tunes.items():
        start = None if one_tune.from_scratch else made("checkpoint")
        cache = caches[one_tune.data]
        check(queries, "FineTune", steps.fine_tune_request(config, name_, cache, start))
        dots = steps.efficiency_requests(config, name_, cache, made("checkpoint"))
        for request in dots.values():
            check(queries, "FineTune", request)
        sections.append((one_tune.data, one_tune.evaluation))
    for data, own in sections:
        request = steps.evaluation_request(config, own, made("checkpoint"), caches[data], "x")
        check(queries, "EvaluateCheckpoint", request)
    if config.plan is not None:
        check(queries, "PlanTraining", steps.plan_request(config))


def check(queries: Any, method: str, request: dict[str, Any]) -> None:
    service = queries.__name__.split(".")[1].replace("_", "-")
    getattr(queries, f"{method}Query").from_message(request_from_dict(service, method, request))
