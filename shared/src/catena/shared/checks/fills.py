"""Checks of numbers that are none: packed integers, undeclared fill values, infinities, NaN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.statistics import HUGE, NAMED_HUGE, Statistics
from catena.shared.checks.view import View, converted, noted, number, refused_variable
from catena.shared.errors import InvalidData
from catena.shared.lexicon import factor_offset

Array = np.ndarray[Any, Any]
TABLE_CELLS = 1000
TABLE_SIZE = 64_000_000
"""Up to so many series, and so many values, the longest gap is looked for in each of them."""


def packing(view: View) -> Iterator[Finding]:
    """Packed integers are unpacked; integers that cannot be the values themselves are refused."""
    for name in view.variables:
        array = view.dataset[name]
        factor, offset = array.attrs.get("scale_factor"), array.attrs.get("add_offset")
        if factor is not None or offset is not None:
            scale = float(factor) if factor is not None else 1.0
            shift = float(offset) if offset is not None else 0.0
            declared = [
                float(np.ravel(array.attrs[word])[0])
                for word in ("_FillValue", "missing_value")
                if word in array.attrs
            ]
            fixes = [Fix("mask_values", {"variable": name, "values": declared})] if declared else []
            gone = dict.fromkeys(("scale_factor", "add_offset", "_FillValue", "missing_value"))
            yield converted(
                f"packed as {array.dtype}, scale {scale:g}, offset {shift:g}", "values",
                "unpacked as the file's attributes say", *fixes,
                Fix("scale", {"variable": name, "factor": scale, "offset": shift}),
                Fix("set_attributes", {"variable": name, "attributes": gone}),
                variable=view.source(name),
            )  # fmt: skip
        elif array.dtype.kind in "iu" and "scale_factor" not in array.encoding:
            yield from _bare_integers(view, name)


def fill_values(view: View) -> Iterator[Finding]:
    """Numbers that stand for a missing value become NaN."""
    for name in view.variables:
        statistics = view.statistics(name)
        declared = _declared(view, name)
        values = [
            value for value in statistics.sentinels if _is_fill(view, name, statistics, value)
        ]
        values += [value for value in declared if value not in values]
        huge = [value for value in statistics.huge if abs(value) >= HUGE]
        values += [value for value in statistics.huge if abs(value) < HUGE and value not in values]
        kept = [value for value in statistics.sentinels if value not in values]
        for value in kept:
            statistics.low = float(np.fmin(statistics.low, value))
            statistics.high = float(np.fmax(statistics.high, value))
            statistics.sentinels.pop(value)
        fixes = []
        if values:
            fixes.append(Fix("mask_values", {"variable": name, "values": values}))
        if huge:
            fixes.append(Fix("mask_beyond", {"variable": name, "limit": HUGE}))
        if not fixes:
            continue
        gone = dict.fromkeys(("_FillValue", "missing_value"))
        if declared:
            fixes.append(Fix("set_attributes", {"variable": name, "attributes": gone}))
        counts = {**statistics.sentinels, **statistics.huge}
        times = sum(counts.get(value, 0) for value in {*values, *huge})
        words = ", ".join(f"{value:.7g}" for value in [*values, *huge])
        yield converted(
            f"{words} ({times} of {statistics.count} values)",
            f"NaN where missing, else {_usual(statistics)}", "fill values that nothing declares",
            *fixes, variable=view.source(name),
        )  # fmt: skip


def infinite(view: View) -> Iterator[Finding]:
    """Infinite values become NaN."""
    for name in view.variables:
        count = view.statistics(name).infinite
        if count:
            yield converted(
                f"{count} infinite of {view.statistics(name).count} values",
                f"finite ones, as {_usual(view.statistics(name))}",
                "a division by zero or an overflow upstream; they count as missing",
                Fix("mask_beyond", {"variable": name, "limit": HUGE}), variable=view.source(name),
            )  # fmt: skip


def missing_values(view: View) -> Iterator[Finding]:
    """A variable has values; where some are missing in time, how many and how long is noted."""
    for name in view.variables:
        statistics = view.statistics(name)
        if statistics.count == 0 or statistics.missing == statistics.count:
            yield refused_variable(
                view, name, f"{statistics.missing} of {statistics.count} values missing", "values",
                "there is nothing in it; leave it out, or look for the file that has it",
            )  # fmt: skip
            continue
        per_step = statistics.step_missing
        if statistics.missing == 0 or per_step is None or per_step.min() == per_step.max():
            continue
        fraction = statistics.missing / statistics.count
        longest, where = _longest_gap(view, name, statistics)
        times = view.times
        begin = f" from {clock.iso(times[where])}" if times is not None else ""
        yield noted(
            f"{100 * fraction:.3g} % of values missing, at most {longest} steps in a row{begin}",
            "no missing values", "they stay NaN",
            variable=view.source(name), dimension="time",
        )  # fmt: skip


def longest_run(missing: Array) -> tuple[int, int]:
    """Length of the longest run of True along the first axis, and where it starts.

    Parameters
    ----------
    missing : array of bool, shape (time, series)
    """
    # One series after the other, each closed by a value that is there.
    closed = np.zeros((missing.shape[1], missing.shape[0] + 1), dtype=bool)
    closed[:, :-1] = missing.T
    edges = np.flatnonzero(np.diff(closed.ravel(), prepend=False))
    if not edges.size:
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return int(ends[best] - starts[best]), int(starts[best] % closed.shape[1])


def _longest_gap(view: View, name: str, statistics: Statistics) -> tuple[int, int]:
    array = view.dataset[name]
    if statistics.cells > TABLE_CELLS or array.size > TABLE_SIZE:
        # A field: steps in which nothing at all is there.
        empty: Array = statistics.step_missing == statistics.cells  # type: ignore[assignment]
        return longest_run(empty[:, None])
    missing = array.isnull().transpose("time", ...).values
    return longest_run(missing.reshape(missing.shape[0], -1))


def _bare_integers(view: View, name: str) -> Iterator[Finding]:
    statistics = view.statistics(name)
    variable, row = view.variable(name), view.rows[name]
    units = str(view.dataset[name].attrs.get("units", "")) or row.units
    try:
        factor, offset = factor_offset(units, variable.units, substance=variable.substance)
    except InvalidData:
        return
    low, high = sorted((statistics.low * factor + offset, statistics.high * factor + offset))
    if low < variable.low or high > variable.high:
        yield refused_variable(
            view, name,
            f"{view.dataset[name].dtype} {number(statistics.low)} to {number(statistics.high)} "
            f"'{units}' without scale_factor",
            f"{number(variable.low)} to {number(variable.high)} {variable.units}",
            "packed integers whose packing is lost: take the file that has it",
        )  # fmt: skip


def _declared(view: View, name: str) -> list[float]:
    """Fill values that attributes declare and that were not decoded."""
    attributes = view.dataset[name].attrs
    found = []
    for word in ("_FillValue", "missing_value"):
        if word in attributes:
            value = float(np.ravel(attributes[word])[0])
            if np.isfinite(value) and value not in found:
                found.append(value)
    return found


def _is_fill(view: View, name: str, statistics: Statistics, value: float) -> bool:
    """Whether a sentinel means that a value is missing: impossible, or far from all others."""
    variable, row = view.variable(name), view.rows[name]
    units = str(view.dataset[name].attrs.get("units", ""))
    if units == row.labelled or not units:
        units = row.units
    try:
        factor, offset = factor_offset(units, variable.units, substance=variable.substance)
        canonical = value * factor + offset
        if not variable.low <= canonical <= variable.high:
            return True
    except InvalidData:
        # The unit is not convertible as it stands (an amount, a volume): distance decides.
        pass
    if not statistics.valid:
        return True
    spread = max(statistics.high - statistics.low, abs(statistics.high) * 1e-3)
    return value < statistics.low - 0.25 * spread or value > statistics.high + 0.25 * spread


def _usual(statistics: Statistics) -> str:
    if not statistics.valid:
        return "nothing"
    return f"{number(statistics.low)} to {number(statistics.high)}"


__all__ = ["NAMED_HUGE", "fill_values", "infinite", "longest_run", "missing_values", "packing"]
