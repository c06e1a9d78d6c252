"""The explainer over gRPC: requests that cannot work are refused before a job is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import explanations as made
from support import forecasts as small
from support import orbit
from support.calibration import MEMORY as CALIBRATIONS
from support.calibration import small_calibration
from support.servers import Running

from catena.api.jobs.v1 import jobs_pb2
from catena.explainer import jobs, storage
from catena.explainer.server import add_services
from catena.shared.errors import InvalidRequest
from catena.shared.testing import LocalJobs


@pytest.fixture
def of_store(serve: Callable[..., Running]) -> Callable[[str], Running]:
    def start(store: str) -> Running:
        return serve(add_services, service="explainer", jobs=LocalJobs, store=store)

    return start


def faults(running: Running, method: str, request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        running.client().call(method, request)
    return {violation.field: violation.description for violation in caught.value.violations}


def test_samples_belong_to_the_forecaster_and_leads_to_its_forecasts(
    of_store: Callable[[str], Running],
) -> None:
    running = of_store(small.MEMORY)
    flow = made.flow_request()["flow"]
    asked = {"flow": {**flow, "leads": [1, 6]}}
    assert "5 leads" in faults(running, "ExplainForecast", asked)["flow.leads[1]"]
    other = {"flow": {**flow, "forecaster": small.gr4j()}}
    assert "another forecaster" in faults(running, "ExplainForecast", other)["flow.samples"]
    ok = running.client().call(
        "ExplainForecast",
        {"flow": {name: flow[name] for name in ("forecaster", "samples")}, "validate_only": True},
    )
    assert ok.job.state == jobs_pb2.JOB_STATE_UNSPECIFIED  # checked, and nothing was started


def test_outputs_are_the_surrogates(of_store: Callable[[str], Running]) -> None:
    surrogate = small_calibration().surrogate
    running = of_store(CALIBRATIONS)
    asked = {"surrogate": surrogate, "outputs": ["runoff_winter", "gpp"]}
    assert "runoff_spring" in faults(running, "ExplainParameters", asked)["outputs[1]"]


def test_parameters_are_explained(of_store: Callable[[str], Running]) -> None:
    surrogate = small_calibration().surrogate
    client = of_store(CALIBRATIONS).client()
    request = {"surrogate": surrogate, "samples": 1024}
    done = client.call("ExplainParameters", request, timeout_s=300).job
    assert done.state == jobs_pb2.JOB_STATE_SUCCEEDED, done.error.message
    artifact = small_calibration().store.open(done.artifact.uri)
    assert artifact.kind == "sensitivity"
    dataset, about = storage.read_result(artifact)
    assert {"parameter", "output"} <= set(dataset.dims)
    assert about["title"] and "<html" in artifact.read_bytes(storage.REPORT).decode()


@pytest.mark.slow
def test_a_forecast_of_fields_is_explained() -> None:
    store = orbit.made().store
    checkpoint = orbit.made().fine_tune("forecast", orbit.pretrained(), leads_h=[6, 12])
    request = {
        "fields": {
            "checkpoint": checkpoint,
            "cache": orbit.waves_cache(),
            "days": orbit.TEST,
            "count": 4,
            "targets": [{"variable": "tas", "south": -30, "north": 30, "west": 350, "east": 40}],
        },
        "methods": ["expected_gradients", "permutation", "attention"],
        "baselines": 2,
    }
    ref = made.run(jobs.explain_forecast, request, store)
    dataset, about = storage.read_result(store.open(ref["uri"]))
    assert dataset["contribution"].dims == (
        "sample", "lead", "target", "variable", "lat", "lon",
    )  # fmt: skip
    assert about["methods"]["expected_gradients"]["completeness_max"] <= 1e-4
    wrong = {**request, "fields": {**request["fields"], "targets": [{"variable": "pr"}]}}
    with pytest.raises(Exception, match="pr"):
        made.run(jobs.explain_forecast, wrong, store)
