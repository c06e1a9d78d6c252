"""Checkpoints: how far a job is, so that the next attempt need not begin again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from catena.shared.artifacts import ArtifactStore
from catena.shared.errors import InvalidData, NotFound
from catena.shared.jobs.safety import removed

log = logging.getLogger(__name__)

_CURRENT = "current.json"


class Checkpoint:
    """The one checkpoint of a job.

    The arrays of checkpoint *p* lie in ``checkpoint/<p>-<attempt>.safetensors``;
    ``checkpoint/current.json`` holds the number, the digest of that file and the other values, and
    is replaced in one step. So a reader finds the old checkpoint or the new one, never a mixture,
    whenever the writer is killed.

    Parameters
    ----------
    store : ArtifactStore
    folder : str
        The job's folder ``checkpoint`` in the store.
    attempt : int
        Who writes.
    guard : callable
        Called before the checkpoint is replaced; raises when this attempt may not write any more.
    """

    def __init__(
        self,
        store: ArtifactStore,
        folder: str,
        attempt: int = 0,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._attempt = attempt
        self._guard = guard

    @property
    def position(self) -> int:
        """Number of the newest checkpoint; 0 before the first. It only ever grows."""
        return int(self._current().get("position", 0))

    def load(self) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]] | None:
        """Arrays and other values as they were saved last; None if there is nothing to go on from.

        A damaged checkpoint counts as none: the job then begins again, which is slow but right.
        """
        if removed("checkpoint"):
            return None
        current = self._current()
        if not current:
            return None
        try:
            data = self._store.read_bytes(f"{self._folder}/{current['file']}")
            if hashlib.sha256(data).hexdigest() != current["sha256"]:
                raise ValueError("its digest differs")
            return load(data), dict(current["meta"])
        except (NotFound, KeyError, TypeError, ValueError, SafetensorError) as error:
            log.warning("checkpoint %s is not usable (%s); beginning again", self._folder, error)
            return None

    def save(
        self, arrays: Mapping[str, np.ndarray[Any, Any]], meta: Mapping[str, Any] | None = None
    ) -> None:
        """Replace the checkpoint.

        Parameters
        ----------
        arrays : mapping
            Arrays of numbers, of any shape.
        meta : mapping, optional
            Whatever else the job needs, as JSON: counters, the state of a random generator.

        Raises
        ------
        InvalidData
            When `meta` is not JSON, or an array is not of numbers.
        JobCancelled, JobInterrupted, LeaseLost
            When this attempt may not write any more; let it pass.
        """
        current = self._current()
        position = int(current.get("position", 0)) + 1
        plain = {str(key): np.asarray(value, order="C") for key, value in arrays.items()}
        for key, value in plain.items():
            if value.dtype.kind not in "fiub":
                raise InvalidData(
                    f"checkpoint: array '{key}' has type {value.dtype}, wanted numbers"
                )
        data = save(plain)
        # The attempt is in the name, so that two attempts never write the same file.
        file = f"{position}-{self._attempt}.safetensors"
        self._store.write_bytes(f"{self._folder}/{file}", data)
        self._guard()
        try:
            self._store.write_json(
                f"{self._folder}/{_CURRENT}",
                {
                    "position": position,
                    "file": file,
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "meta": dict(meta or {}),
                },
            )
        except (TypeError, ValueError) as error:
            raise InvalidData(
                f"checkpoint: meta is not JSON ({error}); put arrays into `arrays`"
            ) from None
        # Also what killed attempts left behind.
        for name in self._store.ls(self._folder):
            if name not in (_CURRENT, file):
                self._store.remove_tree(f"{self._folder}/{name}")

    def _current(self) -> dict[str, Any]:
        return dict(self._store.read_json(f"{self._folder}/{_CURRENT}", {}))
