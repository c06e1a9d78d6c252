"""Checks of what data say about themselves, once everything else is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.intervals import holds_interval
from catena.shared.checks.view import CHECKED, View, converted

CONVENTIONS = "CF-1.11"


def attributes(view: View) -> Iterator[Finding]:
    """Variables carry their standard name, unit, cell methods and long name."""
    fixes: list[Fix] = []
    lacking: list[str] = []
    for name in view.variables:
        have, canonical = view.dataset[name].attrs, view.variable(name)
        want: dict[str, Any] = {
            "standard_name": canonical.standard_name,
            "units": canonical.units,
            "cell_methods": _cell_methods(view, name),
            "long_name": str(have.get("long_name") or canonical.long_name),
        }
        missing = {key: value for key, value in want.items() if value and have.get(key) != value}
        if missing:
            lacking += [f"{name}:{key}" for key in missing]
            fixes.append(Fix("set_attributes", {"variable": name, "attributes": missing}))
    for name, standard_name, unit in (
        ("lat", "latitude", "degrees_north"), ("lon", "longitude", "degrees_east"),
    ):  # fmt: skip
        if name in view.dataset.coords:
            have = view.dataset[name].attrs
            want = {"standard_name": standard_name, "units": unit}
            missing = {key: value for key, value in want.items() if have.get(key) != value}
            if missing:
                lacking += [f"{name}:{key}" for key in missing]
                fixes.append(Fix("set_attributes", {"variable": name, "attributes": missing}))
    if not view.variables or (not lacking and not view.converted):
        return
    # Data that were changed say so: their names and units are ours from now on.
    if not view.checked_before:
        marks = {"Conventions": CONVENTIONS, "vocabulary": CHECKED}
        lacking += ["vocabulary"]
        fixes.append(Fix("set_attributes", {"attributes": marks}))
    if fixes:
        yield converted(
            "attributes missing or other: " + ", ".join(lacking), "CF attributes of the lexicon",
            "set", *fixes,
        )  # fmt: skip


def precision(view: View) -> Iterator[Finding]:
    """Values are in single precision."""
    wide = [name for name in view.variables if str(view.dataset[name].dtype) != "float32"]
    if wide:
        kinds = sorted({str(view.dataset[name].dtype) for name in wide})
        yield converted(
            f"{', '.join(kinds)} for {', '.join(wide)}", "float32",
            "no measurement here has more than seven digits",
            Fix("astype", {"variables": wide, "dtype": "float32"}),
        )  # fmt: skip


def _cell_methods(view: View, name: str) -> str:
    have = str(view.dataset[name].attrs.get("cell_methods", ""))
    if have:
        return have
    canonical = view.variable(name).cell_methods
    if "time" not in view.dataset[name].dims or not canonical:
        return ""
    return canonical if holds_interval(view, name) else "time: point"
