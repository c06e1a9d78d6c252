"""Checks of the time axis: calendar, order, duplicates, stamps, missing steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.fixes_time import BOUNDS
from catena.shared.checks.view import View, converted, noted, refused, refused_variable

Array = np.ndarray[Any, Any]

GAPS_AT_MOST = 0.2
"""Share of steps that may be longer than usual before the axis counts as irregular."""
GROWTH_AT_MOST = 10
"""How many times longer an axis may become by inserting missing steps."""


def time_decoded(view: View) -> Iterator[Finding]:
    """Time stamps are dates."""
    if "time" not in view.dataset.coords or "time" not in view.dataset.dims:
        return
    times = view.dataset["time"]
    if times.size and not clock.is_time(times.values):
        units = str(times.attrs.get("units", "none"))
        yield refused(
            f"time {times.values[0]} ... {times.values[-1]} in '{units}'", "dates",
            "time stamps could not be decoded; give them units like 'days since 2000-01-01'",
            dimension="time",
        )  # fmt: skip


def calendar(view: View) -> Iterator[Finding]:
    """The calendar is the true one; those that agree with the standard one are called so."""
    values = view.times
    if values is None:
        return
    label = clock.calendar_of(view.dataset["time"])
    for defect in view.defects:
        if defect.action != "calendar" or defect.value == label:
            continue
        if defect.value == "standard" and label in clock.STANDARD and values.dtype.kind == "M":
            continue
        true = clock.in_calendar(values[0], np.round(clock.elapsed_seconds(values)), defect.value)
        yield converted(
            f"{label}, ending {clock.iso(values[-1])}",
            f"{defect.value}, ending {clock.iso(true[-1])}", defect.note,
            Fix("relabel_calendar", {"calendar": defect.value}), dimension="time",
        )  # fmt: skip
        days = round(_days_short(values[-1], true[-1]))
        if days > 0:
            yield noted(
                f"ends {clock.iso(true[-1])}", f"{clock.iso(values[-1])}, as labelled",
                f"the record runs out of days: the last {days} are missing", dimension="time",
            )  # fmt: skip
        return
    if label == "standard" or label not in clock.STANDARD:
        return
    first = values[0]
    early = first.year < 1583 if values.dtype == object else int(str(first)[:5].rstrip("-")) < 1583
    if not early:
        yield converted(
            label, "standard", "the two agree for these dates", Fix("standard_calendar"),
            dimension="time",
        )  # fmt: skip


def clock_offset(view: View) -> Iterator[Finding]:
    """Known shifts of the clock: against UTC, or of the time stamps."""
    values, step = view.times, view.step
    if values is None:
        return
    for defect in view.defects:
        if defect.action == "shift_s" and defect.variable == "*":
            yield converted(
                f"time from {clock.iso(values[0])}", f"{defect.number:+g} s", defect.note,
                Fix("shift_time", {"seconds": defect.number}), dimension="time",
            )  # fmt: skip
        if defect.action == "utc_offset_h":
            yield from _to_utc(defect.number, defect.note, step)
    for name in view.variables:
        for defect in view.defects_of(name, "shift_s"):
            yield from _shift_values(view, values, name, defect.number, defect.note)


def time_order(view: View) -> Iterator[Finding]:
    """Time increases."""
    values = view.times
    if values is None or values.size < 2:
        return
    back = np.flatnonzero(values[1:] < values[:-1])
    if back.size:
        yield converted(
            f"{clock.iso(values[back[0]])} before {clock.iso(values[back[0] + 1])}",
            "increasing time", f"sorted ({back.size} steps back)", Fix("sort", {"dim": "time"}),
            dimension="time",
        )  # fmt: skip


def duplicated_times(view: View) -> Iterator[Finding]:
    """Each time occurs once: exact duplicates are dropped, contradicting ones refused."""
    values = view.times
    if values is None:
        return
    again = _again(values)
    if not again.size:
        return
    differing = _contradiction(view, view.variables, again - 1, again)
    first = clock.iso(values[again[0]])
    if differing is None:
        yield converted(
            f"{again.size} times again, first {first}", "each time once",
            "the values are equal too, so one of each is kept", Fix("drop_duplicates"),
            dimension="time",
        )  # fmt: skip
        return
    name, when, one, other = differing
    yield refused(
        f"{view.source(name)} {one} and {other} at {when}", "one value at each time",
        f"{again.size} times occur more than once, and their values contradict: find out which "
        "file is right",
        dimension="time",
    )  # fmt: skip


def time_precision(view: View) -> Iterator[Finding]:
    """Time stamps are whole seconds: rounded numbers of days are not."""
    values = view.times
    if values is None:
        return
    elapsed = clock.elapsed_seconds(values) + clock.seconds_of_day(values[:1])[0]
    rest = np.abs(elapsed - np.round(elapsed))
    if (rest > 1e-6).any():
        worst = int(np.argmax(rest))
        yield converted(
            f"time stamps {rest.max():.2g} s off a whole second, e.g. {values[worst]}",
            "whole seconds", "rounded", Fix("round_time"), dimension="time",
        )  # fmt: skip


def missing_steps(view: View) -> Iterator[Finding]:
    """The axis is regular: steps that are missing are there as NaN."""
    values, step = view.times, view.step
    if values is None or values.size < 3:
        return
    if step is None:
        yield _irregular(values)
        return
    gaps = clock.steps_between(values, step)
    if gaps is None or (gaps < 1).any():
        yield _irregular(values)
        return
    longer = np.flatnonzero(gaps > 1)
    if not longer.size:
        return
    absent = int((gaps - 1).sum())
    if longer.size > GAPS_AT_MOST * gaps.size or absent > GROWTH_AT_MOST * values.size:
        yield noted(
            f"steps of {step} up to {gaps.max()} of them", f"one step of {step}",
            f"{longer.size} of {gaps.size} steps are longer: the axis is irregular by design or "
            "mostly missing, and kept as it is",
            dimension="time",
        )  # fmt: skip
        return
    before, after = values[longer[0]], values[longer[0] + 1]
    yield converted(
        f"{absent} steps missing in {longer.size} gaps, first between {clock.iso(before)} and "
        f"{clock.iso(after)}",
        f"every {step}", "inserted as NaN", Fix("regular_time", {"step": step.plain}),
        dimension="time",
    )  # fmt: skip


def _to_utc(hours: float, note: str, step: clock.Step | None) -> Iterator[Finding]:
    label = Fix("set_attributes", {"variable": "time", "attributes": {"utc_offset_h": hours}})
    if hours == 0:
        yield converted("clock not stated", "UTC", note, label, dimension="time")
    elif step is not None and step.seconds >= clock.DAY:
        yield converted(
            f"days of a clock {hours:+g} h from UTC", "attribute utc_offset_h",
            f"{note}; a day cannot be moved by hours, so it is labelled", label, dimension="time",
        )  # fmt: skip
    else:
        zero = Fix("set_attributes", {"variable": "time", "attributes": {"utc_offset_h": 0.0}})
        yield converted(
            f"clock {hours:+g} h from UTC", "UTC", note,
            Fix("shift_time", {"seconds": -hours * 3600}), zero, dimension="time",
        )  # fmt: skip


def _shift_values(
    view: View, values: Array, name: str, seconds: float, note: str
) -> Iterator[Finding]:
    if "time" not in view.dataset[name].dims:
        return
    step = view.step
    whole = seconds / step.seconds if step is not None and step.kind == "seconds" else np.nan
    if whole != round(whole):
        yield refused_variable(
            view, name, f"values {seconds:+g} s late or early", f"a multiple of the step ({step})",
            f"{note}; shift the values in the source", dimension="time",
        )  # fmt: skip
        return
    again = _again(values)
    if again.size and _contradiction(view, [name], again - 1, again):
        # Moved, one of the two would win; as they are, the check of duplicates refuses them.
        return
    yield converted(
        f"values labelled {-seconds:+g} s off", f"moved by {seconds:+g} s", note,
        Fix("shift_values", {"variable": name, "seconds": seconds}),
        variable=view.source(name), dimension="time",
    )  # fmt: skip


def _again(values: Array) -> Array:
    """Positions of times, in order, that are equal to the one before."""
    return np.flatnonzero(values[1:] == values[:-1]) + 1


def _contradiction(
    view: View, names: Iterable[str], first: Array, second: Array
) -> tuple[str, str, str, str] | None:
    """The first of some variables whose values at equal times differ: time and both values."""
    for name in names:
        array = view.dataset[name]
        if "time" not in array.dims:
            continue
        one, other = array.isel(time=first), array.isel(time=second)
        plain = xr.DataArray(other.data, dims=other.dims, coords={"time": one["time"]})
        same = (one == plain) | (one.isnull() & plain.isnull())
        others = [dim for dim in same.dims if dim != "time"]
        differs = np.flatnonzero(~same.all(dim=others).values)
        if differs.size:
            at = int(differs[0])
            left = np.asarray(one.isel(time=at).values).ravel()
            right = np.asarray(plain.isel(time=at).values).ravel()
            cell = int(np.argmax(~((left == right) | (np.isnan(left) & np.isnan(right)))))
            when = clock.iso(view.dataset["time"].values[first[at]])
            return name, when, f"{left[cell]:.6g}", f"{right[cell]:.6g}"
    return None


def _irregular(values: Array) -> Finding:
    distance = np.diff(clock.elapsed_seconds(values))
    return noted(
        f"steps from {distance.min():g} to {distance.max():g} s", "one step",
        "the time stamps follow no step, so missing ones cannot be told; they are kept as they are",
        dimension="time",
    )  # fmt: skip


def _days_short(labelled: Any, true: Any) -> float:
    """Days from the true end of a record to its labelled end, both read in the true calendar."""
    date = clock.iso(labelled)[:10]
    end = clock.iso(true)[:10]
    return float((np.datetime64(date) - np.datetime64(end)).astype(int))


def has_interval_bounds(view: View) -> bool:
    """Whether the dataset has decoded bounds of time."""
    dataset = view.dataset
    return BOUNDS in dataset.variables and clock.is_time(dataset[BOUNDS].values)
