"""The files of a job, and the state that they add up to.

::

    jobs/<service>/<Method>/<digest>/
        request.json             what is asked; written by who submits
        status.json              QUEUED or CANCELLED; written by who submits or cancels
        checkpoint/              see catena.shared.jobs.checkpoint
        attempts/<n>/.job/       start.json, progress.json, end.json; written by attempt n alone
        artifact.json            the result; written last

Every file has one kind of writer, so nothing that a dying job still writes can undo a cancel. The
state is never stored: it is derived, here, from these files and from whether an actor lives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.rpc import error_details_pb2, status_pb2

from catena.api.jobs.v1.jobs_pb2 import Job, JobState
from catena.shared.artifacts import ArtifactStore
from catena.shared.artifacts.artifact import Artifact
from catena.shared.errors import ArtifactCorrupt, CatenaError, NotFound
from catena.shared.jobs.function import split_name
from catena.shared.status import to_status

# Statuses in end.json name these messages; the import makes them known to the JSON parser.
_DETAILS = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest)


@dataclass(frozen=True)
class Submission:
    """Content of ``status.json``: the last thing that somebody wanted of the job.

    Parameters
    ----------
    cancelled : bool
        True: CANCELLED, False: QUEUED.
    after : int
        Attempts up to this number belong to the past: they may not write any more, and how they
        ended does not count.
    count_from : int
        Attempts after this number count towards the limit of attempts without progress.
    time : str
        When, ISO 8601 in UTC; for people, never compared.
    """

    cancelled: bool
    after: int
    count_from: int
    time: str


class JobFolder:
    """The files of one job in the store.

    Parameters
    ----------
    store : ArtifactStore
    name : str
        ``<service>/<Method>/<digest>``.
    """

    def __init__(self, store: ArtifactStore, name: str) -> None:
        split_name(name)
        self.store = store
        self.name = name
        self.uri = f"jobs/{name}"

    # ---- written by who submits or cancels ---------------------------------------------------

    def request(self) -> dict[str, Any]:
        """Content of ``request.json``.

        Raises
        ------
        NotFound
            When nobody ever asked for this job.
        """
        found = self.store.read_json(f"{self.uri}/request.json", None)
        if found is None:
            raise NotFound(f"there is no job '{self.name}'; submit its request first")
        return dict(found)

    def write_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write ``request.json``; of several submitters the first decides the time of creation."""
        path = f"{self.uri}/request.json"
        request = {**request, "create_time": now()}
        if self.store.create_json(path, request):
            return request
        known = self.store.read_json(path)
        request["create_time"] = known["create_time"]
        if request != known:
            # Asked again by newer code, or with inputs that lie elsewhere.
            self.store.write_json(path, request)
        return request

    def submission(self) -> Submission | None:
        """Content of ``status.json``; None before the first."""
        found = self.store.read_json(f"{self.uri}/status.json", None)
        if found is None:
            return None
        try:
            return Submission(
                cancelled={"QUEUED": False, "CANCELLED": True}[found["state"]],
                after=int(found["after"]),
                count_from=int(found["count_from"]),
                time=str(found["time"]),
            )
        except (KeyError, TypeError, ValueError):
            raise ArtifactCorrupt(
                f"the status of job '{self.name}' is not readable; cancel it and ask again"
            ) from None

    def write_submission(self, *, cancelled: bool, after: int, count_from: int) -> None:
        """Replace ``status.json``."""
        self.store.write_json(
            f"{self.uri}/status.json",
            {
                "state": "CANCELLED" if cancelled else "QUEUED",
                "after": after,
                "count_from": count_from,
                "time": now(),
            },
        )

    # ---- written by an attempt ---------------------------------------------------------------

    def newest(self) -> int:
        """Number of the newest attempt; 0 if there is none."""
        names = self.store.ls(f"{self.uri}/attempts")
        return max((int(name) for name in names if name.isdigit()), default=0)

    def record(self, attempt: int, what: str) -> str:
        """Path of a record (``start``, ``progress``, ``end``, ``defect``) of an attempt."""
        return f"{self.uri}/attempts/{attempt}/.job/{what}.json"

    def read(self, attempt: int, what: str) -> dict[str, Any] | None:
        """A record of an attempt; None if it is missing."""
        found = self.store.read_json(self.record(attempt, what), None) if attempt else None
        return None if found is None else dict(found)

    def claim(self, start: dict[str, Any]) -> int:
        """Begin an attempt and return its number; no other process gets the same."""
        attempt = self.newest() + 1
        while not self.store.create_json(self.record(attempt, "start"), start):
            attempt += 1
        return attempt

    def write_progress(self, attempt: int, fraction: float, message: str) -> None:
        """Say how far an attempt is (0 to 1)."""
        self.store.write_json(
            self.record(attempt, "progress"),
            {"fraction": fraction, "message": message, "time": now()},
            durable=False,
        )

    def write_failure(self, attempt: int, error: CatenaError) -> None:
        """End an attempt as FAILED; the first end of an attempt stays."""
        self.store.create_json(
            self.record(attempt, "end"),
            {"state": "FAILED", "time": now(), "error": MessageToDict(to_status(error))},
        )

    # ---- what it adds up to ------------------------------------------------------------------

    def artifact(self) -> Artifact | None:
        """The result, if it is there."""
        try:
            return self.store.open(self.uri)
        except NotFound:
            return None

    def ended(self, submission: Submission | None) -> dict[str, Any] | None:
        """``end.json`` of the newest attempt, if that attempt belongs to `submission`."""
        newest = self.newest()
        return self.read(newest, "end") if submission and newest > submission.after else None

    def job(self, lives: Callable[[], bool]) -> Job:
        """The job as it stands now.

        Parameters
        ----------
        lives : callable
            Whether an actor of this name lives; asked only when the files leave it open.

        Raises
        ------
        NotFound
            When nobody ever asked for this job.
        """
        job = Job(name=self.name)
        if self._settled(job):
            return job
        if lives():
            submission = self.submission()
            if submission is not None and job.attempts > submission.after:
                job.state = JobState.JOB_STATE_RUNNING
            else:
                job.state = JobState.JOB_STATE_QUEUED
                job.progress, job.message = 0.0, "waits for a free place"
            return job
        # It may have ended between the look at its files and the look for its actor.
        job = Job(name=self.name)
        if not self._settled(job):
            job.state = JobState.JOB_STATE_INTERRUPTED
            job.message = "nothing runs it any more; asking again resumes it"
        return job

    def _settled(self, job: Job) -> bool:
        # Fills in everything that the files say; True when they decide the state.
        artifact = self.artifact()
        request = self.request() if artifact is None else self._request_or_nothing()
        job.attempts = self.newest()
        if "create_time" in request:
            job.create_time.FromJsonString(request["create_time"])
        if artifact is not None:
            job.state = JobState.JOB_STATE_SUCCEEDED
            job.progress, job.message = 1.0, "done"
            job.artifact.CopyFrom(artifact.ref)
            job.update_time.FromDatetime(artifact.manifest.create_time)
            return True
        submission = self.submission()
        progress = self.read(job.attempts, "progress")
        end = self.ended(submission)
        if progress is not None:
            job.progress, job.message = float(progress["fraction"]), str(progress["message"])
        times = [str(word["time"]) for word in (progress, end) if word is not None]
        times += [request["create_time"]] if submission is None else [submission.time]
        job.update_time.FromJsonString(max(times))
        if submission is not None and submission.cancelled:
            job.state = JobState.JOB_STATE_CANCELLED
            job.message = "cancelled; asking again goes on from its checkpoint"
            return True
        if end is not None:
            job.state = JobState.JOB_STATE_FAILED
            job.error.CopyFrom(_status(end))
            job.message = job.error.message
            return True
        return False

    def _request_or_nothing(self) -> dict[str, Any]:
        try:
            return self.request()
        except NotFound:
            return {}


def _status(end: dict[str, Any]) -> status_pb2.Status:
    try:
        return ParseDict(end["error"], status_pb2.Status())
    except (KeyError, ParseError, TypeError):
        return status_pb2.Status(code=13, message="the job failed; the record of why is unreadable")


def now() -> str:
    """Time in UTC, ISO 8601 with milliseconds and a Z, as protobuf reads it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
