"""A server answers at once, whatever its jobs do to the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from support.site import until
from support.system import System

from catena.shared.client import ServiceClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LIMIT_S = 0.050
PINGS = 300
TRIES = 3
RUNNING = 2


def pings(
    client: ServiceClient, other: ServiceClient, ensemble: object, seeds: Iterator[int]
) -> np.ndarray:
    """Seconds of each of `PINGS` health checks, all while some job trains."""
    took: list[float] = []
    while len(took) < PINGS:
        request = {"ensemble": ensemble, "method": "mlp", "seed": next(seeds)}
        job = client.submit("TrainSurrogate", request)
        until(lambda job=job: job.refresh().progress > 0, "the training", 120)
        while len(took) < PINGS and job.refresh().state == RUNNING:
            for _ in range(10):
                started = time.perf_counter()
                assert other.health() == "SERVING"
                took.append(time.perf_counter() - started)
                time.sleep(0.02)
        job.cancel()
    return np.array(took)


def test_health_stays_under_50_ms_while_a_job_trains() -> None:
    """99 of 100 pings on the same cores; another program's burst is forgiven by a second try."""
    with System() as system:
        system("up")
        found: list[float] = []
        seeds = count()
        with system.client() as client, system.client() as other:
            given = {"generated": {"runs": 800, "seed": 1}}
            ensemble = client.submit("ImportEnsemble", given).result(120)
            other.health()  # the connection is not part of it
            while len(found) < TRIES and not any(value < LIMIT_S for value in found):
                took = pings(client, other, ensemble, seeds)
                found.append(float(np.quantile(took, 0.99)))
                print(
                    f"health during training: median {1e3 * np.median(took):.1f} ms, "
                    f"p99 {1e3 * found[-1]:.1f} ms, worst {1e3 * took.max():.1f} ms, n {len(took)}"
                )
        assert min(found) < LIMIT_S, f"p99 of each try in seconds: {found}"
