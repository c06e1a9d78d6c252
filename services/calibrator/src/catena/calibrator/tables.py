"""Reading users' tables: CSV with a header, npy, netCDF; and the table of observed sites.

Everything is read from bytes with parsers that run no code from the file: no pickled arrays.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catena.shared.errors import FieldViolation, InvalidData

Array = NDArray[np.float64]

NAMES_SHOWN = 12


def read_table(name: str, data: bytes, columns: Sequence[str], *, field: str, kind: str) -> Array:
    """Columns of a table of runs.

    Parameters
    ----------
    name : str
        Name of the file; its ending says what it is: ``.csv``, ``.npy``, ``.nc`` or ``.nc4``.
    data : bytes
        Its content.
    columns : sequence of str
        Wanted columns. CSV and netCDF are read by name; an npy array has no names, so its columns
        must be these, in this order.
    field : str
        Field of the request, for messages.
    kind : str
        "parameter" or "output": the dimension that a two-dimensional netCDF variable carries the
        names on.

    Returns
    -------
    (n, len(columns)) array; an empty or missing cell is NaN.

    Raises
    ------
    InvalidData
        A column that is missing, text where a number should be, a file that is not what its name
        says.
    """
    ending = name.lower().rpartition(".")[2]
    if ending == "csv":
        return _read_csv(name, data, columns, field)
    if ending == "npy":
        return _read_npy(name, data, columns, field)
    return _read_netcdf(name, data, columns, field, kind)


def _wrong(field: str, text: str) -> InvalidData:
    return InvalidData("the table cannot be read", violations=[FieldViolation(field, text)])


def _read_csv(name: str, data: bytes, columns: Sequence[str], field: str) -> Array:
    header = _header(name, data, field)
    _need(name, header, columns, field)
    places = sorted(header.index(column) for column in columns)
    try:
        frame = pd.read_csv(
            io.BytesIO(data),
            usecols=places,
            index_col=False,  # else a trailing comma would shift every column by one
            skipinitialspace=True,
            float_precision="round_trip",
            encoding="utf-8-sig",
            low_memory=False,
        )
    except (ValueError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise _wrong(field, f"{name}: not a CSV table ({reason}); check the line named") from None
    frame.columns = [header[place] for place in places]
    found = []
    out = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        out[:, i] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        text = numbers.isna() & frame[column].notna()
        for row in np.flatnonzero(text.to_numpy())[:3]:
            found.append(
                FieldViolation(
                    field,
                    f"{name}: run {row} (counted from 0), column {column!r}: got "
                    f"{str(frame[column].iloc[row])[:30]!r}, wanted a number, or nothing where "
                    "the run failed",
                )
            )
    if found:
        raise InvalidData("the table has text where numbers should be", violations=found[:10])
    return out


def _header(name: str, data: bytes, field: str) -> list[str]:
    try:
        text = data[: data.find(b"\n")].decode("utf-8-sig") if b"\n" in data else ""
        header = next(csv.reader([text], skipinitialspace=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise _wrong(field, f"{name}: its first line is not UTF-8 text; save it as CSV") from None
    header = [column.strip() for column in header]
    if not any(header):
        raise _wrong(field, f"{name}: is empty; wanted a header line and one line per run")
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise _wrong(field, f"{name}: column {twice[0]!r} appears more than once; remove one")
    return header


def _need(name: str, present: Sequence[str], columns: Sequence[str], field: str) -> None:
    missing = [column for column in columns if column not in set(present)]
    if missing:
        raise _wrong(
            field,
            f"{name}: has no column {_listed(missing)}; it has {_listed(present)}; correct the "
            "name in the file or in the request",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(str(name)[:40]) for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")


def _read_npy(name: str, data: bytes, columns: Sequence[str], field: str) -> Array:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise _wrong(
            field,
            f"{name}: not a plain npy array of numbers (arrays of Python objects are not read, "
            "they could run code); save it with numpy.save as float64",
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise _wrong(field, f"{name}: not an npy array of real numbers; save it as float64")
    if array.ndim == 1 and len(columns) == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != len(columns):
        raise _wrong(
            field,
            f"{name}: got an array of shape {array.shape}, wanted one row per run and "
            f"{len(columns)} columns in the order of the request",
        )
    return np.asarray(array, dtype=np.float64)


def _read_netcdf(name: str, data: bytes, columns: Sequence[str], field: str, kind: str) -> Array:
    import netCDF4
    import xarray as xr

    try:
        # From memory: no path of this machine reaches the library or its messages.
        raw = netCDF4.Dataset("table.nc", mode="r", memory=data)
    except OSError:
        raise _wrong(field, f"{name}: not a netCDF file; check that it was copied whole") from None
    source: Any = xr.backends.NetCDF4DataStore(raw)  # type: ignore[no-untyped-call]
    with xr.open_dataset(source, decode_times=False) as dataset:
        if all(column in dataset.data_vars for column in columns):
            return _one_variable_each(name, dataset, columns, field)
        for variable in dataset.data_vars.values():
            names = _names_on(variable, kind)
            if names is not None and set(columns) <= set(names):
                order = [names.index(column) for column in columns]
                table = variable.transpose(..., variable.dims[_names_axis(variable, kind)])
                return np.asarray(table.to_numpy(), dtype=np.float64)[:, order]
        _need(name, [str(v) for v in dataset.data_vars], columns, field)
    raise _wrong(field, f"{name}: has no table of these columns")


def _one_variable_each(name: str, dataset: Any, columns: Sequence[str], field: str) -> Array:
    shapes = {column: dataset[column].shape for column in columns}
    for column, shape in shapes.items():
        if len(shape) != 1 or shape != shapes[columns[0]]:
            raise _wrong(
                field,
                f"{name}: variable {column!r} has shape {shape}, wanted one number per run as in "
                f"{columns[0]!r} {shapes[columns[0]]}",
            )
        if dataset[column].dtype.kind not in "fiu":
            raise _wrong(field, f"{name}: variable {column!r} is not numeric")
    return np.stack([dataset[c].to_numpy().astype(np.float64) for c in columns], axis=1)


def _names_axis(variable: Any, kind: str) -> int:
    return next(i for i, dim in enumerate(variable.dims) if _is_names(variable, dim, kind))


def _is_names(variable: Any, dim: Any, kind: str) -> bool:
    return str(dim).rstrip("s") == kind and dim in variable.coords


def _names_on(variable: Any, kind: str) -> list[str] | None:
    """Names along the 'parameter' or 'output' dimension of a two-dimensional variable."""
    if variable.ndim != 2 or variable.dtype.kind not in "fiu":
        return None
    for dim in variable.dims:
        if _is_names(variable, dim, kind):
            labels = variable.coords[dim].to_numpy()
            return [x.decode() if isinstance(x, bytes) else str(x) for x in labels.tolist()]
    return None


@dataclass(frozen=True, eq=False)
class SiteTable:
    """Observations of s sites.

    Parameters
    ----------
    sites : tuple of str
        Names, unique.
    values, error_sd : (s, k) array
        Physical units; 0 and 1 where not observed.
    observed : (s, k) bool array
        Which outputs were observed.
    """

    sites: tuple[str, ...]
    values: Array
    error_sd: Array
    observed: NDArray[np.bool_]


def read_sites(name: str, data: bytes, outputs: Sequence[str], *, field: str) -> SiteTable:
    """Table of observed sites: ``site``, then ``<output>`` and ``<output>_sd`` per output.

    An empty cell in the column of an output masks it at that site; its error may then be empty too.
    An output without columns is masked everywhere.

    Raises
    ------
    InvalidData
        With line (the header is line 1) and column of each cell at fault, the first ten of them.
    """
    header = _header(name, data, field)
    _need(name, header, ["site"], field)
    known = {"site", *outputs, *(f"{output}_sd" for output in outputs)}
    unknown = [column for column in header if column not in known]
    if unknown:
        raise _wrong(
            field,
            f"{name}: column {_listed(unknown)} is no output of this posterior; wanted site, and "
            f"<output> and <output>_sd of {_listed(outputs)}",
        )
    here = [output for output in outputs if output in header]
    _need(name, header, [f"{output}_sd" for output in here], field)
    if not here:
        raise _wrong(field, f"{name}: has no column of any output; wanted {_listed(outputs)}")
    return _read_rows(name, data, header, list(outputs), field)


def _read_rows(
    name: str, data: bytes, header: list[str], outputs: list[str], field: str
) -> SiteTable:
    place = {column: i for i, column in enumerate(header)}
    sites: dict[str, int] = {}
    values: list[list[float]] = []
    errors: list[list[float]] = []
    found: list[FieldViolation] = []

    def wrong(line: int, column: str, text: str) -> None:
        found.append(FieldViolation(field, f"{name}: line {line}, column {column!r}: {text}"))

    reader = csv.reader(io.StringIO(_text(name, data, field)), skipinitialspace=True)
    next(reader)
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            wrong(line, header[0], f"got {len(cells)} cells, wanted {len(header)} as in the header")
            continue
        site = cells[place["site"]].strip()
        if not site or len(site) > 200:
            wrong(line, "site", "wanted a name of 1 to 200 characters")
        elif site in sites:
            wrong(line, "site", f"{site!r} was in line {sites[site]} already; names are unique")
        sites.setdefault(site, line)
        row, row_sd = [], []
        for output in outputs:
            value, sd = np.nan, np.nan
            if output in place and cells[place[output]].strip():
                value = _number(cells[place[output]])
                sd = _number(cells[place[f"{output}_sd"]])
                if not np.isfinite(value):
                    wrong(
                        line,
                        output,
                        f"got {cells[place[output]].strip()[:30]!r}, wanted a number, or nothing "
                        "where it was not observed",
                    )
                elif not (np.isfinite(sd) and sd > 0):
                    wrong(
                        line,
                        f"{output}_sd",
                        f"got {cells[place[f'{output}_sd']].strip()[:30]!r}, wanted a standard "
                        "deviation > 0",
                    )
            row.append(value)
            row_sd.append(sd)
        if np.isnan(row).all() and not (found and f"line {line}," in found[-1].description):
            wrong(line, "site", f"nothing was observed at {site!r}; remove the line")
        values.append(row)
        errors.append(row_sd)
        if len(found) >= 10:
            break
    if not found and not values:
        raise _wrong(field, f"{name}: has no sites below its header")
    if found:
        raise InvalidData("the table of observations has mistakes", violations=found)
    table, sd_table = np.array(values), np.array(errors)
    mask = np.isfinite(table)
    return SiteTable(tuple(sites), np.where(mask, table, 0.0), np.where(mask, sd_table, 1.0), mask)


def _text(name: str, data: bytes, field: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(field, f"{name}: is not text in UTF-8; save it as CSV") from None


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
