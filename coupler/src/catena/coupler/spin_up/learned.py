"""What all spin-ups that learned have in common: refusals, inputs, pools that can be, the swap.

Accelerated decomposition and the swap. The variant with first years runs bare ground in accelerated
decomposition and reads what that left. It is never left in the sense of ELM: no pool of it is
multiplied, and none goes on. The state is taken as a frame (water, temperature, phenology), *all*
pools of the layout are replaced in it, and what comes out carries ``spinup_state`` 0. That is
allowed before year 40, from which on alone ELM could multiply; a frame with one accelerated pool
left in it is refused by the case.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, LandCase, S
from catena.coupler.spin_up.layout import Pool, PoolLayout
from catena.coupler.spin_up.learned_inputs import first_years, input_names, inputs_of, placed
from catena.coupler.spin_up.lineage import lineage_of, refuse_other
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet
from catena.shared.errors import FailedPrecondition, InvalidData

POOREST, RICHEST = 2000.0, 3.0
"""C:N of litter and debris that a prediction is kept within; dead wood has 500."""
LARGEST = 1e6
"""g m-2; no pool of a column holds more, and a run with more would say nothing."""
FRAME = 1e-3
"""gC m-2 that a site holds at least for its prediction to count."""


@dataclass(frozen=True)
class Guess:
    """Pools of sites as a method predicts them, in its own order of pools.

    Parameters
    ----------
    pools : float64 (site, pool)
    unfamiliar : float64 (site,)
        Distance from what was learned, 1 at the edge of it.
    spread : float64 (site, pool), optional
        Standard deviation of the error.
    """

    pools: Floats
    unfamiliar: Floats
    spread: Floats | None = None


class Learned(SpinUp):
    """A spin-up that learned equilibria of other sites.

    Parameters
    ----------
    about : mapping
        Of the sites that it learned from, see
        :class:`catena.coupler.spin_up.training_sites.TrainingSites`.
    strange_plants : {"refuse", "fall back"}
        What becomes of sites with plants that were not learned: the whole case is refused, or these
        sites are left as they begin and marked as unfamiliar, so that the check sends them to the
        native spin-up.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        *,
        strange_plants: Literal["refuse", "fall back"] = "refuse",
    ) -> None:
        lacking = [
            k for k in ("pools", "units", "signed", "pft", "ad_years", "case") if k not in about
        ]
        if lacking or "inputs" not in about["case"]:
            raise InvalidData(
                f"the spin-up '{self.name}' does not say for which case it was learned (it lacks "
                f"{', '.join(lacking) or 'the names of inputs'}); learn it from sites of "
                "training_sites"
            )
        self.about = about
        self.strange_plants = strange_plants
        rows = zip(*(about[key] for key in ("pools", "units", "pft", "signed")), strict=True)
        self.layout = PoolLayout(tuple(Pool(*row) for row in rows))

    @property
    def ad_years(self) -> int:
        """Years of accelerated decomposition that are read as inputs; 0 for none."""
        return int(self.about["ad_years"])

    @abstractmethod
    def predict(self, inputs: Mapping[str, Floats]) -> Guess:
        """Pools of sites in the order of :attr:`layout`.

        Parameters
        ----------
        inputs : mapping of str to float64 (site, numbers) or (site, 12, variables)
            By kind, in the order of ``about["case"]["inputs"]``; NaN where missing.
        """

    def require(self, case: LandCase[S]) -> None:
        """Refuse a case that is not what was learned.

        Raises
        ------
        FailedPrecondition
            Another model or version of it, other parameters or wider ranges, plants that were not
            learned, another length of the cycle, air, region or inputs: all are named.
        """
        super().require(case)
        learned = self.about["case"]
        refuse_other(self.name, learned, lineage_of(case), plants=self.strange_plants == "refuse")
        mine = set(self.layout.names)
        strange = self._strange_pools(case.layout)
        lacking = [
            pool.name
            for pool, odd in zip(case.layout.pools, strange, strict=True)
            if pool.name not in mine and not odd
        ]
        if lacking:
            raise FailedPrecondition(
                f"the spin-up '{self.name}' did not learn the pools {', '.join(lacking[:6])}"
                f"{', ...' if len(lacking) > 6 else ''} of this case; learn it anew from native "
                "spin-ups of this case"
            )
        if self.ad_years % case.cycle_years:
            raise FailedPrecondition(
                f"the spin-up '{self.name}' reads {self.ad_years} years of accelerated "
                f"decomposition, which are no whole cycles of {case.cycle_years} years"
            )

    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        """Predict the pools of all sites and put them into a state that is out of acceleration.

        Raises
        ------
        FailedPrecondition
            See :meth:`require`.
        """
        self.require(case)
        if self.ad_years:
            progress(0.0, f"{self.ad_years} years of accelerated decomposition, to be read")
        first = first_years(case, self.ad_years)
        progress(0.8, "pools of the equilibrium")
        before = time.thread_time()
        inputs, names = inputs_of(case, first), input_names(case, first)
        wanted = self.about["case"]["inputs"]
        odd = sorted(set(wanted) - set(inputs))
        if odd:
            raise FailedPrecondition(
                f"the spin-up '{self.name}' learned inputs of the kind {', '.join(odd)}, which "
                f"{case.model} does not give"
            )
        guess = self.predict(
            {kind: placed(inputs[kind], names[kind], list(wanted[kind])) for kind in wanted}
        )
        # What a site has not is NaN in bare ground already.
        there = np.isfinite(case.pools(case.cold_start()))
        pools, usable = self._possible(guess, case.layout, there)
        frame = case.cold_start() if first is None else case.leave_ad(first.last.state)
        failed = np.zeros(case.sites, dtype=bool)
        if first is not None:
            failed[list(first.last.failed)] = True
        state = case.with_pools(frame, np.where(usable[:, np.newaxis], pools, np.nan))
        case.cost.cpu_s += time.thread_time() - before
        progress(1.0, "done")
        return SpunUp(
            state,
            np.full(case.sites, float(self.ad_years)),
            self._notes(usable, failed),
            None if guess.spread is None else self._in_layout(guess.spread, case.layout, there),
            np.where(usable, guess.unfamiliar, np.inf),
        )

    def _possible(
        self, guess: Guess, layout: PoolLayout, there: NDArray[np.bool_]
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Pools that can be, in the case's layout, and the sites that have all of theirs."""
        pools = self._in_layout(guess.pools, layout, there)
        signed = np.array([pool.signed for pool in layout.pools])
        least = np.where(signed, -LARGEST, 0.0)
        pools = np.where(np.isfinite(pools), np.clip(pools, least, LARGEST), np.nan)
        for debt, stores in _debts(layout):
            # A plant owes less than it has: with more it were nothing, or less.
            pools[:, debt] = np.maximum(pools[:, debt], -0.5 * np.nansum(pools[:, stores], axis=1))
        for carbon, nitrogen in _pairs(layout):
            c = pools[:, carbon]
            pools[:, nitrogen] = np.clip(pools[:, nitrogen], c / POOREST, c / RICHEST)
        grams = np.array([p.units.startswith("gC m-") and not p.signed for p in layout.pools])
        whole = (np.isfinite(pools) | ~there).all(axis=1)
        usable = whole & (np.nansum(pools[:, grams], axis=1) > FRAME) & (guess.unfamiliar >= 0.0)
        return pools, usable

    def _in_layout(self, values: Floats, layout: PoolLayout, there: NDArray[np.bool_]) -> Floats:
        found = placed(values, list(self.layout.names), list(layout.names))
        return np.where(there, found, np.nan)

    def _strange_pools(self, layout: PoolLayout) -> list[bool]:
        """Pools of plants that were not learned."""
        learned = {pool.pft for pool in self.layout.pools}
        return [pool.pft not in learned for pool in layout.pools]

    def _notes(self, usable: NDArray[np.bool_], failed: NDArray[np.bool_]) -> tuple[str, ...]:
        made = []
        if failed.any():
            made.append(f"{int(failed.sum())} sites failed in the years that are read")
        odd = ~usable & ~failed
        if odd.any():
            made.append(
                f"{int(odd.sum())} sites have plants that were not learned, or no pools that could "
                f"be were predicted (the first is site {int(np.argmax(odd))}); they are left to "
                "the native spin-up"
            )
        return tuple(made)


def _debts(layout: PoolLayout) -> list[tuple[int, list[int]]]:
    """Columns of carbon that may be negative, and those of the same plant that may not."""
    carbon = [pool.units == "gC m-2" and pool.pft >= 0 for pool in layout.pools]
    return [
        (
            n,
            [
                k
                for k, other in enumerate(layout.pools)
                if carbon[k] and other.pft == pool.pft and not other.signed
            ],
        )
        for n, pool in enumerate(layout.pools)
        if carbon[n] and pool.signed
    ]


def _pairs(layout: PoolLayout) -> list[tuple[int, int]]:
    """Columns of carbon and nitrogen of litter and debris, whose ratio floats: litr1c, litr1n."""
    at = {name: n for n, name in enumerate(layout.names)}
    made = []
    for n, pool in enumerate(layout.pools):
        stem, dot, level = pool.name.partition(".")
        twin = at.get(f"{stem[:-1]}n{dot}{level}")
        if stem.startswith(("litr", "cwd")) and stem.endswith("c") and twin is not None:
            made.append((n, twin))
    return made
