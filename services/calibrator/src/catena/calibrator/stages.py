"""Where a long fit keeps what it has done: a killed one goes on instead of starting again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]
ProgressReport = Callable[[float, str], None]

SEPARATOR = "/"


class Checkpoint(Protocol):
    """Storage for one checkpoint; a job's context has one, a notebook needs none."""

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The last state saved, or None."""

    def save(self, arrays: Arrays, meta: dict[str, Any]) -> None:
        """Replace the state."""


class Stages:
    """Named stages of a fit on top of one checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint, optional
        Nothing is kept beyond this process when it is left out.
    """

    def __init__(self, checkpoint: Checkpoint | None = None) -> None:
        self._checkpoint = checkpoint
        self._stages: dict[str, tuple[Arrays, dict[str, Any]]] = {}
        saved = checkpoint.load() if checkpoint is not None else None
        if saved is not None:
            arrays, meta = saved
            for stage, stage_meta in meta.get("stages", {}).items():
                start = stage + SEPARATOR
                mine = {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}
                self._stages[stage] = (mine, stage_meta)

    def get(self, stage: str) -> tuple[Arrays, dict[str, Any]] | None:
        """What `stage` put last, or None."""
        return self._stages.get(stage)

    def put(
        self,
        stage: str,
        arrays: Mapping[str, np.ndarray],
        meta: Mapping[str, Any],
        *,
        drop: Iterable[str] = (),
    ) -> None:
        """Save `stage`, forgetting the stages in `drop` that it makes superfluous."""
        for old in drop:
            self._stages.pop(old, None)
        self._stages[stage] = (dict(arrays), dict(meta))
        if self._checkpoint is not None:
            every = {
                name + SEPARATOR + key: value
                for name, (stage_arrays, _) in self._stages.items()
                for key, value in stage_arrays.items()
            }
            self._checkpoint.save(
                every, {"stages": {name: meta for name, (_, meta) in self._stages.items()}}
            )


def part(report: ProgressReport | None, start: float, end: float) -> ProgressReport:
    """Maps a step's own 0..1 to the share [start, end] of the whole; silent without `report`."""

    def inner(fraction: float, message: str) -> None:
        if report is not None:
            report(start + (end - start) * min(max(fraction, 0.0), 1.0), message)

    return inner
