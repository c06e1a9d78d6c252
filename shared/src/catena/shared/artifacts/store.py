"""The artifact store: a folder or a bucket where every result of catena lies.

::

    jobs/<service>/<Method>/<digest>/   request.json  status.json  checkpoint/  attempts/<n>/
                                        artifact.json, written last: no manifest, no artifact
    imports/<digest>/                   files/  artifact.json
    index/<service>/                    <reverse time>-<Method>-<digest>
    pins/  lease/
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts.artifact import Artifact
from catena.shared.artifacts.blobs import Blobs
from catena.shared.artifacts.manifest import MANIFEST, Manifest
from catena.shared.artifacts.paths import check_relative, is_safe
from catena.shared.artifacts.writer import ArtifactWriter
from catena.shared.errors import (
    ArtifactCorrupt,
    CatenaError,
    FailedPrecondition,
    NotFound,
    UnsafePath,
)

if TYPE_CHECKING:
    from catena.shared.artifacts.gc import GcPlan

log = logging.getLogger(__name__)


class RefLike(Protocol):
    """Anything that points to an artifact: the protobuf ``ArtifactRef`` or a ``RefQuery``."""

    @property
    def uri(self) -> str:
        """Where it lies in the store."""

    @property
    def digest(self) -> str:
        """Its content digest; empty: any."""

    @property
    def kind(self) -> str:
        """What it is; empty: any."""


class ArtifactStore(Blobs):
    """Artifacts by reference, and the small files that jobs and leases are made of.

    Parameters
    ----------
    url : str
        ``file:///folder``, ``s3://bucket/prefix`` or ``memory://name``.

    Raises
    ------
    InvalidRequest
        For any other URL.

    Examples
    --------
    >>> from catena.shared.artifacts import ArtifactStore
    >>> store = ArtifactStore("memory://doc")
    >>> ref = store.put_files({"runs.csv": b"gpp,1.5"})
    >>> store.open(ref).read_bytes("runs.csv")
    b'gpp,1.5'
    """

    def open(self, ref: RefLike | str) -> Artifact:
        """Open an artifact for reading.

        Parameters
        ----------
        ref : ArtifactRef, RefQuery or str
            A reference, or only the URI (relative to the store, or with the store's URL before it).

        Raises
        ------
        UnsafePath
            When the URI is not one of an artifact in this store.
        NotFound
            When nothing (or nothing finished) lies there.
        FailedPrecondition
            When what lies there is not what the reference says: other content, or another kind.
        ArtifactCorrupt
            When its manifest does not fit itself.
        """
        uri, digest, kind = (
            (ref, "", "") if isinstance(ref, str) else (ref.uri, ref.digest, ref.kind)
        )
        uri = self.relative(uri)
        try:
            data = self.read_bytes(f"{uri}/{MANIFEST}")
        except NotFound:
            raise NotFound(
                f"there is no artifact '{uri}' in the store; "
                "it was never finished, or it was removed: make it again"
            ) from None
        manifest = Manifest.from_json(data, uri)
        if manifest.identity != uri:
            raise ArtifactCorrupt(
                f"'{uri}' holds the manifest of '{manifest.identity}'; it was copied or moved by "
                "hand: import its files instead"
            )
        if digest and digest != manifest.digest:
            raise FailedPrecondition(
                f"'{uri}' holds other content than the reference says: "
                f"it has {manifest.digest}, the reference says {digest[:80]}; "
                "take the reference from the job that made it"
            )
        if kind and kind != manifest.kind:
            raise FailedPrecondition(
                f"'{uri}' is of kind '{manifest.kind}', the reference says '{kind[:80]}'; "
                "take the reference from the job that made it"
            )
        return Artifact(self, uri, manifest)

    def writer(
        self, name: str, attempt: int, guard: Callable[[], None] = lambda: None
    ) -> ArtifactWriter:
        """Start the artifact of a job.

        Parameters
        ----------
        name : str
            Name of the job, ``<service>/<Method>/<digest>``.
        attempt : int
            Files go to ``attempts/<attempt>/``. A number is used by one process only.
        guard : callable
            Called just before the manifest is written; what it raises stops the commit.
        """
        return ArtifactWriter(self, f"jobs/{check_relative(name, 'name')}", attempt, guard)

    def put_files(
        self,
        files: Mapping[str, bytes | str | Path] | Iterable[str | Path] | str | Path,
        kind: str = "files",
        title: str = "",
    ) -> ArtifactRef:
        """Import files from outside; see :func:`~catena.shared.artifacts.imports.put_files`."""
        from catena.shared.artifacts.imports import put_files

        return put_files(self, files, kind, title)

    def export(self, ref: RefLike | str, folder: str | Path) -> Sequence[Path]:
        """Copy out; see :func:`~catena.shared.artifacts.imports.export`."""
        from catena.shared.artifacts.imports import export

        return export(self.open(ref), Path(folder))

    def list(self, kind: str | None = None) -> Sequence[Artifact]:
        """All artifacts, newest first; unreadable ones are logged and left out."""
        found = []
        for uri in self.artifact_folders():
            try:
                artifact = self.open(uri)
            except NotFound:
                continue
            except CatenaError as error:
                log.warning("left out of the list: %s", error)
                continue
            if kind is None or artifact.manifest.kind == kind:
                found.append(artifact)
        return sorted(found, key=lambda item: item.manifest.create_time, reverse=True)

    def artifact_folders(self) -> Iterator[str]:
        """Every folder that is, or may become, an artifact."""
        for digest in self._named("imports"):
            yield f"imports/{digest}"
        for service in self._named("jobs"):
            for method in self._named(f"jobs/{service}"):
                for digest in self._named(f"jobs/{service}/{method}"):
                    yield f"jobs/{service}/{method}/{digest}"

    def _named(self, folder: str) -> Iterator[str]:
        # People put things into folders; what has no name of ours is not ours.
        return (name for name in self.ls(folder) if is_safe(name))

    def pin(self, ref: RefLike | str) -> None:
        """Keep an artifact, and all it was made from, whatever garbage collection is run."""
        artifact = self.open(ref)
        self.write_json(
            _pin_path(artifact.uri),
            {"uri": artifact.uri, "digest": artifact.manifest.digest},
        )

    def unpin(self, ref: RefLike | str) -> None:
        """Take the pin off; nothing happens if there is none."""
        uri = self.relative(ref if isinstance(ref, str) else ref.uri)
        self.remove_tree(_pin_path(uri))

    def pinned(self) -> Sequence[str]:
        """URIs of the pinned artifacts; ArtifactCorrupt when a pin is unreadable."""
        found = []
        for name in self.ls("pins"):
            pin = self.read_json(f"pins/{name}")
            if not isinstance(pin, dict) or not isinstance(pin.get("uri"), str):
                raise ArtifactCorrupt(f"'pins/{name}' is no pin; remove it and pin again")
            found.append(pin["uri"])
        return sorted(found)

    def gc(self, dry_run: bool = True, grace_s: float | None = None) -> GcPlan:
        """Garbage collection; see :func:`~catena.shared.artifacts.gc.collect`."""
        from catena.shared.artifacts.gc import GRACE_S, collect

        return collect(self, dry_run, GRACE_S if grace_s is None else grace_s)

    def relative(self, uri: str) -> str:
        """URI of an artifact relative to the store.

        Raises
        ------
        UnsafePath
            When it is not the URI of an artifact in this store.
        """
        if isinstance(uri, str):
            uri = uri.removeprefix(f"{self.url}/")
        checked = check_relative(uri, "uri")
        if not checked.startswith(("jobs/", "imports/")):
            raise UnsafePath(
                f"uri: got '{checked[:60]}', which is no artifact; "
                "wanted jobs/<service>/<method>/<digest> or imports/<digest>"
            )
        return checked


def _pin_path(uri: str) -> str:
    return f"pins/{hashlib.sha256(uri.encode()).hexdigest()[:32]}.json"
