"""Files of one dataset become one dataset along time.

Whatever does not fit is named: dataset, file, dimension and both values. Each file is opened once,
its coordinates are read once, its values stay where they are until somebody computes with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import dask
import numpy as np
import xarray as xr

from catena.shared.checks import files_agree
from catena.shared.errors import InvalidData

CHUNK = "32MiB"
"""Size of a dask chunk; a copy holds a few of them per thread."""
_SAME_CALENDAR = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}
_COORDINATE_TOLERANCE = 1e-6
_GAP = 1.5  # steps; months differ in length by a tenth


@dataclass(frozen=True)
class Piece:
    """One opened file.

    Parameters
    ----------
    file : str
        Path in the archive, for messages.
    dataset : xarray.Dataset
        From :func:`open_raw`: lazy values, times as numbers.
    key : str
        Name of the dataset that it belongs to, for messages.
    """

    file: str
    dataset: xr.Dataset
    key: str = ""

    @cached_property
    def times(self) -> xr.Dataset:
        """Time and its bounds, decoded and read; empty without a time axis.

        Raises
        ------
        InvalidData
            When they are no times; names dataset and file.
        """
        return self.decoded()

    def decoded(self, use_cftime: bool | None = None) -> xr.Dataset:
        """As :attr:`times`, with cftime's objects if so wanted."""
        try:
            return _decode(self.dataset, use_cftime)
        except (ValueError, OverflowError) as error:
            units = self.dataset["time"].attrs.get("units", "")
            raise InvalidData(
                f"dataset {self.key}, file {self.file}, dimension time: units {units!r}, calendar "
                f"{self.dataset['time'].attrs.get('calendar', 'standard')!r} are no times "
                f"({str(error)[:120]}); wanted e.g. 'days since 1850-01-01'"
            ) from None

    @property
    def first(self) -> Any:
        """First time."""
        return self.times["time"].values.min()

    @property
    def last(self) -> Any:
        """Last time."""
        return self.times["time"].values.max()

    @property
    def calendar(self) -> str:
        """Calendar of the time axis, by one name for each."""
        name = str(self.dataset["time"].attrs.get("calendar", "standard")).lower()
        return _SAME_CALENDAR.get(name, name)


def open_raw(source: Any, *, key: str, file: str, engine: str | None = None) -> Piece:
    """Open one netCDF file or zarr store lazily, fill values as NaN, times still as numbers.

    Parameters
    ----------
    source : str, file object or zarr store
        A path or URL; an object is read by byte ranges.
    key, file : str
        Dataset and file, for messages.
    engine : str, optional
        Of xarray; ``zarr`` for stores. By default netCDF4 for paths, h5netcdf for objects.

    Raises
    ------
    InvalidData
        When the file cannot be read.
    """
    engine = engine or ("netcdf4" if isinstance(source, str) else "h5netcdf")
    options: dict[str, Any] = {"consolidated": None} if engine == "zarr" else {}
    try:
        with _quiet(), dask.config.set({"array.chunk-size": CHUNK}):
            dataset = xr.open_dataset(
                source, engine=engine, chunks="auto", decode_times=False, **options
            )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise InvalidData(
            f"dataset {key}, file {file}: cannot be read ({type(error).__name__}: "
            f"{str(error)[:160]}); wanted {'a zarr store' if engine == 'zarr' else 'netCDF'}: "
            "fetch the file again"
        ) from None
    return Piece(file, dataset, key)


def aggregate(
    pieces: Sequence[Piece],
    *,
    key: str,
    variable: str,
    gaps: Literal["keep", "refuse"] = "keep",
) -> xr.Dataset:
    """One dataset along time, with decoded times, from files in any order.

    Parameters
    ----------
    pieces : sequence of Piece
        At least one.
    key : str
        Name of the dataset, for messages.
    variable : str
        The variable that the files are about.
    gaps : {"keep", "refuse"}
        What to do where steps are missing between two files. Kept ones are for the checks, which
        insert missing steps and say so.

    Returns
    -------
    xarray.Dataset
        Values as dask arrays; coordinates in memory. What has no time axis is from the first file.

    Raises
    ------
    InvalidData
        When dimensions, their lengths, units, types, calendars or coordinates differ between files,
        when files overlap in time, or (`gaps="refuse"`) leave steps out between them.
    """
    for piece in pieces:
        if variable not in piece.dataset:
            raise InvalidData(
                f"dataset {key}, file {piece.file}: has no variable {variable}, it has "
                f"{', '.join(map(str, piece.dataset.data_vars))[:120]}"
            )
    if "time" not in pieces[0].dataset[variable].dims:
        return _without_time(pieces, key, variable)
    for piece in pieces[1:]:
        _agree(pieces[0], piece, key, variable)
    for piece in pieces:
        if not piece.dataset.sizes["time"]:
            raise InvalidData(f"dataset {key}, file {piece.file}, dimension time: has no step")
    ordered = _in_order(pieces, key, gaps)
    parts = [piece.dataset.assign(piece.times.variables) for piece in ordered]
    if len(parts) == 1:
        return parts[0]
    return xr.concat(
        parts,
        dim="time",
        # All of this was compared above; xarray would read and compare it again, and its messages
        # do not say which file differs.
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def _without_time(pieces: Sequence[Piece], key: str, variable: str) -> xr.Dataset:
    if len(pieces) > 1:
        raise InvalidData(
            f"dataset {key}, file {pieces[1].file}: {variable} has no dimension time, and so has "
            f"file {pieces[0].file}; wanted one file of a fixed field"
        )
    return pieces[0].dataset


def _agree(first: Piece, other: Piece, key: str, variable: str) -> None:
    # Bounds of times are in the units of the file's own times, which may differ.
    sets = [
        piece.dataset.drop_vars(piece.dataset["time"].attrs.get("bounds", []), errors="ignore")
        for piece in (first, other)
    ]
    found = files_agree(*sets, dataset=key, first_file=first.file, other_file=other.file)
    if found:
        raise InvalidData(f"{'; '.join(map(str, found[:3]))}; they cannot be one dataset")
    # Beyond that check: what a join along time needs, and what it would take from the first file.
    ours, theirs = first.dataset[variable], other.dataset[variable]
    where = _Differ(key, first.file, other.file)
    where.check("", "dimensions", ours.dims, theirs.dims)
    where.check("", "type", str(ours.dtype), str(theirs.dtype))
    where.check("time", "calendar", first.calendar, other.calendar)
    for name, mine in _static(first.dataset, variable).items():
        if name not in other.dataset.variables:
            where.check(name, "variable", name, "nothing")
        values, their_values = mine.values, other.dataset.variables[name].values
        where.check(name, "shape", values.shape, their_values.shape)
        place = _first_difference(values, their_values)
        if place is not None:
            index = np.unravel_index(place, values.shape) if values.ndim else ()
            where.check(
                name,
                f"value at {[int(number) for number in index]}",
                values[index].item(),
                their_values[index].item(),
            )


@dataclass(frozen=True)
class _Differ:
    key: str
    first: str
    other: str

    def check(self, dimension: str, what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            place = f", dimension {dimension}" if dimension else ""
            raise InvalidData(
                f"dataset {self.key}, file {self.other}{place}: {what} {_show(theirs)}, but "
                f"{_show(ours)} in file {self.first}; they cannot be one dataset: leave one out or "
                "fetch it again"
            )


def _show(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else repr(value)


def _static(dataset: xr.Dataset, variable: str) -> Mapping[str, xr.Variable]:
    """Curvilinear coordinates, bounds and the like, which every file must have alike."""
    return {
        str(name): dataset.variables[name]
        for name in sorted(dataset.variables, key=str)
        if name != variable and name not in dataset.dims
        if "time" not in dataset.variables[name].dims
    }


def _first_difference(ours: np.ndarray, theirs: np.ndarray) -> int | None:
    if ours.dtype.kind in "fiu" and theirs.dtype.kind in "fiu":
        # Relative to the largest: a latitude of 1e-15 in one file is 0 in another.
        scale = float(np.nanmax(np.abs(ours), initial=0.0))
        same = np.isclose(ours, theirs, rtol=0, atol=_COORDINATE_TOLERANCE * scale, equal_nan=True)
    else:
        same = np.asarray(ours == theirs)
    wrong = np.flatnonzero(~same)
    return int(wrong[0]) if wrong.size else None


def _in_order(pieces: Sequence[Piece], key: str, gaps: str) -> list[Piece]:
    kinds = {piece.times["time"].dtype.kind for piece in pieces}
    if len(kinds) > 1:
        # numpy's times for some files and cftime's for others, which begin before 1582.
        for piece in pieces:
            piece.__dict__["times"] = piece.decoded(use_cftime=True)
    ordered = sorted(pieces, key=lambda piece: piece.first)
    for before, after in pairwise(ordered):
        if after.first <= before.last:
            raise InvalidData(
                f"dataset {key}, file {after.file}, dimension time: begins at {_day(after.first)}, "
                f"but file {before.file} ends at {_day(before.last)}; files must not overlap: "
                "leave one out"
            )
        step = max(_step(before), _step(after))
        if gaps == "refuse" and step and (after.first - before.last) > _GAP * step:
            raise InvalidData(
                f"dataset {key}, file {after.file}, dimension time: begins at {_day(after.first)}, "
                f"but file {before.file} ends at {_day(before.last)}, and steps are "
                f"{_length(step)} long; a file between them is missing"
            )
    return ordered


def _step(piece: Piece) -> Any:
    times = piece.times["time"].values
    return np.diff(times).max() if times.size > 1 else times[0] - times[0]


def _length(step: Any) -> str:
    seconds = (
        step / np.timedelta64(1, "s") if isinstance(step, np.timedelta64) else step.total_seconds()
    )
    return f"{seconds / 86_400:g} days"


def _day(time: Any) -> str:
    return str(time)[:19].replace(" ", "T")


def _decode(dataset: xr.Dataset, use_cftime: bool | None) -> xr.Dataset:
    if "time" not in dataset.variables:
        return xr.Dataset()
    bounds = dataset["time"].attrs.get("bounds")
    # Bounds are read here too: a few numbers, which would else be a task each.
    names = ["time", *([bounds] if bounds in dataset.variables else [])]
    # Microseconds reach 290 000 years; xarray's nanoseconds end in 2262, control runs do not.
    coder = xr.coders.CFDatetimeCoder(use_cftime=use_cftime, time_unit="us")
    others = set(dataset.coords) - set(names)
    # A copy: decoding writes the units of times into the attributes of their bounds.
    times = dataset[names].drop_vars(others, errors="ignore").copy(deep=True).load()
    with _quiet():
        decoded = xr.decode_cf(times, decode_times=coder, decode_coords=False)
    if decoded["time"].dtype.kind not in "MO":
        raise ValueError("they name no first day")  # xarray leaves such numbers as they are
    return decoded


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Two fill values, and times that only cftime can hold, are legitimate.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        yield
