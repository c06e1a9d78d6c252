"""A small forecaster for tests: generated basins, every model trained for a moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from catena.forecaster import jobs
from catena.shared.artifacts import ArtifactStore
from catena.shared.jobs import JobFunction
from catena.shared.requests import request_from_dict
from catena.shared.testing import run_job

MEMORY = "memory://forecasts"
BASINS = {"generated": {"basins": 2, "years": 6, "seed": 3, "first_year": 2001}}
TRAINING = {"start": "2001-01-01", "end": "2004-06-30"}
VALIDATION = {"start": "2004-07-01", "end": "2005-06-30"}
TEST = {"start": "2005-07-01", "end": "2006-12-31"}
LEADS = 5
DAY = "2006-02-10"
NETWORK = {"window": 30, "width": 12, "steps": 30, "batch": 64}

Ref = dict[str, str]


def plain(ref: Any) -> Ref:
    """A reference as fields."""
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def train_request(model: str, **changes: Any) -> dict[str, Any]:
    """Fields of TrainForecasterRequest."""
    request: dict[str, Any] = {
        "basins": BASINS,
        "model": model,
        "training_days": TRAINING,
        "validation_days": VALIDATION,
        "leads": LEADS,
        "seed": 1,
    }
    if model not in ("persistence", "climatology", "gr4j"):
        request["training"] = NETWORK
    return {**request, **changes}


@dataclass(frozen=True)
class Made:
    """What was trained, in a store of this process' memory."""

    store: ArtifactStore

    def run(self, function: JobFunction, request: dict[str, Any]) -> Ref:
        """Run a job here."""
        message = request_from_dict("forecaster", function.method, request)
        return plain(run_job(function, function.query.from_message(message), self.store))

    def train(self, model: str, **changes: Any) -> Ref:
        """A forecaster."""
        return self.run(jobs.train_forecaster, train_request(model, **changes))

    def fit(self, forecaster: Ref, **changes: Any) -> Ref:
        """Intervals."""
        request = {"forecaster": forecaster, "basins": BASINS, "stride": 2, **changes}
        return self.run(jobs.fit_intervals, request)

    def issue(self, forecaster: Ref, intervals: Ref | None, **changes: Any) -> Ref:
        """Forecasts."""
        request: dict[str, Any] = {
            "forecaster": forecaster,
            "basins": BASINS,
            "issues": {"start": DAY, "end": DAY},
            **changes,
        }
        if intervals is not None:
            request["intervals"] = intervals
        return self.run(jobs.issue_forecasts, request)


@cache
def made() -> Made:
    """One store for all tests of a process."""
    return Made(ArtifactStore(MEMORY))


@cache
def gr4j() -> Ref:
    """The process model, calibrated once."""
    return made().train("gr4j")


@cache
def hybrid() -> Ref:
    """A transformer that corrects it."""
    return made().train("tst", process=gr4j())


@cache
def intervals() -> Ref:
    """Intervals around the transformer."""
    return made().fit(hybrid())
