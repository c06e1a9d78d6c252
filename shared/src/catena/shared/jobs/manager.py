"""Submit, get, list, watch and cancel jobs. Keeps nothing: the store and Ray know everything."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from catena.api.jobs.v1.jobs_pb2 import Job, JobState, ListJobsResponse
from catena.shared.artifacts import ArtifactStore, JobIndex
from catena.shared.errors import NotFound, Unavailable
from catena.shared.jobs import lease_actor, safety
from catena.shared.jobs.cluster import Cluster
from catena.shared.jobs.function import JobFunction
from catena.shared.jobs.processes import JobProcess
from catena.shared.jobs.records import JobFolder, Submission
from catena.shared.jobs.request import check_refs, stored_request
from catena.shared.query import Query
from catena.shared.settings import Settings

log = logging.getLogger(__name__)

TERMINAL = frozenset(
    {
        JobState.JOB_STATE_SUCCEEDED,
        JobState.JOB_STATE_FAILED,
        JobState.JOB_STATE_CANCELLED,
        JobState.JOB_STATE_INTERRUPTED,
    }
)
"""States in which nothing happens any more until somebody asks again."""

_POLL_S = 0.25
_SUBMIT_S = 40.0
_OFFERS = 3
_END_S = 15.0


class JobManager:
    """The jobs of one store on one Ray cluster. Thread-safe; many of them may work side by side.

    Parameters
    ----------
    store : ArtifactStore
    settings : Settings
        ``ray_address``, ``ray_namespace``, ``job_nice``, ``max_attempts``, ``heartbeat_s`` and
        ``lease_stall_s`` are used.
    on_lost : callable, optional
        Called once, in a thread, when Ray is gone: the process must then be restarted.
    """

    def __init__(
        self,
        store: ArtifactStore,
        settings: Settings,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self._cluster = Cluster(settings.ray_address, settings.ray_namespace, on_lost)
        self._index = JobIndex(store)

    def start(self) -> None:
        """Join Ray and ask for the store's lease; a server does it before it is called.

        Raises
        ------
        Unavailable
            When Ray does not answer, or it is not known yet whether the last cluster is alive.
        LeaseHeld
            When another cluster works on the store.
        """
        lease_actor.held(self._cluster, self.store, self.settings)

    def close(self) -> None:
        """Leave Ray; jobs go on."""
        self._cluster.close()

    @property
    def alive(self) -> bool:
        """Whether Ray is joined and was there a moment ago."""
        return self._cluster.alive

    # ---- asking ------------------------------------------------------------------------------

    def submit(self, function: JobFunction, query: Query) -> Job:
        """Ask for the result of a request.

        What is there is reused, what runs is attached to, and everything else is run: the first
        time, again after a failure, or on from its checkpoint after a cancel or a crash. However
        many processes ask at once, it runs once.

        Parameters
        ----------
        function : JobFunction
            The code, declared with ``@job``.
        query : Query
            The checked request; with ``validate_only`` nothing is run.

        Returns
        -------
        Job
            With `reused` set when the artifact was there already.

        Raises
        ------
        InvalidRequest, NotFound
            When an input is not what the request says; names every such field.
        LeaseHeld
            When another cluster works on the store.
        Unavailable
            When Ray does not answer; nothing was started, ask again.
        """
        check_refs(self.store, query)
        folder = JobFolder(self.store, function.name(query))
        artifact = folder.artifact()
        if artifact is not None:
            job = folder.job(lambda: False)
            job.reused = True
            return job
        request = stored_request(function, query)
        if query.validate_only:
            try:
                return self.get(folder.name)
            except NotFound:
                return Job(name=folder.name, message="the request is valid")
        deadline = time.monotonic() + _SUBMIT_S
        for _ in range(_OFFERS):
            self._offer(folder, function, request, deadline)
            job = self.get(folder.name)
            if job.state != JobState.JOB_STATE_INTERRUPTED:
                break
            # Somebody may have cancelled and killed it meanwhile; this caller wants it run.
            time.sleep(_POLL_S)
        return job

    def get(self, name: str) -> Job:
        """The job as it stands now.

        Raises
        ------
        InvalidRequest
            When that is no name of a job.
        NotFound
            When nobody ever asked for it.
        LeaseHeld, Unavailable
            When only another cluster, or a Ray that does not answer, knows whether it still runs.
            Jobs that have ended need no Ray.
        """

        def lives() -> bool:
            return self._cluster.find(name) is not None or self._runs_elsewhere()

        return JobFolder(self.store, name).job(lives)

    def list(self, service: str, page_size: int = 0, page_token: str = "") -> ListJobsResponse:
        """Jobs of a service, newest first.

        Parameters
        ----------
        service : str
        page_size : int
            At most 1000; 0 means 50.
        page_token : str
            ``next_page_token`` of the page before; empty for the first.

        Raises
        ------
        InvalidRequest
            For a negative size or a token that no page gave out.
        LeaseHeld, Unavailable
            As :meth:`get`.
        """
        page = self._index.page(service, page_size, page_token)
        reply = ListJobsResponse(next_page_token=page.next_page_token)
        living: set[str] | None = None

        def lives(name: str) -> bool:
            # One question for the whole page, and none if every job on it has ended.
            nonlocal living
            if living is None:
                living = self._cluster.names()
            return name in living or self._runs_elsewhere()

        for name in page.names:
            try:
                reply.jobs.append(JobFolder(self.store, name).job(partial(lives, name)))
            except NotFound:
                continue  # removed by garbage collection
        return reply

    def watch(
        self, name: str, stop: Callable[[], bool] = lambda: False, poll_s: float = _POLL_S
    ) -> Iterator[Job]:
        """The job now and at each change; ends after a terminal state.

        Parameters
        ----------
        name : str
        stop : callable
            Asked at each look; True ends the watch.
        poll_s : float
            Seconds between two looks.

        Raises
        ------
        NotFound, Unavailable
            As :meth:`get`.
        """
        seen: Job | None = None
        while not stop():
            job = self.get(name)
            if job != seen:
                yield job
                seen = job
            if job.state in TERMINAL:
                return
            time.sleep(poll_s)

    def cancel(self, name: str) -> Job:
        """Stop a job and all of its processes; its checkpoint stays.

        Returns
        -------
        Job
            CANCELLED; or as it ended, if it ended before this could stop it.

        Raises
        ------
        NotFound
            When nobody ever asked for it.
        Unavailable
            When Ray does not answer, or a process could not be ended. The job is marked as
            cancelled even then, and ends itself.
        """
        folder = JobFolder(self.store, name)
        # Whether an actor lives does not matter yet: the mark can be set without Ray.
        job = folder.job(lambda: True)
        if job.state in TERMINAL - {JobState.JOB_STATE_CANCELLED}:
            return job
        if job.state != JobState.JOB_STATE_CANCELLED and not safety.removed("cancel_first"):
            self._mark_cancelled(folder)
        if not safety.removed("cancel_kill"):
            # Also when it was cancelled before: that canceller may have died before the kill.
            newest = folder.newest()
            self._end(folder, newest, self._cluster.find(name), time.monotonic() + _END_S)
        if safety.removed("cancel_first"):
            self._mark_cancelled(folder)
        return self.get(name)

    # ---- how it is done ----------------------------------------------------------------------

    def _offer(
        self, folder: JobFolder, function: JobFunction, request: dict[str, Any], deadline: float
    ) -> None:
        """See to it that somebody runs the job, or that it has ended since.

        The order of the looks matters. `newest` is read before the actor is looked for: an attempt
        counted in it belongs to an actor that is not there any more. And an actor counts as that of
        a past run only if ``status.json`` is the same before and after it was found: whoever starts
        a new run writes ``status.json`` before the actor.
        """
        lease = lease_actor.held(self._cluster, self.store, self.settings)
        while True:
            newest = folder.newest()
            submission = folder.submission()
            actor = self._cluster.find(folder.name)
            if actor is None:
                break
            past = submission is not None and (
                submission.cancelled or folder.ended(submission) is not None
            )
            if not past:
                return
            if folder.submission() == submission:
                self._end(folder, newest, actor, deadline)
        if folder.artifact() is not None:
            return
        stored = folder.write_request(request)
        self._index.add(folder.name, datetime.fromisoformat(stored["create_time"]))
        folder.write_submission(
            cancelled=False, after=newest, count_from=self._count_from(folder, submission, newest)
        )
        from catena.shared.jobs.actor import JobActor
        from catena.shared.jobs.attempt import Assignment

        attach = not safety.removed("attach")
        self._cluster.start(
            JobActor,
            folder.name if attach else f"{folder.name}#{os.getpid()}-{time.monotonic_ns()}",
            Assignment(
                name=folder.name,
                lease=lease,
                max_attempts=self.settings.max_attempts,
                nice=self.settings.job_nice,
                sabotage=os.environ.get(safety.VARIABLE, ""),
            ),
            attach=attach,
            detached=not safety.removed("detached"),
            num_cpus=function.cpus,
            resources={} if safety.removed("places") else {"catena_job": 1},
        )

    def _count_from(self, folder: JobFolder, submission: Submission | None, newest: int) -> int:
        # A failure was told and a cancel was wanted: the count begins anew. A job that takes its
        # whole cluster down with it is INTERRUPTED each time, and must not go on for ever.
        if submission is None:
            return 0
        past = submission.cancelled or folder.ended(submission) is not None
        return newest if past else submission.count_from

    def _mark_cancelled(self, folder: JobFolder) -> None:
        submission = folder.submission()
        folder.write_submission(
            cancelled=True,
            after=submission.after if submission else 0,
            count_from=submission.count_from if submission else 0,
        )

    def _runs_elsewhere(self) -> bool:
        """False; or LeaseHeld or Unavailable when this cluster cannot know."""
        lease_actor.held(self._cluster, self.store, self.settings)
        return False

    def _end(self, folder: JobFolder, attempt: int, actor: Any | None, deadline: float) -> None:
        """Remove an actor and wait until the process of `attempt`, and its children, are gone.

        Both belong to one run. Looked up here, they could be those of a newer one.
        """
        start = folder.read(attempt, "start")
        if actor is not None:
            self._cluster.kill(actor)
        if start is not None:
            process = JobProcess.from_record(start["process"])
            left_s = max(1.0, min(deadline - time.monotonic(), _END_S))
            if process.host == socket.gethostname():
                ended = process.end(left_s)
            elif process.node not in self._cluster.nodes():
                ended = True  # with its machine
            else:
                ended = self._cluster.run_on(
                    process.node, JobProcess.end, process, left_s, timeout_s=left_s + 5.0
                )
            if not ended:
                raise Unavailable(
                    "the job's process does not end (it may hang in the system); ask again",
                    retry_after_s=5.0,
                )
        while actor is not None and self._cluster.find(folder.name) == actor:
            if time.monotonic() > deadline:
                raise Unavailable("Ray does not let the job go; ask again", retry_after_s=5.0)
            time.sleep(0.02)
