"""The client: what it asks twice, how long it waits, how it follows a job."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from support.checked import add_checked, only
from support.servers import FakeJobs, Running, run_folder, serving, wait_until

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.api.calibrator.v1 import calibrator_pb2 as pb
from catena.api.jobs.v1 import jobs_pb2
from catena.shared.client import connect, put_files
from catena.shared.errors import (
    CatenaError,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    InvalidData,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    NotFound,
    TooLarge,
    Unavailable,
)
from catena.shared.job_handle import MAX_RESUMES
from catena.shared.settings import Settings

Serve = Callable[..., Running]
ENSEMBLE = ArtifactRef(uri="jobs/e", digest="sha256:" + "e" * 64, kind="ensemble")
TRAIN = {"ensemble": ENSEMBLE, "method": "gp"}


def answering(*answers: Any) -> tuple[Callable[..., None], list[float]]:
    """A calibrator that gives or raises one answer after another, and the times of its calls."""
    times: list[float] = []

    def draw(request: Any, context: grpc.ServicerContext) -> Any:
        answer = answers[min(len(times), len(answers) - 1)]
        times.append(time.monotonic())
        if isinstance(answer, Exception):
            raise answer
        return answer

    return only(DrawObservation=draw), times


OK = pb.DrawObservationResponse(observation=pb.Observation(site="x"))


# ---------------------------------------------------------------- what is asked twice


def test_unavailable_is_asked_again_until_it_answers(serve: Serve) -> None:
    add, times = answering(*[Unavailable("starting")] * 7, OK)
    assert serve(add).client().call("DrawObservation").observation.site == "x"
    assert len(times) == 8


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("x"),
        NotFound("x"),
        FailedPrecondition("x"),
        TooLarge("x"),
        DeadlineExceeded("x"),
        JobInterrupted("x"),
        RuntimeError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_else_is_asked_twice(serve: Serve, error: Exception) -> None:
    add, times = answering(error, OK)
    with pytest.raises(CatenaError) as caught:
        serve(add).client().call("DrawObservation")
    assert len(times) == 1
    if isinstance(error, CatenaError):
        assert type(caught.value) is type(error)


def test_the_delay_that_the_server_names_is_kept(serve: Serve) -> None:
    # gRPC's own quick attempts come first; then the client waits as it was told.
    add, times = answering(*[Unavailable("busy", retry_after_s=1.2)] * 3, OK)
    serve(add).client().call("DrawObservation")
    assert max(b - a for a, b in itertools.pairwise(times)) >= 1.1


def test_patience_has_an_end(serve: Serve) -> None:
    add, _ = answering(Unavailable("busy"))
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="busy"):
        serve(add).client(patience_s=0.6).call("DrawObservation")
    assert time.monotonic() - begun < 4


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with run_folder() as folder:
        client = connect("calibrator", Settings(home=folder, run_dir=folder, patience_s=0))
        with pytest.raises(Unavailable, match="catena up"):
            client.call("DrawObservation")
        with pytest.raises(Unavailable):
            client.health()


def test_a_server_that_comes_late_is_waited_for() -> None:
    with run_folder() as folder:
        client = connect("calibrator", Settings(home=folder, run_dir=folder, patience_s=20))
        out: list[Any] = []
        waiting = threading.Thread(target=lambda: out.append(client.call("DrawObservation")))
        waiting.start()
        time.sleep(0.5)
        add, _ = answering(OK)
        with serving(add, home=folder, run_dir=folder):
            waiting.join(15)
        assert [answer.observation.site for answer in out] == ["x"]


def test_every_call_has_a_deadline(serve: Serve) -> None:
    left: list[float] = []
    hold = threading.Event()

    def slow(request: Any, context: grpc.ServicerContext) -> Any:
        left.append(context.time_remaining())
        hold.wait(5)
        return OK

    running = serve(only(DrawObservation=slow))
    try:
        with pytest.raises(DeadlineExceeded, match="CATENA_DEADLINE_S"):
            running.client(deadline_s=0.3).call("DrawObservation")
        with pytest.raises(DeadlineExceeded):
            running.client().call("DrawObservation", timeout_s=0.3)
        # gRPC rounds a timeout up on its way, so the server may see a little more than was asked.
        assert len(left) == 2 and max(left) < 1
    finally:
        hold.set()


def test_proxies_in_the_environment_are_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, _ = answering(OK)
    running = serve(add, listen="127.0.0.1:0")
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", running.address)
    assert running.client(patience_s=0).call("DrawObservation").observation.site == "x"


def test_dns_addresses_work(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    add, _ = answering(OK)
    running = serve(add, listen="127.0.0.1:0")
    port = running.address.rpartition(":")[2]
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", f"dns:///localhost:{port}")
    assert running.client().call("DrawObservation").observation.site == "x"


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("service", "method", "told"),
    [
        ("calibratr", "TrainSurrogate", "there is no service 'calibratr'"),
        ("../etc", "TrainSurrogate", "wanted the name of a service"),
        ("calibrator", "TrainSurogate", "did you mean TrainSurrogate"),
        ("calibrator", "Xyz", "it has CheckCalibration"),
    ],
)
def test_wrong_names_are_told_before_anything_is_sent(service: str, method: str, told: str) -> None:
    with pytest.raises(NotFound, match=told):
        connect(service).call(method)


def test_a_request_of_another_rpc_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="takes a TrainSurrogateRequest, got a RunMcmcRequest"):
        connect("calibrator").call("TrainSurrogate", pb.RunMcmcRequest())


def test_a_quick_rpc_is_no_job() -> None:
    with pytest.raises(InvalidRequest, match=r"use call\(\)"):
        connect("calibrator").submit("DrawObservation")


# ---------------------------------------------------------------- jobs


def later(jobs: FakeJobs, *steps: Callable[[str], Any], pause_s: float = 0.15) -> None:
    """Take `steps` one after another on the first job that is submitted."""

    def run() -> None:
        wait_until(lambda: jobs.known)
        name = next(iter(jobs.known))
        for step in steps:
            time.sleep(pause_s)
            step(name)

    threading.Thread(target=run, daemon=True).start()


def running_at(jobs: FakeJobs, progress: float) -> Callable[[str], Any]:
    return lambda name: jobs.put(
        jobs_pb2.Job(name=name, state=jobs_pb2.JOB_STATE_RUNNING, progress=progress, attempts=1)
    )


def interrupted(jobs: FakeJobs) -> Callable[[str], Any]:
    return lambda name: jobs.put(
        jobs_pb2.Job(name=name, state=jobs_pb2.JOB_STATE_INTERRUPTED, progress=0.5)
    )


def test_a_job_gives_its_artifact(serve: Serve) -> None:
    running = serve(add_checked)
    later(running.jobs, running.jobs.succeed)
    job = running.client().submit("TrainSurrogate", TRAIN)
    assert job.state == "RUNNING" and job.name.startswith("calibrator/TrainSurrogate/")
    assert job.result(20).kind == "surrogate"
    assert job.state == "SUCCEEDED"


def test_each_change_is_seen_once_and_in_order(serve: Serve) -> None:
    running = serve(add_checked)
    jobs = running.jobs
    later(jobs, running_at(jobs, 0.25), running_at(jobs, 0.25), running_at(jobs, 0.5), jobs.succeed)
    job = running.client().submit("TrainSurrogate", TRAIN)
    assert [item.progress for item in job.watch(20)] == [0.0, 0.25, 0.5, 1.0]


def test_a_watch_outlives_the_deadline_of_its_stream(serve: Serve) -> None:
    running = serve(add_checked)
    later(running.jobs, running.jobs.succeed, pause_s=1.5)
    job = running.client(deadline_s=0.4).submit("TrainSurrogate", TRAIN)
    assert [item.progress for item in job.watch(20)] == [0.0, 1.0]


def test_a_job_that_takes_too_long_goes_on(serve: Serve) -> None:
    job = serve(add_checked).client().submit("TrainSurrogate", TRAIN)
    with pytest.raises(DeadlineExceeded, match="it goes on"):
        job.result(0.5)
    job.refresh()
    assert job.state == "RUNNING"


def test_a_failed_job_raises_with_its_cause(serve: Serve) -> None:
    running = serve(add_checked)
    cause = InvalidData("too few runs", violations=[FieldViolation("ensemble", "has 3 runs")])
    later(running.jobs, lambda name: running.jobs.fail(name, cause))
    with pytest.raises(JobFailed, match="too few runs") as caught:
        running.client().submit("TrainSurrogate", TRAIN).result(20)
    assert caught.value.cause_code == "INVALID_ARGUMENT"
    assert caught.value.violations == cause.violations


def test_a_cancelled_job_raises(serve: Serve) -> None:
    running = serve(add_checked)
    job = running.client().submit("TrainSurrogate", TRAIN)
    job.cancel()
    assert job.state == "CANCELLED"
    with pytest.raises(JobCancelled):
        job.result(20)


def test_an_interrupted_job_is_asked_for_again_with_the_same_request(serve: Serve) -> None:
    running = serve(add_checked)
    later(running.jobs, interrupted(running.jobs), running.jobs.succeed, pause_s=0.5)
    seen: list[int] = []
    job = running.client().submit("TrainSurrogate", TRAIN)
    assert job.result(20, on_change=lambda item: seen.append(item.state)).kind == "surrogate"
    assert jobs_pb2.JOB_STATE_INTERRUPTED in seen
    assert len(running.jobs.submissions) == 2 and len(set(running.jobs.submissions)) == 1


def test_a_job_that_is_interrupted_for_ever_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catena.shared.job_handle.retry_delay_s", lambda error, attempt: 0.01)
    running = serve(add_checked)
    put = running.jobs.put

    def never_lasting(job: jobs_pb2.Job) -> jobs_pb2.Job:
        job.state = jobs_pb2.JOB_STATE_INTERRUPTED
        return put(job)

    monkeypatch.setattr(running.jobs, "put", never_lasting)
    with pytest.raises(JobInterrupted, match="resumes from its checkpoint"):
        running.client().submit("TrainSurrogate", TRAIN).result(20)
    assert len(running.jobs.submissions) == 1 + MAX_RESUMES


def test_a_handle_by_name_cannot_ask_again_and_says_so(serve: Serve) -> None:
    running = serve(add_checked)
    name = "calibrator/TrainSurrogate/" + "0" * 64
    interrupted(running.jobs)(name)
    with pytest.raises(JobInterrupted, match="submit the same request"):
        running.client().job(name).result(20)
    assert running.jobs.submissions == []


def test_an_unknown_job_is_not_found(serve: Serve) -> None:
    with pytest.raises(NotFound):
        serve(add_checked).client().job("calibrator/TrainSurrogate/" + "0" * 64)


def test_a_watch_rides_out_a_restart_of_the_server() -> None:
    with run_folder() as folder:
        out: list[Any] = []
        with serving(add_checked, home=folder, run_dir=folder) as first:
            job = first.client(patience_s=20).submit("TrainSurrogate", TRAIN)
            waiting = threading.Thread(target=lambda: out.append(job.result(30)))
            waiting.start()
            wait_until(lambda: first.server.gate._streams)
        time.sleep(0.5)
        assert waiting.is_alive()
        with serving(add_checked, home=folder, run_dir=folder) as second:
            second.jobs.succeed(job.name)
            waiting.join(20)
        assert [ref.kind for ref in out] == ["surrogate"]


def test_leaving_a_watch_closes_the_stream(serve: Serve) -> None:
    running = serve(add_checked)
    for _ in running.client().submit("TrainSurrogate", TRAIN).watch(20):
        assert running.server.gate._streams
        break
    wait_until(lambda: not running.server.gate._streams)


def test_validate_runs_nothing_and_names_every_field(serve: Serve) -> None:
    running = serve(add_checked)
    client = running.client()
    client.validate("TrainSurrogate", TRAIN)
    assert running.jobs.known == {} and running.jobs.submissions[0][1] is True
    with pytest.raises(InvalidRequest) as caught:
        client.validate("TrainSurrogate", {"method": "gp", "folds": -3})
    assert {item.field for item in caught.value.violations} == {"ensemble", "folds"}


def test_the_request_of_the_caller_is_left_as_it_was(serve: Serve) -> None:
    request = pb.TrainSurrogateRequest(ensemble=ENSEMBLE)
    serve(add_checked).client().validate("TrainSurrogate", request)
    assert not request.validate_only


def test_all_jobs_are_listed_over_pages(serve: Serve) -> None:
    running = serve(add_checked)
    names = [f"calibrator/RunMcmc/{number:064x}" for number in range(120)]
    for name in names:
        running.jobs.succeed(name)
    assert [job.name for job in running.client().jobs(limit=1000)] == names
    assert len(list(running.client().jobs(limit=7))) == 7


# ---------------------------------------------------------------- the store


def test_files_go_into_the_store_without_the_server(serve: Serve) -> None:
    client = serve(add_checked).client()
    ref = client.put_files({"runs.csv": b"a,b\n1,2\n"}, title="runs")
    assert ref.kind == "files"
    assert client.store.open(ref).read_bytes("runs.csv") == b"a,b\n1,2\n"
    assert put_files({"runs.csv": b"a,b\n1,2\n"}, settings=client.settings) == ref
