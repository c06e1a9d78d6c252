"""Methods side by side: scores, costs, and the figures of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catena.coupler.spin_up.check import CheckPlan
from catena.ensemble_runner.spin_result import (
    FAILED,
    SpunUpSites,
    Validation,
    Verification,
    familiar,
    validate,
    verify,
)
from catena.ensemble_runner.spin_words import Lesson

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contender:
    """A method and what it made.

    Parameters
    ----------
    label : str
    kind : str
    made : SpunUpSites
    lesson : Lesson, optional
        What it learned from.
    """

    label: str
    kind: str
    made: SpunUpSites
    lesson: Lesson | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """Everything that the page is about.

    Parameters
    ----------
    title : str
    model : str
        Name and version.
    lat, lon : float64 (cell,)
    cell : int64 (site,)
    pools : tuple of str
    contenders : sequence of Contender
        The first is the one that the page is about.
    truth : SpunUpSites
        The reference.
    truth_label : str
    before_nee : float64 (site,)
        Cycle-mean NEE right after a short accelerated decomposition: what is swapped away.
    before_label : str
    unseen : bool (site,)
        In no block that a method has learned from.
    check : CheckPlan
    cycle_years, free_cycles : int
    facts : sequence of (str, str)
        About the data.
    notices : sequence of str
    """

    title: str
    model: str
    lat: Array
    lon: Array
    cell: NDArray[np.int64]
    pools: tuple[str, ...]
    contenders: Sequence[Contender]
    truth: SpunUpSites
    truth_label: str
    before_nee: Array
    before_label: str
    unseen: NDArray[np.bool_]
    check: CheckPlan
    cycle_years: int
    free_cycles: int
    facts: Sequence[tuple[str, str]]
    notices: Sequence[str]

    @property
    def limit(self) -> float:
        """Largest cycle-mean NEE of a site at equilibrium, gC m-2 yr-1."""
        return self.check.criterion.nee

    @property
    def native(self) -> Contender | None:
        """The native spin-up that others are cheaper than."""
        return next((one for one in self.contenders if one.kind == "native"), None)

    def scores(self, one: Contender) -> tuple[Verification, Validation]:
        """Both, always together: pools on unseen sites, and a free run of all."""
        made = one.made
        return (
            verify(made, self.truth, self.unseen, self.pools),
            validate(made.free_nee, made.free_drift, self.limit),
        )

    def verify_after_cycle(self, one: Contender) -> Verification:
        """Pools after a cycle of the model from what the method said."""
        return verify(one.made, self.truth, self.unseen, self.pools, after_cycle=True)

    def verify_familiar(self, one: Contender) -> Verification:
        """Pools on those unseen sites that are like what the method learned from."""
        return verify(one.made, self.truth, self.unseen & familiar(one.made), self.pools)

    def of_cells(self, values: Array) -> Array:
        """Means over the parameter sets of each cell, (cell,)."""
        return mean_of_cells(values, self.cell, self.lat.size)


def mean_of_cells(values: Array, cell: NDArray[np.int64], cells: int) -> Array:
    """Means over the sites of each cell, (cell,); NaN where none has a number."""
    known = np.isfinite(values)
    total = np.bincount(cell[known], values[known], cells)
    count = np.bincount(cell[known], minlength=cells)
    mean: Array = np.divide(total, count, out=np.full(cells, np.nan), where=count > 0)
    return mean


def summary(found: Compared, scores: Sequence[tuple[Verification, Validation]]) -> dict[str, Any]:
    """Figures of the page as JSON."""
    rows = {}
    for one, (verified, validated) in zip(found.contenders, scores, strict=True):
        made, known = one.made, found.verify_familiar(one)
        settled = found.verify_after_cycle(one)
        rows[one.label] = {
            "kind": one.kind,
            "sites": made.counts,
            "within_without_fallback": float(made.passed_first.mean()),
            "within_with_fallback": float((made.used != FAILED).mean()),
            "verification": {
                "sites": verified.sites,
                "r2_median_pools": plain(verified.median),
                "r2_worst_pool": plain(verified.worst[1]),
                "worst_pool": verified.worst[0],
                "r2": {name: plain(value) for name, value in verified.r2.items()},
                "coverage90": plain(verified.coverage90),
            },
            "verification_after_a_cycle": {
                "r2_median_pools": plain(settled.median),
                "r2_worst_pool": plain(settled.worst[1]),
                "worst_pool": settled.worst[0],
            },
            "verification_where_familiar": {
                "sites": known.sites,
                "r2_median_pools": plain(known.median),
                "r2_worst_pool": plain(known.worst[1]),
                "worst_pool": known.worst[0],
            },
            "validation": {name: plain(value) for name, value in vars(validated).items()},
            "nee_abs_median_first_cycle": plain(median_abs(made.nee_first)),
            "nee_abs_median_checked": plain(median_abs(made.nee_checked)),
            "drift_abs_median_checked": plain(median_abs(made.drift_checked)),
            "years": {
                name: plain(float(np.nanmean(getattr(made, name))))
                for name in ("years", "check_years", "fallback_years")
            },
            "cpu_s": {name: plain(value) for name, value in made.cpu_s.items()},
            "cpu_ratio": plain(cheaper(found.native, one)),
        }
    return {
        "title": found.title,
        "model": found.model,
        "sites": int(found.cell.size),
        "cells": int(found.lat.size),
        "unseen_sites": int(found.unseen.sum()),
        "limit": found.limit,
        "cycle_years": found.cycle_years,
        "free_cycles": found.free_cycles,
        "reference": found.truth_label,
        "reference_within": float((found.truth.used != FAILED).mean()),
        "methods": rows,
    }


def plain(value: float) -> float | None:
    """A number as JSON holds it."""
    return float(value) if np.isfinite(value) else None


def cpu_of(one: Contender) -> float:
    """CPU seconds with check and fallback."""
    return sum(one.made.cpu_s.get(name, 0.0) for name in ("method", "check"))


def cheaper(native: Contender | None, one: Contender) -> float:
    """How many times cheaper than native, with check and fallback; NaN without one."""
    if native is None or not cpu_of(one):
        return float("nan")
    return cpu_of(native) / cpu_of(one)


def median_abs(values: Array) -> float:
    """Median of absolute values; NaN where there are none."""
    known = np.abs(values[np.isfinite(values)])
    return float(np.median(known)) if known.size else float("nan")
