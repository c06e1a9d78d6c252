"""Checks of latitude, longitude, levels and bounds."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from typing import Any

import numpy as np

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding, Fix
from catena.shared.checks.view import View, converted, noted, number, refused
from catena.shared.errors import InvalidData
from catena.shared.lexicon import factor_offset, same_units

Array = np.ndarray[Any, Any]


def latitude_range(view: View) -> Iterator[Finding]:
    """Latitudes lie on the sphere, and longitudes within one turn of either convention."""
    for name, low, high, swapped in (("lat", -90, 90, "lon"), ("lon", -180, 360, "lat")):
        values = _numbers(view, name)
        if values is None:
            continue
        least, most = float(np.nanmin(values)), float(np.nanmax(values))
        slack = 1e-3
        if least < low - slack or most > high + slack:
            yield refused(
                f"{name} {number(least)} to {number(most)}", f"{low} to {high} degrees",
                f"in radians or metres, or exchanged with {swapped}? correct it in the source",
                dimension=name,
            )  # fmt: skip
            return


def longitude(view: View) -> Iterator[Finding]:
    """Longitudes lie in [-180, 180), ascending, each meridian once."""
    values = _numbers(view, "lon")
    if values is None:
        return
    is_dimension = "lon" in view.dataset.dims
    if is_dimension and values.size > 1 and float(values.max() - values.min()) == 360.0:
        yield converted(
            f"lon {number(float(values[0]))} and {number(float(values[-1]))}", "each meridian once",
            "the last column repeats the first",
            Fix("keep", {"dim": "lon", "start": 0, "stop": int(values.size) - 1}), dimension="lon",
        )  # fmt: skip
        values = values[:-1]
    outside = (values >= 180) | (values < -180)
    if outside.any():
        yield converted(
            f"lon {number(float(np.nanmin(values)))} to {number(float(np.nanmax(values)))}",
            "-180 to 180 (180 itself is -180)", "turned by 360 degrees where needed, and sorted",
            Fix("wrap_longitude", {"name": "lon"}), dimension="lon",
        )  # fmt: skip
    elif is_dimension and (np.diff(values) < 0).any():
        yield converted(
            f"lon {number(float(values[0]))} ... {number(float(values[-1]))}", "ascending",
            "sorted", Fix("sort", {"dim": "lon"}), dimension="lon",
        )  # fmt: skip


def latitude_order(view: View) -> Iterator[Finding]:
    """Latitudes ascend."""
    values = _numbers(view, "lat")
    if values is not None and "lat" in view.dataset.dims and (np.diff(values) < 0).any():
        yield converted(
            f"lat {number(float(values[0]))} ... {number(float(values[-1]))}", "ascending",
            "sorted", Fix("sort", {"dim": "lat"}), dimension="lat",
        )  # fmt: skip


def levels(view: View) -> Iterator[Finding]:
    """Pressure levels are in Pa, from the surface upwards."""
    values = _numbers(view, "plev")
    if values is None:
        return
    units = str(view.dataset["plev"].attrs.get("units", "")).strip()
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    found = f"plev {number(low)} to {number(high)} '{units}'"
    try:
        factor, _ = factor_offset(units, "Pa")
    except InvalidData as error:
        yield refused(
            found, "pressure in Pa", f"{error.message}; say its unit in the source",
            dimension="plev",
        )  # fmt: skip
        return
    if not 1e-3 <= high * factor <= 115_000 or low <= 0:
        yield refused(
            found, "0.001 to 115000 Pa", "the unit cannot be right; correct it in the source",
            dimension="plev",
        )  # fmt: skip
        return
    if same_units(units, "Pa") and 100 <= high <= 1100:
        yield refused(
            found, "levels such as 85000 Pa",
            "these are heights of the upper stratosphere; numbers like this are usually hPa: "
            "label them so in the source",
            dimension="plev",
        )  # fmt: skip
        return
    if factor != 1.0:
        yield converted(
            found, f"{number(low * factor)} to {number(high * factor)} Pa", "unit converted",
            Fix("scale_coordinate", {"name": "plev", "factor": factor, "units": "Pa"}),
            dimension="plev",
        )  # fmt: skip
    if "plev" in view.dataset.dims and (np.diff(values) > 0).any():
        yield converted(
            f"plev {number(float(values[0]))} ... {number(float(values[-1]))} '{units}'",
            "surface first, decreasing pressure", "sorted",
            Fix("sort", {"dim": "plev", "descending": True}), dimension="plev",
        )  # fmt: skip


def bounds(view: View) -> Iterator[Finding]:
    """Bounds enclose their coordinate; where they do not, the coordinate is kept and they go."""
    for name in ("time", "lat", "lon", "plev"):
        if name not in view.dataset.coords:
            continue
        edges_name = str(view.dataset[name].attrs.get("bounds", "")) or f"{name}_bnds"
        if edges_name not in view.dataset.variables:
            if "bounds" in view.dataset[name].attrs and view.dataset[name].ndim == 1:
                yield converted(
                    f"attribute bounds '{edges_name}', which is not there",
                    "bounds, or no word of them",
                    "the attribute goes",
                    Fix("set_attributes", {"variable": name, "attributes": {"bounds": None}}),
                    dimension=name,
                )  # fmt: skip
            continue
        values, edges = view.dataset[name].values, view.dataset[edges_name].values
        if values.ndim > 1 or edges.ndim != values.ndim + 1 or edges.shape[-1] != 2:
            continue
        flat, edges = np.atleast_1d(values), edges.reshape(-1, 2)
        wrong, wanted = _outside(flat, edges), f"bounds that enclose {name}"
        if wrong is None and name == "time":
            own_year = _own_year(view, edges)
            if own_year is not None:
                yield own_year
                continue
            wrong, wanted = _odd_interval(view, edges), f"one {view.step} around time"
        if wrong is not None:
            yield converted(
                f"{edges_name} {_word(edges[wrong][0])} to {_word(edges[wrong][1])}",
                f"{wanted} {_word(flat[wrong])}",
                "bounds dropped; the coordinate is kept",
                Fix("drop", {"names": [edges_name]}), dimension=name,
            )  # fmt: skip


def _odd_interval(view: View, edges: Array) -> int | None:
    """Position of the first interval that is not one step of time long; None if all are.

    Months and years must be those of the calendar: some archives count the days of other months
    than they label, give twenty days around the middle, or let a year end with the middle of its
    last month.
    """
    step = view.step
    if step is None or not clock.is_time(edges):
        return None
    starts, ends = edges[:, 0], edges[:, 1]
    if step.kind != "seconds":
        bad = (clock.floor(starts, step.kind) != starts) | (clock.following(starts, step) != ends)
    else:
        lengths = np.diff(clock.elapsed_seconds(edges.ravel()))[::2]
        bad = np.abs(lengths - step.seconds) > 0.01 * step.seconds
    return int(np.argmax(bad)) if bad.any() else None


def _own_year(view: View, edges: Array) -> Finding | None:
    """What is to be said of yearly values over the same whole months each year; None if nothing.

    A year that begins later than January (a water year) is as good as the calendar's. Less or more
    than a year may be meant so or be a mistake, which the bounds alone do not tell.
    """
    step = view.step
    if step is None or step.kind != "year" or not clock.is_time(edges):
        return None
    starts, ends = edges[:, 0], edges[:, 1]
    if (clock.floor(edges.ravel(), "month") != edges.ravel()).any():
        return None
    first, length = clock.months(starts) % 12, clock.months(ends) - clock.months(starts)
    if (first != first[0]).any() or (length != length[0]).any():
        return None
    if length[0] == 12 and first[0] > 0:
        return noted(
            f"years from {calendar.month_name[first[0] + 1]}", "calendar years",
            "each is one whole year, and kept", dimension="time",
        )  # fmt: skip
    if length[0] > 0 and length[0] != 12:
        return refused(
            f"bounds {_word(starts[0])} to {_word(ends[0])} ({length[0]} months) each year",
            "whole years",
            "seasons and running means cannot be told from wrong bounds: leave the bounds out if "
            "the values are of whole years",
            dimension="time",
        )  # fmt: skip
    return None


def _outside(values: Array, edges: Array) -> int | None:
    """Position of the first value that its bounds do not enclose; None if all do."""
    if clock.is_time(values):
        if not clock.is_time(edges):
            return 0
        low, high = edges[:, 0], edges[:, 1]
        bad = (values < low) | (values > high)
    elif values.dtype.kind in "iuf" and edges.dtype.kind in "iuf":
        low, high = edges.min(axis=1), edges.max(axis=1)
        # Single precision of one of the two must not look like a fault.
        slack = 1e-5 * np.maximum(1.0, np.abs(values)) + 0.01 * np.abs(high - low)
        bad = (values < low - slack) | (values > high + slack)
    else:
        return None
    return int(np.argmax(bad)) if bad.any() else None


def _word(value: Any) -> str:
    if isinstance(value, (float, int, np.floating, np.integer)):
        return number(float(value))
    return clock.iso(value)


def _numbers(view: View, name: str) -> Array | None:
    if name not in view.dataset.coords:
        return None
    values = np.atleast_1d(view.dataset[name].values)
    return values if values.dtype.kind in "iuf" and values.size else None
