"""Checks of names: dimensions, coordinates and variables under their canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.view import View, converted, noted, refused_variable
from catena.shared.lexicon import Row, lookup, vocabularies
from catena.shared.lexicon.vocabularies import CF, contradiction

ALIASES = {
    "time": ("valid_time", "date", "datetime", "Time", "t"),
    "lat": ("latitude", "nav_lat", "LAT", "Lat", "nlat"),
    "lon": ("longitude", "nav_lon", "LON", "Lon", "long", "nlon"),
    "plev": ("pressure_level", "isobaricInhPa", "isobaricInPa", "level", "pressure", "lev"),
    "member": ("number", "realization", "ensemble", "ensemble_member"),
    "site": ("location", "station", "nstations"),
    "basin": ("gauge_id", "catchment", "nbasins"),
    "leadtime": ("step", "lead_time"),
    "depth": ("soil_depth", "solth", "sdepth", "soil_level"),
    "type": ("vegtype", "typeveg", "pft", "landuse"),
    "lev": ("olevel", "deptht"),
    "bnds": ("nv", "nbnd", "bound", "d2", "axis_nbounds", "bounds", "two"),
}
PRESSURE_UNITS = ("pa", "hpa", "mb", "mbar", "millibar", "millibars", "kpa")


def dimension_names(view: View) -> Iterator[Finding]:
    """Coordinates and dimensions under the names that everything else uses."""
    dataset = view.dataset
    taken = {str(name) for name in (*dataset.variables, *dataset.dims)}
    names: dict[str, str] = {}
    for name in sorted(taken):
        new = _canonical_name(dataset, name)
        if new and new not in taken and new not in names.values():
            names[name] = new
    for coordinate in ("time", "lat", "lon", "plev"):
        old = next((old for old, new in names.items() if new == coordinate), coordinate)
        bounds = str(dataset[old].attrs.get("bounds", "")) if old in dataset.variables else ""
        if bounds in taken and bounds != f"{coordinate}_bnds" and f"{coordinate}_bnds" not in taken:
            names[bounds] = f"{coordinate}_bnds"
    if names:
        yield converted(
            ", ".join(names), ", ".join(names.values()),
            "coordinates carry one name in all datasets", Fix("rename", {"names": names}),
        )  # fmt: skip


def coordinate_roles(view: View) -> Iterator[Finding]:
    """Latitudes, areas, bounds and the like are coordinates, not data."""
    dataset = view.dataset
    bounds = {str(dataset[name].attrs.get("bounds", "")) for name in dataset.variables}
    terms = {
        word
        for name in dataset.variables
        for word in str(dataset[name].attrs.get("formula_terms", "")).replace(":", " ").split()
    }
    mappings = {str(dataset[name].attrs.get("grid_mapping", "")) for name in dataset.data_vars}
    spatial = ("lat", "lon", "height", "site", "basin", "member")
    names = [
        str(name)
        for name in dataset.data_vars
        if name in bounds | mappings | (terms - {"ps"})
        or name in spatial
        or (name == "area" and set(dataset["area"].dims) <= {"basin", "site"})
        or str(name).endswith(("_bnds", "_bounds"))
        or set(dataset[name].dims) == {name}
    ]
    if names:
        yield converted(
            f"data variables {', '.join(names)}", "coordinates",
            "they say where the data are", Fix("set_coords", {"names": names}),
        )  # fmt: skip


def known_variables(view: View) -> Iterator[Finding]:
    """Variables that the lexicon knows get their canonical names; others are left out.

    Of several that would get the same name, the one is taken that has it already, else that which
    stands first in the vocabulary: its rows put the whole (all precipitation) before what may be a
    part of it (rain).
    """
    dataset = view.dataset
    vocabulary = CF if view.checked_before else view.vocabulary
    known: dict[str, Row | None] = {}
    for each in dataset.data_vars:
        array = dataset[each]
        known[str(each)] = lookup(
            vocabulary, str(each), str(array.attrs.get("standard_name", "")),
            cell_methods=str(array.attrs.get("cell_methods", "")),
            dims=[str(dim) for dim in array.dims],
        )  # fmt: skip
    chosen = _chosen(known, list(vocabularies.rows(vocabulary)))
    names: dict[str, str] = {}
    for name, row in known.items():
        if row is None:
            yield _unknown(view, name, str(dataset[name].attrs.get("standard_name", "")))
        elif chosen[row.name] != name:
            yield refused_variable(
                view, name, f"{name} -> {row.name}", f"one variable for {row.name}",
                f"'{chosen[row.name]}' is {row.name} already; leave one of them out in the source",
            )  # fmt: skip
        else:
            names[name] = row.name
            view.rows[row.name] = row
    changed = {old: new for old, new in names.items() if old != new}
    if changed:
        yield from _renamed(view, changed)


def known_defects(view: View) -> Iterator[Finding]:
    """What is known to be wrong with this very product: refused, or noted."""
    for name in view.variables:
        for defect in view.defects_of(name, "refuse", "note"):
            if defect.action == "refuse":
                yield refused_variable(
                    view, name, defect.value or "a known defect", "sound values", defect.note
                )
            else:
                yield noted(
                    defect.value or "a known defect", "-", defect.note, variable=view.source(name)
                )
    for defect in view.defects:
        if defect.variable == "*" and defect.action == "note":
            yield noted(defect.value or "a known defect", "-", defect.note)


def numeric(view: View) -> Iterator[Finding]:
    """Values are numbers."""
    for name in view.variables:
        dtype = view.dataset[name].dtype
        if dtype.kind not in "iuf":
            yield refused_variable(
                view, name, f"type {dtype}", "numbers",
                "text, dates and truth values cannot be converted; decode them in the source",
            )  # fmt: skip


def _chosen(known: Mapping[str, Row | None], order: Sequence[str]) -> dict[str, str]:
    """Which source variable becomes each canonical one; of equals, the first in the file."""
    place = {name: i for i, name in enumerate(order)}
    found: dict[str, str] = {}
    for name in sorted(known, key=lambda name: place.get(name, len(order))):
        row = known[name]
        if row is not None and (row.name not in found or name == row.name):
            found[row.name] = name
    return found


def _renamed(view: View, names: dict[str, str]) -> Iterator[Finding]:
    """Renaming, in two steps where a new name is still the old name of another."""
    temporary = {old: f"{old}__" for old, new in names.items() if new in view.dataset.variables}
    fixes = [Fix("rename", {"names": temporary})] if temporary else []
    final = {temporary.get(old, old): new for old, new in names.items()}
    yield converted(
        ", ".join(names), ", ".join(names.values()),
        "the lexicon's names", *fixes, Fix("rename", {"names": final}),
    )  # fmt: skip


def _unknown(view: View, name: str, standard_name: str) -> Finding:
    other = contradiction(name, standard_name)
    if other is not None:
        return refused_variable(
            view, name, f"name {name} with standard_name {standard_name}",
            f"a standard_name of {name}",
            f"the standard name is that of {other.name}: say which it is in the lexicon's "
            f"vocabulary '{view.vocabulary}'",
        )  # fmt: skip
    return refused_variable(
        view, name, f"variable {name}" + (f" ({standard_name})" if standard_name else ""),
        f"a variable of vocabulary '{view.vocabulary}'",
        "not in the lexicon; if it is wanted, add a row to its vocabulary",
    )  # fmt: skip


def _canonical_name(dataset: xr.Dataset, name: str) -> str:
    for new, aliases in ALIASES.items():
        if name not in aliases:
            continue
        if (
            new == "plev"
            and name in ("level", "pressure", "lev")
            and not _is_pressure(dataset, name)
        ):
            return ""
        if new == "time" and not _is_time_axis(dataset, name):
            return ""
        if new not in ("time", "lat", "lon") and name not in dataset.dims:
            # A variable that happens to be called like this (pressure, step, ...) is not an axis,
            # unless it is the scalar that is left of one.
            scalar = name in dataset.coords and dataset[name].ndim == 0
            return new if scalar and new in ("plev", "member") else ""
        if new == "leadtime" and dataset[name].dtype.kind not in "miuf":
            return ""
        return new
    return ""


def _is_pressure(dataset: xr.Dataset, name: str) -> bool:
    if name not in dataset.coords:
        return False
    attributes = dataset[name].attrs
    if attributes.get("standard_name", "air_pressure") != "air_pressure":
        return False
    return str(attributes.get("units", "")).strip().lower() in PRESSURE_UNITS or (
        attributes.get("standard_name") == "air_pressure"
    )


def _is_time_axis(dataset: xr.Dataset, name: str) -> bool:
    if name not in dataset.dims or name not in dataset.coords:
        return False
    return clock.is_time(np.atleast_1d(dataset[name].values))
