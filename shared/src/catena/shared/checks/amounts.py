"""Checks of what a number stands for: its unit, the time it is accumulated over, its sign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.fixes_time import accumulated, covers_step
from catena.shared.checks.view import View, converted, noted, number, refused_variable
from catena.shared.errors import InvalidData
from catena.shared.lexicon import Row, factor_offset, same_units

LOST_AT_MOST = 0.2
"""Share of values after the first that may become NaN for want of the amount one step before."""


def known_scale(view: View) -> Iterator[Finding]:
    """Products whose values are known to be off by a factor."""
    for name in view.variables:
        for defect in view.defects_of(name, "scale"):
            statistics = view.statistics(name)
            yield converted(
                f"{number(statistics.low)} to {number(statistics.high)}",
                f"times {defect.number:g}",
                defect.note, Fix("scale", {"variable": name, "factor": defect.number}),
                variable=view.source(name),
            )  # fmt: skip


def accumulation(view: View) -> Iterator[Finding]:
    """Amounts over a time become rates."""
    for name in view.variables:
        row, label = view.rows[name], _label(view, name)
        kind = row.accumulated or _sum_of_step(view, name, label)
        if not kind:
            continue
        if _is_convertible(view, name, label):
            if row.accumulated:
                yield noted(
                    f"rates in '{label}'", f"amounts (accumulated {row.accumulated})",
                    "the file says that they are rates already, and is believed",
                    variable=view.source(name),
                )  # fmt: skip
            continue
        yield from _to_rate(view, name, kind, label)


def units(view: View) -> Iterator[Finding]:
    """Values are in canonical units; labels are believed unless the lexicon overrules them."""
    for name in view.variables:
        row, canonical = view.rows[name], view.variable(name)
        label = str(view.dataset[name].attrs.get("units", "")).strip()
        has_label = "units" in view.dataset[name].attrs
        true = _true_label(row, label, has_label)
        if true is None:
            if canonical.units == "1":
                true = "1"
            else:
                yield refused_variable(
                    view, name, "no unit", canonical.units,
                    "say the unit in the file, or in the lexicon's row for it",
                )  # fmt: skip
                continue
        area = _area(view, name)
        try:
            factor, offset = factor_offset(
                true, canonical.units, substance=canonical.substance, area=1.0 if area else None
            )
            plain = _plain(view, name, true)
        except InvalidData as error:
            yield refused_variable(
                view, name, f"unit '{true}'", f"unit '{canonical.units}'", error.message
            )
            continue
        if (
            row.units
            and not row.accumulated
            and has_label
            and label
            and label != row.labelled
            and not same_units(label, row.units)
        ):
            yield noted(
                f"unit '{label}'", f"'{row.units}', as the source usually has it",
                "the file's own label is believed", variable=view.source(name),
            )  # fmt: skip
        why = _why(row, label, has_label, true)
        statistics = view.statistics(name)
        view.raw[name] = (statistics.low, statistics.high, true)
        if area and not plain:
            yield converted(
                f"'{true}'", f"'{canonical.units}'",
                f"a volume over the area of {_area_words(view)}",
                Fix("divide_by_coordinate", {"variable": name, "coordinate": "area",
                    "factor": factor * area, "units": canonical.units}),
                variable=view.source(name),
            )  # fmt: skip
        elif (factor, offset) != (1.0, 0.0):
            low, high = (value * factor + offset for value in (statistics.low, statistics.high))
            yield converted(
                f"{number(statistics.low)} to {number(statistics.high)} '{label or 'no unit'}'",
                f"{number(low)} to {number(high)} '{canonical.units}'", why,
                Fix("scale", {"variable": name, "factor": factor, "offset": offset,
                    "units": canonical.units}),
                variable=view.source(name),
            )  # fmt: skip
        elif label != canonical.units and not (label and same_units(label, canonical.units)):
            yield converted(
                f"'{label}'" if has_label else "no unit", f"'{canonical.units}'", why,
                Fix("set_attributes", {"variable": name, "attributes": {"units": canonical.units}}),
                variable=view.source(name),
            )  # fmt: skip


def direction(view: View) -> Iterator[Finding]:
    """Fluxes are positive in the canonical direction."""
    for name in view.variables:
        row, canonical = view.rows[name], view.variable(name)
        positive = str(view.dataset[name].attrs.get("positive", "")).lower()
        if row.sign == -1 and not view.checked_before:
            yield _flipped(
                view, name, "the opposite", row.note or "the source counts it the other way"
            )
        elif positive in ("up", "down") and canonical.positive and positive != canonical.positive:
            yield _flipped(view, name, positive, "the file says so")


def _flipped(view: View, name: str, found: str, why: str) -> Finding:
    positive = view.variable(name).positive
    attributes = {"positive": positive or None}
    return converted(
        f"positive {found}", f"positive {positive or 'as the lexicon has it'}", why,
        Fix("scale", {"variable": name, "factor": -1.0}),
        Fix("set_attributes", {"variable": name, "attributes": attributes}),
        variable=view.source(name),
    )  # fmt: skip


def _to_rate(view: View, name: str, kind: str, label: str) -> Iterator[Finding]:
    rate = f"{label} s-1"
    step = view.step
    fix: Fix | None = None
    if kind == "forecast":
        dims = view.dataset[name].dims
        if "leadtime" in dims:
            yield from _differences(view, name, label, "leadtime", None, None)
            return
        if "time" in dims and step is not None and step.kind == "seconds":
            yield from _differences(view, name, label, "time", clock.DAY, step.seconds)
            return
    elif kind in ("step", "month"):
        if step is not None and (kind == "step" or step.kind == "month"):
            fix = Fix("divide_by_interval", {"variable": name, "step": step.plain, "units": rate})
    else:
        seconds = float(kind)
        fix = Fix("scale", {"variable": name, "factor": 1 / seconds, "units": rate})
    if fix is None:
        yield refused_variable(
            view, name, f"amounts over a {kind}", "a time axis that says how long that is",
            f"the step of time is {step or 'not known'}; correct the lexicon's row",
            dimension="time",
        )  # fmt: skip
        return
    over = f"{float(kind):g} s" if kind[0].isdigit() else f"each {kind}"
    yield converted(
        f"'{label}' over {over}", f"'{rate}'", "amounts divided by their time",
        fix, variable=view.source(name), dimension="time",
    )  # fmt: skip


def _differences(
    view: View, name: str, label: str, dim: str, reset_s: float | None, step_s: float | None
) -> Iterator[Finding]:
    """Amounts since the start of a forecast, or since midnight, become rates from step to step."""
    first, seconds = accumulated(view.dataset, dim, reset_s)
    covers = covers_step(first, seconds, step_s)
    lost, total = int((~covers).sum()), int(covers.size)
    # The first value of a record has none before it, however short the record is.
    too_many = step_s is not None and (~covers[1:]).sum() > LOST_AT_MOST * total
    if too_many or not covers.any():
        step = clock.Step("seconds", step_s) if step_s is not None else None
        wanted = f"over the step of {step}" if step else f"{dim} that increases"
        yield refused_variable(
            view, name, f"amounts over {_lengths(seconds)} from one value to the next", wanted,
            f"{lost} of {total} values along {dim} lack the amount one step before them: take the "
            "data at all of their steps",
            dimension=dim,
        )  # fmt: skip
        return
    why = f"differences from value to value, over {_lengths(seconds[covers])}"
    if lost:
        why += f"; {lost} of {total} values along {dim} become NaN for want of the one before"
    if dim == "time":
        view.ends.add(name)
    rate = f"{label} s-1"
    yield converted(
        f"'{label}' since the start of the forecast", f"'{rate}'", why,
        Fix("deaccumulate", {"variable": name, "dim": dim, "reset_s": reset_s, "step_s": step_s}),
        Fix("set_attributes", {"variable": name, "attributes": {"units": rate}}),
        variable=view.source(name), dimension=dim,
    )  # fmt: skip


def _lengths(seconds: np.ndarray[Any, Any]) -> str:
    low, high = (str(clock.Step("seconds", float(each))) for each in (min(seconds), max(seconds)))
    return low if low == high else f"{low} to {high}"


def _label(view: View, name: str) -> str:
    row = view.rows[name]
    label = str(view.dataset[name].attrs.get("units", "")).strip()
    label = _true_label(row, label, "units" in view.dataset[name].attrs) or ""
    if row.accumulated == "month" or _is_monthly(view):
        for tail in ("/month", " month-1", " mon-1", "/mon"):
            label = label.removesuffix(tail)
    return label


def _is_monthly(view: View) -> bool:
    return view.step is not None and view.step.kind == "month"


def _sum_of_step(view: View, name: str, label: str) -> str:
    """``step`` where the file says sum, ``month`` where its unit is per month of a monthly axis."""
    written = str(view.dataset[name].attrs.get("units", "")).strip()
    if written and written != label and _is_monthly(view):
        return "month"
    methods = str(view.dataset[name].attrs.get("cell_methods", ""))
    return "step" if "time: sum" in methods and view.variable(name).is_flux else ""


def _is_convertible(view: View, name: str, label: str) -> bool:
    if not label:
        return False
    canonical = view.variable(name)
    area = 1.0 if _area(view, name) else None
    try:
        factor_offset(label, canonical.units, substance=canonical.substance, area=area)
    except InvalidData:
        return False
    return True


def _true_label(row: Row, label: str, has_label: bool) -> str | None:
    """Unit of the values: the file's, unless the lexicon knows better; None if neither says."""
    if has_label and label and label != row.labelled:
        return label
    if row.units:
        return row.units
    return label if has_label else None


def _why(row: Row, label: str, has_label: bool, true: str) -> str:
    if label and label == row.labelled:
        return f"the label is wrong, known to the lexicon: values are in '{true}'"
    if not has_label or not label:
        return "the file has no unit; the lexicon knows it" if row.units else "dimensionless"
    return "converted"


def _plain(view: View, name: str, label: str) -> bool:
    """Whether a unit converts without the area."""
    canonical = view.variable(name)
    try:
        factor_offset(label, canonical.units, substance=canonical.substance)
    except InvalidData:
        if not _area(view, name):
            raise
        return False
    return True


def _area(view: View, name: str) -> float:
    """Factor that turns the dataset's coordinate `area` into m2; 0 where there is none."""
    if view.variable(name).substance != "water" or "area" not in view.dataset.coords:
        return 0.0
    label = str(view.dataset["area"].attrs.get("units", "m2"))
    try:
        return 1 / factor_offset(label, "m2")[0]
    except InvalidData:
        return 0.0


def _area_words(view: View) -> str:
    areas = view.dataset["area"]
    label = areas.attrs.get("units", "m2")
    low, high = float(areas.min()), float(areas.max())
    return f"{number(low)} {label}" if low == high else f"{number(low)} to {number(high)} {label}"


__all__ = ["accumulation", "direction", "known_scale", "units"]
