"""Ranges of parameters, and those that have no effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

INERT = {
    "crit_onset_gdd": "ELM takes exp(4.8 + 0.13 T) in its place, T being the mean temperature of "
    "the 2 m air; the value in the file is not read",
}
"""Parameters that ELM's present source does not use, and why."""


@dataclass(frozen=True)
class Range:
    """Range of a parameter.

    Parameters
    ----------
    low, high : float
        Range that calibrations of ELM use (Lu and Ricciuto 2019).
    least, most : float
        Beyond these the equations make no sense.
    units : str
    """

    low: float
    high: float
    least: float
    most: float
    units: str


RANGES = {
    "rootb_par": Range(0.5, 4.0, 0.0, 1000.0, "1/m"),
    "slatop": Range(0.01, 0.05, 1e-4, 0.2, "m2/gC"),
    "flnr": Range(0.1, 0.4, 1e-3, 1.0, "fraction"),
    "frootcn": Range(25.0, 60.0, 5.0, 500.0, "gC/gN"),
    "froot_leaf": Range(0.3, 1.5, 0.0, 10.0, "gC/gC"),
    "br_mr": Range(1.5e-6, 4.0e-6, 1e-8, 1e-4, "gC/gN/s"),
    "crit_dayl": Range(35000.0, 45000.0, 0.0, 86400.0, "s"),
    "crit_onset_gdd": Range(500.0, 1000.0, 0.0, 5000.0, "degree days"),
}


def check_value(name: str, value: float, default: float) -> tuple[str, str]:
    """Judge a value.

    Parameters
    ----------
    name : str
    value : float
    default : float
        What the file holds.

    Returns
    -------
    tuple of str
        Why it is refused, and what to be warned of; empty where there is nothing.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return f"got {value!r}, wanted a finite number", ""
    known = RANGES.get(name)
    if known is None:
        if default != 0.0 and not 0.1 <= value / default <= 10.0:
            return "", f"got {value:g}, more than ten times away from the file's {default:g}"
        return "", ""
    if not known.least <= value <= known.most:
        wanted = f"{known.least:g} to {known.most:g} {known.units}"
        return f"got {value:g}, wanted {wanted}; mind the units", ""
    if not known.low <= value <= known.high:
        return "", f"got {value:g}, calibrations use {known.low:g} to {known.high:g} {known.units}"
    return "", ""
