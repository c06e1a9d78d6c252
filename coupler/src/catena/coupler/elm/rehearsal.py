"""What a spin-up would run, found out by going through it without running anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from catena.coupler.elm.case import ElmCase
from catena.coupler.elm.land_case import ElmLandCase
from catena.coupler.elm.spin_up_runs import MEANS, ElmState, Ran, SpinUpRuns
from catena.coupler.spin_up.case import Floats, Stretch
from catena.coupler.spin_up.plug_in import SpinUp
from catena.shared.errors import CatenaError


@dataclass(frozen=True)
class Rehearsed:
    """One thing that a method does: a run, or pools that are put into a restart file.

    Parameters
    ----------
    case : ElmCase or None
        Of a run.
    into : str
        Of pools: the restart file that they are put into.
    """

    case: ElmCase | None = None
    into: str = ""


@dataclass(frozen=True)
class Rehearsal:
    """What a method and the check after it would do.

    Parameters
    ----------
    steps : list of Rehearsed
        In their order.
    runs : SpinUpRuns
        As if the runs among them had been done.
    checks : int
        How many of the last runs are the check.
    gap : str
        Why it could be followed only so far; empty where it was followed to its end. A method that
        decides by what its runs bring cannot be foreseen.
    """

    steps: list[Rehearsed]
    runs: SpinUpRuns
    checks: int
    gap: str


class _RehearsedCase(ElmLandCase):
    """A case whose runs end at once, in numbers without meaning."""

    steps: list[Rehearsed]

    def run(
        self, state: ElmState, cycles: int, *, accelerated: bool = False, supplement: bool = False
    ) -> Stretch[ElmState]:
        case = self.runs.case(
            state, cycles * self.cycle_years, accelerated=accelerated, supplement=supplement
        )
        end = case.run_folder / case.stage.restart_name
        self.runs.done.append(Ran(case, end, state.restart, 0.0))
        self.steps.append(Rehearsed(case))
        made = ElmState(end, year=case.stage.end)
        ones = np.ones((self.sites, cycles))
        means = {name: np.ones(self.sites) for name in MEANS}
        return Stretch(made, cycles, ones, ones, means, self.pools(made))

    def leave_ad(self, state: ElmState) -> ElmState:
        return replace(state, leaving=True)

    def pools(self, state: ElmState) -> Floats:
        return np.where(np.isnan(self._bare()), np.nan, 1.0)

    def with_pools(self, state: ElmState, pools: Floats) -> ElmState:
        if state.restart is None:
            state = ElmState(self.template, year=1) if self.template else self.run(state, 1).state
        into = state.restart.name if state.restart else "a restart file"
        self.steps.append(Rehearsed(into=into))
        number = sum(step.case is None for step in self.steps)
        path = self.runs.folder / "restarts" / f"NEW_POOLS_{number}.nc"
        return ElmState(path, year=state.year)


def rehearse(method: SpinUp, case: ElmLandCase, settle_cycles: int) -> Rehearsal:
    """Go through a method and the check after it.

    Parameters
    ----------
    method : SpinUp
    case : ElmLandCase
        Stays as it is.
    settle_cycles : int
        Before the cycle that is judged.

    Raises
    ------
    FailedPrecondition
        When the method refuses the case.
    """
    method.require(case)
    made = _RehearsedCase(
        case.config,
        label=case.runs.label,
        template=case.template,
        varied=case.varied,
        climate=case.climate,
    )
    made.steps = []
    try:
        state = method.run(made).state
        if settle_cycles:
            state = made.run(state, settle_cycles).state
        made.run(state, 1)
    except (CatenaError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return Rehearsal(made.steps, made.runs, 0, str(error))
    return Rehearsal(made.steps, made.runs, 1 + (settle_cycles > 0), "")
