"""Loaded forecasters and intervals, kept in the server's memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from catena.shared.artifacts import Artifact, ArtifactStore
from catena.shared.query import RefQuery

MOST = 4

T = TypeVar("T")


class Cache(Generic[T]):
    """The artifacts of one kind used last; loading one takes longer than forecasting with it.

    Keyed by content digest, so an entry can never be out of date. The manifest is read at each call
    all the same: a reference that leads nowhere must not be answered from memory.

    Parameters
    ----------
    store : ArtifactStore
    read : callable
        Loads an artifact.
    most : int
        How many are kept.
    """

    def __init__(
        self, store: ArtifactStore, read: Callable[[Artifact], T], most: int = MOST
    ) -> None:
        self._store, self._read, self._most = store, read, most
        self._loaded: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: RefQuery) -> T:
        """What is behind `ref`; errors as in :meth:`ArtifactStore.open`."""
        artifact = self._store.open(ref)
        digest = artifact.manifest.digest
        with self._lock:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
                return self._loaded[digest]
        loaded = self._read(artifact)  # not under the lock: others may forecast meanwhile
        with self._lock:
            self._loaded[digest] = loaded
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        return loaded
