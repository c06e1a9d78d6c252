"""What is finished of a long job's artifact, so that the next attempt need not make it again.

Records are appended to ``attempts/<n>/.journal/<k>.jsonl``; the job's checkpoint holds only how
many such files each attempt has. So one more finished file costs the same whether ten or ten
thousand were finished before, and the checkpoint's position grows with each.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from catena.shared.artifacts.manifest import FileEntry
from catena.shared.errors import InvalidData, NotFound

if TYPE_CHECKING:
    from catena.shared.artifacts.writer import ArtifactWriter

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 10
"""A file of the journal is rewritten with each record until it has this size; then the next begins.
"""


class CheckpointLike(Protocol):
    """Where a job keeps how far it is; :class:`~catena.shared.jobs.checkpoint.Checkpoint`."""

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Arrays and other values as they were saved last."""

    def save(self, arrays: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> None:
        """Replace them."""


@dataclass
class Item:
    """What is known of one thing (a dataset, a reference) in the artifact.

    Parameters
    ----------
    fingerprint : str
        Of the frame that the parts belong to.
    parts : dict
        Label of a finished part -> attempt that wrote it, and its files.
    files : tuple of (int, list of FileEntry), optional
        Attempt and files that are no part; set when all is finished.
    note : dict
        What the job wrote down about it.
    """

    fingerprint: str = ""
    parts: dict[str, tuple[int, list[FileEntry]]] = field(default_factory=dict)
    files: tuple[int, list[FileEntry]] | None = None
    note: dict[str, Any] = field(default_factory=dict)

    def everything(self) -> list[tuple[int, list[FileEntry]]]:
        """All files by the attempt that wrote them."""
        return [*self.parts.values(), *([self.files] if self.files is not None else [])]


class Journal:
    """The journal of a job, over all its attempts.

    Parameters
    ----------
    writer : ArtifactWriter
        Of this attempt.
    checkpoint : Checkpoint
        Of the job; its other content is replaced.

    Attributes
    ----------
    items : dict
        By name.
    """

    def __init__(self, writer: ArtifactWriter, checkpoint: CheckpointLike) -> None:
        self._writer = writer
        self._checkpoint = checkpoint
        self.items: dict[str, Item] = {}
        self._lines: list[bytes] = []
        loaded = checkpoint.load()
        segments = loaded[1].get("journal", []) if loaded is not None else []
        self._segments = [[int(attempt), int(count)] for attempt, count in segments]
        self._read()

    def add_part(self, name: str, fingerprint: str, label: str, files: Iterable[FileEntry]) -> None:
        """Note that a part is finished."""
        self._append(
            {"item": name, "fingerprint": fingerprint, "part": label, "files": _plain(name, files)}
        )

    def add_item(
        self, name: str, fingerprint: str, files: Iterable[FileEntry], note: Mapping[str, Any]
    ) -> None:
        """Note that all is finished; `note` is JSON (InvalidData if not)."""
        self._append(
            {
                "item": name,
                "fingerprint": fingerprint,
                "files": _plain(name, files),
                "note": dict(note),
            }
        )

    def _append(self, record: dict[str, Any]) -> None:
        try:
            line = json.dumps(record, sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidData(f"'{record['item']}': the note is not JSON ({error})") from None
        attempt = self._writer.attempt
        if not self._segments or self._segments[-1][0] != attempt:
            self._segments.append([attempt, 0])
            self._lines = []
        if not self._lines:
            self._segments[-1][1] += 1
        self._lines.append(line)
        data = b"\n".join(self._lines) + b"\n"
        self._writer.store.write_bytes(self._path(*self._segments[-1]), data)
        self._checkpoint.save({}, {"journal": self._segments})
        self._take(attempt, json.loads(line))
        if len(data) >= SEGMENT_BYTES:
            self._lines = []

    def _read(self) -> None:
        for attempt, count in self._segments:
            for number in range(1, count + 1):
                try:
                    data = self._writer.store.read_bytes(self._path(attempt, number))
                    for line in data.splitlines():
                        self._take(attempt, json.loads(line))
                except (NotFound, ValueError, KeyError, TypeError) as error:
                    # Slow but right: what it listed is made again.
                    log.warning(
                        "journal %d of attempt %d is not usable: %s", number, attempt, error
                    )

    def _take(self, attempt: int, record: dict[str, Any]) -> None:
        name = record["item"]
        files = [
            FileEntry(path=f"{name}{path}", size=size, sha256=sha256)
            for path, size, sha256 in record["files"]
        ]
        item = self.items.setdefault(name, Item(record["fingerprint"]))
        if item.fingerprint != record["fingerprint"]:
            # The source changed between two attempts: older parts belong to something else.
            item = self.items[name] = Item(record["fingerprint"])
        if "part" in record:
            item.parts[record["part"]] = (attempt, files)
        else:
            item.files, item.note = (attempt, files), record["note"]

    def _path(self, attempt: int, number: int) -> str:
        return f"{self._writer.uri}/attempts/{attempt}/.journal/{number}.jsonl"


def _plain(name: str, files: Iterable[FileEntry]) -> list[list[Any]]:
    # Names of files begin with the name of their item, which need not be repeated for each.
    plain = []
    for entry in files:
        if not entry.path.startswith(name):
            raise InvalidData(f"file '{entry.path}' does not begin with '{name}', its item")
        plain.append([entry.path[len(name) :], entry.size, entry.sha256])
    return plain
