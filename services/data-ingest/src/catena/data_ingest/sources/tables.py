"""What sources of many small tables share: the search, a table as a :class:`Record`, and findings.

A reader turns one file into a record; :func:`catena.data_ingest.sources.tables_stack.stack` puts
records of one kind side by side along ``basin`` or ``site``.
"""

from __future__ import annotations

import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from catena.data_ingest.sources.base import (
    Archive,
    ArchiveFile,
    Description,
    Entry,
    Facets,
    Found,
    describe_dataset,
    matches,
)
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

FINDINGS = "source_findings"
"""Attribute of an opened dataset: findings of the source itself, as JSON."""

_WORDS = re.compile(
    r"(^|[_\-./])(readme|licen[cs]e|copying|citation|changelog|notice)([_\-.]|$)", re.IGNORECASE
)


@dataclass(frozen=True)
class Record:
    """One table: the series of one basin or site.

    Parameters
    ----------
    times : pandas.DatetimeIndex
        Starts of the steps, strictly increasing, real dates.
    values : dict of str to array (time,)
        In the order of the file.
    units : dict of str to str
        As the file or its documentation says; a variable without an entry has none.
    coords : dict of str to float or str
        What the file says about the place (``lat``, ``lon``, ``area``, ``elevation``).
    notes : tuple of Finding
        What the reader found and left out, `variable` set.
    missing : float, optional
        Number that stands for a missing value by the definition of the format.
    """

    times: pd.DatetimeIndex
    values: dict[str, np.ndarray]
    units: dict[str, str] = field(default_factory=dict)
    coords: dict[str, float | str] = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
    missing: float | None = None

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return int(self.times.size * 8 + sum(column.nbytes for column in self.values.values()))


@dataclass(frozen=True)
class Member:
    """A record that can be read: name along the dimension, file, and how.

    Parameters
    ----------
    name : str
    file : ArchiveFile
    read : callable () -> Record
        Raises InvalidData when the file is not what it should be.
    """

    name: str
    file: ArchiveFile
    read: Callable[[], Record]


class TableSource(ABC):
    """What sources of tables share: a search whose facet :attr:`place` also picks inside datasets.

    Attributes
    ----------
    place : str
        ``basin`` or ``site``.
    """

    name: ClassVar[str]
    place: ClassVar[str]

    def search(self, archive: Archive, facets: Facets | None = None) -> Found:
        """Datasets by product; the facet of places picks places inside them."""
        wanted = dict(facets or {})
        patterns = wanted.pop(self.place, None)
        entries, refused = self._datasets(archive, patterns)
        kept = tuple(entry for entry in entries if matches(entry.facets, wanted))
        return Found(kept, tuple(sorted(refused, key=lambda finding: finding.file)))

    def describe(self, archive: Archive, entry: Entry) -> Description:
        """Variables, period and size."""
        return describe_dataset(self.open(archive, entry), entry.files)

    @abstractmethod
    def open(self, archive: Archive, entry: Entry) -> xr.Dataset:
        """The entry, lazily; InvalidData when nothing of it can be read."""

    @abstractmethod
    def _datasets(
        self, archive: Archive, patterns: Sequence[str] | None
    ) -> tuple[list[Entry], list[Finding]]:
        """All datasets with the places that are asked for, and the files that none holds."""


def refuse(
    path: str, found: str, wanted: str, why: str = "", *, check: str = "layout", variable: str = "-"
) -> Finding:
    """Finding that leaves out a file, or one variable of it."""
    return Finding(
        check=check, action="refused", found=found, wanted=wanted, why=why, file=path,
        variable=variable,
    )  # fmt: skip


def words_only(file: ArchiveFile) -> Finding | None:
    """Refusal of a file that is documentation by its name; None for any other."""
    name = PurePosixPath(file.path).name
    if _WORDS.search(name) or name.lower().endswith((".md", ".pdf", ".html", ".rst")):
        return refuse(file.path, "documentation", "data", "not data: read by people")
    return None


def slug(text: str) -> str:
    """`text` as a part of a key: letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_\-]+", "_", text).strip("_")


def joined(names: Iterable[str]) -> str:
    """Value of a facet that stands for several names: sorted, with spaces between."""
    return " ".join(sorted(set(names)))


def chosen(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether one basin or site is asked for; everything is where nothing is asked."""
    from fnmatch import fnmatchcase

    return patterns is None or any(
        fnmatchcase(name, pattern) or fnmatchcase(name, pattern.strip("*")) for pattern in patterns
    )


def days(year: Any, month: Any, day: Any, path: str) -> pd.DatetimeIndex:
    """Days from three columns of numbers.

    Raises
    ------
    InvalidData
        When a date does not exist; names the file and the date.
    """
    frame = pd.DataFrame({"year": year, "month": month, "day": day})
    times = pd.to_datetime(frame, errors="coerce")
    bad = times.isna().to_numpy()
    if bad.any():
        first = frame[bad].iloc[0].tolist()
        raise InvalidData(
            f"file {path}: dimension time: found the date {first} in row {int(bad.argmax())}, "
            "wanted a day of the calendar; fetch the file again"
        )
    return index_of(times, path)


def parse(
    archive: Archive,
    file: ArchiveFile,
    *,
    columns: Sequence[str],
    texts: Sequence[str] = (),
    sep: str = r"\s+",
    skip: int = 0,
    head: str | None = None,
) -> pd.DataFrame:
    """A table of numbers, whole, by pandas' C parser.

    Parameters
    ----------
    archive : Archive
    file : ArchiveFile
    columns : sequence of str
        Names, one per column of the file.
    texts : sequence of str
        Columns that are words.
    sep : str
    skip : int
        Lines before the first row.
    head : str, optional
        What the line before the first row has to be; it is compared without regard to spaces.

    Returns
    -------
    pandas.DataFrame
        float64 but for `texts`.

    Raises
    ------
    InvalidData
        When rows are cut off, have other columns, or hold words where numbers are wanted.
    """
    data = archive.local(file).read_bytes()
    if b"\n" not in data:
        # Old files of classic Mac OS end their lines with a carriage return alone.
        data = data.replace(b"\r", b"\n")
    if head is not None:
        check_head(data, skip, head, file.path)
    try:
        frame = pd.read_csv(
            io.BytesIO(data), sep=sep, skiprows=skip, header=None, names=list(columns),
            index_col=False, dtype={name: str if name in texts else np.float64 for name in columns},
            engine="c", on_bad_lines="error", skip_blank_lines=True,
        )  # fmt: skip
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InvalidData(
            f"file {file.path}: found rows that are no table ({str(error).splitlines()[0]}), "
            f"wanted {len(columns)} columns ({', '.join(columns[:12])}); fetch the file again"
        ) from error
    if len(frame) and sep == r"\s+" and frame[columns[-1]].isna().iloc[-1]:
        raise InvalidData(
            f"file {file.path}: found {int(frame.iloc[-1].notna().sum())} values in the last row, "
            f"wanted {len(columns)}: the file is cut off; fetch it again"
        )
    return frame


def check_head(data: bytes, skip: int, head: str, path: str) -> None:
    """Compare the line before the first row with what it has to be."""
    lines = data[: 2**16].decode("utf-8", "replace").splitlines()
    found = lines[skip - 1] if len(lines) >= skip else ""
    if found.split() != head.split():
        raise InvalidData(
            f"file {path}: found the columns '{found[:200]}', wanted '{head[:200]}'; "
            "it is another table, or another version"
        )


def first_line(archive: Archive, path: str) -> str:
    """First line of a text file, without reading more than its beginning; empty if it is binary."""
    with archive.open(path) as stream:
        start = stream.read(2**14)
    if b"\0" in start:
        return ""
    lines = start.decode("utf-8", "replace").splitlines()
    return lines[0].strip("\ufeff") if lines else ""


def index_of(times: Any, path: str) -> pd.DatetimeIndex:
    """Time axis of a record, checked.

    Raises
    ------
    InvalidData
        When times repeat or go back, or there are none.
    """
    index = pd.DatetimeIndex(times).as_unit("ns")
    if not len(index):
        raise InvalidData(f"file {path}: dimension time: found 0 rows, wanted at least one")
    steps = np.diff(index.asi8)
    if (steps <= 0).any():
        at = int((steps <= 0).argmax())
        raise InvalidData(
            f"file {path}: dimension time: found {index[at + 1]} after {index[at]}, "
            "wanted times that increase; repair the file or leave it out"
        )
    return index


def place_values(values: Sequence[float | str | None]) -> np.ndarray:
    """Values of a coordinate, one per place; NaN or an empty text where it is not known."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values], dtype=np.str_)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


_PLACES = {
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
    "area": {"standard_name": "cell_area", "units": "m2", "long_name": "Area of the basin"},
    "elevation": {"standard_name": "surface_altitude", "units": "m"},
}


def with_places(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with CF attributes on its coordinates of places; it is changed in place."""
    for name, attributes in _PLACES.items():
        if name in dataset.coords:
            dataset[name].attrs.update(attributes)
    for dim, role in (("basin", "timeseries_id"), ("site", "timeseries_id")):
        if dim in dataset.coords:
            dataset[dim].attrs.setdefault("cf_role", role)
    return dataset


def with_bounds(dataset: xr.Dataset, step: str) -> xr.Dataset:
    """Interval of each value, from times that are starts.

    Parameters
    ----------
    dataset : xarray.Dataset
        With starts of intervals as `time`.
    step : str
        Length as pandas says it: ``30min``, ``1h``, ``1D``, ``MS`` (month), ``YS`` (year).
    """
    starts = pd.DatetimeIndex(dataset["time"].values)
    ends = starts + pd.tseries.frequencies.to_offset(step)
    bounds = np.stack([starts.values, pd.DatetimeIndex(ends).as_unit("ns").values], axis=1)
    dataset = dataset.assign_coords(time_bnds=(("time", "bnds"), bounds))
    dataset["time"].attrs.update(standard_name="time", bounds="time_bnds", axis="T")
    return dataset


def with_findings(dataset: xr.Dataset, findings: Iterable[Finding]) -> xr.Dataset:
    """The dataset with more findings of its source in the attribute :data:`FINDINGS`."""
    every = _merged([*source_findings(dataset), *findings])
    if every:
        dataset.attrs[FINDINGS] = json.dumps([finding.to_dict() for finding in every])
    return dataset


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for what several files say about the same variable in the same words."""
    same: dict[Finding, list[str]] = {}
    for finding in findings:
        # A file that is lost as a whole is named alone: the table of files has a row for it.
        files = same.setdefault(replace(finding, file="") if finding.variable else finding, [])
        if finding.file not in files:
            files.append(finding.file)
    return [replace(finding, file=_several(files)) for finding, files in same.items()]


def _several(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def source_findings(dataset: xr.Dataset) -> tuple[Finding, ...]:
    """What the source itself refused or noted while it opened a dataset.

    Findings with `file` and without `variable` are files of the entry that could not be read.
    """
    plain = json.loads(dataset.attrs.get(FINDINGS, "[]"))
    return tuple(Finding.from_dict(finding) for finding in plain)
