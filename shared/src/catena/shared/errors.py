"""Every error that catena raises on purpose, in one tree.

::

    CatenaError                                 reason and google.rpc code travel with it
    |-- InvalidRequest      INVALID_ARGUMENT    breaks its contract; names every field at once
    |   `-- UnsafePath      INVALID_ARGUMENT    a path or URI would leave the store
    |-- InvalidData         INVALID_ARGUMENT    numbers that the science cannot work with
    |-- NotFound            NOT_FOUND           no such artifact, job, flow or file
    |-- FailedPrecondition  FAILED_PRECONDITION right request, wrong moment
    |   |-- LeaseHeld                           another cluster works on this store
    |   `-- VersionMismatch                     submitter and worker run different code
    |-- LeaseLost           ABORTED             a newer cluster took over; this one may not write
    |-- Unauthenticated     UNAUTHENTICATED     no token, or a wrong one
    |-- TooLarge            RESOURCE_EXHAUSTED  more than fits into a message; pass it by reference
    |-- Unavailable         UNAVAILABLE         try again after `retry_after_s`
    |-- DeadlineExceeded    DEADLINE_EXCEEDED   no answer in time
    |-- ArtifactCorrupt     DATA_LOSS           content and digest differ
    |-- JobFailed           INTERNAL            carries the code of what failed
    |-- JobCancelled        CANCELLED           somebody stopped the job
    |-- JobInterrupted      ABORTED             its Ray cluster was lost; asking again resumes it
    `-- InternalError       INTERNAL            a defect of catena; details are in the log only

A message says what came, what was wanted, and what to do. Messages reach clients: no server paths,
no secrets, no stack traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldViolation:
    """One thing wrong with one field of a request.

    Parameters
    ----------
    field : str
        Path of the field in the request message, e.g. ``observation.error_sd[2]``.
    description : str
        What came, what was wanted, and what to do.
    """

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}"


class CatenaError(Exception):
    """Base of the tree.

    Parameters
    ----------
    message : str
        One or two sentences for the user.
    violations : sequence of FieldViolation
        The fields at fault, all of them at once.
    retry_after_s : float, optional
        Seconds after which the same call may succeed.
    """

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "CATENA_ERROR"

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[FieldViolation] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        if not self.violations:
            return self.message
        return "\n".join([self.message, *(f"  {violation}" for violation in self.violations)])


class InvalidRequest(CatenaError):
    """A request breaks its contract."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_REQUEST"


class UnsafePath(InvalidRequest):
    """A path or URI would leave the store."""

    reason = "UNSAFE_PATH"


class InvalidData(CatenaError):
    """Numbers that the science cannot work with (shape, range, NaN, too few runs)."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_DATA"


class NotFound(CatenaError):
    """No such artifact, job, flow or file."""

    code = "NOT_FOUND"
    reason = "NOT_FOUND"


class FailedPrecondition(CatenaError):
    """The request is right but the system is not in the state for it."""

    code = "FAILED_PRECONDITION"
    reason = "FAILED_PRECONDITION"


class LeaseHeld(FailedPrecondition):
    """Another cluster holds the store's lease."""

    reason = "LEASE_HELD"


class VersionMismatch(FailedPrecondition):
    """A job was submitted by other code than the code that would run it."""

    reason = "VERSION_MISMATCH"


class LeaseLost(CatenaError):
    """A newer epoch of the lease exists: this cluster may not write any more."""

    code = "ABORTED"
    reason = "LEASE_LOST"


class Unauthenticated(CatenaError):
    """No bearer token, or a wrong one."""

    code = "UNAUTHENTICATED"
    reason = "UNAUTHENTICATED"


class TooLarge(CatenaError):
    """More than fits into one message."""

    code = "RESOURCE_EXHAUSTED"
    reason = "TOO_LARGE"


class Unavailable(CatenaError):
    """Not now; the same call may succeed after ``retry_after_s`` seconds."""

    code = "UNAVAILABLE"
    reason = "UNAVAILABLE"


class DeadlineExceeded(CatenaError):
    """No answer in time."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class ArtifactCorrupt(CatenaError):
    """An artifact's content differs from its digest."""

    code = "DATA_LOSS"
    reason = "ARTIFACT_CORRUPT"


class JobFailed(CatenaError):
    """A job ended with an error.

    Parameters
    ----------
    message : str
        The job's own message.
    cause_code : str
        Name of the google.rpc code of what failed.
    """

    reason = "JOB_FAILED"

    def __init__(
        self,
        message: str,
        *,
        cause_code: str = "INTERNAL",
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message, violations=violations)
        self.cause_code = cause_code


class JobCancelled(CatenaError):
    """A job was cancelled."""

    code = "CANCELLED"
    reason = "JOB_CANCELLED"


class JobInterrupted(CatenaError):
    """Nothing runs the job any more; asking again resumes it from its checkpoint."""

    code = "ABORTED"
    reason = "JOB_INTERRUPTED"


class InternalError(CatenaError):
    """A defect of catena. Clients get a reference number; the server's log has the rest."""

    reason = "INTERNAL"
