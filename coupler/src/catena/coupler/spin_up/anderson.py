"""Anderson acceleration: a cycle of the forcing as a black box whose fixed point is wanted.

Source: Anderson (1965), J. ACM 12, 547; Walker and Ni (2011), SIAM J. Numer. Anal. 49, 1715, type
II; Khatiwala (2024) for the spin-up of ocean models. Pools are taken by their logarithms, which
keeps them positive; each site is accelerated on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.case import Floats, LandCase, S
from catena.coupler.spin_up.layout import PoolLayout
from catena.coupler.spin_up.native import accelerated, whole_cycles
from catena.coupler.spin_up.plug_in import Progress, SpinUp, SpunUp, quiet
from catena.shared.errors import InvalidRequest

SMALLEST = 1e-6
"""g m-2; smaller pools are left as the run leaves them: their logarithms are noise."""
CARBON_PER_NITROGEN = 20.0
"""gC that one gN counts for, about the ratio of whole ecosystems."""
ALONG = 1e-6
"""Directions in which differences of length 1 differ by less than this count as one."""


def mixed(g: Floats, f: Floats, dx: Floats, df: Floats, weights: Floats) -> Floats:
    """The next guess of independent fixed-point problems ``x = g(x)``, one a row.

    Parameters
    ----------
    g, f : float64 (site, number)
        The last application and its residual ``g - x``.
    dx, df : float64 (site, past, number)
        Differences of guesses and residuals; rows of 0 are of no effect.
    weights : float64 (site, number)
        Of the squares of the residual.

    Returns
    -------
    float64 (site, number)
        ``g - (dx + df)^T c`` with the c that makes ``f - df^T c`` smallest.
    """
    root = np.sqrt(weights)
    columns = (df * root[:, np.newaxis]).transpose(0, 2, 1)
    # Differences shrink as the residual does: of one length, none is lost beside the others.
    length = np.linalg.norm(columns, axis=1, keepdims=True)
    columns = np.divide(columns, length, out=np.zeros_like(columns), where=length > 0.0)
    c = np.linalg.pinv(columns, rcond=ALONG) @ (root * f)[..., np.newaxis]
    length = length.transpose(0, 2, 1)
    c = np.divide(c, length, out=np.zeros_like(c), where=length > 0.0)
    made: Floats = g - ((dx + df).transpose(0, 2, 1) @ c)[..., 0]
    return made


@dataclass(frozen=True)
class Anderson(SpinUp):
    """Sequence acceleration over whole cycles, safeguarded.

    A guess after which a cycle changes more than before, or cannot be run, is given up: the site
    goes back to the plain iterate from which the guess was made, and its past is forgotten. Where
    sites run together only, they are judged by their sum and go back together.

    Parameters
    ----------
    start_years : int
        Accelerated decomposition before, from bare ground; rounded up to whole cycles.
    cycles : int
        That are run as the model is; all but the last are followed by a guess.
    depth : int
        Differences that are kept.
    largest : float
        Largest change of a pool's logarithm beyond the plain iterate.
    worse : float
        Growth of the residual up to which a guess is trusted.
    """

    name: ClassVar[str] = "anderson"
    start_years: int = 100
    cycles: int = 14
    depth: int = 4
    largest: float = 1.0
    worse: float = 1.5

    def __post_init__(self) -> None:
        whole = self.start_years >= 1 and self.cycles >= 2 and self.depth >= 1
        if not (whole and self.largest > 0.0 and self.worse > 0.0):
            raise InvalidRequest(
                f"{self.start_years} years to start, {self.cycles} cycles, depth {self.depth}, "
                f"steps of {self.largest} and a growth of {self.worse} came; 1, 2, 1 or more, and "
                "a positive step and growth were wanted"
            )

    def run(self, case: LandCase[S], progress: Progress = quiet) -> SpunUp[S]:
        """Bring all sites to equilibrium, or nearer to it than the same number of cycles would."""
        self.require(case)
        progress(0.0, "accelerated decomposition")
        state = case.leave_ad(accelerated(case, self.start_years))
        plain = state
        units = _carbon_units(case.layout)
        x = _logarithms(case.pools(state))
        x_before = f_before = np.zeros_like(x)
        past: list[tuple[Floats, Floats]] = []
        known = np.zeros(case.sites, dtype=bool)  # whether there is a guess before
        last = np.full(case.sites, np.inf)
        rejected = 0
        for n in range(self.cycles):
            progress((n + 1) / (self.cycles + 1), f"cycle {n + 1} of {self.cycles}")
            stretch = case.run(state, 1)
            g = _logarithms(stretch.pools)
            usable = np.isfinite(x) & np.isfinite(g)
            f = np.where(usable, g - x, 0.0)
            stocks = np.where(usable, units * np.exp(g), 0.0)
            # In gC: relative changes would be as small far above the equilibrium as near it.
            moved = stocks - np.where(usable, units * np.exp(x), 0.0)
            merit = _size(moved, together=not case.divisible)
            total = stocks.sum(axis=1, keepdims=True)
            weights = np.divide(stocks, total, out=np.zeros_like(stocks), where=total > 0.0)
            failed = np.isin(np.arange(case.sites), list(stretch.failed))
            bad = known & (failed | (merit > self.worse * last))
            if not case.divisible:
                bad[:] = bad.any()
            good = known & ~bad
            fresh = good[:, np.newaxis] & usable & np.isfinite(x_before)
            past.append((np.where(fresh, x - x_before, 0.0), np.where(fresh, f - f_before, 0.0)))
            past = [(_kept(dx, ~bad), _kept(df, ~bad)) for dx, df in past[-self.depth :]]
            back, ended = np.flatnonzero(bad), stretch.state
            if back.size:
                ended = case.put(ended, back, case.take(plain, back))
                rejected += back.size
            plain = ended
            x_before, f_before = x, f
            known = ~bad
            last = np.where(bad, last, merit)
            if n + 1 == self.cycles:
                break
            guess = mixed(np.where(usable, g, 0.0), f, *_stacked(past), weights)
            guess = np.clip(guess, g - self.largest, g + self.largest)
            accelerates = usable & ~bad[:, np.newaxis]
            state = case.with_pools(plain, np.where(accelerates, np.exp(guess), np.nan))
            x = _logarithms(case.pools(state))
        progress(1.0, "done")
        years = (max(whole_cycles(case, self.start_years), 1) + self.cycles) * case.cycle_years
        return SpunUp(
            plain,
            np.full(case.sites, float(years)),
            notes=(f"{rejected} of {case.sites * (self.cycles - 1)} guesses were given up",),
        )


def _size(moved: Floats, *, together: bool) -> Floats:
    """Length of each site's change, or of that of all of them for each."""
    squares = (moved * moved).sum(axis=1)
    return np.sqrt(np.full_like(squares, squares.sum()) if together else squares)


def _stacked(past: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.stack([dx for dx, _ in past], axis=1), np.stack([df for _, df in past], axis=1)


def _kept(values: Floats, where: NDArray[np.bool_]) -> Floats:
    return np.where(where[:, np.newaxis], values, 0.0)


def _logarithms(pools: Floats) -> Floats:
    """NaN for what is absent, signed and negative, or too small."""
    return np.log(np.where(pools > SMALLEST, pools, np.nan))


def _carbon_units(layout: PoolLayout) -> Floats:
    """gC that a unit of each pool counts for; 0 for what is no stock, or signed."""
    made = []
    for pool in layout.pools:
        stock = pool.units in ("gC m-2", "gN m-2") and not pool.signed
        made.append(stock * (CARBON_PER_NITROGEN if pool.units.startswith("gN") else 1.0))
    return np.array(made)
