"""Files in from outside, and artifacts out to a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from catena.api.artifacts.v1.artifacts_pb2 import ArtifactRef
from catena.shared.artifacts.artifact import Artifact
from catena.shared.artifacts.files import hash_file
from catena.shared.artifacts.manifest import MANIFEST, FileEntry, Manifest, content_digest
from catena.shared.artifacts.paths import check_segment, inside
from catena.shared.artifacts.writer import hash_bytes
from catena.shared.errors import (
    ArtifactCorrupt,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
)

if TYPE_CHECKING:
    from catena.shared.artifacts.store import ArtifactStore


def put_files(
    store: ArtifactStore,
    files: Mapping[str, bytes | str | Path] | Iterable[str | Path] | str | Path,
    kind: str = "files",
    title: str = "",
) -> ArtifactRef:
    """Import files from outside: the same content is the same artifact.

    Parameters
    ----------
    store : ArtifactStore
    files : path, iterable of paths, or mapping of name to path or bytes
        Regular files. Without a mapping, files keep their names.
    kind : str
        Usually "files".
    title : str
        One line for people; of the first import, when the same content comes again.

    Returns
    -------
    ArtifactRef
        ``imports/<content digest>``.

    Raises
    ------
    UnsafePath
        For a name with other characters than letters, digits and ``. _ -``.
    InvalidRequest
        For symbolic links, folders, devices, two files of one name, or no file at all.
    NotFound
        For a file that does not exist.
    InvalidData
        When a file changes while it is read.
    """
    check_segment(kind, "kind")
    sources = _sources(files)
    entries = []
    for name, source in sorted(sources.items()):
        digest, size = hash_bytes(source) if isinstance(source, bytes) else hash_file(source)
        entries.append(FileEntry(path=name, size=size, sha256=digest))
    digest = content_digest(kind, {}, entries)
    uri = f"imports/{digest.removeprefix('sha256:')}"
    damaged = False
    try:
        found = store.open(uri)
        found.verify()
        return found.ref
    except NotFound:
        pass
    except ArtifactCorrupt:
        # The right content is at hand: importing again repairs.
        damaged = True
    for entry in entries:
        source = sources[entry.path]
        target = f"{uri}/files/{entry.path}"
        if isinstance(source, bytes):
            store.write_bytes(target, source)
        else:
            store.put(target, source, entry.sha256)
    manifest = Manifest(
        kind=kind,
        title=title,
        digest=digest,
        identity=uri,
        root="files",
        files=tuple(entries),
        create_time=datetime.now(UTC),
    )
    if damaged:
        store.write_bytes(f"{uri}/{MANIFEST}", manifest.to_json())
    else:
        store.create_bytes(f"{uri}/{MANIFEST}", manifest.to_json())
    return store.open(uri).ref


def export(artifact: Artifact, folder: Path) -> list[Path]:
    """Copy an artifact's files, and its manifest as ``artifact.json``, to a folder.

    Parameters
    ----------
    artifact : Artifact
    folder : Path
        Made if it is missing. Files that are there with the same content are left alone.

    Returns
    -------
    list of Path
        The files, in the order of the manifest.

    Raises
    ------
    FailedPrecondition
        When a file with other content is there; nothing is then written.
    UnsafePath
        When a symbolic link in the folder leads out of it.
    ArtifactCorrupt
        When a file of the artifact is missing or changed.
    """
    if folder.exists() and not folder.is_dir():
        raise FailedPrecondition(f"'{folder.name}' is a file; export to a folder")
    targets = {entry.path: inside(folder, entry.path) for entry in artifact.manifest.files}
    taken = [
        entry.path
        for entry in artifact.manifest.files
        if _in_the_way(folder, entry.path) or _differs(targets[entry.path], entry.sha256)
    ]
    manifest = artifact.manifest.to_json()
    beside = None if MANIFEST in targets else inside(folder, MANIFEST)
    if beside is not None and _differs(beside, hash_bytes(manifest)[0]):
        taken.append(MANIFEST)
    if taken:
        raise FailedPrecondition(
            f"the folder '{folder.name}' has other content under {', '.join(taken[:5])}"
            f"{', ...' if len(taken) > 5 else ''}; nothing was written: export to an empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in targets.items():
        if not target.exists():
            artifact.copy(name, target)
    if beside is not None and not beside.exists():
        beside.write_bytes(manifest)
    return list(targets.values())


def _sources(
    files: Mapping[str, bytes | str | Path] | Iterable[str | Path] | str | Path,
) -> dict[str, bytes | Path]:
    if isinstance(files, (str, Path)):
        files = [files]
    if isinstance(files, Mapping):
        pairs = list(files.items())
    else:
        pairs = [(Path(path).name, path) for path in files]
    sources: dict[str, bytes | Path] = {}
    for name, source in pairs:
        check_segment(name, "files")
        if name in sources:
            raise InvalidRequest(f"files: two files are called '{name}'; give them other names")
        sources[name] = source if isinstance(source, bytes) else _regular(name, Path(source))
    if not sources:
        raise InvalidRequest("files: none came, wanted at least one")
    return sources


def _regular(name: str, path: Path) -> Path:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"files: there is no file '{name}' where it was looked for") from None
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"files: '{name}' cannot be read ({type(error).__name__})") from None
    if stat.S_ISLNK(mode):
        raise InvalidRequest(f"files: '{name}' is a symbolic link; name the file it points to")
    if not stat.S_ISREG(mode):
        what = "a folder; name the files in it" if stat.S_ISDIR(mode) else "not a regular file"
        raise InvalidRequest(f"files: '{name}' is {what}")
    return path


def _differs(path: Path, sha256: str) -> bool:
    return os.path.lexists(path) and not (path.is_file() and hash_file(path)[0] == sha256)


def _in_the_way(folder: Path, name: str) -> bool:
    """Whether a file stands where a folder must be."""
    parents = [folder / parent for parent in PurePosixPath(name).parents]
    return any(parent.exists() and not parent.is_dir() for parent in parents)
