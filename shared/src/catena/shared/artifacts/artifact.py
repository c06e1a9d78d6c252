"""Reading an artifact: every byte is checked against the manifest."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts.arrays import unpack_arrays
from catena.shared.artifacts.manifest import FileEntry, Manifest
from catena.shared.artifacts.paths import TEMPORARY, check_relative
from catena.shared.errors import ArtifactCorrupt, InvalidData, NotFound

if TYPE_CHECKING:
    import xarray as xr

    from catena.shared.artifacts.store import ArtifactStore

_REPAIR = "remove its folder from the store and make it again"
_KEPT = 2
"""Files of a bucket of which ranges are read, kept in memory."""


class Artifact:
    """An immutable result. Open one with :meth:`ArtifactStore.open`.

    Attributes
    ----------
    uri : str
        Where it lies in the store.
    manifest : Manifest
        Its ``artifact.json``.
    """

    def __init__(self, store: ArtifactStore, uri: str, manifest: Manifest) -> None:
        self.store = store
        self.uri = uri
        self.manifest = manifest
        # By name: a dataset may have many thousand chunks.
        self._entries = {entry.path: entry for entry in manifest.files}
        self._downloads: Path | None = None
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._recent: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Artifact {self.uri} ({self.kind}, {len(self.manifest.files)} files)>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Artifact, (self.store, self.uri, self.manifest)

    @property
    def ref(self) -> ArtifactRef:
        """The reference to send to others."""
        return ArtifactRef(uri=self.uri, digest=self.manifest.digest, kind=self.kind)

    @property
    def kind(self) -> str:
        """What it is: "files", "ensemble", "surrogate", ..."""
        return self.manifest.kind

    @property
    def names(self) -> list[str]:
        """Names of its files."""
        return list(self._entries)

    def path(self, name: str) -> str:
        """Name in the store of one of its files (or of a folder of them)."""
        return f"{self.uri}/{self.manifest.root}/{check_relative(name, 'name')}"

    def read_bytes(self, name: str) -> bytes:
        """A file.

        Raises
        ------
        NotFound
            When the artifact has no file of that name.
        ArtifactCorrupt
            When the file is missing, cut short or changed.
        """
        entry = self._entry(name)
        try:
            data = self.store.read_bytes(self.path(name))
        except NotFound:
            raise ArtifactCorrupt(f"'{self.uri}': file '{name}' is missing; {_REPAIR}") from None
        self._check(entry, len(data), hashlib.sha256(data).hexdigest())
        return data

    def read_range(self, name: str, part: slice) -> bytes:
        """A range of a file, for files too large to be read for a few of their bytes.

        The whole file is hashed at the first range that is read of it, and again when a file on
        this machine changes its time, size or place. From a bucket the file is downloaded whole
        for that, and the two used last are kept in memory.

        Parameters
        ----------
        name : str
        part : slice
            Of the bytes, without a step; negative numbers count from the end.

        Raises
        ------
        NotFound, ArtifactCorrupt
            As in :meth:`read_bytes`.
        """
        self._entry(name)
        local = self.store.local(self.path(name))
        if local is None:
            return self._kept(name)[part]
        try:
            stat = local.stat()
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._verified.get(name) != mark:
                problem = self._problem(self._entries[name])
                if problem:
                    raise ArtifactCorrupt(f"'{self.uri}': {problem}; {_REPAIR}")
                self._verified[name] = mark
            return self.store.read_bytes(self.path(name), part.start, part.stop)
        except (FileNotFoundError, NotFound):
            raise ArtifactCorrupt(f"'{self.uri}': file '{name}' is missing; {_REPAIR}") from None

    def _kept(self, name: str) -> bytes:
        with self._lock:
            data = self._recent.pop(name, None)
            if data is None:
                data = self.read_bytes(name)
            self._recent[name] = data
            while len(self._recent) > _KEPT:
                del self._recent[next(iter(self._recent))]
            return data

    def read_json(self, name: str) -> Any:
        """A JSON file; errors as in :meth:`read_bytes`, InvalidData if it is not JSON."""
        try:
            return json.loads(self.read_bytes(name))
        except (ValueError, RecursionError):
            raise InvalidData(f"'{self.uri}': file '{name}' is not JSON") from None

    def read_arrays(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """Arrays of a safetensors file; InvalidData if it is none."""
        return unpack_arrays(self.read_bytes(name), f"{self.uri}/{name}")

    def open_dataset(self, name: str) -> xr.Dataset:
        """A dataset, lazily: chunks are read, and checked, when their values are used.

        It lies here as zarr, or in an archive to which the artifact refers; then its fixes are
        applied, lazily too.

        Raises
        ------
        NotFound
            When the artifact has no dataset of that name, or the archive has lost a file.
        ArtifactCorrupt
            Here or on first use of a chunk that is missing or changed.
        FailedPrecondition
            When a file of the archive has changed since it was referred to.
        Unavailable
            When the archive does not answer.
        """
        from catena.shared.artifacts.datasets import open_dataset
        from catena.shared.artifacts.references import is_reference, open_reference

        if is_reference(self, name):
            return open_reference(self, name)
        return open_dataset(self, name)

    def local_path(self, name: str) -> Path:
        """A file, or a folder of files, on this machine; for libraries that want a path.

        From a bucket it is downloaded, and lives as long as this object. It is for reading only.

        Raises
        ------
        NotFound
            When the artifact has no file or folder of that name.
        ArtifactCorrupt
            When a file is missing, cut short or changed.
        """
        entries = [
            entry
            for entry in self.manifest.files
            if entry.path == name or entry.path.startswith(f"{name}/")
        ]
        if not entries:
            self._entry(name)
        local = self.store.local(self.path(name))
        if local is not None:
            problems = [problem for entry in entries if (problem := self._problem(entry))]
            if problems:
                raise ArtifactCorrupt(f"'{self.uri}': {'; '.join(problems)}; {_REPAIR}")
            return local
        if self._downloads is None:
            self._downloads = Path(tempfile.mkdtemp(prefix="catena-"))
            weakref.finalize(self, shutil.rmtree, self._downloads, ignore_errors=True)
        folder = self._downloads
        for entry in entries:
            target = folder / entry.path
            if not target.exists():
                self.copy(entry.path, target)
        return folder / name

    def copy(self, name: str, target: Path) -> None:
        """Copy a file to `target`; it is checked on the way, and appears there complete.

        Raises
        ------
        ArtifactCorrupt
            When the file is missing, cut short or changed; `target` is then left as it was.
        """
        entry = self._entry(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as file:
                for block in self.store.blocks(self.path(name)):
                    digest.update(block)
                    size += len(block)
                    file.write(block)
            self._check(entry, size, digest.hexdigest())
            temporary.rename(target)
        except NotFound:
            raise ArtifactCorrupt(f"'{self.uri}': file '{name}' is missing; {_REPAIR}") from None
        finally:
            temporary.unlink(missing_ok=True)

    def verify(self) -> None:
        """Hash every file again.

        Raises
        ------
        ArtifactCorrupt
            Naming each file that is missing, cut short or changed.
        """
        problems = [problem for entry in self.manifest.files if (problem := self._problem(entry))]
        if problems:
            raise ArtifactCorrupt(f"'{self.uri}': {'; '.join(problems)}; {_REPAIR}")

    def _entry(self, name: str) -> FileEntry:
        entry = self._entries.get(check_relative(name, "name"))
        if entry is None:
            names = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
            raise NotFound(f"'{self.uri}' has no file '{name}'; it has: {names}")
        return entry

    def _check(self, entry: FileEntry, size: int, sha256: str) -> None:
        problem = _difference(entry, size, sha256)
        if problem:
            raise ArtifactCorrupt(f"'{self.uri}': {problem}; {_REPAIR}")

    def _problem(self, entry: FileEntry) -> str:
        digest, size = hashlib.sha256(), 0
        try:
            for block in self.store.blocks(self.path(entry.path)):
                digest.update(block)
                size += len(block)
        except NotFound:
            return f"file '{entry.path}' is missing"
        return _difference(entry, size, digest.hexdigest())


def _difference(entry: FileEntry, size: int, sha256: str) -> str:
    if size != entry.size:
        return f"file '{entry.path}' has {size} bytes, the manifest says {entry.size}"
    if sha256 != entry.sha256:
        return f"file '{entry.path}' was changed"
    return ""
