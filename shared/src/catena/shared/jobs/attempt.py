"""One attempt at a job, from its claim to its end. Knows nothing of Ray."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from catena.shared.artifacts import Lease
from catena.shared.errors import (
    CatenaError,
    InternalError,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    LeaseLost,
    VersionMismatch,
)
from catena.shared.jobs import faults
from catena.shared.jobs.checkpoint import Checkpoint
from catena.shared.jobs.context import JobContext
from catena.shared.jobs.function import load_function
from catena.shared.jobs.processes import JobProcess
from catena.shared.jobs.records import JobFolder, now
from catena.shared.jobs.safety import removed
from catena.shared.jobs.threads import set_threads
from catena.shared.version import code_version

log = logging.getLogger(__name__)

_REPORT_S = 0.3
_LOOK_S = 2.0
_SWEEP_S = 5.0
_PAST = (JobCancelled, JobInterrupted, LeaseLost)


@dataclass(frozen=True)
class Assignment:
    """What a worker needs to know to run a job; the request itself lies in the store.

    Parameters
    ----------
    name : str
        Name of the job.
    lease : Lease
        The store and the epoch in which the job was submitted.
    max_attempts : int
        Attempts without progress of the checkpoint before the job fails.
    nice : int
        Niceness of the process.
    sabotage : str
        Safeties that a drill has removed; empty in production.
    """

    name: str
    lease: Lease
    max_attempts: int
    nice: int
    sabotage: str = ""


class Fence:
    """Whether an attempt may still write. Asked before every checkpoint and before the commit."""

    def __init__(self, folder: JobFolder, attempt: int, lease: Lease) -> None:
        self._folder = folder
        self._attempt = attempt
        self._lease = lease

    def check(self) -> None:
        """Pass, or raise.

        Raises
        ------
        JobCancelled
            When somebody cancelled the job.
        JobInterrupted
            When a newer attempt has begun, or the job's files are gone.
        LeaseLost
            When another cluster holds the store now.
        """
        if removed("guard"):
            return
        submission = self._folder.submission()
        if submission is None:
            raise JobInterrupted("the job's files were removed; ask again")
        if submission.cancelled:
            raise JobCancelled("the job was cancelled; asking again goes on from its checkpoint")
        if self._attempt <= submission.after or self._folder.newest() != self._attempt:
            raise JobInterrupted("a newer attempt at this job has begun; it takes over")
        if not removed("lease"):
            self._lease.check()


class Reporter:
    """Writes progress at most every 0.3 s, and looks every 2 s whether the attempt is wanted.

    The look ends a job whose canceller died before the kill, and one whose cluster was superseded:
    they would compute for nothing.
    """

    def __init__(
        self, folder: JobFolder, attempt: int, fence: Fence, abandon: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._attempt = attempt
        self._fence = fence
        self._abandon = abandon
        self._latest: tuple[float, str] | None = None
        self._written: tuple[float, str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="catena-report", daemon=True)
        self._thread.start()

    def report(self, fraction: float, message: str) -> None:
        """Take note; costs nothing."""
        self._latest = (fraction, message)

    def stop(self) -> None:
        """Write the last word and end."""
        self._stop.set()
        self._thread.join()
        self._write()

    def _work(self) -> None:
        rounds = 0
        while not self._stop.wait(_REPORT_S):
            self._write()
            rounds += 1
            if rounds * _REPORT_S >= _LOOK_S:
                rounds = 0
                if not self._wanted():
                    self._abandon()
                    return

    def _write(self) -> None:
        latest = self._latest
        if latest is None or latest == self._written:
            return
        try:
            self._folder.write_progress(self._attempt, *latest)
            self._written = latest
        except CatenaError as error:
            log.warning("progress of %s was not written: %s", self._folder.name, error)

    def _wanted(self) -> bool:
        try:
            self._fence.check()
        except _PAST as error:
            log.warning("%s stops: %s", self._folder.name, error)
            return False
        except CatenaError as error:
            log.warning("%s cannot see its status: %s", self._folder.name, error)
        return True


def run(assignment: Assignment, node: str = "", abandon: Callable[[], None] = lambda: None) -> None:
    """Make one attempt; every outcome is in the store when this returns. Raises nothing.

    Parameters
    ----------
    assignment : Assignment
    node : str
        Identity of this machine in Ray.
    abandon : callable
        Called from another thread when the attempt is not wanted any more; ends the process.
    """
    folder = JobFolder(assignment.lease.store, assignment.name)
    try:
        if not _wanted(folder):
            return
        if not removed("lease"):
            assignment.lease.check()
        if _gave_up(folder, assignment.max_attempts, node):
            return
        attempt = _claim(folder, node)
    except LeaseLost as error:
        log.warning("%s does not start: %s", assignment.name, error)
        return
    except Exception:
        # Without the store there is nowhere to say so; the job shows as INTERRUPTED.
        log.exception("%s could not begin", assignment.name)
        return
    fence = Fence(folder, attempt, assignment.lease)
    reporter = Reporter(folder, attempt, fence, abandon)
    try:
        _work(folder, attempt, fence, reporter)
    except BaseException as error:  # whatever it is, the job must not stay RUNNING
        _record(folder, attempt, fence, error)
    finally:
        reporter.stop()
        _sweep(folder, attempt)
        faults.forget()


def _work(folder: JobFolder, attempt: int, fence: Fence, reporter: Reporter) -> None:
    request = folder.request()
    if request["code_version"] != code_version() and not removed("version"):
        raise VersionMismatch(
            f"the job was submitted by code {request['code_version']}, this worker runs "
            f"{code_version()}; update all nodes, restart catena and ask again"
        )
    set_threads(int(request["cpus"]))
    function = load_function(request["entry"])
    set_threads(int(request["cpus"]))  # again, for the libraries that it has just loaded
    query = function.query.from_plain(request["query"])
    if function.name(query) != folder.name:
        raise VersionMismatch(
            "the stored request does not give this job's name any more; submit the request again"
        )
    context = JobContext(
        folder.store, function, query, attempt, guard=fence.check, report=reporter.report
    )
    function(query, context)
    if folder.artifact() is None:
        raise InternalError(f"the job '{request['entry']}' returned without a commit")


def _wanted(folder: JobFolder) -> bool:
    # An actor that was killed after its job's end, before it was removed, is started once more.
    submission = folder.submission()
    return (
        submission is not None
        and not submission.cancelled
        and folder.ended(submission) is None
        and folder.artifact() is None
    )


def _gave_up(folder: JobFolder, limit: int, node: str) -> bool:
    """Whether the last attempts all died at one place; then the job has been ended as FAILED."""
    submission = folder.submission()
    newest = folder.newest()
    if submission is None or removed("attempt_limit"):
        return False
    position = Checkpoint(folder.store, f"{folder.uri}/checkpoint").position
    stuck = 0
    for attempt in range(newest, submission.count_from, -1):
        start = folder.read(attempt, "start")
        if start is None or start["checkpoint"] != position:
            break
        stuck += 1
    if stuck < limit:
        return False
    start = folder.read(newest, "start") or {}
    place = f"checkpoint {position}" if position else "its first checkpoint"
    cause = faults.cause(str(start.get("process", {}).get("mark", "")))
    if newest <= submission.after:
        newest = _claim(folder, node)  # how past attempts ended does not count any more
    folder.write_failure(
        newest,
        JobFailed(
            f"the job's process died {stuck} times without getting past {place}; {cause}. "
            "Mend the cause and ask again"
        ),
    )
    return True


def _claim(folder: JobFolder, node: str) -> int:
    process = JobProcess.current(node)
    for earlier in range(folder.newest(), 0, -1):
        _sweep(folder, earlier)
    checkpoint = Checkpoint(folder.store, f"{folder.uri}/checkpoint")
    attempt = folder.claim(
        {"process": process.to_record(), "checkpoint": checkpoint.position, "time": now()}
    )
    faults.watch(process.mark)
    return attempt


def _sweep(folder: JobFolder, attempt: int) -> None:
    """End what an attempt has started and left running on this machine."""
    try:
        start = folder.read(attempt, "start")
        if start is None or removed("sweep"):
            return
        process = JobProcess.from_record(start["process"])
        if process.host == socket.gethostname() and not process.end(_SWEEP_S):
            log.warning("%s: attempt %d leaves processes behind", folder.name, attempt)
    except CatenaError as error:
        log.warning("%s: no sweep after attempt %d: %s", folder.name, attempt, error)


def _record(folder: JobFolder, attempt: int, fence: Fence, error: BaseException) -> None:
    try:
        fence.check()
    except _PAST as past:
        # A cancelled or superseded attempt has no say in how the job ended.
        log.warning("%s stops: %s", folder.name, past)
        return
    except CatenaError as unknown:
        log.warning("%s cannot see its status: %s", folder.name, unknown)
    try:
        folder.write_failure(attempt, _told(folder, attempt, error))
    except CatenaError:
        log.exception("%s: the failure could not be written", folder.name)


def _told(folder: JobFolder, attempt: int, error: BaseException) -> CatenaError:
    if isinstance(error, CatenaError) and not isinstance(error, InternalError):
        log.error("%s failed: %s", folder.name, error)
        return error
    # The text of an unforeseen error may hold paths or values: it stays on this side.
    reference = secrets.token_hex(4)
    text = "".join(traceback.format_exception(error))
    log.error("%s failed, reference %s\n%s", folder.name, reference, text)
    folder.store.write_json(
        folder.record(attempt, "defect"), {"reference": reference, "traceback": text}
    )
    return InternalError(
        f"the job stopped at a defect of catena (reference {reference}); "
        "its record in the store has the details, please report it"
    )
