"""Daymet's single-pixel text: eight lines about the place, then one line a day.

Source: Daymet single pixel extraction guide, ORNL DAAC. Years have 365 lines: day 60 of a leap year
is 29 February, and 31 December is left out.
"""

from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import xarray as xr

from catena.shared.errors import InvalidData

HEADER_LINES = 40
_COLUMN = re.compile(r"^\s*(?P<name>\w+)\s*\((?P<units>[^)]*)\)\s*$")
_PLACE = {
    "lat": (re.compile(r"Latitude:\s*(-?[\d.]+)"), "latitude", "degrees_north"),
    "lon": (re.compile(r"Longitude:\s*(-?[\d.]+)"), "longitude", "degrees_east"),
    "elevation": (re.compile(r"Elevation:\s*(-?[\d.]+)\s*m"), "surface_altitude", "m"),
}
_TILE = re.compile(r"Tile:\s*(\d+)")


def is_daymet_csv(text: str) -> bool:
    """Whether a text begins as Daymet's single-pixel service writes it."""
    lines = text.splitlines()[:HEADER_LINES]
    return _start(lines) is not None and any("Latitude:" in line for line in lines)


def tile_of(text: str) -> str:
    """Number of Daymet's tile; empty if the text does not say."""
    found = _TILE.search(text[:4000])
    return found.group(1) if found else ""


def parse(text: str, *, file: str) -> xr.Dataset:
    """A single-pixel text as a dataset.

    Parameters
    ----------
    text : str
    file : str
        What to call it in messages.

    Returns
    -------
    xarray.Dataset
        One variable a column, (time,), float32, with the unit of the column's name; ``time`` is
        the real date (standard calendar); scalar coordinates ``lat``, ``lon``, ``elevation``.

    Raises
    ------
    InvalidData
        When it is not such a text, or a line cannot be read; names file, line, column and both
        values.
    """
    lines = text.splitlines()
    start = _start(lines[:HEADER_LINES])
    if start is None:
        raise InvalidData(
            f"file {file}: found no line 'year,yday,...' among the first {HEADER_LINES}, wanted "
            "Daymet's single-pixel text"
        )
    table = pd.read_csv(io.StringIO("\n".join(lines[start:])), dtype=str, skip_blank_lines=True)
    table.columns = [str(column).strip() for column in table.columns]
    numbers = {
        column: _numbers(table[column], file=file, column=column, line=start + 2)
        for column in table.columns
    }
    time = _dates(numbers.pop("year"), numbers.pop("yday"), file=file, line=start + 2)
    dataset = xr.Dataset(coords={"time": ("time", time)})
    for column, values in numbers.items():
        parts = _COLUMN.match(column)
        name = parts.group("name") if parts else column
        attributes = {"units": parts.group("units")} if parts else {}
        dataset[name] = ("time", values.astype("float32"), attributes)
    header = "\n".join(lines[:start])
    for name, (pattern, standard_name, units) in _PLACE.items():
        found = pattern.search(header)
        if found is None and name != "elevation":
            raise InvalidData(f"file {file}: found no {standard_name} in the header, wanted one")
        if found is not None:
            attributes = {"standard_name": standard_name, "units": units}
            dataset = dataset.assign_coords({name: ((), float(found.group(1)), attributes)})
    cite = next((line for line in lines[:start] if line.startswith("How to cite")), "")
    dataset.attrs.update(source="Daymet single pixel", references=cite.partition(":")[2].strip())
    return dataset


def _start(lines: list[str]) -> int | None:
    return next(
        (
            number
            for number, line in enumerate(lines)
            if [word.strip() for word in line.split(",")[:2]] == ["year", "yday"]
        ),
        None,
    )


def _numbers(cells: pd.Series, *, file: str, column: str, line: int) -> np.ndarray:
    values: np.ndarray = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    # An empty cell is a line cut short: Daymet itself leaves none empty.
    bad = np.flatnonzero(np.isnan(values))
    if bad.size:
        row = int(bad[0])
        raise InvalidData(
            f"file {file}, line {line + row}, column {column}: found {cells.iloc[row]!r}, wanted a "
            "number; fetch the file again"
        )
    return values


def _dates(year: np.ndarray, yday: np.ndarray, *, file: str, line: int) -> np.ndarray:
    """Real dates of (year, day of year)."""
    wrong = (year != np.round(year)) | (yday != np.round(yday)) | (yday < 1) | (yday > 365)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidData(
            f"file {file}, line {line + row}: found year {year[row]:g} and day of year "
            f"{yday[row]:g}, wanted whole numbers and a day of 1 to 365: Daymet leaves out 31 "
            "December of leap years"
        )
    start = (year.astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    return (start + (yday.astype(np.int64) - 1)).astype("datetime64[ns]")
