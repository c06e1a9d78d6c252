"""One case of ELM: made, built, run and, after any failure, gone on with."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import psutil

from catena.coupler.elm.actions import Action, Command, Submit
from catena.coupler.elm.commands import CommandLog, advice, essence
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.execution import JobRecord, JobRunner
from catena.coupler.elm.hand_over import hand_over_problem
from catena.coupler.elm.history import history_files
from catena.coupler.elm.outcome import Outcome, logs, run_outcome, whole_restart
from catena.coupler.elm.settings import restart_interval, xml_settings
from catena.coupler.elm.stages import StageRun
from catena.coupler.elm.state import CaseState, changes, digest
from catena.coupler.elm.steps import STEPS, CaseSteps
from catena.shared.errors import FailedPrecondition, InvalidData, JobFailed


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
        """
        if self.state.done("run") is not None:
            self._refuse_changes_of_the_past()
            return
        for step in STEPS:
            inputs = self.steps.inputs(step)
            wanted, done = digest(inputs), self.state.done(step)
            if done == wanted:
                continue
            self._change(step, done)
            again = done is not None or self.state.get("begun") == step
            self.state.update(begun=step)
            for action in self.steps.actions(step, again):
                self._do(action)
            if step == "settings":
                self.state.update(settings=self._settings(), stop=None)
            self.state.record(step, wanted)

    def _settings(self) -> dict[str, str]:
        return xml_settings(self.config, self.stage)

    def _refuse_changes_of_the_past(self) -> None:
        if self.state.done("run") == self._run_digest():
            return
        before = self.state.get("ran_with") or {}
        what = changes(before, self.ran_with())
        raise FailedPrecondition(
            f"stage {self.stage.name} of {self.stage.case} has run with other settings ({what}); "
            "set them back, take another case_name, or call start_over(), which removes its output"
        )

    def ran_with(self) -> dict[str, str]:
        """Settings that the model's numbers follow from, for a digest."""
        namelist = self.steps.actions("namelist")[0]
        return {**self._settings(), "user_nl_elm": digest(str(namelist))}

    def _run_digest(self) -> str:
        return digest(self.ran_with())

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
            How long to wait for one job.

        Raises
        ------
        JobFailed
            When the model did not end well; the message quotes its log.
        Unavailable
            When the job still runs after `timeout_s`; calling again attaches to it.
        FailedPrecondition
            As :meth:`prepare`.
        """
        return self.advance(self.stage.end, attempts, timeout_s)

    def advance(self, end: int, attempts: int = 1, timeout_s: float | None = None) -> Outcome:
        """Run to the first instant of year `end`, as :meth:`run` does."""
        self.prepare()
        outcome = self.outcome(end)
        for _ in range(attempts):
            if outcome.finished:
                break
            reached = outcome.reached
            record = self._running() or self._submit(end, reached)
            self.jobs.wait(record, timeout_s)
            self.state.update(job=None)
            outcome = self.outcome(end)
            if not outcome.finished and outcome.reached == reached:
                break
        if not outcome.finished:
            raise JobFailed(self._failure(outcome, end), cause_code="FAILED_PRECONDITION")
        self._check_hand_over()
        if end == self.stage.end and self.state.done("run") is None:
            self.state.update(ran_with=self.ran_with())
            self.state.record("run", self._run_digest())
        return outcome

    def _check_hand_over(self) -> None:
        before, stage = self.stage.before, self.stage
        files = history_files(self.run_folder, stage.case)
        asked = before is not None and stage.stage.hand_over == "hybrid"
        if before is None or not asked or not files or self.state.get("hand_over") is not None:
            return
        restart = self.run_folder / before.restart_name
        try:
            problem = hand_over_problem(restart, files[0], stage.spinup_state)
            told = "agrees with the first record"
        except InvalidData as error:
            # As when no pool is in the history: nothing speaks against the run.
            problem, told = "", f"not compared: {error}"
        if problem:
            raise InvalidData(f"{stage.case}: {problem}")
        self.state.update(hand_over=told)

    def _failure(self, outcome: Outcome, end: int) -> str:
        done = outcome.reached
        onwards = (
            f"from year {done}, where its restart files are whole" if done else "from its start"
        )
        output = self.run_folder.parent / f"{self.stage.case}.job.log"
        texts = [path for path in (output, output.with_suffix(".err")) if path.exists()]
        said = essence("\n".join(path.read_text(errors="replace") for path in texts))
        quoted = f"\ncase.submit said:\n{said}" if said else ""
        todo = advice(quoted + outcome.reason) or "mend the cause"
        return (
            f"{self.stage.case} did not reach year {end}: {outcome.reason}{quoted}\nWhat to do: "
            f"{todo}; then run again: it goes on {onwards}"
        )

    def _running(self) -> JobRecord | None:
        kept = self.state.get("job")
        if kept is not None:
            record = JobRecord(**kept)
            known = self.jobs.state(record)
            if known == "unknown" and record.executor not in ("local", "none"):
                raise FailedPrecondition(
                    f"{record.executor} does not tell the state of job {record.native_id} of "
                    f"{self.stage.case}, which is not to say that it has ended; try again, or "
                    "call forget_submission() when it is not in the queue"
                )
            return record if known in ("queued", "active") else None
        submitting = self.state.get("submitting")
        if submitting is None:
            return None
        # Ended between the job's start and the note of its id.
        found = _process_in(self.root, self.run_folder)
        if found is not None:
            record = JobRecord(str(found.pid), "local", str(self.root), found.create_time())
            self.state.update(job=record.as_dict(), submitting=None)
            return record
        if self.config.executor.kind not in ("local", "none"):
            raise FailedPrecondition(
                f"a job of {self.stage.case} may be in the queue of {self.config.executor.kind} "
                f"since {submitting}, its id was not kept; look there, cancel it, and call "
                "forget_submission()"
            )
        return None

    def forget_submission(self) -> None:
        """There is no job of this case in the queue, says the user."""
        self.state.update(submitting=None, job=None)

    def start_over(self) -> None:
        """Remove the stage's output and run it anew; case and executable stay."""
        for pattern in ("*.elm.*.nc", "*.cpl.*.nc", "rpointer.*", "*.log.*"):
            for path in self.run_folder.glob(pattern):
                path.unlink()
        self.state.forget("run", "restart")
        self.state.update(job=None, submitting=None, old_logs=None, hand_over=None)

    def _submit(self, end: int, reached: int | None) -> JobRecord:
        begin = self.stage.start if reached is None else reached
        stop = {
            "CONTINUE_RUN": "FALSE" if reached is None else "TRUE",
            "STOP_N": str(end - begin),
            "REST_N": str(self._restart_interval(end - begin)),
        }
        settings = self.state.get("settings") or {}
        now = self.state.get("stop") or {name: settings[name] for name in stop}
        if stop != now:
            listed = ",".join(f"{name}={value}" for name, value in stop.items())
            self._do(Command(("./xmlchange", listed), self.root))
            self.state.update(stop=stop)
        self.state.update(
            old_logs=sorted(logs(self.run_folder)), submitting=time.strftime("%Y-%m-%dT%H:%M:%S")
        )
        action = self.steps.submit()
        output = self.run_folder.parent / f"{self.stage.case}.job.log"
        record = self.jobs.submit(action.argv, action.folder, self.stage.case, output)
        self.state.update(job=record.as_dict(), submitting=None)
        self.log.note("submit", action=str(action), native_id=record.native_id)
        return record

    def _restart_interval(self, years: int) -> int:
        return restart_interval(years, self.config.restart_years or self.config.forcing_years)

    def cancel(self) -> None:
        """End the stage's job, if it has one."""
        record = self._running()
        if record is not None:
            self.jobs.cancel(record)

    @property
    def reached(self) -> int | None:
        """Year of the newest whole restart files."""
        return whole_restart(self.run_folder, self.stage.case, self.stage.spinup_state)


def _process_in(*folders: Path) -> psutil.Process | None:
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) in folders:
                return process
        except psutil.Error:
            continue
    return None
