"""The process of an ingest is killed in the middle of a dataset that a slow server sends.

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
from support.cmip6_store import write_store
from support.http_archive import HttpArchive, Stall
from support.ray_cluster import TESTS, RayCluster
from support.site import until

from catena.data_ingest.jobs import ingest_dataset
from catena.data_ingest.queries import IngestDatasetQuery
from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.testing import run_job

pytestmark = pytest.mark.slow

CHUNKS = 60  # 311 MB; the job takes six of them into a part
PARTS = 10
WAIT_S = 0.04


class Place:
    """A server of one large dataset, a Ray that may read it, and what an undisturbed ingest gives.

    Parameters
    ----------
    folder : Path
        For all of it.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "served").mkdir()
        self.folder = folder
        self.chunks = [
            f"/{path.relative_to(folder / 'served').as_posix()}"
            for path in write_store(folder / "served", CHUNKS)
        ]
        self.server = HttpArchive(folder / "served")
        for chunk in self.chunks:
            self.server.always(chunk, Stall(0, WAIT_S))
        self.environment = {
            "CATENA_ARCHIVES": self.server.url,
            "CATENA_HOME": str(folder / "home"),
        }
        self.cluster = RayCluster(num_cpus=2, max_jobs=1, environment=self.environment)
        self.query = {"source": "cmip6", "location": self.server.url, "as_of": "2026-01-31"}

    def reads(self) -> list[int]:
        """Numbers of the chunks in the order in which they were asked for."""
        numbers = {path: number for number, path in enumerate(self.chunks)}
        requests = [r for r in list(self.server.requests) if r.method == "GET"]
        return [numbers[r.path] for r in requests if r.path in numbers]

    def undisturbed(self) -> Artifact:
        """What the same request gives in this process."""
        store = ArtifactStore(f"file://{self.folder}/undisturbed")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            query = IngestDatasetQuery.from_plain(self.query)
            return store.open(run_job(ingest_dataset, query, store))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("ingest"))
    with made.server:
        made.cluster.start()
        try:
            yield made
        finally:
            made.cluster.stop()


@pytest.fixture(scope="module")
def reference(place: Place) -> Artifact:
    return place.undisturbed()


@dataclass(frozen=True)
class Killed:
    """What became of an ingest that was killed."""

    attempts: int
    artifact: Artifact
    finished: int
    "parts that the killed attempt had finished"
    again: list[int]
    "chunks of those parts that were asked for after the kill"
    missing: set[int]
    "chunks that were never asked for after the kill"
    early: bool
    "whether an artifact showed before the job had ended"


def kill_in_the_middle(place: Place, store: ArtifactStore, namespace: str) -> Killed:
    """Kill the job's process with SIGKILL when it has finished some of its parts."""
    with Submitted(place, store, namespace) as submitted:
        uri = f"jobs/{submitted.next()['name']}"
        until(lambda: len(parts(store, uri)) >= 3, "three parts")
        process = store.read_json(f"{uri}/attempts/1/.job/start.json")["process"]
        os.kill(process["pid"], signal.SIGKILL)
        until(lambda: store.exists(f"{uri}/attempts/2/.job/start.json"), "the second attempt")
        # The first attempt is over: nothing more is noted of it, nor asked for.
        finished, before = len(parts(store, uri)), len(place.reads())
        early = bool(store.list()) or store.exists(f"{uri}/artifact.json")
        job = submitted.next()
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    after = place.reads()[before:]
    return Killed(
        attempts=job["attempts"],
        artifact=store.open(uri),
        finished=finished,
        again=[chunk for chunk in after if chunk < finished * CHUNKS // PARTS],
        missing=set(range(finished * CHUNKS // PARTS, CHUNKS)) - set(after),
        early=early,
    )


def parts(store: ArtifactStore, uri: str) -> set[str]:
    """Parts that the journal of the first attempt has as finished."""
    folder = f"{uri}/attempts/1/.journal"
    lines = [
        json.loads(line)
        for name in store.ls(folder)
        for line in store.read_bytes(f"{folder}/{name}").splitlines()
    ]
    return {line["part"] for line in lines if "part" in line}


class Submitted:
    """A process that has submitted the ingest and waits for its end."""

    def __init__(self, place: Place, store: ArtifactStore, namespace: str) -> None:
        settings = {
            "home": str(place.folder / "home"),
            "store": store.url,
            "ray_address": place.cluster.address,
            "ray_namespace": namespace,
            "heartbeat_s": 0.3,
            "lease_stall_s": 2.0,
        }
        task = {"settings": settings, "query": place.query, "timeout_s": 120.0}
        environment = {**os.environ, **place.cluster.client_environment, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.ingest_driver", json.dumps(task)],
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


def test_a_killed_ingest_reads_no_finished_part_again_and_gives_the_same_bytes(
    place: Place, reference: Artifact, tmp_path: Path
) -> None:
    store = ArtifactStore(f"file://{tmp_path}/store")
    facts = kill_in_the_middle(place, store, tmp_path.name)
    assert facts.attempts == 2
    assert 3 <= facts.finished < PARTS, "it was killed in the middle"
    assert facts.again == []
    assert facts.missing == set()
    assert not facts.early
    facts.artifact.verify()
    assert facts.artifact.manifest.digest == reference.manifest.digest
    assert facts.artifact.names == reference.names
    for name in reference.names:
        assert facts.artifact.read_bytes(name) == reference.read_bytes(name)


def test_without_its_checkpoint_a_killed_ingest_reads_all_of_it_again(
    place: Place, reference: Artifact, tmp_path: Path, without: Callable[..., None]
) -> None:
    without("checkpoint")
    store = ArtifactStore(f"file://{tmp_path}/store")
    facts = kill_in_the_middle(place, store, tmp_path.name)
    assert facts.again, "the drill does not notice that the checkpoint is not used"
    assert facts.artifact.manifest.digest == reference.manifest.digest
