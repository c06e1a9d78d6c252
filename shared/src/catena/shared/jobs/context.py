"""What a job function gets beside its request."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Collection, Mapping

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts import Artifact, ArtifactStore, ArtifactWriter, Lineage
from catena.shared.artifacts.manifest import InputRef
from catena.shared.artifacts.store import RefLike
from catena.shared.jobs.checkpoint import Checkpoint
from catena.shared.jobs.function import JobFunction
from catena.shared.query import Query
from catena.shared.version import code_version


class JobContext:
    """Inputs, progress, checkpoint and output of one attempt at a job.

    Attributes
    ----------
    name : str
        Name of the job.
    attempt : int
        Number of this attempt, from 1.
    cpus : int
        Threads to compute with; 0: compute in Ray tasks only.
    store : ArtifactStore
    checkpoint : Checkpoint
        What an earlier attempt left, and where this one saves.
    writer : ArtifactWriter
        Files of the artifact.
    """

    def __init__(
        self,
        store: ArtifactStore,
        function: JobFunction,
        query: Query,
        attempt: int,
        guard: Callable[[], None] = lambda: None,
        report: Callable[[float, str], None] = lambda fraction, message: None,
    ) -> None:
        self.store = store
        self.name = function.name(query)
        self.attempt = attempt
        self.cpus = function.cpus
        folder = f"jobs/{self.name}"
        self.checkpoint = Checkpoint(store, f"{folder}/checkpoint", attempt, guard)
        self.writer: ArtifactWriter = store.writer(self.name, attempt, guard)
        self._function = function
        self._query = query
        self._report = report
        self._start = time.monotonic(), _cpu_s()

    @property
    def seed(self) -> int:
        """Seed of the request; 0 if it has none."""
        return int(getattr(self._query, "seed", 0) or 0)

    def open(self, ref: RefLike | str) -> Artifact:
        """Open an input; errors as in :meth:`ArtifactStore.open`."""
        return self.store.open(ref)

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the job is.

        Parameters
        ----------
        fraction : float
            0 to 1; what lies outside is cut off.
        message : str
            What it is doing, in words. Call as often as you like: a few a second are kept.
        """
        # NaN compares false with everything, and so becomes 0.
        self._report(float(fraction) if 0.0 <= fraction <= 1.0 else float(fraction > 1.0), message)

    def commit(
        self,
        *,
        kind: str,
        units: Mapping[str, str] | None = None,
        title: str = "",
        timed_files: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> ArtifactRef:
        """Make what was written with :attr:`writer` the artifact of this job.

        Fills in the lineage (request, inputs, code version, seed) and the costs of this attempt:
        ``wall_s`` and ``cpu_s`` (this process and its children).

        Parameters
        ----------
        kind, units, title, timed_files, costs
            As in :meth:`ArtifactWriter.commit`; `costs` are added to the two above.

        Raises
        ------
        JobCancelled, JobInterrupted, LeaseLost
            When this attempt may not write any more; let it pass.
        """
        wall, cpu = self._start
        lineage = Lineage(
            service=self._function.service,
            method=self._function.method,
            request=self._query.canonical(),
            inputs=tuple(
                InputRef(uri=ref.uri, digest=ref.digest, kind=ref.kind)
                for _, ref in self._query.refs()
            ),
            code_version=code_version(),
            seed=getattr(self._query, "seed", None),
        )
        return self.writer.commit(
            kind=kind,
            units=units,
            title=title,
            lineage=lineage,
            timed_files=timed_files,
            costs={
                "wall_s": time.monotonic() - wall,
                "cpu_s": _cpu_s() - cpu,
                "attempts": float(self.attempt),
                **(costs or {}),
            },
        )


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
