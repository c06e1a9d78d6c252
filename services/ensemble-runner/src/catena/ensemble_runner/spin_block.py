"""A block of sites from bare ground to equilibrium: method, check, fallback, free run."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.embedded.state import State
from catena.coupler.spin_up.check import (
    AS_IT_WAS,
    LONG_YEARS,
    POLISHED,
    Checked,
    CheckPlan,
    check_and_fall_back,
)
from catena.coupler.spin_up.embedded_case import EmbeddedCase
from catena.coupler.spin_up.judge import Criterion
from catena.coupler.spin_up.plug_in import SpunUp
from catena.ensemble_runner.spin_methods import MethodPlan
from catena.ensemble_runner.spin_queries import SpinUpCheck
from catena.ensemble_runner.spin_result import FAILED, USED, SpunUpSites

Array = NDArray[np.float64]

_NUMBER = {AS_IT_WAS: USED.index("as it was"), POLISHED: USED.index("polished")}


@dataclass(frozen=True, eq=False)
class SpinUpBlock:
    """What a block of sites gave.

    Parameters
    ----------
    made : SpunUpSites
    state : float64 (site, number)
        At the end, before the free run.
    """

    made: SpunUpSites
    state: Array


@dataclass(frozen=True, eq=False)
class SpinUpWork:
    """What every block of a spin-up needs to know.

    Parameters
    ----------
    case : EmbeddedCase
        Of all sites.
    method : MethodPlan
    check : SpinUpCheck
    free_cycles : int
        Of the free run; 0: none.
    """

    case: EmbeddedCase
    method: MethodPlan
    check: SpinUpCheck
    free_cycles: int = 0

    def run(self, rows: NDArray[np.int64]) -> SpinUpBlock:
        """Spin up some of the sites, here and now."""
        case = self.case.part(rows)
        _compile(case)
        # Fitted, or read with all that it needs, once in a process: no part of what a site costs.
        begun = time.process_time()
        method = self.method.plug_in()
        ready = time.process_time()
        spun = method.run(case)
        pools = case.pools(spun.state)
        ran = time.process_time()
        checked = check_and_fall_back(case, spun, check_plan(self.check, case.cycle_years))
        done = time.process_time()
        made = _made(case, spun, checked, pools, self._free(case, checked.state))
        cpu_s = {"learn": ready - begun, "method": ran - ready, "check": done - ran}
        return SpinUpBlock(
            SpunUpSites(**made, cpu_s=cpu_s, notes=spun.notes),
            checked.state.values[:, 0],
        )

    def _free(self, case: EmbeddedCase, state: State) -> tuple[Array, Array]:
        """NEE of each cycle of the free run, and the trend of carbon over it."""
        if not self.free_cycles:
            return np.zeros((case.sites, 0)), np.full(case.sites, np.nan)
        run = case.run(state, self.free_cycles)
        years = (self.free_cycles - 1) * case.cycle_years
        return run.nee, (run.carbon[:, -1] - run.carbon[:, 0]) / max(years, 1)


def check_plan(asked: SpinUpCheck, cycle_years: int) -> CheckPlan:
    """A request's check as the coupler takes it; what is left out is the coupler's own."""
    usual = CheckPlan()
    limits = Criterion()
    tries = usual.tries
    # A few short cycles may balance by chance while a state goes on to fall.
    chunk = max(usual.chunk_cycles, math.ceil(LONG_YEARS / cycle_years))
    if asked.no_fallback:
        tries = 0
    elif asked.fallback_years is not None:
        tries = math.ceil(asked.fallback_years / (chunk * cycle_years))
    return CheckPlan(
        criterion=Criterion(
            nee=limits.nee if asked.limit is None else asked.limit,
            drift=limits.drift if asked.drift is None else asked.drift,
        ),
        settle_cycles=usual.settle_cycles if asked.settle_cycles is None else asked.settle_cycles,
        polish=0 if asked.no_polish else usual.polish,
        chunk_cycles=chunk,
        tries=tries,
    )


def _made(
    case: EmbeddedCase,
    spun: SpunUp[State],
    checked: Checked[State],
    pools: Array,
    free: tuple[Array, Array],
) -> dict[str, Any]:
    """Fields of :class:`SpunUpSites`, but for costs."""
    sites, unknown = case.sites, np.full(case.sites, np.nan)
    used = np.array([_NUMBER.get(each, USED.index("fallback")) for each in checked.used])
    used[~checked.passed] = FAILED
    return {
        "pools": pools,
        "after_cycle": checked.after_cycle,
        "ended": checked.pools,
        "years": spun.years.astype(np.float64),
        "check_years": checked.years - spun.years - checked.years_fallback,
        "fallback_years": checked.years_fallback,
        "used": used.astype(np.int64),
        "nee_first": checked.nee_before,
        "nee_checked": checked.nee_first,
        "drift_checked": checked.drift_first,
        "passed_first": checked.passed_first.astype(np.int64),
        "nee": checked.nee,
        "drift": checked.drift,
        "free_nee": free[0],
        "free_drift": free[1],
        "unfamiliar": unknown if spun.unfamiliar is None else spun.unfamiliar,
        "spread": np.full((sites, pools.shape[1]), np.nan) if spun.spread is None else spun.spread,
        "why": {site: "; ".join(words) for site, words in enumerate(checked.why) if words},
    }


def _compile(case: EmbeddedCase) -> None:
    """Have the model compiled before anything is timed."""
    one = case.part(np.zeros(1, dtype=np.int64))
    one.cost = type(case.cost)()
    one.run(one.cold_start(), 1)
