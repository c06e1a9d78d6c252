"""The server as a process: signals, the loss of Ray, the second server, exit codes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.ray_cluster import RayCluster
from support.servers import run_folder, wait_until

from catena.shared.client import ServiceClient, connect
from catena.shared.errors import CatenaError, Unavailable
from catena.shared.settings import Settings

TESTS = Path(__file__).parents[2]


class Process:
    """One server process, its log and a client."""

    def __init__(self, folder: Path, *command: str, **environment: str) -> None:
        self.settings = Settings(home=folder, run_dir=folder, patience_s=10, deadline_s=20)
        path = filter(None, [os.environ.get("PYTHONPATH"), str(TESTS)])
        variables = {
            "CATENA_HOME": str(folder),
            "CATENA_RUN_DIR": str(folder),
            "PYTHONPATH": os.pathsep.join(path),
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-m", *(command or ("support.server_process",))],
            env=os.environ | variables | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.log.extend(iter(self.popen.stderr.readline, ""))

    def said(self, text: str) -> bool:
        return any(text in line for line in list(self.log))

    def await_word(self, text: str, timeout_s: float = 30.0) -> None:
        end = time.monotonic() + timeout_s
        while not self.said(text):
            dead = self.popen.poll() is not None and not self._reader.is_alive()
            assert not dead and time.monotonic() < end, "".join(self.log)
            time.sleep(0.02)

    def exit_code(self, timeout_s: float = 30.0) -> int:
        code = self.popen.wait(timeout_s)
        self._reader.join(5)
        return code

    def client(self, **changes: object) -> ServiceClient:
        return connect("calibrator", self.settings.model_copy(update=changes))


Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start server processes in one private folder; they end with the test."""
    with run_folder() as folder:
        started: list[Process] = []

        def one(*command: str, **environment: str) -> Process:
            started.append(Process(folder, *command, **environment))
            return started[-1]

        yield one
        for process in started:
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait()


def answer_later(client: ServiceClient) -> queue.Queue[object]:
    """Result or error of one slow call, made in a thread."""
    out: queue.Queue[object] = queue.Queue()

    def call() -> None:
        try:
            out.put(client.call("DrawObservation", {"site": "kept"}).observation.site)
        except CatenaError as error:
            out.put(error)

    threading.Thread(target=call, daemon=True).start()
    return out


def test_on_sigterm_the_running_call_is_finished_and_new_ones_are_not_taken(start: Start) -> None:
    process = start(FAKE_WORK_S="2")
    process.await_word("event=serving")
    answer = answer_later(process.client(patience_s=0))
    process.await_word("work begins")
    process.popen.send_signal(signal.SIGTERM)
    process.await_word("event=draining")
    with pytest.raises(Unavailable):
        process.client(patience_s=0).call("DrawObservation")
    assert answer.get(timeout=10) == "kept"
    assert process.exit_code() == 0
    assert process.said("jobs closed")
    assert not process.settings.socket_path("calibrator").exists()


def test_health_turns_not_serving_while_draining(start: Start) -> None:
    process = start(FAKE_WORK_S="2")
    process.await_word("event=serving")
    client = process.client()
    assert client.health() == "SERVING"
    told: list[int] = []
    channel = grpc.insecure_channel(process.settings.address("calibrator"))
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)

    def listen() -> None:
        with contextlib.suppress(grpc.RpcError):
            told.extend(item.status for item in watch)

    threading.Thread(target=listen, daemon=True).start()
    wait_until(lambda: told == [health_pb2.HealthCheckResponse.SERVING])
    answer = answer_later(client)
    process.await_word("work begins")
    process.popen.send_signal(signal.SIGTERM)
    wait_until(lambda: told[-1] == health_pb2.HealthCheckResponse.NOT_SERVING)
    assert answer.get(timeout=10) == "kept"
    channel.close()


def test_a_second_signal_ends_at_once(start: Start) -> None:
    process = start(FAKE_WORK_S="60", CATENA_DRAIN_S="60")
    process.await_word("event=serving")
    answer = answer_later(process.client(patience_s=0))
    process.await_word("work begins")
    begun = time.monotonic()
    process.popen.send_signal(signal.SIGTERM)
    process.await_word("event=draining")
    process.popen.send_signal(signal.SIGINT)
    assert process.exit_code(10) == 0
    assert time.monotonic() - begun < 10
    assert isinstance(answer.get(timeout=10), Unavailable)


def test_a_drain_has_an_end(start: Start) -> None:
    process = start(FAKE_WORK_S="60", CATENA_DRAIN_S="0.5")
    process.await_word("event=serving")
    answer = answer_later(process.client(patience_s=0))
    process.await_word("work begins")
    process.popen.send_signal(signal.SIGTERM)
    assert process.exit_code(10) == 0
    assert isinstance(answer.get(timeout=10), Unavailable)


def test_a_second_process_on_the_same_socket_is_refused_by_name(start: Start) -> None:
    first = start()
    first.await_word("event=serving")
    second = start()
    assert second.exit_code() == 2
    assert second.said(f"process {first.popen.pid}")
    assert first.client().call("DrawObservation", {"site": "x"}).observation.site == "x"


def test_after_kill_9_the_next_server_takes_the_socket_over(start: Start) -> None:
    first = start()
    first.await_word("event=serving")
    first.popen.kill()
    first.popen.wait()
    assert first.settings.socket_path("calibrator").exists()
    start().await_word("event=serving")
    assert first.client().health() == "SERVING"


def test_a_client_rides_out_a_restart(start: Start) -> None:
    first = start()
    first.await_word("event=serving")
    client = first.client(patience_s=30)
    assert client.call("DrawObservation", {"site": "1"}).observation.site == "1"
    first.popen.kill()
    first.popen.wait()
    answer = answer_later(client)
    time.sleep(0.5)
    assert answer.empty()
    start().await_word("event=serving")
    assert answer.get(timeout=10) == "kept"


def test_when_ray_is_lost_the_process_says_so_and_ends_with_its_own_code(
    start: Start, tmp_path: Path
) -> None:
    process = start(FAKE_LOSE_FILE=str(tmp_path / "lost"))
    process.await_word("event=serving")
    client = process.client(patience_s=0)
    assert client.health() == "SERVING"
    (tmp_path / "lost").touch()
    process.await_word("ray is lost")
    with pytest.raises(Unavailable) as caught:
        client.call("DrawObservation")
    assert caught.value.retry_after_s == 2.0
    assert client.health() == "NOT_SERVING"
    assert process.exit_code() == 75


def test_without_ray_the_process_ends_with_the_code_for_try_again(start: Start) -> None:
    process = start(FAKE_NO_RAY="1")
    assert process.exit_code() == 75
    assert process.said("Ray is not there")
    assert not process.settings.socket_path("calibrator").exists()


def test_the_log_is_one_line_per_event_without_the_token(start: Start) -> None:
    process = start(CATENA_TOKEN="hush-hush", CATENA_DRAIN_S="1")
    process.await_word("event=serving")
    good = connect(
        "calibrator", Settings(**(process.settings.model_dump() | {"token": "hush-hush"}))
    )
    good.call("DrawObservation", {"site": "x"})
    with pytest.raises(CatenaError):
        process.client().call("DrawObservation")
    process.popen.terminate()
    assert process.exit_code() == 0
    assert process.said("code=OK") and process.said("code=UNAUTHENTICATED")
    lines = [line for line in process.log if line.startswith("time=")]
    assert len(lines) == len(process.log) - 2  # "work begins" and "jobs closed" are the test's own
    assert all("hush" not in line for line in process.log)


@pytest.mark.slow
def test_a_server_on_a_real_ray_drains_on_sigterm(start: Start, ray_cluster: RayCluster) -> None:
    # Ray puts in a handler for SIGTERM that ends its process at once.
    # A namespace of its own: the cluster is that of other tests, too, with their stores.
    ray = {"CATENA_RAY_ADDRESS": ray_cluster.address, "CATENA_RAY_NAMESPACE": "drains"}
    process = start("catena.shared.server", "calibrator", **ray)
    process.await_word("event=serving", 90)
    assert process.client().health() == "SERVING"
    process.popen.terminate()
    assert process.exit_code() == 0
    assert process.said("event=draining") and process.said("event=stopped")
