"""One case of ELM: made, built, run and, after any failure, gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catena.coupler.elm.actions import Action, Command, Submit, write_atomically
from catena.coupler.elm.commands import CommandLog
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.elm.failure import failure
from catena.coupler.elm.hand_over import hand_over_told
from catena.coupler.elm.inputs import file_digest, input_digests
from catena.coupler.elm.lock import in_words, only_one
from catena.coupler.elm.outcome import Outcome, logs, run_outcome, start_problem, whole_restart
from catena.coupler.elm.settings import restart_interval, xml_settings
from catena.coupler.elm.stages import StageRun, restart_name
from catena.coupler.elm.state import CaseState, changes, digest
from catena.coupler.elm.steps import STEPS, CaseSteps
from catena.coupler.elm.submission import Submission
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, JobFailed

_LAYOUT = frozenset(("NTASKS", "NTHRDS", "STOP_N", "REST_N", "SAVE_TIMING"))
"""Settings that no number follows from: a run may go on with others."""


class ElmCase:
    """A case of one stage.

    Each step is done once; what has been done is kept in `CASE.catena.json` beside the case
    directory, and each program in `CASE.catena.log`. Calling again does only what is missing.

    Parameters
    ----------
    config : ElmConfig
    run : StageRun
        The stage with its dates: one of ``config.runs``.
    restart : Path, optional
        A restart file to start from in place of the one of the stage before, as an emulator's.
    """

    def __init__(self, config: ElmConfig, run: StageRun, restart: Path | None = None) -> None:
        self.config, self.stage = config, run
        self.steps = CaseSteps(config, run, restart)
        self._log: CommandLog | None = None
        self._state: CaseState | None = None
        self._jobs: JobRunner | None = None
        self._inputs: dict[str, str] | None = None
        self._is_held = False

    @property
    def root(self) -> Path:
        """The case directory."""
        return self.steps.root

    @property
    def run_folder(self) -> Path:
        """The run directory."""
        return self.steps.run_folder

    @property
    def log(self) -> CommandLog:
        """Runs programs and keeps a line about each."""
        if self._log is None:
            self.config.case_root.mkdir(parents=True, exist_ok=True)
            path = self.config.case_root / f"{self.stage.case}.catena.log"
            self._log = CommandLog(path, self.config.environment)
        return self._log

    @property
    def state(self) -> CaseState:
        """What has been done."""
        if self._state is None:
            self._state = CaseState(self.config.case_root / f"{self.stage.case}.catena.json")
        return self._state

    @property
    def jobs(self) -> JobRunner:
        """Runs the model."""
        if self._jobs is None:
            self._jobs = JobRunner(self.config.executor, self.config.environment)
        return self._jobs

    @property
    def submission(self) -> Submission:
        """The stage's job."""
        return Submission(self.state, self.jobs, self.stage.case, (self.root, self.run_folder))

    @contextmanager
    def held(self, timeout_s: float | None = None) -> Iterator[None]:
        """Keep other processes from this case; what they did before is known then.

        Raises
        ------
        Unavailable
            When another process works on it for longer than `timeout_s`.
        FailedPrecondition
            When a file cannot be written or read.
        """
        if self._is_held:
            yield
            return
        with in_words(self.stage.case):
            path = self.config.case_root / f"{self.stage.case}.catena.lock"
            what, log = f"case {self.stage.case}", self.log
            with only_one(path, what, timeout_s, lambda who: log.note("wait", until=who)):
                self._state, self._is_held = None, True
                try:
                    yield
                finally:
                    self._is_held = False

    def plan(self) -> list[Action]:
        """Every program and file of a fresh case in order; nothing is done."""
        made = [action for step in STEPS for action in self.steps.actions(step)]
        return [*made, self.steps.submit()]

    def prepare(self) -> None:
        """Do the steps before the run that have not been done, or not with these settings.

        Raises
        ------
        FailedPrecondition
            When a program of CIME fails, or when a change of the configuration cannot be made to
            an existing case; the message says what to do.
        InvalidData
            When the stage must not start from the restart file that it was given.
        Unavailable
            While another process works on the case.
        """
        with self.held(timeout_s=0):
            self._prepare()

    def _prepare(self) -> None:
        if self.state.done("create") is not None and not self.root.is_dir():
            raise FailedPrecondition(
                f"there is no case directory '{self.root}' any more; to make it anew remove "
                f"'{self.state.path}' too"
            )
        if self.state.done("run") is not None:
            if self.state.done("run") != digest(self._run_with()):
                self._refuse("has run", self.state.get("ran_with") or {})
            return
        begun = self.state.get("begun_with")
        if begun is not None and begun != self._run_with():
            # Its files must not be touched while it runs, nor its years be mixed.
            if self.reached is not None:
                self._refuse(f"has run to year {self.reached}", begun)
            if self.submission.running() is not None:
                self._refuse("runs", begun)
        for step in STEPS:
            inputs = self.steps.inputs(step)
            wanted, done = digest(inputs), self.state.done(step)
            if done == wanted:
                continue
            self._change(step, done)
            if step == "restart" and self.steps.restart is not None:
                problem = start_problem(self.steps.restart, self.stage.name)
                if problem:
                    raise InvalidData(f"{self.stage.case} must not start from it: {problem}")
            again = done is not None or self.state.get("begun") == step
            self.state.update(begun=step)
            for action in self.steps.actions(step, again):
                self._do(action)
            if step == "settings":
                self.state.update(settings=self._settings(), stop=None)
            self.state.record(step, wanted)

    def _settings(self) -> dict[str, str]:
        return xml_settings(self.config, self.stage)

    def _refuse(self, what: str, before: dict[str, str]) -> None:
        raise FailedPrecondition(
            f"stage {self.stage.name} of {self.stage.case} {what} with other settings or files "
            f"({changes(before, self._run_with())}); set them back, take another case_name, or "
            "call start_over(), which removes its output"
        )

    def ran_with(self) -> dict[str, str]:
        """Settings and files that the model's numbers follow from, for a digest."""
        namelist = self.steps.actions("namelist")[0]
        if self._inputs is None:
            self._inputs = input_digests(self.config)
        chosen = {name: value for name, value in self._settings().items() if name not in _LAYOUT}
        return {**chosen, "user_nl_elm": digest(str(namelist)), **self._inputs}

    def _run_with(self) -> dict[str, str]:
        restart = self.steps.restart
        own = {} if restart is None else {"restart": file_digest(restart)}
        return self.ran_with() | own

    def _change(self, step: str, done: str | None) -> None:
        if step == "create":
            self._before_create(done)
        elif step == "build" and done is not None and not self.config.rebuild:
            raise FailedPrecondition(
                f"{self.stage.case} is built with other build settings, which its locked files "
                "hold; set rebuild: true to throw the executable away (case.build --clean-all), "
                "or take another case_name"
            )
        elif step == "settings" and done is not None:
            what = changes(self.state.get("settings") or {}, self._settings())
            self.log.note("change", what=what)

    def _before_create(self, done: str | None) -> None:
        if done is not None:
            raise FailedPrecondition(
                f"{self.stage.case} was made with another compset, resolution, machine, compiler "
                "or checkout, which cannot be changed in a case; take another case_name or remove "
                f"'{self.root}' and '{self.state.path}'"
            )
        if self.root.exists():
            if not self.state.get("creating"):
                raise FailedPrecondition(
                    f"there is a case directory '{self.root}' that was not made from here; take "
                    "another case_name, name it as clone_of, or remove it"
                )
            shutil.rmtree(self.root)  # half-made by a program that was ended
        self.state.update(creating=True)

    def _do(self, action: Action) -> None:
        if isinstance(action, Command):
            if "--append" in action.argv and self._holds(action.argv[-1]):
                return
            action.do(self.log)
        elif not isinstance(action, Submit):
            action.do(self.log)
            self.log.note("file", action=str(action))

    def _holds(self, setting: str) -> bool:
        # Several names at once come back in another order, so each is asked for alone.
        name, _, value = setting.partition("=")
        told = self.log.run(("./xmlquery", "--value", name), self.root, kind="query")
        return told.strip().endswith(value)

    def outcome(self, end: int | None = None) -> Outcome:
        """What the run came to so far, judged by the model's own files.

        Parameters
        ----------
        end : int, optional
            Year that it was to reach; the stage's end by default.
        """
        old = self.state.get("old_logs") or []
        year = self.stage.end if end is None else end
        return run_outcome(self.run_folder, self.stage.case, year, self.stage.spinup_state, old)

    def run(self, attempts: int = 1, timeout_s: float | None = None) -> Outcome:
        """Prepare and run the stage to its end; nothing is done twice.

        Parameters
        ----------
        attempts : int
            How often a run that stopped early is gone on with, as after its walltime. One that
            made no progress is not tried again.
        timeout_s : float, optional
            How long to wait for one job, and for another process that works on the case.

        Raises
        ------
        JobFailed
            When the model did not end well; the message quotes its log.
        Unavailable
            When the job still runs after `timeout_s`, or another process still works on the case;
            calling again attaches to it.
        FailedPrecondition, InvalidData
            As :meth:`prepare`.
        """
        return self.advance(self.stage.end, attempts, timeout_s)

    def advance(self, end: int, attempts: int = 1, timeout_s: float | None = None) -> Outcome:
        """Run to the first instant of year `end`, as :meth:`run` does."""
        if attempts < 1:
            raise InvalidRequest(f"got {attempts} attempts, wanted 1 or more")
        with self.held(timeout_s):
            return self._advance(end, attempts, timeout_s)

    def _advance(self, end: int, attempts: int, timeout_s: float | None) -> Outcome:
        self._prepare()
        outcome = self.outcome(end)
        for _ in range(attempts):
            if outcome.finished:
                break
            reached = outcome.reached
            record = self.submission.running() or self._submit(end, reached)
            self.jobs.wait(record, timeout_s)
            self.submission.forget()
            outcome = self.outcome(end)
            if not outcome.finished and outcome.reached == reached:
                break
        if not outcome.finished:
            told = failure(outcome, self.stage.case, end, self._output)
            raise JobFailed(told, cause_code="FAILED_PRECONDITION")
        self._check_hand_over()
        if end == self.stage.end and self.state.done("run") is None:
            self.state.update(ran_with=self._run_with())
            self.state.record("run", digest(self._run_with()))
        return outcome

    def started_from(self) -> Path | None:
        """The restart file whose pools the first record of the history must show."""
        before = self.stage.before
        if before is None:
            return self.config.finidat
        hybrid = self.stage.stage.hand_over == "hybrid"
        return self.run_folder / before.restart_name if hybrid else None

    def _check_hand_over(self) -> None:
        source = self.started_from()
        if source is None or self.state.get("hand_over") is not None:
            return
        told = hand_over_told(source, self.run_folder, self.stage)
        if told:
            self.state.update(hand_over=told)

    def forget_submission(self) -> None:
        """There is no job of this case in the queue, says the user."""
        with self.held(timeout_s=0):
            self.submission.forget()

    def start_over(self) -> None:
        """Remove the stage's output and run it anew; case and executable stay.

        Raises
        ------
        FailedPrecondition
            While a job of the case runs.
        Unavailable
            While another process works on the case.
        """
        with self.held(timeout_s=0):
            record = self.submission.running()
            if record is not None:
                raise FailedPrecondition(
                    f"job {record.native_id} of {self.stage.case} runs; call cancel(), or wait, "
                    "before its output is removed"
                )
            for pattern in ("*.elm.*.nc", "*.cpl.*.nc", "rpointer.*", "*.log.*"):
                for path in self.run_folder.glob(pattern):
                    path.unlink()
            self.state.forget("run", "restart")
            self.submission.forget()
            self.state.update(old_logs=None, begun_with=None, hand_over=None)

    def go_back_to(self, year: int) -> None:
        """Go on from the restart files of an earlier year when it is run the next time."""
        with self.held(timeout_s=0):
            case, folder = self.stage.case, self.run_folder
            write_atomically(
                folder / "rpointer.drv", f"{restart_name(case, year, 'cpl')}\n".encode()
            )
            write_atomically(folder / "rpointer.lnd", f"./{restart_name(case, year)}\n".encode())
            # The good end of what ran further is none of the run to come.
            self.state.update(old_logs=sorted(logs(folder)))
            self.state.forget("run")

    def _submit(self, end: int, reached: int | None) -> JobRecord:
        begin = self.stage.start if reached is None else reached
        stop = {
            "CONTINUE_RUN": "FALSE" if reached is None else "TRUE",
            "STOP_N": str(end - begin),
            "REST_N": str(self.restart_interval(end - begin)),
        }
        settings = self.state.get("settings") or {}
        now = self.state.get("stop") or {name: settings[name] for name in stop}
        if stop != now:
            listed = ",".join(f"{name}={value}" for name, value in stop.items())
            self._do(Command(("./xmlchange", listed), self.root))
            self.state.update(stop=stop)
        old = sorted(logs(self.run_folder))
        self.state.update(old_logs=old, begun_with=self._run_with())
        action = self.steps.submit()
        record = self.submission.submit(action.argv, action.folder, self._output)
        self.log.note("submit", action=str(action), native_id=record.native_id)
        return record

    @property
    def _output(self) -> Path:
        return self.run_folder.parent / f"{self.stage.case}.job.log"

    def restart_interval(self, years: int) -> int:
        """Years between restart files of a run of some length."""
        return restart_interval(years, self.config.restart_years or self.config.forcing_years)

    def cancel(self) -> None:
        """End the stage's job, if it has one; another process may be waiting for it."""
        self._state = None
        record = self.submission.running()
        if record is not None:
            self.jobs.cancel(record)

    @property
    def reached(self) -> int | None:
        """Year of the newest whole restart files."""
        return whole_restart(self.run_folder, self.stage.case, self.stage.spinup_state)
