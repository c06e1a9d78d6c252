"""Checks of values against what can be: contradictions with the unit, ranges, frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.view import View, converted, number, refused_variable
from catena.shared.errors import InvalidData
from catena.shared.lexicon import Variable, factor_offset, same_units

Array = np.ndarray[Any, Any]

ALTERNATIVES = {
    "K": ("degC", "degF", "K"),
    "Pa": ("hPa", "kPa", "Pa"),
    "%": ("1", "%"),
    "1": ("%", "g kg-1", "1"),
    "kg m-2 s-1": ("mm d-1", "mm h-1", "m d-1", "kg m-2 s-1", "g m-2 d-1", "umol m-2 s-1"),
    "kg m-2": ("m", "cm", "g m-2"),
    "m": ("cm", "mm", "m2 s-2", "km"),
    "W m-2": ("W m-2", "J m-2 h-1", "kJ m-2 h-1", "MJ m-2 d-1", "J m-2 d-1"),
    "mol mol-1": ("ppm", "ppb"),
    "m3 s-1": ("ft3 s-1",),
}
"""What a mislabelled variable is usually in. It is said, never assumed."""
MANY = 30
"""Values from which on the largest of them says something."""
SLACK = 1e-6
"""Relative: single precision is no fault."""

POINT_RUN_S = 2 * clock.DAY
POINT_RUN_STEPS = 12
"""A state at a point that keeps one value for two days and twelve steps is a stuck sensor."""
FIELD_CELLS = 16
"""A field of so many cells, with as many different values, never comes twice."""
RANGES_AT_MOST = 100


def contradiction(view: View) -> Iterator[Finding]:
    """Values that cannot be in the unit of their label, but would be right in another one."""
    for name in view.variables:
        variable, statistics = view.variable(name), view.statistics(name)
        if not statistics.valid:
            continue
        low, high = statistics.low, statistics.high
        if variable.low == 0 and low < 0:
            # A trace below zero says nothing about the unit; more is for the next check.
            if -low > _trace(variable, high):
                continue
            low = 0.0
        too_small = (
            statistics.valid >= MANY and 0 < high < variable.least_max and variable.least_max > 0
        )
        if _inside(variable, low, high) and not too_small:
            continue
        other = _other_unit(view, name)
        if other or too_small:
            label = view.raw.get(name, (0, 0, variable.units))[2]
            least = f", more than {number(variable.least_max)} somewhere" if too_small else ""
            yield refused_variable(
                view, name, f"{_raw_words(view, name)} '{label}'",
                f"{number(variable.low)} to {number(variable.high)} {variable.units}{least}",
                "the values contradict their unit; "
                + (f"they look like {other}: " if other else "")
                + "if so, overrule the label in the lexicon (labelled)",
            )  # fmt: skip


def negative(view: View) -> Iterator[Finding]:
    """What cannot be negative is not: traces of packing become zero, more is refused."""
    for name in view.variables:
        variable, statistics = view.variable(name), view.statistics(name)
        if variable.low != 0 or not statistics.low < 0:
            continue
        trace = _trace(variable, statistics.high)
        if -statistics.low <= trace:
            yield converted(
                f"down to {number(statistics.low)} {variable.units}", "0 or more",
                f"a trace of packing, smoothing or a sensor's zero (at most {number(trace)}); "
                "set to zero",
                Fix("clip", {"variable": name, "low": 0.0}), variable=view.source(name),
            )  # fmt: skip
        else:
            yield refused_variable(
                view, name, f"down to {number(statistics.low)} {variable.units}", "0 or more",
                f"too far below zero for a rounding error ({number(trace)}); correct the source",
            )  # fmt: skip


def physical_range(view: View) -> Iterator[Finding]:
    """Values lie within what occurs on Earth."""
    for name in view.variables:
        variable, statistics = view.variable(name), view.statistics(name)
        if not statistics.valid or _inside(variable, statistics.low, statistics.high):
            continue
        found = f"{number(statistics.low)} to {number(statistics.high)} {variable.units}"
        wanted = f"{number(variable.low)} to {number(variable.high)} {variable.units}"
        over = max(statistics.high - variable.high, variable.low - statistics.low)
        if 0 < over <= variable.tolerance:
            yield converted(
                found, wanted, "beyond by rounding; set to the limit",
                Fix("clip", {"variable": name, "low": variable.low, "high": variable.high}),
                variable=view.source(name),
            )  # fmt: skip
        else:
            yield refused_variable(
                view, name, found, wanted,
                "values that do not occur on Earth; mask or correct them in the source",
            )  # fmt: skip


def frozen(view: View) -> Iterator[Finding]:
    """Values that stand still: the repeated steps become NaN.

    A whole field never comes twice, and a state at a point does not keep one value for days. Rain
    and radiation at a point may, and so may fields that are nearly all zero.
    """
    for name in view.variables:
        variable, statistics = view.variable(name), view.statistics(name)
        prints = statistics.step_prints
        if variable.repeats == "any" or prints is None or prints.size < 3:
            continue
        stuck = _stuck_run(view, variable)
        least = 2 if statistics.cells >= FIELD_CELLS else stuck
        if least == np.inf:
            continue
        ranges = [
            [start, stop]
            for start, stop in _runs(prints, int(least))
            if _really_repeats(view, name, start, stop, stuck)
        ]
        if not ranges:
            continue
        steps = sum(stop - start for start, stop in ranges)
        times = view.times
        since = clock.iso(times[ranges[0][0]]) if times is not None else str(ranges[0][0])
        longest = max(stop - start for start, stop in ranges)
        found = f"the same values in {longest} steps, {len(ranges)} times; first from {since}"
        wanted = f"fewer than {least:g} equal steps"
        if len(ranges) > RANGES_AT_MOST or steps > 0.5 * prints.size:
            yield refused_variable(
                view, name, found, wanted,
                f"{steps} of {prints.size} steps stand still: a stuck sensor or a broken file",
                dimension="time",
            )  # fmt: skip
            continue
        # The first step of a run may be true.
        repeated = [[start + 1, stop] for start, stop in ranges]
        yield converted(
            found, wanted, "a stuck sensor or a repeated field; all but the first count as missing",
            Fix("mask_times", {"variable": name, "ranges": repeated}),
            variable=view.source(name), dimension="time",
        )  # fmt: skip


def _stuck_run(view: View, variable: Variable) -> float:
    """From how many equal steps on a single place is stuck; infinite where it may stand still."""
    if variable.repeats != "never":
        return np.inf
    step = view.step
    if step is None or step.kind != "seconds":
        return 6
    return max(POINT_RUN_STEPS, int(np.ceil(POINT_RUN_S / step.seconds)))


def _runs(prints: Array, least: int) -> list[tuple[int, int]]:
    """Ranges of at least `least` equal numbers."""
    edges = np.flatnonzero(np.concatenate([[True], prints[1:] != prints[:-1], [True]]))
    lengths = np.diff(edges)
    return [(int(edges[i]), int(edges[i] + lengths[i])) for i in np.flatnonzero(lengths >= least)]


def _really_repeats(view: View, name: str, start: int, stop: int, long_run: float) -> bool:
    """Whether a run that checksums suggest is one of values that should change.

    A field has to hold as many different values as there must be cells, or to stand still for so
    long that even a single place would not.
    """
    array = view.dataset[name]
    first, second = (np.asarray(array.isel(time=position).values) for position in (start, stop - 1))
    known = ~np.isnan(first)
    if not known.any() or not np.array_equal(first, second, equal_nan=True):
        return False
    if first.size < FIELD_CELLS or stop - start >= long_run:
        return True
    # A dry or snow-free field may come again, and so may one of which little is not zero.
    return bool(np.unique(first[known]).size >= FIELD_CELLS)


def _trace(variable: Variable, high: float) -> float:
    """How far below zero a value may be and still count as zero."""
    return max(variable.tolerance, 1e-3 * abs(high))


def _inside(variable: Variable, low: float, high: float) -> bool:
    return low >= variable.low - SLACK * abs(variable.low) and high <= variable.high + SLACK * abs(
        variable.high
    )


def _other_unit(view: View, name: str) -> str:
    """The unit in which the file's numbers would be possible, if there is one."""
    variable = view.variable(name)
    low, high, label = view.raw.get(name, (np.nan, np.nan, variable.units))
    for unit in ALTERNATIVES.get(variable.units, ()):
        if same_units(unit, label):
            continue
        try:
            factor, offset = factor_offset(unit, variable.units, substance=variable.substance)
        except InvalidData:
            continue
        as_if = low * factor + offset, high * factor + offset
        if variable.low == 0 and -_trace(variable, as_if[1]) <= as_if[0] < 0:
            as_if = 0.0, as_if[1]
        if _inside(variable, *as_if) and as_if[1] >= variable.least_max:
            return f"'{unit}'"
    return _other_quantity(variable, low, high)


def _other_quantity(variable: Variable, low: float, high: float) -> str:
    if variable.name in ("huss", "hus") and low >= 0 and 1 < high <= 150:
        return "relative humidity in %"
    if variable.name.startswith(("hurs", "hur")) and low >= 0 and high < 0.05:
        return "specific humidity in kg kg-1"
    return ""


def _raw_words(view: View, name: str) -> str:
    low, high, _ = view.raw.get(name, (np.nan, np.nan, ""))
    return f"{number(low)} to {number(high)}"
