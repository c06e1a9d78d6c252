"""The process of an ensemble is killed when some of its blocks are done.

The drill is run with the checkpoint, and again without it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import ensembles
from support.ray_cluster import TESTS, RayCluster
from support.site import until

from catena.ensemble_runner.jobs import run_ensemble
from catena.ensemble_runner.queries import RunEnsembleQuery
from catena.ensemble_runner.storage import BlockStore
from catena.shared.artifacts import Artifact, ArtifactStore

pytestmark = pytest.mark.slow

MEMBERS = 96
YEARS = 250
"""So that a block has 16 members."""


def request(store: ArtifactStore) -> dict[str, Any]:
    """An ensemble of the embedded model on generated weather."""
    dataset = ensembles.weather(store, sites=1, years=10)
    setup = ensembles.setup(dataset, stages=[{"kind": "final", "years": YEARS}])
    parameters = [{"name": "flnr"}, {"name": "br_mr"}]
    draw = {"members": MEMBERS, "seed": 5, "parameters": parameters}
    return {"setup": setup, "draw": draw, "outputs": ["GPP", "NEE"], "frequency": "yearly"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    made = RayCluster(num_cpus=2, max_jobs=1)
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Submitted:
    """A process that has submitted the ensemble and waits for its end."""

    def __init__(self, cluster: RayCluster, store: ArtifactStore, namespace: str) -> None:
        settings = {
            "home": str(cluster.folder),
            "store": store.url,
            "ray_address": cluster.address,
            "ray_namespace": namespace,
            "heartbeat_s": 0.3,
            "lease_stall_s": 2.0,
        }
        task = {
            "entry": run_ensemble.entry,
            "settings": settings,
            "query": request(store),
            "timeout_s": 240.0,
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

    def __enter__(self) -> Submitted:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@dataclass(frozen=True)
class Killed:
    """What became of an ensemble that was killed."""

    attempts: int
    artifact: Artifact
    kept: int
    "members in blocks that the killed attempt had finished"
    early: bool
    "whether an artifact showed before the job had ended"


def members_kept(store: ArtifactStore) -> int:
    return sum(int(b.manifest.lineage.request["members"]) for b in store.list("block"))


def kill_in_the_middle(cluster: RayCluster, store: ArtifactStore, namespace: str) -> Killed:
    """Kill the job's process with SIGKILL when it has finished some of its blocks."""
    with Submitted(cluster, store, namespace) as submitted:
        uri = f"jobs/{submitted.next()['name']}"
        until(lambda: len(store.ls(BlockStore.folder)) >= 2, "two blocks", timeout_s=120)
        process = store.read_json(f"{uri}/attempts/1/.job/start.json")["process"]
        os.kill(process["pid"], signal.SIGKILL)
        kept = members_kept(store)
        early = store.exists(f"{uri}/artifact.json")
        job = submitted.next()
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    return Killed(job["attempts"], store.open(uri), kept, early)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The same ensemble, undisturbed, in this process."""
    store = ArtifactStore(f"file://{tmp_path_factory.mktemp('undisturbed')}/store")
    return ensembles.run(store, RunEnsembleQuery.from_plain(request(store)))


def test_a_killed_ensemble_runs_no_finished_block_again_and_gives_the_same_bytes(
    cluster: RayCluster, reference: Artifact, tmp_path: Path
) -> None:
    store = ArtifactStore(f"file://{tmp_path}/store")
    facts = kill_in_the_middle(cluster, store, tmp_path.name)
    assert facts.attempts == 2 and not facts.early
    assert 0 < facts.kept < MEMBERS, "it was killed in the middle"
    costs = facts.artifact.manifest.costs
    assert costs["members_found"] >= facts.kept
    assert costs["members_found"] + costs["members_run"] == MEMBERS
    facts.artifact.verify()
    assert facts.artifact.manifest.digest == reference.manifest.digest
    for name in reference.names:
        assert facts.artifact.read_bytes(name) == reference.read_bytes(name)


def test_without_its_checkpoint_a_killed_ensemble_runs_all_of_it_again(
    cluster: RayCluster, reference: Artifact, tmp_path: Path, without: Callable[..., None]
) -> None:
    without("checkpoint")
    store = ArtifactStore(f"file://{tmp_path}/store")
    facts = kill_in_the_middle(cluster, store, tmp_path.name)
    assert facts.kept > 0
    assert facts.artifact.manifest.costs["members_run"] == MEMBERS, (
        "the drill does not notice that the checkpoint is not used"
    )
    assert facts.artifact.manifest.digest == reference.manifest.digest
