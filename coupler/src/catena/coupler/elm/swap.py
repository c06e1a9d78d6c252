"""The spin-up swap: another way to equilibrium in the place of the stages `ad_spinup` and `final`.

A method brings the case to a state, ELM runs from it for some forcing cycles, and that run decides:
where it is at rest the transient stage begins there, where it is not ELM goes on natively until it
is. Everything is done once; calling again after any interruption goes on.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.elm.actions import write_atomically
from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.outcome import WENT_WRONG
from catena.coupler.elm.put_in import put_in
from catena.coupler.elm.rehearsal import rehearse
from catena.coupler.elm.spin_up_options import SpinUpOptions
from catena.coupler.elm.spin_up_runs import ElmState
from catena.coupler.elm.stages import whole_cycles
from catena.coupler.elm.swap_report import FAR, Judged, SwapReport, report_path
from catena.coupler.restart import read_restart
from catena.coupler.spin_up.case import Floats
from catena.coupler.spin_up.check import CheckPlan, check_and_fall_back
from catena.coupler.spin_up.judge import judge
from catena.coupler.spin_up.native import AD_YEARS, FINAL_YEARS, Native
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet
from catena.shared.errors import FailedPrecondition, JobFailed


class ElmSwap:
    """A case whose spin-up another method takes over.

    Parameters
    ----------
    config : ElmConfig
        Its section `spin_up` sets check and fallback.
    method : SpinUp
        Any but the native one, whose stages :class:`ElmExperiment` runs.
    attempts, timeout_s
        As for :meth:`ElmCase.run`.
    """

    def __init__(
        self,
        config: ElmConfig,
        method: SpinUp,
        *,
        attempts: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self.config, self.method = config, method
        self.case = ElmLandCase(
            config,
            label=method.name,
            template=config.spin_up.template,
            attempts=attempts,
            timeout_s=timeout_s,
        )

    @property
    def options(self) -> SpinUpOptions:
        """Limits of the check and the fallback."""
        return self.config.spin_up

    @property
    def report_path(self) -> Path:
        """Where the report lies, as far as it has come."""
        return report_path(self.config, self.method.name)

    @property
    def native_years(self) -> int:
        """Years of the stages that the method takes the place of."""
        lengths = (self.native.ad_years, self.native.final_years)
        return sum(whole_cycles(years, self.config.forcing_years) for years in lengths)

    def plan_text(self) -> str:
        """Every program and file in order, as far as it can be known; nothing is done."""
        options = self.options
        done = rehearse(self.method, self.case, options.settle_cycles)
        lines = [f"# spin-up by {self.method.name}, in the place of {self.native_years} years"]
        last: ElmState | None = None
        for left, step in zip(range(len(done.steps) - 1, -1, -1), done.steps, strict=True):
            if step.case is None:
                lines.append(f"# new pools into {step.into}: spinup_state 0, N and P by ratios")
                continue
            lines += _case_lines(step.case, "check" if left < done.checks else "")
            run = step.case.stage
            last = ElmState(step.case.run_folder / run.restart_name, year=run.end)
        if done.gap:
            lines.append(f"# what follows depends on what these runs bring ({done.gap})")
        lines.append(
            f"# at rest: |NEE| < {options.nee:g} and change of each carbon pool < "
            f"{options.drift:g} gC m-2 yr-1 in {100.0 * options.area_fraction:g} % of the area, "
            f"within {options.unfamiliar:g} of what the method learned"
        )
        lines.append(f"# fallback, only where it is not: {self._fallback_words()}")
        following = None if last is None else done.runs.transient(last)
        if following is not None:
            lines += _case_lines(following)
        return "\n".join(lines) + "\n"

    def _fallback_words(self) -> str:
        options = self.options
        on = min(options.patience, options.tries)
        years = options.chunk_cycles * self.config.forcing_years
        ways = []
        if on:
            ways.append(f"up to {on} times {years} years natively from there")
        if options.tries > on:
            more = f"{options.tries - on} times {years} years more"
            ways.append(f"from bare ground natively and up to {more}")
        return ", then ".join(ways) or "none (spin_up.tries is 0)"

    def run(self, progress: Progress = quiet) -> SwapReport:
        """Spin up, check, fall back where needed, and run the transient stage.

        The transient stage is run only from a state at rest.

        Raises
        ------
        FailedPrecondition
            When the method refuses the case.
        JobFailed, Unavailable, InvalidData
            As :meth:`ElmCase.run`; what is done is kept, calling again goes on.
        """
        self.method.require(self.case)
        report = SwapReport(self.method.name, native_years=float(self.native_years))
        state: ElmState | None
        left = False
        try:
            made = self.method.run(self.case, progress)
            report.notes = list(made.notes)
            if made.unfamiliar is not None:
                left = bool(np.isinf(made.unfamiliar).any())
                away = np.nan_to_num(made.unfamiliar, nan=FAR, posinf=FAR)
                report.unfamiliar = min(float(np.max(away)), FAR)
            self._keep(report)
            state = self._checked(made, report, progress)
        except JobFailed as error:
            _raise_but_for_numbers(error)
            state, report.why = None, str(error)
        if state is None or not report.judgements[-1].passed:
            report.fell_back = True
            self._keep(report)
            state = self._fall_back(state, left, report, progress)
        report.reached = report.judgements[-1].passed
        report.restart = str(state.restart)
        self._keep(report)
        if report.reached:
            runs = self.case.runs
            following = runs.transient(state)
            if following is not None:
                progress(1.0, "transient")
                outcome = following.run(runs.attempts, runs.timeout_s)
                report.transient = str(outcome.restart)
                self._keep(report)
        return report

    def _checked(self, made: SpunUp[ElmState], report: SwapReport, progress: Progress) -> ElmState:
        """Whole cycles from the method's state, and what they say."""
        options = self.options
        # ELM runs all cells together, so the fallback is one of the whole case.
        plan = CheckPlan(
            criterion=options.criterion,
            settle_cycles=options.settle_cycles,
            polish=0,
            tries=0,
        )
        checked = check_and_fall_back(self.case, made, plan, progress)
        why = [", ".join(each) for each in checked.why]
        cycles = options.settle_cycles + 1
        self._add(report, "check", cycles, checked.nee, checked.drift, why, checked.passed)
        report.why = "; ".join(dict.fromkeys(each for each in why if each))
        return checked.state

    def _fall_back(
        self, state: ElmState | None, left: bool, report: SwapReport, progress: Progress
    ) -> ElmState:
        """Natively on from the state after the check; from bare ground where that leads nowhere.

        Where the method left a cell as it begins, there is nothing to go on from.
        """
        options, case = self.options, self.case
        fresh = False
        first = 0 if state is not None else options.patience
        for number in range(first, options.tries):
            progress(1.0, f"fallback, try {number + 1} of {options.tries}")
            if state is None or (not fresh and (left or number >= options.patience)):
                state, fresh = self.native.run(case, progress).state, True
            before = case.pools(state)
            try:
                stretch = case.run(state, options.chunk_cycles)
            except JobFailed as error:
                if fresh:
                    raise
                _raise_but_for_numbers(error)
                state, report.why = None, f"{report.why}; {error}"
                continue
            state = stretch.state
            years = options.chunk_cycles * case.cycle_years
            found = judge(stretch, before, years, case.layout)
            # Judged by rest alone: what was unfamiliar to the method is the model's own by now.
            passed = found.passes(options.criterion)
            sites = range(case.sites)
            why = [", ".join(found.why(n, options.criterion, case.layout)) for n in sites]
            self._add(report, "fallback", options.chunk_cycles, found.nee, found.drift, why, passed)
            if report.judgements[-1].passed:
                break
        if state is None:
            raise FailedPrecondition(
                f"ELM does not run from the state that {self.method.name} made ({report.why}), and "
                "spin_up.tries allows no fallback; raise it, or take --spin-up native"
            )
        return state

    @property
    def native(self) -> Native:
        """The configuration's own stages, from bare ground."""
        wished = {stage.name: stage.years for stage in self.config.stages}
        return Native(
            wished.get("ad_spinup", AD_YEARS),
            wished.get("final", FINAL_YEARS),
            self.config.nyears_ad_carbon_only,
        )

    def _add(
        self,
        report: SwapReport,
        what: str,
        cycles: int,
        nee: Floats,
        drift: Floats,
        why: list[str],
        passed: NDArray[np.bool_],
    ) -> None:
        area = np.cos(np.deg2rad(self.case.lat))
        part = float((passed * area).sum() / area.sum())
        last = self.case.runs.done[-1].case.stage.case
        enough = part >= self.options.area_fraction
        years = cycles * self.case.cycle_years
        report.judgements.append(
            Judged(what, last, years, nee.tolist(), drift.tolist(), why, part, enough)
        )
        self._keep(report)

    def _keep(self, report: SwapReport) -> None:
        cost = self.case.cost
        report.years = cost.site_years / self.case.sites
        report.cpu_s = cost.cpu_s
        report.years_saved_ratio = report.native_years / report.years if report.years else 0.0
        report.put_in = [self._put_in(*pair) for pair in self.case.replaced]
        text = json.dumps(report.to_dict(), indent=1) + "\n"
        write_atomically(self.report_path, text.encode())

    def _put_in(self, template: Path, made: Path) -> dict[str, Any]:
        before, after = read_restart(template), read_restart(made)
        return {
            "template": str(template),
            "accelerated_units": before.spinup_state == 1,
            "restart": str(made),
            "first_record": self._first_record(made),
            "pools": [asdict(each) for each in put_in(before, after)],
        }

    def _first_record(self, made: Path) -> str:
        """What the comparison with the first record of the run from a file gave."""
        for ran in self.case.runs.done:
            if ran.start == made:
                return str(ran.case.state.get("hand_over") or "not compared")
        return "not run from"


def _case_lines(case: ElmCase, what: str = "") -> list[str]:
    run = case.stage
    head = f"# {what or run.name}: years {run.start} to {run.end - 1}, case {run.case}"
    return [head, *map(str, case.plan())]


def _raise_but_for_numbers(error: JobFailed) -> None:
    """Raise it where the machine failed, as at a walltime: asking again goes on."""
    if WENT_WRONG not in str(error):
        raise error
