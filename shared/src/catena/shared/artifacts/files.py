"""Bytes by name: the few operations on which the store stands, for folders, buckets and memory.

Three promises hold for every kind of store:

- :meth:`Files.write` replaces a file in one step: a reader sees the old bytes or the new ones.
- :meth:`Files.create` succeeds for exactly one of many callers, and its file appears complete.
- nothing outside the root is read, written or removed.

Methods take names that :func:`~catena.shared.artifacts.paths.check_relative` accepts and raise
``OSError`` as the operating system does; :class:`~catena.shared.artifacts.store.ArtifactStore`
turns those into messages for users.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from catena.shared.errors import InvalidData

BLOCK = 1 << 20


@dataclass(frozen=True)
class FileInfo:
    """One file: its name in the store, size in bytes, time of last change (s since 1970)."""

    path: str
    size: int
    modified_s: float


class Files(Protocol):
    """What a kind of store can do."""

    def read(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Bytes ``[start, stop)`` of the file; negative `start` counts from the end."""

    def blocks(self, path: str) -> Iterator[bytes]:
        """The file in pieces of bounded size."""

    def write(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Replace the file in one step; `durable`: it survives a power cut."""

    def put(self, path: str, source: Path, sha256: str) -> None:
        """Replace the file by a copy of the local file `source`, in one step.

        Raises InvalidData, and leaves the old file, when the source has another digest by now.
        """

    def link(self, source: str, path: str) -> None:
        """Replace the file by another one of the store: linked, or copied where that is done."""

    def create(self, path: str, data: bytes) -> bool:
        """Write the file if nobody has; False if it is there."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of that name."""

    def ls(self, path: str) -> list[str]:
        """Sorted names of the files and folders in a folder; none if it is missing."""

    def find(self, path: str) -> list[FileInfo]:
        """All files below a folder, sorted by name."""

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder and all below it; nothing happens if it is missing."""

    def local(self, path: str) -> Path | None:
        """Where the file lies on this machine, if it does."""


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size in bytes of a local file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def check_unchanged(found: str, expected: str, path: str) -> None:
    """Raise InvalidData when a file that was to be copied is another one by now."""
    if found != expected:
        name = path.rpartition("/")[2]
        raise InvalidData(
            f"'{name}' changed while it was copied; import it when nobody writes to it"
        )
