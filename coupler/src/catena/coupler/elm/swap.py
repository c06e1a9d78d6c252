"""The spin-up swap: another way to equilibrium in the place of the stages `ad_spinup` and `final`.

A method brings the case to a state, ELM runs from it for some forcing cycles, and that run decides:
where it is at rest the transient stage begins there, where it is not ELM goes on natively until it
is. Everything is done once; calling again after any interruption goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from catena.coupler.elm.actions import write_atomically
from catena.coupler.elm.config import ElmConfig
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.put_in import put_in
from catena.coupler.elm.rehearsal import rehearse
from catena.coupler.elm.spin_up_options import SpinUpOptions
from catena.coupler.elm.spin_up_runs import ElmState
from catena.coupler.elm.stages import whole_cycles
from catena.coupler.restart import read_restart
from catena.coupler.spin_up.case import Floats, Stretch
from catena.coupler.spin_up.native import AD_YEARS, FINAL_YEARS
from catena.coupler.spin_up.plug_in import Progress, SpinUp, quiet
from catena.shared.errors import InvalidRequest

BLOCK_YEARS = 50
"""Native years after which a fallback is judged again, rounded up to whole cycles."""


@dataclass(frozen=True)
class Judgement:
    """What a native run of whole cycles says about the state that it began from.

    Parameters
    ----------
    what : {"check", "fallback"}
    case : str
        Of ELM.
    years : int
    nee : list of float
        Mean of the last cycle by site, gC m-2 yr-1.
    drift : list of float
        Trend of TOTECOSYSC from the last cycle but one to the last, gC m-2 yr-1; of one cycle, what
        its NEE says.
    within : list of bool
        Sites within the limits.
    area_fraction : float
        Part of the area within them.
    passed : bool
    """

    what: str
    case: str
    years: int
    nee: list[float]
    drift: list[float]
    within: list[bool]
    area_fraction: float
    passed: bool

    def __str__(self) -> str:
        nee, drift = np.array(self.nee), np.array(self.drift)
        worst = int(np.argmax(np.abs(nee)))
        return (
            f"{self.what}: {self.years} years, case {self.case}: mean NEE {nee[worst]:+.2f} and "
            f"drift {drift[worst]:+.2f} gC m-2 yr-1 at the worst of {nee.size} cells, "
            f"{100.0 * self.area_fraction:.4g} % of the area within the limits: "
            f"{'passed' if self.passed else 'FAILED'}"
        )


@dataclass
class SwapReport:
    """How a case was brought to equilibrium.

    Parameters
    ----------
    method : str
    reached : bool
        Whether it is at equilibrium, by the last judgement.
    fell_back : bool
        Whether ELM had to go on natively.
    why : str
        Why it fell back; empty where it did not.
    restart : str
        What the next stage begins from.
    judgements : list of Judgement
    put_in : list of mapping
        For each file that pools were put into: template, file, and by pool before and after.
    notes : list of str
        Of the method.
    unfamiliar : float or None
        Largest distance of a site from what the method learned.
    years, native_years, years_saved_ratio : float
        Simulated years a site, all runs counted; of the native stages; their quotient.
    cpu_s : float
        Wall time of the runs times processors; waiting in a queue is in it.
    transient : str
        Restart file at the end of the transient stage; empty where there is none.
    """

    method: str
    reached: bool = False
    fell_back: bool = False
    why: str = ""
    restart: str = ""
    judgements: list[Judgement] = field(default_factory=list)
    put_in: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfamiliar: float | None = None
    years: float = 0.0
    native_years: float = 0.0
    years_saved_ratio: float = 0.0
    cpu_s: float = 0.0
    transient: str = ""

    def __str__(self) -> str:
        lines = [f"spin-up by {self.method}", *self.notes, *map(str, self.judgements)]
        if self.fell_back:
            lines.append(f"fell back: {self.why}")
        lines.append(
            f"{'at equilibrium' if self.reached else 'NOT at equilibrium'} after {self.years:g} "
            f"simulated years, natively {self.native_years:g} (a factor of "
            f"{self.years_saved_ratio:.3g})"
        )
        if self.restart:
            lines.append(f"restart file {self.restart}")
        if self.transient:
            lines.append(f"transient stage ended with {self.transient}")
        return "\n".join(lines)


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
        wished = {stage.name: stage.years for stage in self.config.stages}
        lengths = (wished.get("ad_spinup", AD_YEARS), wished.get("final", FINAL_YEARS))
        return sum(whole_cycles(years, self.config.forcing_years) for years in lengths)

    def plan_text(self) -> str:
        """Every program and file in order, as far as it can be known; nothing is done."""
        done, gap = rehearse(self.method, self.case, self.options.check_cycles)
        lines = [f"# spin-up by {self.method.name}, in the place of {self.native_years} years"]
        last: ElmState | None = None
        for number, step in enumerate(done, 1):
            if step.case is None:
                lines.append(f"# new pools into {step.into}: spinup_state 0, N and P by ratios")
                continue
            run = step.case.stage
            what = "check" if number == len(done) and not gap else run.name
            lines.append(f"# {what}: years {run.start} to {run.end - 1}, case {run.case}")
            lines += [str(action) for action in step.case.plan()]
            last = ElmState(step.case.run_folder / run.restart_name, year=run.end)
        if gap:
            lines.append(f"# what follows depends on what these runs bring ({gap})")
        options = self.options
        lines.append(
            f"# at rest: |mean NEE| <= {options.nee_limit:g} and |drift| <= "
            f"{options.drift_limit:g} gC m-2 yr-1 in {100.0 * options.area_fraction:g} % of the "
            f"area, familiar to the method (<= {options.unfamiliar_limit:g})"
        )
        lines.append(
            f"# fallback, only where it is not: up to "
            f"{options.fallback_cycles * self.config.forcing_years} years natively, judged every "
            f"{self._block * self.config.forcing_years}"
        )
        runs = self._planned_runs(done)
        following = runs.transient(last) if runs is not None and last is not None else None
        if following is not None:
            run = following.stage
            lines.append(f"# {run.name}: years {run.start} to {run.end - 1}, case {run.case}")
            lines += [str(action) for action in following.plan()]
        return "\n".join(lines) + "\n"

    def _planned_runs(self, done: list[Any]) -> Any:
        first = next((step.case for step in done if step.case is not None), None)
        if first is None:
            return None
        runs = self.case.runs
        years, accelerated = first.stage.years, first.stage.name == "ad_spinup"
        runs.case(ElmState(first.config.finidat), years, accelerated=accelerated, number=1)
        return runs

    @property
    def _block(self) -> int:
        """Cycles of one stretch of fallback: two at least, for a trend."""
        cycles = whole_cycles(BLOCK_YEARS, self.config.forcing_years) // self.config.forcing_years
        return max(2, cycles)

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
        made = self.method.run(self.case, progress)
        report.notes = list(made.notes)
        if made.unfamiliar is not None:
            report.unfamiliar = float(np.max(made.unfamiliar))
        self._keep(report)
        progress(1.0, "check")
        stretch = self.case.run(made.state, self.options.check_cycles)
        judged = self._judge("check", stretch, made.unfamiliar)
        report.judgements.append(judged)
        if not judged.passed:
            report.fell_back, report.why = True, self._why(judged, made.unfamiliar)
            self._keep(report)
            stretch = self._fall_back(stretch, report, progress)
        report.reached = report.judgements[-1].passed
        report.restart = str(stretch.state.restart)
        self._keep(report)
        if report.reached:
            following = self.case.runs.transient(stretch.state)
            if following is not None:
                progress(1.0, "transient")
                runs = self.case.runs
                outcome = following.run(runs.attempts, runs.timeout_s)
                report.transient = str(outcome.restart)
                self._keep(report)
        return report

    def _fall_back(
        self, stretch: Stretch[ElmState], report: SwapReport, progress: Progress
    ) -> Stretch[ElmState]:
        """Natively on from the state after the check, until it is at rest or the limit is met."""
        left = self.options.fallback_cycles
        while left >= 2 and not report.judgements[-1].passed:
            cycles = min(left, self._block)
            left -= cycles
            progress(1.0, f"fallback, {left} cycles left")
            stretch = self.case.run(stretch.state, cycles)
            # Judged by rest alone: what was unfamiliar to the method is the model's own by now.
            report.judgements.append(self._judge("fallback", stretch, None))
            self._keep(report)
        return stretch

    def _judge(self, what: str, stretch: Stretch[ElmState], unfamiliar: Floats | None) -> Judgement:
        options, cycle = self.options, self.case.cycle_years
        nee = stretch.nee[:, -1]
        drift = -nee
        if stretch.cycles >= 2:
            drift = (stretch.carbon[:, -1] - stretch.carbon[:, -2]) / cycle
        within = (np.abs(nee) <= options.nee_limit) & (np.abs(drift) <= options.drift_limit)
        if unfamiliar is not None:
            within &= unfamiliar <= options.unfamiliar_limit
        area = np.cos(np.deg2rad(self.case.lat))
        part = float((within * area).sum() / area.sum())
        return Judgement(
            what,
            self.case.runs.done[-1].case.stage.case,
            stretch.cycles * cycle,
            nee.tolist(),
            drift.tolist(),
            within.tolist(),
            part,
            part >= options.area_fraction,
        )

    def _why(self, judged: Judgement, unfamiliar: Floats | None) -> str:
        options, sites = self.options, len(judged.nee)
        reasons = [
            f"|mean NEE| above {options.nee_limit:g} in "
            f"{int((np.abs(judged.nee) > options.nee_limit).sum())} of {sites} cells",
            f"|drift| above {options.drift_limit:g} in "
            f"{int((np.abs(judged.drift) > options.drift_limit).sum())}",
        ]
        if unfamiliar is not None:
            reasons.append(
                f"unlike what was learned in {int((unfamiliar > options.unfamiliar_limit).sum())}"
            )
        return ", ".join(reasons)

    def _keep(self, report: SwapReport) -> None:
        cost = self.case.cost
        report.years = cost.site_years / self.case.sites
        report.cpu_s = cost.cpu_s
        report.years_saved_ratio = report.native_years / report.years if report.years else 0.0
        report.put_in = [self._put_in(*pair) for pair in self.case.replaced]
        text = json.dumps(asdict(report), indent=1) + "\n"
        write_atomically(self.report_path, text.encode())

    def _put_in(self, template: Path, made: Path) -> dict[str, Any]:
        before, after = read_restart(template), read_restart(made)
        return {
            "template": str(template),
            "accelerated_units": before.spinup_state == 1,
            "restart": str(made),
            "pools": [asdict(each) for each in put_in(before, after)],
        }


def report_path(config: ElmConfig, method: str) -> Path:
    """Where the report of a swap lies."""
    return config.case_root / f"{config.case_name}-{method}.spin_up.json"


def read_report(path: Path) -> SwapReport:
    """A report as far as it has come.

    Raises
    ------
    InvalidRequest
        When there is none, or it is damaged.
    """
    try:
        values = json.loads(path.read_text())
        values["judgements"] = [Judgement(**each) for each in values["judgements"]]
        return SwapReport(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f"there is no whole report '{path}' ({error})") from error
