"""A small calibration for tests: three parameters, four outputs, some seconds of work in all.

The "model" is a leaky bucket: rain falls into a store of soil water that evaporates and drains.
"""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.calibrator import jobs, queries
from catena.shared.artifacts import ArtifactStore
from catena.shared.testing import run_job

PARAMETERS = [
    {"name": "capacity", "units": "mm", "low": 50.0, "high": 300.0, "long_name": "soil water"},
    {"name": "drainage", "units": "d-1", "low": 0.01, "high": 0.2, "long_name": "outflow rate"},
    {"name": "evaporation", "units": "1", "low": 0.2, "high": 1.2, "long_name": "share of demand"},
]
OUTPUTS = [
    {"name": f"runoff_{season}", "units": "mm d-1", "long_name": f"mean runoff, {season}"}
    for season in ("winter", "spring", "summer", "autumn")
]
RUNS, HELD_OUT = 80, 20
LOW = np.array([p["low"] for p in PARAMETERS], float)
HIGH = np.array([p["high"] for p in PARAMETERS], float)

_RAIN = np.array([3.0, 2.0, 1.2, 2.4])
_DEMAND = np.array([0.4, 1.8, 3.2, 1.1])


def model(parameters: np.ndarray) -> np.ndarray:
    """(n, 3) to (n, 4), mm d-1: steady state of each season, coupled by the store."""
    capacity, drainage, evaporation = parameters.T[:, :, None]
    wet = 1.0 / (1.0 + evaporation * _DEMAND / _RAIN)
    fast = drainage * 30.0 / (1.0 + drainage * 30.0)
    return _RAIN * wet * (0.5 + 0.5 * fast) * np.exp(-0.8 * (capacity / 300.0) * (1.0 - wet))


@functools.lru_cache(maxsize=1)
def runs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    parameters = LOW + rng.uniform(size=(RUNS, 3)) * (HIGH - LOW)
    return parameters, model(parameters)


def csv_of(header: list[str], table: np.ndarray) -> bytes:
    lines = [",".join(header), *(",".join(repr(float(x)) for x in row) for row in table)]
    return "\n".join(lines).encode()


def files() -> dict[str, bytes]:
    parameters, outputs = runs()
    array = io.BytesIO()
    np.save(array, outputs)
    return {
        "parameters.csv": csv_of([p["name"] for p in PARAMETERS], parameters),
        "outputs.npy": array.getvalue(),
    }


def plain(ref: ArtifactRef) -> dict[str, str]:
    return {"uri": ref.uri, "digest": ref.digest, "kind": ref.kind}


def import_request(store: ArtifactStore) -> dict[str, Any]:
    return {
        "files": {
            "files": plain(store.put_files(files())),
            "parameters_file": "parameters.csv",
            "outputs_file": "outputs.npy",
        },
        "parameters": PARAMETERS,
        "outputs": OUTPUTS,
        "held_out_runs": HELD_OUT,
        "title": "leaky bucket",
    }


def observation(error: float = 0.05, **changes: Any) -> dict[str, Any]:
    values = model(np.array([[150.0, 0.08, 0.7]]))[0]
    content = {"values": values.tolist(), "error_sd": [error] * 4, "site": "hillside"}
    return content | changes


def surrogate_request(ensemble: dict[str, str]) -> dict[str, Any]:
    return {"ensemble": ensemble, "method": "gp", "seed": 3}


def posterior_request(surrogate: dict[str, str]) -> dict[str, Any]:
    return {"surrogate": surrogate, "method": "sir", "bank_size": 8192, "seed": 4}


class Calibration:
    """The artifacts of the small calibration in one store."""

    def __init__(self, store: ArtifactStore) -> None:
        self.store = store
        self.ensemble = self.run(jobs.import_ensemble, import_request(store))
        self.surrogate = self.run(jobs.train_surrogate, surrogate_request(self.ensemble))
        self.posterior = self.run(jobs.train_posterior, posterior_request(self.surrogate))

    def run(self, function: Any, request: dict[str, Any]) -> dict[str, str]:
        query = getattr(queries, f"{function.method}Query").from_plain(request)
        return plain(run_job(function, query, self.store))


MEMORY = "memory://small-calibration"


@functools.lru_cache(maxsize=1)
def small_calibration() -> Calibration:
    """One for all tests of a process; tests do not change it."""
    return Calibration(ArtifactStore(MEMORY))
