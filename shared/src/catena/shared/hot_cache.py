"""Reader of the hot cache: fields for training, sample by sample, straight from mapped files.

A cache is a folder: ``hot_cache.json`` (what is in it, with statistics) and ``block-00000.npy`` …,
each holding ``[t, V, H, W]``, so that one sample is one run of bytes. It is written by
:mod:`catena.data_ingest.hot_cache`; trainers read it with numpy alone.

>>> cache = HotCache.open(folder)                              # doctest: +SKIP
>>> cache.sample(17).shape                                     # doctest: +SKIP
(24, 64, 128)
>>> for batch in cache.batches(leads_s=(21600,), size=32, seed=1, epoch=0):  # doctest: +SKIP
...     step(batch.inputs, batch.targets)
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from catena.shared.errors import ArtifactCorrupt, InvalidData, NotFound
from catena.shared.hot_cache_format import METADATA, Channel, Metadata, Run, block_name
from catena.shared.shuffle import Order, hashed

__all__ = ["Batch", "Channel", "HotCache", "Metadata", "Pairs", "Run"]

OPEN_BLOCKS = 256  # each mapped file holds a file descriptor


@dataclass(frozen=True)
class Batch:
    """Input and target fields, as stored (normalised where the cache is).

    Parameters
    ----------
    starts : array of int64, shape (B,)
        Index of the input's step.
    leads_s : array of int64, shape (B,)
    inputs, targets : array, shape (B, V, H, W)
    """

    starts: NDArray[np.int64]
    leads_s: NDArray[np.int64]
    inputs: NDArray[Any]
    targets: NDArray[Any]


class Pairs:
    """All pairs (t, t + lead) of which both lie in the same unbroken run.

    Parameters
    ----------
    runs : sequence of Run
    lead_steps : int
        Steps from input to target.
    start, stop : int
        Only pairs with both indices in ``[start, stop)``.
    """

    def __init__(self, runs: Sequence[Run], lead_steps: int, start: int, stop: int) -> None:
        self.lead_steps = lead_steps
        firsts, counts = [], []
        for run in runs:
            first = max(run.first, start)
            count = min(run.first + run.count, stop) - first - lead_steps
            if count > 0:
                firsts.append(first)
                counts.append(count)
        self._firsts = np.array(firsts, dtype=np.int64)
        self._ends = np.cumsum(np.array(counts, dtype=np.int64))

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    def starts(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Index of the input's step of these pairs, counted 0 .. len - 1 in the order of time."""
        run = np.searchsorted(self._ends, numbers, side="right")
        before = np.where(run > 0, self._ends[run - 1], 0)
        return self._firsts[run] + numbers - before


class HotCache:
    """A folder of mapped blocks. Safe to share between threads and to send to other processes.

    Parameters
    ----------
    folder : Path
    metadata : Metadata
    """

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        self.folder = folder
        self.metadata = metadata
        self.dtype = np.dtype(metadata.dtype)
        self._blocks: OrderedDict[int, NDArray[Any]] = OrderedDict()

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = False) -> Self:
        """The cache in a folder.

        Parameters
        ----------
        verify : bool
            Read every block and compare its digest; otherwise only sizes are looked at.

        Raises
        ------
        NotFound
            When there is no finished cache.
        ArtifactCorrupt
            When a block is missing, has another size or (with `verify`) other content.
        """
        folder = Path(folder)
        try:
            metadata = Metadata.from_json((folder / METADATA).read_text())
        except FileNotFoundError as error:
            raise NotFound(
                f"no finished hot cache in {folder.name}: {METADATA} is missing; "
                "it is written last, so write the cache again and it goes on where it stopped"
            ) from error
        cache = cls(folder, metadata)
        cache._check(verify)
        return cache

    def __len__(self) -> int:
        return self.metadata.steps

    def __getstate__(self) -> dict[str, Any]:
        # Mapped files stay where they are: another process maps its own.
        return {**self.__dict__, "_blocks": OrderedDict()}

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What V counts."""
        return self.metadata.channels

    def times_s(self) -> NDArray[np.int64]:
        """Seconds since 1970-01-01 in the cache's calendar, shape (steps,)."""
        step = self.metadata.step_s
        parts = [
            run.time_s + step * np.arange(run.count, dtype=np.int64) for run in self.metadata.runs
        ]
        return np.concatenate(parts)

    def sample(self, index: int) -> NDArray[Any]:
        """One step as it lies in the file, shape (V, H, W), without a copy and read-only."""
        if not 0 <= index < len(self):
            raise InvalidData(f"sample {index} asked of a hot cache of {len(self)}")
        number, inside = divmod(index, self.metadata.block_steps)
        sample: NDArray[Any] = self._block(number)[inside]
        return sample

    def gather(
        self,
        indices: NDArray[np.int64] | Sequence[int],
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | None = None,
    ) -> NDArray[Any]:
        """Copies of several steps, shape (N, V, H, W).

        Parameters
        ----------
        indices : sequence of int
        out : array, optional
            Where to put them, so that a training loop need not allocate.
        dtype : dtype, optional
            Of the new array; as stored by default.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if out is None:
            out = np.empty((indices.size, *self.metadata.sample_shape), dtype or self.dtype)
        for row, index in enumerate(indices.tolist()):
            out[row] = self.sample(index)
        return out

    def physical(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Stored values of shape (..., V, H, W) in the channels' units."""
        offset, scale = self._affine
        return np.asarray(values, dtype=np.float32) * scale + offset

    def pairs(self, lead_s: int, start: int = 0, stop: int | None = None) -> Pairs:
        """Pairs with this lead, none across a gap.

        Raises
        ------
        InvalidData
            When the lead is no whole number of steps.
        """
        step = self.metadata.step_s
        if lead_s < 0 or lead_s % step:
            raise InvalidData(
                f"lead of {lead_s} s asked of a hot cache with a step of {step} s; "
                "wanted a whole number of steps"
            )
        return Pairs(self.metadata.runs, lead_s // step, start, len(self) if stop is None else stop)

    def batches(
        self,
        *,
        leads_s: Sequence[int],
        size: int,
        seed: int,
        epoch: int = 0,
        rank: int = 0,
        ranks: int = 1,
        first: int = 0,
        start: int = 0,
        stop: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> Iterator[Batch]:
        """One epoch of shuffled pairs: every input once, each with one of the leads.

        Which samples make up global batch b depends on (seed, epoch, b) only, not on the number of
        ranks. An epoch that was left after batch b goes on with ``first=b + 1``. The few samples
        that fill no batch at the end of an epoch are left out: other ones in each epoch.

        Parameters
        ----------
        leads_s : sequence of int
            Inputs are the steps that have a target at the longest lead; the lead of each is drawn.
        size : int
            Of the global batch, over all ranks; a multiple of `ranks`.
        seed, epoch : int
        rank, ranks : int
            This reader takes every `ranks`-th sample of each global batch.
        first : int
            First global batch to give.
        start, stop : int
            Only steps in ``[start, stop)``, e.g. those of the training period.
        dtype : dtype
            Of the fields.

        Raises
        ------
        InvalidData
            When no pair exists, or size and ranks do not fit.
        """
        if not leads_s or size < 1 or size % ranks or not 0 <= rank < ranks:
            raise InvalidData(
                f"batches of {size} for rank {rank} of {ranks} with leads {list(leads_s)}; wanted "
                "at least one lead and a size that is a multiple of the number of ranks"
            )
        leads = np.array(sorted(leads_s), dtype=np.int64)
        steps = np.array([self.pairs(int(lead), start, stop).lead_steps for lead in leads])
        pairs = self.pairs(int(leads[-1]), start, stop)
        if len(pairs) < size:
            raise InvalidData(
                f"{len(pairs)} pairs with lead {leads[-1]} s in steps {start} to "
                f"{len(self) if stop is None else stop}; wanted at least one batch of {size}"
            )
        order = Order(len(pairs), seed, epoch)
        for number in range(first, len(pairs) // size):
            places = np.arange(number * size + rank, (number + 1) * size, ranks)
            starts = pairs.starts(order.at(places))
            drawn = (hashed(starts, seed, epoch) % np.uint64(leads.size)).astype(np.int64)
            yield Batch(
                starts,
                leads[drawn],
                self.gather(starts, dtype=dtype),
                self.gather(starts + steps[drawn], dtype=dtype),
            )

    def verify(self) -> None:
        """Compare every block with its digest; ArtifactCorrupt names the first that differs."""
        for number, wanted in enumerate(self.metadata.digests):
            with (self.folder / block_name(number)).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != wanted:
                raise ArtifactCorrupt(
                    f"hot cache {self.folder.name}: {block_name(number)} has digest {found}, "
                    f"wanted {wanted}; write the cache again"
                )

    @property
    def _affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return tuple(
            np.array([getattr(channel, name) for channel in self.channels], dtype=np.float32)[
                :, None, None
            ]
            for name in ("offset", "scale")
        )  # type: ignore[return-value]

    def _block(self, number: int) -> NDArray[Any]:
        block = self._blocks.get(number)
        if block is None:
            mapped = np.load(self.folder / block_name(number), mmap_mode="r", allow_pickle=False)
            # A plain view: slicing an np.memmap costs several times as much.
            block = mapped.view(np.ndarray)
            self._blocks[number] = block
            while len(self._blocks) > OPEN_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _check(self, verify: bool) -> None:
        metadata = self.metadata
        wanted_blocks = -(-metadata.steps // metadata.block_steps)
        if len(metadata.digests) != wanted_blocks:
            raise ArtifactCorrupt(
                f"hot cache {self.folder.name}: {len(metadata.digests)} digests for "
                f"{metadata.steps} steps in blocks of {metadata.block_steps}; "
                f"wanted {wanted_blocks}"
            )
        for number in range(wanted_blocks):
            name = block_name(number)
            steps = min(metadata.block_steps, metadata.steps - number * metadata.block_steps)
            data = steps * int(np.prod(metadata.sample_shape)) * self.dtype.itemsize
            try:
                size = (self.folder / name).stat().st_size
            except FileNotFoundError as error:
                raise ArtifactCorrupt(
                    f"hot cache {self.folder.name}: {name} is missing; write the cache again"
                ) from error
            # The header of an .npy file is padded to a multiple of 64 bytes, 128 in all for ours.
            if size != data + 128:
                raise ArtifactCorrupt(
                    f"hot cache {self.folder.name}: {name} has {size} bytes, wanted {data + 128}; "
                    "write the cache again"
                )
        if verify:
            self.verify()
