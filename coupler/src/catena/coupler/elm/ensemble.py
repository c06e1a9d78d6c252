"""Ensembles: one built case, a run directory for each member, failures by name."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.execution import JobRecord
from catena.coupler.elm.hand_over import hand_over_told
from catena.coupler.elm.history import collect_history
from catena.coupler.elm.inputs import file_digest
from catena.coupler.elm.members import continue_member, make_member, member_name
from catena.coupler.elm.outcome import Outcome, run_outcome, start_problem
from catena.coupler.elm.parameters import Changes
from catena.coupler.elm.state import CaseState, digest
from catena.coupler.elm.submission import Submission
from catena.shared.errors import (
    CatenaError,
    FailedPrecondition,
    InvalidData,
    InvalidRequest,
    Unavailable,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class EnsembleReport:
    """How an ensemble went; each member that was asked for is in one of these.

    Parameters
    ----------
    ok : dict of Path
        Restart file at the end of each member that finished.
    failed : dict of str
        Why each of these did not finish, in the model's own words.
    missing : dict of str
        Why each of these was not run.
    """

    ok: dict[str, Path]
    failed: dict[str, str]
    missing: dict[str, str]

    @property
    def n_ok(self) -> int:
        """Members that finished."""
        return len(self.ok)

    @property
    def n_asked(self) -> int:
        """Members that were asked for."""
        return len(self.ok) + len(self.failed) + len(self.missing)

    def __str__(self) -> str:
        lines = [f"{self.n_ok} of {self.n_asked} members finished"]
        lines += [f"  {name} failed: {why}" for name, why in self.failed.items()]
        lines += [f"  {name} was not run: {why}" for name, why in self.missing.items()]
        return "\n".join(lines)


class ElmEnsemble:
    """Members of one case that differ in their parameters.

    Parameters
    ----------
    case : ElmCase
        Prepared by the ensemble where it is not yet.
    changes : sequence or mapping of mapping
        Parameters of each member, as for
        :func:`~catena.coupler.elm.parameters.perturb_parameters`. A mapping names the members;
        those of a sequence are called g00001 and so on.
    restarts : mapping of Path, optional
        What each member starts from: ``report.ok`` of the ensemble of the stage before. A member
        that is not in it is not run.

    Raises
    ------
    InvalidRequest
        When there is no member, or one has a name that is no name of a folder.
    """

    def __init__(
        self,
        case: ElmCase,
        changes: Sequence[Changes] | Mapping[str, Changes],
        restarts: Mapping[str, Path] | None = None,
    ) -> None:
        self.case = case
        if not changes:
            raise InvalidRequest("got no members, wanted the parameters of one or more")
        if not isinstance(changes, Mapping):
            changes = {member_name(number): item for number, item in enumerate(changes, 1)}
        odd = [name for name in changes if not _NAME.fullmatch(name)]
        if odd:
            raise InvalidRequest(
                f"{len(odd)} members have impossible names, the first is {odd[0]!r}; wanted up to "
                "64 letters, digits, _ and -"
            )
        self.changes = dict(changes)
        self.restarts = restarts
        self.root = case.run_folder.parent / "ensemble"

    def folder(self, name: str) -> Path:
        """Run directory of a member."""
        return self.root / name

    def _state(self, name: str) -> CaseState:
        return CaseState(self.root / f"{name}.catena.json")

    def _digest(self, name: str) -> str:
        restart = (self.restarts or {}).get(name)
        begun = None if restart is None else file_digest(restart)
        return digest([self.changes[name], begun, self.case.ran_with()])

    def _submission(self, name: str) -> Submission:
        job = f"{self.case.stage.case}_{name}"
        return Submission(self._state(name), self.case.jobs, job, (self.folder(name),))

    def forget_submission(self, name: str) -> None:
        """There is no job of this member in the queue, says the user."""
        self._submission(name).forget()

    def outcome(self, name: str) -> Outcome:
        """What a member came to so far, judged by the model's own files."""
        stage = self.case.stage
        return run_outcome(self.folder(name), stage.case, stage.end, stage.spinup_state)

    def run(self, parallel: int = 1, timeout_s: float | None = None) -> EnsembleReport:
        """Run every member that has not finished.

        Parameters
        ----------
        parallel : int
            Members at a time. A batch system queues what is more than it can run.
        timeout_s : float, optional
            How long to wait in all.

        Returns
        -------
        EnsembleReport
            A failed member does not stop the others. Calling again runs failed ones again, from
            their last whole restart files, and leaves finished ones alone.

        Raises
        ------
        InvalidRequest
            When `parallel` is not 1 or more.
        FailedPrecondition
            When the case cannot be prepared, or when a member that finished is now asked for with
            other parameters, settings or files.
        Unavailable
            When members still run after `timeout_s`, or another process works on this case;
            calling again attaches to them.
        """
        if parallel < 1:
            raise InvalidRequest(f"got {parallel} members at a time, wanted 1 or more")
        with self.case.held(timeout_s):
            return self._run(parallel, timeout_s)

    def _run(self, parallel: int, timeout_s: float | None) -> EnsembleReport:
        self.case.prepare()
        self._refuse_other_parameters()
        program = self._program()
        limit = None if timeout_s is None else time.monotonic() + timeout_s
        ok: dict[str, Path] = {}
        failed: dict[str, str] = {}
        missing: dict[str, str] = {}
        active: dict[str, JobRecord] = {}
        waiting = list(self.changes)
        while waiting or active:
            while waiting and len(active) < parallel:
                name = waiting.pop(0)
                try:
                    self._begin(name, program, ok, failed, missing, active)
                except (CatenaError, OSError) as error:
                    failed[name] = str(error)
            for name, record in list(active.items()):
                if self.case.jobs.state(record) not in ("queued", "active"):
                    del active[name]
                    self._end(name, ok, failed)
            if active:
                if limit is not None and time.monotonic() > limit:
                    raise Unavailable(
                        f"{len(active) + len(waiting)} of {len(self.changes)} members have not "
                        "ended; ask again to go on waiting",
                        retry_after_s=60,
                    )
                time.sleep(0.1)
        return EnsembleReport(ok, failed, missing)

    def _refuse_other_parameters(self) -> None:
        for name in self.changes:
            state = self._state(name)
            if state.done("run") not in (None, self._digest(name)):
                raise FailedPrecondition(
                    f"{name} has finished with other parameters, settings or files; remove "
                    f"'{self.folder(name)}' and '{state.path}' to run it anew"
                )

    def _program(self) -> Path:
        told = self.case.log.run(("./xmlquery", "--value", "EXEROOT"), self.case.root, "query")
        program = Path(told.strip()) / "e3sm.exe"
        if not program.is_file():
            raise FailedPrecondition(f"there is no executable '{program}'; build the case")
        return program

    def _begin(
        self,
        name: str,
        program: Path,
        ok: dict[str, Path],
        failed: dict[str, str],
        missing: dict[str, str],
        active: dict[str, JobRecord],
    ) -> None:
        state, wanted = self._state(name), self._digest(name)
        outcome = self.outcome(name)
        if state.done("run") is not None and outcome.finished and outcome.restart is not None:
            ok[name] = outcome.restart
            return
        if self.restarts is not None and name not in self.restarts:
            missing[name] = "it did not finish the stage before"
            return
        submission = self._submission(name)
        record = submission.running()
        if record is None:
            if outcome.finished and outcome.restart is not None and state.get("made") == wanted:
                self._end(name, ok, failed)
                return
            self._make(name, outcome)
            state.update(made=wanted)
            modules = self.case.root / ".env_mach_specific.sh"
            record = self._submission(name).submit(
                [str(program)],
                self.folder(name),
                self.root / f"{name}.job.log",
                modules if modules.exists() else None,
            )
        elif state.get("made") != wanted:
            raise FailedPrecondition(
                f"its job {record.native_id} runs with other parameters, settings or files; wait "
                "for it or cancel it"
            )
        active[name] = record

    def _make(self, name: str, outcome: Outcome) -> None:
        """The member's run directory, ready to begin or to go on."""
        folder, stage, state = self.folder(name), self.case.stage, self._state(name)
        reached = outcome.reached
        goes_on = (
            state.get("made") == self._digest(name) and reached is not None and reached < stage.end
        )
        # Logs of an attempt before: its good end is not this one's.
        begun = () if goes_on else ("*.elm.h*.nc", f"{stage.case}.*.r*.nc", "rpointer.*")
        for pattern in ("*.log.*", *begun):
            for path in folder.glob(pattern):
                path.unlink()
        if goes_on and reached is not None:
            years = stage.end - reached
            continue_member(folder, years, self.case.restart_interval(years))
            return
        restart = (self.restarts or {}).get(name)
        problem = "" if restart is None else start_problem(restart, stage.name)
        if problem:
            raise InvalidData(f"it must not start from its restart file: {problem}")
        state.update(made=None)
        make_member(self.case.run_folder, folder, self.changes[name], restart)

    def _end(self, name: str, ok: dict[str, Path], failed: dict[str, str]) -> None:
        outcome = self.outcome(name)
        self._submission(name).forget()
        if not outcome.finished or outcome.restart is None:
            failed[name] = outcome.reason
            return
        source = self.case.started_from()
        if source is not None:
            source = (self.restarts or {}).get(name, source)
            try:
                hand_over_told(source, self.folder(name), self.case.stage)
            except InvalidData as error:
                failed[name] = str(error)
                return
        self._state(name).record("run", self._digest(name))
        ok[name] = outcome.restart

    def history(
        self, report: EnsembleReport, variables: Sequence[str] | None = None, stream: str = "h0"
    ) -> xr.Dataset:
        """History (member, time, cell) of all members asked for; NaN where one did not finish."""
        folders = {name: self.folder(name) for name in report.ok}
        case = self.case.stage.case
        return collect_history(folders, case, variables, stream, asked=list(self.changes))
