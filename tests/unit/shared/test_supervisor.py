"""The pieces of the supervisor that need neither Ray nor servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.site import until

from catena.shared.artifacts import ArtifactStore, Lease
from catena.shared.errors import FailedPrecondition, InvalidRequest
from catena.shared.settings import Settings
from catena.shared.supervisor import control, ray_head
from catena.shared.supervisor.daemon import Backoff
from catena.shared.supervisor.layout import Layout, open_log, tail
from catena.shared.supervisor.lease import holder, release
from catena.shared.supervisor.processes import (
    ProcessRecord,
    end,
    kill_session,
    read_plain,
    session_members,
    write_plain,
)
from catena.shared.supervisor.state import HEALTHY, PartState, SystemState

Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started() -> Iterator[Started]:
    """Processes that end with the test, with all of their session."""
    processes: Started = []
    yield processes
    for process in processes:
        for member in session_members(ProcessRecord(process.pid, _created(process.pid))):
            member.signal(signal.SIGKILL)
        process.kill()
        process.wait()


def _created(pid: int) -> float:
    return psutil.Process(pid).create_time() if psutil.pid_exists(pid) else 0.0


def run(started: Started, code: str) -> ProcessRecord:
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    started.append(process)
    return ProcessRecord.of(process.pid)


FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], process_group=0)
time.sleep(300)
"""


def test_a_record_is_not_taken_in_by_a_later_process_of_the_same_pid() -> None:
    me = ProcessRecord.of(os.getpid())
    assert me.alive()
    assert not ProcessRecord(me.pid, me.create_time - 60).alive()
    assert ProcessRecord.from_plain(me.to_plain()) == me
    assert ProcessRecord.from_plain({"pid": 1}) is None


def test_a_zombie_does_not_live(started: Started) -> None:
    record = run(started, "pass")
    until(lambda: psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE, "the zombie")
    assert not record.alive()


def test_a_session_is_ended_with_all_its_children(started: Started) -> None:
    leader = run(started, FAMILY)
    until(lambda: len(session_members(leader)) == 4, "the family")
    family = session_members(leader)
    assert kill_session(leader) == []
    assert not [record for record in family if record.alive()]


def test_a_session_is_found_after_its_leader_was_killed(started: Started) -> None:
    leader = run(started, FAMILY)
    until(lambda: len(session_members(leader)) == 4, "the family")
    family = session_members(leader)
    leader.signal(signal.SIGKILL)
    started[0].wait()
    # The child that began its own session is nobody's child now; the others are still found.
    assert len(session_members(leader)) == 2
    assert kill_session(leader) == []
    end(family, grace_s=1.0)


def test_the_session_of_a_reused_pid_is_left_alone(started: Started) -> None:
    leader = run(started, "import time; time.sleep(300)")
    stranger = ProcessRecord(leader.pid, leader.create_time - 60)
    assert kill_session(stranger) == []
    assert leader.alive()


def test_what_ignores_sigterm_is_killed(started: Started) -> None:
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); "
        "print(1, flush=True); time.sleep(300)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    started.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    assert end([ProcessRecord.of(process.pid)], grace_s=0.3) == []
    assert time.monotonic() - began >= 0.3, "it had its time"


def test_state_files_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert read_plain(path) == {}
    path.write_text('{"half":')
    assert read_plain(path) == {}
    write_plain(path, {"a": 1})
    assert read_plain(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    me = ProcessRecord.of(os.getpid())
    state = SystemState(me, {"store": "x"}, [PartState("ray", me, HEALTHY, 1, "a:1")])
    state.write(layout)
    found = SystemState.read(layout)
    assert found == state
    assert found is not None
    assert found.running
    assert found.healthy
    assert not SystemState(ProcessRecord(me.pid, 1.0), {}, []).running


def test_a_long_run_folder_is_refused_with_the_length_that_fits(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("x" * 60), tmp_path)
    with pytest.raises(InvalidRequest, match="CATENA_RUN_DIR"):
        layout.prepare()
    assert not layout.run_dir.exists()


def test_a_run_folder_that_others_can_enter_is_refused() -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        layout = Layout(Path(folder), Path(folder) / "logs")
        layout.run_dir.chmod(0o755)
        with pytest.raises(FailedPrecondition, match="0700"):
            layout.prepare()


def test_large_logs_are_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "ray.log"
    log.write_text("old\n" * 10)
    os.close(open_log(log, keep_bytes=10))
    assert (tmp_path / "ray.log.1").read_text().startswith("old")
    assert tail(log) == "(the log is empty)"
    assert tail(tmp_path / "none.log") == "(no log)"
    assert log.stat().st_mode & 0o077 == 0, "logs are for this user only"


def test_waits_grow_and_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    backoff = Backoff()
    assert backoff.over
    backoff.started()
    waits = [backoff.failed() for _ in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert not backoff.over
    now[0] += 15.0
    assert backoff.over
    backoff.started()
    now[0] += 31.0
    assert backoff.failed() == 0.5, "it had run calmly for a while"


def test_ray_is_started_for_this_machine_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    words = ray_head.command(layout, Settings(home=tmp_path, max_jobs=3))
    assert "--node-ip-address=127.0.0.1" in words
    assert '--resources={"catena_job": 3}' in words
    variables = ray_head.environment(layout)
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["RAY_USAGE_STATS_ENABLED"] == "0"


def test_only_the_lease_of_the_ended_ray_is_given_back(tmp_path: Path) -> None:
    import socket

    settings = Settings(home=tmp_path)
    store = ArtifactStore(settings.store)
    Lease.acquire(store, f"{socket.gethostname()}/2030_1", stall_s=5)
    assert release(settings, "session_2030_2") == "", "another Ray's"
    assert holder(settings).endswith("/2030_1")
    assert release(settings, "session_2030_1").endswith("/2030_1")
    assert holder(settings) == ""
    assert release(settings, "session_2030_1") == "", "twice does no harm"


def test_down_on_nothing_does_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", run_dir=tmp_path / "run")
    assert control.down(settings) == control.Down(0)
    assert control.read_state(settings) is None
    assert not control.lock_is_held(settings)
    assert list(tmp_path.iterdir()) == []
