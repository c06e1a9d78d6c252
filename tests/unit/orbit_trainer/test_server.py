"""The trainer over gRPC: quick rpcs answer, long ones give jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from support import orbit as small
from support.servers import Running

from catena.api.orbit_trainer.v1 import orbit_trainer_pb2 as pb
from catena.orbit_trainer import server as module
from catena.orbit_trainer.predict import Predictor
from catena.orbit_trainer.server import add_services
from catena.orbit_trainer.storage import open_cache
from catena.shared.artifacts.index import JobIndex
from catena.shared.client import ServiceClient
from catena.shared.errors import InvalidRequest
from catena.shared.testing import LocalJobs

TIME = "2001-02-03T06:00:00"


@pytest.fixture
def client(serve: Callable[..., Running]) -> ServiceClient:
    running = serve(
        add_services,
        service="orbit-trainer",
        jobs=LocalJobs,
        store=small.made().store.url,
        patience_s=1.0,
    )
    return running.client()


def predict(client: ServiceClient, **request: Any) -> pb.PredictResponse:
    answer: pb.PredictResponse = client.call("Predict", request, timeout_s=60)
    return answer


def truth() -> tuple[np.ndarray, np.ndarray]:
    """Fields at TIME, and twelve hours later."""
    cache = open_cache(small.made().store.open(small.waves_cache()["uri"]))
    at = 33 * 4 + 1
    return tuple(cache.physical(cache.sample(at + steps)) for steps in (0, 2))  # type: ignore[return-value]


def fields(answer: pb.PredictResponse) -> np.ndarray:
    return np.array([field.values for field in answer.fields]).reshape(
        len(answer.fields), answer.rows, answer.columns
    )


def test_a_prediction_of_a_cache_is_that_of_the_same_fields_given(client: ServiceClient) -> None:
    asked = {"checkpoint": small.pretrained(), "lead_h": 12.0}
    there = predict(client, **asked, cache=small.waves_cache(), time=TIME)
    now, later = truth()
    mine = [{"name": n, "values": v.ravel()} for n, v in zip(small.NAMES, now, strict=True)]
    given = predict(client, **asked, fields=mine)
    assert [field.name for field in there.fields] == list(small.NAMES)
    assert [field.units for field in there.fields] == ["K", "Pa", "m s-1"]
    assert (there.rows, there.columns, there.lead_h) == (*small.GRID, 12.0)
    assert np.allclose(fields(there), fields(given), rtol=1e-5)
    error, spread = fields(there) - later, now.std((1, 2))
    assert (np.sqrt((error**2).mean((1, 2))) < 2 * spread).all(), "in the units of the fields"
    assert not there.notes


def test_what_is_not_given_is_missing_and_it_is_said(client: ServiceClient) -> None:
    now, _ = truth()
    asked = {"checkpoint": small.pretrained(), "lead_h": 6.0}
    some = [{"name": name, "values": now[i].ravel()} for i, name in enumerate(small.NAMES[:2])]
    answer = predict(client, **asked, fields=some, outputs=["tas"])
    assert [field.name for field in answer.fields] == ["tas"]
    assert np.isfinite(fields(answer)).all()
    assert answer.notes == ["without ua: they were not given"]


def test_a_roll_out_is_a_prediction_of_predictions(client: ServiceClient) -> None:
    asked = {"checkpoint": small.pretrained(), "lead_h": 6.0}
    once = predict(client, **asked, cache=small.waves_cache(), time=TIME)
    mine = [{"name": one.name, "values": list(one.values)} for one in once.fields]
    by_hand = predict(client, **asked, fields=mine)
    twice = predict(client, **asked, cache=small.waves_cache(), time=TIME, steps=2)
    assert twice.lead_h == 12.0
    assert np.allclose(fields(twice), fields(by_hand), rtol=1e-4)


def test_coarse_fields_become_fine_ones(client: ServiceClient) -> None:
    now, _ = truth()
    coarse = now.reshape(3, 6, 2, 12, 2).mean((2, 4))
    mine = [{"name": n, "values": v.ravel()} for n, v in zip(small.NAMES, coarse, strict=True)]
    answer = predict(client, checkpoint=small.downscale(), fields=mine)
    assert (answer.rows, answer.columns) == small.GRID
    errors = np.abs(fields(answer) - now).mean((1, 2))
    assert (errors < now.std((1, 2))).all()


def test_large_grids_are_not_predicted_inline(
    client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catena.orbit_trainer.preflight.MOST_INLINE", 500)
    with pytest.raises(InvalidRequest) as caught:
        predict(
            client,
            checkpoint=small.pretrained(),
            cache=small.waves_cache(),
            time=TIME,
            lead_h=6.0,
        )
    [found] = caught.value.violations
    assert found.field == "outputs" and "864 numbers; wanted at most 500" in found.description


def test_checkpoints_are_listed_newest_first_in_pages(client: ServiceClient) -> None:
    index, start = JobIndex(small.made().store), datetime(2026, 1, 1, tzinfo=UTC)
    refs = [small.pretrained(), small.forecast(), small.downscale()]
    others = ["orbit-trainer/PlanTraining/" + "a" * 64, "orbit-trainer/Pretrain/" + "b" * 64]
    names = [ref["uri"].removeprefix("jobs/") for ref in refs]
    for number, name in enumerate((names[0], others[0], names[1], others[1], names[2])):
        index.add(name, start + timedelta(hours=number))
    found, token = [], ""
    while True:
        page = client.call("ListCheckpoints", {"page_size": 2, "page_token": token})
        assert len(page.checkpoints) <= 2
        found += list(page.checkpoints)
        token = page.next_page_token
        if not token:
            break
    assert [one.checkpoint.uri for one in found] == [ref["uri"] for ref in reversed(refs)]
    fine, tuned, first = found
    assert (first.task, tuned.task, fine.task) == ("pretrain", "forecast", "downscale")
    assert list(tuned.leads_h) == [6.0, 24.0] and list(first.variables) == list(small.NAMES)
    assert first.training_days.end == small.TRAINING["end"]
    assert first.parameters > 10_000 and first.steps == small.STEPS["steps"]
    assert (fine.rows, fine.columns) == small.GRID


def test_a_mesh_of_several_processes_is_another_job_of_the_same_name(
    client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def submit(self: LocalJobs, function: Any, query: Any) -> Any:
        asked.append(function.function.__name__)
        return submit_here(self, function, query)

    submit_here = LocalJobs.submit
    monkeypatch.setattr(LocalJobs, "submit", submit)
    for mesh in ({}, {"fsdp": 2}):
        request = small.pretrain_request(small.waves_cache(), training=small.STEPS | {"mesh": mesh})
        client.validate("Pretrain", request)
        tuned = {"task": "forecast", "cache": small.waves_cache(), "training": request["training"]}
        client.validate("FineTune", tuned | {"checkpoint": small.pretrained()})
    assert asked == ["pretrain", "fine_tune", "pretrain_together", "fine_tune_together"]


def test_a_long_rpc_gives_a_job(client: ServiceClient) -> None:
    wanted = small.pretrained()
    job = client.submit("Pretrain", small.pretrain_request(small.waves_cache()))
    assert job.reused and small.plain(job.result()) == wanted


def test_loaded_checkpoints_are_kept(
    client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = Predictor.read

    def counted(artifact: Any) -> Predictor:
        read.append(artifact.uri)
        return original(artifact)

    monkeypatch.setattr(module.Predictor, "read", counted)
    asked = {"cache": small.waves_cache(), "time": TIME, "lead_h": 6.0}
    for _ in range(3):
        predict(client, checkpoint=small.forecast(), **asked)
    assert len(read) <= 1
