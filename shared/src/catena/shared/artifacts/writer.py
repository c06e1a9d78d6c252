"""Writing an artifact: files first, the manifest last.

Until the manifest is there nobody sees anything; whatever stops the writer (a kill, a full disk, a
lost lease) leaves files in ``attempts/<n>/`` that garbage collection takes away.
"""

from __future__ import annotations

import hashlib
import logging
import math
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts.arrays import pack_arrays
from catena.shared.artifacts.files import hash_file
from catena.shared.artifacts.manifest import (
    MANIFEST,
    FileEntry,
    Lineage,
    Manifest,
    canonical_json,
    content_digest,
)
from catena.shared.artifacts.paths import check_relative, check_segment
from catena.shared.errors import ArtifactCorrupt, FailedPrecondition, InvalidData, NotFound

if TYPE_CHECKING:
    import xarray as xr

    from catena.shared.artifacts.store import ArtifactStore

log = logging.getLogger(__name__)


class ArtifactWriter:
    """One attempt at one artifact. Start one with :meth:`ArtifactStore.writer`.

    Attributes
    ----------
    uri : str
        Where the artifact will lie in the store.
    attempt : int
        Number of this attempt.
    """

    def __init__(
        self, store: ArtifactStore, uri: str, attempt: int, guard: Callable[[], None]
    ) -> None:
        if attempt < 0:
            raise InvalidData(f"attempt is {attempt}, wanted 0 or more")
        self.store = store
        self.uri = uri
        self.attempt = attempt
        self._root = f"attempts/{attempt}"
        self._guard = guard
        self._entries: dict[str, FileEntry] = {}
        self._folders: set[str] = set()
        self._committed = False

    @property
    def names(self) -> list[str]:
        """Names of the files written so far."""
        return sorted(self._entries)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Add a file.

        Raises
        ------
        UnsafePath
            When the name is not one of a file below the artifact.
        FailedPrecondition
            When the name is taken, or the artifact is committed.
        Unavailable
            When the store is full or fails.
        """
        path = self._claim(name)
        self.store.write_bytes(path, data)
        self._add(name, len(data), hashlib.sha256(data).hexdigest())

    def write_json(self, name: str, value: object) -> None:
        """Add a JSON file with sorted keys; InvalidData for NaN, infinities and odd types."""
        try:
            data = canonical_json(value, indent=1)
        except (ValueError, TypeError) as error:
            raise InvalidData(
                f"'{name}' cannot be JSON: {error}; write arrays with write_arrays and leave out "
                "what is not finite"
            ) from None
        self.write_bytes(name, data)

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Add a safetensors file.

        Parameters
        ----------
        name : str
            Usually ends in ``.safetensors``.
        arrays : mapping
            Arrays of floats (16 to 64 bits), integers or booleans, of any shape.

        Raises
        ------
        InvalidData
            For strings, objects, complex numbers and other things that are not such numbers.
        """
        self.write_bytes(name, pack_arrays(arrays, check_relative(name, "name")))

    def write_dataset(self, name: str, dataset: xr.Dataset) -> None:
        """Add a dataset as zarr v3; equal datasets become equal bytes.

        Parameters
        ----------
        name : str
            Usually ends in ``.zarr``; becomes a folder.
        dataset : xarray.Dataset
            Its encoding is dropped: it says how the data were stored elsewhere.
        """
        from catena.shared.artifacts.datasets import write_dataset

        if name in self._entries or name in self._folders:
            raise FailedPrecondition(f"'{name}' was written before; give each file its own name")
        try:
            write_dataset(self, check_relative(name, "name"), dataset)
        except BaseException:
            # Half a dataset must not get into the artifact if the caller goes on without it.
            self.forget(name)
            raise

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        """Add a file that a library writes to a local path.

        Examples
        --------
        >>> with writer.local_file("runs.nc") as path:
        ...     dataset.to_netcdf(path)
        """
        target = self._claim(name)
        with tempfile.TemporaryDirectory(prefix="catena-") as folder:
            local = Path(folder) / "file"
            yield local
            if not local.is_file():
                raise NotFound(f"'{name}': nothing was written to the path that was given")
            digest, size = hash_file(local)
            self.store.put(target, local, digest)
        self._add(name, size, digest)

    def commit(
        self,
        *,
        kind: str,
        units: Mapping[str, str] | None = None,
        title: str = "",
        lineage: Lineage | None = None,
        timed_files: Collection[str] = (),
        costs: Mapping[str, float] | None = None,
    ) -> ArtifactRef:
        """Write the manifest: from now on there is an artifact.

        Parameters
        ----------
        kind : str
            What it is: "ensemble", "surrogate", ...
        units : mapping, optional
            Unit of each quantity.
        title : str
            One line for people.
        lineage : Lineage, optional
            Where it comes from.
        timed_files : collection of str
            Files that depend on the clock; left out of the digest.
        costs : mapping, optional
            ``wall_s``, ``cpu_s`` and the like; left out of the digest.

        Returns
        -------
        ArtifactRef
            Of the artifact that lies there now. If another attempt at the same request committed
            first, that is the artifact: it is not replaced under those who read it, unless it is
            damaged.

        Raises
        ------
        UnsafePath
            For a kind that is no plain name.
        FailedPrecondition
            When it was committed before, or there is no file.
        NotFound
            When a timed file was not written.
        Exception
            Whatever the guard raises; then there is no artifact.
        """
        self._open()
        check_segment(kind, "kind")
        if not self._entries:
            raise FailedPrecondition(f"'{self.uri}' has no files; write one before the commit")
        for name in timed_files:
            if name not in self._entries:
                raise NotFound(f"timed file '{name}' was not written to '{self.uri}'")
        for name, value in (costs or {}).items():
            if not math.isfinite(value):
                raise InvalidData(f"cost '{name}' is {value}, wanted a finite number")
        files = tuple(
            entry.model_copy(update={"timed": name in timed_files})
            for name, entry in sorted(self._entries.items())
        )
        manifest = Manifest(
            kind=kind,
            title=title,
            digest=content_digest(kind, units or {}, files),
            identity=self.uri,
            root=self._root,
            files=files,
            units=dict(units or {}),
            lineage=lineage or Lineage(),
            costs=dict(costs or {}),
            create_time=datetime.now(UTC),
        )
        data = manifest.to_json()
        self._guard()
        created = self.store.create_bytes(f"{self.uri}/{MANIFEST}", data)
        self._committed = True
        if created:
            return ArtifactRef(uri=self.uri, digest=manifest.digest, kind=kind)
        return self._other_commit(manifest)

    def _other_commit(self, mine: Manifest) -> ArtifactRef:
        """The artifact that was there first; it stays, unless it is damaged."""
        path = f"{self.uri}/{MANIFEST}"
        try:
            other = self.store.open(self.uri)
            other.verify()
        except ArtifactCorrupt as error:
            log.warning("replaced by a new attempt: %s", error.message)
            self.store.write_bytes(path, mine.to_json())
            return ArtifactRef(uri=self.uri, digest=mine.digest, kind=mine.kind)
        if other.manifest.digest != mine.digest:
            log.warning(
                "%s was committed by another attempt with other content (%s, here %s); it stays",
                self.uri,
                other.manifest.digest,
                mine.digest,
            )
        return other.ref

    def put_entry(self, name: str, data: bytes) -> None:
        """Add or replace a file before the commit; datasets rewrite their metadata."""
        if name not in self._entries:
            self.write_bytes(name, data)
            return
        self._open()
        self.store.write_bytes(self._path(name), data)
        self._add(name, len(data), hashlib.sha256(data).hexdigest())

    def drop_entry(self, name: str) -> None:
        """Take a file back before the commit."""
        self._open()
        if self._entries.pop(name, None) is not None:
            self.store.remove_tree(self._path(name))

    def read_entry(self, name: str) -> bytes | None:
        """A file written so far; None if there is none of that name."""
        return self.store.read_bytes(self._path(name)) if name in self._entries else None

    def entry(self, name: str) -> FileEntry:
        """Size and digest of a file written so far; NotFound if there is none of that name."""
        if name not in self._entries:
            raise NotFound(f"'{name}' was not written to '{self.uri}'")
        return self._entries[name]

    def forget(self, name: str) -> None:
        """Leave a file, or a folder of files, out of the artifact; the files stay for a later
        attempt to :meth:`adopt`, or for garbage collection."""
        for entry in [e for e in self._entries if e == name or e.startswith(f"{name}/")]:
            del self._entries[entry]

    def adopt(self, entries: Iterable[FileEntry], attempt: int) -> list[str]:
        """Take over finished files of an earlier attempt, without copying them where links work.

        Parameters
        ----------
        entries : iterable of FileEntry
            What that attempt wrote down about them.
        attempt : int
            Which one; this one itself for files that were left out with :meth:`forget`.

        Returns
        -------
        list of str
            Names that could not be taken over, because the file is missing, cut short or changed.
            They are to be written again.

        Raises
        ------
        FailedPrecondition
            When a name is taken, or the artifact is committed.
        """
        lost = []
        for entry in entries:
            target = self._claim(entry.path)
            source = f"{self.uri}/attempts/{attempt}/{entry.path}"
            try:
                if source != target:
                    self.store.link(source, target)
                digest, size = hashlib.sha256(), 0
                for block in self.store.blocks(target):
                    digest.update(block)
                    size += len(block)
            except NotFound:
                lost.append(entry.path)
                continue
            if (size, digest.hexdigest()) == (entry.size, entry.sha256):
                self._add(entry.path, entry.size, entry.sha256)
            else:
                log.warning("%s of attempt %d was changed; written again", entry.path, attempt)
                self.store.remove_tree(target)
                lost.append(entry.path)
        return lost

    def _claim(self, name: str) -> str:
        self._open()
        check_relative(name, "name")
        parents = _parents(name)
        if name in self._entries:
            raise FailedPrecondition(f"'{name}' was written before; give each file its own name")
        if name in self._folders or any(parent in self._entries for parent in parents):
            raise FailedPrecondition(f"'{name}' would be a file and a folder at once; rename it")
        return self._path(name)

    def _add(self, name: str, size: int, sha256: str) -> None:
        self._entries[name] = FileEntry(path=name, size=size, sha256=sha256)
        self._folders.update(_parents(name))

    def _path(self, name: str) -> str:
        return f"{self.uri}/{self._root}/{name}"

    def _open(self) -> None:
        if self._committed:
            raise FailedPrecondition(f"'{self.uri}' is committed and does not change any more")


def hash_bytes(data: bytes) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size in bytes."""
    return hashlib.sha256(data).hexdigest(), len(data)


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
