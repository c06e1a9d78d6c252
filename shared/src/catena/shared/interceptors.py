"""What every call passes through: token, parsing, errors, the log.

gRPC by itself sends the text of an unexpected exception to the client and answers undecodable bytes
with INTERNAL. Here a :class:`CatenaError` becomes a rich status, undecodable bytes become
INVALID_ARGUMENT, and of anything else the client sees a reference number; the rest is in the log.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from catena.shared.credentials import check_token
from catena.shared.errors import CatenaError, InternalError, InvalidRequest, TooLarge, Unavailable
from catena.shared.status import to_status

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""gRPC's own cap. It stays: larger things travel by reference."""

Handler = Any
"""grpc.RpcMethodHandler: one callable per shape of method, of which one is set."""

_HEALTH = "/grpc.health.v1.Health/"
_log = logging.getLogger("catena.rpc")


class Gate(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Interceptor of a catena server.

    Parameters
    ----------
    token : str
        Bearer token that every call but the health checks must carry; empty: none is asked for.
    max_streams : int
        Streams that run at once; one more is asked to come again.
    """

    def __init__(self, token: str = "", max_streams: int = 64) -> None:
        self._token = token
        self._max_streams = max_streams
        self._refusal: CatenaError | None = None
        self._streams: set[grpc.ServicerContext] = set()
        self._lock = threading.Lock()
        # Streams and refusals have threads of their own: neither watchers of jobs nor callers
        # without a token can keep the others waiting. The same goes for health checks.
        self._stream_pool = ThreadPoolExecutor(max_streams, thread_name_prefix="stream")
        self._refusal_pool = ThreadPoolExecutor(4, thread_name_prefix="refusal")
        self._health_pool = ThreadPoolExecutor(4, thread_name_prefix="health")

    def refuse(self, error: CatenaError) -> None:
        """Answer every call from now on with `error`; health checks go on."""
        self._refusal = error

    def end_streams(self) -> None:
        """Cancel the running streams; their clients open them again elsewhere."""
        with self._lock:
            running = list(self._streams)
        for context in running:
            context.cancel()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Let the threads go."""
        for pool in (self._stream_pool, self._refusal_pool, self._health_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of one call."""
        method = handler_call_details.method
        if method.startswith(_HEALTH):
            return self._wrap_health(method, continuation(handler_call_details))
        if self._token:
            try:
                check_token(handler_call_details.invocation_metadata, self._token)
            except CatenaError as error:
                return self._refusing(method, error)
        if self._refusal is not None:
            return self._refusing(method, self._refusal)
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        if handler.unary_unary:
            return self._wrap_unary(method, handler)
        if len(self._streams) >= self._max_streams:
            busy = Unavailable(
                f"{self._max_streams} streams are open already; ask again", retry_after_s=2.0
            )
            return self._refusing(method, busy)
        return self._wrap_stream(method, handler)

    def _refusing(self, method: str, error: CatenaError) -> Handler:
        def answer(raw: bytes, context: grpc.ServicerContext) -> NoReturn:
            _report(method, error.code, time.monotonic())
            _abort(context, error)

        answer.experimental_thread_pool = self._refusal_pool  # type: ignore[attr-defined]
        return grpc.unary_unary_rpc_method_handler(answer)

    def _wrap_unary(
        self, method: str, handler: Handler, pool: ThreadPoolExecutor | None = None
    ) -> Handler:
        def answer(raw: bytes, context: grpc.ServicerContext) -> bytes:
            start = time.monotonic()
            if not context.is_active():  # it waited in the queue until its client was gone
                return b""
            try:
                request = _parse(handler, raw)
                out = _serialize(handler, handler.unary_unary(request, context))
            except Exception as error:
                _fail(method, start, context, error)
            _report(method, _code(context), start)
            return out

        if pool is not None:
            answer.experimental_thread_pool = pool  # type: ignore[attr-defined]
        return grpc.unary_unary_rpc_method_handler(answer)

    def _wrap_stream(self, method: str, handler: Handler) -> Handler:
        def responses(raw: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            if handler.request_streaming:  # `raw` is the stream of requests (reflection)
                requests = (_parse(handler, item) for item in raw)
                return handler.stream_stream(requests, context)
            return handler.unary_stream(_parse(handler, raw), context)

        def answer(raw: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            start = time.monotonic()
            with self._lock:
                self._streams.add(context)
            try:
                for response in responses(raw, context):
                    yield _serialize(handler, response)
                    if not context.is_active():
                        return
            except Exception as error:
                _fail(method, start, context, error)
            finally:
                with self._lock:
                    self._streams.discard(context)
            _report(method, _code(context), start)

        answer.experimental_thread_pool = self._stream_pool  # type: ignore[attr-defined]
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(answer)
        return grpc.unary_stream_rpc_method_handler(answer)

    def _wrap_health(self, method: str, handler: Handler | None) -> Handler | None:
        # Watch answers by callbacks and holds no thread; only Check needs the pool.
        if handler is None or not handler.unary_unary:
            return handler
        return self._wrap_unary(method, handler, self._health_pool)


def _parse(handler: Handler, raw: bytes) -> Any:
    try:
        return handler.request_deserializer(raw)
    except DecodeError:
        raise InvalidRequest(
            f"got {len(raw)} bytes that are no message of this method; "
            "use client code generated from the same contract"
        ) from None


def _serialize(handler: Handler, response: Any) -> bytes:
    out: bytes = handler.response_serializer(response)
    if len(out) > MAX_MESSAGE_BYTES:
        raise TooLarge(
            f"the answer has {len(out)} bytes, and at most {MAX_MESSAGE_BYTES} fit into a message; "
            "ask for less at a time, or for an artifact"
        )
    return out


def _fail(method: str, start: float, context: grpc.ServicerContext, error: Exception) -> NoReturn:
    if _code(context) != "OK":  # the handler aborted by itself: its status stands
        _report(method, _code(context), start)
        context.abort(context.code(), _text(context.details()))  # type: ignore[attr-defined]
    if isinstance(error, CatenaError) and not isinstance(error, InternalError):
        _report(method, error.code, start)
        _abort(context, error)
    reference = secrets.token_hex(6)
    _log.error("defect", exc_info=error, extra={"method": method, "reference": reference})
    _report(method, InternalError.code, start)
    _abort(
        context,
        InternalError(f"an error inside the server; its log has the details under {reference}"),
    )


def _abort(context: grpc.ServicerContext, error: CatenaError) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(to_status(error)))
    raise AssertionError("abort_with_status raises")


def _text(details: bytes | str | None) -> str:
    return details.decode("utf-8", "replace") if isinstance(details, bytes) else details or ""


def _code(context: grpc.ServicerContext) -> str:
    code = context.code()  # type: ignore[attr-defined]
    return "OK" if code is None else str(code.name)


def _report(method: str, code: str, start: float) -> None:
    level = logging.DEBUG if method.startswith(_HEALTH) else logging.INFO
    milliseconds = 1e3 * (time.monotonic() - start)
    _log.log(level, "call", extra={"method": method, "code": code, "ms": milliseconds})
