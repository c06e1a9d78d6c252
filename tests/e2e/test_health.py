"""A server answers at once, whatever its jobs do to the machine."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.site import until
from support.system import System

from catena.shared.client import Job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LIMIT_S = 0.050
PINGS = 300
TRIES = 3


def pings_while_running(system: System, job: Job) -> np.ndarray:
    """Seconds that each health check took while `job` ran."""
    took = []
    with system.client() as client:
        client.health()  # the connection is not part of it
        while len(took) < PINGS and job.refresh().state == RUNNING:
            started = time.perf_counter()
            assert client.health() == "SERVING"
            took.append(time.perf_counter() - started)
            time.sleep(0.02)
    return np.array(took)


RUNNING = 2


def test_health_stays_under_50_ms_while_a_job_trains() -> None:
    """99 of 100 pings on the same cores; another program's burst is forgiven by a second try."""
    with System() as system:
        system("up")
        found = []
        with system.client() as client:
            given = {"generated": {"runs": 800, "seed": 1}}
            ensemble = client.submit("ImportEnsemble", given).result(120)
            for seed in range(TRIES):
                request = {"ensemble": ensemble, "method": "mlp", "seed": seed}
                job = client.submit("TrainSurrogate", request)
                until(lambda job=job: job.refresh().progress > 0, "the training", 120)
                took = pings_while_running(system, job)
                job.cancel()
                assert len(took) >= 50, "the job ended before enough pings were sent"
                found.append(float(np.quantile(took, 0.99)))
                print(
                    f"health during training: median {1e3 * np.median(took):.1f} ms, "
                    f"p99 {1e3 * found[-1]:.1f} ms, worst {1e3 * took.max():.1f} ms, n {len(took)}"
                )
                if found[-1] < LIMIT_S:
                    break
        assert min(found) < LIMIT_S, f"p99 of each try in seconds: {found}"
