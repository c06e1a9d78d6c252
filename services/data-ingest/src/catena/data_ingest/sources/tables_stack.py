"""Records of one basin or site side by side in time, lazily.

Opening reads each file once, to learn its times and to find the bad ones, and keeps only as many
bytes as the cache holds. A bad file is left out by name; the others go on.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from dask.delayed import delayed

from catena.data_ingest.sources.tables import (
    Member,
    Record,
    place_values,
    refuse,
    with_findings,
    with_places,
)
from catena.shared.checks.findings import Finding
from catena.shared.errors import InvalidData

CACHE_BYTES = 64 * 2**20
"""Parsed tables are kept in memory up to this size; beyond it they are read again when needed."""
BLOCK_BYTES = 8 * 2**20
"""Members are read together up to this size, so that thousands of small files make few chunks."""


class _Cache:
    """Records that were read last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, Record] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, number: int, read: Callable[[], Record]) -> Record:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        record = read()
        with self._lock:
            if number not in self._kept and record.nbytes <= self._limit:
                self._kept[number] = record
                self._bytes += record.nbytes
                while self._bytes > self._limit:
                    self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return record


class _Layout:
    """What the whole looks like: learnt from one member after the other, without their values."""

    def __init__(self) -> None:
        self.times = pd.DatetimeIndex([])
        self.units: dict[str, str] = {}
        self.missing: dict[str, float] = {}
        self.members: list[tuple[int, Member]] = []
        self.places: list[dict[str, float | str]] = []

    def add(self, number: int, member: Member, record: Record) -> None:
        """Take a member in; InvalidData when a unit is not that of the members before it."""
        for name in record.values:
            own = record.units.get(name, "")
            if self.units.get(name, own) != own:
                raise InvalidData(
                    f"file {member.file.path}: variable {name} is in '{own}', in the files before "
                    f"it in '{self.units[name]}'; wanted one unit per variable"
                )
        for name, values in record.values.items():
            self.units.setdefault(name, record.units.get(name, ""))
            if record.missing is not None and (values == record.missing).any():
                self.missing[name] = record.missing
        if not len(self.times):
            self.times = record.times
        elif not record.times.equals(self.times):
            self.times = self.times.union(record.times)
        self.members.append((number, member))
        self.places.append(record.coords)

    def attributes(self, name: str) -> dict[str, Any]:
        """Attributes of a variable: its unit, and what stands for a missing value."""
        found: dict[str, Any] = {"units": self.units[name]} if self.units[name] else {}
        if name in self.missing:
            found["missing_value"] = self.missing[name]
        return found


class _Blocks:
    """Reads members when their values are needed."""

    def __init__(self, layout: _Layout, cache: _Cache) -> None:
        self._layout, self._cache = layout, cache

    def read(self, first: int, last: int) -> np.ndarray:
        """Values of some members, (column, member, time), NaN where they have none."""
        times, columns = self._layout.times, list(self._layout.units)
        block = np.full((len(columns), last - first, times.size), np.nan, dtype=np.float32)
        for at, (number, member) in enumerate(self._layout.members[first:last]):
            record = self._cache.get(number, member.read)
            where = times.get_indexer(record.times)
            for row, name in enumerate(columns):
                if name in record.values:
                    block[row, at, where] = record.values[name]
        return block


def stack(dim: str, members: Sequence[Member], *, key: str) -> xr.Dataset:
    """Records side by side, lazily.

    Parameters
    ----------
    dim : {"basin", "site"}
    members : sequence of Member
    key : str
        Of the dataset, for messages.

    Returns
    -------
    xarray.Dataset
        (dim, time) float32; NaN where a member has no value. What the members say about their
        places are coordinates along `dim`. Findings, among them files that were left out, are in
        the attribute :data:`catena.data_ingest.sources.tables.FINDINGS`.

    Raises
    ------
    InvalidData
        When no member can be read; names the first file and why.
    """
    cache, layout = _Cache(CACHE_BYTES), _Layout()
    findings: list[Finding] = []
    for number, member in enumerate(members):
        try:
            record = cache.get(number, member.read)
            layout.add(number, member, record)
        except InvalidData as error:
            findings.append(
                refuse(
                    member.file.path, str(error), "a whole table of this kind",
                    f"left out of {key}; the other files go on", check="file", variable="",
                )
            )  # fmt: skip
            continue
        findings.extend(record.notes)
    if not layout.members:
        first = findings[0].found if findings else "no file is given"
        raise InvalidData(
            f"dataset {key}: none of {len(members)} files can be read; the first: {first}"
        )
    return with_findings(_dataset(layout, dim, cache), findings)


def _dataset(layout: _Layout, dim: str, cache: _Cache) -> xr.Dataset:
    columns, times, count = list(layout.units), layout.times, len(layout.members)
    at_once = max(1, BLOCK_BYTES // max(1, 4 * len(columns) * times.size))
    edges = [*range(0, count, at_once), count]
    read = delayed(_Blocks(layout, cache).read, pure=False)
    blocks = [
        da.from_delayed(  # type: ignore[no-untyped-call]
            read(first, last), (len(columns), last - first, times.size), np.float32
        )
        for first, last in itertools.pairwise(edges)
    ]
    whole = da.concatenate(blocks, axis=1)  # type: ignore[no-untyped-call]
    variables = {
        name: ((dim, "time"), whole[row], layout.attributes(name))
        for row, name in enumerate(columns)
    }
    names = np.array([member.name for _, member in layout.members], dtype=np.str_)
    coords: dict[str, Any] = {dim: (dim, names), "time": ("time", times)}
    for name in dict.fromkeys(name for place in layout.places for name in place):
        coords[name] = (dim, place_values([place.get(name) for place in layout.places]))
    return with_places(xr.Dataset(variables, coords=coords))
