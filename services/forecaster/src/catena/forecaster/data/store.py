"""Archives of weather forecasts by issue time and lead, read sample by sample.

A store is one zarr (version 3) with a single array ``weather`` (basin, forecast_reference_time,
leadtime, variable[, member]), which xarray opens as it is. Its chunks are not compressed, so that
they are mapped instead of read: a training loop takes some hundred bytes out of each of many
places. Names and times are CF's: ``forecast_reference_time`` is the moment at which the issue day
ends, ``leadtime`` the end of the day that a value is about (specs: streamflow, section 3).

What is in a store is what its root's metadata says, and these are written last, at once: an append
that was killed is not there, and the next one writes over its traces. Values that are visible are
never changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from catena.forecaster.data.blocks import Blocks
from catena.forecaster.data.records import Array32, BasinRecords, Days, Index, Mask
from catena.shared.artifacts.datasets import quiet
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    InvalidData,
    NotFound,
)
from catena.shared.shuffle import hashed

METADATA = "zarr.json"
ISSUE, LEAD = "forecast_reference_time", "leadtime"
CHUNK_ISSUES = 128
CHUNK_BYTES = 4 << 20
MAPPED_BYTES = 512 << 20
"""Of a store that is mapped at once; samples are shuffled together over half of it."""
_DAY = np.timedelta64(1, "D")


class ForecastStore:
    """A folder of forecasts of `N` basins, `H` leads and `F` variables.

    Parameters
    ----------
    folder : Path
    mapped_bytes : int
        How much of it may be in memory at once.

    Attributes
    ----------
    basins, names : tuple of str
    issue_days : (I,) array of datetime64[D]
        In order; an issue day is the last day whose weather was known.
    leads, members : int
        Members 0: no ensemble.

    Raises
    ------
    NotFound
        When there is no finished store.
    InvalidData
        When the folder holds a zarr of another layout.
    """

    def __init__(self, folder: str | Path, *, mapped_bytes: int = MAPPED_BYTES) -> None:
        self.folder = Path(folder)
        dataset = self.dataset()
        weather = dataset.get("weather")
        dims = ("basin", ISSUE, LEAD, "variable")
        if weather is None or weather.dims not in (dims, (*dims, "member")):
            raise InvalidData(
                f"{self.folder.name} holds {sorted(map(str, dataset.data_vars))}; wanted an array "
                f"'weather' ({', '.join(dims)}[, member])"
            )
        self.basins = tuple(map(str, dataset["basin"].values))
        self.names = tuple(map(str, dataset["variable"].values))
        ends = dataset[ISSUE].values.astype("datetime64[s]")
        self.issue_days: Days = (ends - _DAY).astype("datetime64[D]")
        self.leads = weather.sizes[LEAD]
        self.members = weather.sizes.get("member", 0)
        with quiet():
            array: Any = zarr.open_group(str(self.folder), mode="r", use_consolidated=True)[
                "weather"
            ]
        codecs = [codec["name"] for codec in array.metadata.to_dict()["codecs"]]
        if codecs != ["bytes"] or array.dtype != np.dtype("<f4"):
            raise InvalidData(
                f"{self.folder.name} has chunks of {array.dtype} through {', '.join(codecs)}; "
                "plain little-endian float32 wanted: write it with ForecastStore"
            )
        self._chunk: tuple[int, ...] = array.chunks
        shape = self._chunk[0], self._chunk[1]
        grid = tuple(-(-size // part) for size, part in zip(array.shape, shape, strict=False))
        at_once = mapped_bytes // (math.prod(self._chunk) * 4)
        self.blocks = Blocks(shape, (grid[0], grid[1]), self._mapped, at_once)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        basins: Sequence[str],
        names: Sequence[str],
        leads: int,
        members: int = 0,
        units: Sequence[str] = (),
    ) -> ForecastStore:
        """An empty store.

        Parameters
        ----------
        folder : path
            Without a store in it.
        basins, names : sequence of str
            Gauge ids and variables.
        leads : int
            Days ahead.
        members : int
            Of the ensemble; 0 for single forecasts.
        units : sequence of str
            One per variable, as in the records.

        Raises
        ------
        FailedPrecondition
            When the folder holds a store.
        InvalidData
            When there is nothing to store, or a name comes twice.
        """
        folder = Path(folder)
        if (folder / METADATA).exists():
            raise FailedPrecondition(f"{folder.name} holds a store already; append to it")
        if not basins or not names or leads < 1 or members < 0 or (
            len(set(basins)) < len(basins) or len(set(names)) < len(names)
        ):  # fmt: skip
            raise InvalidData(
                f"a store of {len(basins)} basins, {len(names)} variables, {leads} leads and "
                f"{members} members was asked for; at least one of the first three, none twice"
            )
        tail = [leads, len(names), *([members] if members else [])]
        rows = max(1, CHUNK_BYTES // (4 * CHUNK_ISSUES * math.prod(tail)))
        chunk = (min(rows, len(basins)), CHUNK_ISSUES, *tail)
        empty = _layout(basins, names, leads, members, units)
        folder.mkdir(parents=True, exist_ok=True)
        encoding: dict[str, dict[str, Any]] = {
            "weather": {"chunks": chunk, "compressors": None, "_FillValue": np.float32(np.nan)},
            ISSUE: {"units": "hours since 1970-01-01", "dtype": "int64", "chunks": (4096,)},
            LEAD: {"units": "days", "dtype": "int64"},
        }
        with quiet():
            empty.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        _publish(folder)
        return cls(folder)

    def append(self, issue_days: Days, values: NDArray[Any]) -> ForecastStore:
        """Add forecasts of later issue days; what was there stays as it is.

        Parameters
        ----------
        issue_days : (I,) array of datetime64[D]
            In order, all after the last one of the store.
        values : (N, I, H, F[, M]) array
            In the units of the records; NaN where there is none.

        Returns
        -------
        ForecastStore
            With the new forecasts; this one goes on to show what it showed.

        Raises
        ------
        InvalidData
            When shapes do not fit, or days are not later.
        FailedPrecondition
            When somebody else has appended since this store was opened.
        """
        days = np.atleast_1d(np.asarray(issue_days, "datetime64[D]"))
        values = np.asarray(values, np.float32)
        members = (self.members,) if self.members else ()
        wanted = (len(self.basins), len(days), self.leads, len(self.names), *members)
        if values.shape != wanted:
            raise InvalidData(f"forecasts of shape {values.shape} came; {wanted} wanted")
        every = np.concatenate([self.issue_days[-1:], days])
        if (np.diff(every) < np.timedelta64(1, "D")).any():
            raise InvalidData(
                f"issue days {days[0]} to {days[-1]} came; wanted each once, in order and after "
                f"{self.issue_days[-1] if len(self.issue_days) else 'nothing'}"
            )
        first, last = len(self.issue_days), len(self.issue_days) + len(days)
        with quiet():
            group: Any = zarr.open_group(str(self.folder), mode="r+", use_consolidated=True)
            weather, issue = group["weather"], group[ISSUE]
            if weather.shape[1] != first:
                raise FailedPrecondition(
                    f"{self.folder.name} has got other forecasts since it was opened; open it again"
                )
            weather.resize((len(self.basins), last, *wanted[2:]))
            issue.resize((last,))
            issue[first:last] = (days + _DAY).astype("datetime64[h]").astype(np.int64)
            # Chunk by chunk of issue times: each file is written once.
            edges = [first, *range((first // CHUNK_ISSUES + 1) * CHUNK_ISSUES, last, CHUNK_ISSUES)]
            for start, stop in zip(edges, [*edges[1:], last], strict=True):
                weather[:, start:stop] = values[:, start - first : stop - first]
        _publish(self.folder)
        return ForecastStore(self.folder, mapped_bytes=self.mapped_bytes)

    @property
    def mapped_bytes(self) -> int:
        """How much of the store may be in memory at once."""
        return self.blocks.at_once * math.prod(self._chunk) * 4

    def dataset(self) -> xr.Dataset:
        """The store as a data set, lazily."""
        if not (self.folder / METADATA).is_file():
            raise NotFound(
                f"there is no finished store of forecasts in {self.folder.name}; {METADATA} is "
                "written last: write it again"
            )
        with quiet():
            opened: xr.Dataset = xr.open_zarr(self.folder, consolidated=True, chunks=None)
        return opened

    def pick(
        self, basins: Index, issues: Index, members: Index, columns: Index, leads: int
    ) -> Array32:
        """Samples (B, leads, len(columns)) by places of basins, issue days and variables."""
        members = np.asarray(members % max(self.members, 1), np.int64)
        return self.blocks.pick(basins, issues, members, columns, leads)

    def _mapped(self, row: int, column: int) -> NDArray[np.float32]:
        """One chunk, mapped; one that was never written is all missing."""
        shape = self._chunk if self.members else (*self._chunk, 1)
        tail = [0] * (len(self._chunk) - 2)
        path = self.folder.joinpath("weather", "c", *map(str, (row, column, *tail)))
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            gone = np.full(shape, np.nan, np.float32)
            gone.flags.writeable = False
            return gone
        if size != math.prod(shape) * 4:
            raise ArtifactCorrupt(
                f"{self.folder.name}: a chunk has {size} bytes, {math.prod(shape) * 4} wanted; "
                "write the store again"
            )
        return np.asarray(np.memmap(path, dtype="<f4", mode="r", shape=shape)).view(np.ndarray)


class ForecastArray:
    """Forecasts that are in memory, with the same methods as a store.

    Parameters
    ----------
    basins, names : sequence of str
    issue_days : (I,) array of datetime64[D]
    values : (N, I, H, F[, M]) array
    """

    def __init__(
        self, basins: Sequence[str], names: Sequence[str], issue_days: Days, values: NDArray[Any]
    ) -> None:
        self.basins, self.names = tuple(basins), tuple(names)
        self.issue_days = np.asarray(issue_days, "datetime64[D]")
        values = np.ascontiguousarray(values, np.float32)
        self.members = values.shape[4] if values.ndim == 5 else 0
        self.leads = values.shape[2]
        if values.shape[:4] != (len(self.basins), len(issue_days), self.leads, len(self.names)):
            raise InvalidData(
                f"forecasts of shape {values.shape} came for {len(self.basins)} basins, "
                f"{len(issue_days)} issue days and {len(self.names)} variables"
            )
        whole = values if self.members else values[..., None]
        whole = whole.view()
        whole.flags.writeable = False
        self.blocks = Blocks((whole.shape[0], whole.shape[1]), (1, 1), lambda *_: whole, 1)

    def pick(
        self, basins: Index, issues: Index, members: Index, columns: Index, leads: int
    ) -> Array32:
        """Samples (B, leads, len(columns)) by places of basins, issue days and variables."""
        members = np.asarray(members % max(self.members, 1), np.int64)
        return self.blocks.pick(basins, issues, members, columns, leads)


class ForecastArchive:
    """Forecasts of a store for basins and days of records: what windows read.

    Parameters
    ----------
    source : ForecastStore or ForecastArray
    records : BasinRecords
    leads : int
        Days ahead; NaN behind those of the source.

    Raises
    ------
    InvalidData
        When the source lacks a variable of the records, or has none of their basins.
    """

    def __init__(
        self, source: ForecastStore | ForecastArray, records: BasinRecords, leads: int
    ) -> None:
        self._names = records.basins
        missing = [name for name in records.weather_names if name not in source.names]
        rows = {basin: row for row, basin in enumerate(source.basins)}
        self._basin = np.array([rows.get(basin, -1) for basin in records.basins], np.int64)
        if missing or (self._basin < 0).all():
            raise InvalidData(
                f"forecasts of {', '.join(source.names)} for {len(source.basins)} basins came; "
                f"wanted {', '.join(records.weather_names)} and basins of the records"
            )
        self._columns = np.array([source.names.index(n) for n in records.weather_names], np.int64)
        self._issue = np.full(len(records.days), -1, np.int64)
        at = (source.issue_days - records.days[0]).astype(np.int64)
        inside = np.flatnonzero((at >= 0) & (at < len(records.days)))
        self._issue[at[inside]] = inside
        self.source, self.leads = source, leads

    def read(self, basins: Index, issues: Index, members: Index) -> Array32:
        """Weather (B, H, F) of rows and days of the records; NaN where there is no forecast."""
        return self.source.pick(
            self._basin[basins], self._issue[issues], members, self._columns, self.leads
        )

    def issued(self) -> Index:
        """Places of the days of the records on which a forecast was issued."""
        return np.flatnonzero(self._issue >= 0)

    def within(self, days: Mask) -> Index:
        """Places of the issue days whose forecasts are of `days`, (T,), alone."""
        issues = self.issued()
        ahead = issues[:, None] + 1 + np.arange(self.leads)
        inside = (ahead < len(days)).all(axis=1)
        return np.asarray(issues[inside][days[ahead[inside]].all(axis=1)], np.int64)

    def of(self, records: BasinRecords) -> ForecastArchive:
        """The same forecasts for other records."""
        return ForecastArchive(self.source, records, self.leads)

    def lacking(self) -> list[str]:
        """Basins of the records that the archive has no forecasts for."""
        return [self._names[row] for row in np.flatnonzero(self._basin < 0)]

    def groups(self, basins: Index, issues: Index, *, seed: int, epoch: int) -> Index:
        """Number of the group of each sample: groups fit into memory one at a time.

        A group is a random choice of blocks, another one in each epoch; so an order that goes
        group by group, shuffled within each, reads each block once. Two groups fit together, for
        the batch at their seam.
        """
        blocks = self.source.blocks
        count = blocks.grid[0] * blocks.grid[1]
        rank = np.argsort(hashed(np.arange(count), seed, epoch), kind="stable")
        group = np.empty(count, np.int64)
        together = blocks.at_once if blocks.at_once >= count else max(1, blocks.at_once // 2)
        group[rank] = np.arange(count) // together
        basin, issue = self._basin[basins], self._issue[issues]
        there = (basin >= 0) & (issue >= 0)
        return np.where(there, group[np.where(there, blocks.number(basin, issue), 0)], 0)


def _layout(
    basins: Sequence[str], names: Sequence[str], leads: int, members: int, units: Sequence[str]
) -> xr.Dataset:
    """The data set of a store without issue times."""
    dims = ["basin", ISSUE, LEAD, "variable", *(["member"] if members else [])]
    shape = [len(basins), 0, leads, len(names), *([members] if members else [])]
    coords: dict[str, Any] = {
        "basin": ("basin", np.array(basins, np.str_), {"cf_role": "timeseries_id"}),
        ISSUE: (ISSUE, np.empty(0, "datetime64[ns]"), {"standard_name": ISSUE}),
        LEAD: (
            LEAD,
            np.arange(1, leads + 1) * _DAY.astype("timedelta64[ns]"),
            {"standard_name": "forecast_period"},
        ),
        "variable": ("variable", np.array(names, np.str_)),
    }
    if units:
        coords["variable_units"] = ("variable", np.array(units, np.str_))
    if members:
        coords["member"] = ("member", np.arange(members), {"standard_name": "realization"})
    about = {"long_name": "Forecast weather, means of the day that ends at leadtime"}
    return xr.Dataset({"weather": (dims, np.empty(shape, np.float32), about)}, coords=coords)


def _publish(folder: Path) -> None:
    """Write the root's metadata, which say what is there."""
    with quiet():
        zarr.consolidate_metadata(str(folder), zarr_format=3)
