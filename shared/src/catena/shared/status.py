"""Errors on the wire: the tree of :mod:`catena.shared.errors` as google.rpc.Status, and back.

A status carries ErrorInfo (the class, by its reason), BadRequest (every field at fault) and
RetryInfo (when the same call may succeed), as AIP-193 asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from catena.shared.errors import (
    ArtifactCorrupt,
    CatenaError,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    InternalError,
    InvalidRequest,
    JobFailed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)

DOMAIN = "catena"

# A status travels in HTTP/2 trailers, of which peers accept 8 KiB in all. Its message is there
# twice and its details as base64, so they stay well below; a longer list of violations ends in a
# count.
_MESSAGE_CHARACTERS = 600
_VIOLATIONS_BYTES = 3000

_BY_CODE: dict[str, type[CatenaError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "NOT_FOUND": NotFound,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": Unauthenticated,
    "RESOURCE_EXHAUSTED": TooLarge,
    "UNAVAILABLE": Unavailable,
    # A server that stops cancels what has not finished; who cancels here does not ask why.
    "CANCELLED": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "DATA_LOSS": ArtifactCorrupt,
    "UNIMPLEMENTED": VersionMismatch,
}


def to_status(error: CatenaError) -> status_pb2.Status:
    """google.rpc.Status that says what `error` says.

    Parameters
    ----------
    error : CatenaError
        Any error of the tree.

    Returns
    -------
    google.rpc.status_pb2.Status
        With ErrorInfo, and BadRequest and RetryInfo where they apply; small enough for trailers.
    """
    status = status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=_short(error.message, _MESSAGE_CHARACTERS)
    )
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    if isinstance(error, JobFailed):
        info.metadata["cause_code"] = error.cause_code
    status.details.add().Pack(info)
    if error.violations:
        status.details.add().Pack(_bad_request(error.violations))
    if error.retry_after_s is not None:
        nanos = round(max(error.retry_after_s, 0.0) * 1e9)
        delay = Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def from_status(status: status_pb2.Status) -> CatenaError:
    """Error of the tree that `status` stands for.

    A reason that this release does not know becomes the nearest class of the same code.
    """
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_s: float | None = None
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
        elif detail.Is(retry.DESCRIPTOR):
            detail.Unpack(retry)
            retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    violations = tuple(FieldViolation(v.field, v.description) for v in bad.field_violations)
    kind = _by_reason(info.reason) if info.domain == DOMAIN else None
    if kind is None:
        kind = _BY_CODE.get(_code_name(status.code), InternalError)
    if issubclass(kind, JobFailed):
        cause = info.metadata.get("cause_code", "INTERNAL")
        return kind(status.message, cause_code=cause, violations=violations)
    return kind(status.message, violations=violations, retry_after_s=retry_after_s)


def from_rpc_error(error: grpc.RpcError, service: str) -> CatenaError:
    """Error of the tree for a failed call to `service`."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:  # the text was shortened or changed on its way
        status = None
    if status is not None:
        return from_status(status)
    return _from_transport(error.code(), error.details() or "", service)


def _from_transport(code: grpc.StatusCode, details: str, service: str) -> CatenaError:
    # Statuses that gRPC makes itself: nothing of catena answered.
    if code is grpc.StatusCode.UNAVAILABLE and _is_tls(details):
        return Unauthenticated(
            f"no trust between this client and the {service} ({_short(details, 300)}); check "
            "CATENA_TLS_CA, CATENA_TLS_CERT and the host name in the address"
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(
            f"the {service} cannot be reached ({_short(details, 300)}); start it with `catena up` "
            "or check its address"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(
            f"the {service} did not answer in time; ask for less, or raise CATENA_DEADLINE_S"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return TooLarge(
            f"a message to or from the {service} is too large ({_short(details, 200)}); "
            "pass arrays by reference, as artifacts"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return VersionMismatch(
            f"the {service} does not know this method; client and server are of different releases"
        )
    if code is grpc.StatusCode.CANCELLED:
        return Unavailable(f"the {service} ended the call; ask again")
    return _BY_CODE.get(code.name, InternalError)(
        f"the {service} answered {code.name}: {_short(details, 300)}"
    )


def _is_tls(details: str) -> bool:
    # Waiting does not cure a certificate that does not fit, so this is no UNAVAILABLE to retry.
    return "CERTIFICATE_VERIFY_FAILED" in details or "handshake failed" in details.lower()


def _bad_request(violations: tuple[FieldViolation, ...]) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    for number, violation in enumerate(violations):
        item = error_details_pb2.BadRequest.FieldViolation(
            field=_short(violation.field, 200), description=_short(violation.description, 400)
        )
        if bad.ByteSize() + item.ByteSize() > _VIOLATIONS_BYTES:
            rest = len(violations) - number
            bad.field_violations.add(
                field=item.field, description=f"this and {rest - 1} more fields are at fault"
            )
            break
        bad.field_violations.append(item)
    return bad


def _by_reason(reason: str) -> type[CatenaError] | None:
    return next((kind for kind in _tree(CatenaError) if kind.reason == reason), None)


def _tree(root: type[CatenaError]) -> Iterator[type[CatenaError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _code_name(number: int) -> str:
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(number)
    return known.name if known else "UNKNOWN"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def retry_delay_s(error: CatenaError, attempt: int) -> float:
    """Seconds to wait before asking again: what the server said, else doubling from 0.1 to 2."""
    if error.retry_after_s is not None and math.isfinite(error.retry_after_s):
        return min(max(error.retry_after_s, 0.05), 30.0)
    return float(min(0.1 * 2.0**attempt, 2.0))
