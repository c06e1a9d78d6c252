"""Operations of fixes on the time axis and along it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from catena.shared.checks import clock
from catena.shared.checks.fixes import _changed, operation
from catena.shared.errors import InvalidData

Array = np.ndarray[Any, Any]
BOUNDS = "time_bnds"


@operation
def standard_calendar(dataset: xr.Dataset) -> xr.Dataset:
    """Times of the gregorian calendars as datetime64, labelled ``standard``."""
    times = dataset["time"]
    changed = dataset
    if times.dtype == object:
        for name in ("time", BOUNDS):
            if name in dataset.variables and dataset[name].dtype == object:
                values = dataset[name].values
                flat = [np.datetime64(value.isoformat(), "us") for value in values.ravel()]
                changed = _with_times(changed, name, np.array(flat).reshape(values.shape))
    changed = changed.copy(deep=False)
    changed["time"].encoding = {"calendar": "standard"}
    return changed


@operation
def relabel_calendar(dataset: xr.Dataset, calendar: str) -> xr.Dataset:
    """The same elapsed time since the first stamp, read in another calendar; bounds go."""
    values = dataset["time"].values
    elapsed = np.round(clock.elapsed_seconds(values))
    changed = _without_bounds(dataset)
    return _with_times(changed, "time", clock.in_calendar(values[0], elapsed, calendar))


@operation
def round_time(dataset: xr.Dataset) -> xr.Dataset:
    """Time stamps to whole seconds: numbers of days in a file are rounded."""
    values = dataset["time"].values
    first = values[0]
    if values.dtype.kind == "M":
        half = np.timedelta64(500, "ms")
        rounded = (values.astype("datetime64[ms]") + half).astype("datetime64[s]")
        return _with_times(dataset, "time", rounded.astype("datetime64[us]"))
    elapsed = clock.elapsed_seconds(values)
    fraction = first.microsecond / 1e6
    moved = clock.later(values, np.round(elapsed + fraction) - elapsed - fraction)
    return _with_times(dataset, "time", moved)


@operation
def shift_time(dataset: xr.Dataset, seconds: float) -> xr.Dataset:
    """Move all time stamps, and their bounds."""
    changed = dataset
    for name in ("time", BOUNDS):
        if name in dataset.variables and clock.is_time(dataset[name].values):
            values = dataset[name].values
            moved = clock.later(values.ravel(), seconds).reshape(values.shape)
            changed = _with_times(changed, name, moved)
    return changed


@operation
def shift_values(dataset: xr.Dataset, variable: str, seconds: float) -> xr.Dataset:
    """Move one variable along increasing time; where there is nothing to move in it is NaN.

    A value whose new time has no stamp is lost: it would otherwise be another step's.
    """
    source, found = shifted_from(dataset["time"].values, seconds)
    there = xr.DataArray(found, dims="time")

    def move(array: xr.DataArray) -> xr.DataArray:
        return array.copy(data=array.isel(time=source).data).where(there)

    return _changed(dataset, variable, move)


@operation
def start_of_interval(
    dataset: xr.Dataset, source: Literal["bounds", "day", "month", "year"]
) -> xr.Dataset:
    """Time stamps at the start of their interval: its lower bound, or the start of the day, ..."""
    if source == "bounds":
        if BOUNDS not in dataset.variables:
            raise InvalidData("the data have no time_bnds from which to take the interval's start")
        return _with_times(dataset, "time", dataset[BOUNDS].values[:, 0])
    return _with_times(dataset, "time", clock.floor(dataset["time"].values, source))


@operation
def add_time_bounds(dataset: xr.Dataset, step: float | str) -> xr.Dataset:
    """Bounds from each time stamp to one step later: seconds, ``month`` or ``year``."""
    values = dataset["time"].values
    edges = np.stack([values, clock.following(values, clock.step_of(step))], axis=1)
    changed = dataset.assign_coords({BOUNDS: (("time", "bnds"), edges)})
    changed["time"].attrs = {**dataset["time"].attrs, "bounds": BOUNDS}
    return changed


@operation
def drop_duplicates(dataset: xr.Dataset, dim: str = "time") -> xr.Dataset:
    """Of equal coordinates keep the first."""
    return dataset.drop_duplicates(dim, keep="first")


@operation
def regular_time(dataset: xr.Dataset, step: float | str) -> xr.Dataset:
    """Insert missing steps as NaN, from the first stamp to the last."""
    values = dataset["time"].values
    length = clock.step_of(step)
    gaps = clock.steps_between(values, length)
    if gaps is None:
        raise InvalidData(
            f"time stamps from {clock.iso(values[0])} do not lie on steps of {length}; "
            "sort them and round them first"
        )
    count = int(gaps.sum()) + 1
    present = np.concatenate([[0], np.cumsum(gaps)])
    missing = np.setdiff1d(np.arange(count), present)
    start = np.repeat(values[:1], missing.size)
    whole = np.empty(count, dtype="datetime64[us]" if values.dtype.kind == "M" else object)
    whole[present] = values
    whole[missing] = clock.advance(start, length, missing)
    had_bounds = BOUNDS in dataset.variables
    attributes = dict(dataset["time"].attrs)
    if values.dtype.kind == "M":
        dataset = _with_times(dataset, "time", values.astype("datetime64[us]"))
    changed = _without_bounds(dataset).reindex(time=whole)
    changed["time"].attrs = attributes
    return add_time_bounds(changed, step) if had_bounds else changed


@operation
def deaccumulate(
    dataset: xr.Dataset,
    variable: str,
    dim: str,
    reset_s: float | None = None,
    step_s: float | None = None,
) -> xr.Dataset:
    """Amounts accumulated since a start become rates: differences over the length of each step.

    Parameters
    ----------
    dataset : xarray.Dataset
    variable : str
    dim : str
        ``leadtime``, or ``time`` where accumulation starts anew every `reset_s` seconds.
    reset_s : float, optional
        Counted from midnight; a value at 24 h belongs to the day that ends.
    step_s : float, optional
        Seconds that a rate must be over; others are NaN. Without it they are over the time since
        the value before, however long.
    """
    first, seconds = accumulated(dataset, dim, reset_s)
    covers = covers_step(first, seconds, step_s)
    begins = xr.DataArray(first, dims=dim)
    length = xr.DataArray(np.where(covers, seconds, np.nan), dims=dim)

    def differences(array: xr.DataArray) -> xr.DataArray:
        return array.where(begins, array - array.shift({dim: 1})) / length

    return _changed(dataset, variable, differences)


@operation
def divide_by_interval(
    dataset: xr.Dataset, variable: str, step: float | str, units: str = ""
) -> xr.Dataset:
    """Amounts become rates: divided by the seconds between their bounds, else of their step."""
    values = dataset["time"].values
    if BOUNDS in dataset.variables and clock.is_time(dataset[BOUNDS].values):
        seconds = np.diff(clock.elapsed_seconds(dataset[BOUNDS].values.ravel()))[::2]
    elif isinstance(step, str):
        # Whole months, wherever in them the stamps lie.
        values = clock.floor(values, "month" if step == "month" else "year")
        ends = clock.following(values, clock.step_of(step))
        both = np.stack([values, ends], axis=1).ravel()
        seconds = np.diff(clock.elapsed_seconds(both))[::2]
    else:
        seconds = np.full(values.shape, float(step))
    length = xr.DataArray(seconds, dims="time", coords={"time": dataset["time"]})
    changed = _changed(dataset, variable, lambda array: array.astype(np.float64) / length)
    if units:
        changed[variable].attrs["units"] = units
    return changed


@operation
def mask_times(dataset: xr.Dataset, variable: str, ranges: list[list[int]]) -> xr.Dataset:
    """NaN at positions start..stop-1 of time, for each range."""
    wrong = np.zeros(dataset.sizes["time"], dtype=bool)
    for start, stop in ranges:
        wrong[start:stop] = True
    keep = xr.DataArray(~wrong, dims="time")
    return _changed(dataset, variable, lambda array: array.where(keep))


def shifted_from(values: Array, seconds: float) -> tuple[Array, Array]:
    """Where values that move along increasing time come from.

    Parameters
    ----------
    values : array of times
    seconds : float
        By which they move, to the later if positive.

    Returns
    -------
    source : array of int
        For each time, the position of the value that moves to it (the first of equal times).
    found : array of bool
        Whether there is one.
    """
    elapsed = clock.elapsed_seconds(values)
    source = np.searchsorted(elapsed, elapsed - seconds - 0.5).clip(max=values.size - 1)
    return source, np.abs(elapsed[source] + seconds - elapsed) < 0.5


def accumulated(dataset: xr.Dataset, dim: str, reset_s: float | None) -> tuple[Array, Array]:
    """Over what the difference of each value of an accumulated amount from the one before is.

    Parameters
    ----------
    dataset : xarray.Dataset
    dim : str
    reset_s : float, optional
        As in :func:`deaccumulate`.

    Returns
    -------
    first : array of bool
        Whether no value before belongs to the same accumulation, so that the value stands alone.
    seconds : array of float
        From the value before, or else from the start of the accumulation. Not positive where time
        stands still or goes back.
    """
    lead = _lead_seconds(dataset, dim, reset_s)
    first = np.zeros(lead.shape, dtype=bool)
    first[:1] = True
    if reset_s is not None:
        # Amounts that are far apart can seem to grow on, hours of one day upon those of another.
        starts = clock.elapsed_seconds(dataset[dim].values) - lead
        first[1:] = np.abs(np.diff(starts)) > 0.5
    return first, np.where(first, lead, np.diff(lead, prepend=0.0))


def covers_step(first: Array, seconds: Array, step_s: float | None) -> Array:
    """Whether differences, as of :func:`accumulated`, are over one step.

    Parameters
    ----------
    first : array of bool
    seconds : array of float
    step_s : float, optional
        Seconds of the step. Without it all are that are not longer than the usual one, if they
        stand alone (the record may begin in the middle of a forecast), or have a length at all.

    Returns
    -------
    array of bool
    """
    if step_s is not None:
        return np.abs(seconds - step_s) <= 0.01 * step_s
    later = seconds[~first & (seconds > 0)]
    usual = np.median(later) if later.size else np.inf
    return (seconds > 0) & ~(first & (seconds > usual))


def _lead_seconds(dataset: xr.Dataset, dim: str, reset_s: float | None) -> Array:
    """Seconds since the accumulation of each value began."""
    values = dataset[dim].values
    if reset_s is not None:
        seconds = np.mod(clock.seconds_of_day(values), reset_s)
        return np.where(seconds == 0, reset_s, seconds)
    if values.dtype.kind == "m":
        return values.astype("timedelta64[us]").astype(np.int64) / 1e6
    if values.dtype.kind in "iuf":
        from catena.shared.lexicon import factor_offset

        factor, _ = factor_offset(str(dataset[dim].attrs.get("units", "h")), "s")
        return np.asarray(values, dtype=np.float64) * factor
    return clock.elapsed_seconds(values)


def _with_times(dataset: xr.Dataset, name: str, values: Array) -> xr.Dataset:
    before = dataset[name]
    return dataset.assign_coords({name: (before.dims, values, dict(before.attrs))})


def _without_bounds(dataset: xr.Dataset) -> xr.Dataset:
    changed = dataset.drop_vars(BOUNDS, errors="ignore").copy(deep=False)
    changed["time"].attrs = {k: v for k, v in dataset["time"].attrs.items() if k != "bounds"}
    return changed
