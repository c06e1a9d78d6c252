"""The native spin-up: accelerated decomposition, then the model as it is, for centuries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from catena.coupler.spin_up.case import LandCase, S
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet
from catena.shared.errors import InvalidRequest

AD_YEARS = 250
FINAL_YEARS = 200
"""Lengths of the stages in ELM's workflow, rounded up to whole cycles of the forcing."""
SUPPLEMENTED_YEARS = 25
"""First years in which nitrogen does not limit (ELM's ``nyears_ad_carbon_only``)."""


def whole_cycles(case: LandCase[S], years: float) -> int:
    """Cycles of the forcing that hold so many years."""
    return math.ceil(years / case.cycle_years)


def accelerated(case: LandCase[S], years: int, supplemented: int = SUPPLEMENTED_YEARS) -> S:
    """Bare ground after some years of accelerated decomposition, which is not left yet.

    Parameters
    ----------
    case : LandCase
    years : int
        Rounded up to whole cycles, at least one.
    supplemented : int
        First years in which nitrogen does not limit, rounded up as well.

    Returns
    -------
    S
        In accelerated decomposition; ``case.leave_ad`` comes next.
    """
    cycles = max(whole_cycles(case, years), 1)
    first = min(whole_cycles(case, supplemented), cycles)
    state = case.cold_start()
    if first:
        state = case.run(state, first, accelerated=True, supplement=True).state
    if cycles > first:
        state = case.run(state, cycles - first, accelerated=True).state
    return state


@dataclass(frozen=True)
class Native(SpinUp):
    """ELM's own way (OLMT's workflow).

    Parameters
    ----------
    ad_years, final_years : int
        0 leaves a stage out.
    supplemented_years : int
        Of the accelerated stage.
    """

    name: ClassVar[str] = "native"
    ad_years: int = AD_YEARS
    final_years: int = FINAL_YEARS
    supplemented_years: int = SUPPLEMENTED_YEARS

    def __post_init__(self) -> None:
        if min(self.ad_years, self.final_years, self.supplemented_years) < 0 or not (
            self.ad_years or self.final_years
        ):
            raise InvalidRequest(
                f"a spin-up of {self.ad_years} + {self.final_years} years came; one stage at least "
                "was wanted, and no negative lengths"
            )

    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        """Bring all sites from bare ground to equilibrium, or near it."""
        self.require(case)
        cycles = 0
        state = case.cold_start()
        if self.ad_years:
            progress(0.0, "accelerated decomposition")
            cycles = whole_cycles(case, self.ad_years)
            state = case.leave_ad(accelerated(case, self.ad_years, self.supplemented_years))
        if self.final_years:
            progress(self.ad_years / (self.ad_years + self.final_years), "the model as it is")
            more = whole_cycles(case, self.final_years)
            state = case.run(state, more).state
            cycles += more
        progress(1.0, "done")
        return SpunUp(state, np.full(case.sites, float(cycles * case.cycle_years)))
