"""Outputs of members as datasets in CF style: time axis, units, parameters, failures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.forcing.calendar import Calendar
from catena.ensemble_runner.members import Members
from catena.ensemble_runner.models import Failure, Frequency, Output, Setup

_UNIT = {"daily": "D", "monthly": "M", "yearly": "Y"}


def step_starts(days: NDArray[np.datetime64], frequency: Frequency) -> NDArray[np.int64]:
    """Position of the first day of each step.

    Parameters
    ----------
    days : array of datetime64[D] (day,)
        Consecutive days.
    frequency : {"daily", "monthly", "yearly"}
        Months and years of the calendar. Those that the days do not fill at their ends are steps
        all the same.
    """
    steps = days.astype(f"datetime64[{_UNIT[frequency]}]")
    return np.flatnonzero(np.concatenate([[True], steps[1:] != steps[:-1]]))


def step_means(values: NDArray[Any], starts: NDArray[np.int64], axis: int) -> NDArray[Any]:
    """Means over steps along an axis of days."""
    counts = np.diff(np.append(starts, values.shape[axis]))
    shape = [1] * values.ndim
    shape[axis] = -1
    sums: NDArray[Any] = np.add.reduceat(values, starts, axis=axis)
    return sums / counts.reshape(shape)


def run_axes(setup: Setup, frequency: Frequency) -> xr.Dataset:
    """``time`` (starts of the steps) and ``time_bnds`` of the last stage; ``lat``, ``lon``."""
    stage = setup.stages[-1]
    days = stage.dates(setup.record)
    starts = step_starts(days, frequency)
    after = days[-1] + np.timedelta64(1, "D")
    bounds = np.stack([days[starts], np.append(days[starts[1:]], after)], axis=1)
    times: Any = bounds
    if stage.calendar(setup.record) == "standard":
        times = bounds.astype("datetime64[us]")
    else:
        times = np.array(
            [[calendar_date(day, "noleap") for day in pair] for pair in bounds.tolist()]
        )
    return axes_dataset(times, setup.record.lat, setup.record.lon)


def axes_dataset(bounds: NDArray[Any], lat: NDArray[Any], lon: NDArray[Any]) -> xr.Dataset:
    """Axes of a run.

    Parameters
    ----------
    bounds : array (time, 2)
        Start and end of each interval, as times.
    lat, lon : array (cell,)
        Degrees.
    """
    time = {"standard_name": "time", "long_name": "start of the interval", "bounds": "time_bnds"}
    return xr.Dataset(
        coords={
            "time": ("time", bounds[:, 0], time),
            "time_bnds": (("time", "bnds"), bounds, {"long_name": "interval"}),
            "lat": ("cell", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "lon": ("cell", lon, {"standard_name": "longitude", "units": "degrees_east"}),
        }
    )


def calendar_date(day: dt.date, calendar: Calendar) -> cftime.datetime:
    """A day in a calendar; what follows 28 February in one without leap days is 1 March."""
    month, number = day.month, day.day
    if calendar == "noleap" and (month, number) == (2, 29):
        month, number = 3, 1
    return cftime.datetime(day.year, month, number, calendar=calendar)


def output_dataset(
    setup: Setup,
    outputs: Sequence[Output],
    values: Mapping[str, Any],
    frequency: Frequency,
    *,
    dims: Sequence[str],
    attrs: Mapping[str, Any],
    axes: xr.Dataset | None = None,
) -> xr.Dataset:
    """Outputs as a dataset.

    Parameters
    ----------
    setup : Setup
    outputs : sequence of Output
    values : mapping of str to array
        (time, cell), or (member, time, cell); lazy or not.
    frequency : str
    dims : sequence of str
        Of `values`.
    attrs : mapping
        Global attributes.
    axes : Dataset, optional
        As in :class:`~catena.ensemble_runner.models.BlockRun`.
    """
    known = {output.name: output for output in outputs}
    variables = {
        name: (
            tuple(dims),
            values[name],
            {
                "units": known[name].units,
                "long_name": known[name].long_name,
                "cell_methods": "time: mean",
            },
        )
        for name in setup.outputs
    }
    if axes is None:
        axes = run_axes(setup, frequency)
    return xr.Dataset(
        {**variables, "time_bnds": axes["time_bnds"].variable},
        coords={name: axes[name].variable for name in ("time", "lat", "lon")},
        attrs={"Conventions": "CF-1.11", "frequency": frequency, **attrs},
    )


def with_members(dataset: xr.Dataset, members: Members, failures: Sequence[Failure]) -> xr.Dataset:
    """The dataset with the parameters of its members and the table of those that failed.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the dimension `member`.
    members : Members
    failures : sequence of Failure
    """
    ok = np.ones(len(members.rows), dtype=np.int8)
    ok[[each.member for each in failures]] = 0
    made = dataset.assign_coords(
        member=np.arange(len(members.rows)),
        parameter=[column.label for column in members.columns],
        parameter_units=("parameter", list(members.units)),
        parameter_long_name=("parameter", list(members.long_names)),
    )
    made["parameters"] = (
        ("member", "parameter"),
        members.rows,
        {"long_name": "parameters of the members, in parameter_units"},
    )
    made["parameter_low"] = ("parameter", members.low, {"long_name": "lower end of the range"})
    made["parameter_high"] = ("parameter", members.high, {"long_name": "upper end of the range"})
    made["ok"] = (
        "member",
        ok,
        {
            "long_name": "whether the member came to its end",
            "flag_values": np.array([0, 1], dtype=np.int8),
            "flag_meanings": "failed ok",
        },
    )
    made = made.merge(_failure_table(failures))
    return made.assign_attrs(n_asked=len(ok), n_ok=int(ok.sum()))


def _failure_table(failures: Sequence[Failure]) -> xr.Dataset:
    """Members that failed, along the dimension `failure`."""
    numbers = np.array([each.member for each in failures], dtype=np.int64)
    made = xr.Dataset(
        {"failure_member": ("failure", numbers, {"long_name": "number of a member that failed"})}
    )
    for what in ("stage", "day", "cause"):
        words = [str(getattr(each, what)) for each in failures]
        width = max([1, *map(len, words)])
        made[f"failure_{what}"] = (
            "failure",
            np.array(words, dtype=f"<U{width}"),
            {"long_name": f"{what} of the failure"},
        )
    return made
