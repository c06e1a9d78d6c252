"""Large datasets in artifacts: sharded zarr v3, written one shard at a time.

First the frame (all metadata, and every variable that is small or no plain number), then part after
part. Equal datasets become equal files whoever writes which part, so that an interrupted copy can
go on in another process and still ends with the digest of an uninterrupted one.

>>> parts = PartWriter(writer, "data/tas.zarr", dataset)       # doctest: +SKIP
>>> parts.write_frame()                                        # doctest: +SKIP
>>> for name, part in parts.plan():                            # doctest: +SKIP
...     parts.write(name, part)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from catena.shared.artifacts._zarr import METADATA, Sink
from catena.shared.artifacts.datasets import quiet, write_zarr
from catena.shared.artifacts.manifest import FileEntry, canonical_json
from catena.shared.artifacts.paths import check_relative
from catena.shared.artifacts.shards import WHOLE_BYTES, Part, ShardPlan, plan_shards
from catena.shared.errors import FailedPrecondition, InvalidData

if TYPE_CHECKING:
    from catena.shared.artifacts.writer import ArtifactWriter

MAX_FRAME_BYTES = 256 << 20
"""Text, times and other things that are no plain numbers are written whole, up to this size."""


class PartWriter:
    """A dataset on its way into an artifact, part by part.

    Parameters
    ----------
    writer : ArtifactWriter
    name : str
        Usually ends in ``.zarr``; becomes a folder.
    dataset : xarray.Dataset
        Lazy where it is large. Its encoding is dropped: it says how the data were stored elsewhere;
        only the chunks of the source are looked at, so that each is read once.
    threads : int
        With which values are computed and compressed.

    Attributes
    ----------
    size : int
        Bytes of all values before compression.
    """

    def __init__(
        self, writer: ArtifactWriter, name: str, dataset: xr.Dataset, *, threads: int = 1
    ) -> None:
        self._sink = Sink(writer, check_relative(name, "name"))
        self._name = name
        self._threads = threads
        self._plain = dataset.drop_encoding()
        self._plans = _plans(dataset)
        self._group: Any = None
        self.size = int(dataset.nbytes)

    @property
    def frame_size(self) -> int:
        """Bytes of what :meth:`write_frame` writes, before compression."""
        return self.size - sum(int(self._plain[key].nbytes) for key in self._plans)

    def plan(self) -> Iterator[tuple[str, Part]]:
        """Every part that is left after the frame: its variable and where it lies."""
        for key in sorted(self._plans):
            for part in self._plans[key].parts():
                yield key, part

    def write_frame(self) -> tuple[list[FileEntry], str]:
        """Write the metadata and all that is not written in parts.

        Returns
        -------
        list of FileEntry
            The files.
        str
            Fingerprint: equal for equal frames. Parts of an earlier attempt fit if theirs is equal.

        Raises
        ------
        InvalidData
            When zarr cannot hold the dataset.
        """
        import dask.array as da

        large = {key: self._plain[key].variable for key in self._plans}
        frame = self._plain.drop_vars(list(large)) if large else self._plain
        too_large = [str(k) for k, v in frame.variables.items() if v.nbytes > MAX_FRAME_BYTES]
        if too_large:
            key = too_large[0]
            raise InvalidData(
                f"'{self._name}': variable '{key}' has type {frame[key].dtype} and "
                f"{frame[key].nbytes >> 20} MiB; wanted numbers, or at most "
                f"{MAX_FRAME_BYTES >> 20} MiB; convert it to numbers"
            )
        with limited(self._threads):
            empty = {
                key: (v.dims, da.zeros(v.shape, dtype=v.dtype, chunks=-1), v.attrs)
                for key, v in large.items()
            }
            whole = frame.compute().assign(empty)
            whole = whole.set_coords([key for key in large if key in self._plain.coords])
            encoding = {
                key: _encoding(self._plans.get(str(key)), variable)
                for key, variable in whole.variables.items()
            }
            with self._sink.held():
                write_zarr(
                    self._sink,
                    self._name,
                    whole,
                    compute=False,
                    safe_chunks=False,
                    encoding=encoding,
                )
        entries = self._sink.take_fresh()
        listed = [[entry.path, entry.sha256] for entry in entries]
        return entries, hashlib.sha256(canonical_json(listed)).hexdigest()

    def write(self, key: str, part: Part) -> list[FileEntry]:
        """Compute and write one part; the frame must be written.

        Returns
        -------
        list of FileEntry
            Its file; none if all its values are the fill value, which zarr does not store.

        Raises
        ------
        FailedPrecondition
            When the frame is not written.
        """
        if self._group is None:
            if METADATA not in set(self._sink.keys()):
                raise FailedPrecondition(f"'{self._name}': write the frame before its parts")
            import zarr

            with quiet():
                self._group = zarr.open_group(self._sink, mode="r+", use_consolidated=False)
        with limited(self._threads):
            array = self._group[key]
            values = np.asarray(self._plain[key].variable[part.region].values)
            array[part.region] = values.astype(array.dtype, copy=False)
        return self._sink.take_fresh()


def write_parts(
    writer: ArtifactWriter,
    name: str,
    dataset: xr.Dataset,
    *,
    threads: int = 1,
    done: Collection[tuple[str, str]] = (),
    on_part: Callable[[str, Part, list[FileEntry]], None] = lambda key, part, entries: None,
) -> None:
    """Write a dataset of any size with bounded memory.

    Parameters
    ----------
    writer, name, dataset, threads
        See :class:`PartWriter`.
    done : collection of (str, str)
        Variable and label of parts whose files the writer has adopted already.
    on_part : callable
        Called after each part with its variable, the part and its files.
    """
    if name in writer.names:
        raise FailedPrecondition(f"'{name}' was written before; give each file its own name")
    parts = PartWriter(writer, name, dataset, threads=threads)
    try:
        parts.write_frame()
        for key, part in parts.plan():
            if (key, part.label) not in done:
                on_part(key, part, parts.write(key, part))
    except BaseException:
        writer.forget(name)
        raise


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Compute with so many threads, in dask and in zarr's codecs."""
    import dask
    import zarr

    scheduler = "synchronous" if threads == 1 else "threads"
    with (
        dask.config.set(scheduler=scheduler, num_workers=threads),
        zarr.config.set({"async.concurrency": max(threads, 1)}),
    ):
        yield


def _plans(dataset: xr.Dataset) -> dict[str, ShardPlan]:
    """Plans of the large variables of plain numbers."""
    return {
        str(key): plan_shards(variable.shape, variable.dtype.itemsize, _source_chunks(variable))
        for key, variable in dataset.variables.items()
        if variable.dtype.kind in "fiub"
        and variable.nbytes > WHOLE_BYTES
        and key not in dataset.xindexes
    }


def _encoding(plan: ShardPlan | None, variable: xr.Variable) -> dict[str, Any]:
    if plan is None:
        # One chunk, one file: what is small is read at once.
        return {"chunks": tuple(max(extent, 1) for extent in variable.shape)}
    return {"chunks": plan.chunks} | ({"shards": plan.shards} if plan.shards else {})


def _source_chunks(variable: xr.Variable) -> tuple[int, ...] | None:
    """Chunk of the source along each axis, where its chunks are equal; 0 where they are not."""
    if variable.chunks is not None:
        return tuple(
            sides[0] if len(set(sides[:-1])) <= 1 and sides[-1] <= sides[0] else 0
            for sides in variable.chunks
        )
    # Lazy without dask: what the file says.
    stored = variable.encoding.get("shards") or variable.encoding.get("chunksizes") or ()
    if len(stored) == variable.ndim and math.prod(stored) > 0:
        return tuple(int(side) for side in stored)
    return None
