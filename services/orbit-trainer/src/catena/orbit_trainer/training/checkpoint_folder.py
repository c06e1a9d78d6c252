"""Checkpoints of one training, side by side in a folder; the last good one always survives.

A checkpoint is a folder ``step-000000100``. It is written under another name and renamed when all
of it is there, with ``meta.json`` in it, which has the size of every file. So a kill, a full disk
or a file that was cut off later leaves a checkpoint that is not whole, and the one before counts.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catena.shared.errors import FailedPrecondition

__all__ = ["CheckpointFolder", "read_meta", "seal", "unfinished"]

log = logging.getLogger(__name__)

_META = "meta.json"
_STEP = re.compile(r"step-(\d{9,})")


def unfinished(folder: Path) -> Path:
    """Where a checkpoint is written until :func:`seal` gives it its name."""
    return folder.with_name(folder.name + ".part")


def seal(folder: Path, meta: Mapping[str, Any]) -> None:
    """Make what lies in ``unfinished(folder)`` the checkpoint `folder`; old ones beside it go.

    One process calls it, when all have written.

    Raises
    ------
    OSError
        When the disk is full, for one.
    """
    part = unfinished(folder)
    sizes = {
        str(path.relative_to(part)): path.stat().st_size
        for path in sorted(part.rglob("*"))
        if path.is_file() and path != part / _META
    }
    with (part / _META).open("w") as file:
        json.dump({"files": sizes, "meta": dict(meta)}, file)
        file.flush()
        os.fsync(file.fileno())
    if folder.exists():  # the same step again, after a resume from an earlier one
        shutil.rmtree(folder)
    part.rename(folder)
    CheckpointFolder(folder.parent).tidy()


def read_meta(folder: Path) -> dict[str, Any]:
    """What :func:`seal` was given.

    Raises
    ------
    FailedPrecondition
        When the checkpoint is not there, or not whole.
    """
    try:
        said = json.loads((folder / _META).read_text())
        sizes, meta = dict(said["files"]), dict(said["meta"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FailedPrecondition(
            f"{folder.name} is no whole checkpoint: its {_META} is missing or damaged "
            f"({type(error).__name__}); go on from an earlier one"
        ) from None
    for name, size in sizes.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            came = "is missing" if found is None else f"has {found} bytes"
            raise FailedPrecondition(
                f"{folder.name} is no whole checkpoint: {name} {came}, {size} bytes wanted; go on "
                "from an earlier one"
            )
    return meta


class CheckpointFolder:
    """Where the checkpoints of one training lie.

    Parameters
    ----------
    path : Path
        Read and written by all processes: on one machine or a shared file system.
    keep : int
        How many whole ones are kept.
    """

    def __init__(self, path: Path, keep: int = 2) -> None:
        self.path, self.keep = path, keep

    def place(self, step: int) -> Path:
        """Folder of the checkpoint after `step` steps."""
        return self.path / f"step-{step:09d}"

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The last whole checkpoint and what was saved with it; None if there is none."""
        return next(self.whole(), None)

    def whole(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Whole checkpoints with what was saved with them, newest first."""
        for step in reversed(self._steps()):
            try:
                found = self.place(step), read_meta(self.place(step))
            except FailedPrecondition as error:
                log.warning("%s", error)
                continue
            yield found

    def tidy(self) -> None:
        """Remove all but the newest `keep` whole ones, and what killed processes left.

        Nothing may be written here at the time.
        """
        for left in self.path.glob("step-*.part"):
            shutil.rmtree(left, ignore_errors=True)
        kept = 0
        for step in reversed(self._steps()):
            if kept >= self.keep:
                shutil.rmtree(self.place(step), ignore_errors=True)
                continue
            try:
                read_meta(self.place(step))
                kept += 1
            except FailedPrecondition:
                shutil.rmtree(self.place(step), ignore_errors=True)

    def _steps(self) -> list[int]:
        if not self.path.is_dir():
            return []
        named = (_STEP.fullmatch(path.name) for path in self.path.iterdir())
        return sorted(int(match[1]) for match in named if match)
