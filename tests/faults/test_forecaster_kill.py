"""A training is killed with SIGKILL: it goes on, to the weights of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import forecasts as small
from support.ray_cluster import TESTS, RayCluster
from support.site import until

from catena.forecaster.jobs import train_forecaster
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.testing import run_job

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = 600
REQUEST = small.train_request(
    "tst", training={"window": 60, "width": 24, "steps": STEPS, "batch": 128}, seed=11
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """What the same request gives without a kill, in this process."""
    store = ArtifactStore(f"file://{tmp_path_factory.mktemp('undisturbed')}")
    return store.open(run_job(train_forecaster, train_forecaster.query.from_plain(REQUEST), store))


class Submitted:
    """A process that has submitted the training and waits for its end."""

    def __init__(self, cluster: RayCluster, store: ArtifactStore, folder: Path) -> None:
        settings = {
            "home": str(folder / "home"),
            "store": store.url,
            "ray_address": cluster.address,
            "ray_namespace": folder.name,
            "heartbeat_s": 0.3,
            "lease_stall_s": 2.0,
        }
        task = {
            "entry": train_forecaster.entry,
            "settings": settings,
            "query": REQUEST,
            "timeout_s": 600.0,
        }
        environment = {**os.environ, **cluster.client_environment, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.job_driver", json.dumps(task)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def next(self) -> Any:
        """The next job that it prints."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError(f"the submitter ended with {self.process.wait()}")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@dataclass(frozen=True)
class Killed:
    """What became of a training that was killed."""

    attempts: int
    artifact: Artifact
    saved: int
    "steps that were saved when it was killed"
    least: int
    "least number of steps that was saved at any time after that"


def kill_in_the_middle(cluster: RayCluster, folder: Path) -> Killed:
    """Kill the job's process with SIGKILL when it has saved some steps."""
    store = ArtifactStore(f"file://{folder}/store")
    submitted = Submitted(cluster, store, folder)
    try:
        uri = f"jobs/{submitted.next()['name']}"

        def steps() -> int | None:
            current = store.read_json(f"{uri}/checkpoint/current.json", {})
            return int(current["meta"]["step"]) if current else None

        until(steps, "the first steps", 300)
        process = store.read_json(f"{uri}/attempts/1/.job/start.json")["process"]
        os.kill(process["pid"], signal.SIGKILL)
        saved = steps() or 0
        assert not store.exists(f"{uri}/artifact.json"), "it was killed before its end"
        seen: list[int | None] = [saved]

        def ended() -> bool:
            seen.append(steps())
            return store.exists(f"{uri}/artifact.json")

        until(ended, "the artifact", 600)
        job = submitted.next()
    finally:
        submitted.close()
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    least = min(step for step in seen if step is not None)
    return Killed(job["attempts"], store.open(uri), saved, least)


def weights(artifact: Artifact) -> dict[str, bytes]:
    arrays = artifact.read_arrays("forecaster.safetensors")
    return {name: value.tobytes() for name, value in arrays.items()}


def test_a_killed_training_resumes_to_the_same_weights(
    ray_cluster: RayCluster, reference: Artifact, tmp_path: Path
) -> None:
    facts = kill_in_the_middle(ray_cluster, tmp_path)
    assert facts.attempts == 2
    assert 0 < facts.saved < STEPS
    assert facts.least >= facts.saved, "no step was taken twice"
    assert weights(facts.artifact) == weights(reference)
    assert facts.artifact.manifest.digest == reference.manifest.digest


def test_without_its_checkpoint_a_killed_training_begins_again(
    ray_cluster: RayCluster, tmp_path: Path, without: Callable[..., None]
) -> None:
    without("checkpoint")
    facts = kill_in_the_middle(ray_cluster, tmp_path)
    assert facts.attempts == 2
    assert facts.least < facts.saved, "the drill does not notice that the checkpoint is not used"
