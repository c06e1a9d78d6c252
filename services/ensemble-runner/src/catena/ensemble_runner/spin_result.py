"""What a method made of many sites, and how it compares with the truth.

Verification: pools beside those of a long native spin-up, on blocks that no method has learned
from, where something grows. Validation: a free run of whole cycles of the forcing from the states.
Neither stands alone: pools may be right on average and drift, and a quiet site may be quiet at the
wrong carbon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

USED = ("as it was", "polished", "fallback", "failed")
"""What the state of a site is from, by the number in `used`: the method, the method with analytic
solutions of the slow pools, native spin-up; or no equilibrium was reached."""
FELL_BACK, FAILED = USED.index("fallback"), USED.index("failed")
WANTED_WITHIN = 0.97
"""Share of the sites that are to be at equilibrium (specs; Thornton and Rosenbloom 2005)."""
VEGETATED_GC = 50.0
"""gC m-2 in the reference's ecosystem; below it nothing grows, and zeros would flatter R2."""
LEAST_SITES = 8
"""Sites of a pool from which R2 is told."""
COVERED_SD = 1.645
"""Standard deviations on either side that hold 90 % of a normal distribution."""


@dataclass(frozen=True, eq=False)
class SpunUpSites:
    """Sites after a spin-up, its check and its fallback.

    Parameters
    ----------
    pools : float64 (site, pool)
        As the method left them, before the check and its polishing.
    after_cycle : float64 (site, pool)
        After the check's first cycle, before any polishing.
    ended : float64 (site, pool)
        After check and fallback.
    years, check_years, fallback_years : float64 (site,)
        Simulated, by the method itself, for the check, and by the fallback.
    used : int64 (site,)
        Place among :data:`USED`.
    passed_first : int64 (site,)
        1 where the check was passed without fallback, perhaps polished.
    nee_first : float64 (site,)
        Mean of the first cycle after the method, gC m-2 yr-1.
    nee_checked, drift_checked : float64 (site,)
        As the check found them in the end, settled and polished, before any fallback.
    nee, drift : float64 (site,)
        At the end.
    free_nee : float64 (site, cycle)
        Of the free run; no cycle where there was none.
    free_drift : float64 (site,)
        Change of TOTECOSYSC over the free run, gC m-2 yr-1.
    unfamiliar : float64 (site,)
        NaN where the method learned nothing.
    spread : float64 (site, pool)
        NaN where the method knows none.
    why : mapping of int to str
        What the check said of sites that did not pass.
    cpu_s : mapping of str to float
        ``learn``: fitting or reading what was learned, in each process once; ``method``; ``check``
        with the fallback.
    notes : tuple of str
    """

    pools: Array
    after_cycle: Array
    ended: Array
    years: Array
    check_years: Array
    fallback_years: Array
    used: Ints
    passed_first: Ints
    nee_first: Array
    nee_checked: Array
    drift_checked: Array
    nee: Array
    drift: Array
    free_nee: Array
    free_drift: Array
    unfamiliar: Array
    spread: Array
    why: Mapping[int, str] = field(default_factory=dict)
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Sites by what became of them."""
        return {name: int((self.used == number).sum()) for number, name in enumerate(USED)}

    @property
    def total_years(self) -> Array:
        """All that was simulated, (site,)."""
        return self.years + self.check_years + self.fallback_years

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a file holds them."""
        return {name: getattr(self, name) for name in ARRAYS}

    def about(self) -> dict[str, Any]:
        """The rest, as JSON."""
        return {
            "why": {str(site): text for site, text in self.why.items()},
            "cpu_s": dict(self.cpu_s),
            "notes": list(self.notes),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> SpunUpSites:
        """Inverse of :meth:`arrays` and :meth:`about`."""
        return cls(
            **{name: arrays[name] for name in ARRAYS},
            why={int(site): str(text) for site, text in about["why"].items()},
            cpu_s=dict(about["cpu_s"]),
            notes=tuple(about["notes"]),
        )


ARRAYS = (
    "pools", "after_cycle", "ended", "years", "check_years", "fallback_years", "used",
    "passed_first", "nee_first", "nee_checked", "drift_checked", "nee", "drift", "free_nee",
    "free_drift", "unfamiliar", "spread",
)  # fmt: skip


def joined(parts: Sequence[tuple[Ints, SpunUpSites]], sites: int) -> SpunUpSites:
    """Blocks of sites put together.

    Parameters
    ----------
    parts : sequence of (int64 (some,), SpunUpSites)
        Their sites, each in one of them.
    sites : int
    """
    made: dict[str, NDArray[Any]] = {}
    for name in ARRAYS:
        first = getattr(parts[0][1], name)
        whole = np.empty((sites, *first.shape[1:]), dtype=first.dtype)
        for rows, part in parts:
            whole[rows] = getattr(part, name)
        made[name] = whole
    why = {int(rows[site]): text for rows, part in parts for site, text in part.why.items()}
    names = dict.fromkeys(name for _, part in parts for name in part.cpu_s)
    return SpunUpSites(
        **made,
        why=dict(sorted(why.items())),
        cpu_s={name: sum(part.cpu_s.get(name, 0.0) for _, part in parts) for name in names},
        notes=tuple(dict.fromkeys(note for _, part in parts for note in part.notes)),
    )


# ------------------------------------------------------------------ verification and validation


@dataclass(frozen=True)
class Verification:
    """Pools beside the truth, on sites of blocks left out.

    Parameters
    ----------
    sites : int
        That count: unseen, vegetated, at their end in the reference.
    r2 : dict of str to float
        By pool; a pool of plants is one pool, whichever plant has it. Pools of too few sites, or
        that are all alike, are left out.
    coverage90 : float
        Share of the truth inside of 90 % of the method's own spread; NaN where it has none.
    """

    sites: int
    r2: dict[str, float]
    coverage90: float

    @property
    def median(self) -> float:
        """R2 of the middle pool."""
        return float(np.median(list(self.r2.values()))) if self.r2 else float("nan")

    @property
    def worst(self) -> tuple[str, float]:
        """The pool with the lowest R2."""
        if not self.r2:
            return "", float("nan")
        name = min(self.r2, key=lambda one: self.r2[one])
        return name, self.r2[name]


def verify(
    made: SpunUpSites,
    truth: SpunUpSites,
    unseen: NDArray[np.bool_],
    names: Sequence[str],
    after_cycle: bool = False,
) -> Verification:
    """Pools of a method beside the reference's, where nobody has learned and something grows.

    Parameters
    ----------
    made, truth : SpunUpSites
    unseen : bool (site,)
    names : sequence of str
        Of the pools, of plants ``<pool>.<plant>``.
    after_cycle : bool
        After a cycle of the model from what the method said, in which fast pools follow; intervals
        are those of what it said, and are not judged then.
    """
    said = made.after_cycle if after_cycle else made.pools
    counted = unseen & vegetated(truth) & (truth.used != FAILED)
    r2: dict[str, float] = {}
    inside, known_spread = 0, 0
    for name, columns in one_of_all_plants(names).items():
        mine = said[np.ix_(counted, columns)].ravel()
        right = truth.ended[np.ix_(counted, columns)].ravel()
        there = np.isfinite(right)
        if there.sum() < LEAST_SITES or right[there].std() <= 1e-9 * abs(right[there].mean()):
            continue
        # A site that the method lost counts as wrong: it is as far off as nothing at all.
        wrong = np.where(np.isfinite(mine[there]), mine[there], 0.0) - right[there]
        r2[name] = float(1.0 - np.mean(wrong**2) / right[there].var())
        spread = made.spread[np.ix_(counted, columns)].ravel()[there]
        with_spread = np.isfinite(spread) & np.isfinite(mine[there])
        inside += int((np.abs(wrong) <= COVERED_SD * spread)[with_spread].sum())
        known_spread += int(with_spread.sum())
    coverage = inside / known_spread if known_spread and not after_cycle else float("nan")
    return Verification(int(counted.sum()), r2, coverage)


def one_of_all_plants(names: Sequence[str]) -> dict[str, list[int]]:
    """Columns of each pool by its name without the plant."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        found.setdefault(name.partition(".")[0], []).append(column)
    return found


def familiar(made: SpunUpSites) -> NDArray[np.bool_]:
    """Sites like those that a method learned from, bool (site,); all where it learned nothing."""
    return np.asarray(~(made.unfamiliar > 1.0))


def vegetated(truth: SpunUpSites) -> NDArray[np.bool_]:
    """Sites where something grows in the reference, bool (site,)."""
    carbon = np.nansum(np.where(np.isfinite(truth.ended), truth.ended, 0.0), axis=1)
    return np.asarray(carbon > VEGETATED_GC)


@dataclass(frozen=True)
class Validation:
    """A free run of whole cycles from states.

    Parameters
    ----------
    sites : int
    nee_abs_median : float
        Of the cycle means of each site, gC m-2 yr-1.
    nee_mean : float
        Over all sites: what a region would take up or lose for nothing.
    drift_abs_median : float
        Of TOTECOSYSC, gC m-2 yr-1.
    within : float
        Share of the sites with neither beyond the limit.
    """

    sites: int
    nee_abs_median: float
    nee_mean: float
    drift_abs_median: float
    within: float


def validate(
    free_nee: Array, free_drift: Array, limit: float, some: NDArray[np.bool_] | None = None
) -> Validation:
    """Judge a free run.

    Parameters
    ----------
    free_nee : float64 (site, cycle)
    free_drift : float64 (site,)
    limit : float
        gC m-2 yr-1.
    some : bool (site,), optional
        Sites that count; all by default. One without numbers has failed.
    """
    chosen = np.ones(len(free_drift), bool) if some is None else some
    nee, drift = free_nee[chosen].mean(axis=1), free_drift[chosen]
    if not nee.size:
        return Validation(0, *[float("nan")] * 4)
    within = (np.abs(nee) <= limit) & (np.abs(drift) <= limit)
    return Validation(
        int(nee.size),
        float(np.nanmedian(np.abs(nee))),
        float(np.nanmean(nee)),
        float(np.nanmedian(np.abs(drift))),
        float(within.mean()),
    )


def residual_years(made: SpunUpSites) -> Array:
    """Years of native run that each site still needed after the method, (site,); inf: too many."""
    return np.where(made.used == FAILED, np.inf, made.fallback_years)
