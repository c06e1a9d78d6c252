"""What may come over the wire, and what may go back."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.rpc import status_pb2
from support.checked import METHODS, add_checked, only
from support.servers import Running, wait_until

from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.calibrator.server import add_services
from catena.shared.errors import NotFound, TooLarge

Serve = Callable[..., Running]
PREFIX = "/catena.api.calibrator.v1.CalibratorService/"
RPCS = [
    *(PREFIX + name for name in METHODS),
    *(f"/catena.api.jobs.v1.JobService/{name}" for name in ("GetJob", "ListJobs", "CancelJob")),
]
LEAKS = re.compile(r'Traceback|File "|\.py\b|site-packages|/root|/home|/tmp|/work|0x[0-9a-f]{6}')


def told(error: Any) -> str:
    """Everything that a failed call tells its client."""
    texts = [error.details() or ""]
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            texts += [status.message, *(str(detail.value) for detail in status.details)]
        else:
            texts.append(f"{key}={value!r}")
    return "\n".join(texts)


def refused(channel: grpc.Channel, method: str, raw: bytes) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(raw, timeout=10)
    assert not LEAKS.search(told(caught.value)), told(caught.value)
    return caught.value.code()


def healthy(running: Running) -> bool:
    return running.client().health() == "SERVING"


@pytest.mark.parametrize("method", RPCS)
def test_bytes_that_are_no_message_are_an_invalid_argument(serve: Serve, method: str) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel:
        for raw in (b"\xff", b"\x0a\xff", b"\x0a\x05ab", b"\x00\x00", b"\x0f" * 100):
            assert refused(channel, method, raw) is grpc.StatusCode.INVALID_ARGUMENT
    assert healthy(running)


def test_text_that_is_no_unicode_is_an_invalid_argument(serve: Serve) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel:
        code = refused(channel, PREFIX + "DrawObservation", b"\x2a\x02\xc3\x28")
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_health_checks_of_garbage_are_an_invalid_argument(serve: Serve) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel:
        code = refused(channel, "/grpc.health.v1.Health/Check", b"\xff\xff")
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        reflect = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )
        with pytest.raises(grpc.RpcError) as caught:
            list(reflect(iter([b"\xff\xff"]), timeout=5))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert healthy(running)


def test_watching_garbage_is_an_invalid_argument(serve: Serve) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel:
        watch = channel.unary_stream("/catena.api.jobs.v1.JobService/WatchJob")
        with pytest.raises(grpc.RpcError) as caught:
            list(watch(b"\xff", timeout=5))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", RPCS)
def test_more_than_four_mebibytes_are_refused(serve: Serve, method: str) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel:
        code = refused(channel, method, b"\x0a" + bytes(4 * 1024 * 1024))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert healthy(running)


def test_the_client_says_what_to_do_with_so_much(serve: Serve) -> None:
    observation = pb.Observation(values=[1.0] * 600_000, error_sd=[1.0])
    request = pb.RunMcmcRequest(observation=observation)
    with pytest.raises(TooLarge, match="by reference"):
        serve(add_checked).client().call("RunMcmc", request)


def test_just_under_the_limit_is_read(serve: Serve) -> None:
    received: list[int] = []

    def draw(request: Any, context: Any) -> Any:
        received.append(request.ByteSize())
        return pb.DrawObservationResponse()

    running = serve(only(DrawObservation=draw))
    request = pb.DrawObservationRequest(site="x" * (4 * 1024 * 1024 - 100))
    running.client().call("DrawObservation", request)
    assert received == [request.ByteSize()]


def test_a_small_message_that_unpacks_to_a_large_one_is_refused(serve: Serve) -> None:
    running = serve(add_services)
    bomb = pb.DrawObservationRequest(site="x" * (64 * 1024 * 1024)).SerializeToString()
    channel = grpc.insecure_channel(running.address, compression=grpc.Compression.Gzip)
    before = psutil.Process().memory_info().rss
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(PREFIX + "DrawObservation")(bomb, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert psutil.Process().memory_info().rss - before < 48 * 1024 * 1024
    assert healthy(running)


def test_metadata_have_a_limit_too(serve: Serve) -> None:
    running = serve(add_services)
    with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(PREFIX + "DrawObservation")(
            b"", timeout=10, metadata=[("x-large", "x" * 200_000)]
        )
    assert caught.value.code() in (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
    )
    assert healthy(running)


def test_no_error_tells_a_path_of_the_server(serve: Serve) -> None:
    def open_missing(request: Any, context: Any) -> Any:
        return Path(f"/srv/private/{request.site}").read_bytes()

    def through_the_tree(request: Any, context: Any) -> Any:
        try:
            return os.listdir("/srv/private")
        except OSError as error:
            raise NotFound("there is no such site") from error

    running = serve(only(DrawObservation=open_missing, RunMcmc=through_the_tree))
    with grpc.insecure_channel(running.address) as channel:
        for method, code in (
            ("DrawObservation", grpc.StatusCode.INTERNAL),
            ("RunMcmc", grpc.StatusCode.NOT_FOUND),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(PREFIX + method)(b"", timeout=10)
            assert caught.value.code() is code
            assert "private" not in told(caught.value)


def test_an_answer_of_the_wrong_type_is_a_defect_and_shows_nothing(serve: Serve) -> None:
    running = serve(only(DrawObservation=lambda request, context: "/srv/private"))
    with grpc.insecure_channel(running.address) as channel:
        code = refused(channel, PREFIX + "DrawObservation", b"")
    assert code is grpc.StatusCode.INTERNAL


def test_half_open_calls_without_a_token_keep_nobody_waiting(serve: Serve) -> None:
    # A call whose message never comes holds a thread. Those without a token have their own.
    running = serve(
        only(DrawObservation=lambda r, c: pb.DrawObservationResponse()), token="t", max_workers=2
    )
    client = running.client(patience_s=0)
    end = threading.Event()

    def silence() -> Iterator[bytes]:
        end.wait(20)
        yield from ()

    with grpc.insecure_channel(running.address) as channel:
        calls = [
            channel.stream_unary(PREFIX + "DrawObservation").future(silence(), timeout=20)
            for _ in range(12)
        ]
        try:
            wait_until(lambda: _threads("refusal") >= 4 or _threads("call") >= 2)
            client.call("DrawObservation", timeout_s=3)
        finally:
            end.set()
            for call in calls:
                call.cancel()


def _threads(name: str) -> int:
    return sum(thread.name.startswith(name) for thread in threading.enumerate())
