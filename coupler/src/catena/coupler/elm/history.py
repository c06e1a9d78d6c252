"""History and restart files of runs and ensembles as xarray: (member, time, cell), ELM's units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.coupler.restart.source import refuse_truncated
from catena.shared.errors import InvalidData, NotFound

_COORDINATES = ("lon", "lat", "area", "landfrac")


def history_files(folder: Path, case: str, stream: str = "h0") -> list[Path]:
    """`CASE.elm.STREAM.DATE.nc` of a run directory in the order of their dates.

    A file of one month is named by the month, any other by the day on which its first record ended.
    """
    date = r"\d{4,}-\d\d(-\d\d-\d{5})?"
    pattern = re.compile(rf"{re.escape(case)}\.elm\.{stream}\.{date}\.nc")
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def read_history(
    folder: Path, case: str, variables: Sequence[str] | None = None, stream: str = "h0"
) -> xr.Dataset:
    """History of one run.

    Parameters
    ----------
    folder : Path
        Run directory.
    case : str
    variables : sequence of str, optional
        All that have time and cell, by default.
    stream : str

    Returns
    -------
    Dataset (time, cell)
        Time is the start of each interval, with ``time_bounds``; ELM's own stamp is its end, in
        single precision. Records of no length are left out: the first record of a start-up run
        is an instant. Units are ELM's (fluxes gC m-2 s-1).

    Raises
    ------
    NotFound
        When there are no files, or no such variable.
    InvalidData
        When a file is damaged, or when times are missing or there twice.
    """
    paths = history_files(folder, case, stream) if folder.is_dir() else []
    if not paths:
        raise NotFound(f"there is no {case}.elm.{stream}.*.nc in '{folder}'; has it run?")
    parts = [part for path in paths if (part := _read_file(path, variables)) is not None]
    if not parts:
        raise InvalidData(f"'{folder}' holds instants only: the run has no whole interval yet")
    joined = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override")
    _check_times(joined, case)
    return joined


def _read_file(path: Path, variables: Sequence[str] | None) -> xr.Dataset | None:
    try:
        with netCDF4.Dataset(path) as file:
            file.set_auto_maskandscale(False)
            bounds = np.asarray(file["time_bounds"][:], np.float64)
            whole = bounds[:, 1] > bounds[:, 0]
            if not whole.any():
                return None
            cells = "lndgrid" if "lndgrid" in file.dimensions else "gridcell"
            known = [
                name
                for name, variable in file.variables.items()
                if variable.dimensions == ("time", cells)
            ]
            other = [name for name in variables or () if name in file.variables]
            other = [name for name in other if name not in known]
            if other:
                raise InvalidData(
                    f"'{path.name}': {other[0]} has dimensions {file[other[0]].dimensions}, wanted "
                    f"(time, {cells}): averages of cells (hist_dov2xy true) on an unstructured grid"
                )
            missing = [name for name in variables or () if name not in known]
            if missing:
                raise NotFound(
                    f"'{path.name}' has no {', '.join(missing)}; it has {', '.join(known)}: add "
                    "them to history[].variables"
                )
            unit, calendar = file["time"].units, file["time"].calendar
            times = cftime.num2date(bounds[whole], unit, calendar)
            data = {
                name: (("time", "cell"), _filled(file[name], whole), _attributes(file[name]))
                for name in variables or known
            }
            held = {
                name: ("cell", np.asarray(file[name][:], np.float64))
                for name in _COORDINATES
                if name in file.variables and file[name].dimensions == (cells,)
            }
    except (OSError, RuntimeError, IndexError, AttributeError) as error:
        raise InvalidData(
            f"'{path.name}' is no history file of ELM, or damaged: {error}"
        ) from error
    return xr.Dataset(
        data,
        coords={"time": times[:, 0], "time_bounds": (("time", "bounds"), times), **held},
    )


def _filled(variable: Any, whole: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.asarray(variable[:], np.float64)[whole]
    fill = getattr(variable, "_FillValue", None)
    return values if fill is None else np.where(values == np.float64(fill), np.nan, values)


def _attributes(variable: Any) -> dict[str, str]:
    names = ("units", "long_name", "cell_methods")
    return {name: str(variable.getncattr(name)) for name in names if name in variable.ncattrs()}


def _check_times(data: xr.Dataset, case: str) -> None:
    bounds = data["time_bounds"].values
    for before, after in zip(bounds[:-1, 1], bounds[1:, 0], strict=True):
        if before != after:
            raise InvalidData(
                f"history of {case}: an interval ends at {before}, the next begins at {after}; "
                "files are missing, or of an earlier run: remove those or run again"
            )


def collect_history(
    folders: Mapping[str, Path],
    case: str,
    variables: Sequence[str] | None = None,
    stream: str = "h0",
    asked: Sequence[str] | None = None,
) -> xr.Dataset:
    """History of the members of an ensemble.

    Parameters
    ----------
    folders : mapping
        Run directory of each member that finished.
    case, variables, stream
        As for :func:`read_history`.
    asked : sequence of str, optional
        All members that were asked for; the others become NaN and ``ok`` False.

    Returns
    -------
    Dataset (member, time, cell)
        With ``ok`` (member) and the attributes ``n_ok`` and ``n_asked``.

    Raises
    ------
    InvalidData
        When members have other times than the first.
    """
    read = {name: read_history(path, case, variables, stream) for name, path in folders.items()}
    if not read:
        raise NotFound(f"no member of {case} has finished; there is nothing to collect")
    first = next(iter(read.values()))
    for name, data in read.items():
        if not np.array_equal(data["time_bounds"].values, first["time_bounds"].values):
            raise InvalidData(f"member {name} has other times than {next(iter(read))}")
    names = list(asked if asked is not None else read)
    empty = first.map(lambda values: xr.full_like(values, np.nan), keep_attrs=True)
    joined = xr.concat(
        [read.get(name, empty) for name in names],
        xr.DataArray(names, dims="member", name="member"),
        data_vars="all", coords="minimal", compat="override",
    )  # fmt: skip
    joined["ok"] = ("member", [name in read for name in names])
    return joined.assign_attrs(n_ok=len(read), n_asked=len(names))


@contextmanager
def _opened(path: Path, member: str) -> Iterator[netCDF4.Dataset]:
    try:
        refuse_truncated(path)
        file = netCDF4.Dataset(path)
    except (OSError, RuntimeError) as error:
        raise InvalidData(f"restart file of {member} cannot be read: {error}") from error
    with file:
        yield file


def collect_restarts(paths: Mapping[str, Path], variables: Sequence[str]) -> xr.Dataset:
    """Variables of the members' restart files with ELM's dimensions, and member first.

    Raises
    ------
    NotFound
        When there is no member.
    InvalidData
        When a file cannot be read, or a variable is missing or has another shape than in the first
        member.
    """
    if not paths:
        raise NotFound("no member has finished; there is no restart file to collect")
    rows: dict[str, list[NDArray[np.float64]]] = {name: [] for name in variables}
    dimensions: dict[str, tuple[str, ...]] = {}
    for member, path in paths.items():
        with _opened(path, member) as file:
            file.set_auto_mask(False)
            for name in variables:
                if name not in file.variables:
                    raise InvalidData(f"restart file of {member} has no {name}")
                values = np.asarray(file[name][...], np.float64)
                dimensions.setdefault(name, file[name].dimensions)
                if rows[name] and rows[name][0].shape != values.shape:
                    raise InvalidData(
                        f"{name} of {member}: got {values.shape}, wanted {rows[name][0].shape}"
                    )
                rows[name].append(np.where(values == 1e36, np.nan, values))
    data = {name: (("member", *dimensions[name]), np.stack(rows[name])) for name in variables}
    return xr.Dataset(data, coords={"member": list(paths)})
