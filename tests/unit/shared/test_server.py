"""The server inside this process: what it answers, where it listens, whom it refuses."""

from __future__ import annotations

import logging
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.checked import add_checked, only
from support.servers import Running, run_folder, wait_until

from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.api.jobs.v1 import jobs_pb2, jobs_pb2_grpc
from catena.shared.errors import (
    FailedPrecondition,
    FieldViolation,
    InternalError,
    InvalidRequest,
    NotFound,
    TooLarge,
    Unavailable,
    VersionMismatch,
)
from catena.shared.logs import LineFormatter
from catena.shared.server import load_services, run
from catena.shared.sockets import SocketLock, private_folder

Serve = Callable[..., Running]
CALIBRATOR = "catena.api.calibrator.v1.CalibratorService"
JOBS = "catena.api.jobs.v1.JobService"


def draw(request: Any, context: Any) -> Any:
    return pb.DrawObservationResponse(observation=pb.Observation(site=request.site))


def check(running: Running, service: str) -> int:
    with grpc.insecure_channel(running.address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)


# ---------------------------------------------------------------- answers


def test_a_call_reaches_the_servicer_and_comes_back(serve: Serve) -> None:
    client = serve(only(DrawObservation=draw)).client()
    assert client.call("DrawObservation", {"site": "US-MOz"}).observation.site == "US-MOz"


@pytest.mark.parametrize("service", ["", CALIBRATOR, JOBS])
def test_health_is_told_for_each_service_and_for_all(serve: Serve, service: str) -> None:
    assert check(serve(add_checked), service) == health_pb2.HealthCheckResponse.SERVING


def test_health_of_an_unknown_service_is_not_found(serve: Serve) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(serve(add_checked), "catena.api.nobody.v1.NobodyService")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_every_violation_arrives(serve: Serve) -> None:
    def refuse(request: Any, context: Any) -> Any:
        raise InvalidRequest(
            "no", violations=[FieldViolation("run", "a"), FieldViolation("b", "c")]
        )

    with pytest.raises(InvalidRequest) as caught:
        serve(only(DrawObservation=refuse)).client().call("DrawObservation")
    assert caught.value.violations == (FieldViolation("run", "a"), FieldViolation("b", "c"))


def test_so_many_violations_that_no_trailer_holds_them_still_arrive(serve: Serve) -> None:
    def refuse(request: Any, context: Any) -> Any:
        many = [FieldViolation(f"values[{i}]", "got nan, wanted ≠ nan " * 5) for i in range(5000)]
        raise InvalidRequest("é" * 5000, violations=many)

    running = serve(only(DrawObservation=refuse))
    with grpc.insecure_channel(running.address) as plain:  # a client without our options
        send = plain.unary_unary(f"/{CALIBRATOR}/DrawObservation")
        with pytest.raises(grpc.RpcError) as caught:
            send(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_unexpected_error_shows_a_reference_and_nothing_else(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Any, context: Any) -> Any:
        raise RuntimeError("/srv/private/file password=hunter2")

    with pytest.raises(InternalError) as caught:
        serve(only(DrawObservation=fail)).client().call("DrawObservation")
    shown = str(caught.value)
    assert "private" not in shown and "hunter2" not in shown and "RuntimeError" not in shown
    [record] = [item for item in caplog.records if item.getMessage() == "defect"]
    assert record.reference in shown
    assert record.exc_info is not None and "hunter2" in str(record.exc_info[1])


def test_an_internal_error_raised_on_purpose_is_hidden_as_well(serve: Serve) -> None:
    def fail(request: Any, context: Any) -> Any:
        raise InternalError("the shard at /srv/private is broken")

    with pytest.raises(InternalError) as caught:
        serve(only(DrawObservation=fail)).client().call("DrawObservation")
    assert "private" not in str(caught.value)


def test_a_method_that_the_service_lacks_says_so(serve: Serve) -> None:
    with pytest.raises(VersionMismatch, match="different releases"):
        serve(only(DrawObservation=draw)).client().call("TrainSurrogate")


def test_an_answer_that_is_too_large_is_explained(serve: Serve) -> None:
    def large(request: Any, context: Any) -> Any:
        return pb.DrawObservationResponse(observation=pb.Observation(values=[1.0] * 600_000))

    with pytest.raises(TooLarge, match="ask for less at a time"):
        serve(only(DrawObservation=large)).client().call("DrawObservation")


def test_what_a_servicer_aborts_by_itself_stands(serve: Serve) -> None:
    def abort(request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such row")

    with pytest.raises(NotFound, match="no such row"):
        serve(only(DrawObservation=abort)).client().call("DrawObservation")


def test_jobs_are_served_beside_the_service(serve: Serve) -> None:
    running = serve(add_checked)
    running.jobs.put(jobs_pb2.Job(name="calibrator/RunMcmc/" + "0" * 64))
    assert running.client().job("calibrator/RunMcmc/" + "0" * 64).state == "UNSPECIFIED"


def _reflected(running: Running) -> set[str]:
    with grpc.insecure_channel(running.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        [answer] = stub.ServerReflectionInfo(iter([ask]), timeout=5)
    return {item.name for item in answer.list_services_response.service}


def test_reflection_lists_the_services(serve: Serve) -> None:
    assert {CALIBRATOR, JOBS, "grpc.health.v1.Health"} <= _reflected(serve(add_checked))


def test_reflection_can_be_switched_off(serve: Serve) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _reflected(serve(add_checked, reflection=False))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# ---------------------------------------------------------------- nobody starves the others


def test_health_answers_while_every_worker_is_busy(serve: Serve) -> None:
    release, busy = threading.Event(), threading.Semaphore(0)

    def slow(request: Any, context: Any) -> Any:
        busy.release()
        release.wait(20)
        return pb.DrawObservationResponse()

    running = serve(only(DrawObservation=slow), max_workers=2)
    client = running.client()
    calls = [threading.Thread(target=client.call, args=("DrawObservation",)) for _ in range(4)]
    try:
        for call in calls:
            call.start()
        assert busy.acquire(timeout=5) and busy.acquire(timeout=5)
        assert client.health(timeout_s=2) == "SERVING"
    finally:
        release.set()
        for call in calls:
            call.join()


def test_watchers_do_not_take_the_workers(serve: Serve) -> None:
    running = serve(add_checked, max_workers=2)
    name = "calibrator/RunMcmc/" + "0" * 64
    running.jobs.put(jobs_pb2.Job(name=name, state=jobs_pb2.JOB_STATE_RUNNING))
    with grpc.insecure_channel(running.address) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        request = jobs_pb2.WatchJobRequest(name=name)
        streams = [stub.WatchJob(request, timeout=20) for _ in range(10)]
        assert all(next(stream).job.name == name for stream in streams)
        assert running.client().job(name).name == name
        running.jobs.succeed(name)
        for stream in streams:
            assert list(stream)[-1].job.state == jobs_pb2.JOB_STATE_SUCCEEDED


def test_one_stream_too_many_is_asked_to_come_again(serve: Serve) -> None:
    running = serve(add_checked)
    running.server.gate._max_streams = 1
    name = "calibrator/RunMcmc/" + "0" * 64
    running.jobs.put(jobs_pb2.Job(name=name, state=jobs_pb2.JOB_STATE_RUNNING))
    with grpc.insecure_channel(running.address) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        first = stub.WatchJob(jobs_pb2.WatchJobRequest(name=name), timeout=20)
        next(first)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.WatchJob(jobs_pb2.WatchJobRequest(name=name), timeout=20))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        first.cancel()
        wait_until(lambda: not running.server.gate._streams)
        running.jobs.succeed(name)
        last = list(stub.WatchJob(jobs_pb2.WatchJobRequest(name=name), timeout=20))[-1]
        assert last.job.state == jobs_pb2.JOB_STATE_SUCCEEDED


def test_watchers_do_not_hold_up_a_drain(serve: Serve) -> None:
    running = serve(add_checked)
    name = "calibrator/RunMcmc/" + "0" * 64
    running.jobs.put(jobs_pb2.Job(name=name, state=jobs_pb2.JOB_STATE_RUNNING))
    with grpc.insecure_channel(running.address) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        stream = stub.WatchJob(jobs_pb2.WatchJobRequest(name=name), timeout=60)
        next(stream)
        assert running.server.stop(grace_s=60).wait(10)


def test_when_ray_is_lost_calls_are_asked_to_come_again_and_health_says_so(serve: Serve) -> None:
    running = serve(only(DrawObservation=draw))
    client = running.client(patience_s=0.0)
    assert client.call("DrawObservation").observation.site == ""
    running.server.lose_jobs()
    assert client.health() == "NOT_SERVING"
    with pytest.raises(Unavailable) as caught:
        client.call("DrawObservation")
    assert caught.value.retry_after_s == 2.0


# ---------------------------------------------------------------- sockets


def test_socket_and_folder_are_for_this_user_only(serve: Serve) -> None:
    running = serve(add_checked)
    path = running.settings.socket_path("calibrator")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.with_name("calibrator.sock.lock").stat().st_mode) == 0o600


def test_a_new_run_folder_is_private_whatever_the_umask() -> None:
    with run_folder() as folder:
        before = os.umask(0)
        try:
            private_folder(folder / "run")
        finally:
            os.umask(before)
        assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700


def test_a_folder_that_lets_others_in_is_refused() -> None:
    with run_folder() as folder:
        folder.chmod(0o755)
        with pytest.raises(FailedPrecondition, match="chmod 700"):
            SocketLock(folder / "x.sock")


def test_a_link_in_place_of_the_folder_is_refused() -> None:
    with run_folder() as folder:
        (folder / "real").mkdir(mode=0o700)
        (folder / "link").symlink_to(folder / "real")
        with pytest.raises(FailedPrecondition, match="not a folder of this user"):
            SocketLock(folder / "link" / "x.sock")


def test_a_second_server_on_the_same_socket_is_refused_and_the_first_goes_on(serve: Serve) -> None:
    running = serve(only(DrawObservation=draw))
    with pytest.raises(FailedPrecondition, match=f"process {os.getpid()}"):
        serve(add_checked, run_dir=running.settings.run_dir)
    assert running.client().call("DrawObservation", {"site": "x"}).observation.site == "x"


def test_a_socket_that_a_dead_server_left_is_taken_over(serve: Serve) -> None:
    with run_folder() as folder:
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(folder / "calibrator.sock"))
        left.close()
        running = serve(only(DrawObservation=draw), run_dir=folder)
        assert running.client().health() == "SERVING"
        running.server.close()


def test_a_file_in_the_sockets_place_is_not_deleted() -> None:
    with run_folder() as folder:
        (folder / "x.sock").write_text("precious")
        with pytest.raises(FailedPrecondition, match="is not a socket"):
            SocketLock(folder / "x.sock")
        assert (folder / "x.sock").read_text() == "precious"
        (folder / "x.sock").unlink()
        SocketLock(folder / "x.sock").release()


def test_a_path_too_long_for_the_kernel_is_refused(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="107"):
        serve(add_checked, run_dir=tmp_path / ("x" * 110))


def test_socket_and_lock_are_free_after_the_end(serve: Serve) -> None:
    with run_folder() as folder:
        for _ in range(2):
            running = serve(only(DrawObservation=draw), run_dir=folder)
            assert running.client().health() == "SERVING"
            running.server.close()
            assert not (folder / "calibrator.sock").exists()


# ---------------------------------------------------------------- TCP


def test_tcp_on_this_machine_works_without_tls(serve: Serve) -> None:
    running = serve(only(DrawObservation=draw), listen="127.0.0.1:0")
    with grpc.insecure_channel(running.address) as channel:
        status = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=5
        )
    assert status.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "node17:50051"])
def test_tcp_beyond_this_machine_needs_tls(serve: Serve, listen: str) -> None:
    with pytest.raises(FailedPrecondition, match="CATENA_ALLOW_INSECURE"):
        serve(add_checked, listen=listen)


def test_tcp_without_tls_can_be_allowed(serve: Serve) -> None:
    running = serve(add_checked, listen="0.0.0.0:0", allow_insecure=True)
    assert running.address.startswith("0.0.0.0:")


def test_a_port_that_is_taken_is_not_shared(serve: Serve) -> None:
    first = serve(add_checked, listen="127.0.0.1:0")
    with pytest.raises(FailedPrecondition, match="cannot listen"):
        serve(add_checked, listen=first.address)


# ---------------------------------------------------------------- start


def test_an_uninstalled_service_is_named() -> None:
    with pytest.raises(NotFound, match="calibrater"):
        load_services("calibrater")


def test_wrong_settings_end_the_process_with_their_names(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], _logging: None
) -> None:
    monkeypatch.setenv("CATENA_MAX_JOBS", "many")
    assert run("calibrator", add_checked) == 2
    told = capfd.readouterr().err
    assert "CATENA_MAX_JOBS" in told and len(told.splitlines()) == 1


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


# ---------------------------------------------------------------- logs


def formatted(message: str, *, secrets: tuple[str, ...] = (), **extra: Any) -> str:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO"} | extra)
    return LineFormatter("calibrator", secrets).format(record)


def test_a_log_line_is_one_line_whatever_is_in_it() -> None:
    line = formatted("a\nlevel=ERROR service=forged", peer='x" y=\n')
    assert "\n" not in line
    assert 'event="a\\nlevel=ERROR service=forged"' in line


def test_a_traceback_is_one_line() -> None:
    try:
        raise ValueError("x")
    except ValueError as error:
        line = formatted("defect", exc_info=(ValueError, error, error.__traceback__))
    assert "\n" not in line and "ValueError: x" in line


def test_secrets_are_blotted_out() -> None:
    line = formatted("got hush-hush", secrets=("hush-hush",), header="Bearer hush-hush")
    assert "hush" not in line and line.count("***") == 2
