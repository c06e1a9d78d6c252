"""Check of what a time stamp means: the start of its interval, and the bounds that say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.fixes_time import shifted_from
from catena.shared.checks.time_axis import has_interval_bounds
from catena.shared.checks.view import View, converted, noted, refused, refused_variable

Array = np.ndarray[Any, Any]


def time_stamps(view: View) -> Iterator[Finding]:
    """Means, sums and extremes are labelled by the start of their interval.

    Bounds decide where there are any. Without them the step does: a month's stamp lies in the
    month, a day's near its noon or at midnight, an hour's in its middle or at its end (a record of
    whole days whose last stamp is midnight is labelled at the ends). Where the step does not say it
    either, they are taken for the start, and that is noted.
    """
    values = view.times
    if values is None or not _has_intervals(view):
        return
    step = view.step
    ends = [name for name in view.variables if name in view.ends]
    if ends and step is not None:
        yield from _from_ends(view, values, step, ends)
        return
    if has_interval_bounds(view):
        yield from _from_bounds(view, values)
        return
    if step is None:
        return
    if any(view.defects_of(name, "shift_s") for name in view.variables):
        return  # What the stamps mean is known of this product, and was put right before.
    position, fix = _position(values, step)
    if position == "unknown":
        yield _assumed(values, step)
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


def _from_ends(view: View, values: Array, step: clock.Step, ends: list[str]) -> Iterator[Finding]:
    """Differences of accumulated amounts belong to the step that ends at the stamp."""
    found, wanted = f"end of the interval ({clock.iso(values[0])})", "start"
    why = "amounts accumulated up to a stamp belong to the step before it"
    timed = [name for name in view.variables if "time" in view.dataset[name].dims]
    if set(timed) == set(ends):
        # Their interval is known; bounds that the file may have can only repeat or contradict it.
        bounds = (Fix("drop", {"names": ["time_bnds"]}),) if has_interval_bounds(view) else ()
        yield converted(
            found, wanted, why, *bounds, Fix("shift_time", {"seconds": -step.seconds}),
            dimension="time",
        )  # fmt: skip
        return
    if has_interval_bounds(view):
        starts, stops = view.dataset["time_bnds"].values.T
        if (values == stops).all():
            yield from _from_bounds(view, values)  # the interval of all that the file holds
            return
        if (values != starts).any():
            for name in ends:
                yield refused_variable(
                    view, name, f"amounts up to {clock.iso(values[0])}",
                    f"up to {clock.iso(stops[0])}, by the bounds of time",
                    "the other variables are of other intervals: split the file in the source",
                    dimension="time",
                )  # fmt: skip
            yield from _from_bounds(view, values)
            return
    _, there = shifted_from(values, -step.seconds)
    for name in ends:
        yield converted(
            found, wanted,
            f"{why}; the other variables stay, and {int((~there).sum())} stamps have none after",
            Fix("shift_values", {"variable": name, "seconds": -step.seconds}),
            variable=view.source(name), dimension="time",
        )  # fmt: skip


def _from_bounds(view: View, values: Array) -> Iterator[Finding]:
    starts, ends = view.dataset["time_bnds"].values.T
    off = np.flatnonzero(values != starts)
    if not off.size:
        return
    position = "end" if (values == ends).all() else "middle"
    yield converted(
        f"{position} of the interval ({clock.iso(values[off[0]])})",
        f"start ({clock.iso(starts[off[0]])})", "by the bounds of time",
        Fix("start_of_interval", {"source": "bounds"}), dimension="time",
    )  # fmt: skip


def _position(values: Array, step: clock.Step) -> tuple[str, Fix | None]:
    """Where in their interval stamps without bounds lie, and what moves them to its start.

    ``unknown`` where they may lie anywhere: on the first of a month are those of its start, as well
    as those at the end of the month before (as land models write them).
    """
    if step.kind != "seconds":
        starts = clock.floor(values, step.kind)
        if (starts == values).all():
            return "unknown", None
        return "middle", Fix("start_of_interval", {"source": step.kind})
    clocks = clock.seconds_of_day(values)
    if step.seconds >= clock.DAY:
        daily, hours = step.seconds == clock.DAY, clocks / 3600
        if daily and ((hours >= 11) & (hours <= 13)).all():
            return "middle", Fix("start_of_interval", {"source": "day"})
        if daily and (hours >= 23).all():
            return "end", Fix("start_of_interval", {"source": "day"})
        return ("start" if daily and (hours == 0).all() else "unknown"), None
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


def _assumed(values: Array, step: clock.Step) -> Finding:
    """What was taken for granted about stamps that nothing explains."""
    if step.kind == "seconds" and not (clock.seconds_of_day(values) == 0).all():
        found = f"no bounds, stamps at {clock.iso(values[0])[11:]}"
    else:
        found = f"no bounds, stamps from {clock.iso(values[0])}"
    span = step.kind if step.kind != "seconds" else f"interval of {step}"
    return noted(
        found, "bounds of time, or stamps that say where they lie",
        f"the stamp is taken as the start of the {span}; if it is the end, say so with bounds in "
        "the source",
        dimension="time",
    )  # fmt: skip


def _moved(values: Array, fix: Fix) -> Array:
    if fix.op == "shift_time":
        return clock.later(values[:1], fix.arguments["seconds"])
    return clock.floor(values[:1], fix.arguments["source"])
