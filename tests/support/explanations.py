"""Explanations of small models for tests: of the forecasters of :mod:`support.forecasts`."""

from __future__ import annotations

from functools import cache
from typing import Any

import xarray as xr
from support import forecasts as small

from catena.explainer import jobs, storage
from catena.forecaster import jobs as forecaster_jobs
from catena.shared.jobs import JobFunction
from catena.shared.requests import request_from_dict
from catena.shared.testing import run_job

Ref = small.Ref


@cache
def network(model: str = "tst") -> Ref:
    """A forecaster without a process model."""
    return small.made().train(model)


def draw(model: str = "tst", **changes: Any) -> Ref:
    """Forecasts of its days of validation, and days of its training."""
    request = {
        "forecaster": network(model),
        "basins": small.BASINS,
        "issues": small.VALIDATION,
        "count": 8,
        "background": 8,
        **changes,
    }
    return small.made().run(forecaster_jobs.draw_samples, request)


@cache
def samples(model: str = "tst", count: int = 8) -> Ref:
    """The same, drawn once."""
    return draw(model, count=count)


def flow_request(model: str = "tst", **changes: Any) -> dict[str, Any]:
    """Fields of ExplainForecastRequest."""
    flow = {"forecaster": network(model), "samples": samples(model), "leads": [1, 5]}
    return {"flow": {**flow, "dear_samples": 2}, "baselines": 3, **changes}


def run(function: JobFunction, request: dict[str, Any], store: Any = None) -> Ref:
    """Run a job here."""
    message = request_from_dict("explainer", function.method, request)
    query = function.query.from_message(message)
    return small.plain(run_job(function, query, store or small.made().store))


def explain(model: str = "tst", **changes: Any) -> tuple[xr.Dataset, dict[str, Any], str]:
    """An explanation: numbers, what is known of them, the page."""
    ref = run(jobs.explain_forecast, flow_request(model, **changes))
    artifact = small.made().store.open(ref["uri"])
    dataset, about = storage.read_result(artifact)
    return dataset, about, artifact.read_bytes(storage.REPORT).decode()
