"""What the checks of values need to know, from one pass over the data, block by block.

All variables of a dataset are read in one ``dask.compute``; of each block only a few numbers and
two numbers per time step stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed

Array = np.ndarray[Any, Any]

SENTINELS = (-9999.0, -999.0, -99.99, -99999.0, -9999.9, -999.9, -99.9, -32768.0, -32767.0)
"""Numbers that archives write where a value is missing; whether they mean it is for the check."""
HUGE = 1e29
"""No quantity of the lexicon comes near: 1e30 and 1e36 lie beyond; 1e20 goes by name."""
NAMED_HUGE = (1e20, -1e20)
BLOCK_BYTES = 32 * 2**20
TINY_BLOCK = 100_000


@dataclass
class Statistics:
    """Of one variable, in the unit of its values at the time.

    Parameters
    ----------
    count : int
        Values in all.
    missing : int
        NaN among them.
    infinite : int
    low, high : float
        Smallest and largest of the others, without `sentinels` and `huge`; NaN if there are none.
    sentinels : dict
        Value -> how often it occurs.
    huge : dict
        Values of magnitude 1e20 exactly or 1e29 and more -> how often they occur.
    step_missing : array of int64, shape (time,), or None
        NaN in each time step.
    step_prints : array of uint64, shape (time,), or None
        A checksum of each time step's field.
    cells : int
        Values in one time step.
    """

    count: int = 0
    missing: int = 0
    infinite: int = 0
    low: float = np.nan
    high: float = np.nan
    sentinels: dict[float, int] = field(default_factory=dict)
    huge: dict[float, int] = field(default_factory=dict)
    step_missing: Array | None = None
    step_prints: Array | None = None
    cells: int = 0

    @property
    def valid(self) -> int:
        """Values that are numbers."""
        return (
            self.count
            - self.missing
            - self.infinite
            - sum(self.sentinels.values())
            - sum(self.huge.values())
        )

    def scaled(self, factor: float, offset: float) -> Statistics:
        """As they are after ``value * factor + offset``."""
        low, high = self.low * factor + offset, self.high * factor + offset
        return replace(self, low=min(low, high), high=max(low, high), sentinels={}, huge={})


def collect(dataset: xr.Dataset, names: Iterable[str]) -> dict[str, Statistics]:
    """Statistics of several numeric variables in one pass.

    Parameters
    ----------
    dataset : xarray.Dataset
    names : iterable of str
    """
    tasks: list[tuple[str, tuple[slice, ...], Any]] = []
    found: dict[str, Statistics] = {}
    for name in names:
        array = dataset[name]
        steps = array.sizes.get("time")
        found[name] = Statistics(
            count=array.size,
            cells=array.size // steps if steps else 0,
            step_missing=np.zeros(steps, dtype=np.int64) if steps else None,
            step_prints=np.zeros(steps, dtype=np.uint64) if steps else None,
        )
        axis = array.dims.index("time") if steps else None
        tasks += [
            (name, where, delayed(_of_block, pure=False)(block, axis, _seed(where, axis)))
            for where, block in _blocks(array)
        ]
    read = sum(dataset[name].nbytes for name in found)
    # Threads cost more than they bring where a file is cut into thousands of tiny blocks.
    tiny = {"scheduler": "synchronous"} if read < TINY_BLOCK * len(tasks) else {}
    parts = compute(*(task[2] for task in tasks), **tiny)  # type: ignore[no-untyped-call]
    for (name, where, _), part in zip(tasks, parts, strict=True):
        axis = dataset[name].dims.index("time") if found[name].cells else None
        _merge(found[name], part, where[axis] if axis is not None else None)
    return found


def _blocks(array: xr.DataArray) -> Iterable[tuple[tuple[slice, ...], Any]]:
    """Blocks and their places; what is not dask is cut into pieces that fit into memory."""
    if array.size == 0:
        return
    if array.chunks is None:
        if array.nbytes > BLOCK_BYTES and array.ndim:
            per_row = max(1, array.nbytes // array.shape[0])
            array = array.chunk({array.dims[0]: max(1, BLOCK_BYTES // per_row)})
        else:
            yield tuple(slice(0, size) for size in array.shape), array.values
            return
    data: Any = array.data
    edges = [np.concatenate([[0], np.cumsum(sizes)]) for sizes in data.chunks]
    delayed = data.to_delayed()
    for place in np.ndindex(*data.numblocks):
        where = tuple(
            slice(int(edge[i]), int(edge[i + 1])) for edge, i in zip(edges, place, strict=True)
        )
        yield where, delayed[place]


def _seed(where: tuple[slice, ...], axis: int | None) -> int:
    # The same for all blocks of one place, whatever their time.
    seed = 1
    for position, part in enumerate(where):
        if position != axis:
            seed = (seed * 1_000_003 + part.start + 1) % (2**31)
    return seed


def _of_block(block: Array, axis: int | None, seed: int) -> dict[str, Any]:
    values = np.asarray(block)
    part: dict[str, Any] = {"missing": 0, "infinite": 0, "sentinels": {}, "huge": {}}
    if values.dtype.kind not in "iuf":
        return part
    if axis is not None:
        field_of_step = np.ascontiguousarray(np.moveaxis(values, axis, 0)).reshape(
            values.shape[axis], -1
        )
        part["prints"] = _prints(field_of_step, seed)
    if values.dtype.kind == "f" and np.isnan(values.min()):
        missing = np.isnan(values)
        part["missing"] = int(np.count_nonzero(missing))
        if axis is not None:
            other = tuple(position for position in range(values.ndim) if position != axis)
            part["step_missing"] = missing.sum(axis=other)
    low, high = _extremes(values)
    if high >= NAMED_HUGE[0] or low <= -99:
        apart = _set_apart(values, part, float(low))
        if apart.any():
            low, high = _extremes(np.where(apart, np.nan, values))
    if not np.isnan(low):
        part["low"], part["high"] = float(low), float(high)
    return part


def _extremes(values: Array) -> tuple[Any, Any]:
    # fmin passes over NaN, and is many times faster than selecting the rest.
    return np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)


def _set_apart(values: Array, part: dict[str, Any], low: float) -> Array:
    """Count what may not be a number at all, and say where it is."""
    apart = np.zeros(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        infinite = np.isinf(values)
        part["infinite"] = int(np.count_nonzero(infinite))
        huge = ~infinite & (np.abs(values) >= HUGE)
        for value in NAMED_HUGE:
            huge |= values == values.dtype.type(value)
        if huge.any():
            numbers, counts = np.unique(values[huge], return_counts=True)
            part["huge"] = dict(zip(numbers[:8].tolist(), counts[:8].tolist(), strict=True))
            rest = int(counts[8:].sum())
            if rest:
                part["huge"][float(numbers[8])] = rest
        apart |= infinite | huge
    for sentinel in SENTINELS:
        whole = sentinel == int(sentinel)
        if values.dtype.kind in "iu" and not (whole and sentinel >= np.iinfo(values.dtype).min):
            continue
        if values.dtype.type(sentinel) < low:
            continue
        same = values == values.dtype.type(sentinel)
        times = int(np.count_nonzero(same))
        if times:
            part["sentinels"][sentinel] = times
            apart |= same
    return apart


def _prints(fields: Array, seed: int) -> Array:
    """One number per row that two different rows almost surely do not share."""
    if fields.dtype.itemsize not in (1, 2, 4, 8):
        fields = fields.astype(np.float64)
    if fields.dtype.itemsize < 4:
        fields = fields.astype(np.int32)
    bits = fields.view(np.uint32 if fields.dtype.itemsize == 4 else np.uint64)
    start = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15 % 2**32)
    numbers = np.arange(1, bits.shape[1] + 1, dtype=np.uint64) + start
    weights = (numbers * np.uint64(0x9E3779B97F4A7C15) ^ (numbers >> np.uint64(7))) | np.uint64(1)
    sums: Array = np.einsum("ij,j->i", bits, weights.astype(bits.dtype))  # type: ignore[arg-type]
    return sums.astype(np.uint64)


def _merge(total: Statistics, part: Mapping[str, Any], steps: slice | None) -> None:
    total.missing += part["missing"]
    total.infinite += part["infinite"]
    if "low" in part:
        total.low = float(np.fmin(total.low, part["low"]))
        total.high = float(np.fmax(total.high, part["high"]))
    for kind in ("sentinels", "huge"):
        counts = getattr(total, kind)
        for value, times in part[kind].items():
            counts[value] = counts.get(value, 0) + times
    if steps is not None and total.step_prints is not None and total.step_missing is not None:
        total.step_prints[steps] += part.get("prints", 0)
        total.step_missing[steps] += part.get("step_missing", 0)
