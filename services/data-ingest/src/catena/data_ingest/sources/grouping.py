"""Files that differ only in their dates are one dataset; their parts are joined in time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
import xarray as xr

from catena.data_ingest.sources.base import ArchiveFile
from catena.shared.errors import InvalidData

_YEAR = r"(?:1[6-9]|2[0-4])\d\d"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_DATE = re.compile(rf"(?<!\d){_YEAR}(?:([-_.]?){_MONTH}(?:\1{_DAY}(?:[T_-]?\d{{2,6}})?)?)?(?!\d)")


def undated(path: str) -> str:
    """A path with ``{}`` where dates stand.

    Examples
    --------
    >>> undated("2019/tp_ERA5_201903.nc")
    '{}/tp_ERA5_{}.nc'
    """
    return _DATE.sub("{}", path)


def by_date(files: Iterable[ArchiveFile]) -> list[tuple[ArchiveFile, ...]]:
    """Groups of files whose paths are equal but for dates; sorted."""
    groups: dict[str, list[ArchiveFile]] = {}
    for file in files:
        groups.setdefault(undated(file.path), []).append(file)
    return [tuple(sorted(group, key=lambda file: file.path)) for _, group in sorted(groups.items())]


def key_of(files: Sequence[ArchiveFile], part: str = "") -> str:
    """Name of the dataset that these files make: their path as one word."""
    path = files[0].path if len(files) == 1 else undated(files[0].path)
    pure = PurePosixPath(path)
    words = [*pure.parts[:-1], pure.stem if pure.suffix else pure.name]
    text = ".".join([*words, *([part] if part else [])])
    return word(text.replace("{}", ""))


def word(text: str) -> str:
    """A text as a part of a key: letters, digits, ``.``, ``_`` and ``-`` only."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    return re.sub(r"([-._])[-._]+", r"\1", clean)[-190:].lstrip("-._") or "dataset"


def join_in_time(parts: Sequence[xr.Dataset], files: Sequence[ArchiveFile], key: str) -> xr.Dataset:
    """One dataset out of the parts of a group.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        In the order of `files`; each with a dimension ``time`` (or ``valid_time``).
    files : sequence of ArchiveFile
    key : str
        For messages.

    Raises
    ------
    InvalidData
        When the parts do not fit: other variables, units, shapes or coordinates; names the dataset,
        the file, the dimension and both values.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    axis = next((name for name in ("time", "valid_time") if name in first.dims), None)
    if axis is None:
        raise InvalidData(
            f"dataset {key}: {len(files)} files differ only in dates ({files[0].path}, ...) but "
            f"found the dimensions {_dims(first)}, wanted time among them; ingest them one by one"
        )
    for part, file in zip(parts[1:], files[1:], strict=True):
        _fits(first, part, key=key, file=file.path, reference=files[0].path, axis=axis)
    order = np.argsort([_start(part, axis) for part in parts], kind="stable")
    names = [name for name in first.variables if axis in first[name].dims and name != axis]
    whole: xr.Dataset = xr.concat(
        [parts[index] for index in order],
        dim=axis,
        data_vars=[name for name in names if name in first.data_vars],
        coords=[name for name in names if name in first.coords],
        compat="override",
        join="override",
        combine_attrs="override",
    )
    return whole


def join_variables(parts: Sequence[xr.Dataset], key: str) -> xr.Dataset:
    """One dataset out of parts that hold other variables of the same grid and times.

    Raises
    ------
    InvalidData
        When they do not lie on one grid and time axis.
    """
    if len(parts) == 1:
        return parts[0]
    try:
        return xr.merge(parts, compat="override", join="exact", combine_attrs="override")
    except ValueError as error:
        raise InvalidData(
            f"dataset {key}: its variables do not lie on one grid and time axis "
            f"({str(error)[:300]}); fetch the same period and region of each"
        ) from error


def _start(part: xr.Dataset, axis: str) -> float:
    """Something sortable that is the same for every calendar."""
    value = part[axis].values.ravel()[0]
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[s]").astype(np.int64))
    day = value.year * 372.0 + value.timetuple().tm_yday
    return float(day * 86400.0 + value.hour * 3600.0)


def _fits(
    first: xr.Dataset, part: xr.Dataset, *, key: str, file: str, reference: str, axis: str
) -> None:
    def refuse(what: str, found: object, wanted: object) -> InvalidData:
        return InvalidData(
            f"dataset {key}, file {file}: {what}: found {found}, wanted {wanted} as in {reference}"
            "; files of one dataset differ in their dates only"
        )

    if set(first.data_vars) != set(part.data_vars):
        raise refuse("variables", sorted(map(str, part)), sorted(map(str, first)))
    for name, array in first.data_vars.items():
        other = part[name]
        if array.dims != other.dims:
            raise refuse(f"dimensions of {name}", other.dims, array.dims)
        if array.attrs.get("units") != other.attrs.get("units"):
            raise refuse(
                f"units of {name}", other.attrs.get("units", "none"), array.attrs.get("units")
            )
    if first[axis].dtype.kind != part[axis].dtype.kind or (
        first[axis].size and part[axis].size and first[axis].dt.calendar != part[axis].dt.calendar
    ):
        raise refuse(f"calendar of {axis}", part[axis].dt.calendar, first[axis].dt.calendar)
    for dim, size in first.sizes.items():
        if dim == axis:
            continue
        if part.sizes.get(dim) != size:
            raise refuse(f"dimension {dim}", part.sizes.get(dim), size)
        if dim in first.indexes and not first[dim].equals(part[dim]):
            left, right = first[dim].values, part[dim].values
            at = int(np.argmax(left != right))
            raise refuse(f"dimension {dim}, value {at}", right[at], left[at])


def _dims(dataset: xr.Dataset) -> str:
    return ", ".join(f"{name} {size}" for name, size in dataset.sizes.items())
