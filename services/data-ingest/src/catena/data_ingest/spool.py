"""Blocks that were made once, kept in files while a dataset is read.

A generated block holds all variables, but datasets are written one variable after the other:
without a place for what was made, each variable would cost the making of all.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

LIMIT_BYTES = 16 << 30


class Spool:
    """Blocks by number, in a temporary folder that goes when the spool does.

    Parameters
    ----------
    limit_bytes : int
        What exceeds it is made again each time.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._reset()

    def _reset(self) -> None:
        self._folder: Path | None = None
        self._names: dict[int, tuple[str, ...]] = {}
        self._used = 0
        self._lock = threading.Lock()
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def __getstate__(self) -> dict[str, Any]:
        return {"limit_bytes": self.limit_bytes}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Another process has a folder of its own.
        self.limit_bytes = state["limit_bytes"]
        self._reset()

    def __contains__(self, number: int) -> bool:
        return number in self._names

    def block(self, number: int, make: Callable[[], Arrays]) -> Arrays:
        """A block, made at most once while there is room; arrays are mapped from files."""
        with self._lock:
            own = self._locks[number]
        with own:
            if number not in self._names:
                made = make()
                size = sum(values.nbytes for values in made.values())
                with self._lock:
                    fits = self._used + size <= self.limit_bytes
                    self._used += size if fits else 0
                    if self._folder is None:
                        self._folder = Path(tempfile.mkdtemp(prefix="catena-generated-"))
                        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
                if not fits:
                    return made
                for name, values in made.items():
                    np.save(self._path(number, name), values, allow_pickle=False)
                self._names[number] = tuple(made)
            return {
                name: np.load(self._path(number, name), mmap_mode="r", allow_pickle=False)
                for name in self._names[number]
            }

    def _path(self, number: int, name: str) -> Path:
        assert self._folder is not None  # the block is in it
        return self._folder / f"{number}-{name}.npy"
