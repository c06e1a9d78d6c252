"""Basin records out of data sets in canonical form, as data-ingest's artifacts hold them.

Names and units of variables are the lexicon's (:mod:`catena.shared.lexicon`): ``pr`` and
``streamflow`` in kg m-2 s-1, ``tas`` in K, ``discharge`` in m3 s-1, with the coordinates ``lat``,
``lon`` and ``area`` (m2) of each ``basin``. Records hold water in mm d-1 and temperatures in degC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from catena.forecaster.data.records import (
    Array32,
    Array64,
    BasinRecords,
    Days,
    Index,
    check_days,
    refuse,
)
from catena.shared.errors import InvalidData
from catena.shared.lexicon import Variable, factor_offset, variable, variables

Missing = Literal["refuse", "keep"]

SIGNATURES = (
    "q_mean", "runoff_ratio", "slope_fdc", "baseflow_index", "stream_elas", "q5", "q95",
    "high_q_freq", "high_q_dur", "low_q_freq", "low_q_dur", "zero_q_freq", "hfd_mean",
    "calibrate_KGE", "calibrate_NSE", "test_KGE", "test_NSE",
)  # fmt: skip
"""Attributes that were computed from flow, of the test years too: never inputs (camels_hydro, and
scores of models)."""

RECORD_UNITS = {"kg m-2 s-1": "mm d-1", "K": "degC"}
"""Units of records where they are not the lexicon's."""
_BLOCK = 32  # basins read at once
_DAY = np.timedelta64(1, "D")


def record_units(name: str) -> str:
    """Units of a variable in records."""
    units = variable(name).units
    return RECORD_UNITS.get(units, units)


def records_from(
    weather: xr.Dataset,
    *,
    flow: xr.Dataset | None = None,
    attributes: xr.Dataset | None = None,
    basins: Sequence[str] | None = None,
    names: Sequence[str] = ("pr", "tas"),
    gauged: bool = True,
    missing: Missing = "refuse",
    generated: bool = False,
) -> BasinRecords:
    """Records of basins; only the basins asked for are read, block by block.

    Parameters
    ----------
    weather : xarray.Dataset
        (basin, time), daily; lazy or not.
    flow : xarray.Dataset, optional
        With ``streamflow`` or ``discharge`` (basin, time); the first data set if left out.
    attributes : xarray.Dataset, optional
        Numbers (basin,); flow signatures are left out.
    basins : sequence of str, optional
        Those that all data sets have, if left out.
    names : sequence of str
        Weather to read. ``tas`` is the mean of ``tasmin`` and ``tasmax`` where it is not given.
    gauged : bool
        False: there need be no flow at all.
    missing : {"refuse", "keep"}
        What to do about days without weather inside a basin's record: refuse them by name, or keep
        them as NaN, which models can take.
    generated : bool
        Whether the data are made up.

    Raises
    ------
    InvalidData
        For units that are none of the variable's, values that cannot occur on Earth, negative flow,
        days that come twice or (unless kept) are missing, weather that is missing (unless kept),
        and basins that a data set does not have: by name.
    """
    everything = [each for each in (weather, flow, attributes) if each is not None]
    chosen = _basins(everything, basins)
    days, order = _days(weather, missing)
    columns = [_weather(weather, name, chosen)[:, order] for name in names]
    full = np.arange(days[0], days[-1] + 1)
    table = np.full((len(chosen), len(full), len(columns)), np.nan, np.float32)
    at = (days - days[0]).astype(int)
    for place, values in enumerate(columns):
        table[:, at, place] = values
    described, described_names = _attributes(attributes, chosen)
    places = {name: _place(everything, name, chosen) for name in ("lat", "lon", "area")}
    made = BasinRecords(
        basins=chosen,
        days=full,
        weather=table,
        weather_names=tuple(names),
        flow=_flow(weather if flow is None else flow, chosen, full, places["area"], gauged),
        attributes=described,
        attribute_names=described_names,
        latitude=places["lat"],
        longitude=places["lon"],
        area=places["area"],
        generated=generated or any("generated" in each.attrs for each in everything),
    )
    if missing == "refuse":
        refuse_missing_weather(made)
    return made


def refuse_missing_weather(records: BasinRecords) -> None:
    """Refuse basins with missing weather between the first and the last day of their record.

    Raises
    ------
    InvalidData
        With the first such day of each.
    """
    first, last = records.extent()
    bad = {}
    for row, basin in enumerate(records.basins):
        gone = np.isnan(records.weather[row, first[row] : last[row] + 1]).any(axis=1)
        if last[row] < 0:
            bad[basin] = "no weather on any day"
        elif gone.any():
            day = records.days[first[row] + int(np.argmax(gone))]
            bad[basin] = (
                f"weather is missing on {int(gone.sum())} days, first on {day}; fill it, or ask "
                'for missing="keep"'
            )
    refuse(bad, "basins have gaps in their weather")


def _basins(datasets: Sequence[xr.Dataset], asked: Sequence[str] | None) -> tuple[str, ...]:
    """Those that were asked for, or that all data sets have, in the order of the first one."""
    named = [[str(name) for name in _coordinate(each, "basin").values] for each in datasets]
    for names in named:
        refuse({name: "came twice; wanted once" for name in names if names.count(name) > 1})
    if asked is None:
        common = set(named[0]).intersection(*named[1:])
        asked = [name for name in named[0] if name in common]
        if not asked:
            raise InvalidData(
                "the data sets of weather, flow and attributes have no basin in common; "
                f"the first ones are {', '.join(names[0] for names in named if names)}"
            )
    for names in named:
        refuse({name: "is not in the data set" for name in asked if name not in set(names)})
    return tuple(asked)


def _coordinate(dataset: xr.Dataset, name: str) -> xr.DataArray:
    if name not in dataset.coords:
        raise InvalidData(
            f"a data set with the coordinates {sorted(map(str, dataset.coords))} came; "
            f"'{name}' wanted"
        )
    return dataset[name]


def _days(dataset: xr.Dataset, missing: Missing) -> tuple[Days, Index]:
    """Days of a data set in order, and the places of its times in that order."""
    times = _coordinate(dataset, "time")
    bounds = dataset.get(str(times.attrs.get("bounds", "")))
    # Where an interval is known it says which day is meant, whatever its label.
    label = times.values if bounds is None else bounds.values[:, 0]
    if label.dtype.kind != "M":
        raise InvalidData(
            f"times of the calendar '{times.dt.calendar}' came; the standard calendar wanted"
        )
    days = label.astype("datetime64[D]")
    if missing == "refuse":
        check_days(days)
    order = np.argsort(days, kind="stable")
    steps = np.diff(days[order]).astype(int)
    if not days.size or (steps < 1).any():
        twice = days[order][1:][steps < 1]
        came = f"day {twice[0]} twice" if twice.size else "no day"
        raise InvalidData(f"{came} came; wanted each day once: one value a day")
    return days[order], order.astype(np.int64)


def _weather(dataset: xr.Dataset, name: str, basins: Sequence[str]) -> Array32:
    """One variable, (N, time of the data set)."""
    if name in dataset:
        return _read(dataset[name], variable(name), basins)
    if name == "tas" and {"tasmin", "tasmax"} <= set(dataset):
        ends = [_read(dataset[each], variable(each), basins) for each in ("tasmin", "tasmax")]
        return np.asarray((ends[0] + ends[1]) / 2, np.float32)
    known = ", ".join(sorted(str(each) for each in dataset if str(each) in variables()))
    raise InvalidData(f"there is no weather '{name}' in the data set; it has {known or 'none'}")


def _flow(
    dataset: xr.Dataset, basins: Sequence[str], days: Days, area: Array64, gauged: bool
) -> Array32:
    """Flow on `days`, mm d-1; NaN on days that the data set does not have."""
    flow = np.full((len(basins), len(days)), np.nan, np.float32)
    if "streamflow" in dataset:
        values = _read(dataset["streamflow"], variable("streamflow"), basins)
    elif "discharge" in dataset:
        refuse(
            {b: "no area" for b, each in zip(basins, area, strict=True) if not each > 0},
            "basins have a discharge but no area to divide it by",
        )
        discharge = _read(dataset["discharge"], variable("discharge"), basins)
        values = (discharge * (86_400_000.0 / area[:, None])).astype(np.float32)
        _refuse_depths(values, basins, area)
    elif gauged:
        raise InvalidData(
            "there is neither streamflow nor discharge in the data set; give the one with flow, "
            "or gauged=False"
        )
    else:
        return flow
    own, order = _days(dataset, "keep")
    at = (own - days[0]).astype(int)
    inside = (at >= 0) & (at < len(days))
    flow[:, at[inside]] = values[:, order[inside]]
    return flow


def _refuse_depths(flow: Array32, basins: Sequence[str], area: Array64) -> None:
    """Refuse flow, mm d-1, that no river has: the area belongs to another basin or is in km2."""
    about = variable("streamflow")
    factor, _ = factor_offset(about.units, "mm d-1", substance=about.substance)
    most = np.where(np.isnan(flow), 0.0, flow).max(axis=1, initial=0.0)
    refuse(
        {
            basins[row]: f"discharge of {most[row]:g} mm d-1 over {area[row]:g} m2; at most "
            f"{about.high * factor:g} can occur: is the area right, and in m2?"
            for row in map(int, np.flatnonzero(most > about.high * factor))
        },
        "basins have an impossible discharge",
    )


def _read(array: xr.DataArray, about: Variable, basins: Sequence[str]) -> Array32:
    """Values (basin, time) in the units of records, read block by block."""
    if set(array.dims) != {"basin", "time"}:
        raise InvalidData(f"{about.name} has the dimensions {array.dims}; basin and time wanted")
    units = str(array.attrs.get("units", ""))
    if not units:
        raise InvalidData(f"{about.name} has no units; wanted e.g. '{about.units}'")
    wanted = RECORD_UNITS.get(about.units, about.units)
    try:
        factor, offset = factor_offset(units, wanted, substance=about.substance)
    except InvalidData as error:
        raise InvalidData(f"{about.name}: {error.message}") from None
    to_record, shift = factor_offset(about.units, wanted, substance=about.substance)
    low, high = about.low * to_record + shift, about.high * to_record + shift
    rows = _rows(array, basins)
    array = array.transpose("basin", "time")
    made = np.empty((len(rows), array.sizes["time"]), np.float32)
    bad: dict[str, str] = {}
    for start in range(0, len(rows), _BLOCK):
        block = np.asarray(array[rows[start : start + _BLOCK]].values, np.float64)
        block = block * factor + offset
        # Packing and interpolation leave traces of rain below zero.
        traces = (block < low) & (block > low - 1e-3) if low == 0 else np.zeros(1, bool)
        block[np.broadcast_to(traces, block.shape)] = low
        for row in np.flatnonzero(((block < low) | (block > high)).any(axis=1)):
            worst = np.nanmin(block[row]), np.nanmax(block[row])
            bad[basins[start + int(row)]] = (
                f"{about.name} of {worst[0]:g} to {worst[1]:g} {wanted}; {low:g} to {high:g} can "
                "occur: are the units right, is a number put for what is missing?"
            )
        made[start : start + _BLOCK] = block
    refuse(bad, f"basins have impossible values of {about.name}")
    return made


def _attributes(
    dataset: xr.Dataset | None, basins: Sequence[str]
) -> tuple[Array32, tuple[str, ...]]:
    """Numbers that describe basins, (N, S), in the order of their names."""
    if dataset is None:
        return np.empty((len(basins), 0), np.float32), ()
    names = sorted(
        str(name)
        for name, array in dataset.data_vars.items()
        if array.dims == ("basin",) and array.dtype.kind in "fiu" and name not in SIGNATURES
    )
    chosen = dataset[names].isel(basin=_rows(dataset, basins))
    columns = [chosen[name].values.astype(np.float32) for name in names]
    made = np.stack(columns, axis=1) if columns else np.empty((len(basins), 0), np.float32)
    return made, tuple(names)


def _rows(labelled: xr.Dataset | xr.DataArray, basins: Sequence[str]) -> list[int]:
    """Places of basins, which may be numbers in a data set."""
    index = {str(name): row for row, name in enumerate(labelled["basin"].values)}
    return [index[basin] for basin in basins]


def _place(datasets: Sequence[xr.Dataset], name: str, basins: Sequence[str]) -> Any:
    """A coordinate of basins from the first data set that knows it; NaN where none does.

    Areas are converted to m2 where their units are told.
    """
    found = np.full(len(basins), np.nan)
    for dataset in datasets:
        if name in dataset.coords and dataset[name].dims == ("basin",):
            values = dataset[name].values[_rows(dataset, basins)].astype(np.float64)
            units = str(dataset[name].attrs.get("units", ""))
            if name == "area" and units:
                values = values * factor_offset(units, "m2")[0]
            found = np.where(np.isnan(found), values, found)
    return found
