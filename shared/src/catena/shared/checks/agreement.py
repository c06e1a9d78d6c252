"""Whether two files belong into one dataset, and if not, which value of which file is to blame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from catena.shared.checks import clock
from catena.shared.checks.findings import Finding
from catena.shared.lexicon import same_units

Array = np.ndarray[Any, Any]


def files_agree(
    first: xr.Dataset,
    other: xr.Dataset,
    *,
    dataset: str,
    first_file: str,
    other_file: str,
    along: str = "time",
) -> list[Finding]:
    """Where two files of one dataset differ so that they cannot be put together.

    Parameters
    ----------
    first, other : xarray.Dataset
        Of two files; `first` is the one that the others are compared with.
    dataset : str
        Key of the entry.
    first_file, other_file : str
    along : str
        Dimension along which they are put together; it may differ in size and values.

    Returns
    -------
    list of Finding
        All refused, each with the file, the dimension or variable, and both values. Empty if the
        two agree.
    """
    wanted_from = f"as in {first_file}"
    found = [
        *_variables(first, other, along),
        *_coordinates(first, other, along),
        *_times(first, other, along),
    ]
    return [
        Finding(
            "files_agree", "refused", got, f"{wanted}, {wanted_from}", why,
            dataset=dataset, file=other_file, variable=variable, dimension=dimension,
        )
        for variable, dimension, got, wanted, why in found
    ]  # fmt: skip


Difference = tuple[str, str, str, str, str]


def _variables(first: xr.Dataset, other: xr.Dataset, along: str) -> Iterator[Difference]:
    for each in sorted({*map(str, first.data_vars), *map(str, other.data_vars)}):
        if each not in first.data_vars or each not in other.data_vars:
            has = each in other.data_vars
            yield (
                each, "", f"variable {each}" if has else f"no variable {each}",
                f"no variable {each}" if has else f"variable {each}",
                "files of one dataset hold the same variables",
            )  # fmt: skip
            continue
        one, two = first[each], other[each]
        if set(one.dims) != set(two.dims):
            differing = sorted(map(str, set(one.dims) ^ set(two.dims)))
            yield each, differing[0], f"dims {two.dims}", f"dims {one.dims}", "select in the source"
        units = str(one.attrs.get("units", "")), str(two.attrs.get("units", ""))
        if not same_units(*units):
            yield each, "", f"unit '{units[1]}'", f"unit '{units[0]}'", "convert one of the files"
        if one.dtype.kind != two.dtype.kind:
            yield each, "", f"type {two.dtype}", f"type {one.dtype}", "one of them is not decoded"


def _coordinates(first: xr.Dataset, other: xr.Dataset, along: str) -> Iterator[Difference]:
    sizes = {str(dim): size for dim, size in first.sizes.items()}
    for dim, size in sizes.items():
        if dim == along or dim not in other.sizes:
            continue
        if other.sizes[dim] != size:
            yield "", dim, f"size {other.sizes[dim]}", f"size {size}", "the grids are not the same"
            continue
        if dim not in first.coords or dim not in other.coords:
            continue
        one, two = first[dim].values, other[dim].values
        units = (str(each[dim].attrs.get("units", "")) for each in (first, other))
        label, other_label = units
        if label != other_label and not same_units(label, other_label):
            yield "", dim, f"unit '{other_label}'", f"unit '{label}'", "convert one of the files"
        at = _first_difference(one, two)
        if at is not None:
            yield (
                "", dim, f"{dim} {two[at]} at position {at}", f"{dim} {one[at]}",
                "the grids are not the same; one is perhaps upside down or shifted",
            )  # fmt: skip


def _times(first: xr.Dataset, other: xr.Dataset, along: str) -> Iterator[Difference]:
    if along not in first.coords or along not in other.coords:
        return
    one, two = first[along].values, other[along].values
    decoded = [clock.is_time(np.atleast_1d(values)) for values in (one, two)]
    if decoded[0] != decoded[1]:
        yield (
            "", along, f"type {two.dtype}", f"type {one.dtype}",
            "one of the two has no decoded times",
        )  # fmt: skip
        return
    if not all(decoded):
        return
    calendars = [clock.calendar_of(each[along]) for each in (first, other)]
    same = calendars[0] == calendars[1] or all(each in clock.STANDARD for each in calendars)
    if not same:
        yield (
            "", along, f"calendar {calendars[1]}", f"calendar {calendars[0]}",
            "days of two calendars cannot be put into one axis",
        )  # fmt: skip


def _first_difference(one: Array, two: Array) -> int | None:
    if one.dtype.kind in "iuf" and two.dtype.kind in "iuf":
        # Archives write the same grid in single and in double precision.
        differs = ~np.isclose(one, two, rtol=1e-6, atol=1e-6)
    else:
        differs = one != two
    return int(np.argmax(differs)) if np.any(differs) else None
