"""Missing values: refused, or short ones filled from the days around them, and counted."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Gaps = Literal["error", "fill"]
"""``error``: a missing value is an error. ``fill``: gaps up to :data:`LONGEST_DAYS` are filled."""

LONGEST_DAYS = 10.0
"""Longer gaps are never filled: a made-up fortnight is no weather."""
WINDOWS_DAYS = (7, 14, 30)
"""Days on either side whose values at the same time of day are averaged: the first that suffices.

Falge et al. (2001, Agric. For. Meteorol. 107, 43-69) take 7 to 14.
"""


def closed(
    name: str,
    values: Array,
    times: NDArray[np.generic],
    steps_a_day: float,
    gaps: Gaps,
) -> tuple[Array, list[Finding]]:
    """Series without missing values.

    Gaps are filled by the mean diurnal course: the mean of the values at the same time of day on
    the days around (Falge et al. 2001, section 2.2). Filled rain falls as their mean does: often
    and weakly, with the right total.

    Parameters
    ----------
    name : str
        Of the variable, for messages.
    values : array (cell, step)
    times : array (step,)
        Start of each step, for messages.
    steps_a_day : float
        Below 1 for steps of months.
    gaps : {"error", "fill"}

    Raises
    ------
    InvalidData
        For a missing value under ``error``; for a gap that is longer than :data:`LONGEST_DAYS`, or
        without values around it, under ``fill``.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values, []
    cell, first, length = _longest(missing)
    hours = length * 24 / steps_a_day
    where = f"{missing.sum()} missing values, at most {hours:g} h in a row from {times[first]}"
    if values.shape[0] > 1:
        where += f" in cell {cell}"
    if gaps == "error":
        raise InvalidData(
            f"variable {name}: found {where}; wanted none: pass gaps='fill' to fill gaps of up to "
            f"{LONGEST_DAYS:g} days by the mean diurnal course, or fill them in the source"
        )
    if hours > 24 * LONGEST_DAYS:
        raise InvalidData(
            f"variable {name}: found {where}; wanted gaps of at most {LONGEST_DAYS:g} days: take "
            "another period, or fill it from another source"
        )
    filled = values.copy()
    for row in np.flatnonzero(missing.any(axis=1)):
        filled[row] = _filled(name, values[row], times, int(steps_a_day))
    note = Finding(
        check="forcing_gaps", action="converted", variable=name, dimension="time",
        found=where, wanted="no missing values",
        why="filled by the mean diurnal course of the days around (Falge et al. 2001)",
    )  # fmt: skip
    return filled, [note]


def _filled(
    name: str, series: Array, times: NDArray[np.generic], steps_a_day: int
) -> NDArray[np.float64]:
    filled = series.copy()
    for step in np.flatnonzero(np.isnan(series)):
        for window in WINDOWS_DAYS:
            offsets = np.arange(-window, window + 1) * steps_a_day
            around = step + offsets
            around = around[(around >= 0) & (around < series.size)]
            known = series[around][~np.isnan(series[around])]
            if known.size >= 3:
                filled[step] = known.mean()
                break
        else:
            raise InvalidData(
                f"variable {name}: found fewer than 3 values at the time of day of {times[step]} "
                f"within {WINDOWS_DAYS[-1]} days; wanted 3 to fill it: select another period"
            )
    return filled


def _longest(missing: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Cell, first step and length of the longest run of missing values."""
    best = (0, 0, 0)
    for cell in np.flatnonzero(missing.any(axis=1)):
        edges = np.diff(np.concatenate([[False], missing[cell], [False]]).astype(np.int8))
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        run = int((ends - starts).argmax())
        if ends[run] - starts[run] > best[2]:
            best = (int(cell), int(starts[run]), int(ends[run] - starts[run]))
    return best
