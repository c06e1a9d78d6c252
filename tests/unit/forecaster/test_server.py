"""The forecaster over gRPC: quick rpcs answer, a stream flows, long ones give jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from support import forecasts as small
from support.servers import Running, wait_until

from catena.api.forecaster.v1 import forecaster_pb2 as pb
from catena.api.forecaster.v1 import forecaster_pb2_grpc
from catena.forecaster import jobs, storage
from catena.forecaster.basins import read_basins
from catena.forecaster.issue import issue
from catena.forecaster.server import COMPUTING, add_services
from catena.forecaster.vocabulary import Basins
from catena.shared.client import ServiceClient
from catena.shared.errors import DeadlineExceeded, InvalidData, InvalidRequest, Unavailable
from catena.shared.requests import request_from_dict
from catena.shared.status import from_rpc_error
from catena.shared.testing import LocalJobs

PLACE = {"basins": small.BASINS, "issue": small.DAY}


@pytest.fixture
def running(serve: Callable[..., Running]) -> Running:
    return serve(
        add_services, service="forecaster", jobs=LocalJobs, store=small.MEMORY, patience_s=1.0
    )


@pytest.fixture
def client(running: Running) -> ServiceClient:
    return running.client()


def forecast(client: ServiceClient, **request: Any) -> list[pb.BasinForecast]:
    asked = {"forecaster": small.hybrid(), **request}
    return list(client.call("Forecast", asked, timeout_s=60).forecasts)


def test_a_forecast_comes_inline_with_intervals_around_it(client: ServiceClient) -> None:
    made = forecast(client, **PLACE, intervals=small.intervals(), levels=[0.5, 0.9])
    assert [one.basin for one in made] == ["generated-001", "generated-002"]
    for one in made:
        assert one.issue == small.DAY
        flow = np.array(one.streamflow)
        assert flow.shape == (small.LEADS,) and (flow >= 0).all()
        assert [interval.level for interval in one.intervals] == [0.5, 0.9]
        narrow, wide = one.intervals
        assert (np.array(wide.lower) <= narrow.lower).all()
        assert (np.array(wide.upper) >= narrow.upper).all()
        assert (np.array(wide.upper) > 0).all()
        assert len(one.confidence) == small.LEADS
    assert forecast(client, **PLACE, intervals=small.intervals(), levels=[0.5, 0.9]) == made


def records_of(days: int) -> list[dict[str, Any]]:
    records = read_basins(Basins.model_validate(small.BASINS), lambda ref: None)  # type: ignore[arg-type,return-value]
    end = records.day(small.DAY) + 1
    start = end - days
    return [
        {
            "basin": basin,
            "start": str(records.days[start]),
            "precipitation": records.weather[row, start:end, 0].astype(float).tolist(),
            "temperature": records.weather[row, start:end, 1].astype(float).tolist(),
            "streamflow": records.flow[row, start:end].astype(float).tolist(),
        }
        for row, basin in enumerate(records.basins)
    ]


def test_records_of_ones_own_are_forecast_like_those_of_a_dataset(client: ServiceClient) -> None:
    there = forecast(client, **PLACE, without_weather=True)
    given = records_of(days=1200)
    mine = forecast(client, records=given)
    for one, two in zip(there, mine, strict=True):
        assert one.issue == two.issue
        assert np.allclose(one.streamflow, two.streamflow, rtol=0.02)
    rain = [{**one, "forecast_precipitation": [60.0] * 3, "forecast_temperature": [15.0] * 3}
            for one in given]  # fmt: skip
    wet = forecast(client, records=rain)
    assert all(
        max(two.streamflow) > max(one.streamflow) for one, two in zip(mine, wet, strict=True)
    )


def test_a_basin_without_observations_is_forecast_and_it_is_said(client: ServiceClient) -> None:
    blind = [{**record, "streamflow": []} for record in records_of(days=800)]
    made = forecast(client, records=blind, intervals=small.intervals())
    for one in made:
        assert np.isfinite(one.streamflow).all()
        assert any("no flow was observed" in note for note in one.notes)
        assert any("no forecast weather" in note for note in one.notes)


def test_saved_states_take_the_place_of_a_long_record(client: ServiceClient) -> None:
    short = records_of(days=60)
    with pytest.raises(InvalidData, match=r"wanted 365 more"):
        forecast(client, forecaster=small.gr4j(), records=short)
    start = short[0]["start"]
    states = small.made().issue(small.gr4j(), None, issues={"start": "2005-12-01", "end": start})
    hot = forecast(client, forecaster=small.gr4j(), records=short, states=states)
    cold = forecast(client, forecaster=small.gr4j(), **PLACE, without_weather=True)
    for one, two in zip(hot, cold, strict=True):
        assert np.allclose(one.streamflow, two.streamflow, rtol=0, atol=1e-9)
    early = [{**record, "start": "2004-01-01"} for record in short]
    with pytest.raises(InvalidData, match=r"states of 2005-12-01, .* wanted a day before"):
        forecast(client, forecaster=small.gr4j(), records=early, states=states)


def stream(running: Running, **request: Any) -> list[pb.BasinForecast]:
    asked = {"forecaster": small.hybrid(), "basins": small.BASINS, **request}
    message = request_from_dict("forecaster", "StreamForecasts", asked)
    with grpc.insecure_channel(running.address) as channel:
        stub = forecaster_pb2_grpc.ForecasterServiceStub(channel)  # type: ignore[no-untyped-call]
        return [reply.forecast for reply in stub.StreamForecasts(message, timeout=60)]


def test_a_stream_has_every_basin_of_every_issue_time(
    running: Running, client: ServiceClient
) -> None:
    issues = {"start": "2006-01-01", "end": small.DAY}
    made = stream(running, issues=issues, stride=2, intervals=small.intervals())
    days = np.arange(np.datetime64("2006-01-01"), np.datetime64(small.DAY) + 1, 2)
    assert [(one.issue, one.basin) for one in made] == [
        (str(day), basin) for day in days for basin in ("generated-001", "generated-002")
    ]
    day = str(days[-1])
    alone = forecast(client, basins=small.BASINS, issue=day, intervals=small.intervals())
    for one, two in zip(made[-2:], alone, strict=True):
        assert np.allclose(one.streamflow, two.streamflow)
        assert np.allclose(one.intervals[1].upper, two.intervals[1].upper)


def test_forecasts_that_take_long_are_refused_before_anything_is_read(
    running: Running, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catena.forecaster.queries.MOST_STREAMED", 5)
    monkeypatch.setattr("catena.forecaster.queries.MOST_INLINE", 1)
    monkeypatch.setattr("catena.forecaster.jobs.read_basins", None)
    with pytest.raises(InvalidRequest) as caught:
        forecast(client, **PLACE)
    [found] = caught.value.violations
    assert found.field == "basins.names" and "2 basins; wanted at most 1" in found.description
    with pytest.raises(grpc.RpcError) as refused:
        stream(running, issues={"start": "2006-01-01", "end": "2006-01-03"})
    error = from_rpc_error(refused.value, "forecaster")
    assert isinstance(error, InvalidRequest)
    [found] = error.violations
    assert found.field == "issues.end" and "job IssueForecasts" in found.description


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Semaphore, list[int]]]:
    """Computing that waits until it is let go; the issue times of each part."""
    go, parts = threading.Semaphore(0), []

    def slow(forecaster: Any, records: Any, issues: Any, *rest: Any, **more: Any) -> Any:
        parts.append(len(issues))
        assert go.acquire(timeout=60)
        return issue(forecaster, records, issues, *rest, **more)

    monkeypatch.setattr("catena.forecaster.server.issue", slow)
    monkeypatch.setattr("catena.forecaster.server.AT_ONCE", 4)
    try:
        yield go, parts
    finally:
        for _ in range(100):
            go.release()


def test_long_forecasts_leave_the_other_rpcs_alone(
    running: Running, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast(client, **PLACE)
    # What is held is let go before the pool waits for it.
    with ThreadPoolExecutor(16) as pool, held(monkeypatch) as (_, parts):
        asked = [pool.submit(forecast, running.client(), **PLACE) for _ in range(10)]
        wait_until(lambda: len(parts) == COMPUTING)
        begun = time.monotonic()
        # None has patience with a server that says it is busy.
        wait_until(lambda: sum(one.done() for one in asked) == 10 - COMPUTING)
        assert all(isinstance(one.exception(), Unavailable) for one in asked if one.done())
        assert client.submit("TrainForecaster", small.train_request("persistence")).name
        assert client.health() == "SERVING"
        assert time.monotonic() - begun < 20
        assert len(parts) == COMPUTING, "no more are computed at once"


def test_a_stream_ends_when_its_client_leaves(
    running: Running, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast(client, **PLACE)
    issues = {"start": "2006-01-01", "end": small.DAY}
    asked = {"forecaster": small.hybrid(), "basins": small.BASINS, "issues": issues}
    message = request_from_dict("forecaster", "StreamForecasts", asked)
    with held(monkeypatch) as (go, parts), grpc.insecure_channel(running.address) as channel:
        stub = forecaster_pb2_grpc.ForecasterServiceStub(channel)  # type: ignore[no-untyped-call]
        replies = stub.StreamForecasts(message, timeout=60)
        go.release()
        assert next(replies).forecast.issue == "2006-01-01"
        wait_until(lambda: len(parts) == 2)
        replies.cancel()
        for _ in range(100):
            go.release()
        time.sleep(1.0)
        assert parts == [2, 2], "41 issue times were asked for"
        # A call whose time is over does not begin to compute.
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            list(stub.StreamForecasts(message, timeout=1e-3))
    with held(monkeypatch) as (go, parts):
        with pytest.raises(DeadlineExceeded):
            client.call("Forecast", {"forecaster": small.hybrid(), **PLACE}, timeout_s=0.5)
        assert len(parts) <= 1


def test_a_warm_forecaster_is_not_loaded_again(
    running: Running, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = forecast(client, **PLACE)

    def refuse(*_: object) -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr("catena.forecaster.network_forecaster.load_flow_model", refuse)
    assert forecast(client, **PLACE) == before


def test_a_long_rpc_gives_a_job_that_is_found_again(client: ServiceClient) -> None:
    request = small.train_request("persistence", title="found again")
    job = client.submit("TrainForecaster", request)
    assert not job.reused
    assert job.result(timeout_s=30).kind == "forecaster"
    assert client.submit("TrainForecaster", request).reused


def faults(client: ServiceClient, method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        client.validate(method, request)
    return {item.field: item.description for item in caught.value.violations}


def test_intervals_of_another_forecaster_are_refused(client: ServiceClient) -> None:
    request = {
        "forecaster": small.gr4j(),
        "intervals": small.intervals(),
        "basins": small.BASINS,
        "issues": {"start": small.DAY, "end": small.DAY},
    }
    assert "another forecaster" in faults(client, "IssueForecasts", request)["intervals"]


def test_days_of_training_are_neither_scored_nor_learned_from(client: ServiceClient) -> None:
    days = {"start": "2004-01-01", "end": "2005-12-31"}
    request = {"forecasters": [small.hybrid()], "basins": small.BASINS, "days": days}
    assert "was trained on" in faults(client, "EvaluateForecasts", request)["days.start"]
    fit = {"forecaster": small.hybrid(), "basins": small.BASINS, "days": days}
    assert "smaller than those of new days" in faults(client, "FitIntervals", fit)["days.start"]


def test_only_a_network_has_samples(client: ServiceClient) -> None:
    request = {"forecaster": small.gr4j(), "basins": small.BASINS, "issues": small.TEST}
    found = faults(client, "DrawSamples", request)["forecaster"]
    assert "of model gr4j, which is no network" in found and "lstm_ed" in found
    few = {**request, "forecaster": small.hybrid(), "count": 1}
    assert "1 forecasts for 2 basins" in faults(client, "DrawSamples", few)["count"]
    client.validate("DrawSamples", {**few, "count": 2})
    names = {**small.BASINS, "names": ["elsewhere"]}
    wrong = {**request, "forecaster": small.hybrid(), "basins": names}
    assert "elsewhere" in faults(client, "DrawSamples", wrong)["basins.names[0]"]


def test_an_archive_of_other_days_gives_no_samples(client: ServiceClient) -> None:
    generated = {"basins": small.BASINS, "stride": 30, "seed": 1}
    archive = small.made().run(jobs.archive_weather, {"generated": generated, "leads": 5})
    about = storage.read_archive_about(small.made().store.open(archive["uri"]))
    request = {"forecaster": small.hybrid(), "basins": small.BASINS, "archive": archive}
    last = {"start": about["issues"][0], "end": about["issues"][0]}
    client.validate("DrawSamples", {**request, "issues": last})
    early = {"start": "1999-01-01", "end": "2000-12-31"}
    found = faults(client, "DrawSamples", {**request, "issues": early})["archive"]
    assert "but issues is 1999-01-01 to 2000-12-31" in found


def test_what_an_input_has_learned_is_not_held_out(client: ServiceClient) -> None:
    request = small.train_request(
        "tst",
        process=small.gr4j(),
        training_days={"start": "2001-01-01", "end": "2003-06-30"},
        validation_days={"start": "2003-07-01", "end": "2004-06-30"},
    )
    assert "overlaps validation_days" in faults(client, "TrainForecaster", request)["process"]
    wrong = small.train_request("tst", process=small.hybrid())
    assert "wanted one of gr4j" in faults(client, "TrainForecaster", wrong)["process"]


def test_basins_that_nobody_knows_are_named(client: ServiceClient) -> None:
    basins = {**small.BASINS, "names": ["generated-002", "elsewhere"]}
    request = {"forecaster": small.hybrid(), "basins": basins}
    assert "elsewhere" in faults(client, "FitIntervals", request)["basins.names[1]"]


def test_a_day_outside_the_records_is_refused(client: ServiceClient) -> None:
    with pytest.raises(InvalidData, match="the records are of 2001-01-01 to 2006-12-31"):
        forecast(client, basins=small.BASINS, issue="2010-01-01")
