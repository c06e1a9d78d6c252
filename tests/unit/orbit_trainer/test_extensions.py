"""Locks of compilations that were killed do not hold up a training."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from catena.orbit_trainer.engines.extensions import extensions_folder, wait_for_locks
from catena.shared.errors import DeadlineExceeded, FailedPrecondition


def lock_of(folder: Path, name: str = "deepspeed_shm_comm") -> Path:
    (folder / name).mkdir(parents=True)
    return folder / name / "lock"


def test_a_lock_that_nobody_holds_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = lock_of(tmp_path)
    # As torch's FileBaton makes it, by a process that is killed.
    code = "import os, sys; os.open(sys.argv[1], os.O_CREAT | os.O_EXCL); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-S", "-c", code, str(lock)], check=False)
    assert lock.exists()
    wait_for_locks(tmp_path, timeout_s=5.0)
    assert not lock.exists() and "stale lock of extension deepspeed_shm_comm" in caplog.text


def test_a_lock_that_is_held_is_waited_for_with_a_limit(tmp_path: Path) -> None:
    lock, stale = lock_of(tmp_path), lock_of(tmp_path, "cpu_adam")
    stale.touch()
    opened = os.open(lock, os.O_CREAT | os.O_EXCL)
    with pytest.raises(DeadlineExceeded) as caught:
        wait_for_locks(tmp_path, timeout_s=0.3)
    said = caught.value.message
    assert f"process {os.getpid()} has been compiling deepspeed_shm_comm" in said
    assert lock.exists() and not stale.exists(), "the stale one beside it is gone"
    os.close(opened)
    wait_for_locks(tmp_path, timeout_s=0.0)
    assert not lock.exists()


def test_without_locks_nothing_is_waited_for(tmp_path: Path) -> None:
    wait_for_locks(tmp_path, timeout_s=0.0)
    wait_for_locks(tmp_path / "none", timeout_s=0.0)


def test_the_folder_is_this_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = extensions_folder()
    assert folder.parent == tmp_path and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.environ["TORCH_EXTENSIONS_DIR"] == str(folder)
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR")
    folder.chmod(0o777)
    with pytest.raises(FailedPrecondition, match="can be written by others"):
        extensions_folder()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "own"))
    assert extensions_folder() == tmp_path / "own", "what the user chose counts"
