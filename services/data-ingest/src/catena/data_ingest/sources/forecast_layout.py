"""Forecasts as (forecast_reference_time, leadtime[, member], ...), whatever a file calls them.

``forecast_reference_time + leadtime`` is the time of an instant, and the end of the interval that
an amount, a mean or an extreme is about. Source of the layout: specs/streamflow, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import xarray as xr

from catena.shared.errors import InvalidData

REFERENCE = "forecast_reference_time"
LEAD = "leadtime"
MEMBER = "member"

_REFERENCE_NAMES = (
    REFERENCE,
    "reftime",
    "reference_time",
    "issue_time",
    "init_time",
    "initial_time",
)
_LEAD_NAMES = (LEAD, "lead_time", "lead", "step", "forecast_period", "prediction_timedelta")
_MEMBER_NAMES = (MEMBER, "number", "realization", "ensemble", "ens", "ensemble_member")


def reference_name(dataset: xr.Dataset) -> str:
    """Coordinate that says when the forecasts were issued; empty if there is none."""
    return _named(dataset, _REFERENCE_NAMES, "forecast_reference_time")


def is_forecast(dataset: xr.Dataset) -> bool:
    """Whether fields have a reference time and a lead, or a reference time and valid times."""
    if any(array.attrs.get("GRIB_dataType") == "an" for array in dataset.data_vars.values()):
        return False  # An analysis; its step is 0.
    if _named(dataset, _LEAD_NAMES, "forecast_period"):
        return bool(reference_name(dataset)) or "time" in dataset.coords
    return bool(reference_name(dataset)) and "time" in dataset.dims


def arrange(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """Bring an opened file into the layout; values and units stay as they are.

    Parameters
    ----------
    dataset : xarray.Dataset
        With (reference time, lead), as GRIB readers give it ((time, step)), or with valid times
        and one reference time.
    file : str
        What to call it in messages.

    Returns
    -------
    xarray.Dataset
        Dimensions ``forecast_reference_time`` (datetime64), ``leadtime`` (timedelta64) and, for an
        ensemble, ``member``.

    Raises
    ------
    InvalidData
        When issue times or leads cannot be told.
    """
    reference = reference_name(dataset)
    lead = _named(dataset, _LEAD_NAMES, "forecast_period")
    if not reference and lead and "time" in dataset.coords:
        reference = "time"  # GRIB: the time of the analysis from which the forecast started.
    if not reference:
        raise InvalidData(
            f"file {file}: found the coordinates {sorted(map(str, dataset.coords))}, wanted a "
            "forecast_reference_time: when the forecast was issued is unknown"
        )
    dataset = dataset.rename({reference: REFERENCE} if reference != REFERENCE else {})
    if lead:
        dataset = dataset.rename({lead: LEAD} if lead != LEAD else {})
    else:
        dataset = _from_valid_times(dataset, file)
    dataset = dataset.assign_coords({LEAD: _timedelta(dataset[LEAD], file)})
    # What depends on both would be two-dimensional, and follows from them.
    dataset = dataset.drop_vars(["valid_time"], errors="ignore")
    for name in (LEAD, REFERENCE):
        if name not in dataset.dims:
            dataset = dataset.expand_dims(name)
    member = _named(dataset, _MEMBER_NAMES, "realization")
    if member and member != MEMBER:
        dataset = dataset.rename({member: MEMBER})
    dataset[REFERENCE].attrs = {"standard_name": "forecast_reference_time"}
    dataset[LEAD].attrs = {"standard_name": "forecast_period"}
    front = [name for name in (REFERENCE, LEAD, MEMBER) if name in dataset.dims]
    return dataset.transpose(*front, ...)


def join(parts: Iterable[xr.Dataset], key: str) -> xr.Dataset:
    """One archive out of files that each hold some issue times and leads.

    Parameters
    ----------
    parts : iterable of xarray.Dataset
        From :func:`arrange`.
    key : str
        For messages.

    Raises
    ------
    InvalidData
        When two files hold the same forecast, or grids differ.
    """
    by_issue: dict[tuple[np.datetime64, ...], list[xr.Dataset]] = {}
    for part in parts:
        by_issue.setdefault(tuple(part[REFERENCE].values), []).append(part)
    issues = [_concat(group, LEAD, key, "exact") for group in by_issue.values()]
    # Issue times may differ in how far they reach: missing leads are NaN.
    return _concat(issues, REFERENCE, key, "outer")


def join_members(parts: list[xr.Dataset], key: str) -> list[xr.Dataset]:
    """Put the control and the perturbed members of an ensemble, two hypercubes, together."""
    groups: dict[tuple[str, ...], list[xr.Dataset]] = {}
    for part in parts:
        level = next(iter(part.data_vars.values())).attrs.get("GRIB_typeOfLevel", "")
        groups.setdefault((str(level), *sorted(map(str, part.data_vars))), []).append(part)
    joined = []
    for group in groups.values():
        if len(group) > 1 and all("number" in part.coords for part in group):
            wide = [p if "number" in p.dims else p.expand_dims("number") for p in group]
            joined.append(_concat(wide, "number", key, "exact"))
        else:
            joined.extend(group)
    return joined


def _concat(
    parts: list[xr.Dataset], dim: str, key: str, join: Literal["exact", "outer"]
) -> xr.Dataset:
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: part[dim].values.ravel()[0])
    with_dim = [name for name in parts[0].data_vars if dim in parts[0][name].dims]
    try:
        whole: xr.Dataset = xr.concat(
            parts,
            dim=dim,
            data_vars=with_dim,
            coords="minimal",
            compat="override",
            join=join,
            combine_attrs="override",
        )
    except ValueError as error:
        raise InvalidData(
            f"dataset {key}: files do not fit along {dim} ({str(error)[:200]}); wanted the same "
            "variables, members and grid in each"
        ) from error
    values, count = np.unique(whole[dim].values, return_counts=True)
    if (count > 1).any():
        raise InvalidData(
            f"dataset {key}, dimension {dim}: found {values[count > 1][0]} {count.max()} times, "
            "wanted each once; leave one of the files out"
        )
    return whole.sortby(dim)


def _from_valid_times(dataset: xr.Dataset, file: str) -> xr.Dataset:
    """Lead out of valid time and the one reference time."""
    reference = dataset[REFERENCE]
    if reference.size != 1 or "time" not in dataset.dims:
        raise InvalidData(
            f"file {file}: found {reference.size} reference times and the dimensions "
            f"{sorted(map(str, dataset.dims))}, wanted one reference time and the valid times "
            "'time', or a dimension of leads"
        )
    lead = dataset["time"].values - np.asarray(reference.values).ravel()[0]
    if (lead.astype(np.int64) < 0).any():
        raise InvalidData(
            f"file {file}, dimension time: found {dataset['time'].values.min()}, wanted nothing "
            f"before the reference time {reference.values}"
        )
    return dataset.assign_coords({"time": lead}).rename(time=LEAD)


def _timedelta(lead: xr.DataArray, file: str) -> xr.DataArray:
    """Leads as timedelta64; numbers need a unit."""
    if lead.dtype.kind == "m":
        return lead.astype("timedelta64[ns]")
    units = str(lead.attrs.get("units", ""))
    seconds = {"h": 3600, "s": 1, "d": 86400, "m": 60}.get(units[:1].lower())
    if seconds is None or units.lower().startswith("mo"):
        raise InvalidData(
            f"file {file}, coordinate {lead.name}: found the unit {units!r}, wanted seconds, "
            "minutes, hours or days"
        )
    nano = np.round(lead.values.astype(np.float64) * seconds * 1e9).astype("timedelta64[ns]")
    return lead.copy(data=nano)


def _named(dataset: xr.Dataset, names: tuple[str, ...], standard_name: str) -> str:
    for name, array in dataset.coords.items():
        if array.attrs.get("standard_name") == standard_name and not _is_text(array):
            return str(name)
    everything = {*map(str, dataset.coords), *map(str, dataset.dims)}
    return next((name for name in names if name in everything), "")


def _is_text(array: xr.DataArray) -> bool:
    return array.dtype.kind in "OUS"
