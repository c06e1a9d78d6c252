"""The part of a dataset that was asked for, as checks among those of the data.

The cut comes between the checks of names, places and times, which read no values, and those of
values, so that nothing outside it is read. What cannot be cut is kept, and a finding says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from catena.data_ingest.vocabulary import Region, Selection
from catena.shared.checks import CHECKS, Finding, Fix, clock
from catena.shared.checks.amounts import accumulation
from catena.shared.checks.intervals import time_stamps
from catena.shared.checks.view import Check, View

Array = np.ndarray[Any, Any]

NAME = "selection"
"""What the findings of the cut are called."""

_AFTER = "duplicate"
"""The last check of places and times: names, coordinates and order are canonical behind it."""

_ISSUED = "forecast_reference_time"
_AS_ASKED = "cut to what was asked for"


def checks_with_cut(selection: Selection) -> tuple[Check, ...]:
    """All checks in their order, and the cut among them; good for one inspection.

    Parameters
    ----------
    selection : Selection
        Its facets are the source's concern.
    """
    cuts: list[Check] = []
    if selection.variables:
        cuts.append(Check(NAME, partial(_variables, wanted=selection.variables)))
    period = _Period(selection.start, selection.end)
    if selection.start or selection.end:
        cuts.append(Check(NAME, period.cut))
    if selection.region is not None:
        cuts.append(Check(NAME, partial(_region, region=selection.region)))
    checks: list[Check] = []
    for check in CHECKS:
        checks.append(Check(check.name, period.stamps) if check.name == "time_stamp" else check)
        if check.name == _AFTER:
            checks += cuts
        if check.name == "time_bounds":
            checks.append(Check(NAME, period.trim))
    return tuple(checks) if cuts else CHECKS


def _variables(view: View, wanted: tuple[str, ...]) -> Iterator[Finding]:
    there = [name for name in wanted if name in view.variables]
    absent = [name for name in wanted if name not in view.variables]
    rest = [name for name in view.variables if name not in wanted]
    if not there:
        yield _nothing(", ".join(view.variables), ", ".join(wanted))
        return
    if absent:
        yield _noted(
            ", ".join(there), f"{', '.join(absent)} too", "the dataset has no more of them"
        )
    if rest:
        yield _cut_to("all variables", ", ".join(there), "", [Fix("drop", {"names": rest})])


class _Period:
    """The days that were asked for: a step of time belongs to the day on which it starts.

    Where in its step a stamp lies can only be told from the whole axis, and is told before the cut.
    What is made of neighbours in time (rates out of accumulated amounts, the length of a single
    step) needs some of them: the cut leaves those, and they go when the values are made.

    Parameters
    ----------
    start, end : str
        First and last day, ISO 8601, both included; empty: open.
    """

    def __init__(self, start: str, end: str) -> None:
        self._start, self._end = start, end
        self._wanted = f"{start or 'the first day'} to {end or 'the last'}"
        self._whole: xr.Dataset | None = None

    def cut(self, view: View) -> Iterator[Finding]:
        """To the days, with neighbours in time where values are made of them."""
        values = view.times
        if values is None:
            yield from self._without_axis(view)
            return
        self._whole = view.dataset
        starts, fixes = _starts_of_steps(view)
        inside = self._inside(starts)
        if inside.size:
            more = _neighbours(view, inside, fixes)
            kept = np.arange(max(0, inside[0] - more), min(values.size, inside[-1] + 1 + more))
            around = f", and {more} steps around" if more else ""
            why = "the values are made of some beside them, which go later" if more else _AS_ASKED
        else:
            kept, around, why = inside, "", _AS_ASKED
        yield from _keep("time", kept, values.size, _days(starts), self._wanted + around, why)

    def stamps(self, view: View) -> Iterator[Finding]:
        """The check of stamps; it sees the axis as it was before the cut."""
        if self._whole is not None:
            view = replace(view, dataset=self._whole, _step=None)
        yield from time_stamps(view)

    def trim(self, view: View) -> Iterator[Finding]:
        """To the days and no more, when every stamp is the start of its step."""
        values = view.times
        if self._whole is not None and values is not None:
            yield from _keep("time", self._inside(values), values.size, _days(values), self._wanted)

    def _inside(self, values: Array) -> Array:
        # ISO 8601 sorts as text, in every calendar.
        days = (clock.iso(value)[:10] for value in values)
        within = [
            (not self._start or day >= self._start) and (not self._end or day <= self._end)
            for day in days
        ]
        return np.flatnonzero(within)

    def _without_axis(self, view: View) -> Iterator[Finding]:
        for name in ("time", _ISSUED):
            if name not in view.dataset.coords:
                continue
            values = np.atleast_1d(view.dataset[name].values)
            if not values.size or not clock.is_time(values):
                continue
            inside = self._inside(values)
            if name in view.dataset.dims or not inside.size:
                yield from _keep(name, inside, values.size, _days(values), self._wanted)
            return
        yield _noted("no time", self._wanted, "the period was not applied: nothing says when it is")


def _starts_of_steps(view: View) -> tuple[Array, list[Fix]]:
    """Times as the checks will leave them, and what these will do to the values for that."""
    # Only the axis matters: without the values nothing is read, and no graph of all chunks is made.
    empty = {
        name: view.dataset[name].copy(data=da.zeros(array.shape, dtype=array.dtype, chunks=-1))
        for name, array in view.dataset.data_vars.items()
    }
    ahead = View(view.dataset.assign(empty), view.vocabulary, view.key, view.file, dict(view.rows))
    fixes: list[Fix] = []
    for run in (accumulation, time_stamps):
        findings = list(run(ahead))
        ahead.advance(findings)
        fixes += [fix for finding in findings for fix in finding.fixes]
    return ahead.times, fixes


def _neighbours(view: View, inside: Array, fixes: Iterable[Fix]) -> int:
    """How many steps before and after those inside are needed: of a day, or none."""
    kept = view.dataset[["time"]].isel(time=slice(inside[0], inside[-1] + 1))
    alone = View(kept, view.vocabulary, view.key, view.file)
    step = view.step
    mixed = any(
        fix.op == "shift_values" or (fix.op == "deaccumulate" and fix.arguments["dim"] == "time")
        for fix in fixes
    )
    if not mixed and alone.step == step:
        return 0
    return max(1, math.ceil(clock.DAY / step.seconds)) if step is not None else 1


def _region(view: View, region: Region) -> Iterator[Finding]:
    wanted = f"{region.south:g} to {region.north:g} N"
    ranges = {"lat": (region.south, region.north)}
    if region.longitudes is not None:
        ranges["lon"] = region.longitudes
        wanted += ", {:g} to {:g} E".format(*region.longitudes)
    unknown, masks = [], []
    for name, (low, high) in ranges.items():
        degrees = _coordinate(view, name)
        if degrees is None:
            unknown.append(name)
        elif low <= high:
            masks.append((degrees >= low) & (degrees <= high))
        else:  # across 180 degrees
            masks.append((degrees >= low) | (degrees <= high))
    if unknown:
        why = "the region was not applied along it: nothing says where the data lie"
        yield _noted(f"no {', '.join(unknown)}", wanted, why)
    if len(masks) == 2 and (set(masks[0].dims) & set(masks[1].dims) or not masks[0].dims):
        # Places with both coordinates: a site, many, basins, cells, a curvilinear grid.
        masks = [masks[0] & masks[1]]
    for mask in masks:
        yield from _places(view, mask, wanted)


def _coordinate(view: View, name: str) -> xr.DataArray | None:
    """Degrees without an index; None where nothing is known."""
    if name not in view.dataset.coords:
        return None
    array = view.dataset[name]
    values = np.asarray(array.values)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).any():
        return None
    return xr.DataArray(values, dims=array.dims)


def _places(view: View, mask: xr.DataArray, wanted: str) -> Iterator[Finding]:
    """Cut to the positions along each dimension that hold a place inside."""
    dims = [str(dim) for dim in mask.dims]
    size, places = mask.size, int(mask.sum())
    if not dims:
        if not places:
            yield _nothing(f"a place at {_place(view)}", wanted)
        return
    if len(dims) == 1:
        yield from _keep(dims[0], np.flatnonzero(mask.values), size, f"{size} places", wanted)
        return
    found = f"{size} places along {', '.join(dims)}"
    if not places:
        yield _nothing(found, wanted)
        return
    fixes, kept = [], 1
    for dim in dims:
        inside = np.flatnonzero(mask.any([other for other in dims if other != dim]).values)
        kept *= inside.size
        if inside.size < mask.sizes[dim]:
            fixes.append(_kept(dim, inside))
    if fixes or kept > places:
        why = (
            f"cut to the rows and columns of the {places} places inside, which hold {kept}: "
            f"{kept - places} of them lie outside"
        )
        yield _cut_to(found, wanted, "", fixes, why)


def _place(view: View) -> str:
    coordinates = {name: _coordinate(view, name) for name in ("lat", "lon")}
    return ", ".join(
        f"{float(degrees):g} {'N' if name == 'lat' else 'E'}"
        for name, degrees in coordinates.items()
        if degrees is not None and not degrees.ndim
    )


def _keep(
    dim: str, inside: Array, size: int, found: str, wanted: str, why: str = _AS_ASKED
) -> Iterator[Finding]:
    if not inside.size:
        yield _nothing(found, wanted, dim)
    elif inside.size < size:
        yield _cut_to(found, wanted, dim, [_kept(dim, inside)], why)


def _kept(dim: str, inside: Array) -> Fix:
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    ranges = [[int(run[0]), int(run[-1]) + 1] for run in runs]
    if len(ranges) == 1:
        return Fix("keep", {"dim": dim, "start": ranges[0][0], "stop": ranges[0][1]})
    return Fix("keep_ranges", {"dim": dim, "ranges": ranges})


def _days(values: Array) -> str:
    first, last = (clock.iso(value)[:10] for value in (values[0], values[-1]))
    return f"{first} to {last}" if values.size > 1 else first


def _cut_to(
    found: str, wanted: str, dim: str, fixes: Iterable[Fix], why: str = _AS_ASKED
) -> Finding:
    return Finding(NAME, "noted", found, wanted, why, dimension=dim, fixes=tuple(fixes))


def _noted(found: str, wanted: str, why: str) -> Finding:
    return Finding(NAME, "noted", found, wanted, why)


def _nothing(found: str, wanted: str, dim: str = "") -> Finding:
    why = "nothing of what was asked for is in it"
    return Finding(NAME, "refused", found, wanted, why, dimension=dim)
