"""The job of a run directory: submitted once, and found again whatever ended in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.elm.state import CaseState
from catena.shared.errors import FailedPrecondition

_LOCAL = ("local", "none")
_PROGRAMS = frozenset(("case.submit", "case.run", ".case.run", "e3sm.exe"))


class Submission:
    """One job at a time, with what must be kept of it in a state file.

    Parameters
    ----------
    state : CaseState
    jobs : JobRunner
    name : str
        Of the job.
    folders : sequence of Path
        Where its programs run: a process on this machine is known by that.
    """

    def __init__(
        self, state: CaseState, jobs: JobRunner, name: str, folders: Sequence[Path]
    ) -> None:
        self.state, self.jobs, self.name, self.folders = state, jobs, name, folders

    def running(self) -> JobRecord | None:
        """The job that is queued or active.

        Raises
        ------
        FailedPrecondition
            When a batch system does not say whether there is one.
        """
        kept, submitting = self.state.get("job"), self.state.get("submitting")
        if kept is None and submitting is None:
            return None
        if kept is not None:
            record = JobRecord(**kept)
            known = self.jobs.state(record)
            if known in ("queued", "active"):
                return record
            if known == "unknown" and record.executor not in _LOCAL:
                raise FailedPrecondition(
                    f"{record.executor} does not tell the state of job {record.native_id} of "
                    f"{self.name}, which is not to say that it has ended; try again, or call "
                    "forget_submission() when it is not in the queue"
                )
            executor = record.executor
        else:
            executor = submitting["executor"]
            if executor not in _LOCAL:
                raise FailedPrecondition(
                    f"a job of {self.name} may be in the queue of {executor} since "
                    f"{submitting['at']}, its id was not kept; look there, cancel it, and call "
                    "forget_submission()"
                )
        # Its starter was killed before the id was noted, or was killed itself: the model runs on.
        found = _model_in(self.folders) if executor in _LOCAL else None
        if found is None:
            return None
        record = JobRecord(str(found.pid), "local", str(self.folders[0]), found.create_time())
        self.state.update(job=record.as_dict(), submitting=None)
        return record

    def submit(
        self, argv: Sequence[str], folder: Path, log: Path, pre_launch: Path | None = None
    ) -> JobRecord:
        """Start the job; arguments as for :meth:`JobRunner.submit`."""
        kind = self.jobs.executor.kind
        at = time.strftime("%Y-%m-%dT%H:%M:%S")
        self.state.update(submitting={"executor": kind, "at": at})
        try:
            record = self.jobs.submit(argv, folder, self.name, log, pre_launch)
        except FailedPrecondition:
            self.state.update(submitting=None)  # refused: there is no job
            raise
        self.state.update(job=record.as_dict(), submitting=None)
        return record

    def forget(self) -> None:
        """There is no job any more."""
        self.state.update(job=None, submitting=None)


def _model_in(folders: Sequence[Path]) -> psutil.Process | None:
    # A shell that somebody has opened there is no job.
    places = {folder.resolve() for folder in folders}
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) in places and any(
                Path(argument).name in _PROGRAMS for argument in process.cmdline()
            ):
                return process
        except psutil.Error:
            continue
    return None
