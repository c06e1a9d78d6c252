"""The stand-in's programs as functions of this process: a test that is about what they do, and not
about processes, does not wait for Python to start forty times.

A SIGKILL becomes an exception that no program catches; the status is that of the signal.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import runpy
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from catena.coupler.elm import commands
from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.fake_cime import build_case, killing, submit_case

_HERE = "inside-"
_NUMBERS = itertools.count()


class _Killed(BaseException):
    pass


def _end_now() -> None:
    raise _Killed


def run_script(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Status and output of a Python script, run here as it would be there."""
    output, back = io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(sys, "argv", list(argv)),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            return _status(argv[0]), output.getvalue()
    finally:
        os.chdir(back)


def _status(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except _Killed:
        return -9
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], **_: Any) -> Any:
    try:
        status, output = run_script(argv, cwd, env)
    except FileNotFoundError as error:
        raise OSError(error.errno, error.strerror) from error
    return SimpleNamespace(returncode=status, stdout=output)


def _executable(path: Path, folder: Path, arguments: Sequence[str] = ()) -> int:
    status, output = run_script([str(path), *arguments], folder, dict(os.environ))
    sys.stdout.write(output)
    return status


def _submit(
    self: JobRunner, argv: Sequence[str], folder: Path, name: str, log: Path, *_: Any
) -> JobRecord:
    began = time.time()
    _, output = run_script(argv, folder, {**os.environ, **self.environment})
    log.write_text(output)
    return JobRecord(f"{_HERE}{next(_NUMBERS)}", self.executor.kind, str(folder), began)


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Programs of the stand-in run in this process, jobs have ended when they are submitted."""
    state = JobRunner.state

    def known(self: JobRunner, record: JobRecord) -> Any:
        return "ended" if record.native_id.startswith(_HERE) else state(self, record)

    shim = SimpleNamespace(
        run=_run, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT, DEVNULL=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "subprocess", shim)
        patch.setattr(killing, "end_now", _end_now)
        patch.setattr(build_case, "run_executable", _executable)
        patch.setattr(submit_case, "run_executable", _executable)
        patch.setattr(JobRunner, "submit", _submit)
        patch.setattr(JobRunner, "state", known)
        yield
