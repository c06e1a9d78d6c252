"""Ensembles: one built case, a run directory for each member, failures by name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.execution import JobRecord
from catena.coupler.elm.history import collect_history
from catena.coupler.elm.members import make_member, member_name
from catena.coupler.elm.outcome import Outcome, run_outcome
from catena.coupler.elm.parameters import Changes
from catena.coupler.elm.state import CaseState, digest
from catena.shared.errors import CatenaError, FailedPrecondition, Unavailable


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
    changes : sequence of mapping
        Parameters of each member, as for
        :func:`~catena.coupler.elm.parameters.perturb_parameters`.
    restarts : mapping of Path, optional
        What each member starts from: ``report.ok`` of the ensemble of the stage before. A member
        that is not in it is not run.
    """

    def __init__(
        self,
        case: ElmCase,
        changes: Sequence[Changes],
        restarts: Mapping[str, Path] | None = None,
    ) -> None:
        self.case = case
        self.changes = {member_name(n): item for n, item in enumerate(changes, 1)}
        self.restarts = restarts
        self.root = case.run_folder.parent / "ensemble"

    def folder(self, name: str) -> Path:
        """Run directory of a member."""
        return self.root / name

    def _state(self, name: str) -> CaseState:
        return CaseState(self.root / f"{name}.catena.json")

    def _digest(self, name: str) -> str:
        restart = (self.restarts or {}).get(name)
        return digest([self.changes[name], str(restart), self.case.ran_with()])

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
            A failed member does not stop the others. Calling again runs failed ones anew, from
            their start, and leaves finished ones alone.

        Raises
        ------
        FailedPrecondition
            When the case cannot be prepared, or when a member that finished is now asked for with
            other parameters.
        Unavailable
            When members still run after `timeout_s`; calling again attaches to them.
        """
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
                    self._begin(name, program, ok, missing, active)
                except CatenaError as error:
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
                    f"{name} has finished with other parameters or settings; remove "
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
        kept = state.get("job")
        if kept is not None and state.get("made") == wanted:
            record = JobRecord(**kept)
            if self.case.jobs.state(record) in ("queued", "active"):
                active[name] = record
                return
            if outcome.finished and outcome.restart is not None:
                state.record("run", wanted)
                ok[name] = outcome.restart
                return
        folder = self.folder(name)
        for pattern in ("*.log.*", "*.elm.h*.nc", f"{self.case.stage.case}.*.r.*.nc", "rpointer.*"):
            for path in folder.glob(pattern):
                path.unlink()  # of an attempt before: its good end is not this one's
        restart = (self.restarts or {}).get(name)
        make_member(self.case.run_folder, folder, self.changes[name], restart)
        modules = self.case.root / ".env_mach_specific.sh"
        record = self.case.jobs.submit(
            [str(program)],
            folder,
            f"{self.case.stage.case}_{name}",
            self.root / f"{name}.job.log",
            modules if modules.exists() else None,
        )
        state.update(job=record.as_dict(), made=wanted)
        active[name] = record

    def _end(self, name: str, ok: dict[str, Path], failed: dict[str, str]) -> None:
        state, outcome = self._state(name), self.outcome(name)
        state.update(job=None)
        if outcome.finished and outcome.restart is not None:
            state.record("run", self._digest(name))
            ok[name] = outcome.restart
        else:
            failed[name] = outcome.reason

    def history(
        self, report: EnsembleReport, variables: Sequence[str] | None = None, stream: str = "h0"
    ) -> xr.Dataset:
        """History (member, time, cell) of all members asked for; NaN where one did not finish."""
        folders = {name: self.folder(name) for name in report.ok}
        case = self.case.stage.case
        return collect_history(folders, case, variables, stream, asked=list(self.changes))
