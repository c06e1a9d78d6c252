"""Writer of the hot cache: a dataset of fields, block by block, into mapped files for training.

Memory holds one block (and the steps of the longest lead), whatever the length of the series. What
was done is noted after every block, so that a writer that was killed goes on where it stopped and
ends with the same bytes. The reader is :mod:`catena.shared.hot_cache`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from catena.data_ingest.hot_cache_plan import Plan, make_plan, matched
from catena.shared.errors import FailedPrecondition, InvalidData
from catena.shared.hot_cache import Channel, HotCache
from catena.shared.hot_cache_format import METADATA, block_name
from catena.shared.moments import Moments

Block = NDArray[np.float32]
Progress = Callable[[float, str], None]

_PROGRESS = "progress.json"


def write_hot_cache(
    dataset: xr.Dataset,
    folder: str | Path,
    *,
    variables: Sequence[str] | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    normalise: bool = True,
    leads_s: Sequence[int] = (),
    statistics: Sequence[Channel] | None = None,
    statistics_steps: tuple[int, int] | None = None,
    block_steps: int = 32,
    generated: bool = False,
    progress: Progress = lambda share, message: None,
) -> HotCache:
    """Write a dataset of canonical fields as a hot cache, or go on writing it.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables on (time, lat, lon) or (time, plev, lat, lon), lazily.
    folder : path
        Empty or new, or left over from the same call.
    variables : sequence of str, optional
        In this order; by default all that have these dimensions.
    dtype : {"float16", "float32"}
    normalise : bool
        Store ``(x - mean) / std`` per variable and level; float16 without it is refused.
    leads_s : sequence of int
        Leads (s) for which statistics of x(t + lead) - x(t) are taken.
    statistics : sequence of Channel, optional
        Those of another cache, e.g. of the training period; saves one pass over the data.
    statistics_steps : (start, stop), optional
        Steps over which statistics are taken; give the training period, so that nothing of the
        test period leaks into them.
    block_steps : int
        Steps a file.
    generated : bool
        Whether a formula made the fields.
    progress : callable
        Called with a share of 1 and a message after each block.

    Returns
    -------
    HotCache

    Raises
    ------
    InvalidData
        When dimensions, times or values are not fit; names the variable and both values.
    FailedPrecondition
        When the folder holds something else.
    """
    if dtype == "float16" and not normalise:
        raise InvalidData(
            "hot cache of float16 without normalisation asked for: pressures in Pa do not fit "
            "into float16; set normalise=True or dtype='float32'"
        )
    plan = make_plan(dataset, variables, dtype, block_steps, leads_s, normalise, generated)
    plan = replace(
        plan,
        counted=statistics_steps or plan.counted,
        given=matched(plan, statistics),
    )
    folder = Path(folder)
    if (folder / METADATA).exists():
        raise FailedPrecondition(
            f"{folder.name} already holds a finished hot cache; write to another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _Writer(dataset, folder, plan, progress).run()
    return HotCache.open(folder)


class _Writer:
    """Statistics, then blocks; what is done is in ``progress.json``."""

    def __init__(self, dataset: xr.Dataset, folder: Path, plan: Plan, progress: Progress) -> None:
        self.dataset = dataset
        self.folder = folder
        self.plan = plan
        self.progress = progress
        channels = len(plan.metadata.channels)
        self.moments = Moments(channels)
        self.differences = {lead: Moments(channels) for lead in plan.leads}
        self.counted_blocks = 0
        self.digests: list[str] = []
        self.tail: Block | None = None
        self._resume()

    @property
    def passes(self) -> int:
        """Times that the data are read: normalising needs the statistics first."""
        return 2 if self.plan.normalise and not self.plan.given else 1

    def run(self) -> None:
        if self.passes == 2:
            for number in range(self.counted_blocks, len(self.plan.blocks)):
                self._count(self._read(number), number)
                self._note("statistics of block", number)
        for number in range(len(self.digests), len(self.plan.blocks)):
            block = self._read(number)
            if self.passes == 1 and not self.plan.given:
                self._count(block, number)
            self.digests.append(self._write(block, number))
            self._note("wrote block", number)
        metadata = replace(
            self.plan.metadata, channels=self._channels(), digests=tuple(self.digests)
        )
        _replace_file(self.folder / METADATA, metadata.to_json().encode())
        (self.folder / _PROGRESS).unlink(missing_ok=True)

    def _resume(self) -> None:
        path = self.folder / _PROGRESS
        if not path.exists():
            strangers = [item.name for item in self.folder.iterdir()]
            if strangers:
                raise FailedPrecondition(
                    f"{self.folder.name} is not empty ({sorted(strangers)[0]}) and holds no "
                    "half-written hot cache; write to another folder"
                )
            return
        noted = json.loads(path.read_text())
        if noted["plan"] != self.plan.digest:
            raise FailedPrecondition(
                f"{self.folder.name} holds a half-written hot cache of other data or settings; "
                "repeat the call that began it, or write to another folder"
            )
        self.counted_blocks = noted["counted_blocks"]
        self.digests = noted["digests"]
        self.moments = Moments.from_dict(noted["moments"])
        self.differences = {
            int(lead): Moments.from_dict(plain) for lead, plain in noted["differences"].items()
        }

    def _note(self, what: str, number: int) -> None:
        noted = {
            "plan": self.plan.digest,
            "counted_blocks": self.counted_blocks,
            "digests": self.digests,
            "moments": self.moments.to_dict(),
            "differences": {lead: one.to_dict() for lead, one in self.differences.items()},
        }
        _replace_file(self.folder / _PROGRESS, json.dumps(noted).encode())
        total = self.passes * len(self.plan.blocks)
        done = len(self.digests) + (self.counted_blocks if self.passes == 2 else 0)
        self.progress(done / total, f"{what} {number + 1} of {len(self.plan.blocks)}")

    def _span(self, number: int) -> tuple[int, int]:
        start = self.plan.blocks[number]
        return start, min(start + self.plan.metadata.block_steps, self.plan.metadata.steps)

    def _read(self, number: int) -> Block:
        return read_steps(self.dataset, self.plan.metadata.channels, *self._span(number))

    def _count(self, block: Block, number: int) -> None:
        """Take a block into the statistics, differences across its start included."""
        start, stop = self._span(number)
        low, high = self.plan.counted
        longest = max(self.plan.leads, default=0)
        before = min(longest, start)
        if self.tail is None and before:  # resumed: read again what was in memory
            self.tail = read_steps(self.dataset, self.plan.metadata.channels, start - before, start)
        known = block if self.tail is None else np.concatenate([self.tail, block])
        first = stop - known.shape[0]  # step of known[0]
        inside = slice(max(start, low) - first, max(min(stop, high) - first, 0))
        if inside.start < inside.stop:
            self.moments.update(known[inside])
        runs = self.plan.metadata.runs
        for lead, moments in self.differences.items():
            for run in runs:
                # Targets in this block, inputs in the same run and in the counted steps.
                begin = max(start, run.first + lead, low + lead)
                end = min(stop, run.first + run.count, high)
                if begin < end:
                    later = known[begin - first : end - first].astype(np.float64)
                    moments.update(later - known[begin - lead - first : end - lead - first])
        self.tail = known[-longest:] if longest else None
        self.counted_blocks = number + 1

    def _channels(self) -> tuple[Channel, ...]:
        if self.plan.given:
            return self.plan.given
        step = self.plan.metadata.step_s
        std = self.moments.std
        channels = []
        for number, channel in enumerate(self.plan.metadata.channels):
            if not self.moments.count[number]:
                raise InvalidData(f"hot cache: {channel.label} has no value at all; leave it out")
            # A constant field is stored as zeros.
            scale = float(std[number]) or 1.0
            channels.append(
                replace(
                    channel,
                    mean=float(self.moments.mean[number]),
                    std=float(std[number]),
                    low=float(self.moments.low[number]),
                    high=float(self.moments.high[number]),
                    count=int(self.moments.count[number]),
                    missing=int(self.moments.missing[number]),
                    differences={
                        str(lead * step): (
                            float(moments.mean[number]),
                            float(moments.std[number]),
                        )
                        for lead, moments in self.differences.items()
                        if moments.count[number]
                    },
                    offset=float(self.moments.mean[number]) if self.plan.normalise else 0.0,
                    scale=scale if self.plan.normalise else 1.0,
                )
            )
        return tuple(channels)

    def _write(self, block: Block, number: int) -> str:
        if self.plan.normalise:
            channels = self._channels()
            for place, channel in enumerate(channels):
                values = block[:, place].astype(np.float64)
                block[:, place] = (values - channel.offset) / channel.scale
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(block, dtype=self.plan.metadata.dtype)
        lost = np.isinf(stored)
        if lost.any():
            step, place = (int(axis[0]) for axis in np.nonzero(lost)[:2])
            channel = self.plan.metadata.channels[place]
            raise InvalidData(
                f"hot cache: {channel.label} at step {self._span(number)[0] + step} holds "
                f"{block[step, place].flat[np.abs(block[step, place]).argmax()]:g} (in standard "
                f"deviations where normalised), too large for {stored.dtype}; mask it, or write "
                "float32"
            )
        name = self.folder / block_name(number)
        working = name.with_suffix(".part")
        with working.open("wb") as file:
            np.save(file, stored, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        with working.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        working.replace(name)
        return digest


def read_steps(dataset: xr.Dataset, channels: Sequence[Channel], start: int, stop: int) -> Block:
    """Steps ``[start, stop)`` of a dataset as one array, shape (t, V, H, W)."""
    names = list(dict.fromkeys(channel.name for channel in channels))
    part = dataset[names].isel(time=slice(start, stop)).load()
    block = np.empty(
        (stop - start, len(channels), part.sizes["lat"], part.sizes["lon"]), dtype=np.float32
    )
    for place, channel in enumerate(channels):
        array = part[channel.name]
        if channel.level is not None:
            array = array.sel(plev=channel.level)
        block[:, place] = array.transpose("time", "lat", "lon").values
    return block


def _replace_file(path: Path, data: bytes) -> None:
    """Write a small file in one step."""
    working = path.with_suffix(".tmp")
    with working.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    working.replace(path)
