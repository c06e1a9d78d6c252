"""Runs of a spin-up: cases of ELM, each of whole forcing cycles from a restart file of any origin.

A method asks for run after run, and what it asks for depends on what came out. The runs are
numbered in that order. Whoever goes through the same method again asks for the same runs and finds
those that are done: so an interrupted spin-up is gone on with. A run that is asked for from another
restart file than it was made with is refused by :class:`~catena.coupler.elm.case.ElmCase`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.config import ElmConfig, History
from catena.coupler.elm.outcome import start_problem
from catena.coupler.elm.stages import Stage, StageName, StageRun
from catena.coupler.restart import read_restart
from catena.shared.errors import FailedPrecondition, InvalidData, InvalidRequest, JobFailed

FLUXES = ("GPP", "NPP", "AR", "HR", "NEE")
MEANS = (*FLUXES, "TLAI", "FPG", "FPI", "BTRAN", "TOTVEGC", "TOTLITC", "TOTSOMC", "TOTECOSYSC")
"""What a spin-up looks at."""
_STOCKS = (
    "SOIL1C", "SOIL2C", "SOIL3C", "SOIL4C", "CWDC", "LEAFC", "FROOTC", "LIVESTEMC", "DEADSTEMC",
    "LIVECROOTC", "DEADCROOTC",
)  # fmt: skip
"""What the first record of a run is compared by with the restart file that it began from."""
_LAST_YEAR = 9999


@dataclass(frozen=True)
class ElmState:
    """A state of all sites of a case.

    Parameters
    ----------
    restart : Path or None
        None is bare ground.
    leaving : bool
        The file is of accelerated decomposition, and what is done next is out of it: ELM multiplies
        its slow pools when it reads the file, or other pools take their place.
    year : int, optional
        Of a file that is not there yet, in a plan; read from the file by default.
    """

    restart: Path | None = None
    leaving: bool = False
    year: int | None = None


@dataclass
class Ran:
    """One run of a spin-up.

    Parameters
    ----------
    case : ElmCase
    restart : Path
        At its end.
    start : Path or None
        What it began from.
    cpu_s : float
        From the submission to the end on all processors: waiting in a queue is in it.
    """

    case: ElmCase
    restart: Path
    start: Path | None
    cpu_s: float


class SpinUpRuns:
    """The runs of one spin-up in their order.

    Parameters
    ----------
    config : ElmConfig
        Its stages `ad_spinup` and `final` give compset, namelist and xml of runs in either mode.
    label : str
        Name of the spin-up: cases are called `CASE-LABEL_ad_spinup` or `_final` (the first one,
        which builds the executable), then `CASE-LABEL_02_ad`, `CASE-LABEL_03_final` and so on.
    attempts, timeout_s
        As for :meth:`ElmCase.run`.
    """

    def __init__(
        self,
        config: ElmConfig,
        label: str,
        *,
        attempts: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self.config, self.label = config, label
        self.attempts, self.timeout_s = attempts, timeout_s
        self.folder = config.output_root / f"{config.case_name}-{label}"
        """Where restart files lie that were made here."""
        self.done: list[Ran] = []
        self._broken = 0
        """Runs that were asked for and failed: they keep their numbers."""
        self._first: tuple[StageName, int, Path | None] | None = None

    def case(
        self,
        start: ElmState,
        years: int,
        *,
        accelerated: bool = False,
        supplement: bool = False,
        number: int | None = None,
    ) -> ElmCase:
        """The case of a run; nothing is done.

        Parameters
        ----------
        start : ElmState
        years : int
            Whole forcing cycles.
        accelerated, supplement : bool
            Supplement makes all of its years ones of carbon only (``nyears_ad_carbon_only``).
        number : int, optional
            Place in the order, from 1; by default the next one.

        Raises
        ------
        InvalidRequest
            When these are no whole cycles.
        FailedPrecondition
            When nutrients shall be supplied outside of accelerated decomposition, which ELM cannot.
        """
        if years < 1 or years % self.config.forcing_years:
            raise InvalidRequest(
                f"got {years} years, wanted whole cycles of {self.config.forcing_years}"
            )
        if supplement and not accelerated:
            raise FailedPrecondition(
                "ELM supplies nutrients in accelerated decomposition only; run accelerated=True"
            )
        name: StageName = "ad_spinup" if accelerated else "final"
        number = len(self.done) + self._broken + 1 if number is None else number
        if number == 1:
            self._first = (name, years, start.restart)
        config = self._config(name, years, supplement, start)
        first = config.runs[0]
        if number == 1:
            return ElmCase(config, first)
        kind = "ad" if accelerated else "final"
        case = f"{config.case_name}_{number:02d}_{kind}"
        if start.restart is None:
            # Bare ground again: the first case's executable in a case of its own.
            own = _changed(config, clone_of=config.case_root / first.case, finidat=None)
            return ElmCase(own, StageRun(self._stage(name, years), case, 1, years, None))
        year = _year_of(start)
        before = _origin(f"{config.case_name}_{number:02d}_start", name, year)
        run = StageRun(self._stage(name, years), case, year, years, before)
        if run.end > _LAST_YEAR:
            raise FailedPrecondition(
                f"{run.case} would end in year {run.end}, and dates end at {_LAST_YEAR}"
            )
        return ElmCase(config, run, restart=start.restart)

    def run(
        self, start: ElmState, years: int, *, accelerated: bool = False, supplement: bool = False
    ) -> Ran:
        """Run the next one, or find it done.

        Raises
        ------
        JobFailed, Unavailable, FailedPrecondition, InvalidData
            As :meth:`ElmCase.run`.
        """
        case = self.case(start, years, accelerated=accelerated, supplement=supplement)
        if start.restart is not None:
            problem = start_problem(start.restart, case.stage.name)
            if problem:
                raise InvalidData(f"{case.stage.case} must not start from it: {problem}")
        before = time.monotonic()
        try:
            outcome = case.run(self.attempts, self.timeout_s)
        except JobFailed:
            self._broken += 1
            self._count(case, before)
            raise
        if outcome.restart is None:  # a finished run has one
            raise FailedPrecondition(f"{case.stage.case} left no restart file")
        ran = Ran(case, outcome.restart, start.restart, self._count(case, before))
        self.done.append(ran)
        return ran

    def transient(self, start: ElmState) -> ElmCase | None:
        """The case of the configuration's transient stage from a state; None where it has none."""
        stage = next((each for each in self.config.stages if each.name == "transient"), None)
        if stage is None or start.restart is None:
            return None
        config = self._config(*self._first_or_refuse()[:2], False, start)
        # Its own history, not that of the spin-up.
        config = _changed(config, history=[each.model_dump() for each in self.config.history])
        named = next(run for run in self.config.runs if run.name == "transient")
        before = _origin(f"{config.case_name}_transient_start", "final", _year_of(start))
        first = 1850 if stage.start_year is None else stage.start_year
        stage = stage.model_copy(update={"hand_over": "hybrid"})
        run = StageRun(stage, f"{config.case_name}_transient", first, named.years, before)
        return ElmCase(config, run, restart=start.restart)

    def _first_or_refuse(self) -> tuple[StageName, int, Path | None]:
        if self._first is None:
            raise FailedPrecondition(
                f"no run of {self.config.case_name}-{self.label} has built an executable yet"
            )
        return self._first

    def _stage(self, name: StageName, years: int) -> Stage:
        known = next((each for each in self.config.stages if each.name == name), None)
        if known is None:
            return Stage(name=name, years=years)
        return known.model_copy(update={"years": years, "hand_over": "hybrid", "start_year": None})

    def _config(self, name: StageName, years: int, supplement: bool, start: ElmState) -> ElmConfig:
        """The configuration of one run; its only stage is that of the first one, the builder."""
        first, length, restart = self._first_or_refuse()
        history = History(variables=(*MEANS, *_STOCKS))
        until = 0
        if supplement:
            # Counted from the first year of the run or of the calendar: enough for both.
            until = years + _year_of(start)
        return _changed(
            self.config,
            case_name=f"{self.config.case_name}-{self.label}",
            stages=[self._stage(first, length).model_dump()],
            finidat=restart,
            history=[history.model_dump()],
            nyears_ad_carbon_only=until,
        )

    def _count(self, case: ElmCase, before: float) -> float:
        """Seconds of all attempts, kept with the case so that they are known when asked again."""
        now = (time.monotonic() - before) * self.config.executor.processes
        spent = float(case.state.get("spent_s") or 0.0)
        if case.state.get("spent_done"):
            return spent
        case.state.update(spent_s=round(spent + now, 3))
        if case.state.done("run") is not None:
            case.state.update(spent_done=True)
        return spent + now


def _changed(config: ElmConfig, **values: object) -> ElmConfig:
    return ElmConfig.model_validate({**config.model_dump(), **values})


def _year_of(state: ElmState) -> int:
    if state.year is not None:
        return state.year
    if state.restart is None:
        return 1
    date = read_restart(state.restart).date
    if (date.month, date.day) != (1, 1):
        raise FailedPrecondition(
            f"{state.restart.name} is of {date.strftime('%Y-%m-%d')}; a spin-up goes on from "
            "the first day of a year"
        )
    return int(date.year)


def _origin(case: str, name: StageName, year: int) -> StageRun:
    """Stands for the run that a restart file is from, whose last instant begins `year`."""
    return StageRun(Stage(name=name, years=1), case, year - 1, 1, None)
