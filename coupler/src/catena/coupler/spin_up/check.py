"""The check and the fallback: no site leaves a spin-up on trust.

Each site is run as the model is. Those that are at equilibrium stay; the others are spun up
natively from the state that they have, and from bare ground where that leads nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, LandCase, S, Sites, Stretch
from catena.coupler.spin_up.judge import Criterion, Judgement, judge
from catena.coupler.spin_up.native import Native
from catena.coupler.spin_up.plug_in import Progress, SpunUp, quiet
from catena.coupler.spin_up.polish import Polisher
from catena.shared.errors import FailedPrecondition, InvalidRequest

AS_IT_WAS, POLISHED, NATIVE = "as it was", "polished", "native"
"""What a site's state is from: the method, the method and analytic solutions, the fallback."""

ROUNDING = 1e-9
"""What rounding may leave of an empty pool, as a negative number."""

NEAR = 2.0
"""Times the largest NEE: a site that is closer right after a solution settles before another."""

LONG_YEARS = 10
"""By how many years a site is judged at least after its slow pools have been solved for. The first
ones are balanced by the solution, whatever the plants do later: planted pools three times too large
passed a cycle of one year by it, and lost 50 gC m-2 yr-1 in the years after."""


@dataclass(frozen=True)
class CheckPlan:
    """How sites are checked and what becomes of those that fail.

    Parameters
    ----------
    criterion : Criterion
    settle_cycles : int
        That are run before the cycle that is judged.
    polish : int
        How often, where the model has a matrix, the slow pools of a site that loses or gains too
        much are put to the steady state of the cycle that has been run, before one more is run
        (:mod:`.polish`). A site that is near after it runs a cycle as it is, and both cycles are
        judged together. A site that passes goes on for :data:`LONG_YEARS` in all, and these decide.
    chunk_cycles : int
        Length of one try of the fallback, which is judged as a whole: an even number, for what
        alternates from cycle to cycle.
    patience : int
        Tries from the state that a site has; then it begins from bare ground.
    tries : int
        In all; 0 leaves failing sites as they are.
    native : Native
        From bare ground.
    """

    criterion: Criterion = field(default_factory=Criterion)
    settle_cycles: int = 1
    polish: int = 10
    chunk_cycles: int = 4
    patience: int = 6
    tries: int = 15
    native: Native = field(default_factory=Native)

    def __post_init__(self) -> None:
        if (
            min(self.settle_cycles, self.polish, self.patience, self.tries) < 0
            or self.chunk_cycles < 1
        ):
            raise InvalidRequest(
                f"{self.settle_cycles} cycles to settle, {self.polish} to polish and "
                f"{self.tries} tries of {self.chunk_cycles} cycles, {self.patience} of them from "
                "the state that is there, came; 0 or more, and 1 cycle a try were wanted"
            )


@dataclass(frozen=True)
class Checked(Generic[S]):
    """States that were checked, and how they came to be.

    Parameters
    ----------
    state : S
    used : tuple of str
        Of each site: :data:`AS_IT_WAS`, :data:`POLISHED` or :data:`NATIVE`.
    why : tuple of tuple of str
        Of each site: what it failed by at first; empty for those that did not.
    passed_first, passed : bool (site,)
        Without and with the fallback; polishing is none.
    years : float64 (site,)
        Method, check and fallback.
    after_cycle : float64 (site, pool)
        Pools after the cycles that settle (else the first that is judged), before any solution:
        leaves, litter and mineral nitrogen follow the weather of weeks, which no method is told.
        NaN where none could be run.
    nee_before : float64 (site,)
        Mean of the first cycle from the method's state, gC m-2 yr-1; NaN where none could be run.
    nee_first, drift_first : float64 (site,)
        As the check found them, before any fallback, gC m-2 yr-1; NaN where none could be run.
    years_fallback : float64 (site,)
        Part of the years that the fallback took.
    nee, drift : float64 (site,)
        Of the stretch that was judged last, gC m-2 yr-1.
    pools : float64 (site, pool)
    """

    state: S
    used: tuple[str, ...]
    why: tuple[tuple[str, ...], ...]
    passed_first: NDArray[np.bool_]
    passed: NDArray[np.bool_]
    years: Floats
    after_cycle: Floats
    nee_before: Floats
    nee_first: Floats
    drift_first: Floats
    years_fallback: Floats
    nee: Floats
    drift: Floats
    pools: Floats

    def count(self, used: str) -> int:
        """How many sites came to their state in one of the ways."""
        return sum(each == used for each in self.used)

    def __str__(self) -> str:
        of = len(self.used)
        parts = [f"{self.count(used)} {used}" for used in (AS_IT_WAS, POLISHED, NATIVE)]
        return (
            f"{of} sites: {', '.join(parts)}; {int(self.passed_first.sum())} passed at first, "
            f"{int(self.passed.sum())} in the end; {self.years.mean():.0f} years each"
        )


def check_and_fall_back(
    case: LandCase[S],
    spun: SpunUp[S],
    plan: CheckPlan | None = None,
    progress: Progress = quiet,
) -> Checked[S]:
    """Check what a method made, and mend what fails.

    Parameters
    ----------
    case : LandCase
    spun : SpunUp
    plan : CheckPlan, optional
    progress : callable

    Raises
    ------
    FailedPrecondition
        When the state is one of accelerated decomposition (the case refuses it).
    """
    return _Check(case, spun, plan or CheckPlan(), progress).run()


class _Check(Generic[S]):
    """The sites of one check; arrays are filled as it goes on."""

    def __init__(
        self, case: LandCase[S], spun: SpunUp[S], plan: CheckPlan, progress: Progress
    ) -> None:
        sites = case.sites
        if spun.years.shape != (sites,):
            raise FailedPrecondition(
                f"a spin-up of {spun.years.size} sites came for a case of {sites}"
            )
        self.case, self.plan, self.progress = case, plan, progress
        self.state = spun.state
        self.unfamiliar = spun.unfamiliar
        self.untouched = np.isinf(np.zeros(sites) if spun.unfamiliar is None else spun.unfamiliar)
        self.used = np.full(sites, AS_IT_WAS, dtype=object)
        self.why: list[tuple[str, ...]] = [()] * sites
        self.passed, self.solved = np.zeros((2, sites), dtype=bool)
        self.years = spun.years.astype(np.float64).copy()
        self.after_cycle = np.full((sites, len(case.layout.pools)), np.nan)
        self.nee_before, self.nee, self.drift = np.full((3, sites), np.nan)

    def run(self) -> Checked[S]:
        self.progress(0.0, "check")
        usable = self._possible()
        if usable.size:
            self._first(usable)
            self._go_on()
        first = self.passed.copy()
        nee, drift, years = self.nee.copy(), self.drift.copy(), self.years.copy()
        self._fall_back()
        self.progress(1.0, "done")
        return Checked(
            state=self.state,
            used=tuple(self.used),
            why=tuple(self.why),
            passed_first=first,
            passed=self.passed,
            years=self.years,
            after_cycle=self.after_cycle,
            nee_before=self.nee_before,
            nee_first=nee,
            drift_first=drift,
            years_fallback=self.years - years,
            nee=self.nee,
            drift=self.drift,
            pools=self.case.pools(self.state),
        )

    def _possible(self) -> Sites:
        """Sites whose pools a run can begin from; the others are told why not."""
        layout = self.case.layout
        pools = self.case.pools(self.state)
        signed = np.array([pool.signed for pool in layout.pools])
        missing = np.isnan(pools)
        for pft in {pool.pft for pool in layout.pools if pool.pft >= 0}:
            # Plants differ: one that a site has not has no pool at all there.
            mine = np.array([pool.pft == pft for pool in layout.pools])
            missing[np.ix_(missing[:, mine].all(axis=1), mine)] = False
        for site, column in np.argwhere(missing | np.isinf(pools)):
            self.why[site] = (f"{layout.names[column]} is {pools[site, column]:g}",)
        with np.errstate(invalid="ignore"):
            negative = np.argwhere((pools < -ROUNDING) & ~signed)
        for site, column in negative:
            self.why[site] = (f"{layout.names[column]} is {pools[site, column]:g}",)
        return np.array([n for n in range(self.case.sites) if not self.why[n]], dtype=np.int64)

    def _first(self, sites: Sites) -> None:
        """Settle, polish where it is needed, and judge; what fails is polished and judged again."""
        case, plan = self.case.part(sites), self.plan
        state = self.case.take(self.state, sites)
        cycle, rounds = case.cycle_years, plan.polish if case.has_cascade else 0
        polisher = Polisher(self.case.sites, case.layout)
        calm = np.full(sites.size, plan.settle_cycles > 0)  # nothing was solved before the cycle
        last: tuple[Floats, Floats] | None = None  # pools and NEE of the cycle before
        if plan.settle_cycles:
            self.progress(0.05, "settle")
            before = case.pools(state)
            settled = case.run(state, plan.settle_cycles)
            self.nee_before[sites], self.after_cycle[sites] = settled.nee[:, 0], settled.pools
            state = settled.state
            self.years[sites] += plan.settle_cycles * cycle
            # What is near equilibrium already is not moved by what one cycle happens to show.
            rough = np.abs(settled.nee[:, -1]) >= plan.criterion.nee
            if rounds and rough.any():
                state = self._polished(case, settled, (rough, before), sites, polisher)
                calm = ~rough
                rounds -= 1
        while sites.size:
            self.progress(0.3, f"a cycle of {sites.size} sites is judged")
            before = case.pools(state)
            judged = case.run(state, 1)
            self.years[sites] += cycle
            found = judge(judged, before, cycle, case.layout)
            strange = self._strange(sites)
            fine = found.passes(plan.criterion)
            if last is not None:
                both = replace(judged, nee=np.stack([last[1], judged.nee[:, 0]], axis=1))
                two = judge(both, last[0], 2 * cycle, case.layout)
                better = calm & ~fine & two.passes(plan.criterion)
                fine, found = fine | better, found.where(better, two)
            fine &= ~strange
            self._keep(sites, judged.state, found)
            self.passed[sites], self.solved[sites] = fine, ~calm
            self._say_why(sites, fine, found, judged)
            if not plan.settle_cycles:
                first = np.isnan(self.nee_before[sites])
                self.nee_before[sites[first]] = found.nee[first]
                self.after_cycle[sites[first]] = judged.pools[first]
            failing = ~fine & ~strange & ~np.isnan(found.nee)
            # A solution stirs a site that is near: it settles for a cycle before another one.
            near = ~calm & (np.abs(found.nee) < NEAR * plan.criterion.nee)
            again = np.flatnonzero(failing & (near | (rounds > 0)))
            state = judged.state
            if rounds and (failing & ~near).any():
                state = self._polished(case, judged, (failing & ~near, before), sites, polisher)
                rounds -= 1
            if not again.size:
                return  # cells of ELM cannot be taken apart
            last = before[again], judged.nee[again, 0]
            state, case = case.take(state, again), case.part(again)
            sites, calm = sites[again], near[again]

    def _go_on(self) -> None:
        """Judge what passed right after a solution by the years that follow, all of them."""
        more = -(-LONG_YEARS // self.case.cycle_years) - 1
        sites = np.flatnonzero(self.passed & self.solved)
        if not (more and sites.size):
            return
        self.progress(0.45, f"{sites.size} sites go on after a solution")
        case, state = self.case.part(sites), self.case.take(self.state, sites)
        before = case.pools(state)
        run = case.run(state, more)
        years = more * case.cycle_years
        self.years[sites] += years
        found = judge(run, before, years, case.layout)
        self._keep(sites, run.state, found)
        self.passed[sites] = found.passes(self.plan.criterion)
        self._say_why(sites, self.passed[sites], found, run)

    def _polished(
        self,
        case: LandCase[S],
        run: Stretch[S],
        which: tuple[NDArray[np.bool_], Floats],
        sites: Sites,
        polisher: Polisher,
    ) -> S:
        """States in which some sites have the pools that a cycle calls for."""
        some, before = which
        better = polisher.pools(run, before, case.cycle_years, sites)
        better[~some] = np.nan
        self.used[sites[some]] = POLISHED
        return case.with_pools(run.state, better)

    def _strange(self, sites: Sites) -> NDArray[np.bool_]:
        """Sites that a method has not learned anything like."""
        if self.unfamiliar is None:
            return np.zeros(sites.size, dtype=bool)
        return np.logical_not(self.unfamiliar[sites] <= self.plan.criterion.unfamiliar)

    def _say_why(
        self, sites: Sites, fine: NDArray[np.bool_], found: Judgement, run: Stretch[S]
    ) -> None:
        """Keep what each site failed by at first."""
        for n in np.flatnonzero(~fine):
            if not self.why[sites[n]]:
                self.why[sites[n]] = self._why(int(sites[n]), int(n), found, run)

    def _why(self, site: int, n: int, found: Judgement, run: Stretch[S]) -> tuple[str, ...]:
        if n in run.failed:
            return (run.failed[n],)
        why = found.why(n, self.plan.criterion, self.case.layout)
        if self.unfamiliar is not None and self._strange(np.array([site]))[0]:
            why = (*why, f"unlike what was learned ({self.unfamiliar[site]:.2g})")
        return why

    def _fall_back(self) -> None:
        plan, cycle = self.plan, self.case.cycle_years
        spent = np.zeros(self.case.sites, dtype=np.int64)
        fresh = np.zeros(self.case.sites, dtype=bool)
        for n in range(plan.tries):
            # What does not run from bare ground either is the model's, and is left.
            sites = np.flatnonzero(~self.passed & ~(fresh & np.isnan(self.nee)))
            if not sites.size:
                return
            self.progress(0.5 + 0.5 * n / plan.tries, f"fallback of {sites.size} sites")
            # No run, or a failed one; or the method left what it began with.
            lost = np.isnan(self.nee[sites]) | self.untouched[sites]
            again = sites[~fresh[sites] & (lost | (spent[sites] >= plan.patience))]
            if again.size:
                self._from_bare_ground(again)
                fresh[again] = True
            case = self.case.part(sites)
            state = self.case.take(self.state, sites)
            before = case.pools(state)
            made = case.run(state, plan.chunk_cycles)
            spent[sites] += 1
            years = plan.chunk_cycles * cycle
            self.years[sites] += years
            found = judge(made, before, years, case.layout)
            self._keep(sites, made.state, found)
            self.used[sites] = NATIVE
            self.passed[sites] = found.passes(plan.criterion)

    def _from_bare_ground(self, sites: Sites) -> None:
        part = self.case.part(sites)
        native = self.plan.native.run(part)
        self.state = self.case.put(self.state, sites, native.state)
        self.years[sites] += native.years

    def _keep(self, sites: Sites, state: S, found: Judgement) -> None:
        self.state = self.case.put(self.state, sites, state)
        self.nee[sites], self.drift[sites] = found.nee, found.drift
