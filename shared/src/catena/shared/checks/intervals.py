"""Check of what a time stamp means: the start of its interval, and the bounds that say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.time_axis import has_interval_bounds
from catena.shared.checks.view import View, converted, refused

Array = np.ndarray[Any, Any]


def time_stamps(view: View) -> Iterator[Finding]:
    """Means, sums and extremes are labelled by the start of their interval.

    Bounds decide where there are any. Without them the step does: a month's stamp lies in the
    month, a day's at its noon or midnight, an hour's in its middle or at its end (a record of whole
    days whose last stamp is midnight is labelled at the ends).
    """
    values = view.times
    if values is None or not _has_intervals(view):
        return
    ends = [name for name in view.variables if _was_since_start(view, name)]
    if ends:
        yield from _from_ends(view, ends)
        return
    if has_interval_bounds(view):
        edges = view.dataset["time_bnds"].values
        yield from _from_bounds(view, values, edges[:, 0])
        return
    step = view.step
    if step is None:
        return
    if any(view.defects_of(name, "shift_s") for name in view.variables):
        return  # What the stamps mean is known of this product, and was put right before.
    position, fix = _position(values, step)
    if fix is None:
        return
    instants = [name for name in view.variables if _is_instant(view, name)]
    if instants:
        yield refused(
            f"stamps at the {position} of the interval, {view.source(instants[0])} at an instant",
            "one meaning of time",
            "the file mixes means and instants on one axis: split it in the source",
            dimension="time",
        )  # fmt: skip
        return
    moved = _moved(values, fix)
    yield converted(
        f"{position} of the interval ({clock.iso(values[0])})",
        f"start ({clock.iso(moved[0])})", f"by the step of {step}", fix, dimension="time",
    )  # fmt: skip


def time_bounds(view: View) -> Iterator[Finding]:
    """Values of intervals have bounds of time."""
    values, step = view.times, view.step
    if values is None or step is None or has_interval_bounds(view) or not _has_intervals(view):
        return
    yield converted(
        "no time_bnds", f"from each stamp to {step} later", "by the step",
        Fix("add_time_bounds", {"step": step.plain}), dimension="time",
    )  # fmt: skip


def holds_interval(view: View, name: str) -> bool:
    """Whether the values of a variable are means, sums or extremes over an interval.

    The file's own cell_methods decide. Without them values of a day and longer are taken for what
    the lexicon says; of shorter steps only fluxes, as states (temperature, wind) are usually
    instants there.
    """
    if "time" not in view.dataset[name].dims:
        return False
    methods = str(view.dataset[name].attrs.get("cell_methods", ""))
    if "time" in methods:
        return not _is_instant(view, name)
    if view.variable(name).cell_methods in ("", "time: point"):
        return False
    step = view.step
    long_step = step is not None and step.seconds >= clock.DAY
    return long_step or view.variable(name).is_flux or has_interval_bounds(view)


def _has_intervals(view: View) -> bool:
    return any(holds_interval(view, name) for name in view.variables)


def _is_instant(view: View, name: str) -> bool:
    return "time: point" in str(view.dataset[name].attrs.get("cell_methods", ""))


def _was_since_start(view: View, name: str) -> bool:
    """Whether a variable was accumulated along time up to each stamp."""
    dims = view.dataset[name].dims
    return view.rows[name].accumulated == "forecast" and "time" in dims and "leadtime" not in dims


def _from_ends(view: View, ends: list[str]) -> Iterator[Finding]:
    """Differences of accumulated amounts belong to the step that ends at the stamp."""
    values, step = view.times, view.step
    if step is None or step.kind != "seconds":
        return
    found, wanted = f"end of the interval ({clock.iso(values[0])})", "start"
    why = "amounts accumulated up to a stamp belong to the step before it"
    timed = [name for name in view.variables if "time" in view.dataset[name].dims]
    if set(timed) == set(ends):
        yield converted(
            found, wanted, why, Fix("shift_time", {"seconds": -step.seconds}), dimension="time"
        )
        return
    for name in ends:
        yield converted(
            found, wanted, why, Fix("shift_values", {"variable": name, "steps": -1}),
            variable=view.source(name), dimension="time",
        )  # fmt: skip


def _from_bounds(view: View, values: Array, starts: Array) -> Iterator[Finding]:
    off = np.flatnonzero(values != starts)
    if not off.size:
        return
    ends = view.dataset["time_bnds"].values[:, 1]
    position = "end" if (values == ends).all() else "middle"
    yield converted(
        f"{position} of the interval ({clock.iso(values[off[0]])})",
        f"start ({clock.iso(starts[off[0]])})", "by the bounds of time",
        Fix("start_of_interval", {"source": "bounds"}), dimension="time",
    )  # fmt: skip


def _position(values: Array, step: clock.Step) -> tuple[str, Fix | None]:
    """Where in their interval stamps without bounds lie, and what moves them to its start."""
    if step.kind != "seconds":
        starts = clock.floor(values, step.kind)
        if (starts == values).all():
            return "start", None
        return "middle", Fix("start_of_interval", {"source": step.kind})
    clocks = clock.seconds_of_day(values)
    if step.seconds >= clock.DAY:
        hour = float(clocks[0]) / 3600
        if step.seconds == clock.DAY and (clocks == clocks[0]).all() and (hour == 12 or hour >= 23):
            return ("middle" if hour == 12 else "end"), Fix("start_of_interval", {"source": "day"})
        return "start", None
    phase = np.mod(clocks, step.seconds) / step.seconds
    if np.abs(phase - 0.5).max() < 0.01:
        return "middle", Fix("shift_time", {"seconds": -step.seconds / 2})
    whole_days = values.size >= 2 and np.isclose(
        clock.elapsed_seconds(values[[0, -1]])[1] + step.seconds,
        round((clock.elapsed_seconds(values[[0, -1]])[1] + step.seconds) / clock.DAY) * clock.DAY,
    )
    if whole_days and np.isclose(clocks[0], step.seconds) and np.isclose(clocks[-1], 0):
        return "end", Fix("shift_time", {"seconds": -step.seconds})
    return "start", None


def _moved(values: Array, fix: Fix) -> Array:
    if fix.op == "shift_time":
        return clock.later(values[:1], fix.arguments["seconds"])
    return clock.floor(values[:1], fix.arguments["source"])
