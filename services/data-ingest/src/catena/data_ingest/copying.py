"""Datasets into the artifact of a job, so that a killed job goes on where it was.

What an earlier attempt has finished is taken over file by file (hashed, then linked) and its source
is not read again; of the dataset that was interrupted only the missing parts are computed.

>>> copier = Copier(ctx.writer, ctx.checkpoint)                    # doctest: +SKIP
>>> for entry in entries:                                          # doctest: +SKIP
...     name = f"data/{entry.key}.zarr"
...     if copier.finished(name) is None:
...         copier.copy(name, source.open(archive, entry), note={"key": entry.key})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from catena.shared.artifacts.journal import CheckpointLike, Journal
from catena.shared.artifacts.parts import PartWriter
from catena.shared.errors import FailedPrecondition

if TYPE_CHECKING:
    from catena.shared.artifacts.manifest import FileEntry
    from catena.shared.artifacts.writer import ArtifactWriter

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Parameters
    ----------
    name : str
    size : int
        Bytes of the dataset's values before compression; 0 when all of it was finished before.
    written, adopted : int
        Parts that were computed, and parts that an earlier attempt had finished. A dataset without
        large variables has none.
    """

    name: str
    size: int
    written: int
    adopted: int


class Copier:
    """Writes datasets and small files into a job's artifact, each of them once over all attempts.

    Parameters
    ----------
    writer : ArtifactWriter
        ``ctx.writer``.
    checkpoint : Checkpoint
        ``ctx.checkpoint``; it belongs to the copier from now on.
    threads : int
        With which values are computed and compressed.
    """

    def __init__(
        self, writer: ArtifactWriter, checkpoint: CheckpointLike, *, threads: int = 1
    ) -> None:
        self._writer = writer
        self._journal = Journal(writer, checkpoint)
        self._threads = threads
        self._present: set[str] = set()

    def finished(self, name: str) -> dict[str, Any] | None:
        """The note of something that is finished; None if it is not.

        What an earlier attempt finished is taken over by this call. If one of its files is missing
        or changed it counts as not finished, and is to be made again.
        """
        item = self._journal.items.get(name)
        if item is None or item.files is None:
            return None
        if name not in self._present:
            lost = [path for attempt, files in item.everything()
                    for path in self._writer.adopt(files, attempt)]  # fmt: skip
            if lost:
                self._writer.forget(name)
                item.files = None
                return None
            self._present.add(name)
        return dict(item.note)

    def copy(
        self,
        name: str,
        dataset: xr.Dataset | Callable[[], xr.Dataset],
        *,
        version: str | None = "",
        note: Mapping[str, Any] | None = None,
        progress: Progress = lambda fraction, message: None,
    ) -> Copied:
        """Write a dataset as sharded zarr, unless that is done.

        Parameters
        ----------
        name : str
            Usually ends in ``.zarr``; becomes a folder.
        dataset : xarray.Dataset or callable
            Lazy where it is large; called only if it is needed.
        version : str, optional
            What tells its source from another one of the same names, shapes and coordinates; parts
            of an earlier attempt are used if theirs is equal. Empty where the source cannot change.
            None where nothing tells: then a copy that was broken off begins anew.
        note : mapping, optional
            JSON to be given back by :meth:`finished`, e.g. the findings about the dataset.
        progress : callable
            Hears of the fraction that is done, and of what.

        Raises
        ------
        InvalidData
            When zarr cannot hold it, or `note` is not JSON.
        Unavailable
            When the source or the store fails.
        """
        if self.finished(name) is not None:
            item = self._journal.items[name]
            progress(1.0, f"{name} was finished before")
            return Copied(name, 0, 0, len(item.parts))
        if name in self._writer.names:
            raise FailedPrecondition(f"'{name}' was written before; give each file its own name")
        try:
            made = dataset() if callable(dataset) else dataset
            copied = self._copy(name, made, version, note, progress)
        except BaseException:
            # Half a dataset must not get into the artifact if the job goes on without it; its
            # finished parts stay where the next attempt finds them.
            self._writer.forget(name)
            raise
        self._present.add(name)
        return copied

    def put(
        self, name: str, files: Mapping[str, bytes], note: Mapping[str, Any] | None = None
    ) -> None:
        """Write small files that belong together, unless that is done; none of them is fine too.

        Parameters
        ----------
        name : str
            What their names begin with.
        files : mapping
            Name -> content.
        note : mapping, optional
            As in :meth:`copy`.
        """
        if self.finished(name) is not None:
            return
        for path, data in files.items():
            self._writer.write_bytes(path, data)
        entries = [self._writer.entry(path) for path in sorted(files)]
        self._journal.add_item(name, "", entries, note or {})
        self._present.add(name)

    def _copy(
        self,
        name: str,
        dataset: xr.Dataset,
        version: str | None,
        note: Mapping[str, Any] | None,
        progress: Progress,
    ) -> Copied:
        parts = PartWriter(self._writer, name, dataset, threads=self._threads)
        files, fingerprint = parts.write_frame()
        # The frame has the coordinates, but of the values it knows nothing.
        fingerprint = "" if version is None else f"{fingerprint} {version}".rstrip()
        before = self._journal.items.get(name)
        known = before.parts if before is not None and before.fingerprint == fingerprint else {}
        total, ready = max(parts.size, 1), parts.frame_size
        written = adopted = 0
        for key, part in parts.plan():
            label = f"{key}/{part.label}"
            if label in known and self._adopt(known[label]):
                adopted += 1
            else:
                entries = parts.write(key, part)
                if version is None:
                    files += entries
                else:
                    self._journal.add_part(name, fingerprint, label, entries)
                written += 1
            ready += part.size * dataset[key].dtype.itemsize
            progress(ready / total, f"{name}: {key}, {ready >> 20} of {total >> 20} MiB")
        self._journal.add_item(name, fingerprint, files, note or {})
        progress(1.0, name)
        return Copied(name, parts.size, written, adopted)

    def _adopt(self, part: tuple[int, list[FileEntry]]) -> bool:
        attempt, files = part
        return not self._writer.adopt(files, attempt)
