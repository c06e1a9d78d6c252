"""A canonical dataset as arrays of cells and steps: its time axis, its places, its values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.forcing.calendar import Calendar
from catena.shared.checks import clock
from catena.shared.errors import InvalidData

Array = NDArray[np.float64]
Kind = Literal["subdaily", "day", "month"]


@dataclass(frozen=True)
class Axis:
    """Time axis of a dataset.

    Parameters
    ----------
    times : array (step,)
        Starts of the steps, datetime64 or cftime.
    start : datetime.datetime
        The first of them.
    kind : {"subdaily", "day", "month"}
    steps_a_day : int
        1 for days and months.
    calendar : {"noleap", "standard"}
    """

    times: NDArray[Any]
    start: dt.datetime
    kind: Kind
    steps_a_day: int
    calendar: Calendar


def axis_of(dataset: xr.Dataset) -> Axis:
    """Time axis of a dataset in canonical form.

    Raises
    ------
    InvalidData
        When there is none, its calendar is neither standard nor noleap, or its steps are neither
        months, nor days, nor an even part of a day.
    """
    if "time" not in dataset.dims or "time" not in dataset.coords:
        raise InvalidData(
            f"forcing: found the dimensions {', '.join(map(str, dataset.dims)) or 'none'}, wanted "
            "time among them, with its dates"
        )
    values = dataset["time"].values
    if not clock.is_time(values) or values.size < 2:
        raise InvalidData(
            f"dimension time: found {values.size} stamps of type {values.dtype}, wanted at least 2 "
            "decoded dates"
        )
    calendar = _calendar(clock.calendar_of(dataset["time"]))
    start = dt.datetime.fromisoformat(clock.iso(values[0]))
    step = clock.find_step(values)
    between = None if step is None else clock.steps_between(values, step)
    if step is None or between is None or (between != 1).any():
        raise InvalidData(
            f"dimension time: found steps from {np.diff(clock.elapsed_seconds(values)).min():g} to "
            f"{np.diff(clock.elapsed_seconds(values)).max():g} s, wanted even ones: steps that are "
            "missing must be there as NaN (catena.shared.checks.normalise puts them in)"
        )
    midnight = start.time() == dt.time(0)
    if step.kind == "month" and start.day == 1 and midnight:
        return Axis(values, start, "month", 1, calendar)
    if step.seconds == clock.DAY and midnight:
        return Axis(values, start, "day", 1, calendar)
    if step.kind == "seconds" and step.seconds < clock.DAY and clock.DAY % step.seconds == 0:
        return Axis(values, start, "subdaily", round(clock.DAY / step.seconds), calendar)
    raise InvalidData(
        f"dimension time: found steps of {step} from {start}, wanted months from the first, days "
        "from midnight, or a step of which a day holds a whole number"
    )


def _calendar(label: str) -> Calendar:
    if label in clock.STANDARD:
        return "standard"
    if label in ("noleap", "365_day"):
        return "noleap"
    raise InvalidData(
        f"dimension time: found the calendar {label}, wanted standard or noleap; convert it first "
        "(xarray: Dataset.convert_calendar)"
    )


def cell_dims(dataset: xr.Dataset, names: Sequence[str]) -> tuple[str, ...]:
    """The dimensions that together count the cells: all of these variables' but time.

    Raises
    ------
    InvalidData
        When a variable does not depend on time, or two of them lie on other dimensions.
    """
    dims: tuple[str, ...] | None = None
    for name in names:
        own = tuple(str(dim) for dim in dataset[name].dims if dim != "time")
        if "time" not in dataset[name].dims:
            raise InvalidData(
                f"variable {name}: found the dimensions ({', '.join(own)}), wanted time among them"
            )
        if dims is not None and set(own) != set(dims):
            raise InvalidData(
                f"variable {name}: found the dimensions ({', '.join(own)}), wanted "
                f"({', '.join(dims)}) as {names[0]} has"
            )
        dims = own if dims is None else dims
    return dims or ()


def places(dataset: xr.Dataset, dims: tuple[str, ...]) -> tuple[Array, Array]:
    """Latitude and longitude of each cell, (cell,), longitudes in [-180, 180).

    Raises
    ------
    InvalidData
        When the dataset has none, or they depend on something else.
    """
    found = []
    for name in ("lat", "lon"):
        if name not in dataset.variables:
            raise InvalidData(
                f"coordinate {name}: found none, wanted one value for each cell (degrees): assign "
                "it, or ask for a site by name"
            )
        place = dataset[name]
        if not set(place.dims) <= set(dims):
            raise InvalidData(
                f"coordinate {name}: found the dimensions {place.dims}, wanted some of {dims}"
            )
        sizes = {dim: dataset.sizes[dim] for dim in dims}
        whole = place.reset_coords(drop=True).expand_dims(
            {dim: size for dim, size in sizes.items() if dim not in place.dims}
        )
        found.append(np.asarray(whole.transpose(*dims).values, dtype=np.float64).reshape(-1))
    lat, lon = found
    return lat, np.where((lon >= -180) & (lon < 180), lon, np.mod(lon + 180, 360) - 180)


def values_of(dataset: xr.Dataset, name: str, dims: tuple[str, ...]) -> Array:
    """Values of a variable as float64 (cell, step)."""
    plain = dataset[name].transpose(*dims, "time").values
    return np.asarray(plain, dtype=np.float64).reshape(-1, dataset.sizes["time"])
